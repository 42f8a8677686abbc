//! The memory: what was published stays here, for whoever was away, with what of it each operator has read.
//!
//! The [`recorder`] writes what it is handed in batches; the vector in the store is the only authority on how far that is
//! (D9). [`Store`] is the contract that each engine keeps, and [`Timeline`] is how others ask it: within deadlines.

mod asking;
pub mod command;
pub mod dead_letter_topic;
pub mod dead_letters;
mod growth;
mod marks;
mod pieces;
mod recorder;
pub mod redrive;
mod retention;
mod row;
pub mod sqlite;
mod writing;

use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;

pub use asking::Timeline;
pub use dead_letter_topic::DeadLetterTopic;
pub use dead_letters::DeadLetters;
pub use growth::Growth;
pub use marks::{Marks, Watermarks};
pub use recorder::{KeptAt, Recorder};
pub use retention::purge_for_ever;
pub use row::{Checksum, Dead, Row, Stored};
pub use sqlite::{Sqlite, lock};

use crate::notification::{AdminNo, Epoch, MallNo, NotificationId, Position, Vector, Viewer, event::Severity};

/// What the station needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The most rows of one transaction.
    pub batch_rows: usize,
    /// How long a row waits for others to share its transaction with.
    pub batch_linger: std::time::Duration,
    /// What waits for the store, in bytes; beyond it Kafka keeps the rest.
    pub waiting_bytes: usize,
    /// How long a type without a rule of its own is kept.
    pub retention: std::time::Duration,
    /// Between two looks for what has been kept long enough.
    pub purge_every: std::time::Duration,
}

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It cannot be reached, has no room, or is too slow: later it may be well again.
    #[error("the store is ill: {0}")]
    Ill(String),
    /// What it holds is not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// It will not have this, now or later, for what it is.
    #[error("the store refuses it: {0}")]
    Refused(String),
    /// Somebody else has written meanwhile, or the store has lost its tail: its vector is not where we thought.
    #[error("the store stands elsewhere")]
    Elsewhere,
}

/// How far one partition is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    pub next: u64,
    /// Raised each time the log shrank: offsets that are used again are new rows.
    pub life: u32,
}

impl Recorded {
    /// The next offsets of them all; a partition of which nothing is recorded stands at its beginning.
    #[must_use]
    pub fn vector(partitions: &[Option<Recorded>]) -> Vector {
        Vector::new(partitions.iter().map(|partition| partition.map_or(0, |recorded| recorded.next)).collect())
    }
}

/// Moves one partition's place in the store, if it still is where we think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    pub partition: usize,
    /// None: nothing of this partition is recorded yet.
    pub from: Option<u64>,
    pub to: u64,
    pub life: u32,
}

/// Records that went before we had read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    pub partition: usize,
    pub from: u64,
    pub to: u64,
}

/// What one transaction writes: all of it, or nothing.
#[derive(Debug, Clone)]
pub struct Batch {
    pub epoch: Epoch,
    pub rows: Vec<Row>,
    pub dead: Vec<Dead>,
    pub advances: Vec<Advance>,
    /// Partitions of which we record nothing before that offset: it was gone when we began.
    pub beginnings: Vec<(usize, u64)>,
    pub holes: Vec<Hole>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    pub stored: usize,
    /// Rows that were there already, by their identity or their place.
    pub repeats: usize,
}

/// Which of a viewer's notifications a list shows. What is None does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// What is about this mall, and reaches the viewer through it or through no mall at all.
    pub mall: Option<MallNo>,
    /// Any of these.
    pub types: Option<Types>,
    pub severity: Option<Severity>,
    pub unread: bool,
}

/// Types by name, or all but some: the types that nobody knows belong to one category together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Types {
    These(Vec<Arc<str>>),
    AllBut(Vec<Arc<str>>),
}

impl Types {
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        match self {
            Types::These(names) => names.iter().any(|known| **known == *name),
            Types::AllBut(names) => !names.iter().any(|known| **known == *name),
        }
    }
}

/// Where a row stands in every list: by Kafka's time, then by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Milliseconds.
    pub at: i64,
    /// As the store orders it.
    pub epoch: i64,
    pub partition: i64,
    pub offset: i64,
    pub life: i64,
}

/// One page of a list, newest first.
#[derive(Debug, Clone, Default)]
pub struct List {
    pub items: Vec<Listed>,
    /// Where the next page goes on; None at the end.
    pub next: Option<Place>,
    /// How far the store was when it was read: a stream that begins there misses nothing. None before the first record.
    pub position: Option<Position>,
}

#[derive(Debug, Clone)]
pub struct Listed {
    pub stored: Stored,
    pub read: bool,
}

/// What somebody missed, page by page.
#[derive(Debug, Clone)]
pub enum Missed {
    /// In the order of each partition. Everything before `through` is in it, or concerns somebody else.
    Page { rows: Vec<Stored>, through: Vector },
    /// Something of it is not here.
    Gap { reason: Missing, recorded: Vector },
    /// The store knows nothing of this log yet.
    Unknown,
}

/// Why something that was missed is not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Kept long enough, and purged.
    Purged,
    /// It went from Kafka before it was recorded.
    Lost,
    /// More than a stream brings: the list is the better way.
    TooMany,
}

/// The most that a stream brings of what was missed.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    pub items: usize,
    pub bytes: usize,
}

/// What somebody has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// These, also before they are recorded.
    Read(Vec<NotificationId>),
    /// These are not: only what is recorded.
    Unread(Vec<NotificationId>),
    /// Everything up to there; of a place in the newest log also what other logs hold.
    UpTo(Position),
}

/// How much somebody has not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Counted no further than [`COUNTED_AT_MOST`].
    pub count: usize,
    /// The store's place at that moment; None before the first record.
    pub position: Option<Position>,
    /// What was marked at that moment, for whoever counts on from there.
    pub marks: Marks,
}

/// Above 99 nobody counts.
pub const COUNTED_AT_MOST: usize = 100;

type Answer<'s, T> = BoxFuture<'s, Result<T, Trouble>>;

/// What an engine promises; `tests/it/timeline/contract.rs` holds each to it. Nothing in here waits without a bound of its
/// own but for the engine; who asks has a deadline.
pub trait Store: DeadLetters {
    /// How far each partition of this log is recorded.
    fn recorded(&self, epoch: Epoch) -> Answer<'_, Vec<Option<Recorded>>>;

    /// Writes all of it, or nothing; [`Trouble::Elsewhere`] where an advance does not begin where the store stands.
    fn record(&self, batch: Arc<Batch>) -> Answer<'_, Written>;

    /// A page of what this viewer may see now, before `before`: `limit` of it, or about a megabyte.
    fn list(&self, viewer: Arc<Viewer>, filter: Filter, before: Option<Place>, limit: usize) -> Answer<'_, List>;

    /// Whether all that this viewer missed since `from` is here, and no more than `most`.
    fn weigh(&self, viewer: Arc<Viewer>, from: Position, most: Most) -> Answer<'_, Missed>;

    /// The next of it, in pages.
    fn missed(&self, viewer: Arc<Viewer>, from: Position, page: Most) -> Answer<'_, Missed>;

    fn unread(&self, viewer: Arc<Viewer>) -> Answer<'_, Unread>;

    /// Of these the ones that this operator has marked by themselves, read or unread.
    fn exceptions(&self, admin: AdminNo, ids: Vec<NotificationId>) -> Answer<'_, Vec<(NotificationId, bool)>>;

    fn mark(&self, viewer: Arc<Viewer>, mark: Mark, now: Timestamp) -> Answer<'_, ()>;

    /// The first sight of an operator, or of new rights: what is behind `here` counts as read.
    fn meet(&self, viewer: Arc<Viewer>, here: Position) -> Answer<'_, ()>;

    /// Whether all rights of this viewer were met before.
    fn knows(&self, viewer: Arc<Viewer>) -> Answer<'_, bool>;

    /// Takes away what was to be kept until `now` at the latest, a batch of it; returns how many that were.
    fn purge(&self, now: Timestamp, at_most: usize) -> Answer<'_, usize>;
}
