//! What was kept long enough goes, a little at a time, so that nobody waits behind it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{Settings, Store};
use crate::telemetry::Metrics;

/// Rows of one transaction: some milliseconds.
const BATCH: usize = 500;
/// Between two of them the recorder has its turn.
const BREATH: Duration = Duration::from_millis(20);

/// Looks every now and then, for ever.
pub async fn purge_for_ever(store: Arc<dyn Store>, settings: Settings, metrics: Metrics) {
    let mut look = tokio::time::interval(settings.purge_every);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        loop {
            match store.purge(Timestamp::now(), BATCH).await {
                Ok(purged) => {
                    metrics.timeline_purged.inc_by(purged as u64);
                    if purged < BATCH {
                        break;
                    }
                }
                Err(trouble) => {
                    tracing::warn!(%trouble, "what was kept long enough cannot be taken away; trying again later");
                    break;
                }
            }
            tokio::time::sleep(BREATH).await;
        }
    }
}
