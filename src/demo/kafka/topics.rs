//! The topics: which there are, their ids and partitions, kept in one file; and the bound on all their logs.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use kafka_protocol::error::ResponseError;

use super::batch::Header;
use super::log::{Appended, Log};
use super::state::{self, Durability, TopicEntry, Topics};

/// More topics than a developer's machine needs, few enough to list in one small file.
const MAX_TOPICS: usize = 64;

/// Partitions of one topic; more than any sensible demo, and one open file each.
pub(super) const MAX_PARTITIONS: i32 = 64;

/// Partitions of all topics together: with the connections they stay below the usual 1,024 file descriptors.
const MAX_ALL_PARTITIONS: usize = 256;

/// What a file name may hold, and what Kafka allows.
const MAX_NAME: usize = 249;

/// Takes a lock. A panic while it was held leaves nothing half done that matters here: every change of what it
/// protects is a single step, made after the file work that can fail.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One partition of a topic.
#[derive(Debug)]
pub(super) struct Partition {
    pub index: i32,
    pub log: Mutex<Log>,
}

/// One topic.
#[derive(Debug)]
pub(super) struct Topic {
    pub name: String,
    /// 32 hexadecimal digits; another one when a topic is deleted and created again.
    pub id: String,
    partitions: RwLock<Vec<Arc<Partition>>>,
}

impl Topic {
    pub(super) fn partitions(&self) -> Vec<Arc<Partition>> {
        self.partitions.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn partition(&self, index: i32) -> Option<Arc<Partition>> {
        let partitions = self.partitions.read().unwrap_or_else(PoisonError::into_inner);
        partitions.get(usize::try_from(index).ok()?).cloned()
    }
}

/// All topics.
#[derive(Debug)]
pub(super) struct Catalogue {
    folder: PathBuf,
    file: PathBuf,
    max_bytes: u64,
    segment_bytes: u64,
    /// What the file holds. Held during a change, so that changes come one after the other.
    kept: Mutex<Topics>,
    topics: RwLock<BTreeMap<String, Arc<Topic>>>,
    /// Bytes of all logs together.
    bytes: AtomicU64,
}

impl Catalogue {
    /// Opens every log that the topics file names and removes the folders of those it does not (a topic whose
    /// deletion was interrupted).
    pub(super) fn open(data_dir: &Path, max_bytes: u64, segment_bytes: u64) -> io::Result<Self> {
        let folder = data_dir.join("topics");
        let file = data_dir.join("topics.json");
        std::fs::create_dir_all(&folder)?;
        let kept = match state::load::<Topics>(&file)? {
            Some(kept) => kept,
            // A new cluster would take the logs of the old one for rubbish.
            None if std::fs::read_dir(&folder)?.next().is_some() => {
                return Err(io::Error::other(format!("{} is missing, though there are logs", file.display())));
            }
            None => {
                let new = Topics::new();
                state::save(&file, &new, Durability::Machine)?;
                new
            }
        };
        remove_strangers(&folder, &kept)?;
        let catalogue = Self {
            folder,
            file,
            max_bytes,
            segment_bytes,
            kept: Mutex::new(kept.clone()),
            topics: RwLock::new(BTreeMap::new()),
            bytes: AtomicU64::new(0),
        };
        for (name, entry) in &kept.topics {
            let topic = catalogue.open_topic(name, entry)?;
            catalogue.put(topic);
        }
        catalogue.keep_bound();
        Ok(catalogue)
    }

    fn open_topic(&self, name: &str, entry: &TopicEntry) -> io::Result<Topic> {
        let partitions =
            (0..entry.partitions).map(|index| self.open_partition(name, entry, index)).collect::<io::Result<_>>()?;
        Ok(Topic { name: name.to_owned(), id: entry.id.clone(), partitions: RwLock::new(partitions) })
    }

    fn open_partition(&self, name: &str, entry: &TopicEntry, index: i32) -> io::Result<Arc<Partition>> {
        let folder = self.folder.join(folder_name(name, &entry.id)).join(index.to_string());
        let start = entry.starts.get(&index).copied().unwrap_or(0);
        let log = Log::open(folder, start, self.segment_bytes)?;
        self.bytes.fetch_add(log.bytes(), Ordering::Relaxed);
        Ok(Arc::new(Partition { index, log: Mutex::new(log) }))
    }

    fn put(&self, topic: Topic) -> Arc<Topic> {
        let topic = Arc::new(topic);
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.insert(topic.name.clone(), Arc::clone(&topic));
        topic
    }

    pub(super) fn cluster_id(&self) -> String {
        locked(&self.kept).cluster_id.clone()
    }

    pub(super) fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Topic>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(super) fn by_id(&self, id: &str) -> Option<Arc<Topic>> {
        self.all().into_iter().find(|topic| topic.id == id)
    }

    pub(super) fn partition(&self, name: &str, index: i32) -> Option<Arc<Partition>> {
        self.topic(name)?.partition(index)
    }

    /// Changes what is kept: on disk first, then in memory.
    fn change(&self, kept: &mut MutexGuard<'_, Topics>, change: impl FnOnce(&mut Topics)) -> Result<(), ResponseError> {
        let mut next = Topics::clone(kept);
        change(&mut next);
        state::save(&self.file, &next, Durability::Machine).map_err(|error| storage(&error))?;
        **kept = next;
        Ok(())
    }

    /// An id that no producer had before, in this run or an earlier one.
    pub(super) fn next_producer_id(&self) -> Result<i64, ResponseError> {
        let mut kept = locked(&self.kept);
        let id = kept.next_producer_id;
        self.change(&mut kept, |topics| topics.next_producer_id = id.saturating_add(1))?;
        Ok(id)
    }

    /// Whether a topic could be created like this; says which rule it breaks.
    pub(super) fn judge(&self, name: &str, partitions: i32) -> Result<(), ResponseError> {
        let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
        let named = (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(legal);
        if !named || name == "." || name == ".." {
            return Err(ResponseError::InvalidTopicException);
        }
        if self.topic(name).is_some() {
            return Err(ResponseError::TopicAlreadyExists);
        }
        if !(1..=MAX_PARTITIONS).contains(&partitions) {
            return Err(ResponseError::InvalidPartitions);
        }
        if self.all().len() >= MAX_TOPICS {
            return Err(ResponseError::PolicyViolation);
        }
        self.judge_growth(partitions)
    }

    fn judge_growth(&self, more: i32) -> Result<(), ResponseError> {
        let there: usize = self.all().iter().map(|topic| topic.partitions().len()).sum();
        match usize::try_from(more) {
            Ok(more) if there + more <= MAX_ALL_PARTITIONS => Ok(()),
            _ => Err(ResponseError::PolicyViolation),
        }
    }

    pub(super) fn create(&self, name: &str, partitions: i32) -> Result<Arc<Topic>, ResponseError> {
        let mut kept = locked(&self.kept);
        self.judge(name, partitions)?;
        let entry = TopicEntry { id: state::topic_id(), partitions, starts: BTreeMap::new() };
        self.change(&mut kept, |topics| {
            topics.topics.insert(name.to_owned(), entry.clone());
        })?;
        let topic = self.open_topic(name, &entry).map_err(|error| storage(&error))?;
        tracing::debug!(topic = name, partitions, "topic created");
        Ok(self.put(topic))
    }

    pub(super) fn delete(&self, name: &str) -> Result<Arc<Topic>, ResponseError> {
        let mut kept = locked(&self.kept);
        let topic = self.topic(name).ok_or(ResponseError::UnknownTopicOrPartition)?;
        self.change(&mut kept, |topics| {
            topics.topics.remove(name);
        })?;
        self.topics.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        for partition in topic.partitions() {
            let mut log = locked(&partition.log);
            let freed = log.close();
            self.bytes.fetch_sub(freed, Ordering::Relaxed);
        }
        let folder = self.folder.join(folder_name(name, &topic.id));
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(folder = %folder.display(), %error, "left for the next start to remove");
            }
            _ => {}
        }
        tracing::info!(topic = name, "topic deleted");
        Ok(topic)
    }

    /// Whether a topic could have so many partitions.
    pub(super) fn judge_count(&self, name: &str, count: i32) -> Result<(), ResponseError> {
        let topic = self.topic(name).ok_or(ResponseError::UnknownTopicOrPartition)?;
        let there = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
        if count <= there || count > MAX_PARTITIONS {
            return Err(ResponseError::InvalidPartitions);
        }
        self.judge_growth(count - there)
    }

    pub(super) fn grow(&self, name: &str, count: i32) -> Result<(), ResponseError> {
        let mut kept = locked(&self.kept);
        self.judge_count(name, count)?;
        let topic = self.topic(name).ok_or(ResponseError::UnknownTopicOrPartition)?;
        self.change(&mut kept, |topics| {
            if let Some(entry) = topics.topics.get_mut(name) {
                entry.partitions = count;
            }
        })?;
        let entry = kept.topics.get(name).ok_or(ResponseError::UnknownTopicOrPartition)?;
        let mut partitions = topic.partitions();
        for index in i32::try_from(partitions.len()).unwrap_or(i32::MAX)..count {
            partitions.push(self.open_partition(name, entry, index).map_err(|error| storage(&error))?);
        }
        *topic.partitions.write().unwrap_or_else(PoisonError::into_inner) = partitions;
        tracing::info!(topic = name, partitions = count, "topic grown");
        Ok(())
    }

    /// Appends a checked batch and keeps the bound on all logs.
    pub(super) fn append(&self, to: &Partition, bytes: &[u8], header: &Header) -> Result<Appended, ResponseError> {
        // Counted under the log's lock, like what is deleted: the sum never falls below zero in between.
        let mut log = locked(&to.log);
        let appended = log.append(bytes, header)?;
        let before = self.bytes.fetch_add(appended.grew, Ordering::Relaxed);
        drop(log);
        if before.saturating_add(appended.grew) > self.max_bytes {
            self.keep_bound();
        }
        Ok(appended)
    }

    /// Deletes the oldest segments of all logs until they fit; the very newest one always stays.
    fn keep_bound(&self) {
        let _one_at_a_time = locked(&self.kept);
        while self.bytes.load(Ordering::Relaxed) > self.max_bytes {
            let mut segments = 0;
            let mut oldest: Option<(i64, Arc<Partition>)> = None;
            for partition in self.all().iter().flat_map(|topic| topic.partitions()) {
                let Some((at, filled)) = locked(&partition.log).oldest() else {
                    continue;
                };
                segments += filled;
                if oldest.as_ref().is_none_or(|(than, _)| at < *than) {
                    oldest = Some((at, partition));
                }
            }
            let Some((_, victim)) = oldest.filter(|_| segments > 1) else {
                return;
            };
            let mut log = locked(&victim.log);
            match log.drop_oldest() {
                Ok(freed) => self.bytes.fetch_sub(freed, Ordering::Relaxed),
                Err(error) => return tracing::warn!(%error, "an old segment could not be deleted"),
            };
        }
    }

    /// Brings what was written to the disk itself, at the end of a run.
    pub(super) fn flush(&self) -> io::Result<()> {
        for partition in self.all().iter().flat_map(|topic| topic.partitions()) {
            let newest = locked(&partition.log).newest_file();
            if let Some(file) = newest {
                file.sync_data()?;
            }
        }
        Ok(())
    }

    /// Moves the start of a log, so that records before `offset` are gone; returns the new start.
    pub(super) fn delete_records(&self, name: &str, index: i32, offset: i64) -> Result<i64, ResponseError> {
        let mut kept = locked(&self.kept);
        let partition = self.partition(name, index).ok_or(ResponseError::UnknownTopicOrPartition)?;
        let (start, end) = {
            let log = locked(&partition.log);
            (log.start(), log.end())
        };
        let offset = if offset == -1 { end } else { offset };
        if offset < start || offset > end {
            return Err(ResponseError::OffsetOutOfRange);
        }
        self.change(&mut kept, |topics| {
            if let Some(entry) = topics.topics.get_mut(name) {
                entry.starts.insert(index, offset);
            }
        })?;
        let mut log = locked(&partition.log);
        let freed = log.move_start(offset).map_err(|error| storage(&error))?;
        self.bytes.fetch_sub(freed, Ordering::Relaxed);
        Ok(log.start())
    }
}

fn storage(error: &io::Error) -> ResponseError {
    tracing::warn!(%error, "the data folder could not be changed");
    ResponseError::KafkaStorageError
}

/// A folder a person can recognise; with the id, so that a topic created anew never finds its old batches.
fn folder_name(name: &str, id: &str) -> String {
    format!("{name:.100}@{id}")
}

fn remove_strangers(folder: &Path, kept: &Topics) -> io::Result<()> {
    let known: Vec<String> = kept.topics.iter().map(|(name, entry)| folder_name(name, &entry.id)).collect();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.contains('@') && !known.contains(&name) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
