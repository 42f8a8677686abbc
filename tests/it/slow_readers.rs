//! Whoever reads slowly loses nothing and costs nothing; whoever never reads is closed.

use std::time::{Duration, Instant};

use crate::harness::{Accounts, Kafka, Listener, Publisher, Server, accounts::token, until};

/// A hundred texts of 100 KB: far more than every buffer between us and the listener.
const TEXTS: usize = 100;
const TEXT_BYTES: usize = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_for_twenty_seconds_then_reads_everything() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let mut sleeper = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    sleeper.live().await;
    let fell_asleep = Instant::now();
    for i in 0..TEXTS {
        publisher.tell_padded("mall:7", "mall:7", &format!("text {i}"), TEXT_BYTES).await;
    }
    until("the queue was full", async || server.metric("allim_detours_total").await >= 1.0).await;
    // The one place where time is the behaviour: a reader that sleeps for less than the 30 s it is given.
    tokio::time::sleep(Duration::from_secs(20).saturating_sub(fell_asleep.elapsed())).await;
    sleeper.hears(&format!("text {}", TEXTS - 1)).await;
    sleeper.live().await;
    sleeper.story.check(&publisher.sent(), |_| true);
    assert_eq!(sleeper.story.byes, Vec::<serde_json::Value>::new());
    publisher.tell("mall:7", "mall:7", "and on").await;
    sleeper.hears("and on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_reads_is_closed_after_thirty_seconds_and_costs_little() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let mut reader = Listener::open(server.address, &token(2, &[7], None, false), None).await;
    reader.live().await;
    let mut dead = Vec::new();
    for i in 0..20 {
        let mut listener = Listener::open(server.address, &token(100 + i, &[7], None, false), None).await;
        listener.live().await;
        dead.push(listener);
    }
    let before = server.memory();
    for i in 0..TEXTS {
        publisher.tell_padded("mall:7", "mall:7", &format!("text {i}"), TEXT_BYTES).await;
    }
    // From here on nothing moves for the dead: the last bytes that fit are in the kernel's buffers.
    let filled = Instant::now();
    reader.hears(&format!("text {}", TEXTS - 1)).await;
    let grown = server.memory().saturating_sub(before);
    // Memory holds the 10 MB once; each of the dead has a queue of 64 KB and one frame.
    assert!(grown < 60_000_000, "20 listeners that do not read cost {grown} bytes");
    let slow = async || server.metric(r#"allim_streams_ended_total{reason="slow"}"#).await;
    until("all of the dead are closed", async || slow().await >= 20.0).await;
    let took = filled.elapsed();
    assert!(took > Duration::from_secs(25), "closed after {took:?}, before its 30 s were over");
    assert!(took < Duration::from_secs(50), "closed only after {took:?}");
    until("their sockets are gone as well", async || server.metric("allim_connections").await < 5.0).await;
    reader.story.check(&publisher.sent(), |_| true);
}

/// Half of a frame and then nothing is not worse than nothing: the next frame waits its turn.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_a_few_bytes_at_a_time_gets_whole_frames_in_order() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let env = [("ALLIM_DELIVER_QUEUE_FRAMES", "4"), ("ALLIM_DELIVER_QUEUE_BYTES", "4096")];
    let server = Server::start(&kafka, &accounts, &env).await;
    let publisher = Publisher::new(kafka.address);
    let mut listener = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    listener.live().await;
    for i in 0..400 {
        publisher.tell_padded("mall:7", "mall:7", &format!("text {i}"), 3_000).await;
    }
    listener.hears("text 399").await;
    listener.story.check(&publisher.sent(), |_| true);
    assert!(server.metric("allim_detours_total").await >= 1.0, "it was never slow: the test shows nothing");
}
