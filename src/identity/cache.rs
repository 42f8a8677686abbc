//! What is remembered of tokens: good answers, refusals apart from them, and for a second that the service is ill.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use moka::{Expiry, future::Cache as Moka};

use super::{
    Settings,
    account_service::Failed,
    ledger::{Ledger, Moment},
    token::TokenHash,
};
use crate::notification::Viewer;

/// Refusals and illnesses remembered: a flood of bad tokens fills these, and never pushes out a good answer.
const MOST_FAILURES: u64 = 10_000;
/// How long a token's illness is remembered: a storm of the same tokens shall not queue behind an ill service.
const ILL_FOR: Duration = Duration::from_secs(1);
/// Where signals are promised and cannot be read, a right may have ended unheard: no older answer serves a new stream.
const OLDEST_UNHEARD: Duration = Duration::from_secs(30);

/// A good answer.
#[derive(Debug, Clone)]
pub struct Known {
    pub viewer: Arc<Viewer>,
    /// When its question began, in the order of what was said since.
    pub asked: Moment,
    pub answered: Instant,
}

/// An answer ends with the time given, or with its token where that is sooner.
struct Until(Duration);

impl Expiry<TokenHash, Known> for Until {
    fn expire_after_create(&self, _: &TokenHash, known: &Known, _: Instant) -> Option<Duration> {
        let left = |end: Timestamp| Duration::try_from(end.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO);
        Some(known.viewer.expires_at.map_or(self.0, |end| left(end).min(self.0)))
    }

    fn expire_after_update(
        &self,
        hash: &TokenHash,
        known: &Known,
        updated_at: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(hash, known, updated_at)
    }
}

/// The only home of the cache library.
#[derive(Debug)]
pub struct Cache {
    fresh: Moka<TokenHash, Known>,
    last_good: Moka<TokenHash, Known>,
    refused: Moka<TokenHash, ()>,
    ill: Moka<TokenHash, ()>,
    pub ledger: Ledger,
    /// Signals are promised, and cannot be read.
    unheard: AtomicBool,
}

impl Cache {
    #[must_use]
    pub fn new(settings: &Settings) -> Cache {
        let good = |time: Duration| Moka::builder().max_capacity(settings.remembered).expire_after(Until(time)).build();
        let bad = |time: Duration| Moka::builder().max_capacity(MOST_FAILURES).time_to_live(time).build();
        Cache {
            fresh: good(settings.fresh),
            last_good: good(settings.stale),
            refused: bad(settings.refused),
            ill: bad(ILL_FOR),
            ledger: Ledger::default(),
            unheard: AtomicBool::new(false),
        }
    }

    /// Until this is told otherwise, an answer must be younger than usual.
    pub fn signals_are_unheard(&self, unheard: bool) {
        self.unheard.store(unheard, Ordering::Relaxed);
    }

    /// Whether an answer may still be given out.
    pub fn serves(&self, hash: TokenHash, known: &Known) -> bool {
        let too_old = self.unheard.load(Ordering::Relaxed) && known.answered.elapsed() > OLDEST_UNHEARD;
        !too_old && !self.ledger.is_void(hash, known.viewer.admin, known.asked)
    }

    async fn serving(&self, memory: &Moka<TokenHash, Known>, hash: TokenHash) -> Option<Known> {
        let known = memory.get(&hash).await?;
        if self.serves(hash, &known) {
            return Some(known);
        }
        memory.invalidate(&hash).await;
        None
    }

    pub async fn fresh(&self, hash: TokenHash) -> Option<Known> {
        self.serving(&self.fresh, hash).await
    }

    /// The fresh answer, or the one question that all who want it now share; a good answer is remembered. It may be void
    /// by now: whoever joins a question joins one that began before.
    pub async fn fresh_or(
        &self,
        hash: TokenHash,
        ask: impl Future<Output = Result<Known, Failed>>,
    ) -> Result<Known, Failed> {
        let ask = async {
            let known = ask.await?;
            self.last_good.insert(hash, known.clone()).await;
            Ok(known)
        };
        self.fresh.try_get_with(hash, ask).await.map_err(|failed: Arc<Failed>| *failed)
    }

    pub async fn no_longer_fresh(&self, hash: TokenHash) {
        self.fresh.invalidate(&hash).await;
    }

    /// For while the service is ill.
    pub async fn last_good(&self, hash: TokenHash) -> Option<Known> {
        self.serving(&self.last_good, hash).await
    }

    /// A refused token has no last good answer either.
    pub async fn refuse(&self, hash: TokenHash) {
        self.last_good.invalidate(&hash).await;
        self.refused.insert(hash, ()).await;
    }

    pub async fn is_refused(&self, hash: TokenHash) -> bool {
        self.refused.get(&hash).await.is_some()
    }

    pub async fn ill(&self, hash: TokenHash) {
        self.ill.insert(hash, ()).await;
    }

    pub async fn was_ill_just_now(&self, hash: TokenHash) -> bool {
        self.ill.get(&hash).await.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{identity::Token, notification::AdminNo};

    /// D11: while a signals topic that exists cannot be read, no right older than 30 s serves a new stream.
    #[tokio::test]
    async fn what_may_have_ended_unheard_serves_for_half_a_minute() {
        let mut settings = crate::identity::tests::settings("http://localhost/");
        settings.fresh = Duration::from_secs(600);
        let cache = Cache::new(&settings);
        let admin = serde_json::from_value::<AdminNo>(1.into()).unwrap();
        let hash = Token::new("one").unwrap().hash();
        let before = Instant::now().checked_sub(OLDEST_UNHEARD + Duration::from_secs(1)).unwrap();
        let answer = |answered| {
            Ok(Known { viewer: Arc::new(Viewer::new(admin, [], None)), asked: cache.ledger.now(), answered })
        };
        cache.fresh_or(hash, async { answer(before) }).await.unwrap();
        assert!(cache.fresh(hash).await.is_some() && cache.last_good(hash).await.is_some());
        cache.signals_are_unheard(true);
        assert!(cache.fresh(hash).await.is_none() && cache.last_good(hash).await.is_none());
        cache.fresh_or(hash, async { answer(Instant::now()) }).await.unwrap();
        assert!(cache.fresh(hash).await.is_some(), "a young one does");
    }
}
