//! Asks for the rights of open streams again, every minute, when their token ends, and at once when a signal concerns
//! them: rights are those of now.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio::{sync::Notify, task::JoinSet};

use crate::{
    deliver::{Goodbye, Streams},
    hub::{ListenerId, ShardHandle},
    identity::{Hears, Identity, Moment, Refused, Signal, SignalsAre, Token, TokenHash},
    notification::Viewer,
    telemetry::Metrics,
};

/// Between two looks at who is due.
const LOOK: Duration = Duration::from_millis(500);
/// Over so long are the questions spread after signals that nobody read.
const SOON: Duration = Duration::from_secs(10);
/// Look-ups of one round at once; `identity` has a bound of its own behind it.
const AT_ONCE: usize = 16;

/// A stream whose rights may change.
pub struct Watched {
    pub id: ListenerId,
    pub shard: ShardHandle,
    pub token: Token,
    pub viewer: Arc<Viewer>,
}

struct Entry {
    watched: Watched,
    hash: TokenHash,
    due: Instant,
    /// Its shard knows it: before that nothing said to it would be heard.
    open: bool,
    /// What a signal said of it that has not been acted on.
    told: Option<Told>,
    /// One question at a time: of two answers the older one must not be the last to arrive.
    asking: bool,
}

/// What a signal means for a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Its rights may be others.
    Changed,
    /// Its token has ended.
    Revoked,
}

type Entries = HashMap<ListenerId, Entry>;

/// All open streams with their tokens. A cheap clone.
#[derive(Clone)]
pub struct Recheck {
    entries: Arc<Mutex<Entries>>,
    told: Arc<Notify>,
    every: Duration,
    identity: Identity,
    metrics: Metrics,
}

/// Held by a stream; dropping it ends the watch.
pub struct Watch {
    recheck: Recheck,
    id: ListenerId,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.recheck.entries().remove(&self.id);
    }
}

impl Recheck {
    pub fn new(every: Duration, identity: Identity, metrics: Metrics) -> Recheck {
        Recheck { entries: Arc::default(), told: Arc::default(), every, identity, metrics }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spread, so that streams that came together are not asked for together, and never later than is promised.
    fn in_a_while(&self) -> Duration {
        self.every.mul_f64(fastrand::f64().mul_add(0.3, 0.7))
    }

    pub fn watch(&self, watched: Watched) -> Watch {
        let (id, hash) = (watched.id, watched.token.hash());
        let due = Instant::now() + self.in_a_while();
        self.entries().insert(id, Entry { watched, hash, due, open: false, told: None, asking: false });
        Watch { recheck: self.clone(), id }
    }

    /// Its shard knows the stream now. A signal that came while it was being opened, from when its rights were asked for
    /// (`since`), counts from here on.
    pub fn opened(&self, id: ListenerId, since: Moment) {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(&id) else { return };
        entry.open = true;
        let Watched { token, viewer, .. } = &entry.watched;
        if self.identity.has_ended_since(since, token, viewer.admin) {
            entry.told = Some(Told::Revoked);
        } else if self.identity.was_told_since(since, token, viewer.admin) {
            entry.told = entry.told.or(Some(Told::Changed));
        }
        if entry.told.is_some() {
            self.told.notify_one();
        }
    }

    fn tell(&self, told: Told, concerns: impl Fn(&Entry) -> bool) {
        for entry in self.entries().values_mut().filter(|entry| concerns(entry)) {
            // A token that has ended does not come to life again.
            if entry.told != Some(Told::Revoked) {
                entry.told = Some(told);
            }
        }
        self.told.notify_one();
    }

    /// Runs until it is dropped.
    pub async fn run(self, streams: Streams) {
        tokio::join!(self.every_minute(&streams), self.at_once(&streams));
    }

    async fn every_minute(&self, streams: &Streams) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            let due = self.take_due();
            stream::iter(due).for_each_concurrent(AT_ONCE, |id| self.ask(id, streams)).await;
        }
    }

    /// Whom a signal concerns, or whose token has come to its end, waits for nobody else's question; `identity` bounds
    /// how many are asked at once, and each has its answer, or the lack of one, within that station's timeout.
    async fn at_once(&self, streams: &Streams) {
        let (mut acting, mut look) = (JoinSet::new(), tokio::time::interval(LOOK));
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.told.notified() => {}
                _ = look.tick() => {}
                Some(_) = acting.join_next() => continue,
            }
            for (id, shard) in self.take_revoked() {
                let streams = streams.clone();
                acting.spawn(async move { streams.end(id, &shard, Goodbye::Revoked).await });
            }
            for id in self.pressing() {
                let (recheck, streams) = (self.clone(), streams.clone());
                acting.spawn(async move { recheck.ask(id, &streams).await });
            }
        }
    }

    fn take_due(&self) -> Vec<ListenerId> {
        let now = Instant::now();
        let mut entries = self.entries();
        let is_due = |entry: &&mut Entry| entry.open && entry.due <= now;
        let due = entries.values_mut().filter(is_due).map(|entry| {
            entry.due = now + self.in_a_while();
            entry.watched.id
        });
        due.collect()
    }

    fn take_revoked(&self) -> Vec<(ListenerId, ShardHandle)> {
        let mut entries = self.entries();
        let revoked = entries.values_mut().filter(|entry| entry.open && entry.told == Some(Told::Revoked));
        revoked
            .map(|entry| {
                entry.told = None;
                (entry.watched.id, entry.watched.shard.clone())
            })
            .collect()
    }

    fn pressing(&self) -> Vec<ListenerId> {
        let entries = self.entries();
        let pressing = entries
            .values()
            .filter(|entry| entry.open && !entry.asking && (entry.told.is_some() || has_ended(&entry.watched.viewer)));
        pressing.map(|entry| entry.watched.id).collect()
    }

    /// Asks once, unless somebody is asking already; then whatever was told meanwhile is asked for after that.
    async fn ask(&self, id: ListenerId, streams: &Streams) {
        let (shard, token, before, told) = {
            let mut entries = self.entries();
            let Some(entry) = entries.get_mut(&id).filter(|entry| !entry.asking) else { return };
            if entry.told == Some(Told::Revoked) {
                // Nobody has to be asked any more, and no answer may bring it back.
                return self.told.notify_one();
            }
            entry.asking = true;
            let Watched { shard, token, viewer, .. } = &entry.watched;
            (shard.clone(), token.clone(), Arc::clone(viewer), entry.told.take().is_some())
        };
        self.ask_and_act(id, &shard, &token, &before, told, streams).await;
        if let Some(entry) = self.entries().get_mut(&id) {
            entry.asking = false;
            if entry.told.is_some() {
                self.told.notify_one();
            }
        }
    }

    async fn ask_and_act(
        &self,
        id: ListenerId,
        shard: &ShardHandle,
        token: &Token,
        before: &Viewer,
        told: bool,
        streams: &Streams,
    ) {
        let ended = has_ended(before);
        match self.identity.ask_anew(token).await {
            Ok(now) if has_ended(&now) => streams.end(id, shard, Goodbye::Expired).await,
            // A token that has become somebody else's: its seat and its tickets are still the former one's.
            Ok(now) if now.admin != before.admin => streams.end(id, shard, Goodbye::Revoked).await,
            Ok(now) => {
                let other = differs(before, &now);
                if let Some(entry) = self.entries().get_mut(&id) {
                    entry.watched.viewer = Arc::clone(&now);
                }
                if other {
                    // What a new right shows him counts as unread from here on, not from when he looks.
                    let _ = streams.past().meet(&now).await;
                    streams.rights(id, shard, now).await;
                }
            }
            Err(Refused::Unknown) if ended => streams.end(id, shard, Goodbye::Expired).await,
            Err(Refused::Unknown) => streams.end(id, shard, Goodbye::Revoked).await,
            // The stream of a token that still runs stays. One whose end has come is not lengthened by an illness, and
            // neither is one of which a signal said that its rights are others now.
            Err(Refused::Unavailable) if ended || told || self.was_told(id) => {
                streams.end(id, shard, Goodbye::Accounts).await;
            }
            Err(Refused::Unavailable) => {}
        }
    }

    /// Once more, while the question was under way. Of a token that has ended somebody else takes care.
    fn was_told(&self, id: ListenerId) -> bool {
        self.entries().get(&id).is_some_and(|entry| entry.told == Some(Told::Changed))
    }
}

/// Void answers first: who connects from here on is asked for anew, and who is connected already is found in the list.
impl Hears for Recheck {
    fn signal(&self, signal: Signal) {
        self.identity.hear(signal);
        match signal {
            Signal::TokenRevoked(hash) => self.tell(Told::Revoked, |entry| entry.hash == hash),
            Signal::TokensRevoked(admin) => self.tell(Told::Revoked, |entry| entry.watched.viewer.admin == admin),
            Signal::AdminChanged(admin) => self.tell(Told::Changed, |entry| entry.watched.viewer.admin == admin),
            // Of what is kept, which nobody keeps yet; or of a later version of the contract.
            Signal::ReadChanged(_) | Signal::Unknown => {}
        }
    }

    /// Open streams are asked again within seconds: not all at once, which would be a storm on the account service.
    fn missed_some(&self) {
        self.identity.forget_everybody();
        let now = Instant::now();
        for entry in self.entries().values_mut() {
            entry.due = entry.due.min(now + SOON.mul_f64(fastrand::f64()));
        }
    }

    fn signals_are(&self, state: SignalsAre) {
        self.metrics.signals_live.set(i64::from(state == SignalsAre::Heard));
        self.identity.signals_are(state);
    }
}

fn has_ended(viewer: &Viewer) -> bool {
    viewer.expires_at.is_some_and(|end| end <= Timestamp::now())
}

/// Whether other rights than before are worth a word to the stream.
fn differs(before: &Viewer, now: &Viewer) -> bool {
    (before.malls(), before.partner, before.sees_personal) != (now.malls(), now.partner, now.sees_personal)
}
