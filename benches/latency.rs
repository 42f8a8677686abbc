//! How long a notification takes from the producer's acknowledgement to the listener's read: `cargo bench`.
//!
//! The small broker, the producer and a hundred listeners run in this process, the server in one of its own, so the
//! figure holds their work as well: it is what one machine does with all of it at once.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails shall fail where it is")]

#[path = "../tests/it/harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests need more of it")]
mod harness;

use std::time::{Duration, Instant};

use harness::{Accounts, Kafka, Listener, Publisher, Server, accounts::token};
use tokio::{task::JoinSet, time::MissedTickBehavior};

const LISTENERS: u64 = 100;
const PACE: Duration = Duration::from_millis(100);
/// Sent before it counts: connections, caches and the first encodings are not what this is about.
const WARM_UP: usize = 20;
const EVENTS: usize = 200;

#[tokio::main]
async fn main() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let mut listeners = JoinSet::new();
    for i in 0..LISTENERS {
        let mut listener = Listener::open(server.address, &token(70_000 + i, &[1001], None, false), None).await;
        listener.live().await;
        listeners.spawn(hear_all(listener));
    }

    let publisher = Publisher::new(kafka.address);
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut accepted = Vec::new();
    for i in 0..WARM_UP + EVENTS {
        pace.tick().await;
        publisher.tell("mall:1001", "mall:1001", &i.to_string()).await;
        accepted.push(Instant::now());
    }

    let mut took = Vec::new();
    while let Some(heard) = listeners.join_next().await {
        let counted = heard.unwrap().into_iter().zip(&accepted).skip(WARM_UP);
        // Some read it before the producer has read its acknowledgement.
        took.extend(counted.map(|(heard, accepted)| heard.saturating_duration_since(*accepted)));
    }
    report(took);
}

/// When each event was read, in order.
async fn hear_all(mut listener: Listener) -> Vec<Instant> {
    let mut heard = Vec::new();
    while heard.len() < WARM_UP + EVENTS {
        let event = listener.event("message").await;
        let now = Instant::now();
        assert_eq!(event.json()["title"], heard.len().to_string(), "in order, each once");
        heard.push(now);
    }
    heard
}

fn report(mut took: Vec<Duration>) {
    took.sort_unstable();
    let share = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)].as_secs_f64() * 1000.0;
    println!(
        "{LISTENERS} listeners, {EVENTS} events at {} per second, {} reads, from the producer's acknowledgement:",
        1000 / PACE.as_millis(),
        took.len(),
    );
    println!("p50 {:.1} ms   p99 {:.1} ms   max {:.1} ms", share(50), share(99), share(100));
}
