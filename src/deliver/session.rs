//! One listener's life: hello, what was missed, then live in its shard. No socket and no transport in this file (D6).

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::watch;

use super::{
    Arrival, Settings,
    attendance::Seat,
    begin::ASK_AGAIN,
    goodbye::Goodbye,
    jobs::Jobs,
    missed::{Had, Past, Step},
};
use crate::{
    hub::{Control, Detour, Frame, GapReason, Item, Listener, LogState, Offer, Page, Place, Shard, Turn, Wire},
    notification::{Notification, Position, Sight, Vector},
};

/// One look at what was missed: enough to fill an outlet, little enough to hold no lock and no memory for long.
const PAGE: Page = Page { items: 64, bytes: 256 * 1024 };

/// Why a session is over before it went live.
pub(super) enum Over {
    Gone,
    Bye(Frame),
}

/// What all sessions share. A cheap clone.
#[derive(Clone)]
pub struct Life {
    pub(super) settings: Arc<Settings>,
    pub(super) past: Past,
}

impl Life {
    pub fn new(settings: Settings, past: Past) -> Life {
        Life { settings: Arc::new(settings), past }
    }

    /// Begins a listener's life on its shard.
    pub fn begin(&self, shard: &Rc<Shard>, arrival: Arrival, seat: Seat, came: Timestamp, connected: Instant) {
        let sight = Sight::of(&arrival.viewer, arrival.lang);
        let listener = Listener {
            id: arrival.id,
            viewer: arrival.viewer,
            sight,
            coat: arrival.coat,
            outlet: arrival.outlet,
            control: Rc::new(Control::default()),
            life: 0,
            guard: Box::new((seat, arrival.guard)),
        };
        shard.arrived(&listener);
        let mut session = self.session(shard, listener);
        let asked = arrival.asked;
        tokio::task::spawn_local(async move {
            let start = session.decide(&asked, came, connected).await;
            session.live(start).await;
        });
    }

    fn session(&self, shard: &Rc<Shard>, listener: Listener) -> Session {
        Session {
            log: shard.hub().state(),
            shard: Rc::clone(shard),
            life: self.clone(),
            listener,
            greeted: false,
            scope_changed: false,
        }
    }
}

impl Detour for Life {
    fn take(&self, shard: &Rc<Shard>, listener: Listener, at: Vector) {
        let session = self.session(shard, listener);
        tokio::task::spawn_local(session.live(Ok(at)));
    }

    fn too_slow(&self) -> Frame {
        Goodbye::Slow.frame(&self.settings)
    }

    fn restart(&self, window: Duration) -> Frame {
        Goodbye::Restart { window }.frame(&self.settings)
    }
}

/// A listener that is not live: it has just come, or its shard was too fast for it.
pub(super) struct Session {
    pub(super) shard: Rc<Shard>,
    pub(super) life: Life,
    pub(super) listener: Listener,
    pub(super) log: watch::Receiver<LogState>,
    /// It has been told that its position cannot be judged yet.
    pub(super) greeted: bool,
    /// Its rights changed on the way; it has to be told.
    scope_changed: bool,
}

impl Session {
    /// Catches up from where the stream begins, and hands the listener to its shard, or ends it.
    async fn live(mut self, start: Result<Vector, Over>) {
        let caught_up = match start {
            Ok(from) => self.catch_up(from).await,
            Err(over) => Err(over),
        };
        let Session { shard, listener, .. } = self;
        match caught_up {
            Ok(at) => shard.admit(listener, at),
            Err(Over::Gone) => shard.end(listener, None),
            Err(Over::Bye(bye)) => shard.end(listener, Some(bye)),
        }
    }

    /// Sends what was missed after `from`. Returns the place at which there is nothing more, with nothing in between.
    async fn catch_up(&mut self, mut from: Vector) -> Result<Vector, Over> {
        let _counted = Counted::new(&self.shard);
        let (mut jobs, mut had) = (Jobs::default(), Had::default());
        loop {
            self.obey()?;
            for word in self.listener.control.take_words() {
                self.send(self.dress(&word)).await?;
            }
            // Where the log has broken since, that is said first: `from` is a place in the life before.
            if self.scope_changed
                && let Some(here) = self.here()
            {
                self.scope_changed = false;
                self.gap(GapReason::Scope, &Place { next: from.clone(), ..here }).await?;
            }
            let (viewer, life) = (Arc::clone(&self.listener.viewer), self.listener.life);
            match self.life.past.next(&viewer, life, &from, PAGE, &mut had).await {
                None => self.wait_for_the_log(ASK_AGAIN).await?,
                Some(Step::Page { items, through }) => {
                    for item in items {
                        self.item(item, &mut from, &mut jobs).await?;
                    }
                    from.raise(&through);
                }
                Some(Step::Gap { reason, goes_on }) => {
                    self.listener.life = goes_on.life;
                    self.gap(reason, &goes_on).await?;
                    from = goes_on.next;
                }
                // Running jobs are told last, each in its newest state; meanwhile more may have come.
                Some(Step::End { at }) if !jobs.is_empty() => {
                    from = at;
                    for item in jobs.take_waiting() {
                        let shard = Rc::clone(&self.shard);
                        let turn = Turn::new(&item.notification, shard.catalogue());
                        self.send_turn(turn, (item.partition, item.offset), &from).await?;
                    }
                }
                Some(Step::End { .. }) if self.listener.control.has_words() => {}
                // Nothing may come between the look into memory and the hand-over: no waiting here.
                Some(Step::End { at }) => {
                    let log = self.shard.log();
                    match self.offer(self.dress(&Frame::status(log.live, log.reason))) {
                        Offer::Taken => return Ok(at),
                        Offer::Full => self.room().await?,
                        Offer::Gone => return Err(Over::Gone),
                    }
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Sends one item, or keeps it back if it is the state of a running job; either way `from` passes it.
    async fn item(&mut self, item: Item, from: &mut Vector, jobs: &mut Jobs) -> Result<(), Over> {
        let mut next = from.clone();
        next.set(item.partition, item.offset + 1);
        // Rights may have changed since the page was made.
        if self.concerns(&item.notification) {
            let (shard, notification) = (Rc::clone(&self.shard), Arc::clone(&item.notification));
            let mut turn = Turn::new(&notification, shard.catalogue());
            let due = match turn.state_of_a_job() {
                Some(state) => jobs.take(state, item),
                None => Some(item),
            };
            if let Some(item) = due {
                self.send_turn(turn, (item.partition, item.offset), &next).await?;
            }
        }
        *from = next;
        Ok(())
    }

    /// Where the node is, if that is in the life of the log that the listener is in.
    fn here(&self) -> Option<Place> {
        self.shard.hub().here().filter(|here| here.life == self.listener.life)
    }

    fn concerns(&self, notification: &Notification) -> bool {
        notification.audience.includes(&self.listener.viewer, notification.mall)
    }

    /// Sends a notification with the place that its listener has then. It may wait long for room: the rights that
    /// count are those of the moment at which it is taken.
    async fn send_turn(&mut self, mut turn: Turn<'_>, record: (usize, u64), next: &Vector) -> Result<(), Over> {
        // The log broke since the page was made: its places mean nothing any more, and the next look says so as a gap.
        let Some(here) = self.here() else { return Ok(()) };
        let position = Position { epoch: here.epoch, next: next.clone() };
        let sent = loop {
            self.obey()?;
            let due = self.concerns(turn.notification());
            let wire = if due { turn.own(self.listener.coat, self.listener.sight, &position) } else { None };
            let Some(wire) = wire else { break Ok(()) };
            match self.offer(wire) {
                Offer::Taken => break Ok(()),
                Offer::Full => self.room().await?,
                Offer::Gone => break Err(Over::Gone),
            }
        };
        self.shard.settle(&turn, record);
        sent
    }

    pub(super) async fn gap(&mut self, reason: GapReason, place: &Place) -> Result<(), Over> {
        self.shard.metrics().gaps.with(reason.name()).inc();
        let frame = Frame::gap(reason, place.position().to_string(), self.shard.hub().list());
        self.send(self.dress(&frame)).await
    }

    pub(super) fn dress(&self, frame: &Frame) -> Wire {
        self.listener.coat.dress(frame)
    }

    fn offer(&mut self, wire: Wire) -> Offer {
        let (kind, len) = (wire.kind, wire.len() as u64);
        let offer = self.listener.outlet.offer(wire);
        if offer == Offer::Taken {
            self.shard.metrics().frames.with(kind.name()).inc();
            self.shard.metrics().frame_bytes.inc_by(len);
        }
        offer
    }

    /// Sends at the listener's pace; gives up on one that reads nothing.
    pub(super) async fn send(&mut self, wire: Wire) -> Result<(), Over> {
        loop {
            self.obey()?;
            match self.offer(wire.clone()) {
                Offer::Taken => return Ok(()),
                Offer::Full => self.room().await?,
                Offer::Gone => return Err(Over::Gone),
            }
        }
    }

    /// Waits for room, for a word from the shard, or for the moment at which the listener is too slow.
    async fn room(&mut self) -> Result<(), Over> {
        let slow_after = self.shard.slow_after();
        let patience = slow_after.saturating_sub(self.listener.outlet.last_progress().elapsed());
        if patience.is_zero() {
            return Err(Over::Bye(self.life.too_slow()));
        }
        let control = Rc::clone(&self.listener.control);
        let outlet = &mut self.listener.outlet;
        tokio::select! {
            room = std::future::poll_fn(|cx| outlet.poll_room(cx)) => {
                if room == Offer::Gone { Err(Over::Gone) } else { Ok(()) }
            }
            () = control.woken() => Ok(()),
            () = tokio::time::sleep(patience) => Ok(()),
        }
    }

    pub(super) async fn wait_for_the_log(&mut self, at_most: Duration) -> Result<(), Over> {
        let control = Rc::clone(&self.listener.control);
        tokio::select! {
            _ = self.log.changed() => {}
            () = control.woken() => {}
            () = tokio::time::sleep(at_most) => {}
        }
        self.obey()
    }

    /// What the shard has to say to somebody who is not live.
    fn obey(&mut self) -> Result<(), Over> {
        let control = Rc::clone(&self.listener.control);
        if control.is_gone() {
            return Err(Over::Gone);
        }
        if let Some(bye) = control.take_bye() {
            return Err(Over::Bye(bye));
        }
        if let Some(viewer) = control.take_viewer() {
            self.listener.see_as(viewer);
            self.scope_changed = true;
        }
        Ok(())
    }
}

/// Counts who is catching up, however it ends.
struct Counted(Rc<Shard>);

impl Counted {
    fn new(shard: &Rc<Shard>) -> Counted {
        shard.metrics().catching_up.inc();
        Counted(Rc::clone(shard))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.metrics().catching_up.dec();
    }
}
