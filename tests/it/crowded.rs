//! A thousand who never read, beside a thousand who do: what they cost, and that nobody else pays for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, stream};
use tokio::task::JoinSet;

use crate::harness::{
    Accounts, Kafka, Listener, Publisher, Server, Story,
    accounts::token,
    transport::{Line, Transport},
    until,
};

const EACH: u64 = 1_000;
/// Far more than every buffer between us and one of those who do not read.
const TEXTS: usize = 300;
const TEXT_BYTES: usize = 4_000;
/// Five a second make a minute of it.
const PACE: Duration = Duration::from_millis(200);
/// What the process and the kernel may hold, on the server's side, for all of them.
const MOST: u64 = 200_000_000;

/// Ten of an operator are as many as may be.
async fn listen(server: &Server, i: u64) -> Listener {
    let over = if i.is_multiple_of(2) { Transport::Sse } else { Transport::WebSocket };
    let line = Line::open(over, server.address, &token(100 + i / 10, &[7], None, false), None).await;
    let mut listener = Listener { line: line.expect("it opens"), story: Story::default() };
    listener.live().await;
    listener
}

async fn many(server: &Server, from: u64) -> Vec<Listener> {
    stream::iter(from..from + EACH).map(|i| listen(server, i)).buffer_unordered(50).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_59_a_thousand_who_never_read_cost_little_and_disturb_nobody() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    // Nobody is closed as too slow while this is watched: it is the worst that they can cost.
    let env = [
        ("ALLIM_HUB_MEMORY_BYTES", "16777216"),
        ("ALLIM_DELIVER_SLOW_AFTER_SECONDS", "600"),
        ("ALLIM_HTTP_WRITE_DEADLINE_SECONDS", "600"),
    ];
    let server = Server::start(&kafka, &accounts, &env).await;
    let never = many(&server, 0).await;
    let readers = many(&server, EACH).await;
    let heard = Arc::new(AtomicU64::new(0));
    let mut reading = JoinSet::new();
    for mut reader in readers {
        let heard = Arc::clone(&heard);
        reading.spawn(async move {
            while reader.story.heard.len() < TEXTS {
                reader.event("message").await;
                heard.fetch_add(1, Ordering::Relaxed);
            }
            reader.story
        });
    }
    let publisher = Publisher::new(kafka.address);
    let mut most = (0, 0);
    for i in 0..TEXTS {
        publisher.tell_padded("mall:7", "mall:7", &format!("text {i}"), TEXT_BYTES).await;
        tokio::time::sleep(PACE).await;
        let now = (server.memory(), server.unsent());
        if now.0 + now.1 > most.0 + most.1 {
            most = now;
        }
    }
    let sent = publisher.sent();
    while let Some(story) = reading.join_next().await {
        story.expect("it heard everything").check(&sent, |_| true);
    }
    until("all of those who do not read wait for room", async || {
        server.metric("allim_catching_up").await >= EACH as f64
    })
    .await;
    let (process, kernel) = most;
    println!("{EACH} who never read beside {EACH} who do: process {process} bytes, kernel {kernel} bytes");
    assert!(process + kernel <= MOST, "the process holds {process} bytes, the kernel {kernel}");
    drop(never);
    until("they are gone", async || server.metric("allim_streams").await == 0.0).await;
}
