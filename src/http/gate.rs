//! Who may come in at all: so many connections at once, and so many new ones a second. What is over that is surplus.

use std::{net::SocketAddr, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Settings,
    caller::{Caller, Held},
    rate::PerSecond,
};
use crate::telemetry::Metrics;

/// Of the connections, so many are kept for telling those who are too many that they are.
const FOR_REFUSALS: usize = 16;
const MOST_REFUSALS: usize = 256;
const LEAST_REFUSALS: usize = 4;

/// At one port.
pub struct Gate {
    places: Arc<Semaphore>,
    /// Refused with a word, as D12 of the design has it; above that without.
    refusals: Arc<Semaphore>,
    rate: PerSecond<()>,
    tracker: TaskTracker,
    closing: CancellationToken,
    metrics: Metrics,
}

impl Gate {
    pub fn new(settings: &Settings, tracker: TaskTracker, closing: CancellationToken, metrics: Metrics) -> Gate {
        let refusals = (settings.connections / FOR_REFUSALS).clamp(LEAST_REFUSALS, MOST_REFUSALS);
        Gate {
            places: Arc::new(Semaphore::new(settings.connections)),
            refusals: Arc::new(Semaphore::new(refusals)),
            rate: PerSecond::new(settings.new_connections_per_second),
            tracker,
            closing,
            metrics,
        }
    }

    /// None: the connection is to be dropped.
    pub fn admit(&self, peer: SocketAddr) -> Option<Caller> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok().filter(|_| self.rate.allows(()));
        if let Some(place) = place {
            return Some(self.caller(peer, place, false));
        }
        let reason = if self.places.available_permits() == 0 { "number" } else { "rate" };
        match Arc::clone(&self.refusals).try_acquire_owned() {
            Ok(place) => {
                self.metrics.connections_refused.with(reason).inc();
                Some(self.caller(peer, place, true))
            }
            Err(_) => {
                self.metrics.connections_refused.with("dropped").inc();
                None
            }
        }
    }

    fn caller(&self, peer: SocketAddr, place: OwnedSemaphorePermit, surplus: bool) -> Caller {
        let held = Held::new(place, self.tracker.token(), self.closing.clone(), &self.metrics);
        Caller { peer: peer.ip(), surplus, held }
    }
}
