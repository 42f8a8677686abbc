//! `kafka/schemas`: made of the catalogue, and never wider than what the server understands.

use std::{collections::BTreeSet, fmt::Write as _, fs};

use allim::{
    ingest::{RawRecord, members, wrong},
    notification::{Catalogue, Coordinates, Epoch, Shape},
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{folder, samples, written};
use crate::{
    harness::program::{Program, Runner},
    tidy::is_up_to_date,
    words::decoder,
};

/// What somebody writes where a number, a text or a list is wanted.
const ODD: [&str; 16] = [
    "null",
    "0",
    "-1",
    "1",
    "1.5",
    "true",
    "\"\"",
    "\" \"",
    "\"x\"",
    "\"7\"",
    "\"07\"",
    "9223372036854775808",
    "[]",
    "[1]",
    "{}",
    "\"2026-02-30 10:00:00\"",
];

fn is_understood(event: &Value) -> bool {
    let (value, headers) = (event.to_string(), Vec::new());
    let coordinates = Coordinates { epoch: Epoch(1), partition: 0, offset: 0 };
    let raw = RawRecord { coordinates, timestamp: Timestamp::now(), key: None, headers, value: Some(value.as_bytes()) };
    decoder().decode(&raw).is_ok()
}

/// Neither does the door of publishing complain, which looks at every member.
fn is_faultless(event: &Value) -> bool {
    let object = event.as_object().unwrap();
    let shape = if object.contains_key("specversion") { Shape::Structured } else { Shape::Plain };
    is_understood(event) && wrong::all(object, shape, &decoder()).is_empty()
}

/// Every path of an object to something that is none, lists included.
fn paths(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| paths(value, &format!("{at}/{name}"), found)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, value)| paths(value, &format!("{at}/{n}"), found))
        }
        _ => found.push(at.to_owned()),
    }
}

/// There `null` is an item, and not an absent one.
fn in_a_list(place: &str) -> bool {
    place.ends_with(|letter: char| letter.is_ascii_digit())
}

#[derive(Default)]
struct Cases(String);

impl Cases {
    fn add(&mut self, schema: &str, value: &Value, understood: bool, exactly: bool, what: &str) {
        let case =
            json!({"schema": schema, "value": value, "understood": understood, "exactly": exactly, "what": what});
        writeln!(self.0, "{case}").unwrap();
    }

    /// Its example, without each field, and with each of the odd values in each place.
    fn of_a_type(&mut self, name: &str, example: &Map<String, Value>) {
        let event = |data: &Value| json!({ "type": name, "data": data });
        let rule = !Catalogue::builtin().entry(name).audience.is_empty();
        let understood = |data: &Value| !rule || is_understood(&event(data));
        let whole = Value::Object(example.clone());
        assert!(understood(&whole), "{name}: its example");
        self.add(name, &whole, true, true, "its example");
        for field in example.keys() {
            let mut without = example.clone();
            without.shift_remove(field);
            let without = Value::Object(without);
            self.add(name, &without, understood(&without), true, &format!("without {field}"));
        }
        let mut places = Vec::new();
        paths(&whole, "", &mut places);
        for (place, odd) in places.iter().flat_map(|place| ODD.map(|odd| (place, odd))) {
            let mut other = whole.clone();
            *other.pointer_mut(place).unwrap() = serde_json::from_str(odd).unwrap();
            // Absent and `null` are one; of other values a schema may want more than the server does.
            self.add(name, &other, understood(&other), odd == "null" && !in_a_list(place), &format!("{place} = {odd}"));
        }
    }
}

#[test]
fn they_are_up_to_date_and_one_for_each_type() {
    let catalogue = Catalogue::builtin();
    let mut wanted: BTreeSet<String> = catalogue.types().iter().map(|name| format!("{name}.json")).collect();
    for name in catalogue.types() {
        is_up_to_date(&format!("kafka/schemas/{name}.json"), &written(&catalogue.schema(&name).unwrap()));
    }
    is_up_to_date("kafka/schemas/envelope.json", &written(&members::schema()));
    wanted.insert("envelope.json".to_owned());
    let there = fs::read_dir(folder("schemas")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), wanted, "a schema without a type, or a type without a schema");
    assert_eq!(catalogue.schema("no.such.type"), None);
}

#[tokio::test]
async fn what_a_schema_allows_the_server_understands() {
    let mut cases = Cases::default();
    let catalogue = Catalogue::builtin();
    for name in catalogue.types() {
        cases.of_a_type(&name, &catalogue.entry(&name).example);
    }
    let of_json = samples::all().into_iter().filter_map(|sample| {
        Some((sample.is_accepted(), serde_json::from_slice::<Value>(&sample.value).ok()?, sample.file))
    });
    // Headers and the letters of a text are not in the value that a schema sees, and prefixes of types are a setting.
    let elsewhere = ["binary", "header", "duplicate_key", "nul", "too_deep", "bad_type"];
    for (accepted, value, file) in of_json.filter(|(.., file)| !elsewhere.iter().any(|word| file.contains(word))) {
        let name = value["type"].as_str().unwrap_or_default();
        // Where a rule decides it is up to the schema of the type.
        match value.get("data").filter(|_| {
            catalogue.knows(name) && value.get("audience").is_none() && (accepted || value.get("specversion").is_none())
        }) {
            Some(data) => cases.add(name, data, accepted, true, &file),
            None if file.contains("no_audience") => {}
            None => cases.add("envelope", &value, accepted, true, &file),
        }
    }
    let plain = json!({"type": "notice.published", "audience": "mall:1001", "title": "x"});
    let cloud_event =
        json!({"specversion": "1.0", "id": "1", "source": "/x", "type": "notice.published", "audience": "mall:1001"});
    let of_cloud_events: &[_] = members::CLOUD_EVENT;
    for (base, names) in [(&plain, &[][..]), (&cloud_event, of_cloud_events)] {
        for (name, odd) in members::MEMBERS.iter().chain(names).flat_map(|(name, _)| ODD.map(|odd| (name, odd))) {
            if odd.contains("02-30") {
                // No schema knows the calendar.
                continue;
            }
            let mut event = base.clone();
            event[name] = serde_json::from_str(odd).unwrap();
            cases.add(
                "envelope",
                &event,
                is_faultless(&event) || *name == "audience" && odd == "null",
                false,
                &format!("{name} = {odd}"),
            );
        }
    }
    let folder_of_cases = tempfile::tempdir().unwrap();
    let file = folder_of_cases.path().join("cases");
    fs::write(&file, &cases.0).unwrap();
    let arguments = [folder("schemas").display().to_string(), file.display().to_string()];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let Some(program) = Program::start(Runner::Node, "contract_schemas.mjs", "ajv", &arguments) else { return };
    let said = program.ends_well().await;
    assert!(said.contains("schemas agree with the server"), "{said}");
}
