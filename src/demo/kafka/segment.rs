//! One segment file: batches one behind the other, and a sparse index of them in memory.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::batch::{self, HEADER, Header};
use super::producers::Producers;
use super::state::Durability;
use super::walk::Walk;

/// Log bytes between two index entries. One read of this size finds any batch, and 1 GiB needs 65,536 entries
/// (1.5 MB of memory) however small its batches are.
const INDEX_EVERY: u64 = 16 * 1024;

/// Where a batch lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub offset: i64,
    pub timestamp: i64,
    pub position: u64,
}

/// What is known of a segment without its file; kept beside a finished one as `<base>.index`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Contents {
    pub base: i64,
    pub next: i64,
    pub size: u64,
    pub max_timestamp: i64,
    entries: Vec<Entry>,
}

/// The index file: the contents, and the producers as they were at the segment's end.
#[derive(Serialize, Deserialize)]
struct IndexFile {
    contents: Contents,
    producers: Producers,
}

/// A segment of a partition's log.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    pub contents: Contents,
    /// Open while it is being appended to. Finished segments are opened for each read: a partition then costs
    /// one file descriptor, not one per segment.
    file: Option<Arc<File>>,
}

/// What a scan of a segment file found.
pub(super) struct Scan {
    pub segment: Segment,
    /// Bytes behind the last whole batch that were cut off.
    pub cut: u64,
}

impl Contents {
    fn empty(base: i64) -> Self {
        Self { base, next: base, size: 0, max_timestamp: -1, entries: Vec::new() }
    }

    fn add(&mut self, header: &Header) {
        let due = self.entries.last().is_none_or(|last| self.size - last.position >= INDEX_EVERY);
        if due {
            self.entries.push(Entry {
                offset: header.base_offset,
                timestamp: header.max_timestamp,
                position: self.size,
            });
        }
        self.size += header.size;
        self.next = header.next_offset();
        self.max_timestamp = self.max_timestamp.max(header.max_timestamp);
    }
}

impl Segment {
    pub(super) fn create(folder: &Path, base: i64) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("{base:020}.log"));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        Ok(Self { path, contents: Contents::empty(base), file: Some(Arc::new(file)) })
    }

    /// Opens the newest segment: every batch is read and its checksum verified, and whatever follows the last
    /// whole one is cut, because a crash of the machine may have left half a batch there.
    pub(super) fn recover(path: PathBuf, base: i64, producers: &mut Producers) -> io::Result<Scan> {
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let length = file.metadata()?.len();
        let mut contents = Contents::empty(base);
        let mut walk = Walk::new(&file, 0, length);
        while let Some(header) = walk.next()? {
            if !batch::plausible(&header, contents.next) || !walk.intact(&header)? {
                break;
            }
            contents.add(&header);
            producers.remember(&header, header.base_offset, header.max_timestamp);
        }
        let cut = length - contents.size;
        if cut > 0 {
            file.set_len(contents.size)?;
        }
        Ok(Scan { segment: Self { path, contents, file: Some(Arc::new(file)) }, cut })
    }

    /// Opens a finished segment by its index file, or by its headers where the index is missing or old.
    pub(super) fn finished(path: PathBuf, base: i64, producers: &mut Producers) -> io::Result<Self> {
        let length = std::fs::metadata(&path)?.len();
        if let Some(index) = read_index(&path)
            && index.contents.size == length
            && index.contents.base == base
        {
            *producers = index.producers;
            return Ok(Self { path, contents: index.contents, file: None });
        }
        let file = File::open(&path)?;
        let mut contents = Contents::empty(base);
        let mut walk = Walk::new(&file, 0, length);
        while let Some(header) = walk.next()? {
            if !batch::plausible(&header, contents.next) {
                break;
            }
            contents.add(&header);
            producers.remember(&header, header.base_offset, header.max_timestamp);
        }
        let segment = Self { path, contents, file: None };
        segment.write_index(producers);
        Ok(segment)
    }

    /// Nothing more will be appended: the index goes to disk, the file is closed.
    pub(super) fn finish(&mut self, producers: &Producers) {
        self.write_index(producers);
        self.file = None;
    }

    /// An index that cannot be written costs a scan at the next start, so the error is not worth more than a line.
    fn write_index(&self, producers: &Producers) {
        let index = IndexFile { contents: self.contents.clone(), producers: producers.clone() };
        let path = self.path.with_extension("index");
        let written = serde_json::to_vec(&index)
            .map_err(io::Error::from)
            .and_then(|bytes| super::state::replace(&path, &bytes, Durability::Process));
        if let Err(error) = written {
            tracing::debug!(path = %path.display(), %error, "segment index not written");
        }
    }

    /// Appends a stamped batch. One `write`: the page cache has it when this returns, so it outlives this
    /// process, also when killed. Only a crash of the machine can take it away, which is not worth an `fsync`
    /// per batch on a developer's disk.
    pub(super) fn append(&mut self, bytes: &[u8], header: &Header) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => Arc::new(OpenOptions::new().read(true).write(true).open(&self.path)?),
        };
        if let Err(error) = file.write_all_at(bytes, self.contents.size) {
            // Half a batch may be there (disk full): the next one must not end before that half does.
            if let Err(error) = file.set_len(self.contents.size) {
                tracing::debug!(path = %self.path.display(), %error, "half a batch stays until the next start");
            }
            return Err(error);
        }
        self.file = Some(file);
        self.contents.add(header);
        Ok(())
    }

    /// The file, for reading outside the log's lock; it stays readable when the segment is deleted meanwhile.
    pub(super) fn file(&self) -> io::Result<Arc<File>> {
        match &self.file {
            Some(file) => Ok(Arc::clone(file)),
            None => File::open(&self.path).map(Arc::new),
        }
    }

    /// Removes both files of the segment.
    pub(super) fn delete(self) -> io::Result<()> {
        if let Err(error) = std::fs::remove_file(self.path.with_extension("index"))
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        std::fs::remove_file(&self.path)
    }

    /// The batch that holds `offset`, or the first one behind it.
    pub(super) fn find(&self, file: &File, offset: i64) -> io::Result<Option<(u64, Header)>> {
        let from = self.contents.entries.partition_point(|entry| entry.offset <= offset);
        self.first(file, from, |header| header.next_offset() > offset)
    }

    /// The first batch appended at `timestamp` or later.
    pub(super) fn find_time(&self, timestamp: i64) -> io::Result<Option<(u64, Header)>> {
        let file = self.file()?;
        let from = self.contents.entries.partition_point(|entry| entry.timestamp < timestamp);
        self.first(&file, from, |header| header.max_timestamp >= timestamp)
    }

    /// Walks from the entry before `behind` to the first batch that `wanted` accepts.
    fn first(&self, file: &File, behind: usize, wanted: impl Fn(&Header) -> bool) -> io::Result<Option<(u64, Header)>> {
        let from = behind
            .checked_sub(1)
            .and_then(|before| self.contents.entries.get(before))
            .map_or(0, |entry| entry.position);
        let mut walk = Walk::new(file, from, self.contents.size);
        while let Some(header) = walk.next()? {
            if wanted(&header) {
                return Ok(Some((walk.position() - header.size, header)));
            }
        }
        Ok(None)
    }
}

fn read_index(path: &Path) -> Option<IndexFile> {
    let bytes = std::fs::read(path.with_extension("index")).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The base offset in a segment's file name.
pub(super) fn base_of(path: &Path) -> Option<i64> {
    if path.extension()? != "log" {
        return None;
    }
    path.file_stem()?.to_str()?.parse().ok().filter(|base| *base >= 0)
}

const _: () = assert!(HEADER < 16 * 1024, "a header fits into one read of the index distance");
