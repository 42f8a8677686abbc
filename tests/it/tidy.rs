//! Rules about the text of the code: who may import whom, where outside crates live, and what must be written down.
//!
//! Each rule is a function from sources to breaches, and has a test that it catches a planted one.

use std::{fs, path::Path};

use allim::{config::table, telemetry::Metrics};

/// Every folder below `src` and what of ours it may name. Nouns never import verbs; a station knows the one before
/// it, never the one after.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("notification", &[]),
    ("shutdown", &[]),
    ("telemetry", &["notification"]),
    ("brokers", &[]),
    ("identity", &["notification", "telemetry"]),
    ("ingest", &["notification", "brokers", "identity", "telemetry", "shutdown"]),
    // `ingest` for its decoder: what would become of a record is what becomes of it.
    ("publish", &["notification", "brokers", "ingest", "telemetry"]),
    ("hub", &["notification", "ingest", "telemetry", "shutdown"]),
    // `publish` for dead letters, which go back into Kafka, and to a topic of their own.
    ("timeline", &["notification", "ingest", "publish", "telemetry"]),
    ("deliver", &["notification", "hub", "timeline", "telemetry", "shutdown"]),
    // `ingest` for its decoder: what the door of publishing accepts is what every reader understands.
    ("http", &["notification", "identity", "ingest", "deliver", "hub", "timeline", "telemetry", "publish", "shutdown"]),
    ("demo", &["notification", "identity", "telemetry", "publish", "http"]),
    // The `Settings` of every station, and what the command line of one may say.
    (
        "config",
        &[
            "notification",
            "brokers",
            "ingest",
            "hub",
            "deliver",
            "identity",
            "http",
            "publish",
            "telemetry",
            "timeline",
        ],
    ),
    ("main", &["app", "config", "ingest", "publish", "demo", "shutdown", "telemetry", "timeline"]),
];

/// These name everybody: the one that joins, and the map.
const KNOW_ALL: [&str; 2] = ["app", "lib"];

/// An outside crate (or a part of std), and the only places that may name it.
const HOMES: &[(&str, &[&str])] = &[
    ("rdkafka", &["ingest/", "publish/", "brokers/"]),
    ("axum", &["http/", "demo/accounts.rs"]),
    ("moka", &["identity/cache.rs"]),
    ("rusqlite", &["timeline/sqlite/"]),
    // Ours in the first; the others name it as what rustls is to work with.
    ("ring", &["identity/tickets.rs", "identity/account_service.rs", "publish/tail.rs", "brokers/certificate.rs"]),
    ("reqwest", &["identity/account_service.rs", "publish/tail.rs"]),
    ("tokio_tungstenite", &["http/socket.rs", "http/upgrade.rs"]),
    ("kafka_protocol", &["demo/"]),
    // What answers look like stands beside what they are made of.
    ("utoipa", &["http/", "notification/event.rs", "notification/render.rs", "telemetry/readiness.rs"]),
    ("utoipa_axum", &["http/"]),
    ("prometheus_client", &["telemetry/metrics.rs"]),
    (
        "clap",
        &["config/", "publish/command.rs", "publish/tail.rs", "timeline/command.rs", "timeline/redrive.rs", "main.rs"],
    ),
    ("env", &["config/"]),
];

const LONGEST_FILE: usize = 400;
const LONGEST_FUNCTION: usize = 70;
/// File, function (empty: the file itself), why.
const LONGER: &[(&str, &str, &str)] = &[("telemetry/metrics.rs", "new", "a list: one metric after the other")];

/// What is never committed; written in two parts, so that this file does not hold them.
const UNDONE: [(&str, &str); 5] =
    [("todo", "!("), ("unimplemented", "!("), ("dbg", "!("), ("#[igno", "re"), ("unbounded_chan", "nel")];

/// A file below `src`, `tests` or `fuzz`.
struct Source {
    /// Below `src`, such as `hub/mod.rs`; or from `tests` or `fuzz` on.
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    /// `hub` for `hub/mod.rs`, `app` for `app.rs`.
    fn station(&self) -> &str {
        self.path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// The lines before the tests at the end.
    fn production(&self) -> Vec<&str> {
        let lines: Vec<&str> = self.text.lines().collect();
        let begins_tests =
            |n: usize| lines[n] == "#[cfg(test)]" && lines.get(n + 1).is_some_and(|line| line.contains("mod "));
        let end = (0..lines.len()).find(|&n| begins_tests(n)).unwrap_or(lines.len());
        lines[..end].to_vec()
    }

    /// The same without comments, as one text.
    fn code(&self) -> String {
        let code = |line: &&str| match line.find("//") {
            // Not the slashes of an address in a text.
            Some(at) if !line[..at].ends_with(':') => line[..at].to_owned(),
            _ => (*line).to_owned(),
        };
        self.production().iter().map(code).collect::<Vec<_>>().join("\n")
    }
}

fn read_folder(root: &Path, below: &str, sources: &mut Vec<Source>) {
    let mut entries: Vec<_> = fs::read_dir(root.join(below)).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let relative = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            read_folder(root, &relative, sources);
        } else if relative.ends_with(".rs") {
            sources.push(Source { text: fs::read_to_string(&path).unwrap(), path: relative });
        }
    }
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    read_folder(&package().join("src"), "", &mut sources);
    assert!(sources.len() > 20, "the rules look at nothing");
    sources
}

fn tests() -> Vec<Source> {
    let mut sources = Vec::new();
    read_folder(package(), "tests", &mut sources);
    read_folder(package(), "fuzz", &mut sources);
    sources
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn leading_name(text: &str) -> &str {
    text.find(|letter| !is_name(letter)).map_or(text, |end| &text[..end])
}

/// What stands behind each `word` that is a whole one.
fn behind<'t>(text: &'t str, word: &str) -> Vec<&'t str> {
    let whole = |at: &usize| !text[..*at].ends_with(is_name);
    text.match_indices(word).map(|(at, _)| at).filter(whole).map(|at| &text[at + word.len()..]).collect()
}

/// The names in `{a, b::{c, d}, e}`, of each the first.
fn first_names(group: &str) -> Vec<&str> {
    let (mut names, mut depth, mut begins) = (Vec::new(), 0, true);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => begins = true,
            letter if begins && depth == 1 && is_name(letter) => {
                names.push(leading_name(&group[at..]));
                begins = false;
            }
            _ => {}
        }
    }
    names
}

fn wrong_imports(sources: &[Source]) -> Vec<String> {
    let mut breaches = Vec::new();
    for source in sources.iter().filter(|source| !KNOW_ALL.contains(&source.station())) {
        let station = source.station();
        let Some((_, may)) = MAY_IMPORT.iter().find(|(name, _)| *name == station) else {
            breaches.push(format!("src/{}: `{station}` has no row in the table of imports", source.path));
            continue;
        };
        let code = source.code();
        for rest in ["crate::", "allim::"].iter().flat_map(|root| behind(&code, root)) {
            let names = if rest.starts_with('{') { first_names(rest) } else { vec![leading_name(rest)] };
            for name in names.into_iter().filter(|name| *name != station && !may.contains(name)) {
                breaches.push(format!("src/{}: `{station}` may not import `{name}`", source.path));
            }
        }
        // `super` must not leave the station unseen.
        let depth = source.path.trim_end_matches("/mod.rs").split('/').count();
        if !behind(&code, &"super::".repeat(depth)).is_empty() {
            breaches.push(format!("src/{}: leaves `{station}` by `super`; write `crate::`", source.path));
        }
    }
    breaches
}

fn away_from_home(sources: &[Source]) -> Vec<String> {
    let mut breaches = Vec::new();
    for source in sources {
        let code = source.code();
        for (name, homes) in HOMES {
            let at_home = homes.iter().any(|home| source.path.starts_with(home));
            let named = !behind(&code, &format!("{name}::")).is_empty()
                || behind(&code, &format!("use {name}")).iter().any(|rest| rest.starts_with([';', ' ']));
            if named && !at_home {
                breaches.push(format!("src/{}: `{name}` lives in {}", source.path, homes.join(", ")));
            }
        }
    }
    breaches
}

fn without_a_sentence(sources: &[Source]) -> Vec<String> {
    let has_one = |source: &Source| {
        let first = source.text.lines().next().unwrap_or_default();
        first.strip_prefix("//! ").is_some_and(|sentence| sentence.split(' ').count() >= 4)
    };
    let breach = |source: &Source| format!("{}: begins with no `//! ` and a sentence", source.path);
    sources.iter().filter(|source| !has_one(source)).map(breach).collect()
}

fn too_long(sources: &[Source], longer: &[(&str, &str, &str)]) -> Vec<String> {
    let mut breaches = Vec::new();
    let excepted = |path: &str, function: &str| longer.iter().any(|(p, f, _)| (*p, *f) == (path, function));
    for source in sources {
        let lines = source.production();
        if lines.len() > LONGEST_FILE && !excepted(&source.path, "") {
            breaches.push(format!("src/{}: {} lines, more than {LONGEST_FILE}", source.path, lines.len()));
        }
        for (name, length) in functions(&lines) {
            if length > LONGEST_FUNCTION && !excepted(&source.path, name) {
                breaches
                    .push(format!("src/{}: `{name}` has {length} lines, more than {LONGEST_FUNCTION}", source.path));
            }
        }
    }
    breaches
}

/// Names and lengths, first and last line included; the text is as rustfmt leaves it.
fn functions<'t>(lines: &[&'t str]) -> Vec<(&'t str, usize)> {
    let mut found = Vec::new();
    for (begin, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let Some(at) = code.find("fn ") else { continue };
        let modifiers = code[..at].split_whitespace();
        let only_modifiers = modifiers.into_iter().all(|word| {
            word.starts_with("pub") || word.ends_with(')') || ["const", "async", "unsafe", "extern"].contains(&word)
        });
        if !only_modifiers {
            continue;
        }
        let closing = format!("{}}}", &line[..indent]);
        let ends =
            |line: &&str| **line == closing || line.len() - line.trim_start().len() == indent && line.ends_with(';');
        let length = match code.ends_with('}') {
            true => Some(0),
            false => lines[begin..].iter().position(ends),
        };
        found.extend(length.map(|length| (leading_name(&code[at + 3..]), length + 1)));
    }
    found
}

fn undone(sources: &[Source]) -> Vec<String> {
    let mut breaches = Vec::new();
    for source in sources {
        for (n, line) in source.text.lines().enumerate() {
            for (one, other) in UNDONE {
                let word = format!("{one}{other}");
                if line.contains(&word) {
                    breaches.push(format!("{}:{}: `{word}`", source.path, n + 1));
                }
            }
        }
    }
    breaches
}

/// Our variables that a page names and that there are not.
pub fn unknown_variables(page: &str, text: &str) -> Vec<String> {
    let known = |name: &str| {
        table::SETTINGS.iter().any(|setting| {
            let variable = setting.variable();
            name == variable || setting.may_be_in_a_file() && name == format!("{variable}_FILE")
        })
    };
    let names = behind(text, "ALLIM_").into_iter().map(|rest| format!("ALLIM_{}", leading_name(rest)));
    let wrong = names.filter(|name| name.len() > "ALLIM_".len() && !known(name));
    wrong.map(|name| format!("{page}: there is no variable {name}")).collect()
}

fn metrics_page() -> String {
    let mut page = String::from(
        "# Metrics\n\nAt `/metrics` of the management port. No label holds an operator, a mall or a token.\n\n\
         This page is made from `src/telemetry/metrics.rs`; a test sees to it.\n\n\
         | metric | kind | label | what it says |\n|---|---|---|---|\n",
    );
    for metric in Metrics::new().described() {
        let label = metric.label.map(|label| format!("`{label}`")).unwrap_or_default();
        page.push_str(&format!("| `{}` | {} | {label} | {} |\n", metric.name, metric.kind, metric.sentence));
    }
    page
}

/// Whether what is made of the code is to be written into `docs/`.
#[expect(clippy::disallowed_methods, reason = "it is said by whoever runs the tests")]
pub fn bless() -> bool {
    std::env::var("BLESS").is_ok()
}

/// Compares a page with what it is made of; `BLESS=1` writes it.
pub fn is_up_to_date(page: &str, made: &str) {
    let file = package().join(page);
    if bless() {
        fs::write(&file, made).unwrap();
    }
    let there = fs::read_to_string(&file).unwrap_or_default();
    assert!(there == made, "{page} is stale: run the tests once with BLESS=1");
}

fn none(breaches: Vec<String>) {
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn imports_follow_the_table() {
    none(wrong_imports(&sources()));
    let planted = |path: &str, text: &str| wrong_imports(&[Source::new(path, text)]).len();
    assert_eq!(planted("hub/mod.rs", "use crate::deliver::Outlet;"), 1);
    assert_eq!(
        planted("hub/mod.rs", "use crate::{\n    ingest::Record,\n    http::{self, Door},\n    identity,\n};"),
        2
    );
    assert_eq!(planted("hub/mod.rs", "use crate::{hub::Shard, ingest::{hub, http}};"), 0);
    assert_eq!(planted("notification/ids.rs", "fn f() { crate::telemetry::metrics(); }"), 1);
    assert_eq!(planted("main.rs", "use allim::{app, hub};"), 1);
    assert_eq!(planted("weather/mod.rs", ""), 1, "a new folder wants a row");
    assert_eq!(planted("hub/mod.rs", "use super::deliver;"), 1);
    assert_eq!(planted("hub/shard.rs", "use super::super::deliver;"), 1);
    assert_eq!(planted("hub/shard.rs", "use super::Settings; // not crate::deliver"), 0);
    assert_eq!(planted("app.rs", "use crate::{hub, deliver};"), 0);
    assert_eq!(planted("ingest/mod.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::hub;\n}"), 0);
}

#[test]
fn outside_crates_stay_at_home() {
    none(away_from_home(&sources()));
    let planted = |path: &str, text: &str| away_from_home(&[Source::new(path, text)]).len();
    assert_eq!(planted("hub/mod.rs", "use rdkafka::Message;"), 1);
    assert_eq!(planted("publish/producer.rs", "use rdkafka::Message;"), 0);
    assert_eq!(planted("deliver/mod.rs", "use axum;"), 1);
    assert_eq!(planted("deliver/sse.rs", "fn f() -> axum::Response {}"), 1);
    assert_eq!(planted("http/mod.rs", "let home = std::env::var(\"HOME\");"), 1);
    assert_eq!(planted("http/mod.rs", "use std::{\n    env,\n};\nlet home = env::var(\"HOME\");"), 1);
    assert_eq!(planted("http/mod.rs", "const V: &str = env!(\"CARGO_PKG_VERSION\");"), 0);
}

#[test]
fn every_file_begins_with_its_sentence() {
    none(without_a_sentence(&sources()));
    none(without_a_sentence(&tests()));
    assert_eq!(without_a_sentence(&[Source::new("a.rs", "use std::fmt;")]).len(), 1);
    assert_eq!(without_a_sentence(&[Source::new("a.rs", "//! Things.\n")]).len(), 1);
}

#[test]
fn files_and_functions_are_short() {
    none(too_long(&sources(), LONGER));
    let long_file = Source::new("hub/mod.rs", &"\n".repeat(LONGEST_FILE + 1));
    assert_eq!(too_long(&[long_file], &[]).len(), 1);
    let body = "        x();\n".repeat(LONGEST_FUNCTION - 1);
    let method = format!("impl A {{\n    pub(crate) async fn long(\n        a: u8,\n    ) {{\n{body}    }}\n}}\n");
    let source = || [Source::new("hub/mod.rs", &method)];
    assert_eq!(
        too_long(&source(), &[]),
        [format!("src/hub/mod.rs: `long` has {} lines, more than {LONGEST_FUNCTION}", LONGEST_FUNCTION + 3)]
    );
    assert_eq!(too_long(&source(), &[("hub/mod.rs", "long", "because")]).len(), 0);
    let empty = format!("fn a() {{}}\n{}fn b() {{\n}}\n", "\n".repeat(LONGEST_FUNCTION));
    assert_eq!(too_long(&[Source::new("hub/mod.rs", &empty)], &[]).len(), 0);
    let in_tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(LONGEST_FILE));
    assert_eq!(too_long(&[Source::new("hub/mod.rs", &in_tests)], &[]).len(), 0);
}

#[test]
fn exceptions_have_a_reason_and_a_need() {
    let sources = sources();
    let all = too_long(&sources, &[]);
    for (path, function, reason) in LONGER {
        assert!(reason.split(' ').count() >= 3, "{path} {function}: no reason");
        let needed = all.iter().any(|breach| breach.contains(path) && breach.contains(function));
        assert!(needed, "{path} {function} is short enough by now");
    }
}

#[test]
fn nothing_is_left_undone() {
    none(undone(&sources()));
    none(undone(&tests()));
    for (one, other) in UNDONE {
        assert_eq!(undone(&[Source::new("a.rs", &format!("fn f() {{ {one}{other}) }}"))]).len(), 1);
    }
}

#[test]
fn every_setting_is_on_its_page_and_no_page_names_another() {
    is_up_to_date("docs/settings.md", &table::page());
    for page in [
        "README.md",
        "ARCHITECTURE.md",
        "kafka/README.md",
        "kafka/README.ko.md",
        "docs/dead-letters.md",
        "docs/kafka-tls.md",
        "docker-compose.yml",
        "Dockerfile",
    ] {
        let text = fs::read_to_string(package().join(page)).unwrap_or_default();
        none(unknown_variables(page, &text));
    }
    assert_eq!(unknown_variables("a", "ALLIM_LISTEN ALLIM_CLUSTER_KEY_FILE ALLIM_* `ALLIM_LOG`").len(), 0);
    assert_eq!(
        unknown_variables("a", "ALLIM_LISTEN_FILE=1 and ALLIM_PORT"),
        ["a: there is no variable ALLIM_LISTEN_FILE", "a: there is no variable ALLIM_PORT"]
    );
}

#[test]
fn settings_have_one_name_each_and_a_sentence() {
    let mut names: Vec<String> = table::SETTINGS.iter().map(table::Setting::variable).collect();
    for setting in table::SETTINGS {
        assert!(setting.sentence.ends_with('.') && setting.sentence.contains(' '), "{}", setting.key);
    }
    names.sort();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "two keys make the same variable");
}

#[test]
fn every_metric_is_on_its_page() {
    is_up_to_date("docs/metrics.md", &metrics_page());
    for metric in Metrics::new().described() {
        assert!(metric.name.starts_with("allim_") && metric.sentence.ends_with('.'), "{}", metric.name);
        let label = metric.label.unwrap_or_default();
        assert!(!["operator", "mall", "token", "admin", "partner"].contains(&label), "{}", metric.name);
    }
}
