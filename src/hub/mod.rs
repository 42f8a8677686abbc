//! The hot sink: announces in one order, remembers the recent past, and hands each notification to whom it concerns.
//!
//! [`Hub`] is given every record by `ingest` and numbers them under one lock. Each [`Shard`] is a thread that owns its
//! listeners; it follows the hub's broadcast ring and, when it has lagged, reads on from [`Memory`](memory) at its own
//! number, so that lag loses nothing. What a listener missed is another station's work: the shard is given a
//! [`Detour`] for whoever is too slow to follow.

mod announce;
mod comings;
mod command;
mod crowd;
mod frame;
mod index;
mod listener;
mod memory;
mod shard;
mod turn;

use std::time::Duration;

pub use announce::{Announcement, Hub, Kept, LogState, Place, What};
pub use command::{Command, Detour, ShardHandle, TooBusy};
pub use frame::{ByeReason, Coat, Frame, GapReason, Kind, List, Wire};
pub use listener::{Control, Listener, ListenerId, Offer, Outlet};
pub use memory::{Item, Memory, Page, Scan};
pub use shard::{Plan, Shard};
pub use turn::Turn;

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
