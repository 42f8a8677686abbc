//! The producer: quick or honest, so that a person who waits hears within seconds whether the log has it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord, Producer as _},
};
use tokio::{task, time::timeout};

use super::{Failed, Found, Outgoing, Published, Settings};
use crate::{
    brokers::{self, Ear},
    telemetry::log,
};

/// For a question that somebody asks at a terminal.
const QUESTION: Duration = Duration::from_secs(5);

/// How long of that it waits before it looks whether the brokers have said why they do not answer.
const LOOKS: Duration = Duration::from_secs(1);

/// librdkafka's lines go the way of all lines.
#[derive(Clone)]
struct Lines {
    ear: Arc<Ear>,
}

impl ClientContext for Lines {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if !self.ear.line(facility, message) {
            log::librdkafka(level as u8, facility, message);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.ear.error(reason);
        tracing::debug!(%error, reason, "the producer met an error and goes on");
    }
}

/// A handle; clones share the connections and the queue.
#[derive(Clone)]
pub struct Producer {
    inner: Arc<Mutex<FutureProducer<Lines>>>,
    ear: Arc<Ear>,
    settings: Settings,
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("servers", &self.settings.bootstrap_servers).finish_non_exhaustive()
    }
}

fn connect(settings: &Settings, ear: &Arc<Ear>) -> Result<FutureProducer<Lines>, Failed> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.bootstrap_servers)
        .set("client.id", &settings.client_id)
        // Acknowledged means on every replica in sync, once and in order, also after a repeat.
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", settings.deadline.as_millis().to_string())
        // A person waits; a batch does not.
        .set("linger.ms", "0")
        // A key goes where every Java producer sends it, so that a mall stays in one partition.
        .set("partitioner", "murmur2_random")
        // What is too large the brokers say, each topic for itself; but what the queue below can never take we do.
        .set("message.max.bytes", "15000000")
        // A typing error must not make a topic.
        .set("allow.auto.create.topics", "false")
        .set("queue.buffering.max.kbytes", "16384")
        .set("reconnect.backoff.max.ms", "2000")
        .set("socket.keepalive.enable", "true");
    for (key, value) in &settings.properties {
        config.set(key, value);
    }
    // Connections that end without an error are told at this level.
    config.set_log_level(RDKafkaLogLevel::Info);
    let lines = Lines { ear: Arc::clone(ear) };
    config.create_with_context(lines).map_err(|error| Failed::Settings(brokers::refused(&error)))
}

impl Producer {
    /// Connects in the background; [`Producer::check`] says whether somebody is there.
    pub fn new(settings: &Settings) -> Result<Producer, Failed> {
        let ear = Arc::new(Ear::new(&settings.properties));
        let inner = connect(settings, &ear)?;
        Ok(Producer { inner: Arc::new(Mutex::new(inner)), ear, settings: settings.clone() })
    }

    fn inner(&self) -> FutureProducer<Lines> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A producer that can keep its promise of order no longer (its topic was created anew, say) never sends again by
    /// itself; the next record goes with another one.
    fn replace_if_broken(&self, broken: FutureProducer<Lines>) {
        if broken.client().fatal_error().is_none() {
            return;
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.client().fatal_error().is_some()
            && let Ok(fresh) = connect(&self.settings, &self.ear)
        {
            tracing::warn!("the producer was broken for good and is replaced");
            let old = std::mem::replace(&mut *inner, fresh);
            // Letting go of the last handle blocks.
            task::spawn_blocking(move || drop((old, broken)));
        }
    }

    /// The same connections, and another topic.
    #[must_use]
    pub fn towards(&self, topic: String) -> Producer {
        let settings = Settings { topic, ..self.settings.clone() };
        Producer { inner: Arc::clone(&self.inner), ear: Arc::clone(&self.ear), settings }
    }

    #[must_use]
    pub fn topic(&self) -> &str {
        &self.settings.topic
    }

    /// Whether a broker answers and has the topic; how many partitions it has.
    pub async fn check(&self) -> Result<usize, Failed> {
        let (inner, ear, topic) = (self.inner(), Arc::clone(&self.ear), self.settings.topic.clone());
        let servers = self.settings.bootstrap_servers.clone();
        // The calls block.
        let asking = move || {
            let (client, began) = (inner.client(), Instant::now());
            loop {
                match client.fetch_metadata(Some(&topic), LOOKS) {
                    Ok(metadata) => {
                        ear.answered();
                        return Ok(metadata);
                    }
                    Err(_) => match ear.trouble() {
                        Some(trouble) => return Err(Failed::NotLetIn(trouble.to_string())),
                        None if began.elapsed() >= QUESTION => return Err(Failed::NoBroker(servers)),
                        None => {}
                    },
                }
            }
        };
        let missing = || Failed::NoTopic(self.settings.topic.clone(), self.settings.bootstrap_servers.clone());
        let metadata = task::spawn_blocking(asking).await.map_err(|_| missing())??;
        let topic = metadata.topics().iter().find(|topic| topic.name() == self.settings.topic).ok_or_else(missing)?;
        match topic.error().map(RDKafkaErrorCode::from) {
            None if !topic.partitions().is_empty() => Ok(topic.partitions().len()),
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => Err(Failed::NoRight(self.settings.topic.clone())),
            _ => Err(missing()),
        }
    }

    /// Returns when every replica in sync has it, or when it is not known within the deadline whether it came to be.
    pub async fn send(&self, record: &Outgoing) -> Result<Published, Failed> {
        let headers = record.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes()))).collect();
        let key = record.key.as_deref().map(str::as_bytes);
        self.send_found(Found { key, headers, value: Some(&record.value) }, None).await
    }

    /// The same for a record of any bytes; into that partition, or where its key belongs.
    pub async fn send_found(&self, record: Found<'_>, partition: Option<i32>) -> Result<Published, Failed> {
        // The client would take it for a text that ends there, and rdkafka panics.
        if record.headers.iter().any(|(name, _)| name.contains('\0')) {
            return Err(Failed::Refused("the name of a header holds U+0000".to_owned()));
        }
        let headers =
            record.headers.iter().fold(OwnedHeaders::new_with_capacity(record.headers.len()), |all, header| {
                all.insert(Header { key: header.0, value: header.1 })
            });
        let mut message = FutureRecord::<[u8], [u8]>::to(&self.settings.topic).headers(headers);
        (message.key, message.payload, message.partition) = (record.key, record.value, partition);
        let began = Instant::now();
        let (inner, deadline) = (self.inner(), self.settings.deadline);
        // librdkafka looks at its deadlines once a second only.
        match timeout(deadline, inner.send(message, deadline)).await {
            Ok(Ok(delivery)) => {
                Ok(Published { partition: delivery.partition, offset: delivery.offset, took: began.elapsed() })
            }
            Ok(Err((error, _))) => {
                let failed = self.failed(&error, &inner);
                self.replace_if_broken(inner);
                Err(failed)
            }
            Err(_elapsed) => Err(self.nobody()),
        }
    }

    /// Nobody answers, or nobody lets us in.
    fn nobody(&self) -> Failed {
        match self.ear.trouble() {
            Some(trouble) => Failed::NotLetIn(trouble.to_string()),
            None => Failed::NoBroker(self.settings.bootstrap_servers.clone()),
        }
    }

    fn failed(&self, error: &KafkaError, inner: &FutureProducer<Lines>) -> Failed {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageTimedOut) => self.nobody(),
            Some(RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed) => {
                Failed::NoRight(self.settings.topic.clone())
            }
            Some(RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition) => {
                Failed::NoTopic(self.settings.topic.clone(), self.settings.bootstrap_servers.clone())
            }
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => Failed::TooLarge,
            _ => match inner.client().fatal_error() {
                Some((RDKafkaErrorCode::ClusterAuthorizationFailed, _)) => Failed::NoRight(self.settings.topic.clone()),
                _ => Failed::Refused(error.to_string()),
            },
        }
    }

    /// Lets go of it. The last handle takes about 100 ms, which is nothing for a thread of the runtime.
    pub async fn close(self) {
        let _ = task::spawn_blocking(move || drop(self)).await;
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;

    use super::*;

    fn settings(bootstrap_servers: String) -> Settings {
        Settings {
            bootstrap_servers,
            topic: "T".into(),
            client_id: "test".into(),
            properties: Vec::new(),
            deadline: QUESTION,
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_key_goes_where_java_sends_it_and_a_missing_topic_is_not_made() {
        let cluster = MockCluster::new(1).unwrap();
        let producer = Producer::new(&settings(cluster.bootstrap_servers())).unwrap();
        let missing = producer.check().await.unwrap_err();
        assert!(matches!(&missing, Failed::NoTopic(topic, _) if topic == "T"), "{missing}");

        cluster.create_topic("T", 8, 1).unwrap();
        let producer = Producer::new(&settings(cluster.bootstrap_servers())).unwrap();
        producer.check().await.unwrap();
        // murmur2 of Kafka's own tests, made positive, modulo 8.
        for (key, partition) in [("21", 4), ("foobar", 6), ("a-little-bit-long-string", 0)] {
            for offset in 0..2 {
                let record = Outgoing { key: Some(key.into()), headers: Vec::new(), value: b"{}".to_vec() };
                let published = producer.send(&record).await.unwrap();
                assert_eq!((published.partition, published.offset), (partition, offset), "{key}");
            }
        }
        producer.close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_property_that_librdkafka_does_not_know_is_said_at_once() {
        let mut settings = settings("127.0.0.1:1".into());
        settings.properties.push(("no.such.thing".into(), "1".into()));
        let error = Producer::new(&settings).unwrap_err();
        assert!(error.to_string().contains("no.such.thing"), "{error}");
    }
}
