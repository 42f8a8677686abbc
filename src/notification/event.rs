//! What a record says when it is read: the producer's own words around the event, and the event's fields.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    json::{Unreadable, read_object},
    notification::{Record, Shape},
};

/// Members of a plain JSON object that are never fields of the event. Those that are both (`mallNo`, `link`, …) are
/// not listed: texts and rules may want them.
const ENVELOPE_ONLY: [&str; 14] = [
    "type",
    "audience",
    "title",
    "body",
    "id",
    "source",
    "correlationId",
    "correlationid",
    "severity",
    "severitytext",
    "severitynumber",
    "time",
    "specversion",
    "data",
];

/// Beside a `data` object these are the envelope's; without one they may be fields as well.
const ENVELOPE_BESIDE_DATA: [&str; 3] = ["link", "occurredAt", "expiresAt"];

/// How urgent: it decides colour, sound and, for those who are away, channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Notice,
    Warning,
    Error,
    Critical,
}

impl Severity {
    /// `severitytext` as CloudEvents and people write it; an unknown word is nothing.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Severity> {
        Some(match text.to_ascii_lowercase().as_str() {
            "trace" | "debug" | "info" => Severity::Info,
            "notice" => Severity::Notice,
            "warn" | "warning" => Severity::Warning,
            "error" => Severity::Error,
            "fatal" | "critical" => Severity::Critical,
            _ => return None,
        })
    }

    /// `severitynumber` on OpenTelemetry's scale.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Severity> {
        Some(match number {
            1..=9 => Severity::Info,
            10..=12 => Severity::Notice,
            13..=16 => Severity::Warning,
            17..=20 => Severity::Error,
            21..=24 => Severity::Critical,
            _ => return None,
        })
    }
}

/// What the producer says of the event besides its fields. Blank is absent.
#[derive(Clone, Default)]
pub struct Envelope {
    pub type_name: Option<String>,
    pub id: Option<String>,
    pub source: Option<String>,
    pub audience: Option<String>,
    pub mall: Option<String>,
    pub partner: Option<String>,
    pub mall_name: Option<String>,
    /// Its own texts, shown as they are.
    pub title: Option<String>,
    pub body: Option<String>,
    pub link: Option<String>,
    pub occurred: Option<String>,
    pub expires: Option<String>,
    pub correlation: Option<String>,
    pub severity: Option<Severity>,
    /// Where the data lies, when it is too large or too private to travel.
    pub data_ref: Option<String>,
}

impl Envelope {
    /// From the `ce_*` headers of a binary CloudEvent.
    #[must_use]
    pub fn of_headers(record: &Record) -> Envelope {
        let text = |name: &str| record.header(name).filter(|text| !text.trim().is_empty()).map(str::to_owned);
        Envelope {
            type_name: text("ce_type"),
            id: text("ce_id"),
            source: text("ce_source"),
            audience: explicit_audience(record),
            mall: text("ce_mallno"),
            partner: text("ce_partnerno"),
            mall_name: text("ce_mallname"),
            title: text("ce_title"),
            body: text("ce_body"),
            link: text("ce_link"),
            occurred: text("ce_time"),
            expires: text("ce_expirytime"),
            correlation: text("ce_correlationid"),
            severity: severity(text("ce_severitytext"), text("ce_severitynumber")),
            data_ref: text("ce_dataref"),
        }
    }

    /// From the top-level members of a structured CloudEvent or of a plain object.
    fn of_object(object: &Map<String, Value>, record: &Record) -> Result<Envelope, Unreadable> {
        let text = |names: &[&'static str]| first_text(object, names);
        let audience = match explicit_audience(record) {
            Some(audience) => Some(audience),
            // An empty audience is malformed, not absent: it must not fall back to the rule.
            None => match object.get("audience") {
                None | Some(Value::Null) => None,
                Some(Value::String(audience)) => Some(audience.clone()),
                Some(_) => return Err(Unreadable::BadMember("audience")),
            },
        };
        let type_name = match object.get("type") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name.clone()),
            Some(_) => return Err(Unreadable::BadMember("type")),
        };
        Ok(Envelope {
            type_name,
            id: text(&["id"])?,
            source: text(&["source"])?,
            audience,
            mall: text(&["mallno", "mallNo"])?,
            partner: text(&["partnerno", "partnerNo"])?,
            mall_name: text(&["mallname", "mallName"])?,
            title: text(&["title"])?,
            body: text(&["body"])?,
            link: text(&["link"])?,
            occurred: text(&["time", "occurredAt"])?,
            expires: text(&["expirytime", "expiresAt"])?,
            correlation: text(&["correlationid", "correlationId"])?,
            severity: severity(text(&["severitytext", "severity"])?, text(&["severitynumber"])?),
            data_ref: text(&["dataref"])?,
        })
    }
}

/// A header wins over the envelope and over the address of plain text, and an empty one is malformed, not absent.
#[must_use]
pub fn explicit_audience(record: &Record) -> Option<String> {
    record.header("ce_audience").or_else(|| record.header("audience")).map(str::to_owned)
}

/// The number is the finer of the two: `severitytext` knows no NOTICE. One that we do not know is an info.
fn severity(text: Option<String>, number: Option<String>) -> Option<Severity> {
    let said = text.is_some() || number.is_some();
    let by_number = number.and_then(|number| number.parse().ok()).and_then(Severity::from_number);
    let known = by_number.or_else(|| text.and_then(|text| Severity::from_text(&text)));
    known.or(said.then_some(Severity::Info))
}

fn first_text(object: &Map<String, Value>, names: &[&'static str]) -> Result<Option<String>, Unreadable> {
    for &name in names {
        match object.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if text.trim().is_empty() => {}
            Some(Value::String(text)) => return Ok(Some(text.clone())),
            Some(Value::Number(number)) => return Ok(Some(number.to_string())),
            Some(_) => return Err(Unreadable::BadMember(name)),
        }
    }
    Ok(None)
}

/// A record, read. Without `Debug`, so that no log line can spill what customers wrote.
#[derive(Clone, Default)]
pub struct Event {
    pub envelope: Envelope,
    /// As produced, `null` included.
    pub fields: Map<String, Value>,
}

impl Event {
    /// Reads what the record holds, by its shape.
    pub fn read(record: &Record) -> Result<Event, Unreadable> {
        match record.shape {
            Shape::Binary if record.value.is_empty() => {
                Ok(Event { envelope: Envelope::of_headers(record), fields: Map::new() })
            }
            Shape::Binary => Ok(Event { envelope: Envelope::of_headers(record), fields: read_object(&record.value)? }),
            Shape::Structured | Shape::Plain => Event::of_object(read_object(&record.value)?, record),
            Shape::Legacy => {
                let text = std::str::from_utf8(&record.value).map_err(|_| Unreadable::NotUtf8)?;
                let envelope = Envelope { title: Some(text.to_owned()), ..Envelope::default() };
                Ok(Event { envelope, fields: Map::new() })
            }
        }
    }

    /// From an object that has been read already.
    pub fn of_object(mut object: Map<String, Value>, record: &Record) -> Result<Event, Unreadable> {
        let envelope = Envelope::of_object(&object, record)?;
        let data = match object.shift_remove("data") {
            None | Some(Value::Null) => None,
            Some(Value::Object(data)) => Some(data),
            Some(_) => return Err(Unreadable::BadMember("data")),
        };
        if record.shape == Shape::Structured {
            return Ok(Event { envelope, fields: data.unwrap_or_default() });
        }
        // In a plain object the fields stand in `data`, or beside `type`, or both; `data` is the nearer word.
        let mut fields = object;
        fields.retain(|name, _| !ENVELOPE_ONLY.contains(&name.as_str()));
        if let Some(data) = data {
            fields.retain(|name, _| !ENVELOPE_BESIDE_DATA.contains(&name.as_str()));
            fields.extend(data);
        }
        Ok(Event { envelope, fields })
    }
}
