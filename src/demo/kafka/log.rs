//! The log of one partition: segments in a row, the place for the next batch, and who waits for it.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use kafka_protocol::error::ResponseError;
use tokio::sync::Notify;

use super::batch::{self, Header};
use super::producers::{Producers, Verdict};
use super::segment::{self, Segment};

/// There is one leader and it never changes.
pub(super) const LEADER_EPOCH: i32 = 0;

/// The log of one partition. Its owner keeps it behind a mutex, held for an index look-up or one `write`.
#[derive(Debug)]
pub(super) struct Log {
    folder: PathBuf,
    /// The first offset that may be read; within or at the base of the first segment.
    start: i64,
    segments: VecDeque<Segment>,
    segment_bytes: u64,
    producers: Producers,
    /// The time of the newest batch. Log-append time never goes back within a partition, whatever the clock does.
    newest: i64,
    waiters: Vec<Arc<Notify>>,
    /// Set when the topic is deleted: nothing may be written any more.
    closed: bool,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Appended {
    pub offset: i64,
    pub at: i64,
    /// Bytes by which the log grew: none for a retry of what was there.
    pub grew: u64,
}

/// A stretch of a segment file that answers a fetch.
#[derive(Debug)]
pub(super) struct Span {
    file: Arc<File>,
    position: u64,
    pub length: usize,
}

impl Span {
    pub(super) fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.length];
        self.file.read_exact_at(&mut bytes, self.position)?;
        Ok(bytes)
    }
}

impl Log {
    /// Opens the log in a folder; only the newest segment is read through, the others have their index.
    pub(super) fn open(folder: PathBuf, start: i64, segment_bytes: u64) -> io::Result<Self> {
        let mut files = segment_files(&folder)?;
        let newest = files.pop();
        let mut producers = Producers::default();
        let mut segments = VecDeque::new();
        for (base, path) in files {
            segments.push_back(Segment::finished(path, base, &mut producers)?);
        }
        if let Some((base, path)) = newest {
            let scan = Segment::recover(path, base, &mut producers)?;
            if scan.cut > 0 {
                tracing::info!(
                    folder = %folder.display(), bytes = scan.cut, next_offset = scan.segment.contents.next,
                    "the end of the log was not whole and has been cut"
                );
            }
            segments.push_back(scan.segment);
        }
        let mut log = Self {
            folder,
            start: 0,
            segments,
            segment_bytes,
            producers,
            newest: 0,
            waiters: Vec::new(),
            closed: false,
        };
        log.start = start.max(log.base()).min(log.end());
        log.newest = log.segments.iter().map(|segment| segment.contents.max_timestamp).max().unwrap_or(0).max(0);
        Ok(log)
    }

    fn base(&self) -> i64 {
        self.segments.front().map_or(0, |first| first.contents.base)
    }

    /// The first offset that may be read.
    pub(super) fn start(&self) -> i64 {
        self.start
    }

    /// The offset of the next record: the high watermark, as there is one replica.
    pub(super) fn end(&self) -> i64 {
        self.segments.back().map_or(0, |last| last.contents.next)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.contents.size).sum()
    }

    /// The file that is being appended to.
    pub(super) fn newest_file(&self) -> Option<Arc<File>> {
        self.segments.back()?.file().ok()
    }

    /// Stamps a checked batch and writes it.
    pub(super) fn append(&mut self, bytes: &[u8], header: &Header) -> Result<Appended, ResponseError> {
        if self.closed {
            return Err(ResponseError::UnknownTopicOrPartition);
        }
        if let Verdict::Duplicate { offset, at } = self.producers.judge(header)? {
            return Ok(Appended { offset, at, grew: 0 });
        }
        self.write(bytes, header).map_err(|error| {
            tracing::warn!(folder = %self.folder.display(), %error, "a batch could not be written");
            ResponseError::KafkaStorageError
        })
    }

    fn write(&mut self, bytes: &[u8], header: &Header) -> io::Result<Appended> {
        self.make_room(header.size)?;
        let at = now().max(self.newest);
        let offset = self.end();
        let mut stamped = bytes.to_vec();
        batch::stamp(&mut stamped, header, offset, LEADER_EPOCH, at);
        let header = Header { base_offset: offset, max_timestamp: at, ..*header };
        let segment = self.segments.back_mut().ok_or_else(|| io::Error::other("no segment"))?;
        segment.append(&stamped, &header)?;
        self.newest = at;
        self.producers.remember(&header, offset, at);
        self.wake();
        Ok(Appended { offset, at, grew: header.size })
    }

    /// Begins a new segment where there is none, or where the newest is full.
    fn make_room(&mut self, size: u64) -> io::Result<()> {
        match self.segments.back() {
            Some(newest) if newest.contents.size == 0 => Ok(()),
            Some(newest) if newest.contents.size + size <= self.segment_bytes => Ok(()),
            _ => self.roll(),
        }
    }

    fn roll(&mut self) -> io::Result<()> {
        let next = Segment::create(&self.folder, self.end())?;
        if let Some(full) = self.segments.back_mut() {
            full.finish(&self.producers);
        }
        self.segments.push_back(next);
        Ok(())
    }

    /// Whoever waits is told at the next batch. One entry per connection, as each has one request at a time.
    pub(super) fn wait(&mut self, waiter: &Arc<Notify>) {
        if self.waiters.iter().any(|known| Arc::ptr_eq(known, waiter)) {
            return;
        }
        // A waiter that only this list still knows belongs to a closed connection.
        self.waiters.retain(|known| Arc::strong_count(known) > 1);
        self.waiters.push(Arc::clone(waiter));
    }

    /// Lets every waiter look again.
    pub(super) fn wake(&mut self) {
        for waiter in self.waiters.drain(..) {
            waiter.notify_one();
        }
    }

    /// Where the batches from `offset` on lie; at most `limit` bytes, but always a whole first batch.
    ///
    /// Like every broker it may end within a batch, which clients drop: cutting at a batch's end would mean
    /// reading the headers of all that is sent.
    pub(super) fn find(&self, offset: i64, limit: usize) -> Result<Option<Span>, ResponseError> {
        if self.closed {
            return Err(ResponseError::UnknownTopicOrPartition);
        }
        if offset < self.start || offset > self.end() {
            return Err(ResponseError::OffsetOutOfRange);
        }
        self.span(offset, limit).map_err(|error| {
            tracing::warn!(folder = %self.folder.display(), %error, "the log could not be read");
            ResponseError::KafkaStorageError
        })
    }

    fn span(&self, offset: i64, limit: usize) -> io::Result<Option<Span>> {
        let Some(segment) = self.segment_of(offset) else {
            return Ok(None);
        };
        let file = segment.file()?;
        let Some((position, first)) = segment.find(&file, offset)? else {
            return Ok(None);
        };
        let first = usize::try_from(first.size).map_err(io::Error::other)?;
        let rest = usize::try_from(segment.contents.size - position).map_err(io::Error::other)?;
        Ok(Some(Span { file, position, length: rest.min(limit.max(first)) }))
    }

    fn segment_of(&self, offset: i64) -> Option<&Segment> {
        let from = self.segments.partition_point(|segment| segment.contents.next <= offset);
        self.segments.get(from)
    }

    /// The first batch at or after a time that may be read: its offset and its time.
    pub(super) fn find_time(&self, timestamp: i64) -> io::Result<Option<(i64, i64)>> {
        let by_time = self.segments.iter().find(|segment| segment.contents.max_timestamp >= timestamp);
        let Some((_, mut header)) = by_time.map(|segment| segment.find_time(timestamp)).transpose()?.flatten() else {
            return Ok(None);
        };
        if header.next_offset() <= self.start {
            // Times do not fall, so the batch at the start is the first one that counts.
            let Some(segment) = self.segment_of(self.start) else {
                return Ok(None);
            };
            let Some((_, at_start)) = segment.find(&*segment.file()?, self.start)? else {
                return Ok(None);
            };
            header = at_start;
        }
        Ok(Some((header.base_offset.max(self.start), header.max_timestamp)))
    }

    /// When the oldest segment was last written to, and how many segments there are, empty ones aside.
    pub(super) fn oldest(&self) -> Option<(i64, usize)> {
        let first = self.segments.front().filter(|first| first.contents.size > 0)?;
        let filled = self.segments.iter().filter(|segment| segment.contents.size > 0).count();
        Some((first.contents.max_timestamp, filled))
    }

    /// Deletes the oldest segment; returns its bytes. The newest is replaced by an empty one first, so that
    /// the folder still says where the log goes on.
    pub(super) fn drop_oldest(&mut self) -> io::Result<u64> {
        if self.segments.len() == 1 {
            self.roll()?;
        }
        let Some(first) = self.segments.pop_front() else {
            return Ok(0);
        };
        let size = first.contents.size;
        self.start = self.start.max(self.base());
        first.delete()?;
        Ok(size)
    }

    /// Moves the start up to `offset`; whole segments before it are deleted. Returns the bytes freed.
    pub(super) fn move_start(&mut self, offset: i64) -> io::Result<u64> {
        let mut freed = 0;
        self.start = self.start.max(offset.min(self.end()));
        while self.segments.len() > 1 && self.segments.front().is_some_and(|first| first.contents.next <= self.start) {
            freed += self.drop_oldest()?;
        }
        Ok(freed)
    }

    /// The topic is gone: waiters learn it, writers are refused, the files are removed by the caller.
    pub(super) fn close(&mut self) -> u64 {
        self.closed = true;
        let bytes = self.bytes();
        self.segments.clear();
        self.wake();
        bytes
    }
}

fn segment_files(folder: &Path) -> io::Result<Vec<(i64, PathBuf)>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if let Some(base) = segment::base_of(&path) {
            files.push((base, path));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
