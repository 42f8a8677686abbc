//! The live listeners of one shard: who gets an announcement, with which place, and who cannot follow.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use slab::Slab;

use super::{
    announce::Place,
    frame::{Frame, GapReason, List, Wire},
    index::{Index, Key},
    listener::{Listener, Offer},
    turn::Turn,
};
use crate::{
    notification::{Notification, Position, Vector, Viewer},
    telemetry::Metrics,
};

struct Live {
    listener: Listener,
    /// Where it stands, if that is ahead of its shard: rare, and dropped when the shard has come by.
    ahead: Option<Box<Vector>>,
    /// The last announcement it was looked at for: who is in two terms of a union gets it once.
    seen: u64,
}

/// Who left the crowd in the course of something.
#[derive(Default)]
pub struct Left {
    /// Their outlet is full: they go on from this place at their own pace.
    pub too_slow: Vec<(Listener, Vector)>,
    /// Their client is not there any more.
    pub gone: Vec<Listener>,
}

/// See the head of this file.
pub struct Crowd {
    live: Slab<Live>,
    index: Index,
    /// Who has a place of its own.
    ahead: Vec<Key>,
    /// The life of the log that the shard is in; a listener may be admitted from a later one.
    life: u64,
    metrics: Metrics,
}

impl Crowd {
    #[must_use]
    pub fn new(metrics: Metrics) -> Crowd {
        Crowd { live: Slab::new(), index: Index::default(), ahead: Vec::new(), life: 0, metrics }
    }

    /// Makes a listener live that has everything before `at`, which is where its shard is or ahead of it.
    pub fn admit(&mut self, listener: Listener, at: Vector, here: &Vector) {
        // A shard that has yet to come to this life of the log is behind, whatever its numbers say.
        let behind = listener.life != self.life || !at.within(here);
        let ahead = behind.then(|| Box::new(at));
        let (viewer, sight, control) = (listener.viewer.clone(), listener.sight, listener.control.clone());
        let stands_ahead = ahead.is_some();
        let key = self.live.insert(Live { listener, ahead, seen: 0 });
        control.live_at.set(Some(key));
        self.index.add(key, &viewer, sight);
        if stands_ahead {
            self.ahead.push(key);
        }
    }

    /// Takes a listener out, with the place of its own if it has one.
    pub fn remove(&mut self, key: Key) -> Option<(Listener, Option<Box<Vector>>)> {
        let Live { listener, ahead, .. } = self.live.try_remove(key)?;
        listener.control.live_at.set(None);
        self.index.remove(key, &listener.viewer, listener.sight);
        if ahead.is_some() {
            self.ahead.retain(|&k| k != key);
        }
        Some((listener, ahead))
    }

    /// Hands a notification to everybody it concerns. `here` is the place after it; `before` its partition's offset before.
    pub fn hand_out(&mut self, n: u64, record: (usize, u64), before: u64, turn: &mut Turn<'_>, here: &Place) -> Left {
        let notification = turn.notification();
        let (mut full, mut gone, mut taken, mut bytes) = (Vec::new(), Vec::new(), 0_u64, 0_u64);
        for (sight, keys) in self.index.candidates(&notification.audience) {
            for &key in keys {
                let Some(live) = self.live.get_mut(key) else { continue };
                if live.seen == n || live.listener.life != self.life || !concerns(live, notification, record) {
                    continue;
                }
                live.seen = n;
                let coat = live.listener.coat;
                let wire = match &live.ahead {
                    None => turn.shared(coat, sight, || here.position()),
                    Some(ahead) => turn.own(coat, sight, &own_position(ahead, here)),
                };
                let Some(wire) = wire else { break };
                let len = wire.len() as u64;
                match live.listener.outlet.offer(wire) {
                    Offer::Taken => {
                        taken += 1;
                        bytes += len;
                    }
                    Offer::Full => full.push(key),
                    Offer::Gone => gone.push(key),
                }
            }
        }
        if let (Some(kind), true) = (turn.kind(), taken > 0) {
            self.metrics.frames.with(kind.name()).inc_by(taken);
            self.metrics.frame_bytes.inc_by(bytes);
            let took = Timestamp::now().duration_since(notification.at);
            self.metrics.delivery_seconds.observe(took.as_secs_f64().max(0.0));
        }
        if full.is_empty() && gone.is_empty() {
            return Left::default();
        }
        let mut at = here.next.clone();
        at.set(record.0, before);
        self.take_out(&full, &gone, &at)
    }

    /// Whoever stood ahead and is now where the shard is needs no place of its own any more.
    pub fn came_by(&mut self, here: &Vector) {
        let (live, life) = (&mut self.live, self.life);
        self.ahead.retain(|&key| match live.get_mut(key) {
            Some(one) if one.listener.life != life => true,
            Some(one) if one.ahead.as_ref().is_some_and(|ahead| !ahead.within(here)) => true,
            Some(one) => {
                one.ahead = None;
                false
            }
            None => false,
        });
    }

    /// Tells everybody the same, whatever their rights. Who cannot take it goes on from its own place.
    pub fn tell_everybody(&mut self, frame: &Frame, here: &Vector) -> Left {
        let keys: Vec<Key> = self.live.iter().map(|(key, _)| key).collect();
        self.tell(&keys, frame, here)
    }

    /// The beat of one tick, to who has nothing waiting: with the place of all, or with its own to who stands ahead. A
    /// quiet partition may leave it there for hours.
    pub fn beat(&mut self, tick: usize, ticks: usize, here: &Place) -> Left {
        let due = |key: Key, live: &Live| key % ticks == tick && live.listener.outlet.is_empty();
        let of_all = |(key, live): (Key, &Live)| (live.ahead.is_none() && due(key, live)).then_some(key);
        let keys: Vec<Key> = self.live.iter().filter_map(of_all).collect();
        let mut left = self.tell(&keys, &Frame::beat(here.position().to_string()), &here.next);
        let of_its_own = |&key: &Key| {
            // In another life of the log `here` means nothing to it.
            let live = self.live.get(key).filter(|live| live.listener.life == self.life && due(key, live))?;
            Some((key, own_position(live.ahead.as_ref()?, here)))
        };
        let own: Vec<(Key, Position)> = self.ahead.iter().filter_map(of_its_own).collect();
        for (key, position) in own {
            let Left { too_slow, gone } = self.tell(&[key], &Frame::beat(position.to_string()), &here.next);
            left.too_slow.extend(too_slow);
            left.gone.extend(gone);
        }
        left
    }

    /// Who has something waiting of which nothing has moved for so long.
    #[must_use]
    pub fn stuck(&self, slow_after: Duration, now: Instant) -> Vec<Key> {
        let stuck = |live: &Live| {
            let outlet = &live.listener.outlet;
            !outlet.is_empty() && now.saturating_duration_since(outlet.last_progress()) > slow_after
        };
        self.live.iter().filter_map(|(key, live)| stuck(live).then_some(key)).collect()
    }

    /// The life of the log that announcements are about from here on.
    pub fn enter(&mut self, life: u64) {
        self.life = life;
    }

    /// Another life of the log: places of before mean nothing any more, and everybody who has one is told.
    pub fn begin_life(&mut self, reason: GapReason, place: &Place, list: List) -> Left {
        self.enter(place.life);
        let mut of_before = Vec::new();
        for (key, live) in &mut self.live {
            if live.listener.life != place.life {
                live.ahead = None;
                of_before.push(key);
            }
        }
        self.ahead.retain(|key| !of_before.contains(key));
        let left = self.tell(&of_before, &Frame::gap(reason, place.position().to_string(), list), &place.next);
        // Whoever had no room for the gap keeps the life of before: then its catch-up begins with that word.
        let mut told = 0;
        for key in of_before {
            if let Some(live) = self.live.get_mut(key) {
                live.listener.life = place.life;
                told += 1;
            }
        }
        self.metrics.gaps.with(reason.name()).inc_by(told);
        // Who has waited in this life for its shard to come.
        self.came_by(&place.next);
        left
    }

    /// Other rights from the next notification on. What is on the screen already may be wrong: a gap says so.
    pub fn rights(&mut self, key: Key, viewer: &Arc<Viewer>, here: &Place, list: List) -> Left {
        let Some(live) = self.live.get_mut(key) else { return Left::default() };
        let listener = &mut live.listener;
        if listener.life != self.life {
            // `here` is a place in the life before: its catch-up says it, which knows the place in the next one.
            *listener.control.new_viewer.borrow_mut() = Some(Arc::clone(viewer));
            return self.take_out(&[key], &[], &here.next);
        }
        self.index.remove(key, &listener.viewer, listener.sight);
        listener.see_as(Arc::clone(viewer));
        self.index.add(key, &listener.viewer, listener.sight);
        let position = match &live.ahead {
            Some(ahead) => own_position(ahead, here),
            None => here.position(),
        };
        let left = self.tell(&[key], &Frame::gap(GapReason::Scope, position.to_string(), list), &here.next);
        match left.too_slow.first() {
            // No room for that word: its catch-up takes the rights from here, and says it.
            Some((listener, _)) => *listener.control.new_viewer.borrow_mut() = Some(Arc::clone(viewer)),
            None => {
                self.metrics.gaps.with(GapReason::Scope.name()).inc();
            }
        }
        left
    }

    /// Everybody goes on by themselves, from `at` or from a place of their own.
    pub fn empty(&mut self, at: &Vector) -> Left {
        let keys: Vec<Key> = self.live.iter().map(|(key, _)| key).collect();
        self.take_out(&keys, &[], at)
    }

    /// Tells it to these; who has no room for it is left out, without it.
    pub fn tell(&mut self, keys: &[Key], frame: &Frame, here: &Vector) -> Left {
        let (mut full, mut gone, mut taken) = (Vec::new(), Vec::new(), 0_u64);
        let mut dressed: Vec<(&'static str, Wire)> = Vec::new();
        for &key in keys {
            let Some(live) = self.live.get_mut(key) else { continue };
            let coat = live.listener.coat;
            let wire = match dressed.iter().find(|(name, _)| *name == coat.name()) {
                Some((_, wire)) => wire.clone(),
                None => {
                    let wire = coat.dress(frame);
                    dressed.push((coat.name(), wire.clone()));
                    wire
                }
            };
            match live.listener.outlet.offer(wire) {
                Offer::Taken => taken += 1,
                Offer::Full => full.push(key),
                Offer::Gone => gone.push(key),
            }
        }
        self.metrics.frames.with(frame.kind.name()).inc_by(taken);
        self.take_out(&full, &gone, here)
    }

    fn take_out(&mut self, full: &[Key], gone: &[Key], at: &Vector) -> Left {
        let mut left = Left::default();
        for &key in full {
            if let Some((listener, ahead)) = self.remove(key) {
                let mut place = at.clone();
                match ahead {
                    // In another life of the log `at` means nothing to it.
                    Some(ahead) if listener.life != self.life => place = *ahead,
                    Some(ahead) => place.raise(&ahead),
                    None => {}
                }
                left.too_slow.push((listener, place));
            }
        }
        left.gone.extend(gone.iter().filter_map(|&key| self.remove(key)).map(|(listener, _)| listener));
        left
    }
}

fn concerns(live: &Live, notification: &Notification, (partition, offset): (usize, u64)) -> bool {
    let has_it = live.ahead.as_ref().is_some_and(|ahead| offset < ahead.get(partition));
    !has_it && notification.audience.includes(&live.listener.viewer, notification.mall)
}

fn own_position(ahead: &Vector, here: &Place) -> Position {
    let mut next = here.next.clone();
    next.raise(ahead);
    Position { epoch: here.epoch, next }
}

#[cfg(test)]
mod tests {
    use std::{
        rc::Rc,
        sync::Mutex,
        task::{Context, Poll},
    };

    use bytes::Bytes;

    use super::*;
    use crate::{
        hub::{Coat, Control, Kind, ListenerId, Outlet},
        notification::{AdminNo, Epoch, MallNo, Sight},
    };

    /// Every frame as its name and its place.
    struct Plain;
    impl Coat for Plain {
        fn name(&self) -> &'static str {
            "plain"
        }
        fn body(&self, _: Kind, _: &[u8], _: Option<Duration>) -> Bytes {
            Bytes::new()
        }
        fn head(&self, kind: Kind, position: Option<&str>, _: &Bytes) -> Bytes {
            let at = position.map(|position| Position::decode(position).unwrap());
            let next = at.map(|at| at.next.iter().map(|(_, next)| next).collect::<Vec<u64>>());
            format!("{} {:?}", kind.name(), next.unwrap_or_default()).into()
        }
    }

    /// Takes everything and keeps it.
    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<String>>>);
    impl Heard {
        fn take(&self) -> Vec<String> {
            std::mem::take(&mut *self.0.lock().unwrap())
        }
    }

    impl Outlet for Heard {
        fn offer(&mut self, frame: Wire) -> Offer {
            self.0.lock().unwrap().push(String::from_utf8(frame.body.to_vec()).unwrap());
            Offer::Taken
        }
        fn poll_room(&mut self, _: &mut Context<'_>) -> Poll<Offer> {
            Poll::Ready(Offer::Taken)
        }
        fn is_empty(&self) -> bool {
            true
        }
        fn last_progress(&self) -> Instant {
            Instant::now()
        }
        fn finish(&mut self, _: Wire) {}
        fn forget(&mut self) {}
    }

    fn viewer(mall: u64) -> Arc<Viewer> {
        Arc::new(Viewer::new(AdminNo::new(1).unwrap(), [MallNo::new(mall).unwrap()], None))
    }

    fn place(life: u64, next: &[u64]) -> Place {
        Place { life, epoch: Epoch(life), next: Vector::new(next.to_vec()) }
    }

    /// A crowd in life 1, with one listener who was admitted there.
    fn crowd_of(at: &Place, here: &Place) -> (Crowd, Heard, Rc<Control>) {
        let (mut crowd, heard, control) = (Crowd::new(Metrics::new()), Heard::default(), Rc::new(Control::default()));
        let listener = Listener {
            id: ListenerId(1),
            viewer: viewer(7),
            sight: Sight::of(&viewer(7), None),
            coat: &Plain,
            outlet: Box::new(heard.clone()),
            control: Rc::clone(&control),
            life: at.life,
            guard: Box::new(()),
        };
        crowd.enter(here.life);
        crowd.admit(listener, at.next.clone(), &here.next);
        (crowd, heard, control)
    }

    /// It may stand ahead by nothing but a hole in the offsets, and for as long as its partition is quiet.
    #[test]
    fn a_beat_goes_to_everybody_with_the_place_of_each() {
        let here = place(1, &[2, 3]);
        for (at, beat) in [(place(1, &[2, 3]), "beat [2, 3]"), (place(1, &[5, 1]), "beat [5, 3]")] {
            let (mut crowd, heard, _) = crowd_of(&at, &here);
            crowd.beat(0, 1, &here);
            assert_eq!(heard.take(), [beat]);
        }
        // Numbers of two lives are not to be compared.
        let (mut crowd, heard, _) = crowd_of(&place(2, &[5, 1]), &here);
        crowd.beat(0, 1, &here);
        assert_eq!(heard.take(), [""; 0]);
    }

    #[test]
    fn who_waits_in_the_next_life_has_no_place_of_its_own_when_its_shard_comes() {
        let (mut crowd, heard, _) = crowd_of(&place(2, &[5]), &place(1, &[9]));
        crowd.begin_life(GapReason::Epoch, &place(2, &[5]), List::None);
        assert!(crowd.ahead.is_empty() && crowd.live.iter().all(|(_, live)| live.ahead.is_none()));
        assert_eq!(heard.take(), [""; 0], "it is in that life already");
        let (mut crowd, ..) = crowd_of(&place(2, &[6]), &place(1, &[9]));
        crowd.begin_life(GapReason::Epoch, &place(2, &[5]), List::None);
        assert_eq!(crowd.ahead.len(), 1, "it is still ahead");
    }

    /// The place of one life and the numbers of another would make an id that no log ever gave out.
    #[test]
    fn whose_rights_change_while_it_waits_in_the_next_life_is_told_there() {
        let (mut crowd, heard, control) = crowd_of(&place(2, &[5]), &place(1, &[9]));
        let mut left = crowd.rights(0, &viewer(8), &place(1, &[9]), List::None);
        assert_eq!(heard.take(), [""; 0]);
        let (listener, at) = left.too_slow.remove(0);
        assert_eq!((listener.life, at), (2, Vector::new(vec![5])));
        assert!(control.take_viewer().is_some_and(|rights| *rights == *viewer(8)), "its catch-up says it");
    }
}
