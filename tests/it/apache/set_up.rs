//! What is said to Kafka where the whole runs in containers: the script that makes the topics, a broker's settings, its health.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

use crate::{
    containers::{compose, package, texts},
    harness::{Kafka, apache, kafka::Place, topics},
};

/// Runs kafka/topics, as the container `topics` does; everything it says, and whether it went well.
async fn script(tools: &Path, place: Place, arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(package().join("kafka/topics"));
    command.args(arguments).env("KAFKA_BIN", tools).env("KAFKA_BOOTSTRAP_SERVERS", place.to_string());
    command.env("TOPIC", place.topic).env("REPLICATION", "1").envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// What the three topics are to have: behind the name, partitions, days.
const MADE: [(&str, i32, u64); 3] = [("", 12, 14), ("-dlt", 12, 90), ("-signals", 1, 1)];

/// As the brokers have them.
async fn are_as_wanted(place: Place) {
    for (behind, partitions, days) in MADE {
        let topic = place.beside(&format!("{}{behind}", place.topic));
        assert_eq!(topics::replicas(topic).await.len(), usize::try_from(partitions).unwrap(), "{}", topic.topic);
        for (setting, value) in [
            ("cleanup.policy", "delete"),
            ("message.timestamp.type", "LogAppendTime"),
            ("min.insync.replicas", "1"),
            ("retention.ms", &(days * 86_400_000).to_string()),
            ("unclean.leader.election.enable", "false"),
        ] {
            assert_eq!(topics::setting(topic, setting).await, value, "{}: {setting}", topic.topic);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_makes_three_topics_once() {
    if !apache::there_is("kafka/topics") {
        return;
    }
    let (kafka, tools) = (Kafka::shared_apache(0).await, apache::tools());
    for words in ["made;", "is as it is wanted"] {
        let (well, said) = script(tools.path(), kafka.address, &[], &[]).await;
        assert!(well && said.lines().count() == 3 && said.lines().all(|line| line.contains(words)), "{said}");
        are_as_wanted(kafka.address).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_there_is_left_as_it_is_and_changed_when_that_is_asked_for() {
    if !apache::there_is("kafka/topics") {
        return;
    }
    let (kafka, tools) = (Kafka::shared_apache(2).await, apache::tools());
    let place = kafka.address;
    topics::create(place.beside(&format!("{}-signals", place.topic)), 3, 1).await;
    let run = async |arguments| script(tools.path(), place, arguments, &[]).await;

    let (well, said) = run(&[]).await;
    let says = |line: &str| assert!(said.contains(&format!("{}{line}\n", place.topic)), "{line}\nin\n{said}");
    assert!(well, "who only wants the topics to be there goes on");
    says(": retention.ms is 604800000, wanted is 1209600000");
    says(": has 2 partitions, wanted are 12");
    says(": left as it is; kafka/topics --alter changes it");
    says("-signals: has 3 partitions, wanted are 1");
    assert_eq!(topics::replicas(place).await.len(), 2);
    assert_eq!(topics::setting(place, "retention.ms").await, "604800000");

    let (well, said) = run(&["--alter"]).await;
    assert!(well && said.contains("-signals: keeps its 3 partitions, as Kafka takes none away"), "{said}");
    assert_eq!(topics::replicas(place).await.len(), 12);
    assert_eq!(topics::setting(place, "retention.ms").await, "1209600000");
    let (_, said) = run(&[]).await;
    assert!(said.contains(&format!("{}: is as it is wanted", place.topic)), "{said}");

    // Of a topic with one copy never two are wanted in sync: older brokers would take nothing any more.
    let (well, said) = script(tools.path(), place, &["--alter"], &[("REPLICATION", "3")]).await;
    assert!(well && said.contains("has 1 replicas, wanted are 3"), "{said}");
    assert_eq!(topics::setting(place, "min.insync.replicas").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_call_is_one_line_and_nothing_is_made() {
    if !apache::there_is("kafka/topics") {
        return;
    }
    let (kafka, tools) = (Kafka::shared_apache(0).await, apache::tools());
    let nowhere = TempDir::new().unwrap();
    let path = |folder: &Path, file: &str| folder.join(file).display().to_string();
    for (folder, variable, line) in [
        (tools.path(), ("PARTITIONS", "twelve"), "are whole numbers, not twelve"),
        (tools.path(), ("TOPIC", "two words"), "TOPIC is made of letters, digits"),
        (tools.path(), ("TOPIC", "("), "TOPIC is made of letters, digits"),
        (tools.path(), ("RETENTION_DAYS", "999999999999999"), "RETENTION_DAYS is a number of days"),
        (nowhere.path(), ("KAFKA_BIN", &path(nowhere.path(), "")), "KAFKA_BIN names the folder of Kafka's tools"),
    ] {
        let (well, said) = script(folder, kafka.address, &[], &[variable]).await;
        assert!(!well && said.contains(line) && said.lines().count() == 1, "{said}");
    }
    let (well, said) = script(tools.path(), kafka.address, &[], &[("REPLICATION", "3")]).await;
    assert!(!well && said.contains("replication factor"), "one broker cannot have three replicas: {said}");
    let config = path(nowhere.path(), "no.properties");
    let (well, said) = script(tools.path(), kafka.address, &[], &[("KAFKA_COMMAND_CONFIG", &config)]).await;
    assert!(!well && said.contains("kafka/topics: kafka-topics.sh went wrong at") && !said.contains("\tat "), "{said}");
    let (well, said) = script(tools.path(), kafka.address, &["--altr"], &[]).await;
    assert!(!well && said.contains("kafka/topics --alter"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_understands_its_settings_and_its_health_check() {
    let Some(compose) = compose().filter(|_| apache::there_is("docker-compose.yml")) else { return };
    let (kafka, tools, folder) = (Kafka::shared_apache(0).await, apache::tools(), TempDir::new().unwrap());
    let service = &compose["services"]["kafka"];
    // As the image does: KAFKA_LOG_DIRS is log.dirs.
    let setting = |(name, value): (&String, &serde_json::Value)| {
        let key = name.strip_prefix("KAFKA_").unwrap().to_lowercase().replace('_', ".");
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let here = folder.path().join("log").display().to_string();
        format!("{key}={}\n", if key == "log.dirs" { here } else { value })
    };
    let properties: String = service["environment"].as_object().unwrap().iter().map(setting).collect();
    let known = topics::settings_of_a_broker(kafka.address).await;
    for line in properties.lines() {
        let (key, _) = line.split_once('=').unwrap();
        assert!(known.contains(key), "{key}: Kafka has no such setting, and would say nothing");
    }
    let file = folder.path().join("server.properties");
    fs::write(&file, &properties).unwrap();
    let run = async |program: &str, arguments: &[&str]| {
        let mut command = Command::new(tools.path().join(program));
        command.args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{program}: {said}");
        said
    };
    // It reads them as a broker does at its start, and makes its folder.
    run("kafka-storage.sh", &["format", "-t", "QWxsaW0tdGVzdHMtYnJva2Vy", "-c", file.to_str().unwrap()]).await;
    assert!(folder.path().join("log/meta.properties").exists());

    let test = texts(&service["healthcheck"]["test"]);
    let ["CMD", program, rest @ ..] = test.as_slice() else { panic!("{test:?}") };
    let broker = kafka.address.to_string();
    let here: Vec<&str> = rest.iter().map(|one| if *one == "localhost:9092" { broker.as_str() } else { one }).collect();
    assert!(here.contains(&broker.as_str()), "{here:?}");
    let said = run(program.strip_prefix("/opt/kafka/bin/").unwrap(), &here).await;
    assert!(said.contains("Produce(0)"), "{said}");
}
