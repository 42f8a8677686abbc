//! The words as JSON Schema: what a number, a date, a link and an audience have to look like for whoever writes one.
//!
//! A schema may be narrower than what is read (a number of 19 digits in a text, say), and never wider: what it accepts is
//! understood, and a test holds the two against each other.

use serde_json::{Value, json};

use super::MOST_TERMS;

/// Which JSON Schema is meant: the one that every validator and AsyncAPI know.
pub const DIALECT: &str = "http://json-schema.org/draft-07/schema#";
/// Up to 18 digits, without sign and leading zero: a little less than is read, so that also those who count in floats agree.
const LARGEST: i64 = 999_999_999_999_999_999;
const DIGITS: &str = "[1-9][0-9]{0,17}";

/// The number of a mall, a partner or an admin; producers may write it as a text.
#[must_use]
pub fn number() -> Value {
    json!({
        "type": ["integer", "string"],
        "minimum": 1,
        "maximum": LARGEST,
        "pattern": format!("^{DIGITS}$"),
    })
}

/// With an offset, or without one in Korean time.
#[must_use]
pub fn date() -> Value {
    let pattern =
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})?$";
    json!({ "type": "string", "pattern": pattern })
}

/// An address that a browser may follow.
#[must_use]
pub fn link() -> Value {
    json!({ "type": "string", "pattern": "^(https?://|/(?!/))[^\\s\\\\]*$" })
}

/// Terms of whom it is for, with commas between.
#[must_use]
pub fn audience() -> Value {
    let term =
        format!("(everyone|mall:{DIGITS}(:operators|:partners|:partner:{DIGITS})?|partner:{DIGITS}|operator:{DIGITS})");
    let more = MOST_TERMS - 1;
    json!({ "type": "string", "pattern": format!("^{term}( ?, ?{term}){{0,{more}}}$") })
}

/// `null` is absent.
#[must_use]
pub fn or_null(mut schema: Value) -> Value {
    let types = match schema["type"].take() {
        Value::Array(types) => types,
        one => vec![one],
    };
    schema["type"] = types.into_iter().chain(["null".into()]).collect();
    schema
}
