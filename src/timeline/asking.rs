//! How others ask the timeline: within a deadline, and so many at once.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::{sync::Semaphore, time::timeout};

use super::{Filter, List, Mark, Missed, Most, Place, Recorded, Store, Trouble, Unread};
use crate::{
    notification::{AdminNo, Epoch, NotificationId, Position, Viewer},
    telemetry::Metrics,
};

/// A person waits for a list, and a stream for what it missed.
const DEADLINE: Duration = Duration::from_millis(1500);
const SPEAK_EVERY: Duration = Duration::from_secs(60);
/// Questions under way at once.
const AT_ONCE: usize = 64;
/// Operators whose rights are known to be known.
const MET: usize = 100_000;

/// A cheap clone.
#[derive(Clone)]
pub struct Timeline {
    store: Arc<dyn Store>,
    turns: Arc<Semaphore>,
    /// Whom the store has met with these rights, by their hash.
    met: Arc<Mutex<HashMap<AdminNo, u64>>>,
    /// When damage was last said.
    spoke: Arc<Mutex<Option<Instant>>>,
    metrics: Metrics,
}

impl Timeline {
    #[must_use]
    pub fn new(store: Arc<dyn Store>, metrics: Metrics) -> Timeline {
        Timeline {
            store,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            met: Arc::default(),
            spoke: Arc::default(),
            metrics,
        }
    }

    async fn ask<T>(&self, question: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        let in_turn = async {
            let _turn = self.turns.acquire().await.map_err(|_| Trouble::Ill("it is closed".to_owned()))?;
            question.await
        };
        let answer = timeout(DEADLINE, in_turn).await.unwrap_or_else(|_| Err(Trouble::Ill("too slow".to_owned())));
        if let Err(trouble) = &answer {
            self.metrics.timeline_failures.inc();
            self.say(trouble);
        }
        answer
    }

    /// Damage once a minute: whoever asks again and again must not fill the log.
    fn say(&self, trouble: &Trouble) {
        let now = Instant::now();
        let mut spoke = self.spoke.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(trouble, Trouble::Damaged(_)) && spoke.is_none_or(|at| now.duration_since(at) >= SPEAK_EVERY) {
            *spoke = Some(now);
            tracing::error!(
                %trouble,
                "put a backup in the place of the timeline's file, or move the timeline's file away, and start again: what is \
                 missing is read anew from Kafka, as far back as the topic goes; without a backup everything counts as read"
            );
        } else {
            tracing::debug!(%trouble, "the timeline did not answer");
        }
    }

    /// A page of what this viewer may see, newest first.
    pub async fn list(
        &self,
        viewer: &Arc<Viewer>,
        filter: Filter,
        before: Option<Place>,
        limit: usize,
    ) -> Result<List, Trouble> {
        self.ask(self.store.list(Arc::clone(viewer), filter, before, limit)).await
    }

    /// Whether what somebody missed since `from` can be brought from here.
    pub async fn weigh(&self, viewer: &Arc<Viewer>, from: Position, most: Most) -> Result<Missed, Trouble> {
        self.ask(self.store.weigh(Arc::clone(viewer), from, most)).await
    }

    /// The next of it.
    pub async fn missed(&self, viewer: &Arc<Viewer>, from: Position, page: Most) -> Result<Missed, Trouble> {
        self.ask(self.store.missed(Arc::clone(viewer), from, page)).await
    }

    /// How far this log is recorded; nothing of it where nobody has heard of it.
    pub async fn recorded(&self, epoch: Epoch) -> Result<Vec<Option<Recorded>>, Trouble> {
        self.ask(self.store.recorded(epoch)).await
    }

    pub async fn unread(&self, viewer: &Arc<Viewer>) -> Result<Unread, Trouble> {
        self.ask(self.store.unread(Arc::clone(viewer))).await
    }

    /// Of these the ones that this operator has marked by themselves.
    pub async fn exceptions(
        &self,
        admin: AdminNo,
        ids: Vec<NotificationId>,
    ) -> Result<Vec<(NotificationId, bool)>, Trouble> {
        self.ask(self.store.exceptions(admin, ids)).await
    }

    pub async fn mark(&self, viewer: &Arc<Viewer>, mark: Mark) -> Result<(), Trouble> {
        self.ask(self.store.mark(Arc::clone(viewer), mark, Timestamp::now())).await
    }

    /// To be called whenever somebody comes: what was there before he, or one of his rights, counts as read. While it is not
    /// known where the log ends (no `here`) only those go on who are known.
    pub async fn meet(&self, viewer: &Arc<Viewer>, here: Option<Position>) -> Result<(), Trouble> {
        let mut rights = DefaultHasher::new();
        viewer.terms().for_each(|term| term.hash(&mut rights));
        let rights = rights.finish();
        let met = || self.met.lock().unwrap_or_else(PoisonError::into_inner);
        if met().get(&viewer.admin) == Some(&rights) {
            return Ok(());
        }
        match here {
            Some(here) => self.ask(self.store.meet(Arc::clone(viewer), here)).await?,
            None if self.ask(self.store.knows(Arc::clone(viewer))).await? => {}
            None => return Err(Trouble::Ill("it is not known yet what is past".to_owned())),
        }
        let mut met = met();
        if met.len() >= MET {
            met.clear();
        }
        met.insert(viewer.admin, rights);
        Ok(())
    }
}
