//! `check-config` reads the topics of real brokers; what each difference means only Apache Kafka can play (`apache::`).

use std::process::Command;

use allim::config;

use crate::harness::{Kafka, kafka::Place};

/// What it prints, and its exit code.
pub fn checked(place: Place) -> (Option<i32>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_allim"));
    for (name, _) in config::environment() {
        command.env_remove(name);
    }
    let env = [
        ("ALLIM_KAFKA_BOOTSTRAP_SERVERS", place.to_string()),
        ("ALLIM_KAFKA_TOPIC", place.topic.to_owned()),
        ("ALLIM_ACCOUNTS_URL", "http://127.0.0.1:9/me".to_owned()),
    ];
    let output = command.current_dir(folder.path()).arg("check-config").envs(env).output().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it only looks");
    let lines = String::from_utf8(output.stdout).unwrap().lines().map(|line| line.trim().to_owned()).collect();
    (output.status.code(), lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn check_config_says_how_the_topic_is() {
    let kafka = Kafka::start().await;
    let (place, (code, lines)) = (kafka.address, checked(kafka.address));
    assert_eq!(code, Some(0), "{lines:#?}");
    let begins = format!("topic {}: partitions 3, one copy, kept for ", place.topic);
    assert!(lines.iter().any(|line| line.starts_with(&begins)), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with(&format!("{}: has one copy", place.topic))), "{lines:#?}");
    assert!(lines[0] == "settings are good", "{lines:#?}");
}
