//! What docs/migrate.md says to people of the old server: which texts reach whom, what is gone, and that no group is joined.

use std::time::Duration;

use allim::{
    ingest::{Decoder, RawRecord},
    notification::{Catalogue, Coordinates, Epoch},
};
use jiff::Timestamp;
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};
use serde_json::json;

use super::names::{code, page, rows};
use crate::harness::{Accounts, Kafka, Listener, Publisher, Server, accounts::token, sse::Stream, websocket::Socket};

#[test]
fn each_text_of_the_table_reaches_whom_it_says() {
    let decoder = Decoder {
        catalogue: Catalogue::builtin(),
        legacy_text: true,
        type_prefix: String::new(),
        max_record_bytes: 262_144,
    };
    let rows = rows(&page("docs/migrate.md"), "## Text records");
    assert!(rows.len() >= 6);
    for row in rows {
        let (text, wanted) = (code(&row[0]), code(&row[2]));
        let coordinates = Coordinates { epoch: Epoch(7), partition: 0, offset: 1 };
        let raw = RawRecord {
            coordinates,
            timestamp: Timestamp::UNIX_EPOCH,
            key: None,
            headers: Vec::new(),
            value: Some(text.as_bytes()),
        };
        let became = match decoder.decode(&raw) {
            Ok(notification) => notification.audience.to_string(),
            Err(rejected) => rejected.reason.as_str().to_owned(),
        };
        assert_eq!(became, wanted, "{text}");
        // What the old server did, as far as words can be checked: everything that holds `all:`, whoever begins it.
        let for_everybody = !text.contains(':') || text.contains("all:");
        assert_eq!(row[1].starts_with("everybody"), for_everybody, "{text}: {}", row[1]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_is_gone() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[("ALLIM_LEGACY_TEXT", "on")]).await;
    for (path, status) in [
        ("/notifications?id=70001", 401),
        ("/produce?msg=hello", 404),
        ("/ws2", 404),
        ("/websocket2.html", 404),
        ("/sse.html", 200),
        ("/websocket.html", 200),
    ] {
        assert_eq!(server.get(path).await.0, status, "{path}");
    }
    // An event without a name, whose data are JSON; and what is sent on a WebSocket reaches nobody.
    let bearer = format!("Bearer {}", token(70_001, &[7], None, false));
    let headers = [("Authorization", bearer.as_str())];
    let mut listens = Stream::get(server.address, "/notifications", &headers).await.unwrap();
    let mut writes = Socket::open(server.address, "/ws", &headers).await.unwrap();
    writes.resume(None).await.unwrap();
    writes.say("70001:me:from a browser").await.unwrap();
    while writes.next().await.unwrap().expect("it goes on").name != "error" {}
    Publisher::new(kafka.address).raw(None, Some("70001:me:엑셀이 준비되었습니다".as_bytes()), &[]).await;
    let event = loop {
        let event = listens.next().await.unwrap().expect("it goes on");
        if event.name == "message" {
            break event.json();
        }
    };
    assert_eq!((&event["type"], &event["title"]), (&json!("legacy.text"), &json!("엑셀이 준비되었습니다")));
}

/// Beside the old server: no group is joined, nothing is committed.
#[tokio::test(flavor = "multi_thread")]
async fn no_group_is_joined() {
    let (kafka, accounts) = (Kafka::alone(3).await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let mut listener = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    listener.live().await;
    Publisher::new(kafka.address).tell("mall:7", "mall:7", "read and kept").await;
    listener.hears("read and kept").await;
    let servers = kafka.address.to_string();
    let groups = tokio::task::spawn_blocking(move || {
        let client: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &servers).set("group.id", "looks").create().unwrap();
        let groups = client.fetch_group_list(None, Duration::from_secs(30)).unwrap();
        groups.groups().iter().map(|group| group.name().to_owned()).collect::<Vec<_>>()
    });
    assert_eq!(groups.await.unwrap(), Vec::<String>::new());
}
