//! What a document calls by name is called so: settings, metrics and their labels, lines of the log, states of a page.

use std::{collections::BTreeSet, fs, path::Path};

use allim::{config::table, telemetry::Metrics};

use super::{Document, all, none, package};
use crate::{
    harness::program::{Program, Runner},
    tidy::unknown_variables,
};

/// What stands behind each place of `word`, as far as it is a name.
fn names<'t>(text: &'t str, word: &str) -> Vec<&'t str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let whole = |at: &usize| !text[..*at].ends_with(is_name);
    let ends = |at: usize| text[at..].find(|c| !is_name(c)).map_or(text.len(), |length| at + length);
    text.match_indices(word).map(|(at, _)| at).filter(whole).map(|at| &text[at..ends(at)]).collect()
}

/// Keys of sections, such as `hub.memory_bytes`.
fn unknown_keys(page: &Document) -> Vec<String> {
    let sections: BTreeSet<&str> =
        table::SETTINGS.iter().filter_map(|s| s.key.split_once('.')).map(|(one, _)| one).collect();
    let mut breaches = Vec::new();
    for (n, span) in page.spans() {
        let is_key = |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '.');
        let section = span.split('.').next().unwrap_or_default();
        let file =
            [".rs", ".toml", ".js", ".md", ".sqlite", ".key", ".address", ".txt"].iter().any(|end| span.ends_with(end));
        if span.contains('.') && is_key(&span) && sections.contains(section) && !file && table::find(&span).is_none() {
            breaches.push(format!("{}:{n}: there is no setting {span}", page.path));
        }
    }
    breaches
}

/// A metric that is named, as a scrape shows it: a histogram has three names.
fn unknown_metrics(page: &Document) -> Vec<String> {
    let metrics = Metrics::new();
    let known = |name: &str| {
        metrics.described().iter().any(|metric| {
            let parts = if metric.kind == "histogram" { &["_bucket", "_sum", "_count", ""][..] } else { &[""] };
            parts.iter().any(|part| name == format!("{}{part}", metric.name))
        })
    };
    // The crate, the token's cookie, and the module of a build.
    let other = |name: &str| ["allim_token", "allim_"].contains(&name);
    let wrong = names(&page.text, "allim_").into_iter().filter(|name| !other(name) && !known(name));
    wrong.map(|name| format!("{}: there is no metric {name}", page.path)).collect()
}

/// `allim_x{label="value"}`: the label is the metric's, and the value one that is there from the start, so that an alarm
/// on its first time rings.
fn unknown_labels(page: &Document) -> Vec<String> {
    let metrics = Metrics::new();
    let scrape = metrics.encode();
    let mut breaches = Vec::new();
    for (at, _) in page.text.match_indices("allim_") {
        let Some((name, rest)) = page.text[at..].split_once('{') else { continue };
        let Some((selector, _)) = rest.split_once('}') else { continue };
        let Some((label, value)) = selector.split_once("=\"") else { continue };
        if name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            continue;
        }
        let described = metrics.described().iter().find(|metric| metric.name == name);
        if described.and_then(|metric| metric.label) != Some(label) {
            breaches.push(format!("{}: {name} has no label {label}", page.path));
        } else if !scrape.contains(&format!("{name}{{{label}=\"{value}}} 0\n")) {
            breaches.push(format!("{}: {name}{{{label}=\"{value}}} is not there from the start", page.path));
        }
    }
    breaches
}

#[test]
fn settings_and_metrics_that_a_page_names_exist() {
    let pages = all();
    for page in &pages {
        none(
            [
                unknown_variables(&page.path, &page.text),
                unknown_keys(page),
                unknown_metrics(page),
                unknown_labels(page),
            ]
            .concat(),
        );
    }
    let page = |text: &str| Document::new("a.md", text);
    assert_eq!(unknown_keys(&page("`hub.ring` `hub.rong` `hub.rs` `listen`")).len(), 1);
    assert_eq!(unknown_metrics(&page("allim_streams allim_streams_total allim_delivery_seconds_bucket")).len(), 1);
    let labels =
        "allim_gaps_total{reason=\"store\"} allim_gaps_total{why=\"store\"} allim_gaps_total{reason=\"stroe\"}";
    assert_eq!(unknown_labels(&page(labels)).len(), 2);
}

/// The cells of a table below a heading, row by row, without its head.
pub fn rows(page: &Document, heading: &str) -> Vec<Vec<String>> {
    let below = page.prose().into_iter().skip_while(|(_, line)| *line != heading).skip(1);
    let section = below.take_while(|(_, line)| !line.starts_with('#'));
    let rows = section.filter(|(_, line)| line.starts_with('|')).skip(2);
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> = rows.map(|(_, line)| cells(line)).collect();
    assert!(!rows.is_empty(), "{} has no table below {heading}", page.path);
    rows
}

pub fn page(path: &str) -> Document {
    Document::new(path, &fs::read_to_string(package().join(path)).unwrap())
}

/// What stands in the first pair of backticks.
pub fn code(cell: &str) -> &str {
    cell.split('`').nth(1).unwrap_or_else(|| panic!("no code in {cell}"))
}

#[tokio::test]
async fn every_alarm_is_an_expression_that_prometheus_reads() {
    let alarms: Vec<String> =
        rows(&page("docs/operate.md"), "## Alarms").iter().map(|row| code(&row[0]).to_owned()).collect();
    assert!(alarms.len() >= 20, "{alarms:?}");
    let arguments: Vec<&str> = alarms.iter().map(String::as_str).collect();
    let Some(reader) = Program::start(Runner::Python, "promql.py", "promql-parser", &arguments) else { return };
    let said = reader.ends_well().await;
    assert!(said.contains(&format!("{} expressions read, a wrong one refused", alarms.len())), "{said}");
}

fn source(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source(&path, text);
        } else {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// A line of the log that a page explains is one that the code writes, with this level.
#[test]
fn every_line_of_the_log_is_written_somewhere() {
    let mut code_of_all = String::new();
    source(&package().join("src"), &mut code_of_all);
    // A text that goes on on the next line.
    let flat = code_of_all.replace("\\\n", "").split_whitespace().collect::<Vec<_>>().join(" ");
    let (mut breaches, mut levels) = (Vec::new(), 0);
    for row in rows(&page("docs/operate.md"), "## Lines of the log") {
        // What differs each time is `…`.
        let (level, line) = (row[0].split(' ').next().unwrap(), code(&row[0]).trim_end_matches('…'));
        let Some(at) = flat.find(line) else {
            breaches.push(format!("nobody writes {line:?}"));
            continue;
        };
        let before = &flat[..at];
        let written =
            ["error!(", "warn!(", "info!("].into_iter().filter_map(|one| Some((before.rfind(one)?, one))).max();
        let (begins, macro_name) = written.expect("something is logged before it");
        // Some are made elsewhere, and handed on to the line that is written.
        if !before[begins..].contains([';', '}']) {
            levels += 1;
            let said = macro_name.trim_end_matches("!(").to_uppercase();
            if said != level {
                breaches.push(format!("{line:?} is {said}, not {level}"));
            }
        }
    }
    assert!(levels >= 10, "of {levels} lines the level was looked at");
    none(breaches);
}

/// The states of a line that a page may show are those that the client has.
#[test]
fn the_states_on_the_page_are_those_of_the_client() {
    let client = fs::read_to_string(package().join("static/allim.js")).unwrap();
    let (_, behind) = client.split_once("@typedef {\"connecting\"").expect("its states");
    let (definition, _) = behind.split_once("StateName").expect("their name");
    let states: BTreeSet<&str> =
        std::iter::once("connecting").chain(definition.split('"').skip(1).step_by(2)).collect();
    assert!(states.contains("refused") && states.len() > 10, "{states:?}");
    let page = page("docs/embed.md");
    let shown = rows(&page, "## 6. What to show");
    let shown: BTreeSet<&str> = shown.iter().map(|row| code(&row[0])).collect();
    assert_eq!(shown, states);
}
