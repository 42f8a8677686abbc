//! Records that nobody can be shown: each is counted with its reason; the log has one line per reason and minute.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::decode::Rejected;
use crate::{notification::Unreadable, telemetry::Metrics};

/// A producer that sends thousands of broken records must not fill the log as well.
const LOGGED_EVERY: Duration = Duration::from_secs(60);

struct Spoken {
    at: Instant,
    silent_since: u64,
}

pub struct Rejections {
    metrics: Metrics,
    spoken: HashMap<&'static str, Spoken>,
}

impl Rejections {
    pub fn new(metrics: Metrics) -> Rejections {
        Rejections { metrics, spoken: HashMap::new() }
    }

    /// A record that was refused when it was read.
    pub fn rejected(&mut self, partition: usize, offset: u64, rejected: &Rejected) {
        let reason = rejected.reason.as_str();
        self.metrics.rejected.with(reason).inc();
        self.say(reason, partition, offset, &rejected.detail);
    }

    /// A record whose headers were good, and whose body turned out unreadable when somebody first wanted it.
    pub fn unreadable(&mut self, partition: usize, offset: u64, error: &Unreadable) {
        self.metrics.unreadable_later.inc();
        self.say(error.code(), partition, offset, &error.to_string());
    }

    fn say(&mut self, reason: &'static str, partition: usize, offset: u64, detail: &str) {
        let now = Instant::now();
        let more = match self.spoken.get_mut(reason) {
            Some(spoken) if now.duration_since(spoken.at) < LOGGED_EVERY => {
                spoken.silent_since += 1;
                return;
            }
            Some(spoken) => std::mem::take(&mut spoken.silent_since),
            None => 0,
        };
        self.spoken.insert(reason, Spoken { at: now, silent_since: 0 });
        tracing::warn!(
            reason,
            kafka.partition = partition,
            kafka.offset = offset,
            more_since_the_last_line = more,
            "a record cannot be shown to anybody: {detail}"
        );
    }
}
