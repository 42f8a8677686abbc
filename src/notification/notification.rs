//! What travels: one record of the topic, understood as far as routing needs, its body still unread.

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::{Audience, Epoch, MallNo, ORIGIN_HEADER, Origin, PartnerNo, Term};

/// What a notification costs in memory besides its bytes: the struct, its `Arc`s and its place in the ring.
const OVERHEAD: usize = 256;

/// Where in the log a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Coordinates {
    pub epoch: Epoch,
    pub partition: usize,
    pub offset: u64,
}

/// Whose event it is: two tenants may use the same id without meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tenant {
    Mall(MallNo),
    Partner(PartnerNo),
    /// Neither is named anywhere.
    Nobody,
}

impl Tenant {
    /// The mall if one is named, else the partner. What the event does not name its audience may.
    #[must_use]
    pub fn of(mall: Option<MallNo>, partner: Option<PartnerNo>, audience: &Audience) -> Tenant {
        let malls = || audience.terms().iter().find_map(|term| term.mall());
        let partners = || {
            audience.terms().iter().find_map(|term| match term {
                Term::Partner(partner) => Some(*partner),
                _ => None,
            })
        };
        match (mall.or_else(malls), partner.or_else(partners)) {
            (Some(mall), _) => Tenant::Mall(mall),
            (None, Some(partner)) => Tenant::Partner(partner),
            (None, None) => Tenant::Nobody,
        }
    }
}

/// The one identity (D8): on the wire, in the store, in read marks, towards providers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NotificationId(pub [u8; 16]);

impl NotificationId {
    /// From the id that the producer gave. A repeat of the same event has the same identity wherever it stands.
    #[must_use]
    pub fn of_producer(tenant: Tenant, source: &str, id: &str) -> NotificationId {
        let (kind, number) = match tenant {
            Tenant::Mall(mall) => (b'm', mall.get()),
            Tenant::Partner(partner) => (b'p', partner.get()),
            Tenant::Nobody => (b'0', 0),
        };
        let mut hash = Sha256::new();
        hash.update(b"producer");
        hash.update([kind]);
        hash.update(number.to_be_bytes());
        for text in [source, id] {
            // The length before the text: `ab` + `c` and `a` + `bc` are two identities.
            hash.update(u64::try_from(text.len()).expect("a length fits 64 bits").to_be_bytes());
            hash.update(text);
        }
        NotificationId::first_half(&hash.finalize())
    }

    /// From the place in the log, where the producer gave no id.
    #[must_use]
    pub fn of_coordinates(at: Coordinates) -> NotificationId {
        NotificationId::of_life(at, 0)
    }

    /// `life` tells the records apart that a truncated log has put at one offset.
    #[must_use]
    pub fn of_life(at: Coordinates, life: u32) -> NotificationId {
        let mut hash = Sha256::new();
        hash.update(b"coordinates");
        hash.update(at.epoch.0.to_be_bytes());
        hash.update(life.to_be_bytes());
        hash.update(u64::try_from(at.partition).expect("a partition fits 64 bits").to_be_bytes());
        hash.update(at.offset.to_be_bytes());
        NotificationId::first_half(&hash.finalize())
    }

    fn first_half(digest: &[u8]) -> NotificationId {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        NotificationId(bytes)
    }
}

impl fmt::Display for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// A text that is no identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a notification")]
pub struct NotANotificationId;

impl FromStr for NotificationId {
    type Err = NotANotificationId;

    /// Reads what [`fmt::Display`] writes, and nothing else.
    fn from_str(text: &str) -> Result<NotificationId, NotANotificationId> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotANotificationId)?;
        bytes.try_into().map(NotificationId).map_err(|_| NotANotificationId)
    }
}

impl fmt::Debug for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NotificationId({self})")
    }
}

impl Serialize for NotificationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How the event lies in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// CloudEvents binary: attributes in `ce_*` headers, the value is the data (or empty, with `ce_dataref`).
    Binary,
    /// CloudEvents structured: one JSON object with `specversion`.
    Structured,
    /// A plain JSON object for people with a console producer.
    Plain,
    /// The text behind `:all:` or `:me:`, or all of it.
    Legacy,
}

impl Shape {
    /// What the headers say of the value; a plain one may still turn out to be a CloudEvent. `content_type` is in small
    /// letters.
    #[must_use]
    pub fn of_headers(content_type: &str, has: impl Fn(&str) -> bool) -> Shape {
        if content_type.starts_with("application/cloudevents") {
            Shape::Structured
        } else if has("ce_specversion") || has("ce_type") {
            Shape::Binary
        } else {
            Shape::Plain
        }
    }
}

/// Names and texts of the headers that carry meaning: `ce_*`, `content-type`, `audience`; lower-case, each once.
pub type Headers = Box<[(Box<str>, Box<str>)]>;

/// The record itself: what is rendered, stored and redriven.
#[derive(Clone)]
pub struct Record {
    pub shape: Shape,
    pub key: Option<Bytes>,
    pub headers: Headers,
    /// For [`Shape::Legacy`] the text alone.
    pub value: Bytes,
}

/// Its measures only: a log line must not spill what customers wrote.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({:?}, {} headers, {} bytes)", self.shape, self.headers.len(), self.value.len())
    }
}

impl Record {
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| **known == *name).map(|(_, text)| &**text)
    }

    /// Where it stood first, if it is a dead letter that was sent once more.
    #[must_use]
    pub fn redriven_from(&self) -> Option<Origin> {
        self.header(ORIGIN_HEADER)?.parse().ok()
    }
}

/// One event for somebody. Cheap to hold, so that it is shared behind one `Arc` and read when somebody wants it.
#[derive(Debug)]
pub struct Notification {
    pub id: NotificationId,
    /// The short name, the catalogue's key: `order.created`.
    pub type_name: Arc<str>,
    /// The mall it is about, where one is named.
    pub mall: Option<MallNo>,
    pub audience: Audience,
    /// Kafka's timestamp: the producer's clock decides nothing.
    pub at: Timestamp,
    record: Record,
    unreadable: AtomicBool,
}

impl Notification {
    #[must_use]
    pub fn new(
        id: NotificationId,
        type_name: Arc<str>,
        mall: Option<MallNo>,
        audience: Audience,
        at: Timestamp,
        record: Record,
    ) -> Notification {
        Notification { id, type_name, mall, audience, at, record, unreadable: AtomicBool::new(false) }
    }

    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Its body turned out unreadable. True for the first who says so: many find it out, and it counts once.
    pub fn found_unreadable(&self) -> bool {
        !self.unreadable.swap(true, Ordering::Relaxed)
    }

    /// What recent memory counts: key, headers, value and overhead.
    #[must_use]
    pub fn size(&self) -> usize {
        let headers: usize = self.record.headers.iter().map(|(name, text)| name.len() + text.len() + 32).sum();
        let terms = std::mem::size_of_val(self.audience.terms());
        OVERHEAD + terms + headers + self.record.key.as_ref().map_or(0, Bytes::len) + self.record.value.len()
    }
}
