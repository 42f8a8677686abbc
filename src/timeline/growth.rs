//! Dead letters that come in: counted by reason, and said in one line a minute at most.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::telemetry::Metrics;

/// A producer that sends thousands of broken records must not fill the log as well.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// What the recorder tells when it has parked a record. Clones count together.
#[derive(Clone)]
pub struct Growth {
    metrics: Metrics,
    unsaid: Arc<Mutex<Unsaid>>,
    more: Arc<Notify>,
}

#[derive(Default)]
struct Unsaid {
    by_reason: BTreeMap<&'static str, u64>,
    said: Option<Instant>,
}

impl Growth {
    #[must_use]
    pub fn new(metrics: Metrics) -> Growth {
        Growth { metrics, unsaid: Arc::default(), more: Arc::default() }
    }

    /// One more is in the store.
    pub fn parked(&self, reason: &'static str) {
        self.metrics.dead_letters.with(reason).inc();
        *self.unsaid.lock().unwrap_or_else(PoisonError::into_inner).by_reason.entry(reason).or_default() += 1;
        self.more.notify_one();
    }

    /// How many there are that nobody has redriven.
    pub(super) fn waiting(&self, letters: u64) {
        self.metrics.dead_letters_waiting.set(i64::try_from(letters).unwrap_or(i64::MAX));
    }

    /// Until something was parked, or for so long.
    pub(super) async fn more(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.more.notified()).await;
    }

    /// Says what came in since it last did, if that is a minute ago.
    pub(super) fn say(&self, now: Instant) {
        if let Some(line) = self.line(now) {
            tracing::warn!("{line}");
        }
    }

    fn line(&self, now: Instant) -> Option<String> {
        let mut unsaid = self.unsaid.lock().unwrap_or_else(PoisonError::into_inner);
        let early = unsaid.said.is_some_and(|said| now.duration_since(said) < SAID_EVERY);
        if early || unsaid.by_reason.is_empty() {
            return None;
        }
        unsaid.said = Some(now);
        let by_reason = std::mem::take(&mut unsaid.by_reason);
        let all: u64 = by_reason.values().sum();
        let mut line = format!("{all} {} parked (", if all == 1 { "dead letter was" } else { "dead letters were" });
        for (n, (reason, count)) in by_reason.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            let _ = write!(line, "{comma}{count} {reason}");
        }
        line.push_str("); `allim dead-letters list` shows them");
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_in_a_minute_are_two_lines() {
        let (growth, now) = (Growth::new(Metrics::new()), Instant::now());
        assert_eq!(growth.line(now), None);
        growth.parked("no_type");
        let first = "1 dead letter was parked (1 no_type); `allim dead-letters list` shows them";
        assert_eq!(growth.line(now).as_deref(), Some(first));
        for _ in 0..999 {
            growth.clone().parked("no_type");
        }
        growth.parked("empty");
        assert_eq!(growth.line(now + Duration::from_secs(59)), None);
        let second = "1000 dead letters were parked (1 empty, 999 no_type); `allim dead-letters list` shows them";
        assert_eq!(growth.line(now + SAID_EVERY).as_deref(), Some(second));
        assert_eq!(growth.line(now + SAID_EVERY * 2), None, "nothing new");
        assert!(growth.metrics.encode().contains("allim_dead_letters_total{reason=\"no_type\"} 1000\n"));
    }
}
