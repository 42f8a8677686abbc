//! How listeners come to a shard and how they leave it: commands, rights, goodbyes, and the paced drain.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    command::Command,
    crowd::Left,
    frame::{ByeReason, Frame},
    index::Key,
    listener::{Listener, ListenerId},
    shard::Shard,
};
use crate::notification::{Vector, Viewer};

/// Between two steps of a paced drain.
pub(super) const DRAIN_STEP: Duration = Duration::from_millis(100);

/// A node that stops lets its listeners go one after the other.
#[derive(Clone, Copy)]
pub(super) struct Drain {
    until: Instant,
    window: Duration,
    /// So many were here when it began.
    crowd: usize,
}

impl Drain {
    /// How many may still be here now: few as well go over the whole of the window.
    fn may_stay(&self) -> usize {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { 0 } else { (self.crowd as f64 * left.div_duration_f64(self.window)) as usize }
    }
}

impl Shard {
    /// Registers somebody who begins to listen here.
    pub fn arrived(self: &Rc<Shard>, listener: &Listener) {
        self.plan.metrics.streams_opened.inc();
        self.plan.metrics.streams.inc();
        self.state.borrow_mut().everybody.insert(listener.id, Rc::clone(&listener.control));
    }

    /// Makes a listener live that has everything before `at`. From here on the shard serves it.
    pub fn admit(self: &Rc<Shard>, listener: Listener, at: Vector) {
        let mut guard = self.state.borrow_mut();
        let state = &mut *guard;
        let nowhere = Vector::default();
        let here = state.here.as_ref().map_or(&nowhere, |place| &place.next);
        state.crowd.admit(listener, at, here);
    }

    /// The end of a listener that is not live any more, with a last word if there is one.
    pub fn end(&self, mut listener: Listener, bye: Option<Frame>) {
        let reason = bye.as_ref().and_then(Frame::bye).map_or("gone", ByeReason::name);
        if let Some(bye) = bye {
            self.plan.metrics.frames.with(bye.kind.name()).inc();
            let wire = listener.coat.dress(&bye);
            if bye.ends_rights() {
                // A slow reader would else read on for as long as its connection bears it.
                listener.outlet.forget();
            }
            listener.outlet.finish(wire);
        }
        self.plan.metrics.streams_ended.with(reason).inc();
        self.plan.metrics.streams.dec();
        self.state.borrow_mut().everybody.remove(&listener.id);
    }

    /// The end of a listener that is live.
    pub(super) fn end_live(&self, key: Key, bye: Option<Frame>) {
        let removed = self.state.borrow_mut().crowd.remove(key);
        if let Some((listener, _)) = removed {
            self.end(listener, bye);
        }
    }

    /// Lets go whoever the time that is left has no room for.
    pub(super) fn drain_step(self: &Rc<Shard>) {
        let leaving: Vec<ListenerId> = {
            let state = self.state.borrow();
            let Some(drain) = state.drain else { return };
            let surplus = state.everybody.len().saturating_sub(drain.may_stay());
            state.everybody.keys().copied().take(surplus).collect()
        };
        for id in leaving {
            self.say_restart(id);
        }
    }

    fn say_restart(self: &Rc<Shard>, id: ListenerId) {
        let window = self.state.borrow().drain.map_or(Duration::ZERO, |drain| drain.window);
        self.say_goodbye(id, self.plan.detour.restart(window));
    }

    pub(super) fn obey(self: &Rc<Shard>, command: Command) {
        match command {
            Command::Run(work) => work(self),
            Command::Rights(id, viewer) => self.rights(id, &viewer),
            Command::End(id, bye) => self.say_goodbye(id, bye),
            Command::Tell(id, word) => self.tell(&[id], &word),
            Command::TellAll(word) => {
                let all: Vec<ListenerId> = self.state.borrow().everybody.keys().copied().collect();
                self.tell(&all, &word);
            }
            Command::Gone(id) => {
                let Some(control) = self.state.borrow().everybody.get(&id).cloned() else { return };
                control.gone.set(true);
                control.wake();
                if let Some(key) = control.live_at.get() {
                    self.end_live(key, None);
                }
            }
            Command::Drain(window) => {
                {
                    let mut state = self.state.borrow_mut();
                    let crowd = state.everybody.len();
                    state.drain = Some(Drain { until: Instant::now() + window, window, crowd });
                }
                self.drain_step();
            }
        }
    }

    /// New rights apply to the next notification; that something may be on the screen wrongly is said as a gap.
    fn rights(self: &Rc<Shard>, id: ListenerId, viewer: &Arc<Viewer>) {
        let left = {
            let mut guard = self.state.borrow_mut();
            let state = &mut *guard;
            let Some(control) = state.everybody.get(&id) else { return };
            let (Some(key), Some(here)) = (control.live_at.get(), &state.here) else {
                *control.new_viewer.borrow_mut() = Some(Arc::clone(viewer));
                control.wake();
                return;
            };
            state.crowd.rights(key, viewer, here, self.hub().list())
        };
        self.part_with(left);
    }

    /// A word beside the log, to whoever of these is here: who is not live, or has no room for it, gets it in catching up.
    fn tell(self: &Rc<Shard>, ids: &[ListenerId], word: &Frame) {
        let left = {
            let mut guard = self.state.borrow_mut();
            let state = &mut *guard;
            let at = state.here.as_ref().map(|place| place.next.clone()).unwrap_or_default();
            let mut live = Vec::new();
            for control in ids.iter().filter_map(|id| state.everybody.get(id)) {
                match control.live_at.get() {
                    Some(key) => live.push(key),
                    None => control.add_word(word.clone()),
                }
            }
            let left = state.crowd.tell(&live, word, &at);
            left.too_slow.iter().for_each(|(listener, _)| listener.control.add_word(word.clone()));
            left
        };
        self.part_with(left);
    }

    fn say_goodbye(self: &Rc<Shard>, id: ListenerId, bye: Frame) {
        let Some(control) = self.state.borrow().everybody.get(&id).cloned() else { return };
        match control.live_at.get() {
            Some(key) => self.end_live(key, Some(bye)),
            None => {
                *control.bye.borrow_mut() = Some(bye);
                control.wake();
            }
        }
    }

    pub(super) fn part_with(self: &Rc<Shard>, left: Left) {
        for listener in left.gone {
            self.end(listener, None);
        }
        for (listener, at) in left.too_slow {
            self.plan.metrics.detours.inc();
            self.plan.detour.take(self, listener, at);
        }
    }
}
