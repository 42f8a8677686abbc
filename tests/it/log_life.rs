//! The life of a log: a topic that is created anew, and a client that stands still.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use allim::notification::Vector;

use crate::harness::{
    Accounts, Kafka, Listener, Publisher, Server, accounts::token, checker::Story, kafka::TOPIC, topics, until,
};

/// Fault row 6. The new log is at once longer than the old one was: nothing but the topic's id tells them apart.
#[tokio::test(flavor = "multi_thread")]
async fn fault_06_a_topic_created_anew_is_a_gap_and_is_read_from_its_beginning() {
    let (kafka, accounts) = (Kafka::with_partitions(1).await, Accounts::start().await);
    // With a timeline the stream of who comes back goes on where the list ends.
    let server = Server::start(&kafka, &accounts, &[("ALLIM_DATABASE_URL", "none")]).await;
    let operator = token(1, &[7], None, false);
    let mut listener = Listener::open(server.address, &operator, None).await;
    listener.live().await;
    let publisher = Publisher::new(kafka.address);
    publisher.tell("mall:7", "mall:7", "of the old log").await;
    listener.hears("of the old log").await;
    let old = listener.story.position.clone();
    topics::create_anew(kafka.address, 1).await;
    let publisher = Publisher::new(kafka.address);
    for i in 0..10 {
        publisher.tell("mall:7", "mall:7", &format!("new {i}")).await;
    }
    let since = Instant::now();
    while listener.story.gaps.is_empty() {
        listener.next().await.expect("the stream goes on");
    }
    assert_eq!(listener.story.gaps, ["epoch"]);
    assert!(since.elapsed() < Duration::from_secs(15), "told only after {:?}", since.elapsed());
    // Until the new id was noticed Apache Kafka may have let the client read on; what counts is what comes behind the gap.
    let before = listener.story.titles().len();
    while !listener.story.titles()[before..].ends_with(&["new 9"]) {
        listener.event("message").await;
    }
    let after: Vec<_> = (0..10).map(|i| format!("new {i}")).collect();
    assert_eq!(listener.story.titles()[before..], after, "from its first record, in order");
    // A position of the old log, and one of the new.
    let mut back = Listener::open(server.address, &operator, old.as_deref()).await;
    back.live().await;
    assert_eq!((back.story.gaps.clone(), back.story.titles().len()), (vec!["epoch".to_owned()], 10));
    let mut on = Listener::open(server.address, &operator, listener.story.position.as_deref()).await;
    on.live().await;
    assert_eq!((on.story.gaps.len(), on.story.titles().len()), (0, 0));
}

/// Row 6 where each partition tells of its loss by itself, and records come all the while: the log begins once.
#[tokio::test(flavor = "multi_thread")]
async fn fault_06_a_busy_topic_of_three_partitions_created_anew_begins_once() {
    let (kafka, accounts) = (Kafka::with_partitions(3).await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let mut listener = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    listener.live().await;
    let publisher = Publisher::new(kafka.address);
    let mut ends = Vector::default();
    for i in 0.. {
        let sent = publisher.tell("mall:7", &format!("key {i}"), &format!("old {i}")).await;
        ends.set(sent.partition, sent.offset + 1);
        if Vector::new(vec![10; 3]).within(&ends) {
            listener.hears(&sent.title).await;
            break;
        }
    }
    while !listener.story.has_all(&publisher.sent(), |_| true) {
        listener.event("message").await;
    }
    topics::create_anew(kafka.address, 3).await;
    let (publisher, busy) = (Arc::new(Publisher::new(kafka.address)), Arc::new(AtomicBool::new(true)));
    let publishing = {
        let (publisher, busy) = (Arc::clone(&publisher), Arc::clone(&busy));
        tokio::spawn(async move {
            for i in 0.. {
                if !busy.load(Ordering::Relaxed) {
                    return;
                }
                publisher.tell("mall:7", &format!("key {i}"), &format!("new {i}")).await;
            }
        })
    };
    listener.event("gap").await;
    let gap_after = listener.story.heard.len();
    // Busy also while the new log is read again, and for a while after that.
    for _ in 0..publisher.sent().len() + 100 {
        listener.event("message").await;
    }
    busy.store(false, Ordering::Relaxed);
    publishing.await.unwrap();
    let sent = publisher.sent();
    while listener.story.heard.len() < gap_after + sent.len() {
        listener.event("message").await;
    }
    assert_eq!((listener.story.gaps, listener.story.went_back), (vec!["epoch".to_owned()], vec![]));
    let heard = listener.story.heard.split_off(gap_after);
    Story { start: Some(Vector::default()), heard, ..Story::default() }.check(&sent, |_| true);
}

/// Row 7, and then one broker says what was before: fewer partitions under the same id are no other log.
#[tokio::test(flavor = "multi_thread")]
async fn fault_07_a_broker_that_is_behind_tells_of_no_other_log() {
    let kafka = Kafka::always_small("fault_07_a_broker_that_is_behind_tells_of_no_other_log", 3).await;
    let accounts = Accounts::start().await;
    let server = Server::start(&kafka, &accounts, &[]).await;
    let mut listener = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    listener.live().await;
    topics::grow(kafka.address, 6).await;
    let publisher = Publisher::new(kafka.address);
    let tell_all_six = async |when: &str| {
        let (mut partitions, first) = (HashSet::new(), publisher.sent().len());
        for i in 0.. {
            partitions.insert(publisher.tell("mall:7", &format!("key {i}"), &format!("{when} {i}")).await.partition);
            if partitions.len() == 6 {
                break;
            }
        }
        publisher.sent().split_off(first)
    };
    let before = tell_all_six("before").await;
    while !listener.story.has_all(&before, |_| true) {
        listener.event("message").await;
    }
    let partitions = "allim_partitions{log=\"notifications\"}";
    until("the server knows of six", async || server.metric(partitions).await == 6.0).await;
    kafka.broker().name_fewer(TOPIC, 3);
    until("the server is told of three", async || server.metric(partitions).await == 3.0).await;
    kafka.broker().name_all(TOPIC);
    until("the server is told of six again", async || server.metric(partitions).await == 6.0).await;
    let after = tell_all_six("after").await;
    let sent = [before, after].concat();
    while !listener.story.has_all(&sent, |_| true) {
        listener.event("message").await;
    }
    listener.story.check(&sent, |_| true);
}

/// librdkafka has stood still for ever after brokers came and went. Here the broker stops serving the connections that
/// are open: the end moves on, no error comes, and only a new client gets anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stands_still_is_replaced_and_nothing_is_missed() {
    let kafka = Kafka::always_small("a_client_that_stands_still_is_replaced_and_nothing_is_missed", 2).await;
    let accounts = Accounts::start().await;
    // The recorder's client stands still as well, and would be counted.
    let env = [("ALLIM_KAFKA_CLIENT_ID", "still"), ("ALLIM_KAFKA_STALL_SECONDS", "5"), ("ALLIM_DATABASE_URL", "none")];
    let server = Server::start(&kafka, &accounts, &env).await;
    let mut listener = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    listener.live().await;
    let publisher = Publisher::new(kafka.address);
    let first = publisher.tell("mall:7", "mall:7", "before").await;
    listener.hears("before").await;
    kafka.broker().stall("still", TOPIC, i32::try_from(first.partition).unwrap());
    for i in 0..20 {
        publisher.tell("mall:7", "mall:7", &format!("while it stands still {i}")).await;
    }
    let status = listener.event("status").await.json();
    assert_eq!(status, serde_json::json!({"live": false, "reason": "stalled"}));
    listener.hears("while it stands still 19").await;
    listener.live().await;
    assert_eq!(server.metric("allim_reader_rebuilds_total").await, 1.0);
    listener.story.check(&publisher.sent(), |_| true);
}
