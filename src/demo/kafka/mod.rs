//! A small Kafka broker inside the process, so that `cargo run` works with nothing installed.
//!
//! Production runs nothing in here: real brokers are named by their bootstrap servers, and the rest of the server does
//! not know the difference. It reads and writes over TCP here as there.
//!
//! # What it is
//!
//! One node that leads every partition, on Kafka's own protocol, for producers, consumers, groups and administrators.
//! Each batch is stamped with the time of appending and written to a segment file before it is acknowledged, so it
//! survives the end of this process in any way; a crash of the machine may cost the last moments, as there is no
//! `fsync` per batch. All logs together are bounded; the oldest segments go first.
//!
//! # What it is not
//!
//! No replication, no transactions (refused with an error that clients take as final), no compaction, no time
//! retention, no security. It listens where the caller says, which should be loopback.
//!
//! # The way of a request
//!
//! `wire` reads a frame, `dispatch` finds the handler, the handler asks `topics` for a partition whose `log` is a
//! row of `segment` files, or `groups` for a consumer group, or `offsets` for what a group has read.

mod admin;
mod batch;
mod commits;
mod configs;
mod coordinator;
mod dispatch;
mod fetch;
mod group;
mod groups;
mod list_offsets;
mod log;
mod member;
mod metadata;
mod offsets;
mod produce;
mod producers;
mod segment;
mod shape;
mod shared;
mod state;
mod topics;
mod versions;
mod walk;
mod wire;

use std::fs::{File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use offsets::Offsets;
use shared::Shared;
use topics::{Catalogue, locked};

/// How a broker is to be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes any free one. Clients are told the address they came to.
    pub listen: SocketAddr,
    /// Where everything is kept. One broker at a time.
    pub data_dir: PathBuf,
    /// Bytes of all logs together; then the oldest segments go. A developer's disk must not fill up by itself:
    /// [`DEFAULT_MAX_BYTES`].
    pub max_bytes: u64,
    /// Bytes of one segment, which is what is deleted at once and what is read through at start. At most a quarter of
    /// `max_bytes` is taken, so that the bound never takes everything: [`DEFAULT_SEGMENT_BYTES`].
    pub segment_bytes: u64,
    /// Bytes of one batch. It has to fit into a request, which is 16 MiB at most, and less is taken where it does not:
    /// [`DEFAULT_MAX_MESSAGE_BYTES`].
    pub max_message_bytes: u64,
    /// Topics that are created at start where they are missing, with their partitions (1 to 64).
    pub topics: Vec<(String, i32)>,
    /// Whether a client that asks for it may create a topic by naming it. Off, or a typo becomes a topic.
    pub auto_create_topics: bool,
    /// Partitions of a topic whose creator leaves it to the broker.
    pub default_partitions: i32,
}

/// 1 GiB: weeks of a demo.
pub const DEFAULT_MAX_BYTES: u64 = 1 << 30;

/// 16 MiB: read through in milliseconds, and 64 of them make the default bound.
pub const DEFAULT_SEGMENT_BYTES: u64 = 16 << 20;

/// 16 MiB less what a request has beside its batch: more than any real cluster takes.
pub const DEFAULT_MAX_MESSAGE_BYTES: u64 = (16 << 20) - wire::FRAME_OVERHEAD;

/// Why a broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("another broker runs in the data folder {}", .0.display())]
    InUse(PathBuf),
    #[error("the data folder {} cannot be used: {source}", path.display())]
    Data { path: PathBuf, source: io::Error },
    #[error("{address} cannot be listened on: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("the runtime is stopping")]
    Stopping,
    #[error("topic {name} cannot be created: {reason}")]
    Topic { name: String, reason: ResponseError },
}

/// A running broker. Dropping it stops it without waiting; [`Broker::stop`] waits.
pub struct Broker {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    lock: File,
}

impl Broker {
    /// Opens the data folder and listens. Runs on the current tokio runtime.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let address = settings.listen;
        let opened = tokio::task::spawn_blocking(move || open(settings)).await;
        let (lock, shared) = match opened {
            Ok(opened) => opened?,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return Err(StartError::Stopping),
            },
        };
        let cannot = |source| StartError::Listen { address, source };
        // `bind` sets SO_REUSEADDR on Unix: a restart has its port again at once.
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let shared = Arc::new(shared);
        let (stop, stopping) = watch::channel(false);
        let accepting = tokio::spawn(wire::accept(listener, Arc::clone(&shared), stopping));
        tracing::debug!(%address, cluster_id = shared.cluster_id, "demo broker listens");
        Ok(Self { address, shared, stop, accepting, lock })
    }

    /// Where clients reach it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection and everything else, and gives the port and the data folder free.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Err(error) = (&mut self.accepting).await {
            tracing::warn!(%error, "the demo broker did not stop by itself");
        }
        let flushed = self.shared.on_files(|shared| shared.topics.flush()).await;
        if let Some(Err(error)) = flushed {
            tracing::warn!(%error, "the demo broker's log could not be flushed");
        }
        self.shared.end_file_jobs().await;
        if let Err(error) = self.lock.unlock() {
            tracing::debug!(%error, "the lock ends with its file");
        }
    }
}

/// Faults, for tests of what reads from this broker. They cost nothing while they are not used.
impl Broker {
    /// From now on fetches of this client see nothing new in this partition, though its end moves on.
    pub fn hold(&self, client_id: &str, topic: &str, partition: i32) {
        self.shared.faults.hold(client_id, topic, partition);
    }

    /// The same for the connections that are open now; a client that connects anew is served. So stands a fetcher still.
    pub fn stall(&self, client_id: &str, topic: &str, partition: i32) {
        self.shared.faults.stall(client_id, topic, partition);
    }

    /// Ends [`Broker::hold`] and [`Broker::stall`]; what came meanwhile is seen at once.
    pub fn release(&self, client_id: &str, topic: &str, partition: i32) {
        self.shared.faults.release(client_id, topic, partition);
        if let Some(partition) = self.shared.topics.partition(topic, partition) {
            locked(&partition.log).wake();
        }
    }

    /// From now on metadata are those of a broker that has not heard yet that the topic has grown.
    pub fn name_fewer(&self, topic: &str, partitions: i32) {
        self.shared.faults.name_fewer(topic, partitions);
    }

    /// Ends [`Broker::name_fewer`].
    pub fn name_all(&self, topic: &str) {
        self.shared.faults.name_all(topic);
    }

    /// From now on nothing is answered: connections stay open, and freeze.
    pub fn pause(&self) {
        self.shared.faults.paused.send_replace(true);
    }

    /// Ends [`Broker::pause`]; what was asked meanwhile is answered.
    pub fn resume(&self) {
        self.shared.faults.paused.send_replace(false);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// Everything at start that reads files.
fn open(mut settings: Settings) -> Result<(File, Shared), StartError> {
    let path = settings.data_dir.clone();
    let cannot = |source| StartError::Data { path: path.clone(), source };
    let lock = lock(&path)?;
    settings.max_message_bytes = settings.max_message_bytes.min(DEFAULT_MAX_MESSAGE_BYTES);
    settings.segment_bytes = settings.segment_bytes.min(settings.max_bytes / 4).max(1);
    settings.default_partitions = settings.default_partitions.clamp(1, topics::MAX_PARTITIONS);
    let topics = Catalogue::open(&path, settings.max_bytes, settings.segment_bytes).map_err(cannot)?;
    for (name, partitions) in &settings.topics {
        if topics.topic(name).is_none() {
            let failed = |reason| StartError::Topic { name: name.clone(), reason };
            topics.create(name, *partitions).map_err(failed)?;
        }
    }
    let offsets = Offsets::open(&path).map_err(cannot)?;
    Ok((lock, Shared::new(settings, topics, offsets)))
}

/// The folder belongs to whoever holds this lock; the system takes it back from a process that died.
fn lock(data_dir: &Path) -> Result<File, StartError> {
    let cannot = |source| StartError::Data { path: data_dir.to_owned(), source };
    std::fs::create_dir_all(data_dir).map_err(cannot)?;
    let lock = File::create(data_dir.join("lock")).map_err(cannot)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse(data_dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(cannot(source)),
    }
}
