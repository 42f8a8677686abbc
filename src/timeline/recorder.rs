//! The recorder's end of the way: takes what Kafka's reader hands on, in order, and no more than the store can follow.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use super::{
    Growth, Settings, Store,
    pieces::{Item, Work},
    writing::Writer,
};
use crate::{
    ingest::{Broken, Incoming, Kept, LogIs, Next},
    notification::{Epoch, Position, Vector},
    telemetry::Metrics,
};

/// Records that wait for the store; their bytes have a bound of their own.
const WAITING: usize = 4096;
/// What a record costs beside its own bytes.
const OVERHEAD: usize = 512;
/// A log that seems to end below what is recorded of it has to seem so this often: who answers may only be behind.
const SURE_IT_SHRANK: u32 = 4;

/// How far the timeline is, for whoever has to know what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptAt {
    /// Not known yet.
    Unknown,
    At(Position),
}

/// What the reader of the kept way is given as its next step. A cheap clone.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    runtime: Handle,
    work: mpsc::Sender<Item>,
    /// Of what waits, in bytes.
    room: Arc<Semaphore>,
    room_bytes: u32,
    /// How far everything has been handed on.
    read: Mutex<Vector>,
    shorter: Mutex<u32>,
    /// Where the log began and ended when it was last asked where reading goes on.
    watermarks: Mutex<Vec<(u64, u64)>>,
    /// The reader shall go on from where the store is.
    astray: Arc<AtomicBool>,
    /// The reader waits for room.
    waiting: AtomicBool,
}

impl Recorder {
    /// The recorder, and its writer, which runs until it is told to stop.
    pub fn new(
        store: Arc<dyn Store>,
        settings: Settings,
        metrics: Metrics,
        growth: Growth,
        stop: CancellationToken,
    ) -> (Recorder, watch::Receiver<KeptAt>, impl Future<Output = ()> + Send + use<>) {
        let (work, inbox) = mpsc::channel(WAITING);
        let (kept, at) = watch::channel(KeptAt::Unknown);
        let room_bytes = u32::try_from(settings.waiting_bytes).unwrap_or(u32::MAX >> 3);
        let astray = Arc::new(AtomicBool::new(false));
        let writer = Writer::new(Arc::clone(&store), settings, metrics, growth, inbox, kept, Arc::clone(&astray));
        let room = Arc::new(Semaphore::new(room_bytes as usize));
        let closing = Arc::clone(&room);
        let inner = Inner {
            store,
            runtime: Handle::current(),
            work,
            room,
            room_bytes,
            read: Mutex::default(),
            shorter: Mutex::default(),
            watermarks: Mutex::default(),
            astray,
            waiting: AtomicBool::new(false),
        };
        let running = async move {
            writer.run(stop).await;
            // The reader may wait for room that nobody makes any more.
            closing.close();
        };
        (Recorder(Arc::new(inner)), at, running)
    }

    fn with_read<T>(&self, change: impl FnOnce(&mut Vector) -> T) -> T {
        change(&mut self.0.read.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for room; what comes after the writer has ended is let fall, for the store knows how far it is.
    fn hand_on(&self, work: Work, bytes: usize) {
        let wanted = u32::try_from(bytes + OVERHEAD).unwrap_or(u32::MAX).min(self.0.room_bytes);
        let Some(room) = self.room(wanted) else { return };
        self.0.waiting.store(true, Ordering::Relaxed);
        let _ = self.0.work.blocking_send(Item { work, room });
        self.0.waiting.store(false, Ordering::Relaxed);
    }

    fn room(&self, wanted: u32) -> Option<OwnedSemaphorePermit> {
        let room = Arc::clone(&self.0.room);
        if let Ok(room) = Arc::clone(&room).try_acquire_many_owned(wanted) {
            return Some(room);
        }
        self.0.waiting.store(true, Ordering::Relaxed);
        let room = self.0.runtime.block_on(room.acquire_many_owned(wanted)).ok();
        self.0.waiting.store(false, Ordering::Relaxed);
        room
    }
}

impl Next<Kept> for Recorder {
    /// From where the store is: of what it does not know the beginning.
    fn resumes(&self, epoch: Epoch, watermarks: &[(u64, u64)]) -> Result<Option<Vector>, &'static str> {
        let recorded = self.0.runtime.block_on(self.0.store.recorded(epoch)).map_err(|trouble| {
            tracing::debug!(%trouble, "how far the timeline is cannot be asked");
            "store"
        })?;
        let is_shorter = |(partition, &(_, high)): (usize, &(u64, u64))| {
            recorded.get(partition).copied().flatten().is_some_and(|recorded| recorded.next > high)
        };
        {
            let mut shorter = self.0.shorter.lock().unwrap_or_else(PoisonError::into_inner);
            *shorter = if watermarks.iter().enumerate().any(is_shorter) { *shorter + 1 } else { 0 };
            if (1..SURE_IT_SHRANK).contains(&*shorter) {
                return Err("shorter");
            }
        }
        let start = watermarks.iter().enumerate().map(|(partition, &(low, high))| {
            recorded.get(partition).copied().flatten().map_or(low, |recorded| recorded.next.clamp(low, high))
        });
        *self.0.watermarks.lock().unwrap_or_else(PoisonError::into_inner) = watermarks.to_vec();
        Ok(Some(Vector::new(start.collect())))
    }

    fn begins(&self, epoch: Epoch, start: Vector) {
        self.with_read(|read| *read = start);
        let watermarks = self.0.watermarks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.hand_on(Work::Begins { epoch, watermarks }, 0);
    }

    fn record(&self, Incoming { partition, offset, content }: Incoming<Kept>) {
        self.with_read(|read| read.set(partition, offset + 1));
        let bytes = content.as_ref().map_or(0, Kept::size);
        self.hand_on(Work::Record { partition, offset, content: content.map(Box::new) }, bytes);
    }

    fn steps_over(&self, partition: usize, next: u64) {
        let further = self.with_read(|read| {
            let further = next > read.get(partition);
            if further {
                read.set(partition, next);
            }
            further
        });
        if let (true, Some(offset)) = (further, next.checked_sub(1)) {
            self.hand_on(Work::Record { partition, offset, content: None }, 0);
        }
    }

    fn breaks(&self, reason: Broken, next: Vector) {
        let before = self.with_read(|read| std::mem::replace(read, next.clone()));
        for (partition, next) in next.iter().filter(|&(partition, next)| next != before.get(partition)) {
            self.hand_on(Work::Breaks { reason, partition, next }, 0);
        }
    }

    fn position(&self) -> Vector {
        self.with_read(|read| read.clone())
    }

    fn log_is(&self, _: LogIs) {}

    fn is_waiting(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// After that `resumes` is asked again.
    fn is_astray(&self) -> bool {
        self.0.astray.swap(false, Ordering::Relaxed)
    }
}
