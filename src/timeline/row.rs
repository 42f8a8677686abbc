//! One row: a notification with its place, as it is written down and read again.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use crate::notification::{Coordinates, Notification, Record, Shape, event::Severity};

/// A notification to be kept.
#[derive(Debug, Clone)]
pub struct Row {
    pub at: Coordinates,
    pub life: u32,
    pub notification: Arc<Notification>,
    pub severity: Severity,
    /// No badge: it is never unread.
    pub silent: bool,
    /// When it has been kept long enough.
    pub until: Timestamp,
}

/// A notification as the store has it.
#[derive(Debug, Clone)]
pub struct Stored {
    pub at: Coordinates,
    pub notification: Arc<Notification>,
}

/// A record that nobody can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dead {
    pub at: Coordinates,
    pub life: u32,
    /// Kafka's.
    pub time: Timestamp,
    /// The stable code.
    pub reason: &'static str,
    /// For whoever has to mend the producer; never text of the payload.
    pub detail: String,
    pub key: Option<Bytes>,
    /// All of them, in their order.
    pub headers: Vec<(String, Option<Bytes>)>,
    pub value: Option<Bytes>,
}

/// A sum over everything in a row that somebody is shown, or that decides who is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum(pub u32);

impl Checksum {
    #[must_use]
    pub fn of(at: Coordinates, life: u32, notification: &Notification, severity: u8, silent: bool) -> Checksum {
        let record = notification.record();
        let mut sum = 0;
        let mut add = |part: &[u8]| {
            // The length before the part, so that nothing can move from one to the next.
            sum = crc32c::crc32c_append(sum, &(part.len() as u64).to_le_bytes());
            sum = crc32c::crc32c_append(sum, part);
        };
        add(&notification.id.0);
        add(&at.epoch.0.to_le_bytes());
        add(&(at.partition as u64).to_le_bytes());
        add(&at.offset.to_le_bytes());
        add(&life.to_le_bytes());
        add(&notification.at.as_millisecond().to_le_bytes());
        add(notification.type_name.as_bytes());
        add(&notification.mall.map_or(0, |mall| mall.get()).to_le_bytes());
        add(notification.audience.to_string().as_bytes());
        add(&[severity, silent.into(), shape_number(record.shape)]);
        add(record.key.as_deref().unwrap_or_default());
        add(headers_text(record).as_bytes());
        add(&record.value);
        Checksum(sum)
    }
}

/// Never reused for another shape.
#[must_use]
pub fn shape_number(shape: Shape) -> u8 {
    match shape {
        Shape::Binary => 0,
        Shape::Structured => 1,
        Shape::Plain => 2,
        Shape::Legacy => 3,
    }
}

#[must_use]
pub fn shape_of(number: u8) -> Option<Shape> {
    Some(match number {
        0 => Shape::Binary,
        1 => Shape::Structured,
        2 => Shape::Plain,
        3 => Shape::Legacy,
        _ => return None,
    })
}

/// The headers that mean something to us, as a JSON object.
#[must_use]
pub fn headers_text(record: &Record) -> String {
    let headers: serde_json::Map<String, serde_json::Value> =
        record.headers.iter().map(|(name, text)| (name.to_string(), text.to_string().into())).collect();
    serde_json::Value::Object(headers).to_string()
}

#[must_use]
pub fn headers_of(text: &str) -> Option<crate::notification::Headers> {
    let headers: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    headers.into_iter().map(|(name, text)| Some((name.into(), text.as_str()?.into()))).collect()
}
