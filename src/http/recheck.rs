//! Asks for the rights of open streams again, every minute and when their token ends: rights are those of now.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use jiff::Timestamp;

use crate::{
    deliver::{Goodbye, Streams},
    hub::{ListenerId, ShardHandle},
    identity::{Identity, Refused, Token},
    notification::Viewer,
};

/// Between two looks at who is due.
const LOOK: Duration = Duration::from_millis(500);
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
    due: Instant,
}

type Entries = HashMap<ListenerId, Entry>;

/// All open streams with their tokens. A cheap clone.
#[derive(Clone)]
pub struct Recheck {
    entries: Arc<Mutex<Entries>>,
    every: Duration,
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
    pub fn new(every: Duration) -> Recheck {
        Recheck { entries: Arc::default(), every }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn watch(&self, watched: Watched) -> Watch {
        let id = watched.id;
        // Spread, so that streams that came together are not asked for together.
        let due = Instant::now() + self.every.mul_f64(fastrand::f64().mul_add(0.3, 0.85));
        self.entries().insert(id, Entry { watched, due });
        Watch { recheck: self.clone(), id }
    }

    /// Runs until it is dropped.
    pub async fn run(self, identity: Identity, streams: Streams) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            let due = self.take_due();
            stream::iter(due).for_each_concurrent(AT_ONCE, |due| self.ask(due, &identity, &streams)).await;
        }
    }

    fn take_due(&self) -> Vec<(ListenerId, ShardHandle, Token, Arc<Viewer>)> {
        let (now, clock) = (Instant::now(), Timestamp::now());
        let mut due = Vec::new();
        for entry in self.entries().values_mut() {
            let ended = entry.watched.viewer.expires_at.is_some_and(|end| end <= clock);
            if entry.due <= now || ended {
                entry.due = now + self.every;
                let Watched { id, shard, token, viewer } = &entry.watched;
                due.push((*id, shard.clone(), token.clone(), Arc::clone(viewer)));
            }
        }
        due
    }

    async fn ask(
        &self,
        (id, shard, token, before): (ListenerId, ShardHandle, Token, Arc<Viewer>),
        identity: &Identity,
        streams: &Streams,
    ) {
        let ended = before.expires_at.is_some_and(|end| end <= Timestamp::now());
        match identity.ask_anew(&token).await {
            Ok(now) if now.expires_at.is_some_and(|end| end <= Timestamp::now()) => {
                streams.end(id, &shard, Goodbye::Expired).await;
            }
            Ok(now) => {
                let other = differs(&before, &now);
                if let Some(entry) = self.entries().get_mut(&id) {
                    entry.watched.viewer = Arc::clone(&now);
                }
                if other {
                    streams.rights(id, &shard, now).await;
                }
            }
            Err(Refused::Unknown) if ended => streams.end(id, &shard, Goodbye::Expired).await,
            Err(Refused::Unknown) => streams.end(id, &shard, Goodbye::Revoked).await,
            // The stream of a token that still runs stays; one whose end has come is not lengthened by an illness.
            Err(Refused::Unavailable) if ended => streams.end(id, &shard, Goodbye::Accounts).await,
            Err(Refused::Unavailable) => {}
        }
    }
}

/// Whether other rights than before are worth a word to the stream.
fn differs(before: &Viewer, now: &Viewer) -> bool {
    (before.malls(), before.partner, before.sees_personal) != (now.malls(), now.partner, now.sees_personal)
}
