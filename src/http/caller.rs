//! Who is at the other end of a connection, and what is held for it as long as it is open, whatever it speaks.

use std::{net::IpAddr, sync::Arc};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::{sync::CancellationToken, task::task_tracker::TaskTrackerToken};

use crate::telemetry::Metrics;

/// In the extensions of every request.
#[derive(Clone)]
pub struct Caller {
    pub peer: IpAddr,
    /// There are too many: all that is left is to say so.
    pub surplus: bool,
    pub held: Held,
}

/// A connection's place among those that are open. It is given back by the last clone: a WebSocket takes one along when
/// it leaves HTTP.
#[derive(Clone)]
pub struct Held(Arc<Inner>);

struct Inner {
    _permit: OwnedSemaphorePermit,
    /// The end of the server waits for it.
    _tracked: TaskTrackerToken,
    closing: CancellationToken,
    metrics: Metrics,
}

impl Held {
    pub fn new(
        permit: OwnedSemaphorePermit,
        tracked: TaskTrackerToken,
        closing: CancellationToken,
        metrics: &Metrics,
    ) -> Held {
        metrics.connections.inc();
        Held(Arc::new(Inner { _permit: permit, _tracked: tracked, closing, metrics: metrics.clone() }))
    }

    /// The server ends: whoever waits for the peer shall do so no longer.
    pub async fn closing(&self) {
        self.0.closing.cancelled().await;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}
