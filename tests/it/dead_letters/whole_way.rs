//! From a record that nobody understands to the list, to its topic, and after mending to whom it was meant for.

use allim::notification::Origin;
use rdkafka::message::Headers as _;
use serde_json::{Value, json};

use super::{
    support::{Parked, Store, heard},
    topic::{dlt, read},
};
use crate::harness::{
    Accounts, Kafka, Listener, Publisher, Server, accounts::token, secrets, sse::Stream, topics, until,
};

/// With it the event says by itself whom it is for.
const OWN_TYPE: &str = r#"
[types."stock.counted"]
category = "stock"
severity = "info"
audience = ["mall:{mallNo}"]
title = { ko = "재고 실사", en = "Stock counted" }
[types."stock.counted".fields]
plain = ["title"]
"#;

type Header<'h> = (&'h str, Option<&'h [u8]>);
/// Its reason, its value, its headers.
type Bad<'b> = (&'b str, Option<&'b [u8]>, &'b [Header<'b>]);

/// A server that records into this folder.
async fn server(kafka: &Kafka, store: &Store, env: &[(&str, &str)]) -> Server {
    let accounts = Accounts::start().await;
    let mut all = vec![("ALLIM_DATA_DIR", store.folder())];
    all.extend_from_slice(env);
    Server::start(kafka, &accounts, &all).await
}

/// The list, the oldest first, when there are so many.
async fn listed(store: &Store, kafka: &Kafka, count: usize) -> Vec<Value> {
    let letters = || -> Vec<Value> {
        let said = store.redrives(kafka.address, &["list", "--limit", "1000", "--json"]);
        said.lines().rev().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    until("the recorder has parked them", || async { letters().len() >= count }).await;
    letters()
}

/// Title and id of what this operator's timeline has.
async fn kept(server: &Server, token: &str) -> Vec<(String, String)> {
    let bearer = format!("Bearer {token}");
    let mut answer = Stream::get(server.address, "/timeline", &[("Authorization", &bearer)]).await.unwrap();
    let page: Value = serde_json::from_str(&answer.rest().await.unwrap()).unwrap();
    let text = |item: &Value, name: &str| item["notification"][name].as_str().unwrap_or_default().to_owned();
    page["items"].as_array().unwrap().iter().map(|item| (text(item, "title"), text(item, "id"))).collect()
}

/// The identity that it has from where it stood first.
fn id(letter: &Value) -> String {
    letter["place"].as_str().unwrap().parse::<Origin>().unwrap().id().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_understands_is_listed_where_it_stands_and_logged_in_one_line() {
    let kafka = Kafka::start().await;
    topics::create(dlt(&kafka), 3, 1).await;
    let store = Store::of_a_server();
    let server = server(&kafka, &store, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let secret = "the customer's own words";
    secrets::text(secret);
    let no_audience = json!({"type": "zzz", "title": secret}).to_string();
    let nul = json!({"type": "zzz", "audience": "everyone", "title": format!("{secret}\0")}).to_string();
    let bad: [Bad<'_>; 6] = [
        ("tombstone", None, &[("x", None), ("x", Some(b"\xff"))]),
        ("empty", Some(b" \n"), &[]),
        ("bad_json", Some(secret.as_bytes()), &[]),
        ("no_audience", Some(no_audience.as_bytes()), &[]),
        ("nul", Some(nul.as_bytes()), &[]),
        ("not_utf8", Some(b"{\"\xff\""), &[("content-type", Some(b"application/json"))]),
    ];
    let mut wanted = Vec::new();
    for (n, (reason, value, headers)) in bad.iter().enumerate() {
        let key = format!("mall:{n}");
        let (partition, offset) = publisher.raw(Some(&key), *value, headers).await;
        wanted.push((partition, offset, (*reason).to_owned(), key));
    }
    let parked = listed(&store, &kafka, bad.len()).await;
    let mut found: Vec<(usize, u64, String, String)> = parked
        .iter()
        .map(|one| serde_json::from_value(json!([one["partition"], one["offset"], one["reason"], one["key"]])).unwrap())
        .collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    let said = store.redrives(kafka.address, &["list"]);
    assert!(!said.contains(secret), "a list shows what nobody asked for: {said}");
    let number = parked.iter().find(|one| one["reason"] == "tombstone").unwrap()["number"].to_string();
    let whole: Value = serde_json::from_str(&store.redrives(kafka.address, &["show", &number, "--json"])).unwrap();
    assert_eq!((&whole["headersBase64"], &whole["valueBase64"]), (&json!([["x", null], ["x", "/w=="]]), &Value::Null));

    // On their topic, each in the partition that it came from, byte by byte.
    until("they stand on their topic", || async { topics::appended(dlt(&kafka), 3).await >= 6 }).await;
    let sent: Vec<(usize, Option<Vec<u8>>)> = (0..3)
        .flat_map(|partition| read(dlt(&kafka), partition))
        .map(|message| {
            use rdkafka::Message as _;
            let offset = message.headers().unwrap().iter().find(|header| header.key == "kafka_dlt-original-partition");
            assert_eq!(offset.unwrap().value, Some(&message.partition().to_be_bytes()[..]));
            (usize::try_from(message.partition()).unwrap(), message.payload().map(<[u8]>::to_vec))
        })
        .collect();
    for (reason, value, _) in &bad {
        let partition = wanted.iter().find(|one| one.2 == *reason).unwrap().0;
        assert!(sent.contains(&(partition, value.map(<[u8]>::to_vec))), "{reason} is not on its topic: {sent:?}");
    }

    until("it is said", || async { server.log().contains("`allim dead-letters list` shows them") }).await;
    assert_eq!(server.log().matches("parked (").count(), 1, "{}", server.log());
    assert_eq!(server.metric("allim_dead_letters_total{reason=\"no_audience\"}").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn mended_and_redriven_it_is_live_and_kept_once_under_the_id_of_its_first_place() {
    let kafka = Kafka::with_partitions(1).await;
    let store = Store::of_a_server();
    let before = server(&kafka, &store, &[]).await;
    let publisher = Publisher::new(kafka.address);
    publisher.raw(None, Some("0:all:안녕".as_bytes()), &[]).await;
    let of_no_audience = json!({"type": "stock.counted", "mallNo": 7, "title": "counted"});
    publisher.json("mall:7", &of_no_audience).await;
    publisher.json("mall:7", &json!({"audience": "everyone"})).await;
    let parked = listed(&store, &kafka, 3).await;
    let of = |reason: &str| parked.iter().find(|one| one["reason"] == reason).unwrap();
    let (text, counted, hopeless) = (of("bad_json"), of("no_audience"), of("no_type"));
    drop(before);

    let catalogue = store.path().with_file_name("types.toml");
    std::fs::write(&catalogue, OWN_TYPE).unwrap();
    let env = [("ALLIM_LEGACY_TEXT", "on"), ("ALLIM_CATALOGUE", catalogue.to_str().unwrap())];
    let server = server(&kafka, &store, &env).await;
    let operator = token(1, &[7], None, false);
    let mut listener = Listener::open(server.address, &operator, None).await;
    listener.live().await;
    let said = store.redrives(kafka.address, &["redrive", "--all"]);
    assert_eq!(said.matches("redriven ").count(), 3, "{said}");
    // Also by hand, as after a redrive whose end nobody saw.
    let numbers = [text, counted].map(|letter| letter["number"].to_string());
    store.redrives(kafka.address, &["redrive", "--again", &numbers[0], &numbers[1]]);
    let heard = heard(&mut listener, &kafka).await;

    // The hopeless one is parked anew, and still says where it stood first.
    let parked = listed(&store, &kafka, 4).await;
    assert_eq!((&parked[3]["reason"], &parked[3]["redrivenAt"]), (&json!("no_type"), &Value::Null));
    assert_ne!(parked[3]["place"], hopeless["place"]);
    let number = parked[3]["number"].to_string();
    let whole: Value = serde_json::from_str(&store.redrives(kafka.address, &["show", &number, "--json"])).unwrap();
    assert_eq!(whole["origin"], hopeless["place"]);

    let wanted = [("안녕", text), ("counted", counted)].map(|(title, letter)| (title.to_owned(), id(letter)));
    assert_eq!(heard, wanted);
    until("the last is recorded", || async { kept(&server, &operator).await.iter().any(|one| one.0 == "the last") })
        .await;
    let kept: Vec<_> = kept(&server, &operator).await.into_iter().rev().filter(|one| one.0 != "the last").collect();
    assert_eq!(kept, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_parked_long_ago_goes_and_what_was_not_stays() {
    let kafka = Kafka::start().await;
    let store = Store::new();
    // More than go at once.
    let old = |offset| Parked { reason: "bad_json", offset, value: Some(b"{"), ..Parked::default() };
    store.park(&(0..1_200).map(old).collect::<Vec<_>>());
    let env = [("ALLIM_TIMELINE_RETENTION_DAYS", "1"), ("ALLIM_TIMELINE_PURGE_SECONDS", "1")];
    let _server = server(&kafka, &store, &env).await;
    Publisher::new(kafka.address).json("k", &json!({"audience": "everyone"})).await;
    let reasons = async || -> Vec<Value> {
        let said = store.redrives(kafka.address, &["list", "--limit", "2000", "--json"]);
        said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["reason"].clone()).collect()
    };
    until("the old ones are gone, and the new one is there", || async { reasons().await == [json!("no_type")] }).await;
}
