//! The small files of the broker: what is kept of topics and groups, replaced as a whole and never half.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How much a file has to outlive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// The end of this process, however violent. What is lost with the machine can be done again.
    Process,
    /// A crash of the machine too: without the topics file nobody knows what the segment files are.
    Machine,
}

/// The topics file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Topics {
    pub cluster_id: String,
    pub next_producer_id: i64,
    pub topics: BTreeMap<String, TopicEntry>,
}

/// A topic in the topics file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TopicEntry {
    /// 32 hexadecimal digits.
    pub id: String,
    pub partitions: i32,
    /// Log starts that were moved by DeleteRecords into the middle of a segment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub starts: BTreeMap<i32, i64>,
}

impl Topics {
    /// A new cluster: 22 characters of base64url, as Kafka's own cluster ids are.
    pub(super) fn new() -> Self {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let cluster_id = std::iter::repeat_with(|| char::from(ALPHABET[fastrand::usize(..64)])).take(22).collect();
        Self { cluster_id, next_producer_id: 1_000, topics: BTreeMap::new() }
    }
}

/// A random id for a topic, marked as a random UUID so that clients print it as one.
pub(super) fn topic_id() -> String {
    let random = fastrand::u128(..);
    let version = (random & !(0xf << 76)) | (0x4 << 76);
    let variant = (version & !(0x3 << 62)) | (0x2 << 62);
    format!("{variant:032x}")
}

/// Puts a file in place of another in one step: readers, and a restart, see the old one or the new one.
pub(super) fn replace(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let next = path.with_extension("next");
    let mut file = File::create(&next)?;
    file.write_all(bytes)?;
    if durability == Durability::Machine {
        file.sync_all()?;
    }
    drop(file);
    std::fs::rename(&next, path)
}

/// Writes a value as JSON that people can read.
pub(super) fn save<T: Serialize>(path: &Path, value: &T, durability: Durability) -> io::Result<()> {
    let bytes = serde_json::to_vec_pretty(value)?;
    replace(path, &bytes, durability)
}

/// Reads a value; `None` where there is no file yet.
pub(super) fn load<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match std::fs::read(path) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(io::Error::other(format!("{} cannot be understood: {error}", path.display()))),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
