//! The outbox of the publisher's contract: played over a real PostgreSQL, and through Debezium's own event router.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use super::{
    published::{QUICK, listens, stage, the_end, workshop, written},
    snippet,
};
use crate::harness::{
    Kafka, Publisher,
    kafka::TOPIC,
    postgres::Postgres,
    program::{Program, Runner, installed, is_there, runs, skip},
    topics,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_loses_no_row_and_keeps_the_order_whoever_commits_late_or_dies() {
    let Some(postgres) = Postgres::start().await else { return };
    let folder = workshop();
    for part in ["table", "insert", "take", "done"] {
        written(folder.path(), &format!("outbox-{part}.sql"), &snippet(&format!("outbox-{part}")));
    }
    let kafka = Kafka::start().await;
    let (_accounts, server) = stage(&kafka).await;
    let mut operator = listens(&server, "demo-70001").await;
    let place = [postgres.url(), folder.path().display().to_string(), kafka.address.to_string()];
    let arguments = [place[0].as_str(), &place[1], &place[2], kafka.address.topic];
    let Some(relay) = Program::start(Runner::Python, "outbox.py", "psycopg", &arguments) else { return };
    let said = relay.ends_well().await;

    let written = ["order-202611210000000000-DELIVERY_ING", "early", "late", "twice", "twice", "first", "second"];
    assert_eq!(said.lines().collect::<Vec<_>>(), written.map(|id| format!("published {id}")));
    assert_eq!(topics::appended(kafka.address, 3).await, 7);
    the_end(&server).await;
    operator.hears("the end").await;
    let heard = ["주문 상태 변경: 배송중", "early", "late", "twice", "first", "second", "the end"];
    assert_eq!(operator.story.titles(), heard);
}

/// Topic, key and value that Debezium makes of a row with these settings.
async fn routed(settings: &str, event: &str) -> Option<[String; 3]> {
    let jars = installed().join("debezium/libs");
    if let Err(missing) = runs("javac", "-version").and_then(|()| is_there(&jars)) {
        skip("Debezium's event router", &missing);
        return None;
    }
    let folder = workshop();
    let mut command = Command::new("java");
    command.args(QUICK).arg("-cp").arg(jars.join("*"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/debezium/Route.java"));
    command.arg(written(folder.path(), "connector.properties", settings)).args(["mall:1001", event]);
    let said = Program::spawn(&mut command).ends_well().await;
    let mut lines = said.lines().map(str::to_owned);
    Some([(); 3].map(|()| lines.next().unwrap_or_else(|| panic!("three lines: {said}"))))
}

#[tokio::test(flavor = "multi_thread")]
async fn debezium_with_the_settings_of_the_page_brings_a_row_as_it_is() {
    let event = json!({"id": "of-debezium", "source": "/interop/outbox", "type": "test.happened", "audience": "mall:1001",
                       "title": "of Debezium", "data": {"mallNo": 1001, "none": null, "lines": [{"a": 1}, {"b": "x"}]}});
    let Some([topic, key, value]) = routed(&snippet("debezium"), &event.to_string()).await else { return };
    assert_eq!((topic.as_str(), key.as_str()), (TOPIC, "mall:1001"));
    assert_eq!(value, event.to_string());

    let kafka = Kafka::start().await;
    let (_accounts, server) = stage(&kafka).await;
    let mut operator = listens(&server, "demo-70001").await;
    Publisher::new(kafka.address).raw(Some(&key), Some(value.as_bytes()), &[]).await;
    operator.hears("of Debezium").await;
}

/// What the page warns of is so: else it would warn of nothing.
#[tokio::test(flavor = "multi_thread")]
async fn debezium_with_its_usual_converters_sends_what_nobody_understands() {
    let json_converters = snippet("debezium").replace("storage.StringConverter", "json.JsonConverter");
    let plain = format!("{json_converters}key.converter.schemas.enable=false\nvalue.converter.schemas.enable=false\n");
    let event = r#"{"id":"1","none":null}"#;
    let Some([_, key, value]) = routed(&plain, event).await else { return };
    assert_eq!(key, r#""mall:1001""#);
    assert_eq!(serde_json::from_str::<Value>(&value).unwrap(), json!(event), "a text that holds JSON");

    let expanded = format!("{plain}transforms.outbox.table.expand.json.payload=true\n");
    let [_, _, value] = routed(&expanded, event).await.unwrap();
    assert_eq!(value, r#"{"id":"1"}"#, "an object, without what is null");

    let wrapped = expanded.replace("schemas.enable=false", "schemas.enable=true");
    let [_, _, value] = routed(&wrapped, event).await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&value).unwrap()["payload"], json!({"id": "1"}), "wrapped once more");
}
