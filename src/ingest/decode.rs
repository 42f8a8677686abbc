//! From the bytes of a record to a notification, or to the reason why not. Never to a guess, never to everybody.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use jiff::Timestamp;

use crate::notification::{
    Audience, Catalogue, Coordinates, Headers, MallNo, NoAudience, NotAnId, Notification, NotificationId,
    ORIGIN_HEADER, Origin, PartnerNo, Record, Shape, Tenant, Term, Unreadable,
    catalogue::LEGACY_TEXT,
    event::{Envelope, Event, explicit_audience},
    json::read_object,
};

/// Key and headers together; they carry names and numbers, never content.
const MOST_HEADER_BYTES: usize = 64 * 1024;
/// A longer id or type is no name but an attack on logs and indexes.
pub const LONGEST_NAME: usize = 512;
const STRUCTURED: &str = "application/cloudevents+json";

/// A record as Kafka hands it over.
#[derive(Clone)]
pub struct RawRecord<'a> {
    pub coordinates: Coordinates,
    pub timestamp: Timestamp,
    pub key: Option<&'a [u8]>,
    pub headers: Vec<(&'a str, Option<&'a [u8]>)>,
    pub value: Option<&'a [u8]>,
}

/// Its measures only: a log line must not spill what customers wrote.
impl fmt::Debug for RawRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.value.map(<[u8]>::len);
        write!(f, "RawRecord({:?}, {} headers, {bytes:?} bytes)", self.coordinates, self.headers.len())
    }
}

/// Why a record is no notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No value, and no headers that would be a notification without one.
    Tombstone,
    /// A value without a single letter.
    Empty,
    TooBig,
    /// One header twice.
    BadHeader,
    BadCloudEvent,
    NoType,
    BadType,
    BadId,
    BadMall,
    NoAudience,
    BadAudience,
    /// Plain text with a `:` that is neither `<id>:all:<text>` nor `<number>:me:<text>`.
    LegacyUnaddressed,
    /// The value itself; the code is that of [`Unreadable`].
    Unreadable(Unreadable),
}

impl Reason {
    /// The stable code, for dead letters, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Tombstone => "tombstone",
            Reason::Empty => "empty",
            Reason::TooBig => "too_big",
            Reason::BadHeader => "bad_header",
            Reason::BadCloudEvent => "bad_cloudevent",
            Reason::NoType => "no_type",
            Reason::BadType => "bad_type",
            Reason::BadId => "bad_id",
            Reason::BadMall => "bad_mall",
            Reason::NoAudience => "no_audience",
            Reason::BadAudience => "bad_audience",
            Reason::LegacyUnaddressed => "legacy_unaddressed",
            Reason::Unreadable(why) => why.code(),
        }
    }
}

/// A record that is parked as a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", reason.as_str())]
pub struct Rejected {
    pub reason: Reason,
    /// For whoever has to mend the producer. Never text of the payload: it may be personal data.
    pub detail: String,
}

impl Rejected {
    fn new(reason: Reason, detail: impl Into<String>) -> Rejected {
        Rejected { reason, detail: detail.into() }
    }
}

impl From<Unreadable> for Rejected {
    fn from(why: Unreadable) -> Rejected {
        Rejected::new(Reason::Unreadable(why), why.to_string())
    }
}

impl From<NoAudience> for Rejected {
    fn from(why: NoAudience) -> Rejected {
        let reason = match why {
            NoAudience::NoRule | NoAudience::Missing(_) => Reason::NoAudience,
            NoAudience::NotANumber(_) | NoAudience::Malformed(_) => Reason::BadAudience,
        };
        Rejected::new(reason, why.to_string())
    }
}

/// Understands records. Both ways, the live and the kept, use the same.
#[derive(Debug, Clone)]
pub struct Decoder {
    pub catalogue: Catalogue,
    /// Whether plain text is a notification.
    pub legacy_text: bool,
    /// Stripped from types.
    pub type_prefix: String,
    /// Of the value.
    pub max_record_bytes: usize,
}

impl Decoder {
    /// What routing needs. Where headers name type, audience and mall, the body is not even looked at.
    pub fn decode(&self, raw: &RawRecord<'_>) -> Result<Notification, Rejected> {
        self.check_size(raw)?;
        let headers = headers(raw)?;
        let mut record = Record {
            shape: Shape::Plain,
            key: raw.key.map(Bytes::copy_from_slice),
            headers,
            value: Bytes::copy_from_slice(raw.value.unwrap_or_default()),
        };
        let content_type = record.header("content-type").map(str::to_ascii_lowercase).unwrap_or_default();
        record.shape = Shape::of_headers(&content_type, |name| record.header(name).is_some());
        if record.shape == Shape::Structured && !content_type.starts_with(STRUCTURED) {
            return Err(Rejected::new(Reason::BadCloudEvent, format!("of the structured forms only {STRUCTURED}")));
        }
        match (record.shape, raw.value) {
            (Shape::Binary, _) => self.binary(raw, record, &content_type),
            (_, None) => Err(Rejected::new(Reason::Tombstone, "no value, and no ce_ headers that stand for one")),
            (shape, Some(value)) => {
                let first = value.iter().find(|byte| !byte.is_ascii_whitespace());
                match first {
                    None => Err(Rejected::new(Reason::Empty, "the value is blank")),
                    Some(b'{') => self.object(raw, record),
                    Some(_) if shape == Shape::Plain && self.legacy_text => self.legacy(raw, record),
                    Some(_) if shape == Shape::Plain => Err(not_an_object(value)),
                    Some(_) => Err(read_object(value).err().unwrap_or(Unreadable::NotAnObject).into()),
                }
            }
        }
    }

    fn check_size(&self, raw: &RawRecord<'_>) -> Result<(), Rejected> {
        let value = raw.value.map_or(0, <[u8]>::len);
        if value > self.max_record_bytes {
            let detail = format!("the value has {value} bytes, the limit is {}", self.max_record_bytes);
            return Err(Rejected::new(Reason::TooBig, detail));
        }
        // What redriving adds makes no record too big that was not.
        let theirs = raw.headers.iter().filter(|(name, _)| *name != ORIGIN_HEADER);
        let of_header = |(name, value): &(&str, Option<&[u8]>)| name.len() + value.map_or(0, <[u8]>::len);
        let around = raw.key.map_or(0, <[u8]>::len) + theirs.map(of_header).sum::<usize>();
        if around > MOST_HEADER_BYTES {
            let detail = format!("key and headers have {around} bytes, the limit is {MOST_HEADER_BYTES}");
            return Err(Rejected::new(Reason::TooBig, detail));
        }
        Ok(())
    }

    fn binary(&self, raw: &RawRecord<'_>, record: Record, content_type: &str) -> Result<Notification, Rejected> {
        let envelope = Envelope::of_headers(&record);
        if record.value.is_empty() && envelope.data_ref.is_none() {
            return Err(Rejected::new(Reason::Tombstone, "no value, and no ce_dataref that says where the data lies"));
        }
        check_content_type(content_type)?;
        check_cloud_event(record.header("ce_specversion"), &envelope, "ce_")?;
        let routed = envelope.type_name.is_some() && envelope.audience.is_some() && envelope.mall.is_some();
        let event = if routed { Event { envelope, ..Event::default() } } else { Event::read(&record)? };
        self.notification(raw, record, &event)
    }

    fn object(&self, raw: &RawRecord<'_>, mut record: Record) -> Result<Notification, Rejected> {
        let object = read_object(&record.value)?;
        if record.shape == Shape::Plain && object.contains_key("specversion") {
            record.shape = Shape::Structured;
        }
        let structured = record.shape == Shape::Structured;
        let member = |name: &str| object.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        let version = member("specversion");
        if structured && object.contains_key("data_base64") {
            return Err(Rejected::new(Reason::BadCloudEvent, "`data_base64` is not read: the data has to be JSON"));
        }
        if structured {
            check_content_type(&member("datacontenttype").unwrap_or_default().to_ascii_lowercase())?;
        }
        let event = Event::of_object(object, &record)?;
        if structured {
            check_cloud_event(version.as_deref(), &event.envelope, "")?;
        }
        self.notification(raw, record, &event)
    }

    /// `<id>:all:<text>`, `<number>:me:<text>`, or text without any `:` (part 6 of the design).
    fn legacy(&self, raw: &RawRecord<'_>, mut record: Record) -> Result<Notification, Rejected> {
        let value = record.value.clone();
        if value.starts_with(b"\xef\xbb\xbf") {
            return Err(Unreadable::ByteOrderMark.into());
        }
        let text = std::str::from_utf8(&value).map_err(|_| Unreadable::NotUtf8)?;
        if text.contains('\0') {
            return Err(Unreadable::Nul.into());
        }
        // Unicode knows more spaces than JSON: what lies between them is nothing to say, or JSON that nobody can read.
        let text = text.trim();
        if text.is_empty() {
            return Err(Rejected::new(Reason::Empty, "the value is blank"));
        }
        if text.starts_with('{') {
            return Err(not_an_object(&value));
        }
        let (addressed, text) = legacy_address(text).ok_or_else(|| {
            let how = "plain text is `<id>:all:<text>`, `<operator's number>:me:<text>`, or text without `:`; \
                       better a JSON object with `type`, `audience` and `title`";
            Rejected::new(Reason::LegacyUnaddressed, how)
        })?;
        // A text without an address is for everyone, but not one whose header says for whom it is.
        let audience = match explicit_audience(&record) {
            Some(said) => said.parse().map_err(NoAudience::Malformed)?,
            None => addressed,
        };
        record.shape = Shape::Legacy;
        record.value = value.slice_ref(text.as_bytes());
        let id = own_id(raw, &record);
        let type_name = self.catalogue.shared_name(LEGACY_TEXT);
        Ok(Notification::new(id, type_name, None, audience, raw.timestamp, record))
    }

    fn notification(&self, raw: &RawRecord<'_>, record: Record, event: &Event) -> Result<Notification, Rejected> {
        let envelope = &event.envelope;
        let type_name = self.short_name(envelope.type_name.as_deref())?;
        let mall = match &envelope.mall {
            Some(text) => Some(mall(text)?),
            None => match event.fields.get("mallNo") {
                None | Some(serde_json::Value::Null) => None,
                Some(value) => Some(serde_json::from_value(value.clone()).map_err(|_| bad_mall())?),
            },
        };
        let audience = match &envelope.audience {
            Some(text) => text.parse::<Audience>().map_err(NoAudience::Malformed)?,
            // Of data that lies elsewhere a rule would see too little: the mall, say, and not the partners.
            None if envelope.data_ref.is_some() && event.fields.is_empty() => return Err(NoAudience::NoRule.into()),
            None => self.catalogue.audience(&type_name, mall, &event.fields)?,
        };
        let id = match envelope.id.as_deref() {
            None => own_id(raw, &record),
            Some(id) => {
                check_name(Reason::BadId, "id", id)?;
                let source = envelope.source.as_deref().unwrap_or_default();
                NotificationId::of_producer(Tenant::of(mall, partner(event), &audience), source, id)
            }
        };
        Ok(Notification::new(id, type_name, mall, audience, raw.timestamp, record))
    }

    /// `kr.co.shopby.order.created.v1` → `order.created`.
    pub fn short_name(&self, name: Option<&str>) -> Result<Arc<str>, Rejected> {
        let Some(name) = name.map(str::trim).filter(|name| !name.is_empty()) else {
            return Err(Rejected::new(Reason::NoType, "the event names no `type`"));
        };
        check_name(Reason::BadType, "type", name)?;
        let short = name.strip_prefix(self.type_prefix.as_str()).unwrap_or(name);
        let short = match short.rsplit_once(".v") {
            Some((rest, version)) if !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()) => rest,
            _ => short,
        };
        if short.is_empty() {
            return Err(Rejected::new(Reason::BadType, "of the type only prefix and version are there"));
        }
        Ok(self.catalogue.shared_name(short))
    }
}

/// Of a record without an id: made of where it stood first.
fn own_id(raw: &RawRecord<'_>, record: &Record) -> NotificationId {
    record.redriven_from().unwrap_or(raw.coordinates.into()).id()
}

/// Those that mean something to us, lower-case, each once.
fn headers(raw: &RawRecord<'_>) -> Result<Headers, Rejected> {
    let mut kept: Vec<(Box<str>, Box<str>)> = Vec::new();
    for (name, value) in &raw.headers {
        let name = name.to_ascii_lowercase();
        let ours = name.starts_with("ce_") || name == "content-type" || name == "audience";
        let (true, Some(value)) = (ours, value) else {
            continue;
        };
        let text = std::str::from_utf8(value)
            .map_err(|_| Rejected::new(Reason::Unreadable(Unreadable::NotUtf8), "a header is not UTF-8"))?;
        if text.contains('\0') {
            return Err(Rejected::new(Reason::Unreadable(Unreadable::Nul), "a header holds U+0000"));
        }
        if kept.iter().any(|(known, _)| **known == *name) {
            return Err(Rejected::new(Reason::BadHeader, "a header stands there twice: nobody can say which counts"));
        }
        kept.push((name.into(), text.into()));
    }
    let audience = |wanted: &str| kept.iter().find(|(name, _)| **name == *wanted).map(|(_, text)| text);
    if let (Some(one), Some(other)) = (audience("ce_audience"), audience("audience"))
        && one != other
    {
        return Err(Rejected::new(Reason::BadAudience, "the headers `ce_audience` and `audience` differ"));
    }
    let origin = Origin::said_in(raw.headers.iter().copied());
    kept.extend(origin.map(|origin| (ORIGIN_HEADER.into(), origin.to_string().into())));
    Ok(kept.into())
}

fn check_content_type(content_type: &str) -> Result<(), Rejected> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.is_empty() || essence.ends_with("/json") || essence.ends_with("+json") {
        return Ok(());
    }
    Err(Rejected::new(Reason::BadCloudEvent, "the content type says that the data is not JSON"))
}

/// What CloudEvents 1.0 requires. `prefix` is how the attributes are written here.
fn check_cloud_event(version: Option<&str>, envelope: &Envelope, prefix: &str) -> Result<(), Rejected> {
    if version != Some("1.0") {
        return Err(Rejected::new(Reason::BadCloudEvent, format!("`{prefix}specversion` has to be 1.0")));
    }
    let required = [("id", &envelope.id), ("source", &envelope.source), ("type", &envelope.type_name)];
    for (name, attribute) in required {
        if attribute.is_none() {
            return Err(Rejected::new(Reason::BadCloudEvent, format!("`{prefix}{name}` is missing")));
        }
    }
    Ok(())
}

fn check_name(reason: Reason, what: &str, name: &str) -> Result<(), Rejected> {
    if name.len() > LONGEST_NAME {
        return Err(Rejected::new(reason, format!("the {what} is longer than {LONGEST_NAME} bytes")));
    }
    if name.contains(char::is_control) {
        return Err(Rejected::new(reason, format!("the {what} holds a control character")));
    }
    Ok(())
}

fn bad_mall() -> Rejected {
    Rejected::new(Reason::BadMall, format!("the mall is not {}", NotAnId))
}

fn mall(text: &str) -> Result<MallNo, Rejected> {
    text.parse().map_err(|_| bad_mall())
}

fn partner(event: &Event) -> Option<PartnerNo> {
    let named = event.envelope.partner.as_ref().and_then(|text| text.parse().ok());
    named.or_else(|| serde_json::from_value(event.fields.get("partnerNo")?.clone()).ok())
}

fn not_an_object(value: &[u8]) -> Rejected {
    let why = read_object(value).err().unwrap_or(Unreadable::NotAnObject);
    let hint = match why {
        Unreadable::NotJson { .. } => "; plain text is read only with ALLIM_LEGACY_TEXT=on",
        _ => "",
    };
    Rejected::new(Reason::Unreadable(why), format!("{why}{hint}"))
}

/// Whom a plain text is for, and the text. By its parts, never by prefix or substring.
fn legacy_address(text: &str) -> Option<(Audience, &str)> {
    if !text.contains(':') {
        return Some((Audience::new([Term::Everyone]).ok()?, text));
    }
    let all = text.find(":all:").map(|at| (at, ":all:"));
    let me = text.find(":me:").map(|at| (at, ":me:"));
    let (at, mark) = [all, me].into_iter().flatten().min()?;
    let (id, rest) = (&text[..at], text[at + mark.len()..].trim());
    // Words before the mark are a sentence, not an id; and nothing behind it is nothing to say.
    if rest.is_empty() || id.contains(char::is_whitespace) {
        return None;
    }
    let term = if mark == ":all:" { Term::Everyone } else { Term::Operator(id.parse().ok()?) };
    Some((Audience::new([term]).ok()?, rest))
}
