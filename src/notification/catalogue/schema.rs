//! What a type's own fields look like, as JSON Schema: made of the catalogue, for whoever publishes.
//!
//! What is wanted is what the rule of the type needs to find its readers; all else may be missing. A field's kind is that of
//! the examples, for the catalogue says who sees a field, and not what it is.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value, json};

use super::{Catalogue, Class, Entry, Lines, Rule, Sheet, index};
use crate::notification::{Lang, dates, fields, mask::Mask, schema as words};

impl Catalogue {
    /// The schema of the fields of an event of this type; None for a type that is not known.
    #[must_use]
    pub fn schema(&self, type_name: &str) -> Option<Value> {
        self.knows(type_name).then(|| OfType { catalogue: self, entry: self.entry(type_name) }.schema(type_name))
    }

    /// The first value that an example of any type has at this path.
    fn shown(&self, path: &str) -> Option<Value> {
        self.types().iter().find_map(|name| fields::get(&self.entry(name).example, path).cloned())
    }

    /// The first line that an example has where these lines may be.
    fn shown_line(&self, lines: &Lines) -> Map<String, Value> {
        let first = |name: &Arc<str>| lines.of(&self.entry(name).example).first().copied().cloned();
        self.types().iter().find_map(first).unwrap_or_default()
    }
}

struct OfType<'c> {
    catalogue: &'c Catalogue,
    entry: &'c Entry,
}

impl OfType<'_> {
    fn schema(&self, type_name: &str) -> Value {
        let entry = self.entry;
        let mut properties = self.properties(&entry.sheet, &entry.example);
        if let Some(lines) = &entry.lines {
            self.add_lines(lines, &mut properties);
        }
        let mut schema = json!({
            "$schema": words::DIALECT,
            "title": type_name,
            "description": self.described(),
            "type": "object",
            "properties": properties,
            "x-allim": self.facts(),
        });
        self.add_needs(&mut schema);
        if !entry.example.is_empty() {
            schema["examples"] = json!([entry.example]);
        }
        schema
    }

    fn described(&self) -> String {
        let mut said =
            self.entry.texts[index(Lang::En)].title.last().map(|title| title.outline(false)).unwrap_or_default();
        said.push_str(if self.entry.audience.is_empty() {
            ". Names its audience itself: the type has no rule. "
        } else {
            ". Names nobody: a rule over these fields decides who sees it. Where the event names an audience of its own, nothing is required. "
        });
        said.push_str("A field that is not listed goes only to operators who may see personal data.");
        said
    }

    /// What the catalogue says of the type besides its fields.
    fn facts(&self) -> Value {
        let entry = self.entry;
        let rule = |rule: &Rule| match rule.when() {
            None => json!(rule.to_string()),
            Some(when) => json!({ "to": rule.to_string(), "when": when }),
        };
        let mut facts = json!({
            "category": entry.category,
            "severity": entry.severity,
            "audience": entry.audience.iter().map(rule).collect::<Vec<_>>(),
            "kept": entry.kept,
            "silent": entry.silent,
            "job": entry.job,
        });
        if let Some(key) = &entry.collapse_key {
            facts["collapseKey"] = key.to_string().into();
        }
        facts
    }

    /// Without these nobody could be found who sees it.
    fn add_needs(&self, schema: &mut Value) {
        let rules = &self.entry.audience;
        let always = rules.iter().filter(|rule| rule.when().is_none());
        always.flat_map(Rule::needs).for_each(|place| want(schema, place));
        let sometimes: Vec<Value> = rules
            .iter()
            .filter_map(|rule| {
                let mut holds = json!({});
                for (field, codes) in rule.when()?.codes() {
                    want(&mut holds, field);
                    holds["properties"][field] = json!({ "enum": codes });
                }
                let mut then = json!({});
                rule.needs().for_each(|place| want(&mut then, place));
                Some(json!({ "if": holds, "then": then }))
            })
            .collect();
        if sometimes.is_empty() {
            return;
        }
        if rules.iter().all(|rule| rule.when().is_some()) {
            // None of them may hold: then there is no rule at all.
            schema["anyOf"] = sometimes.iter().map(|one| one["if"].clone()).collect();
        }
        schema["allOf"] = sometimes.into();
    }

    /// Those of the example first and in its order, then the others by name; what lies within objects inside them.
    fn properties(&self, sheet: &Sheet, example: &Map<String, Value>) -> Map<String, Value> {
        let all: BTreeMap<&str, Class> = sheet.all().collect();
        let first =
            example.keys().map(String::as_str).filter(|name| all.contains_key(name) || sheet.reaches_into(name));
        let mut properties = Map::new();
        for name in first {
            properties.insert(name.to_owned(), Value::Null);
        }
        let shown = Value::Object(example.clone());
        for (path, class) in all {
            let schema = self.property(path, class, example);
            insert(&mut properties, path, schema, Some(&shown));
        }
        properties
    }

    fn property(&self, path: &str, class: Class, example: &Map<String, Value>) -> Value {
        let shown = fields::get(example, path).cloned().or_else(|| self.catalogue.shown(path));
        let mut schema = if self.is_number(path) {
            words::number()
        } else if class == Class::Link {
            words::link()
        } else if shown.as_ref().and_then(Value::as_str).is_some_and(|text| dates::read(text).is_some()) {
            words::date()
        } else {
            shown.as_ref().map(kind).unwrap_or_else(|| json!({}))
        };
        schema["description"] = seen_by(class).into();
        if schema.get("type").is_some() { words::or_null(schema) } else { schema }
    }

    /// Whether something is decided by it as by a number of ours.
    fn is_number(&self, path: &str) -> bool {
        let entry = self.entry;
        let acts = [&entry.actor, &entry.actor_partner].into_iter().flatten().any(|field| field == path);
        acts || ["mallNo", "partnerNo"].contains(&path)
            || entry.audience.iter().flat_map(Rule::places).any(|place| place == path)
    }

    fn add_lines(&self, lines: &Lines, properties: &mut Map<String, Value>) {
        let example = self.catalogue.shown_line(lines);
        let line = json!({ "type": "object", "properties": self.properties(&lines.sheet, &example) });
        for place in &lines.from {
            let top = place.split(['.', '[']).next().unwrap_or_default();
            let schema = if *place == format!("{top}[]") {
                json!({
                    "type": ["array", "object", "null"],
                    "items": line,
                    "description": "Each partner sees its own lines and their sum; a line without `partnerNo` is the operators'.",
                })
            } else {
                json!({ "type": ["array", "object", "null"], "description": format!("Lines may also stand at {place}.") })
            };
            if properties.get(top).is_none_or(Value::is_null) {
                properties.insert(top.to_owned(), schema);
            }
        }
        let total = json!({ "type": ["number", "string", "null"], "description": "The sum: operators see what stands here, a partner the sum of its own lines." });
        properties.insert(lines.total.clone(), total);
    }
}

/// That this number is there, and not `null`, as are the objects around it.
fn want(schema: &mut Value, path: &str) {
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let required = &mut schema["required"];
    match required.as_array_mut() {
        Some(names) if names.iter().any(|known| known == name) => {}
        Some(names) => names.push(name.into()),
        None => *required = json!([name]),
    }
    let wanted = &mut schema["properties"][name];
    if rest.is_empty() {
        wanted["type"] = words::number()["type"].clone();
    } else {
        wanted["type"] = "object".into();
        want(wanted, rest);
    }
}

/// Into the objects that the path leads through, or the lists of such where the example shows one.
fn insert(properties: &mut Map<String, Value>, path: &str, schema: Value, example: Option<&Value>) {
    let Some((name, rest)) = path.split_once('.') else {
        properties.insert(path.to_owned(), schema);
        return;
    };
    let shown = example.and_then(|example| example.get(name));
    let object = json!({ "type": ["object", "null"], "properties": {} });
    let there = properties.entry(name).or_insert(Value::Null);
    let (inside, shown) = match shown {
        Some(Value::Array(items)) => {
            if there.is_null() {
                *there = json!({ "type": ["array", "null"], "items": object });
            }
            (&mut there["items"], items.first())
        }
        shown => {
            if there.is_null() {
                *there = object;
            }
            (there, shown)
        }
    };
    if let Some(inner) = inside["properties"].as_object_mut() {
        insert(inner, rest, schema, shown);
    }
}

fn kind(value: &Value) -> Value {
    match value {
        Value::String(_) => json!({ "type": "string" }),
        Value::Bool(_) => json!({ "type": "boolean" }),
        Value::Number(number) if number.is_f64() => json!({ "type": "number" }),
        Value::Number(_) => json!({ "type": "integer" }),
        Value::Array(items) => match items.first() {
            Some(Value::Object(_)) | None => json!({ "type": "array" }),
            Some(first) => json!({ "type": "array", "items": kind(first) }),
        },
        Value::Object(_) => json!({ "type": "object" }),
        Value::Null => json!({}),
    }
}

fn seen_by(class: Class) -> String {
    let how = match class {
        Class::Plain => return "Seen by everybody who sees the notification.".to_owned(),
        Class::Link => return "Where a click leads.".to_owned(),
        Class::Operators => return "Seen by operators of the mall, by no partner.".to_owned(),
        Class::Owner => return "Seen by operators, and by the partner that `partnerNo` names.".to_owned(),
        Class::Personal(Mask::Hidden) => "left out",
        Class::Personal(Mask::Name) => "masked as a name",
        Class::Personal(Mask::Phone) => "masked as a phone number",
        Class::Personal(Mask::Email) => "masked as an e-mail address",
        Class::Personal(Mask::Address) => "cut to its district",
        Class::Personal(Mask::Account) => "cut to its last digits",
        Class::Personal(Mask::Ip) => "masked as an IP address",
    };
    format!("Personal: without the right to personal data {how}.")
}
