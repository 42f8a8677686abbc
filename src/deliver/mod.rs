//! Out to people: a listener's life from hello to bye, and the coats it wears on the wire.
//!
//! Catching up is a task, live is an entry in a shard. The task ([`session`]) says hello, reads what was missed from the
//! [`Past`] and hands the listener to its shard; a listener that cannot follow comes back here.

mod attendance;
mod begin;
mod goodbye;
mod hello;
mod jobs;
mod missed;
mod queue;
mod session;
pub mod sse;
pub mod websocket;

use std::{
    any::Any,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

pub use attendance::{Progress, Seat};
pub use begin::Asked;
pub use goodbye::Goodbye;
pub use missed::Past;
pub use queue::{QueueBody, queue};

use crate::{
    hub::{Coat, Command, Frame, Hub, ListenerId, Outlet, Plan, Shard, ShardHandle},
    notification::{AdminNo, Catalogue, Lang, Viewer},
    telemetry::Metrics,
    timeline::Timeline,
};

/// What the station needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Between two beats; proxies on the way close what is silent for 30 or 60 s.
    pub heartbeat: Duration,
    /// Frames and bytes that wait for one slow reader; beyond that it is caught up from memory at its own pace.
    pub queue_frames: usize,
    pub queue_bytes: usize,
    /// A listener of whom no frame moved for so long is closed: it holds a socket and nobody reads.
    pub slow_after: Duration,
    /// One operator's open streams; the next one ends the oldest. Ten tabs are many, a hundred are a loop.
    pub streams_per_operator: usize,
    /// The mean of the `retry:` that clients wait before they return, jittered by half so that they do not return together.
    pub retry: Duration,
    /// Over how long SIGTERM spreads the goodbyes.
    pub drain_window: Duration,
}

/// Somebody who wants to listen.
pub struct Arrival {
    pub id: ListenerId,
    pub viewer: Arc<Viewer>,
    /// The language named in the request.
    pub lang: Option<Lang>,
    pub coat: &'static dyn Coat,
    pub outlet: Box<dyn Outlet>,
    pub asked: Asked,
    /// Dropped when the stream has ended.
    pub guard: Box<dyn Any + Send>,
}

/// No shard takes arrivals now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much to do")]
pub struct Overloaded;

struct Inner {
    settings: Settings,
    shards: Vec<ShardHandle>,
    life: session::Life,
    attendance: attendance::Attendance,
    next_id: AtomicU64,
    next_shard: AtomicUsize,
    draining: CancellationToken,
}

/// Everybody who listens. A cheap clone.
#[derive(Clone)]
pub struct Streams(Arc<Inner>);

impl Streams {
    /// Starts the shards.
    pub fn start(
        settings: Settings,
        shards: usize,
        hub: &Hub,
        timeline: Option<Timeline>,
        catalogue: Catalogue,
        metrics: Metrics,
    ) -> io::Result<Streams> {
        let past = Past::new(hub.clone(), timeline, catalogue.clone());
        let life = session::Life::new(settings.clone(), past);
        let plan = Plan {
            heartbeat: settings.heartbeat,
            slow_after: settings.slow_after,
            detour: Arc::new(life.clone()),
            catalogue,
            metrics,
        };
        let shards: io::Result<Vec<ShardHandle>> =
            (0..shards.max(1)).map(|number| Shard::start(number, hub.clone(), plan.clone())).collect();
        Ok(Streams(Arc::new(Inner {
            attendance: attendance::Attendance::new(settings.streams_per_operator),
            settings,
            shards: shards?,
            life,
            next_id: AtomicU64::new(1),
            next_shard: AtomicUsize::new(0),
            draining: CancellationToken::new(),
        })))
    }

    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// A number for a stream that is about to open, and the shard that will own it.
    #[must_use]
    pub fn place(&self) -> (ListenerId, ShardHandle) {
        let id = ListenerId(self.0.next_id.fetch_add(1, Ordering::Relaxed));
        let shard = self.0.next_shard.fetch_add(1, Ordering::Relaxed) % self.0.shards.len();
        (id, self.0.shards[shard].clone())
    }

    /// Opens a stream on the shard it was given a place on. One operator's surplus stream ends for it.
    pub fn open(&self, arrival: Arrival, shard: &ShardHandle, progress: Progress) -> Result<(), Overloaded> {
        let came = Timestamp::now();
        let connected = std::time::Instant::now();
        let (id, admin) = (arrival.id, arrival.viewer.admin);
        let (seat, replaced) = self.0.attendance.sit(admin, id, shard.clone(), progress);
        if let Some((id, shard)) = replaced {
            self.replace(id, shard);
        }
        let life = self.0.life.clone();
        let work = move |shard: &std::rc::Rc<Shard>| life.begin(shard, arrival, seat, came, connected);
        shard.tell(Command::Run(Box::new(work))).map_err(|_| Overloaded)?;
        // Who took our seat in between told a shard that did not know us yet; behind our beginning it is heard.
        if !self.0.attendance.sits(admin, id) {
            self.replace(id, shard.clone());
        }
        Ok(())
    }

    /// Its seat is gone already, so the word has to arrive, also where the shard's inbox is full for now.
    fn replace(&self, id: ListenerId, shard: ShardHandle) {
        let bye = Goodbye::Replaced.frame(&self.0.settings);
        if shard.tell(Command::End(id, bye.clone())).is_err() {
            tokio::spawn(async move { shard.insist(Command::End(id, bye)).await });
        }
    }

    /// New rights of an open stream.
    pub async fn rights(&self, id: ListenerId, shard: &ShardHandle, viewer: Arc<Viewer>) {
        let _ = shard.insist(Command::Rights(id, viewer)).await;
    }

    /// Ends a stream with this goodbye.
    pub async fn end(&self, id: ListenerId, shard: &ShardHandle, goodbye: Goodbye) {
        let _ = shard.insist(Command::End(id, goodbye.frame(&self.0.settings))).await;
    }

    /// Memory and timeline, as streams see them.
    #[must_use]
    pub fn past(&self) -> &Past {
        &self.0.life.past
    }

    /// Says it on all streams of one operator.
    pub async fn tell(&self, admin: AdminNo, word: Frame) {
        for (id, shard) in self.0.attendance.of(admin) {
            let _ = shard.insist(Command::Tell(id, word.clone())).await;
        }
    }

    /// Says it on every stream.
    pub async fn tell_everybody(&self, word: Frame) {
        for shard in &self.0.shards {
            let _ = shard.insist(Command::TellAll(word.clone())).await;
        }
    }

    /// Everybody leaves, spread over `window`; nobody new is let in.
    pub async fn drain(&self, window: Duration) {
        self.0.draining.cancel();
        for shard in &self.0.shards {
            let _ = shard.insist(Command::Drain(window)).await;
        }
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.draining.is_cancelled()
    }

    /// Streams that are open now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.attendance.count()
    }
}
