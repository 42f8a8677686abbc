//! Of a record of the main topic, for the kept way: read to the end, so that what is stored can be shown; or parked.

use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::{Decoder, RawRecord, Rejected, Settings, Understand};
use crate::notification::{Catalogue, Notification, Prepared, event::Severity};

/// A record that the timeline has something to do with.
#[derive(Debug)]
pub enum Kept {
    Notification {
        notification: Notification,
        severity: Severity,
        silent: bool,
        /// When it has been kept long enough.
        until: Timestamp,
    },
    Parked(Parked),
}

/// One that nobody can be shown, as it was, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    pub at: Timestamp,
    pub reason: &'static str,
    pub detail: String,
    pub key: Option<Bytes>,
    pub headers: Vec<(String, Option<Bytes>)>,
    pub value: Option<Bytes>,
}

impl Kept {
    /// What it takes while it waits.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Kept::Notification { notification, .. } => notification.size(),
            Kept::Parked(parked) => parked.size(),
        }
    }
}

impl Parked {
    fn new(record: &RawRecord<'_>, why: Rejected) -> Parked {
        let bytes = Bytes::copy_from_slice;
        Parked {
            at: record.timestamp,
            reason: why.reason.as_str(),
            detail: why.detail,
            key: record.key.map(bytes),
            headers: record.headers.iter().map(|&(name, value)| (name.to_owned(), value.map(bytes))).collect(),
            value: record.value.map(bytes),
        }
    }

    fn size(&self) -> usize {
        let length = |part: &Option<Bytes>| part.as_ref().map_or(0, Bytes::len);
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + length(value)).sum();
        length(&self.key) + headers + length(&self.value)
    }
}

pub struct WholeRecords {
    decoder: Decoder,
    /// How long a type without a rule of its own is kept.
    keeping: SignedDuration,
}

impl WholeRecords {
    pub fn new(settings: &Settings, catalogue: Catalogue, keeping: Duration) -> WholeRecords {
        let keeping = SignedDuration::try_from(keeping).unwrap_or(SignedDuration::MAX);
        WholeRecords { decoder: settings.decoder(catalogue), keeping }
    }

    /// None: it is live only.
    fn read(&self, record: &RawRecord<'_>) -> Result<Option<Kept>, Rejected> {
        let notification = self.decoder.decode(record)?;
        let prepared = Prepared::new(&notification, &self.decoder.catalogue)?;
        if !prepared.is_kept() {
            return Ok(None);
        }
        let until = notification.at.checked_add(prepared.retention().unwrap_or(self.keeping)).unwrap_or(Timestamp::MAX);
        let (severity, silent) = (prepared.severity(), prepared.is_silent());
        Ok(Some(Kept::Notification { notification, severity, silent, until }))
    }
}

impl Understand<Kept> for WholeRecords {
    fn understand(&mut self, record: &RawRecord<'_>, refused: Option<Rejected>) -> Option<Kept> {
        let read = refused.map_or_else(|| self.read(record), Err);
        read.unwrap_or_else(|why| Some(Kept::Parked(Parked::new(record, why))))
    }
}
