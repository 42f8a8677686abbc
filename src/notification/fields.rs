//! Finding values in an event by path: `requestedBy.adminNo`, `orderProducts[].orderProductOptions[]`.

use serde_json::{Map, Value};

/// The value at a dotted path; `null` is nothing.
#[must_use]
pub fn get<'v>(fields: &'v Map<String, Value>, path: &str) -> Option<&'v Value> {
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    match fields.get(name)? {
        Value::Null => None,
        value if rest.is_empty() => Some(value),
        Value::Object(inner) => get(inner, rest),
        _ => None,
    }
}

/// All objects at a path whose steps may be lists (`name[]`).
#[must_use]
pub fn objects<'v>(fields: &'v Map<String, Value>, path: &str) -> Vec<&'v Map<String, Value>> {
    let mut here = vec![fields];
    for step in path.split('.') {
        let name = step.trim_end_matches("[]");
        here = here.into_iter().filter_map(|object| object.get(name)).flat_map(items).collect();
    }
    here
}

fn items(value: &Value) -> Vec<&Map<String, Value>> {
    match value {
        Value::Object(object) => vec![object],
        Value::Array(array) => array.iter().filter_map(Value::as_object).collect(),
        _ => Vec::new(),
    }
}
