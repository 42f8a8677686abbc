//! Of a record of the signals topic: a signal, handed to whoever acts on it.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Broken, Incoming, LogIs, Next, RawRecord, Rejected, Understand, questions::TOPIC};
use crate::{
    identity::{Hears, Signal, SignalsAre},
    notification::{Epoch, Vector},
    telemetry::Metrics,
};

pub struct Signals {
    metrics: Metrics,
}

impl Signals {
    pub fn new(metrics: &Metrics) -> Signals {
        Signals { metrics: metrics.clone() }
    }
}

impl Understand<Signal> for Signals {
    fn understand(&mut self, record: &RawRecord<'_>, refused: Option<Rejected>) -> Option<Signal> {
        let at = record.coordinates;
        let value = record.value.filter(|_| refused.is_none());
        let signal = value.and_then(|value| Signal::decode(value).ok());
        self.metrics.signals.with(signal.as_ref().map_or("malformed", Signal::name)).inc();
        if signal.is_none() {
            tracing::warn!(
                kafka.partition = at.partition,
                kafka.offset = at.offset,
                "a signal cannot be read; whoever it concerns is asked again within a minute"
            );
        }
        signal
    }
}

/// The last step of a signal here. It knows how far the topic is read, which is all that following it takes.
pub struct Heard {
    hears: Arc<dyn Hears>,
    next: Mutex<Vector>,
}

impl Heard {
    pub fn new(hears: Arc<dyn Hears>) -> Heard {
        Heard { hears, next: Mutex::default() }
    }

    fn with_next<T>(&self, change: impl FnOnce(&mut Vector) -> T) -> T {
        change(&mut self.next.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Next<Signal> for Heard {
    /// From the end of the topic: what was said before nobody remembers here. What was said while we found it is unknown.
    fn begins(&self, _: Epoch, start: Vector) {
        self.with_next(|next| *next = start);
        self.hears.missed_some();
    }

    fn record(&self, Incoming { partition, offset, content }: Incoming<Signal>) {
        let new = self.with_next(|next| {
            let new = offset >= next.get(partition);
            if new {
                next.set(partition, offset + 1);
            }
            new
        });
        if let (true, Some(signal)) = (new, content) {
            self.hears.signal(signal);
        }
    }

    fn steps_over(&self, partition: usize, next: u64) {
        self.with_next(|all| all.set(partition, next.max(all.get(partition))));
    }

    fn breaks(&self, _: Broken, at: Vector) {
        self.with_next(|next| *next = at);
        self.hears.missed_some();
    }

    fn position(&self) -> Vector {
        self.with_next(|next| next.clone())
    }

    fn log_is(&self, state: LogIs) {
        self.hears.signals_are(match state {
            LogIs::Unknown(TOPIC) | LogIs::Away(TOPIC) => SignalsAre::Absent,
            LogIs::Unknown(_) | LogIs::Away(_) => SignalsAre::Unreadable,
            LogIs::Live => SignalsAre::Heard,
        });
    }
}
