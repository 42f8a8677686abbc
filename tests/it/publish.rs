//! The command line's two ends: what goes in, and what an operator would see of it.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use allim::{
    config,
    publish::tail::{self, Ended},
};
use axum::{
    Router,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::get,
};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::harness::{Kafka, kafka::Place};

/// The program itself; its exit code, and its only line on standard error.
fn fails(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_allim"));
    for (name, _) in config::environment() {
        command.env_remove(name);
    }
    let output = command.current_dir(folder).args(arguments).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {err}");
    assert_eq!(err.lines().count(), 1, "{arguments:?}: {err}");
    err
}

#[test]
fn what_cannot_be_published_is_said_in_one_line() {
    let folder = TempDir::new().unwrap();
    let err = fails(folder.path(), &["publish", "order.created", "--mall", "1001"]);
    assert!(err.contains("no server runs on this data folder"), "{err}");
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    fs::write(data.join("kafka.address"), format!("{gone}\n")).unwrap();
    let err = fails(folder.path(), &["publish", "order.created", "--mall", "1001"]);
    assert!(err.contains(&format!("no broker answers at {gone}")), "{err}");
    let err = fails(folder.path(), &["publish", "order.created", "--data", "[1]"]);
    assert!(err.contains("--data is no JSON object"), "{err}");
    let err = fails(folder.path(), &["publish", "no.such.type"]);
    assert!(err.contains("nobody could see no.such.type"), "{err}");
}

/// The program itself towards these brokers; what it wrote on standard output.
fn publishes(place: Place, arguments: &[&str]) -> String {
    let folder = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_allim"));
    for (name, _) in config::environment() {
        command.env_remove(name);
    }
    // Accounts are for servers: who publishes needs none.
    command.env("ALLIM_KAFKA_BOOTSTRAP_SERVERS", place.to_string()).env("ALLIM_KAFKA_TOPIC", place.topic);
    command.current_dir(folder.path()).arg("publish").args(arguments);
    let output = command.output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), err.as_str()), (Some(0), ""));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_lies_where_the_line_says_as_a_cloud_event() {
    let kafka = Kafka::start().await;
    let place = kafka.address;
    let data = r#"{"mallNo": 7, "orderNo": "1"}"#;
    let line = publishes(place, &["order.created", "--mall", "1001", "--data", data, "--title", "새 주문"]);
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(
        (&words[..4], words[5], words[6]),
        (&["published", "order.created", "to", "partition"][..], "at", "offset")
    );
    let (partition, offset): (i32, i64) = (words[4].parse().unwrap(), words[7].parse().unwrap());
    assert!(line.ends_with(" ms)\n") && line.lines().count() == 1, "{line}");

    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", place.to_string()).set("group.id", "test").create().unwrap();
    let mut at = TopicPartitionList::new();
    at.add_partition_offset(place.topic, partition, Offset::Offset(offset)).unwrap();
    consumer.assign(&at).unwrap();
    let message = consumer.poll(Duration::from_secs(20)).unwrap().unwrap();
    assert_eq!(message.key(), Some(&b"mall:1001"[..]));
    let event: Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
    assert_eq!((&event["specversion"], &event["type"]), (&json!("1.0"), &json!("order.created")));
    assert_eq!((&event["title"], &event["data"]["mallNo"]), (&json!("새 주문"), &json!(1001)));

    let many = publishes(place, &["notice", "--to", "everyone", "--count", "500"]);
    assert!(many.starts_with("published 500 notice in ") && many.lines().count() == 1, "{many}");
    let raw = publishes(place, &["--raw", "0:all:안녕하세요"]);
    assert!(raw.starts_with("published raw text to partition "), "{raw}");
}

/// Gives the first caller half a stream, the second its rest and a goodbye; remembers what it was asked.
#[derive(Clone, Default)]
struct Stub(Arc<Mutex<Vec<String>>>);

async fn stream(State(stub): State<Stub>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let mut asked = stub.0.lock().unwrap();
    asked.push(format!("{} {}", query.unwrap_or_default(), headers["authorization"].to_str().unwrap()));
    let body = match asked.len() {
        1 => {
            "event: hello\nid: p0\nretry: 1\ndata: {\"recovered\":null}\n\nid: p1\ndata: {\"type\":\"order.created\",\
              \"title\":\"새 주문\",\"body\":\"김*영\",\"at\":\"2026-11-20T05:05:33Z\"}\n\nevent: beat\nid: p2\ndata: {}\n\n\
              id: p3\ndata: {\"type\":\"cut"
        }
        2 => return axum::http::StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => "event: bye\ndata: {\"reason\":\"revoked\",\"reconnect\":false}\n\n",
    };
    ([("content-type", "text/event-stream")], body).into_response()
}

#[tokio::test]
async fn tail_goes_on_where_it_was_and_ends_when_it_is_not_wanted_back() {
    let stub = Stub::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let routes = Router::new().route("/notifications", get(stream)).with_state(stub.clone());
    tokio::spawn(axum::serve(listener, routes).into_future());
    let order = tail::Order { token: "t".into(), url: None, last_event_id: Some("earliest".into()) };
    let mut lines = Vec::new();
    let ended = tail::run(&order, &url, &mut lines).await.unwrap_err();
    assert!(matches!(&ended, Ended::Bye(reason) if reason == "revoked"), "{ended}");
    let lines = String::from_utf8(lines).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].ends_with("(hello)  {\"recovered\":null}"), "{lines:#?}");
    assert!(lines[1].ends_with("order.created  새 주문  김*영"), "{lines:#?}");
    let asked = stub.0.lock().unwrap().clone();
    assert_eq!(asked, ["last_event_id=earliest Bearer t", "last_event_id=p2 Bearer t", "last_event_id=p2 Bearer t"]);
}

#[tokio::test]
async fn tail_ends_when_nobody_reads() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().route("/notifications", get(stream)).with_state(Stub::default());
    tokio::spawn(axum::serve(listener, routes).into_future());
    let order = tail::Order { token: "t".into(), url: Some(url), last_event_id: None };
    let ended = tail::run(&order, "", &mut Closed).await.unwrap_err();
    assert!(matches!(ended, Ended::Output(_)), "{ended}");
}
