//! What was kept long enough goes, a little at a time, so that nobody waits behind it.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{Settings, Store, Trouble};
use crate::telemetry::Metrics;

/// Rows of one transaction: some milliseconds.
const BATCH: usize = 500;
/// Between two of them the recorder has its turn.
const BREATH: Duration = Duration::from_millis(20);

/// Looks every now and then, for ever.
pub async fn purge_for_ever(store: Arc<dyn Store>, settings: Settings, metrics: Metrics) {
    let keeping = SignedDuration::try_from(settings.retention).unwrap_or(SignedDuration::MAX);
    let mut look = tokio::time::interval(settings.purge_every);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        if let Err(trouble) = purge(store.as_ref(), keeping, &metrics).await {
            tracing::warn!(%trouble, "what was kept long enough cannot be taken away; trying again later");
        }
    }
}

async fn purge(store: &dyn Store, keeping: SignedDuration, metrics: &Metrics) -> Result<(), Trouble> {
    loop {
        let purged = store.purge(Timestamp::now(), BATCH).await?;
        metrics.timeline_purged.inc_by(purged as u64);
        if purged < BATCH {
            break;
        }
        tokio::time::sleep(BREATH).await;
    }
    let before = Timestamp::now().checked_sub(keeping).unwrap_or(Timestamp::MIN);
    while store.forget(before, BATCH).await? == BATCH {
        tokio::time::sleep(BREATH).await;
    }
    Ok(())
}
