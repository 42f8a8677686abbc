//! What is remembered of tokens: good answers, refusals apart from them, and for a second that the service is ill.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use moka::{Expiry, future::Cache as Moka};

use super::{Settings, account_service::Failed, token::TokenHash};
use crate::notification::Viewer;

/// Refusals and illnesses remembered: a flood of bad tokens fills these, and never pushes out a good answer.
const MOST_FAILURES: u64 = 10_000;
/// How long a token's illness is remembered: a storm of the same tokens shall not queue behind an ill service.
const ILL_FOR: Duration = Duration::from_secs(1);
/// Tokens forgotten one by one; beyond that all are asked again, which is correct and costs only questions.
const MOST_GENERATIONS: usize = 100_000;

/// A token as of a generation. Who forgets a token raises its generation: an answer that was asked for before is then
/// stored where nobody looks any more, at whatever moment it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    hash: TokenHash,
    generation: u64,
}

#[derive(Debug, Default)]
struct Generations {
    /// Of whatever is not in the map.
    base: u64,
    newest: u64,
    of: HashMap<TokenHash, u64>,
}

/// An answer ends with the time given, or with its token where that is sooner.
struct Until(Duration);

impl Expiry<Key, Arc<Viewer>> for Until {
    fn expire_after_create(&self, _: &Key, viewer: &Arc<Viewer>, _: Instant) -> Option<Duration> {
        let left = |end: Timestamp| Duration::try_from(end.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO);
        Some(viewer.expires_at.map_or(self.0, |end| left(end).min(self.0)))
    }

    fn expire_after_update(
        &self,
        key: &Key,
        viewer: &Arc<Viewer>,
        updated_at: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(key, viewer, updated_at)
    }
}

/// The only home of the cache library.
#[derive(Debug)]
pub struct Cache {
    fresh: Moka<Key, Arc<Viewer>>,
    last_good: Moka<Key, Arc<Viewer>>,
    refused: Moka<Key, ()>,
    ill: Moka<Key, ()>,
    generations: RwLock<Generations>,
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
            generations: RwLock::default(),
        }
    }

    /// Where the answers of this token are from now on.
    #[must_use]
    pub fn key(&self, hash: TokenHash) -> Key {
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        Key { hash, generation: generations.of.get(&hash).copied().unwrap_or(generations.base) }
    }

    /// No answer that was asked for before this call is given out after it.
    pub fn forget(&self, hash: TokenHash) {
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        generations.newest += 1;
        let newest = generations.newest;
        if generations.of.len() >= MOST_GENERATIONS {
            generations.of.clear();
            generations.base = newest;
        }
        generations.of.insert(hash, newest);
    }

    pub async fn fresh(&self, key: Key) -> Option<Arc<Viewer>> {
        self.fresh.get(&key).await
    }

    /// The fresh answer, or the one question that all who want it now share; a good answer is remembered.
    pub async fn fresh_or(
        &self,
        key: Key,
        ask: impl Future<Output = Result<Arc<Viewer>, Failed>>,
    ) -> Result<Arc<Viewer>, Failed> {
        let ask = async {
            let viewer = ask.await?;
            self.last_good.insert(key, viewer.clone()).await;
            Ok(viewer)
        };
        self.fresh.try_get_with(key, ask).await.map_err(|failed: Arc<Failed>| *failed)
    }

    pub async fn no_longer_fresh(&self, key: Key) {
        self.fresh.invalidate(&key).await;
    }

    /// For while the service is ill.
    pub async fn last_good(&self, key: Key) -> Option<Arc<Viewer>> {
        self.last_good.get(&key).await
    }

    /// A refused token has no last good answer either.
    pub async fn refuse(&self, key: Key) {
        self.last_good.invalidate(&key).await;
        self.refused.insert(key, ()).await;
    }

    pub async fn is_refused(&self, key: Key) -> bool {
        self.refused.get(&key).await.is_some()
    }

    pub async fn ill(&self, key: Key) {
        self.ill.insert(key, ()).await;
    }

    pub async fn was_ill_just_now(&self, key: Key) -> bool {
        self.ill.get(&key).await.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Token;

    #[test]
    fn a_forgotten_token_never_returns_to_an_older_key() {
        let settings = crate::identity::tests::settings("http://localhost/");
        let cache = Cache::new(&settings);
        let (one, other) = (Token::new("one").unwrap().hash(), Token::new("other").unwrap().hash());
        let mut seen = vec![cache.key(one)];
        let kept = cache.key(other);
        for _ in 0..3 {
            cache.forget(one);
            assert!(!seen.contains(&cache.key(one)));
            seen.push(cache.key(one));
        }
        assert_eq!(cache.key(other), kept, "the others are not asked again");
        for n in 0..=MOST_GENERATIONS {
            cache.forget(Token::new(&format!("t{n}")).unwrap().hash());
        }
        assert!(!seen.contains(&cache.key(one)), "also not when the list was full");
        assert!(cache.generations.read().unwrap().of.len() <= MOST_GENERATIONS);
    }
}
