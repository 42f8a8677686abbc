//! The strict reader of JSON: what two parsers could understand differently, or a store could not hold, is refused.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Deeper nesting is an attack on somebody's stack, or a mistake.
pub const DEEPEST: usize = 64;

/// Why a value cannot be read. The words name a place or a rule and never repeat the value: it may hold personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unreadable {
    #[error("the value is not UTF-8")]
    NotUtf8,
    #[error("the value begins with a byte order mark; JSON has none (RFC 8259)")]
    ByteOrderMark,
    #[error("a text holds U+0000, which PostgreSQL cannot keep")]
    Nul,
    #[error("nested deeper than {DEEPEST} levels")]
    TooDeep,
    #[error("an object names the same member twice")]
    DuplicateKey,
    #[error("a number is beyond what a 64-bit float can hold")]
    NumberRange,
    #[error("not JSON (line {line}, column {column})")]
    NotJson { line: usize, column: usize },
    #[error("the JSON value is not an object")]
    NotAnObject,
    #[error("`{0}` is not of the kind it has to be")]
    BadMember(&'static str),
}

impl Unreadable {
    /// The stable code, for dead letters and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Unreadable::NotUtf8 => "not_utf8",
            Unreadable::Nul => "nul",
            Unreadable::TooDeep => "too_deep",
            Unreadable::DuplicateKey => "duplicate_key",
            Unreadable::NumberRange => "number_range",
            Unreadable::BadMember(_) => "bad_member",
            Unreadable::ByteOrderMark | Unreadable::NotJson { .. } | Unreadable::NotAnObject => "bad_json",
        }
    }
}

/// Reads the one JSON object that `bytes` are.
pub fn read_object(bytes: &[u8]) -> Result<Map<String, Value>, Unreadable> {
    match read(bytes)? {
        Value::Object(object) => Ok(object),
        _ => Err(Unreadable::NotAnObject),
    }
}

/// Reads any JSON value.
pub fn read(bytes: &[u8]) -> Result<Value, Unreadable> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(Unreadable::ByteOrderMark);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable::NotUtf8)?;
    let refused = Cell::new(None);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let seed = Strict { depth: 0, refused: &refused };
    let read = seed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    read.map_err(|error| refused.get().unwrap_or_else(|| syntax(&error)))
}

fn syntax(error: &serde_json::Error) -> Unreadable {
    // serde_json has no kind of its own for this one; a test holds the words in place.
    if error.to_string().starts_with("number out of range") {
        return Unreadable::NumberRange;
    }
    Unreadable::NotJson { line: error.line(), column: error.column() }
}

/// Builds the value while it looks for what serde_json itself lets pass.
#[derive(Clone, Copy)]
struct Strict<'r> {
    depth: usize,
    /// The rule that was broken; serde's own errors are only words.
    refused: &'r Cell<Option<Unreadable>>,
}

impl Strict<'_> {
    fn refuse<E: serde::de::Error>(&self, reason: Unreadable) -> E {
        self.refused.set(Some(reason));
        E::custom(reason)
    }

    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth == DEEPEST {
            return Err(self.refuse(Unreadable::TooDeep));
        }
        Ok(Strict { depth: self.depth + 1, ..*self })
    }

    fn text<E: serde::de::Error>(&self, text: String) -> Result<String, E> {
        if text.contains('\0') { Err(self.refuse(Unreadable::Nul)) } else { Ok(text) }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, yes: bool) -> Result<Value, E> {
        Ok(Value::Bool(yes))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }
    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }
    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| self.refuse(Unreadable::NumberRange))
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        self.text(text.to_owned()).map(Value::String)
    }
    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Value, E> {
        self.text(text).map(Value::String)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(deeper)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let key = self.text(key)?;
            let value = members.next_value_seed(deeper)?;
            if object.insert(key, value).is_some() {
                return Err(self.refuse(Unreadable::DuplicateKey));
            }
        }
        Ok(Value::Object(object))
    }
}
