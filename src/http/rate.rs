//! So many a second: of everything, or of each of those who come.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const SECOND: Duration = Duration::from_secs(1);

/// So much within a second. Around the turn of one twice as much may come; it is a brake, and no scale.
pub struct Allowance {
    most: usize,
    since: Instant,
    used: usize,
}

impl Allowance {
    pub fn new(most: usize) -> Allowance {
        Allowance { most, since: Instant::now(), used: 0 }
    }

    /// Whether so much more may come now.
    pub fn allows(&mut self, more: usize) -> bool {
        let now = Instant::now();
        if now.saturating_duration_since(self.since) >= SECOND {
            (self.since, self.used) = (now, 0);
        }
        self.used = self.used.saturating_add(more);
        self.used <= self.most
    }
}

/// The same of each of those who come. It forgets them all with the next second, so what it holds is bounded by what
/// comes in one.
pub struct PerSecond<K> {
    most: usize,
    now: Mutex<(Instant, HashMap<K, usize>)>,
}

impl<K: Eq + Hash> PerSecond<K> {
    pub fn new(most: usize) -> PerSecond<K> {
        PerSecond { most, now: Mutex::new((Instant::now(), HashMap::new())) }
    }

    /// Whether one more of these may come now.
    pub fn allows(&self, key: K) -> bool {
        self.allows_at(key, Instant::now())
    }

    fn allows_at(&self, key: K, at: Instant) -> bool {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if at.saturating_duration_since(now.0) >= SECOND {
            *now = (at, HashMap::new());
        }
        let count = now.1.entry(key).or_default();
        let allowed = *count < self.most;
        *count += usize::from(allowed);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_second_full_and_no_more_is_kept_than_came_in_it() {
        let (rate, begin) = (PerSecond::new(3), Instant::now());
        let allowed = |key, at| (0..10).filter(|_| rate.allows_at(key, begin + Duration::from_millis(at))).count();
        assert_eq!((allowed("a", 0), allowed("b", 500), allowed("a", 999)), (3, 3, 0));
        assert_eq!((allowed("a", 1_100), allowed("b", 1_200)), (3, 3));
        assert_eq!(allowed("c", 2_500), 3);
        assert_eq!(rate.now.lock().unwrap().1.len(), 1);
    }
}
