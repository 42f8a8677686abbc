//! A shard: one thread that owns its listeners and everything about them, without locks.
//!
//! It does three things in turn: what others ask of it (commands), what the hub announces, and what the clock says
//! (beats, slow readers, the drain). Tasks that catch listeners up run beside it on the same thread.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    task::LocalSet,
    time::MissedTickBehavior,
};

use super::{
    announce::{Again, Announcement, Hub, LogState, Place, What},
    comings::{DRAIN_STEP, Drain},
    command::{Command, Detour, ShardHandle},
    crowd::Crowd,
    frame::{Frame, GapReason},
    listener::{Control, ListenerId},
    turn::Turn,
};
use crate::{
    notification::{Catalogue, Notification},
    shutdown::essential_thread,
    telemetry::Metrics,
};

/// Announcements handled between two looks at the commands and the clock.
const AT_ONCE: usize = 64;
/// A heartbeat is cut into so many ticks, so that not everybody's beat falls into one moment.
const TICKS_PER_HEARTBEAT: usize = 15;

/// How shards are made.
#[derive(Clone)]
pub struct Plan {
    pub heartbeat: Duration,
    /// A listener of whom nothing moved for so long is closed.
    pub slow_after: Duration,
    pub detour: Arc<dyn Detour>,
    pub catalogue: Catalogue,
    pub metrics: Metrics,
}

/// See the head of this file. Others on its thread (the tasks that catch up) hold it by `Rc`.
pub struct Shard {
    hub: Hub,
    pub(super) plan: Plan,
    number: usize,
    pub(super) state: RefCell<State>,
    log: Cell<LogState>,
    /// Memory has announcements that this shard has not done; the ring was too short for it.
    behind: Cell<bool>,
}

pub(super) struct State {
    /// The announcement done last, and the place after it.
    n: u64,
    pub(super) here: Option<Place>,
    pub(super) crowd: Crowd,
    /// Live or catching up.
    pub(super) everybody: HashMap<ListenerId, Rc<Control>>,
    pub(super) drain: Option<Drain>,
}

impl Shard {
    /// Starts the thread of shard `number`.
    pub fn start(number: usize, hub: Hub, plan: Plan) -> io::Result<ShardHandle> {
        let (handle, inbox) = ShardHandle::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        essential_thread(format!("shard-{number}"), move || {
            LocalSet::new().block_on(&runtime, Shard::run(number, hub, plan, inbox));
        })?;
        Ok(handle)
    }

    async fn run(number: usize, hub: Hub, plan: Plan, mut inbox: mpsc::Receiver<Command>) {
        let (mut sink, n, here) = hub.subscribe();
        let mut log = hub.state();
        let mut crowd = Crowd::new(plan.metrics.clone());
        crowd.enter(here.as_ref().map_or(0, |place| place.life));
        let state = RefCell::new(State { n, here, crowd, everybody: HashMap::new(), drain: None });
        let log_now = *log.borrow_and_update();
        let tick = plan.heartbeat / u32::try_from(TICKS_PER_HEARTBEAT).unwrap_or(1);
        let (log_now, behind) = (Cell::new(log_now), Cell::new(false));
        let shard = Rc::new(Shard { hub, plan, number, state, log: log_now, behind });
        let mut clock = tokio::time::interval(tick);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut drain = tokio::time::interval(DRAIN_STEP);
        drain.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ticks = 0;
        loop {
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => shard.obey(command),
                    None => return,
                },
                announced = sink.recv(), if !shard.behind.get() => match announced {
                    Ok(announcement) => {
                        shard.follow(announcement);
                        for _ in 1..AT_ONCE {
                            let Ok(announcement) = sink.try_recv() else { break };
                            shard.follow(announcement);
                        }
                    }
                    Err(RecvError::Lagged(_)) => {
                        shard.plan.metrics.sink_lagged.inc();
                        shard.behind.set(true);
                    }
                    Err(RecvError::Closed) => return,
                },
                () = tokio::task::yield_now(), if shard.behind.get() => shard.read_on(),
                // Only once everything announced before is handed out: "live" promises that nothing is missing.
                Ok(()) = log.changed(), if shard.to_do() == 0 => shard.log_changed(*log.borrow_and_update()),
                _ = clock.tick() => {
                    shard.tick(ticks);
                    ticks = (ticks + 1) % TICKS_PER_HEARTBEAT;
                }
                _ = drain.tick(), if shard.state.borrow().drain.is_some() => shard.drain_step(),
            }
        }
    }

    /// Does an announcement from the ring, unless memory has already given it.
    fn follow(self: &Rc<Shard>, announcement: Announcement) {
        let done = self.state.borrow().n;
        if announcement.n <= done {
            return;
        }
        if announcement.n > done + 1 {
            self.behind.set(true);
        }
        if !self.behind.get() {
            self.handle(announcement);
        }
    }

    /// Reads on from memory at its own number, after the ring was too short.
    fn read_on(self: &Rc<Shard>) {
        for _ in 0..AT_ONCE {
            let next = self.state.borrow().n + 1;
            match self.hub.again(next) {
                Again::Here(announcement) => self.handle(announcement),
                Again::NotYet => {
                    self.behind.set(false);
                    return;
                }
                Again::Forgotten { n, here } => return self.lost_track(n, here),
            }
        }
    }

    /// Memory has passed this shard: everybody goes on by themselves, from where they stand.
    fn lost_track(self: &Rc<Shard>, n: u64, here: Option<Place>) {
        let left = {
            let mut state = self.state.borrow_mut();
            let at = state.here.take().map(|place| place.next).unwrap_or_default();
            state.n = n;
            let left = state.crowd.empty(&at);
            state.crowd.enter(here.as_ref().map_or(0, |place| place.life));
            state.here = here;
            left
        };
        self.part_with(left);
    }

    fn handle(self: &Rc<Shard>, Announcement { n, what }: Announcement) {
        self.state.borrow_mut().n = n;
        match what {
            What::Record { partition, offset, notification } => {
                self.record(n, (partition, offset), notification.as_deref());
            }
            What::Break { reason, place } => self.broken(reason, place),
        }
    }

    /// Announcements that this shard has yet to do.
    fn to_do(&self) -> u64 {
        self.hub.newest().saturating_sub(self.state.borrow().n)
    }

    fn record(self: &Rc<Shard>, n: u64, record: (usize, u64), notification: Option<&Notification>) {
        let left = {
            let mut guard = self.state.borrow_mut();
            let state = &mut *guard;
            let Some(here) = &mut state.here else { return };
            let before = here.next.get(record.0);
            here.next.set(record.0, record.1 + 1);
            let left = notification.map(|notification| {
                let mut turn = Turn::new(notification, &self.plan.catalogue);
                let left = state.crowd.hand_out(n, record, before, &mut turn, here);
                self.settle(&turn, record);
                left
            });
            state.crowd.came_by(&here.next);
            left
        };
        self.part_with(left.unwrap_or_default());
    }

    fn broken(self: &Rc<Shard>, reason: GapReason, place: Place) {
        let left = {
            let mut guard = self.state.borrow_mut();
            let state = &mut *guard;
            let left = state.crowd.begin_life(reason, &place, self.hub.list());
            state.here = Some(place);
            left
        };
        self.part_with(left);
    }

    fn log_changed(self: &Rc<Shard>, log: LogState) {
        let before = self.log.replace(log);
        if before.live == log.live {
            return;
        }
        let left = {
            let mut guard = self.state.borrow_mut();
            let state = &mut *guard;
            let at = state.here.as_ref().map(|place| place.next.clone()).unwrap_or_default();
            state.crowd.tell_everybody(&Frame::status(log.live, log.reason), &at)
        };
        self.part_with(left);
    }

    fn tick(self: &Rc<Shard>, tick: usize) {
        let behind = i64::try_from(self.to_do()).unwrap_or(i64::MAX);
        self.plan.metrics.shard_behind.with(self.number.to_string()).set(behind);
        let (left, stuck) = {
            let mut guard = self.state.borrow_mut();
            let state = &mut *guard;
            let stuck = state.crowd.stuck(self.plan.slow_after, Instant::now());
            let Some(here) = &state.here else { return };
            (state.crowd.beat(tick, TICKS_PER_HEARTBEAT, here), stuck)
        };
        self.part_with(left);
        for key in stuck {
            self.end_live(key, Some(self.plan.detour.too_slow()));
        }
    }
}

/// For the tasks on the shard's thread.
impl Shard {
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.plan.catalogue
    }

    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.plan.metrics
    }

    #[must_use]
    pub fn slow_after(&self) -> Duration {
        self.plan.slow_after
    }

    /// Counts what a turn cost, and says what was wrong with it.
    pub fn settle(&self, turn: &Turn<'_>, record: (usize, u64)) {
        self.plan.metrics.frames_encoded.inc_by(turn.renderings());
        if let Some(error) = turn.unreadable() {
            self.hub.unreadable(turn.notification().id, record, error);
        }
    }

    /// How the log is, as this shard's listeners have been told.
    #[must_use]
    pub fn log(&self) -> LogState {
        self.log.get()
    }
}
