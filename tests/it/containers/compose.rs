//! docker-compose.yml: what runs where, in which order, with what health, and that the settings in it are good.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::Path, process::Command};

use allim::{
    config::{Accounts, Broker, cli},
    demo,
};
use clap::Parser;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{compose, environment, package, settings, texts};

const LONG_RUNNING: [&str; 4] = ["accounts", "allim", "kafka", "kafka-ui"];
const ENDS_BY_ITSELF: [&str; 2] = ["keys", "topics"];

fn named<'v>(compose: &'v Value, service: &str) -> &'v Value {
    let found = &compose["services"][service];
    assert!(found.is_object(), "there is no {service}");
    found
}

/// `kafka:29092` and the like of a list such as `INSIDE://kafka:29092,…`.
fn listener<'v>(kafka: &'v Value, setting: &str, name: &str) -> &'v str {
    let all = kafka["environment"][setting].as_str().unwrap();
    all.split(',').find_map(|one| one.strip_prefix(name)?.strip_prefix("://")).unwrap()
}

#[test]
fn the_services_and_their_ports_are_those_of_the_old_system_and_nobody_elsewhere_reaches_them() {
    let Some(compose) = compose() else { return };
    let mut names: Vec<&str> = compose["services"].as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let mut wanted = [LONG_RUNNING.as_slice(), &ENDS_BY_ITSELF].concat();
    wanted.sort_unstable();
    assert_eq!(names, wanted);
    for (service, ports) in [
        ("kafka", json!(["127.0.0.1:9092:9092"])),
        ("kafka-ui", json!(["127.0.0.1:8081:8080"])),
        ("allim", json!(["127.0.0.1:8080:8080", "127.0.0.1:9464:9464"])),
        ("accounts", Value::Null),
        ("keys", Value::Null),
        ("topics", Value::Null),
    ] {
        assert_eq!(named(&compose, service)["ports"], ports, "{service}");
    }
    let kafka = named(&compose, "kafka");
    assert_eq!(listener(kafka, "KAFKA_ADVERTISED_LISTENERS", "OUTSIDE"), "localhost:9092");
    assert_eq!(listener(kafka, "KAFKA_ADVERTISED_LISTENERS", "INSIDE"), "kafka:29092");
    for (service, setting) in [
        ("kafka-ui", "KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS"),
        ("topics", "KAFKA_BOOTSTRAP_SERVERS"),
        ("allim", "ALLIM_KAFKA_BOOTSTRAP_SERVERS"),
    ] {
        assert_eq!(named(&compose, service)["environment"][setting], "kafka:29092", "{service}");
    }
    assert_eq!(named(&compose, "topics")["environment"]["REPLICATION"], 1, "there is one broker");
}

#[test]
fn images_are_pinned_and_kafka_is_the_one_that_the_tests_run_over() {
    let Some(compose) = compose() else { return };
    let version = Command::new(package().join("tests/kafka/broker")).arg("version").output().unwrap().stdout;
    let kafka = format!("apache/kafka:{}", String::from_utf8(version).unwrap().trim());
    for service in ["kafka", "topics", "keys"] {
        assert_eq!(named(&compose, service)["image"], kafka.as_str(), "{service}: so that one image is pulled");
    }
    let (_, tag) = named(&compose, "kafka-ui")["image"].as_str().unwrap().rsplit_once(':').unwrap();
    assert!(tag.starts_with('v') && tag.matches('.').count() == 2, "{tag}");
    let (ours, other) = (named(&compose, "allim"), named(&compose, "accounts"));
    assert_eq!((&ours["image"], ours["build"].as_str()), (&other["image"], Some(".")));
    // Two that build one image at once are in each other's way, and nobody else's of that name is pulled.
    assert_eq!((other["build"].as_str(), other["pull_policy"].as_str()), (None, Some("never")));
}

#[test]
fn whoever_waits_for_another_can_know_when_it_is_there() {
    let Some(compose) = compose() else { return };
    for service in LONG_RUNNING {
        let check = &named(&compose, service)["healthcheck"]["test"];
        assert_eq!(texts(check)[0], "CMD", "{service}: a check without a shell, which an image need not have");
        assert_eq!(named(&compose, service)["restart"], "unless-stopped", "{service}");
    }
    for service in ENDS_BY_ITSELF {
        assert_eq!(named(&compose, service)["restart"], "no", "{service}");
    }
    let mut waits = 0;
    for (service, one) in compose["services"].as_object().unwrap() {
        for (other, how) in one["depends_on"].as_object().into_iter().flatten() {
            let wanted = match ENDS_BY_ITSELF.contains(&other.as_str()) {
                true => "service_completed_successfully",
                false => "service_healthy",
            };
            named(&compose, other);
            assert_eq!(how["condition"], wanted, "{service} waits for {other}");
            waits += 1;
        }
    }
    let waits_for: Vec<&String> = named(&compose, "allim")["depends_on"].as_object().unwrap().keys().collect();
    assert_eq!(waits_for, ["kafka", "topics", "keys", "accounts"]);
    assert_eq!(waits, waits_for.len() + 2, "kafka-ui and topics wait for Kafka");
}

/// The arguments of the program, as a line of the file has them.
fn typed(arguments: &[&str]) -> cli::Command {
    let cli = cli::Cli::try_parse_from([&["allim"], arguments].concat()).unwrap_or_else(|error| panic!("{error}"));
    cli.command.expect("a command")
}

#[test]
fn our_health_checks_ask_where_our_services_listen() {
    let Some(compose) = compose() else { return };
    let check = |service| texts(&named(&compose, service)["healthcheck"]["test"])[2..].to_vec();
    assert!(matches!(typed(&check("allim")), cli::Command::Health { address: None }));
    let cli::Command::DemoAccounts { listen } = typed(&texts(&named(&compose, "accounts")["command"])) else {
        panic!("what accounts runs")
    };
    let cli::Command::Health { address: Some(asked) } = typed(&check("accounts")) else { panic!("its check") };
    assert_eq!(
        asked.parse::<SocketAddr>().map(|asked| (asked.port(), asked.ip().is_loopback())),
        Ok((listen.port(), true))
    );
    assert!(listen.ip().is_unspecified(), "others in here have to reach it");
    let url = format!("http://accounts:{}{}", listen.port(), demo::accounts::PATH);
    assert_eq!(named(&compose, "allim")["environment"]["ALLIM_ACCOUNTS_URL"], url.as_str());
}

#[test]
fn what_the_readme_types_into_containers_is_understood() {
    let Some(compose) = compose() else { return };
    let mut typed_in = 0;
    for line in super::read("README.md").lines() {
        let words: Vec<&str> = line.split(" #").next().unwrap().split_whitespace().collect();
        match words.as_slice() {
            ["docker", "compose", "exec", service, "allim", rest @ ..] => {
                named(&compose, service);
                typed(rest);
                typed_in += 1;
            }
            // Behind the name of the image.
            ["docker", "run", rest @ ..] => {
                let behind = rest.iter().skip_while(|word| **word != "allim").skip(1).copied().collect::<Vec<&str>>();
                if !behind.is_empty() {
                    typed(&behind);
                }
                typed_in += 1;
            }
            _ => {}
        }
    }
    assert_eq!(typed_in, 4);
}

/// What the service `keys` runs, run in a folder; Compose makes one `$` of two.
fn make_keys(compose: &Value, folder: &Path) {
    let keys = named(compose, "keys");
    let entrypoint = texts(&keys["entrypoint"]);
    let script = texts(&keys["command"])[0].replace("$$", "$");
    let mut command = Command::new(entrypoint[0]);
    let status = command.args(&entrypoint[1..]).arg(script).current_dir(folder).status().unwrap();
    assert!(status.success());
}

#[test]
fn the_keys_are_made_once_and_with_them_the_settings_are_good() {
    let Some(compose) = compose() else { return };
    let folder = TempDir::new().unwrap();
    let keys = folder.path().join("keys");
    fs::create_dir(&keys).unwrap();
    let read = || ["cluster", "management"].map(|key| fs::read_to_string(keys.join(key)).unwrap());
    make_keys(&compose, &keys);
    let made = read();
    assert_ne!(made[0], made[1]);
    make_keys(&compose, &keys);
    assert_eq!(read(), made, "tickets and scrapes hold over a new start");
    let mode = fs::metadata(keys.join("cluster")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o444, "the server that reads it is another user");

    let allim = named(&compose, "allim");
    let mut environment = environment();
    for (name, value) in allim["environment"].as_object().unwrap() {
        let here = value.as_str().unwrap().replace("/keys/", &format!("{}/", keys.display()));
        environment.insert(name.clone(), here);
    }
    let good = settings(folder.path(), &environment).unwrap_or_else(|complaints| panic!("{complaints}"));
    assert_eq!((good.broker.clone(), good.accounts), (Broker::Real, Accounts::Real));
    assert_eq!(good.cluster_key.as_ref().unwrap().text(), made[0].trim());
    assert!(!good.report().contains("tickets hold on the node"), "{}", good.report());

    let mounts = texts(&allim["volumes"]);
    assert!(mounts.contains(&format!("data:{}", good.data_dir.display()).as_str()), "{mounts:?}");
    for port in [good.http.listen.port(), good.http.management_listen.port()] {
        assert!(texts(&allim["ports"]).iter().any(|one| one.ends_with(&format!(":{port}"))), "{port}");
    }
    let grace = allim["stop_grace_period"].as_str().unwrap().trim_end_matches('s').parse::<u64>().unwrap();
    assert!(grace >= good.deliver.drain_window.as_secs() + 10, "{grace}: nobody is cut off in the drain");
}

#[test]
fn our_containers_may_do_nothing_and_what_they_keep_has_a_name() {
    let Some(compose) = compose() else { return };
    for service in ["accounts", "allim"] {
        let one = named(&compose, service);
        assert_eq!((&one["read_only"], &one["cap_drop"]), (&json!(true), &json!(["ALL"])), "{service}");
        assert_eq!(one["security_opt"], json!(["no-new-privileges:true"]), "{service}");
    }
    let volumes = compose["volumes"].as_object().unwrap();
    let mut used: Vec<&str> = Vec::new();
    for (service, one) in compose["services"].as_object().unwrap() {
        for mount in one["volumes"].as_array().into_iter().flatten() {
            let (from, to) = mount.as_str().unwrap().split_once(':').unwrap();
            match from.strip_prefix("./") {
                Some(file) => assert!(package().join(file).is_file() && to.ends_with(":ro"), "{service}: {file}"),
                None => used.push(from),
            }
        }
    }
    used.sort_unstable();
    used.dedup();
    let mut names: Vec<&String> = volumes.keys().collect();
    names.sort_unstable();
    assert_eq!(names, used);
    let kafka = named(&compose, "kafka");
    let logs = kafka["environment"]["KAFKA_LOG_DIRS"].as_str().unwrap();
    assert_eq!(texts(&kafka["volumes"]), [format!("kafka:{logs}")], "its log outlives a container");
}
