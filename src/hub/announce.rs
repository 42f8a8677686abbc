//! The one place where order is decided: append to memory, advance the vector, take the next number, send; under one lock.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use jiff::Timestamp;
use tokio::sync::{broadcast, watch};

use super::{
    Settings,
    frame::{GapReason, List},
    memory::{LetsGo, Memory, Page, Scan},
};
use crate::{
    ingest::{self, Incoming, Leaders, Rejections},
    notification::{Coordinates, Epoch, Notification, NotificationId, Position, Unreadable, Vector},
    telemetry::Metrics,
};

/// What every shard is told, in the order of `n`.
#[derive(Debug, Clone)]
pub struct Announcement {
    /// Counts the announcements of this process, without holes.
    pub n: u64,
    pub what: What,
}

/// What an announcement says.
#[derive(Debug, Clone)]
pub enum What {
    /// A record; None where it shows nothing to anybody but still moves everybody's position.
    Record { partition: usize, offset: u64, notification: Option<Arc<Notification>> },
    /// The log is not the one it was: everybody stands at `place` now and has to be told why.
    Break { reason: GapReason, place: Place },
}

/// What memory says of a number.
#[derive(Debug)]
pub enum Again {
    Here(Announcement),
    /// Nothing of that number has been announced yet.
    NotYet,
    /// Memory has passed it; the newest number and place instead.
    Forgotten {
        n: u64,
        here: Option<Place>,
    },
}

/// A place in one life of the log. A life ends when offsets lose their meaning: another epoch, or a log that shrank.
#[derive(Debug, Clone)]
pub struct Place {
    pub life: u64,
    pub epoch: Epoch,
    pub next: Vector,
}

impl Place {
    #[must_use]
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, next: self.next.clone() }
    }
}

/// How the log is, as far as this node can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogState {
    /// Epoch and vector are known and memory is filled: positions can be judged.
    pub known: bool,
    /// We follow the log's end.
    pub live: bool,
    /// Why not, in one word.
    pub reason: &'static str,
}

/// How far the timeline is, as this node knows it (D5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    NoTimeline,
    Unknown,
    At(Position),
}

struct Order {
    n: u64,
    life: u64,
    /// Why this life began, for whoever is still in the one before.
    began: GapReason,
    epoch: Option<Epoch>,
    memory: Memory,
    kept: Kept,
    /// Somebody was told that the list is complete later.
    promised: bool,
}

struct Inner {
    settings: Settings,
    order: Mutex<Order>,
    /// The `n` of `order`, to be read without the lock.
    newest: AtomicU64,
    sink: broadcast::Sender<Announcement>,
    /// Where partitions end; asked of the station before, once it runs.
    leaders: OnceLock<Arc<dyn Leaders>>,
    state: watch::Sender<LogState>,
    /// One for all shards: many find out about one record.
    rejections: Mutex<Rejections>,
    metrics: Metrics,
}

/// The hot sink. A cheap clone.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

impl Hub {
    #[must_use]
    pub fn new(settings: Settings, metrics: Metrics) -> Hub {
        let memory = Memory::new(Vector::default(), 1, settings.memory_bytes, settings.memory_age);
        let (began, kept) = (GapReason::Epoch, Kept::NoTimeline);
        let order = Order { n: 0, life: 0, began, epoch: None, memory, kept, promised: false };
        let (sink, _) = broadcast::channel(settings.ring);
        let (state, _) = watch::channel(LogState { known: false, live: false, reason: "starting" });
        metrics.memory_bound_bytes.set(i64::try_from(settings.memory_bytes).unwrap_or(i64::MAX));
        Hub(Arc::new(Inner {
            settings,
            order: Mutex::new(order),
            newest: AtomicU64::new(0),
            sink,
            leaders: OnceLock::new(),
            rejections: Mutex::new(Rejections::new(metrics.clone())),
            state,
            metrics,
        }))
    }

    /// From here on positions ahead of this node can be judged.
    pub fn ask(&self, leaders: Arc<dyn Leaders>) {
        let _ = self.0.leaders.set(leaders);
    }

    /// Whether `next` can be a position in `partition`, as its leader tells it; see [`Leaders::reach`].
    pub async fn reaches(&self, partition: usize, next: u64, connected: Instant) -> Option<bool> {
        self.0.leaders.get()?.reach(partition, next, connected).await
    }

    /// A panic while the lock was held cannot leave half an announcement: nothing in there unwinds in between.
    fn order(&self) -> MutexGuard<'_, Order> {
        self.0.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the log is, and every change of it.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<LogState> {
        self.0.state.subscribe()
    }

    /// Announcements from now on, with the number and place they follow on. None of them can be missed in between.
    #[must_use]
    pub fn subscribe(&self) -> (broadcast::Receiver<Announcement>, u64, Option<Place>) {
        let order = self.order();
        (self.0.sink.subscribe(), order.n, order.here())
    }

    /// Announcement `n` again, for a shard that has lagged.
    #[must_use]
    pub fn again(&self, n: u64) -> Again {
        let order = self.order();
        match order.memory.entry(n) {
            Some((partition, offset, notification)) => {
                Again::Here(Announcement { n, what: What::Record { partition, offset, notification } })
            }
            None if n > order.n => Again::NotYet,
            None => Again::Forgotten { n: order.n, here: order.here() },
        }
    }

    /// The number announced last.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.0.newest.load(Ordering::Acquire)
    }

    /// Where this node is now; None while the log is unknown.
    #[must_use]
    pub fn here(&self) -> Option<Place> {
        self.order().here()
    }

    /// Where memory begins.
    #[must_use]
    pub fn beginning(&self) -> Option<Place> {
        let order = self.order();
        Some(Place { next: order.memory.start().clone(), ..order.here()? })
    }

    /// Where somebody stands who came at `when` and had to wait until the log was known.
    #[must_use]
    pub fn since(&self, when: Timestamp) -> Option<Place> {
        let order = self.order();
        Some(Place { next: order.memory.since(when), ..order.here()? })
    }

    /// What somebody at `from` missed. `Err`: why that is not to be had, and where what can be had begins.
    pub fn scan(
        &self,
        life: u64,
        from: &Vector,
        page: Page,
        wanted: impl FnMut(&Notification) -> bool,
    ) -> Result<Scan, (GapReason, Option<Place>)> {
        let order = self.order();
        if order.life != life {
            return Err((order.began, order.here().map(|here| Place { next: order.memory.start().clone(), ..here })));
        }
        let too_old = |start| (GapReason::Retention, order.here().map(|here| Place { next: start, ..here }));
        order.memory.scan(from, page, wanted).map_err(too_old)
    }

    /// Takes the next number. Without shards nobody listens, and nothing is lost: memory has it.
    fn announce(&self, order: &mut Order, what: What) {
        order.n += 1;
        self.0.newest.store(order.n, Ordering::Release);
        let _ = self.0.sink.send(Announcement { n: order.n, what });
    }

    /// Everything remembered loses its place; the break itself is an announcement like any other.
    fn new_life(&self, order: &mut Order, reason: GapReason, start: Vector) {
        let settings = &self.0.settings;
        order.life += 1;
        order.began = reason;
        order.memory = Memory::new(start, order.n + 2, settings.memory_bytes, settings.memory_age);
        order.keep();
        if let Some(place) = order.here() {
            self.announce(order, What::Break { reason, place });
        }
    }

    /// How far the timeline is now. True: what somebody was told to find there later is there.
    pub fn kept(&self, kept: Kept) -> bool {
        let mut order = self.order();
        order.kept = kept;
        order.keep();
        let keeps_its_promise = order.promised && order.list() == List::Now;
        order.promised &= !keeps_its_promise;
        keeps_its_promise
    }

    /// How far the timeline is in the log of now. None: there is none, or nobody knows.
    #[must_use]
    pub fn recorded(&self) -> Option<Position> {
        let order = self.order();
        match &order.kept {
            Kept::At(position) if Some(position.epoch) == order.epoch => Some(position.clone()),
            _ => None,
        }
    }

    /// What a gap that is told now may promise of the list.
    #[must_use]
    pub fn list(&self) -> List {
        let mut order = self.order();
        let list = order.list();
        order.promised |= list == List::Later;
        list
    }

    /// Counts a record whose body turned out unreadable when somebody first wanted it. Its producer may send it again.
    pub fn unreadable(&self, id: NotificationId, (partition, offset): (usize, u64), error: &Unreadable) {
        self.order().memory.let_go(id, (partition, offset));
        let mut rejections = self.0.rejections.lock().unwrap_or_else(PoisonError::into_inner);
        rejections.unreadable(partition, offset, error);
    }

    /// Forgets what has become too old, and shows what memory holds. To be called every second or so.
    pub fn housekeeping(&self) {
        let mut order = self.order();
        order.memory.forget(Instant::now());
        let metrics = &self.0.metrics;
        metrics.memory_bytes.set(i64::try_from(order.memory.bytes()).unwrap_or(i64::MAX));
        metrics.memory_records.set(i64::try_from(order.memory.len()).unwrap_or(i64::MAX));
        metrics.memory_age_seconds.set(i64::try_from(order.memory.age().as_secs()).unwrap_or(i64::MAX));
        if let (Kept::At(Position { next, .. }), Some(here)) = (&order.kept, order.here()) {
            let behind: u64 = here.next.iter().map(|(p, at)| at.saturating_sub(next.get(p))).sum();
            metrics.timeline_behind.set(i64::try_from(behind).unwrap_or(i64::MAX));
        }
    }
}

impl Order {
    /// Memory keeps what the timeline has yet to take up.
    fn keep(&mut self) {
        self.memory.lets_go(match &self.kept {
            Kept::NoTimeline => LetsGo::All,
            Kept::At(position) if Some(position.epoch) == self.epoch => LetsGo::Before(position.next.clone()),
            Kept::Unknown | Kept::At(_) => LetsGo::Nothing,
        });
    }

    /// A dead letter that is sent once more is no repeat of itself: where what was wrong has been mended, memory was
    /// refilled with it after everybody had passed it, and nobody has been told.
    fn is_repeat(&self, notification: &Notification) -> bool {
        let Some(holder) = self.memory.holder(notification.id) else { return false };
        let itself = |at: Coordinates| Some(at.epoch) == self.epoch && (at.partition, at.offset) == holder;
        !notification.record().redriven_from().is_some_and(|origin| itself(origin.at))
    }

    /// Complete is what reaches to where memory begins.
    fn list(&self) -> List {
        match &self.kept {
            Kept::NoTimeline => List::None,
            Kept::At(position) if Some(position.epoch) == self.epoch && self.memory.start().within(&position.next) => {
                List::Now
            }
            Kept::Unknown | Kept::At(_) => List::Later,
        }
    }

    fn here(&self) -> Option<Place> {
        Some(Place { life: self.life, epoch: self.epoch?, next: self.memory.newest().clone() })
    }
}

/// What `ingest` hands on.
impl ingest::Next for Hub {
    fn record(&self, incoming: Incoming) {
        let mut order = self.order();
        let records = &self.0.metrics.records;
        if incoming.offset < order.memory.newest().get(incoming.partition) {
            records.with("behind").inc();
            return;
        }
        let repeat = incoming.content.as_ref().is_some_and(|n| order.is_repeat(n));
        let outcome = match (&incoming.content, repeat) {
            (None, _) => "rejected",
            (Some(_), true) => "repeat",
            (Some(_), false) => "announced",
        };
        let notification = incoming.content.filter(|_| !repeat).map(Arc::new);
        let (partition, offset) = (incoming.partition, incoming.offset);
        order.memory.append(partition, offset, notification.clone(), Instant::now());
        self.announce(&mut order, What::Record { partition, offset, notification });
        records.with(outcome).inc();
    }

    /// Nodes have to agree on how far they are, also where nothing is to be shown: else a place of one node lies below
    /// the memory of another that has begun behind the hole.
    fn steps_over(&self, partition: usize, next: u64) {
        let mut order = self.order();
        if let Some(last) = next.checked_sub(1).filter(|_| next > order.memory.newest().get(partition)) {
            order.memory.append(partition, last, None, Instant::now());
            self.announce(&mut order, What::Record { partition, offset: last, notification: None });
        }
    }

    fn begins(&self, epoch: Epoch, start: Vector) {
        let mut order = self.order();
        order.epoch = Some(epoch);
        order.keep();
        self.new_life(&mut order, GapReason::Epoch, start);
    }

    fn breaks(&self, reason: ingest::Broken, next: Vector) {
        let reason = match reason {
            ingest::Broken::Truncated => GapReason::Truncated,
            ingest::Broken::Retention => GapReason::Retention,
        };
        self.new_life(&mut self.order(), reason, next);
    }

    fn position(&self) -> Vector {
        self.order().memory.newest().clone()
    }

    fn log_is(&self, state: ingest::LogIs) {
        let next = match state {
            ingest::LogIs::Unknown(reason) => LogState { known: false, live: false, reason },
            ingest::LogIs::Away(reason) => LogState { known: true, live: false, reason },
            ingest::LogIs::Live => LogState { known: true, live: true, reason: "" },
        };
        self.0.metrics.log_live.set(i64::from(next.live));
        self.0.state.send_if_modified(|state| std::mem::replace(state, next) != next);
    }
}
