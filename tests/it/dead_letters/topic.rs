//! The topic of dead letters: every byte as it was, and around it what Spring Kafka's readers look for.

use std::{sync::Arc, time::Duration};

use allim::{
    publish::{self, Producer},
    telemetry::Metrics,
    timeline::{DeadLetterTopic, Growth, Sqlite},
};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{Headers, OwnedMessage},
};
use tokio_util::sync::CancellationToken;

use super::support::{AT, Parked, Store, too_large};
use crate::harness::{Kafka, PATIENCE, kafka::Place, topics, until};

/// The task at work on a store.
struct Work {
    growth: Growth,
    metrics: Metrics,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Work {
    fn begins(store: &Store, kafka: &Kafka) -> Work {
        let settings = publish::Settings {
            bootstrap_servers: kafka.address.to_string(),
            topic: kafka.address.topic.to_owned(),
            client_id: "test".to_owned(),
            properties: Vec::new(),
            deadline: publish::SERVING,
        };
        let letters = Arc::new(Sqlite::open(&store.path()).unwrap());
        let (metrics, stop) = (Metrics::new(), CancellationToken::new());
        let growth = Growth::new(metrics.clone());
        let producer = Producer::new(&settings).unwrap();
        let topic = DeadLetterTopic::new(letters, &producer, "allim-timeline".to_owned(), growth.clone());
        let task = tokio::spawn(topic.run(stop.clone()));
        Work { growth, metrics, stop, task }
    }

    async fn ends(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn unsent(store: &Store) -> i64 {
    let sql = "SELECT count(*) FROM dead_letter WHERE sent = 0";
    store.open().query_row(sql, [], |row| row.get(0)).unwrap()
}

pub fn dlt(kafka: &Kafka) -> Place {
    Place::new(kafka.address.to_string(), format!("{}-dlt", kafka.address.topic))
}

/// Everything on one of its partitions.
pub fn read(place: Place, partition: i32) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", place.to_string()).set("group.id", "test").create().unwrap();
    let (_, end) = consumer.fetch_watermarks(place.topic, partition, PATIENCE).unwrap();
    let mut at = TopicPartitionList::new();
    at.add_partition_offset(place.topic, partition, Offset::Beginning).unwrap();
    consumer.assign(&at).unwrap();
    (0..end).map(|_| consumer.poll(PATIENCE).unwrap().unwrap().detach()).collect()
}

fn headers(message: &OwnedMessage) -> Vec<(String, Option<Vec<u8>>)> {
    let all = message.headers().unwrap();
    all.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_stands_there_byte_by_byte_with_springs_headers() {
    let kafka = Kafka::start().await;
    topics::create(dlt(&kafka), 2, 1).await;
    let store = Store::new();
    let theirs: Vec<(&str, Option<&[u8]>)> =
        vec![("ce_type", Some(b"a")), ("ce_type", Some(b"\xff\x00")), ("none", None), ("empty", Some(b""))];
    let binary = Parked {
        reason: "not_utf8",
        detail: "the value is not UTF-8",
        partition: 1,
        offset: 0x0102_0304_0506,
        key: Some(b"\x00\xfe"),
        headers: theirs.clone(),
        value: Some(b"\xff\xfe\x00{"),
    };
    let tombstone = Parked { reason: "tombstone", detail: "no value", partition: 1, offset: 7, ..Parked::default() };
    let blank =
        Parked { reason: "empty", partition: 1, offset: 8, key: Some(b""), value: Some(b""), ..tombstone.clone() };
    // Of a partition that this topic has not.
    let third = Parked { partition: 2, offset: 9, key: Some(b"mall:1001"), ..blank.clone() };
    store.park(&[binary, tombstone, blank, third]);
    let work = Work::begins(&store, &kafka);
    until("all are sent", || async { unsent(&store) == 0 }).await;
    until("they are counted", || async { work.metrics.encode().contains("allim_dead_letters_waiting 4\n") }).await;

    let (zero, one) = (read(dlt(&kafka), 0), read(dlt(&kafka), 1));
    assert_eq!(zero.len() + one.len(), 4);
    assert_eq!((one[0].key(), one[0].payload()), (Some(&b"\x00\xfe"[..]), Some(&b"\xff\xfe\x00{"[..])));
    let owned = |(name, value): (&str, Option<&[u8]>)| (name.to_owned(), value.map(<[u8]>::to_vec));
    let springs: [(&str, &[u8]); 8] = [
        ("kafka_dlt-original-topic", kafka.address.topic.as_bytes()),
        ("kafka_dlt-original-partition", &[0, 0, 0, 1]),
        ("kafka_dlt-original-offset", &[0, 0, 1, 2, 3, 4, 5, 6]),
        ("kafka_dlt-original-timestamp", &AT.to_be_bytes()),
        ("kafka_dlt-original-timestamp-type", b"LogAppendTime"),
        ("kafka_dlt-original-consumer-group", b"allim-timeline"),
        ("kafka_dlt-exception-fqcn", b"not_utf8"),
        ("kafka_dlt-exception-message", b"the value is not UTF-8"),
    ];
    let wanted = theirs.into_iter().chain(springs.map(|(name, value)| (name, Some(value))));
    assert_eq!(headers(&one[0]), wanted.map(owned).collect::<Vec<_>>());
    assert_eq!((one[1].key(), one[1].payload()), (None, None));
    assert_eq!((one[2].key(), one[2].payload()), (Some(&b""[..]), Some(&b""[..])));
    let third = zero.iter().chain(&one[3..]).next().unwrap();
    let said = headers(third);
    assert_eq!(third.key(), Some(&b"mall:1001"[..]));
    assert!(said.contains(&owned(("kafka_dlt-original-partition", Some(&[0, 0, 0, 2])))), "{said:?}");

    // What comes in later is sent when it is told.
    store.park(&[Parked { reason: "empty", offset: 99, value: Some(b" "), ..Parked::default() }]);
    work.growth.parked("empty");
    until("it is sent", || async { unsent(&store) == 0 }).await;
    work.ends().await;
    assert_eq!(topics::appended(dlt(&kafka), 2).await, 5, "one was sent twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_topic_they_wait_and_go_when_it_is_there() {
    let kafka = Kafka::start().await;
    let store = Store::new();
    let parked = |offset| Parked { reason: "bad_json", offset, value: Some(b"{"), ..Parked::default() };
    store.park(&(0..250).map(parked).collect::<Vec<_>>());
    let work = Work::begins(&store, &kafka);
    until("it has looked", || async { work.metrics.encode().contains("allim_dead_letters_waiting 250\n") }).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(unsent(&store), 250);
    topics::create(dlt(&kafka), 3, 1).await;
    until("all are sent", || async { unsent(&store) == 0 }).await;
    work.ends().await;
    assert_eq!(topics::appended(dlt(&kafka), 3).await, 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_refused_holds_up_no_other_and_kafka_away_loses_none() {
    let mut kafka = Kafka::alone(3).await;
    topics::create(dlt(&kafka), 3, 1).await;
    let store = Store::new();
    let huge = too_large();
    let huge = Parked { reason: "too_big", offset: 1, value: Some(&huge), ..Parked::default() };
    store.park(&[huge, Parked { reason: "bad_json", offset: 2, value: Some(b"{"), ..Parked::default() }]);
    let work = Work::begins(&store, &kafka);
    until("the second is sent", || async { unsent(&store) == 1 }).await;
    kafka.go_away().await;
    store.park(&[Parked { reason: "bad_json", offset: 3, value: Some(b"["), ..Parked::default() }]);
    work.growth.parked("bad_json");
    kafka.come_back().await;
    until("the third is sent", || async { unsent(&store) == 1 }).await;
    work.ends().await;
    let offsets: Vec<Vec<u8>> =
        read(dlt(&kafka), 0).iter().map(|message| message.payload().unwrap().to_vec()).collect();
    assert_eq!(offsets, [b"{".to_vec(), b"[".to_vec()]);
}
