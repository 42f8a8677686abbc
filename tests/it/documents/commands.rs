//! Every command of a document is run: by the walk of this chapter, or by somebody who is named here and really does it.

use std::{collections::BTreeSet, fs, process::Command};

use allim::config::cli::Cli;
use clap::{Parser, error::ErrorKind};

use super::{Document, none, ours, package};

/// What becomes of a command.
pub enum Runner {
    /// `walk.rs` runs it, and its output holds this.
    Walk(&'static str),
    /// The same, and it would go on for ever: it is ended when its output holds this.
    Endless(&'static str),
    /// This file runs it, with these words.
    File(&'static str, &'static str),
    /// Nobody can, for this reason.
    Nobody(&'static str),
}

use Runner::{Endless, File, Nobody, Walk};

const FIGURES: &str = "a release build and a quiet machine for minutes; tests/all compiles it";
const SEARCHES: &str = "as long as somebody likes; tests/all runs the same with fewer numbers";

/// In the order in which they are walked.
pub const COMMANDS: &[(&str, Runner)] = &[
    ("cargo run", File("tests/stranger", "first_command")),
    ("tests/all", File(".ci/run", "exec tests/all")),
    ("target/debug/allim publish order.created --mall 1001", Walk("published order.created to partition")),
    (
        "target/debug/allim publish notice.published --to everyone --title \"점검 안내\"",
        Walk("published notice.published to partition"),
    ),
    (
        "echo '{\"type\":\"notice.published\",\"audience\":\"mall:1001\",\"title\":\"안녕하세요\"}' | kcat -P -b 127.0.0.1:9092 \
         -t BACKOFFICE-NOTIFICATIONS -k mall:1001 -X partitioner=murmur2_random",
        Walk(""),
    ),
    (
        "curl -H 'Authorization: Bearer demo-publisher' -H 'Content-Type: application/json' http://localhost:8080/notifications \
         -d '{\"type\":\"notice.published\",\"audience\":\"mall:1001\",\"mallNo\":1001,\"title\":\"점검 안내\",\"id\":\"notice-3301\"}'",
        Walk("\"eventId\":\"notice-3301\""),
    ),
    ("target/debug/allim publish --check kafka/samples/accepted_order.created.json", Walk("would be shown")),
    ("openssl rand -base64 32", Walk("=\n")),
    ("printf %s \"$KEY\" | sha256sum", Walk("  -\n")),
    ("target/debug/allim tail --token demo-70001", Endless("(status)  {\"live\":true}")),
    ("curl -N -H 'Authorization: Bearer demo-70001' http://localhost:8080/notifications", Endless("\"live\":true")),
    // What was published above is kept.
    (
        "curl -H 'Authorization: Bearer demo-70001' 'http://localhost:8080/timeline?limit=20'",
        Walk("\"title\":\"안녕하세요\""),
    ),
    ("allim check-config", Walk("settings are good\n")),
    ("allim health", Walk("{\"ready\":true,\"live\":true}")),
    ("allim publish --check kafka/samples/accepted_order.created.json", Walk("audience  mall:1001, ")),
    ("allim publish legacy.text --to everyone --title hello", Walk("published legacy.text to partition")),
    ("allim publish --raw 70001:me:hello", Walk("published raw text to partition")),
    (
        "curl -H 'Authorization: Bearer demo-publisher' -H 'Content-Type: application/json' \
         'http://localhost:8080/notifications?dryRun=true' -d '{\"type\":\"order.created\",\"mallNo\":1001,\"data\":{\"orderNo\":\"1\"}}'",
        Walk("\"audience\":[\"mall:1001\"]"),
    ),
    ("allim tail --token demo-70001 --last-event-id earliest", Endless("안녕하세요")),
    ("allim dead-letters list", Walk("20 dead letters, 20 never redriven")),
    ("allim dead-letters list --reason no_audience --limit 100", Walk("20  no_audience")),
    ("allim dead-letters show 17", Walk("number    17")),
    ("allim dead-letters redrive 17 18", Walk("redriven 18 to partition")),
    ("sqlite3 data/timeline.sqlite \"VACUUM INTO 'timeline-backup.sqlite'\"", Walk("")),
    ("sqlite3 data/timeline.sqlite \"PRAGMA integrity_check\"", Walk("ok\n")),
    (
        "KAFKA_BOOTSTRAP_SERVERS=kafka-1:9092 kafka/topics",
        File("tests/it/apache/set_up.rs", "Command::new(package().join(\"kafka/topics\"))"),
    ),
    ("cargo test", File("tests/all", "cargo test --locked")),
    ("TRANSPORT=websocket cargo test --test it catching_up::", File("tests/all", "TRANSPORT=websocket cargo test")),
    ("tests/kafka/broker fetch", File("tests/all", "tests/kafka/broker fetch")),
    ("BROKER=apache cargo test --test it broker_trouble::", File("tests/all", "BROKER=apache cargo test")),
    ("BROKER=apache cargo test --test it fault_08", File("tests/all", "BROKER=apache cargo test")),
    ("cargo run --features protocol-echo", File("tests/all", "--features protocol-echo,kafka-tls --test it -- echo::")),
    ("cargo build --release --features kafka-tls", File("Dockerfile", "--features kafka-tls")),
    ("KAFKA_BOOTSTRAP_SERVERS=kafka-1:9092 kafka/topics", File("tests/it/apache/set_up.rs", "kafka/topics")),
    ("cargo bench", Nobody(FIGURES)),
    ("cargo bench --bench latency", Nobody(FIGURES)),
    ("cargo bench --bench refusals", Nobody(FIGURES)),
    ("cargo bench --bench timeline -- 1000000", Nobody(FIGURES)),
    ("PROPTEST_RNG_SEED=7 PROPTEST_CASES=2000 cargo test --test it model::hubs -- --nocapture", Nobody(SEARCHES)),
    ("fuzz/run", File("tests/all", "\nfuzz/run\n")),
    ("fuzz/run long 600", Nobody(SEARCHES)),
    ("fuzz/run long 200", Nobody(SEARCHES)),
    ("fuzz/run record target/fuzz/found/…", Nobody("a finding prints it, and there is none")),
    (
        "cargo fmt --check --manifest-path fuzz/Cargo.toml",
        File("tests/all", "cargo fmt --check --manifest-path fuzz/Cargo.toml"),
    ),
    ("cargo clippy --locked -- -D warnings", File("tests/all", "(cd fuzz && cargo clippy --locked -- -D warnings)")),
    (
        "cargo deny --manifest-path fuzz/Cargo.toml --config deny.toml check licenses bans sources",
        File("tests/all", "--config deny.toml check licenses bans sources"),
    ),
];

/// What a command begins with.
const PROGRAMS: [&str; 16] = [
    "cargo",
    "allim",
    "curl",
    "kcat",
    "openssl",
    "printf",
    "echo",
    "sqlite3",
    "docker",
    "npm",
    "npx",
    "python3",
    "node",
    "kafka/topics",
    "fuzz/run",
    "java",
];

/// A command of a document, on one line and without its comment.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    page: String,
    line: usize,
    command: String,
}

/// The lines of a block of a shell: joined where one goes on on the next, without comments.
fn lines(block: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (n, line) in block.lines().enumerate() {
        let line = without_comment(line);
        let text = line.trim_end_matches('\\').trim();
        if goes_on {
            let last = &mut found.last_mut().unwrap().1;
            last.push(' ');
            last.push_str(text);
        } else if !text.is_empty() {
            found.push((n, text.to_owned()));
        }
        goes_on = !text.is_empty() && (line.trim_end().ends_with(['\\', '|']) || line.trim_end().ends_with("&&"));
    }
    found
}

/// A `#` behind a space begins one, unless it stands in quotes.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, letter) in line.char_indices() {
        match quote {
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            None if letter == '#' && before == ' ' => return &line[..at],
            None => {}
        }
        before = letter;
    }
    line
}

fn is_one(span: &str) -> bool {
    let program = span.split(' ').find(|word| !word.contains('=') || word.starts_with('-')).unwrap_or_default();
    let by_name = PROGRAMS.contains(&program) || program.starts_with("target/debug/");
    // A name alone is a name.
    by_name && span.contains(' ')
}

fn said(pages: &[Document]) -> Vec<Said> {
    let mut all = Vec::new();
    for page in pages {
        let mut add = |line, command| all.push(Said { page: page.path.clone(), line, command });
        for block in page.blocks_of(&["sh"]) {
            lines(&block.text).into_iter().for_each(|(n, command)| add(block.line + 1 + n, command));
        }
        for (n, span) in page.spans().into_iter().filter(|(_, span)| is_one(span)) {
            add(n, span);
        }
    }
    all
}

/// Where prose names one of ours with its arguments, our own reader of arguments has to know them.
fn is_understood(command: &str) -> bool {
    let words: Vec<&str> = command.split(' ').filter(|word| *word != "…").collect();
    match Cli::try_parse_from(words) {
        Ok(_) => true,
        Err(error) => matches!(
            error.kind(),
            ErrorKind::MissingRequiredArgument | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        ),
    }
}

/// No container engine is at hand: what runs within one of our containers is understood at least, and README.md says that
/// nobody has run it.
fn is_for_an_engine(command: &str) -> bool {
    let within = ["docker compose exec allim ", "docker run "].iter().any(|begins| command.starts_with(begins));
    let ours = command.split_once(" allim ").map(|(_, rest)| rest.strip_prefix("allim ").unwrap_or(rest));
    command.starts_with("docker ") && (!within || ours.is_none_or(|ours| is_understood(&format!("allim {ours}"))))
}

fn nobody_runs(said: &[Said]) -> Vec<String> {
    let mut breaches = Vec::new();
    for Said { page, line, command } in said {
        let listed = COMMANDS.iter().any(|(one, _)| one == command);
        let named = command.starts_with("allim ") && is_understood(command);
        if !listed && !named && !is_for_an_engine(command) {
            breaches.push(format!("{page}:{line}: nobody runs `{command}`: give it a row in documents/commands.rs"));
        }
    }
    breaches
}

#[test]
fn every_command_of_a_document_is_run_by_somebody() {
    let said = said(&ours());
    assert!(said.len() > 40, "only {} commands are looked at", said.len());
    none(nobody_runs(&said));
    let written: BTreeSet<&str> = said.iter().map(|said| said.command.as_str()).collect();
    let readme = ours().into_iter().find(|page| page.path == "README.md").expect("it is there");
    let owned = !said.iter().any(|said| said.command.starts_with("docker "))
        || readme.text.contains("No container engine was at hand");
    assert!(owned, "README.md does not say what was not run");
    let stale = COMMANDS.iter().filter(|(command, _)| !written.contains(command));
    none(stale.map(|(command, _)| format!("no document has `{command}` any more")).collect());
}

/// What stands outside of a shell's blocks is no command that nobody looks at.
#[test]
fn no_command_hides_in_other_blocks() {
    let mut breaches = Vec::new();
    for page in ours() {
        for block in page.blocks() {
            let known = ["sh", "text", "toml", "json", "js", "html", "yaml", "nginx", "apache", "haproxy", "sql"];
            if !known.contains(&block.language.as_str()) {
                breaches.push(format!("{}:{}: a block of `{}`: say what it is", page.path, block.line, block.language));
            }
            if block.language == "text" && block.text.lines().any(|line| is_one(line.trim())) {
                breaches.push(format!("{}:{}: a command in a block of text", page.path, block.line));
            }
        }
    }
    none(breaches);
}

#[test]
fn whoever_is_named_really_does_it() {
    let mut breaches = Vec::new();
    for (command, runner) in COMMANDS {
        match runner {
            File(file, words) => {
                let text = fs::read_to_string(package().join(file)).unwrap_or_default();
                if !text.contains(words) {
                    breaches.push(format!("{file} does not run `{command}`: it does not hold {words:?}"));
                }
            }
            Nobody(reason) => assert!(reason.split(' ').count() >= 4, "{command}: no reason"),
            Walk(_) | Endless(_) => {}
        }
    }
    none(breaches);
    // A bench, and the tests that a filter means, are there.
    let manifest = fs::read_to_string(package().join("Cargo.toml")).unwrap();
    for Said { command, .. } in said(&ours()) {
        if let Some((_, rest)) = command.split_once("--bench ") {
            let bench = rest.split(' ').next().unwrap();
            assert!(manifest.contains(&format!("[[bench]]\nname = \"{bench}\"")), "{command}");
        }
        if let Some((_, filter)) = command.split_once("cargo test --test it ") {
            let filter = filter.split(' ').next().unwrap();
            let listed = Command::new(std::env::current_exe().unwrap()).args(["--list", filter]).output().unwrap();
            assert!(String::from_utf8_lossy(&listed.stdout).contains(": test"), "no test for `{command}`");
        }
    }
}

#[test]
fn commands_are_found_and_strangers_are_seen() {
    let block = "a 'b # c' \\\n  d   # e\n# f\ng |\n  h\n\nX=1 cargo i\n";
    let found: Vec<_> = lines(block);
    assert_eq!(found, [(0, "a 'b # c' d".to_owned()), (3, "g | h".to_owned()), (6, "X=1 cargo i".to_owned())]);
    let page = |text: &str| nobody_runs(&said(&[Document::new("a.md", text)])).len();
    assert_eq!(
        page(
            "```sh\nallim check-config   # good\n```\n`allim tail` `cargo` `allim dead-letters show 4` `docker run -p 1:2 allim tail`\n"
        ),
        0
    );
    for stranger in [
        "```sh\nrm -rf /\n```\n",
        "`cargo frobnicate now`",
        "`allim publsh x`",
        "`A=1 cargo no-such`",
        "`allim tail --tokn x`",
    ] {
        assert_eq!(page(stranger), 1, "{stranger}");
    }
}
