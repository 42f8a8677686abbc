//! What all connections of the broker share: its settings, topics, groups, and the faults that tests set.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, watch};

use super::Settings;
use super::groups::Groups;
use super::offsets::Offsets;
use super::topics::{Catalogue, locked};

/// The one broker of the cluster.
pub(super) const NODE_ID: i32 = 1;

/// File jobs at the same time. The rest waits, each in its own connection, which sends nothing meanwhile.
const FILE_JOBS: u32 = 8;

/// The whole state of a broker.
pub(super) struct Shared {
    pub settings: Settings,
    pub cluster_id: String,
    pub topics: Catalogue,
    pub offsets: Offsets,
    pub groups: Arc<Groups>,
    pub faults: Faults,
    file_jobs: Arc<Semaphore>,
}

/// What tests switch on and off; nothing else touches it.
pub(super) struct Faults {
    /// Client id, topic, partition; of connections before this number.
    held: Mutex<Vec<(String, String, i32, u64)>>,
    connections: AtomicU64,
    /// Topic, and how many of its partitions metadata names.
    fewer: Mutex<Vec<(String, i32)>>,
    pub paused: watch::Sender<bool>,
}

impl Shared {
    pub(super) fn new(settings: Settings, topics: Catalogue, offsets: Offsets) -> Self {
        Self {
            settings,
            cluster_id: topics.cluster_id(),
            topics,
            offsets,
            groups: Arc::new(Groups::default()),
            faults: Faults {
                held: Mutex::new(Vec::new()),
                connections: AtomicU64::new(0),
                fewer: Mutex::new(Vec::new()),
                paused: watch::Sender::new(false),
            },
            file_jobs: Arc::new(Semaphore::new(FILE_JOBS as usize)), // eight fits everywhere
        }
    }

    /// Runs work on files off the runtime; `None` when the broker is stopping, or when the work panicked.
    pub(super) async fn on_files<T, F>(self: &Arc<Self>, work: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce(&Shared) -> T + Send + 'static,
    {
        let permit = Arc::clone(&self.file_jobs).acquire_owned().await.ok()?;
        let shared = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&shared);
            drop(permit);
            result
        });
        done.await.ok()
    }

    /// Waits until no file job runs, and lets none begin.
    pub(super) async fn end_file_jobs(&self) {
        let all = self.file_jobs.acquire_many(FILE_JOBS).await;
        self.file_jobs.close();
        drop(all);
    }
}

impl Faults {
    /// The number of a new connection.
    pub(super) fn connected(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::SeqCst)
    }

    pub(super) fn hold(&self, client_id: &str, topic: &str, partition: i32) {
        locked(&self.held).push((client_id.to_owned(), topic.to_owned(), partition, u64::MAX));
    }

    pub(super) fn stall(&self, client_id: &str, topic: &str, partition: i32) {
        let before = self.connections.load(Ordering::SeqCst);
        locked(&self.held).push((client_id.to_owned(), topic.to_owned(), partition, before));
    }

    pub(super) fn release(&self, client_id: &str, topic: &str, partition: i32) {
        locked(&self.held).retain(|(c, t, p, _)| !(c == client_id && t == topic && *p == partition));
    }

    pub(super) fn holds(&self, client_id: &str, topic: &str, partition: i32, connection: u64) -> bool {
        let holds = |(c, t, p, before): &(String, String, i32, u64)| {
            c == client_id && t == topic && *p == partition && connection < *before
        };
        locked(&self.held).iter().any(holds)
    }

    pub(super) fn name_fewer(&self, topic: &str, partitions: i32) {
        locked(&self.fewer).push((topic.to_owned(), partitions));
    }

    pub(super) fn name_all(&self, topic: &str) {
        locked(&self.fewer).retain(|(t, _)| t != topic);
    }

    /// Whether metadata names this partition.
    pub(super) fn names(&self, topic: &str, partition: i32) -> bool {
        !locked(&self.fewer).iter().any(|(t, fewer)| t == topic && partition >= *fewer)
    }

    /// Returns when the broker is not paused.
    pub(super) async fn unpaused(&self) {
        // An error means that the sender is gone, and it lives in `self`.
        let _ = self.paused.subscribe().wait_for(|paused| !paused).await;
    }
}
