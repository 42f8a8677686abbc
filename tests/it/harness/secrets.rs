//! What must never be shown: everything secret that a test uses is noted here, and searched for in what servers say.
//!
//! Searched are the log, the screen and the metrics of each server when it ends, and each refusal that a test reads.

use std::{
    collections::BTreeSet,
    sync::{LazyLock, Mutex},
};

use serde_json::Value;

/// Shorter ones (`other=1` in a cookie) are everyday words.
const SHORTEST: usize = 6;
/// The beginning of a ticket is its salt, which is like no other; a log might cut the rest.
const OF_A_TICKET: usize = 24;

#[derive(Default)]
struct Secrets {
    /// Tokens: tens of thousands after a flood, so they are looked up by whole word.
    words: BTreeSet<String>,
    /// Names, numbers, tickets, keys: wherever they stand.
    pieces: BTreeSet<String>,
}

static SECRETS: LazyLock<Mutex<Secrets>> = LazyLock::new(|| {
    let mut secrets = Secrets::default();
    for person in allim::demo::accounts::cast().as_array().expect("the demo has a cast") {
        secrets.words.extend(person["token"].as_str().map(str::to_owned));
        secrets.pieces.extend(person["name"].as_str().map(str::to_owned));
    }
    for example in &CATALOGUE.examples {
        collect_personal(example, &mut secrets.pieces);
    }
    Mutex::new(secrets)
});

/// Which fields hold something of a person, as the catalogue says, and its examples.
struct Personal {
    fields: BTreeSet<String>,
    examples: Vec<Value>,
}

static CATALOGUE: LazyLock<Personal> = LazyLock::new(|| {
    let file: toml::Table = include_str!("../../../src/notification/catalogue.toml").parse().expect("TOML");
    let (mut fields, mut examples) = (BTreeSet::new(), Vec::new());
    for (_, entry) in file["types"].as_table().expect("types") {
        collect_fields(entry, &mut fields);
        examples.extend(entry.get("example").and_then(|text| serde_json::from_str(text.as_str()?).ok()));
    }
    assert!(fields.contains("ordererName") && fields.contains("mobile") && examples.len() > 10, "{fields:?}");
    Personal { fields, examples }
});

/// The fields below every `personal`; free text (`hidden`) is too ordinary to be searched for.
fn collect_fields(value: &toml::Value, fields: &mut BTreeSet<String>) {
    let Some(table) = value.as_table() else { return };
    for (key, value) in table {
        match value.as_table() {
            Some(classes) if key == "personal" => {
                let masked = classes.iter().filter(|(_, mask)| mask.as_str() != Some("hidden"));
                fields.extend(masked.filter_map(|(path, _)| path.rsplit('.').next()).map(str::to_owned));
            }
            _ => collect_fields(value, fields),
        }
    }
}

fn collect_personal(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect_personal(value, into)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(text) if CATALOGUE.fields.contains(name) && text.len() >= SHORTEST => {
                        into.insert(text.to_owned());
                    }
                    _ => collect_personal(value, into),
                }
            }
        }
        _ => {}
    }
}

fn note(change: impl FnOnce(&mut Secrets)) {
    change(&mut SECRETS.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
}

/// A token, or whatever somebody proves itself with.
pub fn token(text: &str) {
    let text = text.trim_matches(between_words);
    if text.len() < SHORTEST {
        return;
    }
    note(|secrets| {
        let kind = if text.contains(between_words) { &mut secrets.pieces } else { &mut secrets.words };
        kind.insert(text.to_owned());
    });
}

pub fn ticket(text: &str) {
    if text.len() >= OF_A_TICKET && text.is_ascii() {
        note(|secrets| _ = secrets.pieces.insert(text[..OF_A_TICKET].to_owned()));
    }
}

/// A key, a password, a name: text that may stand nowhere.
pub fn text(text: &str) {
    if text.len() >= SHORTEST {
        note(|secrets| _ = secrets.pieces.insert(text.to_owned()));
    }
}

/// What of an event belongs to persons.
pub fn event(value: &[u8]) {
    if let Ok(event) = serde_json::from_slice(value) {
        note(|secrets| collect_personal(&event, &mut secrets.pieces));
    }
}

/// What a request proves itself with, in whichever way.
pub fn request(head: &str) {
    let mut lines = head.lines();
    let url = lines.next().unwrap_or_default();
    for (key, value) in url.split(['?', '&', ' ']).filter_map(|part| part.split_once('=')) {
        match key {
            "token" | "access_token" => token(value),
            "ticket" => ticket(value),
            _ => {}
        }
    }
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("authorization") {
            token(value.trim().split_once(' ').map_or(value, |(_, credential)| credential));
        } else if name.eq_ignore_ascii_case("cookie") {
            value.split(';').filter_map(|pair| pair.split_once('=')).for_each(|(_, value)| token(value));
        }
    }
}

fn between_words(letter: char) -> bool {
    !letter.is_ascii_alphanumeric() && !['-', '_', '.'].contains(&letter)
}

/// The first line that holds a secret.
pub fn found_in(text: &str) -> Option<String> {
    let secrets = SECRETS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let is_one = |word: &str| secrets.words.contains(word) || secrets.words.contains(word.trim_matches('.'));
    let holds = |line: &&str| {
        line.split(between_words).any(is_one) || secrets.pieces.iter().any(|piece| line.contains(piece.as_str()))
    };
    text.lines().find(holds).map(str::to_owned)
}

/// Fails where a secret is shown, with all the places, unless the test is failing already.
pub fn none_in(texts: &[(&str, &str)]) {
    let shown = |(place, text): &(&str, &str)| found_in(text).map(|line| format!("{place} shows a secret: {line}"));
    let shown: Vec<String> = texts.iter().filter_map(shown).collect();
    assert!(shown.is_empty() || std::thread::panicking(), "{}", shown.join("\n"));
}
