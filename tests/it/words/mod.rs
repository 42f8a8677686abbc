//! The words: who sees what, how it reads, and what is refused.

mod audience;
mod catalogue;
mod decode;
mod domain;
mod formats;
mod identity;
mod orders;
mod personal;
mod position;
mod rejected;
mod replacement;
mod settled;
mod texts;

use allim::{
    ingest::{Decoder, RawRecord, Rejected},
    notification::{Catalogue, Coordinates, Epoch, Lang, Notification, PartnerNo, Prepared, Sight},
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// 256 KB, as the settings have it.
const MOST: usize = 256 * 1024;

pub fn decoder() -> Decoder {
    Decoder {
        catalogue: Catalogue::builtin(),
        legacy_text: false,
        type_prefix: "kr.co.shopby.".to_owned(),
        max_record_bytes: MOST,
    }
}

pub fn with_legacy_text() -> Decoder {
    Decoder { legacy_text: true, ..decoder() }
}

fn at() -> Timestamp {
    "2026-11-20T05:05:33.120Z".parse().expect("a date")
}

fn coordinates(offset: u64) -> Coordinates {
    Coordinates { epoch: Epoch(7), partition: 3, offset }
}

/// A record without key and headers.
fn raw(value: &[u8]) -> RawRecord<'_> {
    RawRecord { coordinates: coordinates(41), timestamp: at(), key: None, headers: Vec::new(), value: Some(value) }
}

/// A record with headers.
fn raw_with<'a>(headers: &[(&'a str, &'a str)], value: Option<&'a [u8]>) -> RawRecord<'a> {
    let headers = headers.iter().map(|(name, text)| (*name, Some(text.as_bytes()))).collect();
    RawRecord { coordinates: coordinates(41), timestamp: at(), key: None, headers, value }
}

fn decode(value: &Value) -> Result<Notification, Rejected> {
    decoder().decode(&raw(value.to_string().as_bytes()))
}

/// An event as a plain object that says whom it is for.
fn plain(type_name: &str, audience: &str, data: &Value) -> Notification {
    decode(&json!({"type": type_name, "audience": audience, "data": data})).expect("a notification")
}

fn prepared(notification: &Notification) -> Prepared {
    Prepared::new(notification, &Catalogue::builtin()).expect("readable")
}

fn operator(personal: bool, lang: Lang) -> Sight {
    Sight { partner: None, personal, lang }
}

fn partner(number: u64, personal: bool, lang: Lang) -> Sight {
    Sight { partner: Some(PartnerNo::new(number).expect("a partner")), personal, lang }
}

/// The wire object for a sight, after the reduction that everybody makes first; which must change no byte.
fn wire(notification: &Notification, sight: Sight) -> Value {
    let prepared = prepared(notification);
    let json = prepared.json(prepared.reduce(sight));
    assert_eq!(json, prepared.json(sight), "the reduction of {sight:?} changes what is seen");
    assert!(!json.contains('\n'), "one line");
    serde_json::from_str(&json).expect("JSON")
}

fn example(type_name: &str) -> Value {
    Value::Object(Catalogue::builtin().example(type_name).expect("a known type").clone())
}
