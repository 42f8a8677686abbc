//! The members around an event: what each has to be, said to who reads one (`judge`) and to who writes one (`schema`).

use serde_json::{Map, Value, json};

use super::decode::LONGEST_NAME;
use crate::notification::{Audience, MallNo, NotAnId, dates, event::Severity, is_link, schema as words};

/// What a member has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A short text; of an id also a whole number.
    Name,
    Text,
    Audience,
    Number,
    Link,
    Date,
    Severity,
    SeverityNumber,
    Object,
    Version,
    Json,
    Absent,
}

/// The members of the envelope, in either form. What is not here is a field of the event.
pub const MEMBERS: &[(&str, Kind)] = &[
    ("type", Kind::Name),
    ("id", Kind::Name),
    ("source", Kind::Name),
    ("audience", Kind::Audience),
    ("mallNo", Kind::Number),
    ("mallno", Kind::Number),
    ("mallName", Kind::Text),
    ("mallname", Kind::Text),
    ("partnerNo", Kind::Number),
    ("partnerno", Kind::Number),
    ("title", Kind::Text),
    ("body", Kind::Text),
    ("link", Kind::Link),
    ("time", Kind::Date),
    ("occurredAt", Kind::Date),
    ("expirytime", Kind::Date),
    ("expiresAt", Kind::Date),
    ("correlationId", Kind::Name),
    ("correlationid", Kind::Name),
    ("severity", Kind::Severity),
    ("severitytext", Kind::Severity),
    ("severitynumber", Kind::SeverityNumber),
    ("data", Kind::Object),
];
/// Those that only a CloudEvent has.
pub const CLOUD_EVENT: &[(&str, Kind)] =
    &[("specversion", Kind::Version), ("datacontenttype", Kind::Json), ("data_base64", Kind::Absent)];

pub type Judged = Result<(), (&'static str, String)>;

/// What is wrong with this value of a member: a code, and what is wanted.
pub fn judge(value: &Value, kind: Kind) -> Judged {
    let text = || value.as_str().ok_or_else(|| ("wrong_type", "a text is wanted".to_owned()));
    let good = |is: bool, code: &'static str, wanted: &str| if is { Ok(()) } else { Err((code, wanted.to_owned())) };
    // Blank is absent, except where that would be a guess.
    let blank = value.as_str().is_some_and(|text| text.trim().is_empty());
    match kind {
        Kind::Name if value.as_u64().is_some() => Ok(()),
        Kind::Name => {
            let text = text()?;
            good(text.len() <= LONGEST_NAME, "too_long", &format!("at most {LONGEST_NAME} bytes are wanted"))?;
            good(!text.contains(char::is_control), "control_character", "no control character is wanted")
        }
        Kind::Text => text().map(|_| ()),
        Kind::Audience => match text()?.parse::<Audience>() {
            Ok(_) => Ok(()),
            Err(error) => Err(("bad_audience", error.to_string())),
        },
        Kind::Number if blank => Ok(()),
        Kind::Number => {
            let number = serde_json::from_value::<MallNo>(value.clone());
            good(number.is_ok(), "bad_number", &format!("{NotAnId} is wanted"))
        }
        Kind::Link if blank => Ok(()),
        Kind::Link => {
            let wanted = "an address that begins with https://, http:// or one / is wanted, without blanks";
            good(is_link(text()?), "bad_link", wanted)
        }
        Kind::Date if blank => Ok(()),
        Kind::Date => {
            let wanted = "a date such as 2026-11-20T14:05:33+09:00 is wanted; without zone it is Korean time";
            good(dates::read(text()?).is_some(), "bad_date", wanted)
        }
        Kind::Severity if blank => Ok(()),
        Kind::Severity => {
            let wanted = "info, notice, warning, error or critical is wanted";
            good(Severity::from_text(text()?).is_some(), "unknown_value", wanted)
        }
        Kind::SeverityNumber => {
            let known = value.as_u64().and_then(Severity::from_number);
            good(known.is_some(), "bad_number", "a number from 1 to 24 is wanted")
        }
        Kind::Object => good(value.is_object(), "wrong_type", "an object is wanted"),
        Kind::Version => good(text()? == "1.0", "unknown_value", "1.0 is wanted"),
        Kind::Json => {
            let essence = text()?.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            let json = essence.ends_with("/json") || essence.ends_with("+json");
            good(json, "unknown_value", "a content type of JSON is wanted")
        }
        Kind::Absent => Err(("not_read", "the data have to be JSON, in `data`".to_owned())),
    }
}

/// The schema of a record's value, whatever its type is; the event's fields are in `data`, or beside it.
#[must_use]
pub fn schema() -> Value {
    let all = |members: &[(&str, Kind)]| -> Map<String, Value> {
        members.iter().map(|(name, kind)| ((*name).to_owned(), schema_of(name, *kind))).collect()
    };
    let not_blank = json!({ "type": ["string", "integer"], "pattern": "\\S" });
    json!({
        "$schema": words::DIALECT,
        "title": "The value of a record",
        "description": "A plain JSON object, or a CloudEvent 1.0 in its structured form, which says so with `specversion`. \
            Members that are not listed are fields of the event, as those in `data` are. `null` is absent.",
        "type": "object",
        "required": ["type"],
        "properties": all(MEMBERS),
        "if": { "required": ["specversion"] },
        "then": {
            "required": ["specversion", "id", "source"],
            "properties": all(CLOUD_EVENT),
            "allOf": [{ "properties": { "id": not_blank, "source": not_blank } }],
        },
    })
}

fn schema_of(name: &str, kind: Kind) -> Value {
    let text = |description: &str| json!({ "type": ["string", "null"], "description": description });
    let mut schema = match kind {
        Kind::Name if name == "type" => json!({
            "type": "string",
            "description": "Its type, such as order.created; a prefix of the company and a `.v1` behind it are stripped.",
            "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$",
            "maxLength": LONGEST_NAME,
        }),
        Kind::Name => json!({
            "type": ["string", "integer", "null"],
            "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
            "maxLength": LONGEST_NAME,
            "minimum": 0,
            "maximum": u64::MAX,
        }),
        Kind::Text => text("A text of the producer's own, shown as it is."),
        Kind::Audience => words::or_null(words::audience()),
        Kind::Number => words::or_null(words::number()),
        Kind::Link => words::or_null(words::link()),
        Kind::Date => words::or_null(words::date()),
        Kind::Severity if name == "severitytext" => {
            json!({ "enum": ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", null] })
        }
        Kind::Severity => json!({ "enum": ["info", "notice", "warning", "error", "critical", null] }),
        Kind::SeverityNumber => json!({ "type": ["integer", "null"], "minimum": 1, "maximum": 24 }),
        Kind::Object => json!({ "type": ["object", "null"], "description": "The event's own fields." }),
        Kind::Version => json!({ "const": "1.0" }),
        Kind::Json => json!({ "type": ["string", "null"], "pattern": "^[^;]*[/+]json *(;.*)?$" }),
        Kind::Absent => return json!(false),
    };
    if let Some(said) = description(name) {
        schema["description"] = said.into();
    }
    schema
}

/// What a member is for, where its name alone does not say it.
fn description(name: &str) -> Option<&'static str> {
    Some(match name {
        "id" => "Of this very event: `source` and `id` again are a repeat, and shown once.",
        "source" => "Whose ids these are, such as /shop/orders.",
        "audience" => "Whom it is for, where the rule of its type shall not decide.",
        "mallNo" | "mallno" => "The mall it is about.",
        "partnerNo" | "partnerno" => "The partner it is about.",
        "time" | "occurredAt" => "When it happened. The order is Kafka's.",
        "expirytime" | "expiresAt" => "When it is of no use any more.",
        "correlationId" | "correlationid" => "Handed on to pages as it is.",
        "link" => "Where a click leads.",
        _ => return None,
    })
}
