//! What it costs to say no: how soon those are answered who are too many, and what the others notice of it:
//! `cargo bench --bench refusals`.
//!
//! As in `latency`, everything runs on one machine: the storm, the listeners and the broker in this process, the server
//! in one of its own.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails shall fail where it is")]

#[path = "../tests/it/harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests need more of it")]
mod harness;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use harness::{
    Accounts, Kafka, Listener, Publisher, Server, Story,
    accounts::token,
    transport::{Line, Transport},
};
use tokio::task::JoinSet;

const LISTENERS: u64 = 100;
const EVENTS: usize = 100;
/// Sent before it counts.
const WARM_UP: usize = 10;
const PACE: Duration = Duration::from_millis(100);
/// New connections that are let in a second, and how many times as many come.
const RATE: u64 = 500;
const TIMES: u64 = 3;

#[tokio::main]
async fn main() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let publisher = Publisher::new(kafka.address);
    full(&kafka, &accounts).await;

    let rate = RATE.to_string();
    let env =
        [("ALLIM_HTTP_NEW_CONNECTIONS_PER_SECOND", rate.as_str()), ("ALLIM_DELIVER_STREAMS_PER_OPERATOR", "1000")];
    let server = Server::start(&kafka, &accounts, &env).await;
    let mut listeners = Vec::new();
    for i in 0..LISTENERS {
        listeners.push(listen(&server, 70_000 + i).await);
    }
    let calm;
    (listeners, calm) = hear(listeners, &publisher).await;
    report("streams, calm", calm);
    let stormy = tokio::spawn(storm(server.address));
    let during;
    (_, during) = hear(listeners, &publisher).await;
    let (refused, silent) = stormy.await.unwrap();
    println!("{TIMES} x {RATE} new connections a second: {} refused with a word, {silent} without", refused.len());
    report("streams, meanwhile", during);
    report("refusals", refused);
}

async fn listen(server: &Server, admin: u64) -> Listener {
    let line = Line::open(Transport::Sse, server.address, &token(admin, &[1001], None, false), None).await.unwrap();
    let mut listener = Listener { line, story: Story::default() };
    listener.live().await;
    listener
}

/// Every place is taken: each who comes, one after the other, is refused.
async fn full(kafka: &Kafka, accounts: &Accounts) {
    let server = Server::start(kafka, accounts, &[("ALLIM_HTTP_CONNECTIONS", "20")]).await;
    let mut inside = Vec::new();
    for i in 0..20 {
        inside.push(listen(&server, 70_000 + i).await);
    }
    let mut took = Vec::new();
    for i in 0..1_000 {
        let over = if i % 2 == 0 { Transport::Sse } else { Transport::WebSocket };
        took.extend(refusal(server.address, over).await.unwrap());
    }
    report("refusals, one after the other, every place taken", took);
}

/// How long it takes from the knock to the goodbye; None: it was let in. An error: it was dropped.
async fn refusal(address: std::net::SocketAddr, over: Transport) -> std::io::Result<Option<Duration>> {
    let began = Instant::now();
    let mut line = Line::open(over, address, &token(1, &[1001], None, false), None).await?;
    let first = line.next().await?.ok_or(std::io::ErrorKind::UnexpectedEof)?;
    Ok((first.name == "bye").then(|| began.elapsed()))
}

/// Three times as many as may come, for as long as the listeners are watched.
async fn storm(address: std::net::SocketAddr) -> (Vec<Duration>, usize) {
    let (mut knocks, mut took, mut silent) = (JoinSet::new(), Vec::new(), 0);
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    let end = Instant::now() + PACE * u32::try_from(EVENTS).unwrap();
    while Instant::now() < end {
        pace.tick().await;
        for i in 0..TIMES * RATE / 100 {
            let over = if i % 2 == 0 { Transport::Sse } else { Transport::WebSocket };
            knocks.spawn(refusal(address, over));
        }
        while let Some(answer) = knocks.try_join_next() {
            count(answer.unwrap(), &mut took, &mut silent);
        }
    }
    while let Some(answer) = knocks.join_next().await {
        count(answer.unwrap(), &mut took, &mut silent);
    }
    (took, silent)
}

fn count(answer: std::io::Result<Option<Duration>>, took: &mut Vec<Duration>, silent: &mut usize) {
    match answer {
        Ok(answer) => took.extend(answer),
        Err(_) => *silent += 1,
    }
}

/// From the producer's acknowledgement to each read.
async fn hear(listeners: Vec<Listener>, publisher: &Publisher) -> (Vec<Listener>, Vec<Duration>) {
    let mut hearing = JoinSet::new();
    for mut listener in listeners {
        hearing.spawn(async move {
            let mut heard = Vec::new();
            while heard.len() < EVENTS {
                listener.event("message").await;
                heard.push(Instant::now());
            }
            (listener, heard)
        });
    }
    let (mut accepted, mut pace) = (Vec::new(), tokio::time::interval(PACE));
    for i in 0..EVENTS {
        pace.tick().await;
        publisher.tell("mall:1001", "mall:1001", &i.to_string()).await;
        accepted.push(Instant::now());
    }
    let accepted = Arc::new(accepted);
    let (mut listeners, mut took) = (Vec::new(), Vec::new());
    while let Some(one) = hearing.join_next().await {
        let (listener, heard) = one.unwrap();
        let counted = heard.into_iter().zip(accepted.iter()).skip(WARM_UP);
        took.extend(counted.map(|(heard, sent)| heard.saturating_duration_since(*sent)));
        listeners.push(listener);
    }
    (listeners, took)
}

fn report(what: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let share = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)].as_secs_f64() * 1000.0;
    println!("{what}: {}   p50 {:.1} ms   p99 {:.1} ms   max {:.1} ms", took.len(), share(50), share(99), share(100));
}
