//! Kafka away, late, growing, shrinking: the server stays, says how it is, and heals without a restart.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use crate::harness::{Accounts, Kafka, Listener, Publisher, Server, accounts::token, sse::Stream, topics, until};

#[tokio::test(flavor = "multi_thread")]
async fn fault_01_the_server_starts_without_kafka_and_heals() {
    let (mut kafka, accounts) = (Kafka::alone(3).await, Accounts::start().await);
    kafka.go_away().await;
    let server = Server::spawn_with(&kafka, &accounts, &[]);
    until("it answers", async || tokio::net::TcpStream::connect(server.address).await.is_ok()).await;
    assert_eq!(server.get("/readyz").await.0, 503, "memory is not filled yet");

    let mut early = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    let hello = early.event("hello").await;
    assert_eq!((hello.id.clone(), hello.json()["recovered"].clone()), (None, serde_json::Value::Null));
    while early.event("status").await.json() != serde_json::json!({"live": false, "reason": "kafka"}) {}

    kafka.come_back().await;
    let publisher = Publisher::new(kafka.address);
    publisher.tell("mall:7", "mall:7", "first").await;
    early.hears("first").await;
    early.live().await;
    let second = &early.story.hellos[1];
    assert!(second["position"].is_string(), "the second hello says where the stream begins: {second}");
    assert_eq!(server.get("/readyz").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_02_brokers_away_and_back_and_nothing_is_missed() {
    let (mut kafka, accounts) = (Kafka::alone(3).await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let operator = token(1, &[7], None, false);
    let mut listener = Listener::open(server.address, &operator, None).await;
    listener.live().await;
    for round in 0..3 {
        publisher.tell("mall:7", "mall:7", &format!("before {round}")).await;
        listener.hears(&format!("before {round}")).await;
        kafka.go_away().await;
        let status = listener.event("status").await.json();
        assert_eq!((status["live"].clone(), status["reason"].as_str()), (false.into(), Some("kafka")));
        assert_eq!(server.get("/readyz").await, (200, r#"{"ready":true,"live":false,"reason":"kafka"}"#.into()));
        // A position that this node knows needs no Kafka.
        let mut other = Listener::open(server.address, &operator, listener.story.position.as_deref()).await;
        assert_eq!(other.event("hello").await.json()["recovered"], true);
        kafka.come_back().await;
        let title = format!("after {round}");
        publisher.tell("mall:7", "mall:7", &title).await;
        listener.hears(&title).await;
        other.hears(&title).await;
        listener.live().await;
    }
    listener.story.check(&publisher.sent(), |_| true);
}

/// What grows with the length of an outage: back-offs of every client, ours among them.
#[tokio::test(flavor = "multi_thread")]
async fn fault_02_a_minute_without_brokers_is_made_good_at_once() {
    let (mut kafka, accounts) = (Kafka::alone(3).await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let mut listener = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    listener.live().await;
    let before = Publisher::new(kafka.address);
    before.tell("mall:7", "mall:7", "before").await;
    listener.hears("before").await;
    kafka.go_away().await;
    assert_eq!(listener.event("status").await.json()["live"], false);
    listener.stays_for(Duration::from_secs(60)).await;
    kafka.come_back().await;
    let back = Instant::now();
    let publisher = Publisher::new(kafka.address);
    for i in 0..100 {
        publisher.tell("mall:7", &format!("key {i}"), &format!("after {i}")).await;
    }
    let sent = [before.sent(), publisher.sent()].concat();
    while !listener.story.has_all(&sent, |_| true) {
        listener.event("message").await;
    }
    let took = back.elapsed();
    listener.live().await;
    listener.story.check(&sent, |_| true);
    // Five seconds on a quiet machine; a client that had given up would need a minute.
    assert!(took < Duration::from_secs(20), "everything was there only after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_broker_is_noticed_and_forgiven() {
    let (mut kafka, accounts) = (Kafka::alone(3).await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let mut listener = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    listener.live().await;
    kafka.freeze();
    assert_eq!(listener.event("status").await.json()["live"], false);
    kafka.thaw();
    listener.live().await;
    publisher.tell("mall:7", "mall:7", "after").await;
    listener.hears("after").await;
    listener.story.check(&publisher.sent(), |_| true);
}

/// Twenty seconds are enough for a client to have given up on a topic, or to ask for it only now and then.
#[tokio::test(flavor = "multi_thread")]
async fn fault_05_a_topic_that_comes_late_is_read_from_its_beginning() {
    let (kafka, accounts) = (Kafka::with_partitions(0).await, Accounts::start().await);
    let server = Server::spawn_with(&kafka, &accounts, &[]);
    until("it answers", async || tokio::net::TcpStream::connect(server.address).await.is_ok()).await;
    let mut listener = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    while listener.event("status").await.json()["reason"] != "topic" {}
    tokio::time::sleep(Duration::from_secs(20)).await;
    topics::create(kafka.address, 3, 1).await;
    let publisher = Publisher::new(kafka.address);
    publisher.tell("mall:7", "mall:7", "first").await;
    let accepted = Instant::now();
    listener.hears("first").await;
    let took = accepted.elapsed();
    listener.live().await;
    let waiting = "the topic does not exist";
    assert_eq!(server.log().matches(waiting).count(), 1, "said once:\n{}", server.log());
    // Five seconds on a quiet machine; metadata that is asked for by its age alone would take minutes.
    assert!(took < Duration::from_secs(20), "the first event came after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_07_new_partitions_are_read_from_their_beginning() {
    let (kafka, accounts) = (Kafka::with_partitions(3).await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let operator = token(1, &[7], None, false);
    let mut listener = Listener::open(server.address, &operator, None).await;
    listener.live().await;
    publisher.tell("mall:7", "a", "three partitions").await;
    listener.hears("three partitions").await;
    let before = listener.story.position.clone();
    topics::grow(kafka.address, 6).await;
    // A producer of its own: the old one would learn of them only after its metadata's age.
    let publisher = Publisher::new(kafka.address);
    let mut partitions = HashSet::new();
    let mut titles = Vec::new();
    for i in 0.. {
        let sent = publisher.tell("mall:7", &format!("key {i}"), &format!("event {i}")).await;
        titles.push(sent.title);
        partitions.insert(sent.partition);
        if partitions.len() == 6 {
            break;
        }
    }
    while titles.iter().any(|title| !listener.story.titles().contains(&title.as_str())) {
        listener.event("message").await;
    }
    assert_eq!(listener.story.gaps, Vec::<String>::new());
    assert_eq!(listener.story.went_back, vec![]);

    // A position from before the growth means the beginning of what came later.
    let mut back = Listener::open(server.address, &operator, before.as_deref()).await;
    back.live().await;
    assert_eq!(back.story.hellos[0]["recovered"], true);
    for title in &titles {
        assert!(back.story.titles().contains(&title.as_str()), "{title} is missing");
    }
}

/// The node is stopped while what it has not read is deleted: whoever listened is told once, and then has the rest.
#[tokio::test(flavor = "multi_thread")]
async fn fault_08_what_retention_took_is_a_gap_and_the_rest_arrives() {
    let (kafka, accounts) = (Kafka::with_partitions(1).await, Accounts::start().await);
    // With a timeline the stream of who comes back goes on where the list ends: see `kept_way`.
    let server = Server::start(&kafka, &accounts, &[("ALLIM_DATABASE_URL", "none")]).await;
    let publisher = Publisher::new(kafka.address);
    let operator = token(1, &[7], None, false);
    let mut listener = Listener::open(server.address, &operator, None).await;
    listener.live().await;
    publisher.tell("mall:7", "mall:7", "one").await;
    listener.hears("one").await;
    let before = listener.story.position.clone();
    server.signal("STOP");
    for i in 0..30 {
        publisher.tell("mall:7", "mall:7", &format!("event {i}")).await;
    }
    topics::delete_records(kafka.address, &[(0, 26)]).await;
    server.signal("CONT");
    assert_eq!(listener.event("gap").await.json()["reason"], "retention");
    let heard = listener.story.heard.len();
    publisher.tell("mall:7", "mall:7", "the end").await;
    listener.hears("the end").await;
    let after = &listener.story.titles()[heard..];
    assert_eq!(after, ["event 25", "event 26", "event 27", "event 28", "event 29", "the end"]);
    assert_eq!((listener.story.gaps.len(), listener.story.went_back.len()), (1, 0), "{}", listener.story.summary());

    let mut back = Listener::open(server.address, &operator, before.as_deref()).await;
    back.hears("the end").await;
    assert_eq!((back.story.gaps.as_slice(), &back.story.titles()[..]), (&["retention".to_owned()][..], after));
}

/// Positions that no log of ours gave out: each is answered with a gap, from the start of memory, and nobody panics.
#[tokio::test(flavor = "multi_thread")]
async fn positions_that_cannot_be() {
    use allim::notification::{Epoch, Position, Vector};
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    // With a timeline a stream goes on from its end instead: see `kept_way`.
    let server = Server::start(&kafka, &accounts, &[("ALLIM_DATABASE_URL", "none")]).await;
    let publisher = Publisher::new(kafka.address);
    let operator = token(1, &[7], None, false);
    let mut listener = Listener::open(server.address, &operator, None).await;
    listener.live().await;
    publisher.tell("mall:7", "mall:7", "one").await;
    listener.hears("one").await;
    let here = Position::decode(listener.story.position.as_ref().unwrap()).unwrap();
    let at = |next: Vec<u64>| Position { epoch: here.epoch, next: Vector::new(next) }.to_string();
    let elsewhere = Position { epoch: Epoch(here.epoch.0 ^ 1), next: here.next.clone() }.to_string();
    let beyond: Vec<u64> = here.next.iter().map(|(_, next)| next + 1_000_000).collect();
    for (position, reason) in [
        ("garbage!".to_owned(), "unknown"),
        ("AAAA".to_owned(), "unknown"),
        ("' OR 1=1 --".to_owned(), "unknown"),
        (here.to_string() + "x", "unknown"),
        ("A".repeat(6_000), "unknown"),
        (elsewhere, "epoch"),
        (at(beyond), "unknown"),
        (at(vec![0, 0, 0, 7]), "unknown"),
        (at(vec![i64::MAX as u64]), "unknown"),
    ] {
        let mut back = Listener::open(server.address, &operator, Some(&position)).await;
        back.live().await;
        assert_eq!(back.story.gaps, [reason], "for {position:?}");
        assert_eq!(back.story.hellos[0]["recovered"], false, "for {position:?}");
        assert!(back.story.hellos[0].get("position").is_none(), "for {position:?}");
        assert_eq!(back.story.titles(), ["one"], "it goes on from the start of memory; for {position:?}");
    }
    // One that this node cannot know yet but the leader can is no gap: see the node that is behind, in `catching_up`.
    let mut fewer = Listener::open(server.address, &operator, Some(&at(vec![]))).await;
    fewer.live().await;
    assert_eq!((fewer.story.gaps.len(), fewer.story.titles()), (0, vec!["one"]));
}

/// "Production runs nothing in `demo/`": with real brokers and accounts there is no embedded broker, no demo account.
#[tokio::test(flavor = "multi_thread")]
async fn with_real_brokers_nothing_of_the_demo_runs() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let files = std::fs::read_dir(&server.data).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let files: Vec<String> = files.filter(|name| !name.starts_with("timeline.sqlite")).collect();
    assert_eq!(files, ["lock"], "the embedded broker keeps its log in the data folder");
    let refused =
        Stream::get(server.address, "/notifications", &[("Authorization", "Bearer demo-70001")]).await.unwrap();
    assert_eq!(refused.status, 401, "a token of the demo opens nothing");
    assert!(!server.stdout.lock().unwrap().contains("demo"), "{}", server.stdout.lock().unwrap());
    // The head alone is no stream and takes no seat.
    let bearer = format!("Bearer {}", token(1, &[7], None, false));
    let request =
        format!("HEAD /notifications HTTP/1.1\r\nHost: {}\r\nAuthorization: {bearer}\r\n\r\n", server.address);
    let head = Stream::raw(server.address, &request).await.unwrap();
    assert_eq!(head.status, 200);
    assert_eq!(server.metric("allim_streams_opened_total").await, 0.0);
}
