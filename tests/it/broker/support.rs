//! A broker in a temporary folder and clients for it; everything waits for a condition, with one deadline.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use allim::demo::kafka::{Broker, DEFAULT_MAX_BYTES, DEFAULT_MAX_MESSAGE_BYTES, DEFAULT_SEGMENT_BYTES, Settings};
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, FromClientConfig};
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use tempfile::TempDir;

pub const TOPIC: &str = "things";

/// Longer than anything here takes on a busy machine; who hangs fails after it.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub fn settings(folder: &Path) -> Settings {
    Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        data_dir: folder.to_owned(),
        max_bytes: DEFAULT_MAX_BYTES,
        segment_bytes: DEFAULT_SEGMENT_BYTES,
        max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
        topics: vec![(TOPIC.to_owned(), 3)],
        auto_create_topics: false,
        default_partitions: 1,
    }
}

pub async fn broker() -> (TempDir, Broker) {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(settings(folder.path())).await.unwrap();
    (folder, broker)
}

pub fn config(broker: &Broker) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.address().to_string());
    config.set("allow.auto.create.topics", "false");
    config.set("reconnect.backoff.max.ms", "200");
    config
}

pub fn client<T: FromClientConfig>(broker: &Broker, more: &[(&str, &str)]) -> T {
    let mut config = config(broker);
    for (key, value) in more {
        config.set(*key, *value);
    }
    config.create().unwrap()
}

pub fn producer(broker: &Broker, more: &[(&str, &str)]) -> FutureProducer {
    client(broker, &[&[("linger.ms", "0"), ("message.timeout.ms", "30000")], more].concat())
}

pub fn admin(broker: &Broker) -> AdminClient<DefaultClientContext> {
    client(broker, &[])
}

/// A consumer that assigned itself.
pub fn reader(broker: &Broker, topic: &str, partition: i32, from: Offset, more: &[(&str, &str)]) -> StreamConsumer {
    let own = [
        ("group.id", "reader"),
        ("enable.auto.commit", "false"),
        ("enable.partition.eof", "true"),
        ("auto.offset.reset", "error"),
        ("fetch.message.max.bytes", "20000000"),
    ];
    let consumer: StreamConsumer = client(broker, &[&own, more].concat());
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, from).unwrap();
    consumer.assign(&list).unwrap();
    consumer
}

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what}: nothing within {DEADLINE:?}"))
}

/// The offset that a record got.
pub async fn publish(producer: &FutureProducer, topic: &str, partition: i32, payload: &[u8]) -> i64 {
    try_publish(producer, topic, partition, payload).await.unwrap()
}

pub async fn try_publish(
    producer: &FutureProducer,
    topic: &str,
    partition: i32,
    payload: &[u8],
) -> Result<i64, KafkaError> {
    let record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(topic)
        .partition(partition)
        .key(b"key".as_slice())
        .payload(payload)
        .headers(OwnedHeaders::new());
    let sent = within("publish", producer.send(record, DEADLINE)).await;
    sent.map(|delivery| delivery.offset).map_err(|(error, _)| error)
}

/// The next record, ends of partitions aside.
pub async fn next(consumer: &StreamConsumer) -> BorrowedMessage<'_> {
    loop {
        match within("next record", consumer.recv()).await {
            Ok(message) => return message,
            Err(KafkaError::PartitionEOF(_)) => {}
            Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown,
            )) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Asks again and again, as a client would, until something is so.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    within(what, async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// A question to librdkafka that blocks its thread.
pub async fn ask<T: Send + 'static>(broker: &Broker, ask: impl FnOnce(&StreamConsumer) -> T + Send + 'static) -> T {
    let consumer: StreamConsumer = client(broker, &[("group.id", "asking")]);
    tokio::task::spawn_blocking(move || ask(&consumer)).await.unwrap()
}

pub async fn watermarks(broker: &Broker, topic: &'static str, partition: i32) -> (i64, i64) {
    ask(broker, move |consumer| consumer.fetch_watermarks(topic, partition, DEADLINE).unwrap()).await
}
