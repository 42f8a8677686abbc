//! Three brokers whose leaders die, leave and return while events come: nobody misses one, and nobody is lied to.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::watch;

use crate::harness::{
    Accounts, Kafka, Listener, Publisher, Server,
    accounts::token,
    apache,
    crowd::{audience, crowd},
    topics::{self, Replicas},
    until,
};

/// Which of the three leads most partitions.
async fn busiest(kafka: &Kafka) -> usize {
    let mut led: HashMap<i32, usize> = HashMap::new();
    for partition in topics::replicas(kafka.address).await {
        *led.entry(partition.leader).or_default() += 1;
    }
    let (leader, _) = led.into_iter().max_by_key(|&(id, count)| (count, id)).expect("somebody leads");
    usize::try_from(leader).expect("an id from 1 on") - 1
}

/// Waits until this is true of every partition.
async fn all(what: &str, kafka: &Kafka, so: impl Fn(&Replicas) -> bool) {
    let place = kafka.address;
    until(what, async || {
        let replicas = topics::replicas(place).await;
        replicas.len() == 6 && replicas.iter().all(&so)
    })
    .await;
}

/// Publishes until told to stop, however long an event takes to be accepted.
fn publish_on(publisher: &Arc<Publisher>) -> (watch::Sender<bool>, tokio::task::JoinHandle<()>) {
    let (on, watching) = watch::channel(true);
    let publisher = Arc::clone(publisher);
    let publishing = tokio::spawn(async move {
        let mut i = 0;
        while *watching.borrow() {
            let (audience, key) = audience(i);
            publisher.tell(&audience, &key, &format!("event {i}")).await;
            i += 1;
        }
    });
    (on, publishing)
}

/// Killed, and asked to leave, in turn; each time the leadership moves away, and back when the broker has returned.
#[tokio::test(flavor = "multi_thread")]
async fn leaders_that_move_under_load_cost_nobody_anything() {
    if !apache::there_is("apache: leaders that move") {
        return;
    }
    let (mut kafka, accounts) = (Kafka::own_apache(6, 3).await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Arc::new(Publisher::new(kafka.address));
    let crowd = crowd(24, 8, &[server.address], &publisher);
    let mut steady = Listener::open(server.address, &token(1, &[1001], None, false), None).await;
    steady.live().await;
    let (on, publishing) = publish_on(&publisher);
    for round in 0..6 {
        let dies = busiest(&kafka).await;
        kafka.nodes()[dies].end(if round % 2 == 0 { "KILL" } else { "TERM" }).await;
        let so_far = publisher.sent().len();
        until(&format!("round {round} goes on"), async || publisher.sent().len() > so_far + 60).await;
        all("all are led by others", &kafka, |one| one.leader != i32::try_from(dies).unwrap() + 1).await;
        steady.live().await;
        kafka.nodes()[dies].again().await;
        // Two of three have to have a record before it is accepted: the next one may only go when this one is back.
        all("it has everything and leads its own again", &kafka, |one| one.in_sync == 3 && one.leader == one.first)
            .await;
    }
    on.send_replace(false);
    publishing.await.expect("everything is accepted in the end");
    let sent = publisher.sent();
    let mine = |audience: &str| audience.split(',').any(|term| term == "everyone" || term == "mall:1001");
    while !steady.story.has_all(&sent, mine) {
        steady.next().await.expect("the stream stays");
    }
    steady.story.check(&sent, mine);
    let (heard, connects) = crowd.check().await;
    assert!(heard > 500 && connects > 40, "{heard} heard, {connects} connects");
}

/// Without two of three nobody leads, and a page that said "live" would lie; with them back everything goes on.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_nobody_says_live() {
    if !apache::there_is("apache: brokers without a majority") {
        return;
    }
    let (mut kafka, accounts) = (Kafka::own_apache(6, 3).await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let mut listener = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    listener.live().await;
    publisher.tell("mall:7", "mall:7", "before").await;
    listener.hears("before").await;
    for node in [0, 1] {
        kafka.nodes()[node].end("KILL").await;
    }
    let status = listener.event("status").await.json();
    assert_eq!((status["live"].clone(), status["reason"].as_str()), (false.into(), Some("kafka")));
    assert_eq!(server.get("/readyz").await.0, 200, "an EventSource must not meet a 5xx");
    for node in [0, 1] {
        kafka.nodes()[node].again().await;
    }
    let publisher_of_now = Publisher::new(kafka.address);
    publisher_of_now.tell("mall:7", "mall:7", "after").await;
    listener.hears("after").await;
    listener.live().await;
    assert_eq!((listener.story.titles(), listener.story.gaps.len()), (vec!["before", "after"], 0));
}
