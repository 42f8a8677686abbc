//! The image by the letter of its Dockerfile: settings, user, health, and that nothing is copied that is not there.

use allim::config::{Accounts, Broker, cli};
use clap::Parser;
use tempfile::TempDir;

use super::{environment, of_the_image, package, read, settings, stages};

/// What .dockerignore lets through: it begins by leaving out everything.
fn let_through() -> Vec<String> {
    let text = read(".dockerignore");
    let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(lines.next(), Some("*"), "what is new in the folder must not reach an image by itself");
    lines.map(|line| line.strip_prefix('!').unwrap_or_else(|| panic!("{line}")).to_owned()).collect()
}

#[test]
fn what_is_copied_is_there_and_let_through_and_nothing_else_is() {
    let let_through = let_through();
    let mut copied = Vec::new();
    for copy in stages().into_iter().flatten().filter(|one| one.name == "COPY" && !one.rest.starts_with("--from=")) {
        let mut paths: Vec<&str> = copy.rest.split(' ').collect();
        paths.pop();
        copied.extend(paths.into_iter().map(str::to_owned));
    }
    assert!(copied.len() >= 5, "{copied:?}");
    for path in &copied {
        assert!(package().join(path).exists(), "COPY {path}: it is not there");
        assert!(let_through.contains(path), "COPY {path}: .dockerignore leaves it out");
    }
    for path in &let_through {
        assert!(copied.contains(path), ".dockerignore lets {path} through, which nobody copies");
    }
}

#[test]
fn nothing_starts_for_everybody_unless_that_is_wanted_by_name() {
    let folder = TempDir::new().unwrap();
    let mut environment = environment();
    let alone = settings(folder.path(), &environment).unwrap_err().to_string();
    assert!(alone.starts_with("ALLIM_LISTEN: 0.0.0.0:8080 is off loopback") && alone.lines().count() == 1, "{alone}");
    environment.insert("ALLIM_DEMO_OPEN".to_owned(), "on".to_owned());
    let demo = settings(folder.path(), &environment).unwrap();
    assert_eq!((demo.accounts, demo.http.listen), (Accounts::Demo, "0.0.0.0:8080".parse().unwrap()));
    assert!(matches!(demo.broker, Broker::Embedded { .. }));
    assert_eq!(of_the_image("EXPOSE"), demo.http.listen.port().to_string());
    assert_eq!(of_the_image("VOLUME"), demo.data_dir.to_str().unwrap(), "what it keeps outlives a container");
    assert!(demo.http.management_listen.ip().is_loopback());
}

#[test]
fn it_runs_as_nobody_ends_at_sigterm_and_asks_itself_whether_it_is_ready() {
    let user = of_the_image("USER");
    let ids: Vec<u32> = user.split(':').map(|id| id.parse().expect("a number, which Kubernetes can check")).collect();
    assert!(ids.len() == 2 && ids.iter().all(|&id| id > 0), "{user}");
    let makes_the_folder = format!("install -d -o {} -g {} {}", ids[0], ids[1], of_the_image("VOLUME"));
    assert!(of_the_image("RUN").contains(&makes_the_folder), "{makes_the_folder}");
    assert_eq!(of_the_image("STOPSIGNAL"), "SIGTERM");
    // A shell in between would keep signals to itself.
    assert_eq!(of_the_image("ENTRYPOINT"), "[\"allim\"]");
    let health = of_the_image("HEALTHCHECK");
    let (_, command) = health.split_once(" CMD ").unwrap();
    let command: Vec<String> = serde_json::from_str(command).expect("no shell is needed");
    let cli = cli::Cli::try_parse_from(command).unwrap();
    assert!(matches!(cli.command, Some(cli::Command::Health { address: None })));
}

#[test]
fn it_is_built_by_the_compiler_of_the_project_with_what_production_brokers_want() {
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    let stages = stages();
    assert_eq!(stages.len(), 2);
    assert_eq!(stages[0][0].rest, format!("rust:{channel}-slim-bookworm AS build"));
    // Libraries that are found at the start have to be those that it was built with.
    assert_eq!(stages[1][0].rest, "debian:bookworm-slim");
    let builds: Vec<&str> =
        stages[0].iter().map(|one| one.rest.as_str()).filter(|rest| rest.contains("cargo ")).collect();
    assert_eq!(builds.len(), 2, "the dependencies, and then the program");
    for build in builds {
        for word in [" --locked ", " --profile \"$PROFILE\" ", " --features kafka-tls"] {
            assert!(build.contains(word), "{build}: without {word}");
        }
    }
    assert!(stages[0].iter().any(|one| one.name == "ARG" && one.rest == "PROFILE=release"));
}
