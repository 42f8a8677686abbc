//! Whether we are ready: what a balancer is told, and what the pages of the operators show.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

/// What `/readyz` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Ready {
    /// New listeners may come.
    ready: bool,
    /// What Kafka accepts arrives here at once.
    live: bool,
    /// Why it is not so.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// How long memory may be refilled before we take listeners all the same: a start must not hang on Kafka.
const LONGEST_START: Duration = Duration::from_secs(60);

/// Where the process stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Starting,
    Ready,
    Draining,
}

/// What is known now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    pub phase: Phase,
    /// Whether what Kafka accepts arrives here at once.
    pub live: bool,
    /// Why not, where not (`starting`, `kafka`, …); empty while live.
    pub reason: &'static str,
}

/// A handle; clones speak of the same process.
#[derive(Debug, Clone)]
pub struct Readiness {
    state: Arc<watch::Sender<State>>,
    take_listeners_from: Instant,
}

impl Ready {
    #[must_use]
    pub fn is(&self) -> bool {
        self.ready
    }
}

impl Default for Readiness {
    fn default() -> Readiness {
        Readiness::new()
    }
}

impl Readiness {
    /// Starting, and not live yet.
    #[must_use]
    pub fn new() -> Readiness {
        Readiness::starting_for(LONGEST_START)
    }

    fn starting_for(longest: Duration) -> Readiness {
        let state = State { phase: Phase::Starting, live: false, reason: "starting" };
        Readiness { state: Arc::new(watch::Sender::new(state)), take_listeners_from: Instant::now() + longest }
    }

    /// Memory is refilled: listeners may come. Says nothing about `live`, and changes nothing while draining.
    pub fn ready(&self) {
        self.state.send_if_modified(|state| {
            let starting = state.phase == Phase::Starting;
            if starting {
                state.phase = Phase::Ready;
            }
            starting
        });
    }

    /// New listeners shall go elsewhere; for good.
    pub fn draining(&self) {
        self.state.send_modify(|state| state.phase = Phase::Draining);
    }

    /// Every partition is read to its end.
    pub fn live(&self) {
        self.set_live(true, "");
    }

    /// What Kafka accepts does not arrive here for now.
    pub fn not_live(&self, reason: &'static str) {
        self.set_live(false, reason);
    }

    fn set_live(&self, live: bool, reason: &'static str) {
        self.state.send_if_modified(|state| {
            let changed = (state.live, state.reason) != (live, reason);
            (state.live, state.reason) = (live, reason);
            changed
        });
    }

    /// What is known now. A start that takes too long counts as ready, not live.
    #[must_use]
    pub fn state(&self) -> State {
        let mut state = *self.state.borrow();
        if state.phase == Phase::Starting && Instant::now() >= self.take_listeners_from {
            state.phase = Phase::Ready;
        }
        state
    }

    /// To wait for a change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Whether `/readyz` answers 200, and what. Kafka being away is no reason for a 503: a native `EventSource` that meets
    /// one closes for good, and no other node would be better off.
    #[must_use]
    pub fn answer(&self) -> Ready {
        let State { phase, live, reason } = self.state();
        let (ready, reason) = match phase {
            Phase::Starting => (false, Some("starting")),
            Phase::Draining => (false, Some("draining")),
            Phase::Ready => (true, (!live).then_some(reason)),
        };
        Ready { ready, live, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(readiness: &Readiness) -> (bool, String) {
        let ready = readiness.answer();
        (ready.is(), serde_json::to_string(&ready).unwrap())
    }

    #[test]
    fn a_process_is_ready_without_kafka_and_only_starting_and_draining_refuse() {
        let readiness = Readiness::new();
        assert_eq!(told(&readiness), (false, r#"{"ready":false,"live":false,"reason":"starting"}"#.into()));
        readiness.ready();
        readiness.live();
        assert_eq!(told(&readiness), (true, r#"{"ready":true,"live":true}"#.into()));
        readiness.clone().not_live("kafka");
        assert_eq!(told(&readiness), (true, r#"{"ready":true,"live":false,"reason":"kafka"}"#.into()));
        readiness.draining();
        readiness.ready();
        assert_eq!(told(&readiness), (false, r#"{"ready":false,"live":false,"reason":"draining"}"#.into()));
    }

    #[test]
    fn a_start_that_takes_too_long_lets_listeners_in() {
        let readiness = Readiness::starting_for(Duration::ZERO);
        assert_eq!(told(&readiness), (true, r#"{"ready":true,"live":false,"reason":"starting"}"#.into()));
    }
}
