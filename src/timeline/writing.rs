//! The writer: makes batches of what comes, and stands at one until the store has it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, watch},
    time::{sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    Advance, Batch, Growth, Hole, KeptAt, Recorded, Settings, Store, Trouble,
    pieces::{self, Entry, Item, Work},
};
use crate::{
    ingest::{Broken, Kept},
    notification::{Coordinates, Epoch, Position},
    telemetry::Metrics,
};

/// Bytes of one transaction, whatever the number of its rows.
const BATCH_BYTES: usize = 4 << 20;
/// Between two tries while the store is ill.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// One try. A commit whose outcome nobody knows is settled by the store's own vector.
const ONE_TRY: Duration = Duration::from_secs(20);
/// An ill store is spoken of once in so long.
const SPEAK_EVERY: Duration = Duration::from_secs(60);
/// What is still written when the process ends.
const LAST_BATCH: Duration = Duration::from_millis(800);

/// The writer was told to stop, or is astray: what it has is void, for the store knows how far it is.
struct Void;

pub struct Writer {
    store: Arc<dyn Store>,
    settings: Settings,
    metrics: Metrics,
    growth: Growth,
    inbox: mpsc::Receiver<Item>,
    kept: watch::Sender<KeptAt>,
    /// Tells the reader to begin anew.
    tell_astray: Arc<AtomicBool>,
    astray: bool,
    epoch: Epoch,
    /// As the store has it.
    recorded: Vec<Option<Recorded>>,
    spoke: Option<Instant>,
    stop: CancellationToken,
}

impl Writer {
    pub fn new(
        store: Arc<dyn Store>,
        settings: Settings,
        metrics: Metrics,
        growth: Growth,
        inbox: mpsc::Receiver<Item>,
        kept: watch::Sender<KeptAt>,
        tell_astray: Arc<AtomicBool>,
    ) -> Writer {
        let (recorded, stop) = (Vec::new(), CancellationToken::new());
        Writer {
            store,
            settings,
            metrics,
            growth,
            inbox,
            kept,
            tell_astray,
            // Until a log begins nothing is known.
            astray: true,
            epoch: Epoch(0),
            recorded,
            spoke: None,
            stop,
        }
    }

    pub async fn run(mut self, stop: CancellationToken) {
        self.stop = stop.clone();
        let mut next = None;
        loop {
            let item = match next.take() {
                Some(item) => item,
                None => tokio::select! {
                    () = stop.cancelled() => return,
                    item = self.inbox.recv() => match item { Some(item) => item, None => return },
                },
            };
            let done = match item.work {
                Work::Record { partition, offset, content } => {
                    let (entries, rooms, other) = self.collect(item.room, partition, offset, content).await;
                    next = other;
                    let done = self.write_all(entries).await;
                    drop(rooms);
                    done
                }
                Work::Begins { epoch, watermarks } => self.begin(epoch, &watermarks).await,
                Work::Breaks { reason, partition, next } => self.breaks(reason, partition, next).await,
            };
            if done.is_err() && !stop.is_cancelled() {
                self.astray = true;
                self.tell_astray.store(true, Ordering::Relaxed);
            }
        }
    }

    /// The records that share a transaction, and what came behind them that is no record.
    async fn collect(
        &mut self,
        room: OwnedSemaphorePermit,
        partition: usize,
        offset: u64,
        content: Option<Box<Kept>>,
    ) -> (Vec<Entry>, Vec<OwnedSemaphorePermit>, Option<Item>) {
        let until = tokio::time::Instant::now() + self.settings.batch_linger;
        let (mut entries, mut rooms, mut bytes) = (Vec::new(), vec![room], 0);
        let mut content = Some((partition, offset, content));
        loop {
            if let Some((partition, offset, content)) = content.take() {
                bytes += content.as_ref().map_or(0, |content| content.size());
                entries.extend(self.entry(partition, offset, content));
            }
            if entries.len() >= self.settings.batch_rows || bytes >= BATCH_BYTES {
                return (entries, rooms, None);
            }
            match timeout_at(until, self.inbox.recv()).await {
                Ok(Some(Item { work: Work::Record { partition, offset, content: new }, room })) => {
                    rooms.push(room);
                    content = Some((partition, offset, new));
                }
                Ok(other) => return (entries, rooms, other),
                Err(_elapsed) => return (entries, rooms, None),
            }
        }
    }

    /// None: the store has passed it.
    fn entry(&self, partition: usize, offset: u64, content: Option<Box<Kept>>) -> Option<Entry> {
        let recorded = self.of(partition);
        if self.astray || recorded.is_some_and(|recorded| offset < recorded.next) {
            return None;
        }
        let at = Coordinates { epoch: self.epoch, partition, offset };
        Some(Entry::new(at, recorded.map_or(0, |recorded| recorded.life), content))
    }

    fn of(&self, partition: usize) -> Option<Recorded> {
        self.recorded.get(partition).copied().flatten()
    }

    fn advance(&self, partition: usize, to: u64) -> Advance {
        let recorded = self.of(partition);
        let (from, life) = (recorded.map(|recorded| recorded.next), recorded.map_or(0, |recorded| recorded.life));
        Advance { partition, from, to, life }
    }

    /// Writes all of them; what the store refuses for what it is gets parked instead, found by halving.
    async fn write_all(&mut self, entries: Vec<Entry>) -> Result<(), Void> {
        let mut pieces = vec![entries];
        while let Some(mut piece) = pieces.pop() {
            if piece.is_empty() {
                continue;
            }
            let ends = pieces::ends(&piece);
            let advances = ends.iter().map(|(&partition, &to)| self.advance(partition, to)).collect();
            let (rows, dead) = pieces::contents(&piece);
            let batch = Batch { rows, dead, advances, ..self.empty() };
            match self.write(batch).await? {
                Ok(()) => {}
                Err(_) if piece.len() > 1 => {
                    let second = piece.split_off(piece.len() / 2);
                    pieces.extend([second, piece]);
                }
                Err(why) => pieces.extend(piece.into_iter().map(|entry| vec![entry.parked(&why)])),
            }
        }
        Ok(())
    }

    fn empty(&self) -> Batch {
        Batch {
            epoch: self.epoch,
            rows: Vec::new(),
            dead: Vec::new(),
            advances: Vec::new(),
            beginnings: Vec::new(),
            holes: Vec::new(),
        }
    }

    /// Stands here until the store has it. `Ok(Err)`: it will not have it, for what it is.
    async fn write(&mut self, batch: Batch) -> Result<Result<(), String>, Void> {
        let (batch, mut pause) = (Arc::new(batch), FIRST_PAUSE);
        loop {
            let began = Instant::now();
            let stopping = self.stop.is_cancelled();
            let within = if stopping { LAST_BATCH } else { ONE_TRY };
            let tried = timeout(within, self.store.record(Arc::clone(&batch))).await;
            match tried.unwrap_or_else(|_| Err(Trouble::Ill("too slow".to_owned()))) {
                Ok(written) => {
                    self.metrics.timeline_batch_seconds.observe(began.elapsed().as_secs_f64());
                    self.metrics.timeline_rows.with("stored").inc_by(written.stored as u64);
                    self.metrics.timeline_rows.with("repeat").inc_by(written.repeats as u64);
                    for dead in &batch.dead {
                        self.growth.parked(dead.reason);
                    }
                    for advance in &batch.advances {
                        self.moved(advance.partition, Recorded { next: advance.to, life: advance.life });
                    }
                    self.is_well();
                    self.publish();
                    return Ok(Ok(()));
                }
                Err(Trouble::Refused(why)) => return Ok(Err(why)),
                // Somebody else was here, or we were, and never heard of it.
                Err(Trouble::Elsewhere) => return if self.is_done(&batch).await? { Ok(Ok(())) } else { Err(Void) },
                Err(trouble) => {
                    self.is_ill(&trouble);
                    if stopping {
                        return Err(Void);
                    }
                }
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = self.stop.cancelled() => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Whether the store stands exactly where this batch leads.
    async fn is_done(&mut self, batch: &Batch) -> Result<bool, Void> {
        self.recorded = self.ask_how_far(batch.epoch).await?;
        let there = |advance: &Advance| self.of(advance.partition).is_some_and(|now| now.next == advance.to);
        let done = batch.advances.iter().all(there);
        if done {
            self.publish();
        } else {
            tracing::warn!("the timeline stands elsewhere than this recorder thought: it goes on from there");
        }
        Ok(done)
    }

    fn moved(&mut self, partition: usize, to: Recorded) {
        if self.recorded.len() <= partition {
            self.recorded.resize(partition + 1, None);
        }
        self.recorded[partition] = Some(to);
    }

    async fn ask_how_far(&mut self, epoch: Epoch) -> Result<Vec<Option<Recorded>>, Void> {
        loop {
            let asked = timeout(ONE_TRY, self.store.recorded(epoch)).await;
            match asked.unwrap_or_else(|_| Err(Trouble::Ill("too slow".to_owned()))) {
                Ok(recorded) => return Ok(recorded),
                Err(trouble) => self.is_ill(&trouble),
            }
            tokio::select! {
                () = sleep(LONGEST_PAUSE) => {}
                () = self.stop.cancelled() => return Err(Void),
            }
        }
    }

    async fn begin(&mut self, epoch: Epoch, watermarks: &[(u64, u64)]) -> Result<(), Void> {
        self.recorded = self.ask_how_far(epoch).await?;
        (self.epoch, self.astray) = (epoch, false);
        let mut batch = self.empty();
        let mut shrunk = Vec::new();
        for (partition, &(low, high)) in watermarks.iter().enumerate() {
            match self.of(partition) {
                None => {
                    batch.advances.push(Advance { partition, from: None, to: low, life: 0 });
                    batch.beginnings.push((partition, low));
                }
                Some(recorded) if recorded.next < low => {
                    batch.advances.push(self.advance(partition, low));
                    batch.holes.push(Hole { partition, from: recorded.next, to: low });
                }
                Some(recorded) if recorded.next > high => shrunk.push((partition, high)),
                Some(_) => {}
            }
        }
        self.say(&batch.holes);
        if batch.advances.is_empty() {
            self.publish();
        } else {
            let _ = self.write(batch).await?;
        }
        for (partition, next) in shrunk {
            self.breaks(Broken::Truncated, partition, next).await?;
        }
        Ok(())
    }

    async fn breaks(&mut self, reason: Broken, partition: usize, next: u64) -> Result<(), Void> {
        let Some(recorded) = self.of(partition).filter(|_| !self.astray) else { return Ok(()) };
        let mut advance = self.advance(partition, next);
        let mut batch = self.empty();
        match reason {
            Broken::Truncated if next < recorded.next => {
                advance.life += 1;
                self.metrics.timeline_shrunk.inc();
                tracing::error!(
                    kafka.partition = partition,
                    recorded = recorded.next,
                    ends = next,
                    "the log ends before what is recorded of it: Kafka has lost records, and what comes there now is new"
                );
            }
            Broken::Retention if next > recorded.next => {
                batch.holes.push(Hole { partition, from: recorded.next, to: next });
            }
            _ => return Ok(()),
        }
        self.say(&batch.holes);
        batch.advances.push(advance);
        let _ = self.write(batch).await?;
        Ok(())
    }

    fn say(&self, holes: &[Hole]) {
        for hole in holes {
            self.metrics.timeline_holes.inc();
            tracing::error!(
                kafka.partition = hole.partition,
                from = hole.from,
                to = hole.to,
                "records went from Kafka before they were recorded: the timeline has a hole"
            );
        }
    }

    fn publish(&self) {
        let next = Recorded::vector(&self.recorded);
        self.kept.send_replace(KeptAt::At(Position { epoch: self.epoch, next }));
    }

    fn is_well(&mut self) {
        self.metrics.timeline_well.set(1);
        if self.spoke.take().is_some() {
            tracing::info!("the timeline's store is well again");
        }
    }

    fn is_ill(&mut self, trouble: &Trouble) {
        self.metrics.timeline_well.set(0);
        self.metrics.timeline_failures.inc();
        let now = Instant::now();
        if self.spoke.is_none_or(|at| now.duration_since(at) >= SPEAK_EVERY) {
            self.spoke = Some(now);
            tracing::error!(%trouble, "nothing can be recorded; live goes on, and Kafka keeps the rest until it can be");
        }
    }
}
