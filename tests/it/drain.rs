//! A deploy that nobody notices: a node that is told to end lets everybody go in turn, and ends in time whatever is away.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use tokio::{sync::watch, task::JoinSet};

use crate::harness::{
    Accounts, Kafka, Listener, PATIENCE, Publisher, Server, Story,
    accounts::token,
    answers::bye,
    crowd::restarted_under_load,
    sse::Stream,
    transport::{Line, Transport},
    until,
};

const SSE: u64 = 1_000;
const ALL: u64 = 1_250;
/// Each with as many listeners; an event concerns one of them.
const MALLS: u64 = 50;

/// Five streams an operator, of which one is a WebSocket.
async fn listen(server: &Server, i: u64) -> Listener {
    let over = if i < SSE { Transport::Sse } else { Transport::WebSocket };
    let (admin, mall) = (1_000 + i % (ALL / 5), 1 + i % MALLS);
    let line = Line::open(over, server.address, &token(admin, &[mall], None, false), None).await;
    let mut listener = Listener { line: line.expect("it opens"), story: Story::default() };
    listener.live().await;
    listener
}

/// Goes on at another node, over the same transport, with the place where it was.
async fn go_on(listener: Listener, i: u64, at: &Server) -> Listener {
    let over = if i < SSE { Transport::Sse } else { Transport::WebSocket };
    let (admin, mall) = (1_000 + i % (ALL / 5), 1 + i % MALLS);
    let (story, token) = (listener.story, token(admin, &[mall], None, false));
    let line = Line::open(over, at.address, &token, story.position.as_deref()).await;
    Listener { line: line.expect("the other node lets it in"), story }
}

/// As pages do: what comes is read, and whoever is told goodbye waits as long as it was told and goes on elsewhere.
async fn stay(
    mut listener: Listener,
    i: u64,
    other: Arc<Server>,
    returns: Arc<Mutex<Vec<Instant>>>,
    mut over: watch::Receiver<bool>,
    publisher: Arc<Publisher>,
) -> Story {
    let own = format!("mall:{}", 1 + i % MALLS);
    loop {
        tokio::select! {
            event = listener.line.next() => {
                let event = event.expect("whole frames").expect("nobody is cut off without a word");
                listener.story.note(&event);
                if event.name == "bye" {
                    assert_eq!(event.json()["reason"], "restart");
                    let wait = Duration::from_millis(event.retry.expect("when to come back"));
                    returns.lock().unwrap().push(Instant::now() + wait);
                    tokio::time::sleep(wait).await;
                    listener = go_on(listener, i, &other).await;
                }
            }
            () = async { drop(over.wait_for(|over| *over).await) } => break,
        }
    }
    let mine = |audience: &str| audience == own;
    while !listener.story.has_all(&publisher.sent(), mine) {
        listener.next().await.expect("it stays");
    }
    listener.story
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_46_a_node_of_two_leaves_under_load_and_nobody_misses_or_repeats_anything() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let env = [("ALLIM_DELIVER_DRAIN_WINDOW_SECONDS", "10")];
    let mut leaves = Server::start(&kafka, &accounts, &env).await;
    let stays = Arc::new(Server::start(&kafka, &accounts, &env).await);
    let publisher = Arc::new(Publisher::new(kafka.address));
    let listeners: Vec<(u64, Listener)> = stream::iter(0..ALL)
        .map(|i| {
            let leaves = &leaves;
            async move { (i, listen(leaves, i).await) }
        })
        .buffer_unordered(50)
        .collect()
        .await;
    let (returns, (done, over)) = (Arc::default(), watch::channel(false));
    let mut staying = JoinSet::new();
    for (i, listener) in listeners {
        let (other, returns, publisher) = (Arc::clone(&stays), Arc::clone(&returns), Arc::clone(&publisher));
        staying.spawn(stay(listener, i, other, returns, over.clone(), publisher));
    }

    let mut pace = tokio::time::interval(Duration::from_millis(5));
    let (began, mut told) = (Instant::now(), None);
    for i in 0_u64.. {
        pace.tick().await;
        publisher
            .tell(&format!("mall:{}", 1 + i % MALLS), &format!("mall:{}", 1 + i % MALLS), &format!("event {i}"))
            .await;
        if i == 200 {
            told = Some(Instant::now());
            leaves.signal("TERM");
        }
        if i % 200 == 199 && stays.metric("allim_streams").await as u64 == ALL {
            break;
        }
        assert!(began.elapsed() < PATIENCE * 3, "they do not all come back");
    }
    done.send_replace(true);
    assert_eq!(leaves.ended().await.code(), Some(0), "{}", leaves.log());
    let sent = publisher.sent();
    let mut heard = 0;
    while let Some(story) = staying.join_next().await {
        let story = story.expect("it heard everything");
        let mall = sent.iter().find(|one| one.title == story.heard[0].0).expect("it was sent").audience.clone();
        story.check(&sent, |audience| audience == mall);
        heard += story.heard.len();
    }
    assert!(heard > 20_000, "{heard}");
    nobody_returns_in_a_crowd(&returns.lock().unwrap(), told.expect("it was told"));
    assert!(stays.log().lines().all(|line| !line.contains("panicked")), "{}", stays.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_46_twenty_polite_restarts_under_load_leave_no_hole() {
    restarted_under_load("TERM", Some(0), &[("ALLIM_DELIVER_DRAIN_WINDOW_SECONDS", "0")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_47_it_ends_in_time_while_kafka_and_the_account_service_are_away() {
    let (mut kafka, accounts) = (Kafka::alone(3).await, Accounts::start().await);
    let mut server = Server::start(&kafka, &accounts, &[("ALLIM_DELIVER_DRAIN_WINDOW_SECONDS", "10")]).await;
    let listeners: Vec<Listener> =
        stream::iter(0..ALL).map(|i| listen(&server, i)).buffer_unordered(50).collect().await;
    let publisher = Publisher::new(kafka.address);
    publisher.tell("everyone", "k", "the last word").await;
    kafka.go_away().await;
    accounts.fall_ill(true);
    until("it is noticed", async || server.metric("allim_log_live").await == 0.0).await;
    let told = Instant::now();
    server.signal("TERM");
    let leaving = listeners.into_iter().map(leaves);
    let returns: Vec<Instant> = futures::future::join_all(leaving).await;
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
    // The window, two seconds for whoever hangs, one and a half for the last words.
    assert!(told.elapsed() < Duration::from_secs(20), "{:?}\n{}", told.elapsed(), server.log());
    nobody_returns_in_a_crowd(&returns, told);
}

/// Hears what there is, is told goodbye, and says when it would return.
async fn leaves(mut listener: Listener) -> Instant {
    listener.hears("the last word").await;
    let bye = listener.event("bye").await;
    assert_eq!(bye.json()["reason"], "restart");
    let returns = Instant::now() + Duration::from_millis(bye.retry.expect("when to come back"));
    assert!(listener.next().await.is_none(), "something behind the goodbye");
    listener.line.ends_as_told(&bye);
    returns
}

/// In no second more than a fifth.
fn nobody_returns_in_a_crowd(returns: &[Instant], told: Instant) {
    let mut seconds = vec![0_u64; 60];
    for at in returns {
        seconds[usize::try_from(at.saturating_duration_since(told).as_secs()).unwrap()] += 1;
    }
    assert_eq!(seconds.iter().sum::<u64>(), ALL);
    println!("returned in each second: {:?}", &seconds[..25]);
    assert!(*seconds.iter().max().unwrap() <= ALL / 5, "too many at once: {seconds:?}");
}

/// A balancer asks every few seconds; until it has, it sends people.
#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_node_that_leaves_keeps_its_door_open_until_its_balancer_knows() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[("ALLIM_DELIVER_DRAIN_WINDOW_SECONDS", "600")]).await;
    server.signal("TERM");
    until("it is not ready", async || server.get("/readyz").await.0 == 503).await;
    for over in [Transport::Sse, Transport::WebSocket] {
        let line = Line::open(over, server.address, &token(9, &[1], None, false), None).await.expect("it is open");
        assert_eq!(bye(line).await.json()["reason"], "restart");
    }
    let mut server = server;
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
}

/// Whether it hears what is published, or is told goodbye before.
async fn hears_on(listener: &mut Listener) -> bool {
    loop {
        match listener.next().await {
            Some(event) if event.name == "message" => return true,
            Some(event) if event.name != "bye" => {}
            _ => return false,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_leaves_it_is_not_ready_and_newcomers_are_sent_to_another_node() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let env = [("ALLIM_DELIVER_DRAIN_WINDOW_SECONDS", "600")];
    let mut server = Server::start(&kafka, &accounts, &env).await;
    let mut stays = Vec::new();
    for i in 0..30 {
        stays.push(listen(&server, i).await);
    }
    assert_eq!(server.get("/readyz").await.0, 200);
    server.signal("TERM");
    until("it is not ready", async || server.get("/readyz").await.0 == 503).await;
    assert_eq!(server.get("/livez").await.0, 200);
    for over in [Transport::Sse, Transport::WebSocket] {
        let line = Line::open(over, server.address, &token(9, &[1], None, false), None).await.unwrap();
        assert_eq!(bye(line).await.json()["reason"], "restart");
    }
    // Its time is not over yet: who listens hears on.
    let publisher = Publisher::new(kafka.address);
    publisher.tell("everyone", "k", "still here").await;
    let heard = stays.iter_mut().map(hears_on);
    let heard = futures::future::join_all(heard).await.into_iter().filter(|heard| *heard).count();
    assert!(heard >= 28, "only {heard} of 30 are left of a window of ten minutes");
    // A second signal is somebody who does not want to wait.
    server.signal("TERM");
    let asked = Instant::now();
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert!(Stream::get(server.address, "/livez", &[]).await.is_err());
}
