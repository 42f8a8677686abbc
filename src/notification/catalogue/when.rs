//! A condition on an event's own fields: that each of some fields holds one of some codes.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::notification::fields;

/// `{ toTargetType = ["PARTNER"] }`: all fields have to agree.
#[derive(Debug, Clone, Default, serde::Deserialize, serde::Serialize)]
#[serde(transparent)]
pub struct When(BTreeMap<String, Vec<String>>);

impl When {
    #[must_use]
    pub fn holds(&self, event: &Map<String, Value>) -> bool {
        self.0.iter().all(|(field, codes)| {
            let code = fields::get(event, field).and_then(Value::as_str);
            code.is_some_and(|code| codes.iter().any(|known| known == code))
        })
    }

    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Each field, and the codes of which it has to hold one.
    pub fn codes(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(field, codes)| (field.as_str(), codes.as_slice()))
    }

    /// Nothing could ever fulfil it, or everything would.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.is_empty() || self.0.values().any(Vec::is_empty)
    }
}
