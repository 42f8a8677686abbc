//! The hot sink: announces in one order, remembers the recent past, and hands each notification to whom it concerns.

use std::time::Duration;

/// What the station needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The bound of recent memory: key, headers, value and overhead of its records. It wins over the age.
    pub memory_bytes: u64,
    /// What is older is forgotten.
    pub memory_age: Duration,
    /// Slots of the broadcast ring: a shard further behind than this reads on from memory.
    pub ring: usize,
    /// Threads that own listeners: one per core.
    pub shards: usize,
}
