//! What is wrong with a notification that somebody wants to publish: every field at once, each by its JSON pointer.
//!
//! The reader's own decoder has the last word; this says the same earlier and field by field.

use serde_json::{Map, Value, json};

use super::{
    Decoder,
    members::{CLOUD_EVENT, Kind, MEMBERS, judge},
};
use crate::notification::{MallNo, NoAudience, Record, Shape, event::Event};

/// One thing that is wrong. The words never repeat a value: it may be a customer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// RFC 6901; the whole body is the empty text.
    pub pointer: String,
    pub code: &'static str,
    pub detail: String,
}

impl Wrong {
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Wrong {
        Wrong { pointer: pointer.into(), code, detail: detail.into() }
    }

    pub fn json(&self) -> Value {
        json!({ "pointer": self.pointer, "code": self.code, "detail": self.detail })
    }
}

/// Fields of the event that mean the same for every type.
const FIELDS: &[(&str, Kind)] = &[("mallNo", Kind::Number), ("partnerNo", Kind::Number), ("link", Kind::Link)];
/// Of a list of lines each may be wrong. A body of some hundred KB shall be answered neither with megabytes nor late.
const MOST: usize = 100;
const LONGEST_POINTER: usize = 256;

/// Everything that is wrong with it; of very much the first.
pub fn all(object: &Map<String, Value>, shape: Shape, decoder: &Decoder) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let structured = shape == Shape::Structured;
    for (name, kind) in MEMBERS.iter().chain(if structured { CLOUD_EVENT } else { &[] }) {
        look_at(object, "", name, *kind, &mut wrong);
    }
    let required: &[&str] = if structured { &["type", "id", "source", "specversion"] } else { &["type"] };
    for name in required.iter().filter(|name| is_absent(object.get(**name))) {
        wrong.push(Wrong::new(format!("/{name}"), "required", format!("`{name}` is missing")));
    }
    if let Some(Value::Object(data)) = object.get("data") {
        FIELDS.iter().for_each(|(name, kind)| look_at(data, "/data", name, *kind, &mut wrong));
    }
    if let Some(Value::String(name)) = object.get("type").filter(|_| !wrong.iter().any(|one| one.pointer == "/type")) {
        match decoder.short_name(Some(name)) {
            Ok(short) if is_absent_audience(object) => for_nobody(object, shape, &short, decoder, &mut wrong),
            Ok(_) => {}
            Err(rejected) => wrong.push(Wrong::new("/type", rejected.reason.as_str(), rejected.detail)),
        }
    }
    wrong
}

/// An empty audience is malformed; only one that is not there leaves it to the rule.
fn is_absent_audience(object: &Map<String, Value>) -> bool {
    matches!(object.get("audience"), None | Some(Value::Null))
}

fn is_absent(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.trim().is_empty(),
        Some(_) => false,
    }
}

fn look_at(object: &Map<String, Value>, base: &str, name: &str, kind: Kind, wrong: &mut Vec<Wrong>) {
    let Some(value) = object.get(name).filter(|value| !value.is_null()) else { return };
    if let Err((code, detail)) = judge(value, kind) {
        wrong.push(Wrong::new(format!("{base}/{name}"), code, detail));
    }
}

/// Names nobody itself, and the rule of its type cannot tell whom.
fn for_nobody(object: &Map<String, Value>, shape: Shape, short: &str, decoder: &Decoder, wrong: &mut Vec<Wrong>) {
    let record = Record { shape, key: None, headers: Box::default(), value: bytes::Bytes::new() };
    // What cannot be read so has been complained about.
    let Ok(event) = Event::of_object(object.clone(), &record) else { return };
    let mall = match (&event.envelope.mall, event.fields.get("mallNo")) {
        (Some(text), _) => text.parse().ok(),
        (None, Some(value)) => serde_json::from_value(value.clone()).ok(),
        (None, None) => None,
    };
    // A mall that is no number has been complained about; it is not missing besides.
    let bad_mall =
        mall.is_none() && (event.envelope.mall.is_some() || event.fields.get("mallNo").is_some_and(|no| !no.is_null()));
    for complaint in decoder.catalogue.complaints(short, mall, &event.fields) {
        if bad_mall && complaint == NoAudience::Missing("mallNo".to_owned()) {
            continue;
        }
        let detail = complaint.to_string();
        let (pointers, code) = match complaint {
            NoAudience::NoRule => (vec!["/audience".to_owned()], "required"),
            NoAudience::Missing(place) => (vec![pointer(object, shape, &place)], "required"),
            NoAudience::NotANumber(place) => (numbers(object, shape, &place), "bad_number"),
            NoAudience::Malformed(_) => (vec!["/audience".to_owned()], "bad_audience"),
        };
        for pointer in pointers {
            if wrong.iter().any(|one| one.pointer == pointer) {
                continue;
            }
            if wrong.len() >= MOST {
                wrong.push(Wrong::new("", "more", format!("there is more; the first {MOST} are named")));
                return;
            }
            wrong.push(Wrong::new(pointer, code, detail.clone()));
        }
    }
}

/// Where a field of a rule stands, or should.
fn pointer(object: &Map<String, Value>, shape: Shape, place: &str) -> String {
    let first = place.split('.').next().unwrap_or_default();
    let data = object.get("data").and_then(Value::as_object);
    let beside = shape == Shape::Plain
        && (data.is_none_or(|data| !data.contains_key(first) && object.contains_key(first)) || first == "mallNo");
    format!("{}/{}", if beside { "" } else { "/data" }, place.replace('.', "/"))
}

/// Of a field of lines each one that is no number; one more than are named is enough.
fn numbers(object: &Map<String, Value>, shape: Shape, place: &str) -> Vec<String> {
    let Some((_, field)) = place.split_once("[].") else { return vec![pointer(object, shape, place)] };
    let mut found = Vec::new();
    for (name, value) in object {
        walk(value, &mut vec![escaped(name)], field, &mut found);
    }
    found
}

/// `path` is where `value` stands, name by name: it becomes a pointer only where something is wrong.
fn walk(value: &Value, path: &mut Vec<String>, field: &str, found: &mut Vec<String>) {
    if found.len() > MOST {
        return;
    }
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                path.push(escaped(name));
                let bad =
                    *name == field && !value.is_null() && serde_json::from_value::<MallNo>(value.clone()).is_err();
                if bad {
                    let pointer = joined(path);
                    if found.last() != Some(&pointer) {
                        found.push(pointer);
                    }
                } else {
                    walk(value, path, field, found);
                }
                path.pop();
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                path.push(n.to_string());
                walk(item, path, field, found);
                path.pop();
            }
        }
        _ => {}
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The pointer of this place, or of the innermost value around it whose pointer is not too long: names may be as long
/// as a body.
fn joined(path: &[String]) -> String {
    let mut pointer = String::new();
    for name in path {
        if pointer.len() + 1 + name.len() > LONGEST_POINTER {
            break;
        }
        pointer.push('/');
        pointer.push_str(name);
    }
    pointer
}
