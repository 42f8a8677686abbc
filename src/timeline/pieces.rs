//! What the writer is handed, and what it makes of it: pieces of a batch.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::OwnedSemaphorePermit;

use super::{Dead, Row};
use crate::{
    ingest::{Broken, Kept},
    notification::{Coordinates, Epoch, NotificationId},
};

/// The reason of a record that the store would not have for what it is.
const REFUSED: &str = "refused_by_store";

/// One piece of work, with the room that it takes.
pub struct Item {
    pub work: Work,
    pub room: OwnedSemaphorePermit,
}

pub enum Work {
    /// A log begins, or begins again; each partition of it begins and ends there.
    Begins { epoch: Epoch, watermarks: Vec<(u64, u64)> },
    /// None: it moves the place and leaves nothing.
    Record { partition: usize, offset: u64, content: Option<Box<Kept>> },
    /// A partition goes on elsewhere.
    Breaks { reason: Broken, partition: usize, next: u64 },
}

/// One record of a batch.
pub struct Entry {
    at: Coordinates,
    what: What,
}

enum What {
    Row(Row),
    Dead(Dead),
    Nothing,
}

impl Entry {
    pub fn new(at: Coordinates, life: u32, content: Option<Box<Kept>>) -> Entry {
        let what = match content.map(|content| *content) {
            None => What::Nothing,
            Some(Kept::Notification { mut notification, severity, silent, until }) => {
                // The same offset in another life is another notification.
                if life > 0 && notification.id == NotificationId::of_coordinates(at) {
                    notification.id = NotificationId::of_life(at, life);
                }
                What::Row(Row { at, life, notification: Arc::new(notification), severity, silent, until })
            }
            Some(Kept::Parked(parked)) => What::Dead(Dead {
                at,
                life,
                time: parked.at,
                reason: parked.reason,
                detail: parked.detail,
                key: parked.key,
                headers: parked.headers,
                value: parked.value,
            }),
        };
        Entry { at, what }
    }

    /// What the store would not have is kept as a dead letter; and where it will not have that, its place alone.
    pub fn parked(self, why: &str) -> Entry {
        let at = self.at;
        let What::Row(row) = self.what else {
            tracing::error!(kafka.partition = at.partition, kafka.offset = at.offset, why, "a dead letter is lost");
            return Entry { at, what: What::Nothing };
        };
        let record = row.notification.record();
        let headers = record.headers.iter().map(|(name, text)| (name.to_string(), Some(text.to_string().into())));
        let dead = Dead {
            at,
            life: row.life,
            time: row.notification.at,
            reason: REFUSED,
            detail: format!("the store refuses it: {why}"),
            key: record.key.clone(),
            headers: headers.collect(),
            value: Some(record.value.clone()),
        };
        Entry { at, what: What::Dead(dead) }
    }
}

/// Where each partition stands behind them.
pub fn ends(entries: &[Entry]) -> BTreeMap<usize, u64> {
    entries.iter().map(|entry| (entry.at.partition, entry.at.offset + 1)).collect()
}

pub fn contents(entries: &[Entry]) -> (Vec<Row>, Vec<Dead>) {
    let (mut rows, mut dead) = (Vec::new(), Vec::new());
    for entry in entries {
        match &entry.what {
            What::Row(row) => rows.push(row.clone()),
            What::Dead(one) => dead.push(one.clone()),
            What::Nothing => {}
        }
    }
    (rows, dead)
}
