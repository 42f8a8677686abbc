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
    // Days that there are, so that what it accepts is read.
    let leap = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29";
    let day = "(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31";
    let (minutes, offset) = ("[0-5][0-9]", "[+-](0[0-9]|1[0-9]|2[0-3])");
    let clock = format!("([01][0-9]|2[0-3]):{minutes}:{minutes}([.][0-9]{{1,9}})?");
    let pattern = format!("^({leap}|[0-9]{{4}}-({day}))[Tt ]{clock}([Zz]|{offset}:{minutes})?$");
    json!({ "type": "string", "pattern": pattern })
}

/// An address that a browser may follow.
#[must_use]
pub fn link() -> Value {
    json!({ "type": "string", "pattern": "^(https?://|/(?!/))[^\\s\\\\\\u0000-\\u001f\\u007f-\\u009f]*$" })
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
