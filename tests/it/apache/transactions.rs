//! Producers with transactions: what was committed is shown, what was aborted is not, and holes are no losses.

use std::time::Duration;

use allim::notification::Position;
use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord, Producer},
};
use serde_json::json;

use crate::{
    harness::{
        Accounts, Kafka, Listener, Publisher, Server, accounts::token, apache, kafka::Place, program::Runner, until,
    },
    other_clients::is_heard,
};

const LONG: Duration = Duration::from_secs(60);

/// A domain service that publishes in transactions, all into partition 0.
struct Transactional {
    producer: FutureProducer,
    topic: &'static str,
}

impl Transactional {
    /// Two with one name fence each other off; these do not.
    fn new(place: Place, name: &str) -> Transactional {
        let producer: FutureProducer = ClientConfig::new()
            .set("bootstrap.servers", place.to_string())
            .set("transactional.id", format!("{}-{name}", place.topic))
            .set("transaction.timeout.ms", "120000")
            .set("linger.ms", "0")
            .create()
            .expect("a producer");
        producer.init_transactions(LONG).expect("the brokers know transactions");
        Transactional { producer, topic: place.topic }
    }

    fn begin(&self) -> &Transactional {
        self.producer.begin_transaction().expect("none is open");
        self
    }

    async fn tell(&self, title: &str) {
        let event = json!({"type": "test.happened", "audience": "mall:7", "title": title}).to_string();
        let record = FutureRecord::to(self.topic).partition(0).key("mall:7").payload(&event);
        self.producer.send(record, LONG).await.expect("Kafka takes it");
    }

    fn commit(&self) {
        self.producer.commit_transaction(LONG).expect("it is committed");
    }

    fn abort(&self) {
        self.producer.abort_transaction(LONG).expect("it is aborted");
    }
}

async fn play() -> Option<(Kafka, Accounts)> {
    if !apache::there_is("apache: transactions") {
        return None;
    }
    Some((Kafka::shared_apache(2).await, Accounts::start().await))
}

/// A plain record behind everything, in the same partition.
async fn tell_behind(publisher: &Publisher, partition: usize, title: &str) {
    for i in 0.. {
        // Keys decide the partition; the one that leads there is found once.
        let key = format!("key {i}");
        let event = json!({"type": "test.happened", "audience": "mall:8", "title": "a probe"});
        if publisher.json(&key, &event).await.0 == partition {
            publisher.tell("mall:7", &key, title).await;
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_is_shown_and_what_was_aborted_is_not() {
    let Some((kafka, accounts)) = play().await else { return };
    let server = Server::start(&kafka, &accounts, &[]).await;
    let operator = token(1, &[7], None, false);
    let mut listener = Listener::open(server.address, &operator, None).await;
    listener.live().await;
    let service = Transactional::new(kafka.address, "service");
    let mut wanted = Vec::new();
    let mut position = None;
    for i in 0..10 {
        service.begin().tell(&format!("taken back {i}")).await;
        service.abort();
        service.begin();
        for half in ["first", "second"] {
            let title = format!("{half} of {i}");
            service.tell(&title).await;
            wanted.push(title);
        }
        service.commit();
        if i == 4 {
            listener.hears("second of 4").await;
            position = listener.story.position.clone();
        }
    }
    // The log ends in an aborted record and its marker: nothing that is shown will ever reach its end.
    service.begin().tell("taken back at the end").await;
    service.abort();
    listener.hears("second of 9").await;
    assert_eq!(listener.story.titles(), wanted);
    assert_eq!((listener.story.gaps.len(), listener.story.went_back.len()), (0, 0));
    assert_eq!(listener.story.live, Some(true));

    // Who comes back into the middle of the holes, and a node that starts at such an end.
    let other = Server::start(&kafka, &accounts, &[]).await;
    for server in [&server, &other] {
        let mut back = Listener::open(server.address, &operator, position.as_deref()).await;
        back.live().await;
        assert_eq!(back.story.hellos[0]["recovered"], true);
        assert_eq!((back.story.titles(), back.story.gaps.len()), (wanted[10..].iter().map(|t| &**t).collect(), 0));
        let mut all = Listener::open(server.address, &operator, Some("earliest")).await;
        all.live().await;
        assert_eq!(all.story.titles(), wanted);
    }
}

/// After an outage "live" means to have read to the end, and no record stands at this one.
#[tokio::test(flavor = "multi_thread")]
async fn live_again_where_the_log_ends_in_control_records() {
    if !apache::there_is("apache: an outage behind control records") {
        return;
    }
    let (mut kafka, accounts) = (Kafka::own_apache(2, 1).await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let mut listener = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    listener.live().await;
    let service = Transactional::new(kafka.address, "service");
    service.begin().tell("one").await;
    service.commit();
    listener.hears("one").await;
    service.begin().tell("taken back").await;
    service.abort();
    kafka.go_away().await;
    assert_eq!(listener.event("status").await.json()["live"], false);
    kafka.come_back().await;
    listener.live().await;
    let service = Transactional::new(kafka.address, "service");
    service.begin().tell("two").await;
    service.commit();
    listener.hears("two").await;
    assert_eq!((listener.story.titles(), listener.story.gaps.len()), (vec!["one", "two"], 0));
}

/// An open transaction holds back what is behind it in its partition and nothing else; then everything comes, in order.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_holds_back_what_is_behind_it_and_then_everything_comes() {
    let Some((kafka, accounts)) = play().await else { return };
    let server = Server::start(&kafka, &accounts, &[]).await;
    let operator = token(1, &[7], None, false);
    let mut listener = Listener::open(server.address, &operator, None).await;
    listener.live().await;
    let (service, publisher) = (Transactional::new(kafka.address, "service"), Publisher::new(kafka.address));
    for (round, ends) in ["commit", "abort"].into_iter().enumerate() {
        service.begin().tell(&format!("inside {round}")).await;
        tell_behind(&publisher, 0, &format!("behind {round}")).await;
        tell_behind(&publisher, 1, &format!("beside {round}")).await;
        listener.hears(&format!("beside {round}")).await;
        // A node that starts meanwhile is ready all the same, and live with what can be read.
        let other = Server::start(&kafka, &accounts, &[]).await;
        let mut early = Listener::open(other.address, &operator, Some("earliest")).await;
        early.live().await;
        let held_back = |title: &&str| *title == format!("inside {round}") || *title == format!("behind {round}");
        assert!(!listener.story.titles().iter().any(held_back), "{:?}", listener.story.titles());
        assert!(!early.story.titles().iter().any(held_back), "{:?}", early.story.titles());
        if ends == "commit" {
            service.commit();
        } else {
            service.abort();
        }
        for one in [&mut listener, &mut early] {
            one.hears(&format!("behind {round}")).await;
        }
    }
    let wanted = ["beside 0", "inside 0", "behind 0", "beside 1", "behind 1"];
    assert_eq!((listener.story.titles(), listener.story.gaps.len()), (wanted.to_vec(), 0));
}

/// In transactions, of which every other one is aborted.
#[tokio::test(flavor = "multi_thread")]
async fn what_confluent_kafka_commits_is_heard_and_what_it_aborts_is_not() {
    if apache::there_is("apache: transactions of confluent-kafka") {
        let kafka = Kafka::shared_apache(3).await;
        is_heard(kafka, Runner::Python, "publish_confluent.py", "confluent-kafka").await;
    }
}

/// Neither an end made of control records nor one that an open transaction holds back is a client that stands still.
#[tokio::test(flavor = "multi_thread")]
async fn the_watchdog_stays_quiet_where_the_log_ends_in_what_nobody_is_sent() {
    let Some((kafka, accounts)) = play().await else { return };
    let server = Server::start(&kafka, &accounts, &[("ALLIM_KAFKA_STALL_SECONDS", "5")]).await;
    let mut listener = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    listener.live().await;
    let (service, slow) = (Transactional::new(kafka.address, "service"), Transactional::new(kafka.address, "slow"));
    service.begin().tell("one").await;
    service.commit();
    listener.hears("one").await;
    service.begin().tell("taken back").await;
    service.abort();
    slow.begin().tell("not yet").await;
    service.begin().tell("behind it").await;
    service.commit();
    // That nothing happens is the behaviour: three times as long as the watchdog's patience.
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(server.metric("allim_reader_rebuilds_total").await, 0.0, "{}", server.log());
    slow.commit();
    listener.hears("behind it").await;
    assert_eq!(listener.story.titles(), ["one", "not yet", "behind it"]);
    assert_eq!(listener.story.live, Some(true));
}

/// Memory of a node that starts begins behind the control records; who has everything stands before them, and missed
/// nothing. He was told of a gap.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_everything_hears_of_no_gap_from_a_node_that_starts_behind_control_records() {
    let Some((kafka, accounts)) = play().await else { return };
    let env = [("ALLIM_HUB_MEMORY_AGE_SECONDS", "2")];
    let server = Server::start(&kafka, &accounts, &env).await;
    let operator = token(1, &[7], None, false);
    let mut listener = Listener::open(server.address, &operator, None).await;
    listener.live().await;
    let service = Transactional::new(kafka.address, "service");
    service.begin().tell("one").await;
    service.commit();
    listener.hears("one").await;
    let story = listener.cut();
    // Age is the behaviour: the record has to be older than memory.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let server = server.again().await;
    let mut back = Listener::open(server.address, &operator, story.position.as_deref()).await;
    back.live().await;
    assert_eq!((back.story.hellos[0]["recovered"].clone(), back.story.gaps.len()), (true.into(), 0));
}

/// The same where the hole is longer than what a node reads further back. It is no record, but it is behind everybody
/// who stands at the log's end: who listens is led over it, and missed nothing.
#[tokio::test(flavor = "multi_thread")]
async fn who_listens_is_led_over_a_long_hole_and_hears_of_no_gap_from_a_node_that_starts_behind_it() {
    let Some((kafka, accounts)) = play().await else { return };
    let env = [("ALLIM_HUB_MEMORY_AGE_SECONDS", "2")];
    let server = Server::start(&kafka, &accounts, &env).await;
    let operator = token(1, &[7], None, false);
    let mut listener = Listener::open(server.address, &operator, None).await;
    listener.live().await;
    let service = Transactional::new(kafka.address, "service");
    service.begin().tell("one").await;
    service.commit();
    listener.hears("one").await;
    let before = listener.story.position.clone();
    service.begin();
    for i in 0..150 {
        service.tell(&format!("taken back {i}")).await;
    }
    service.abort();
    // One, its marker, those that were taken back, and their marker.
    until("the node has stepped over the hole", async || {
        let mut newcomer = Listener::open(server.address, &token(2, &[7], None, false), None).await;
        newcomer.event("hello").await;
        Position::decode(newcomer.story.position.as_ref().unwrap()).unwrap().next.get(0) == 153
    })
    .await;
    // Age is the behaviour: the record, and the step over the hole, have to be older than memory.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut stayed = Listener::open(server.address, &operator, before.as_deref()).await;
    stayed.live().await;
    assert_eq!((stayed.story.hellos[0]["recovered"].clone(), stayed.story.gaps.len()), (true.into(), 0));
    while Position::decode(listener.story.position.as_ref().unwrap()).unwrap().next.get(0) < 153 {
        listener.event("beat").await;
    }
    let story = listener.cut();
    let server = server.again().await;
    let mut back = Listener::open(server.address, &operator, story.position.as_deref()).await;
    back.live().await;
    assert_eq!((back.story.hellos[0]["recovered"].clone(), back.story.gaps.len()), (true.into(), 0));
    service.begin().tell("two").await;
    service.commit();
    back.hears("two").await;
    assert_eq!((back.story.titles(), back.story.went_back.len()), (vec!["two"], 0));
}
