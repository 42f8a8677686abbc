//! The consumer: librdkafka with the settings of somebody who waits, not of a bulk reader.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use rdkafka::{
    ClientConfig, ClientContext, Statistics,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, ConsumerContext},
    error::KafkaError,
};

use super::Settings;
use crate::{
    brokers::{self, Ear},
    telemetry::Metrics,
};

/// The client cannot even be made: settings that librdkafka refuses, or no thread for it.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("the Kafka client refuses its settings: {0}")]
    Settings(String),
    #[error("no thread for reading Kafka: {0}")]
    Thread(#[from] std::io::Error),
}

/// Counts what the client complains of, and keeps what it says of itself; the pulse decides what that means.
pub struct Context {
    topic: String,
    metrics: Metrics,
    ear: Ear,
    /// What the client fetches next, as it said last. It steps over what is no record (control records, aborted ones), so
    /// at the end of a log it is the end, which no position of ours can be compared with.
    next_offsets: Mutex<HashMap<usize, u64>>,
}

impl Context {
    /// What the brokers have against us, as far as they say so.
    pub fn ear(&self) -> &Ear {
        &self.ear
    }

    /// None: the client has not said so yet.
    pub fn next_offset(&self, partition: usize) -> Option<u64> {
        self.next_offsets.lock().unwrap_or_else(PoisonError::into_inner).get(&partition).copied()
    }
}

impl ClientContext for Context {
    /// librdkafka reports every broker that does not answer as an error; the one line that matters is the pulse's.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.ear.line(facility, message);
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(target: "librdkafka", facility, "{message}");
            }
            _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.metrics.kafka_errors.inc();
        self.ear.error(reason);
        tracing::debug!(target: "librdkafka", %error, "{reason}");
    }

    fn stats(&self, statistics: Statistics) {
        let Some(topic) = statistics.topics.get(&self.topic) else { return };
        let next = |(&partition, state): (&i32, &rdkafka::statistics::Partition)| {
            Some((usize::try_from(partition).ok()?, u64::try_from(state.next_offset).ok()?))
        };
        let next = topic.partitions.iter().filter_map(next).collect();
        *self.next_offsets.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }
}

impl ConsumerContext for Context {}

pub type Consumer = BaseConsumer<Context>;

/// The consumer of one topic, which can be exchanged for a new one: some of its troubles end with it alone.
pub struct Line {
    settings: Settings,
    topic: String,
    metrics: Metrics,
    consumer: Mutex<Arc<Consumer>>,
}

impl Line {
    pub fn new(settings: &Settings, topic: &str, metrics: &Metrics) -> Result<Line, Unusable> {
        let consumer = Mutex::new(Arc::new(consumer(settings, topic, metrics)?));
        Ok(Line { settings: settings.clone(), topic: topic.to_owned(), metrics: metrics.clone(), consumer })
    }

    /// The consumer of now.
    pub fn consumer(&self) -> Arc<Consumer> {
        Arc::clone(&self.consumer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new client; who still holds the old one ends it by letting go. Where none can be made the old one stays.
    pub fn renew(&self) {
        match consumer(&self.settings, &self.topic, &self.metrics) {
            Ok(new) => *self.consumer.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(new),
            Err(error) => tracing::error!(%error, "no new Kafka client can be made; the old one goes on"),
        }
    }
}

fn consumer(settings: &Settings, topic: &str, metrics: &Metrics) -> Result<Consumer, Unusable> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.bootstrap_servers)
        .set("client.id", &settings.client_id)
        // Never joined; `assign` fails without one.
        .set("group.id", format!("{}-live", settings.group_id))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("allow.auto.create.topics", "false")
        // We decide what an offset out of range means; both other values skip records silently.
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("check.crcs", "true")
        // A person waits: a fetch returns with the first byte. It is woken by data, so a long wait costs nothing.
        .set("fetch.min.bytes", "1")
        .set("fetch.wait.max.ms", "500")
        .set("fetch.queue.backoff.ms", "100")
        .set("fetch.error.backoff.ms", "200")
        // What librdkafka may hold beside our own memory.
        .set("queued.min.messages", "2000")
        .set("queued.max.messages.kbytes", "8192")
        // What the watchdog judges by.
        .set("statistics.interval.ms", "5000")
        .set("topic.metadata.refresh.interval.ms", "10000")
        .set("topic.metadata.propagation.max.ms", "2000")
        .set("socket.keepalive.enable", "true")
        .set("socket.timeout.ms", "20000")
        .set("socket.connection.setup.timeout.ms", "10000")
        .set("reconnect.backoff.ms", "100")
        .set("reconnect.backoff.max.ms", "2000");
    for (key, value) in &settings.properties {
        config.set(key, value);
    }
    config.set_log_level(RDKafkaLogLevel::Info);
    let context = Context {
        topic: topic.to_owned(),
        metrics: metrics.clone(),
        ear: Ear::new(&settings.properties),
        next_offsets: Mutex::new(HashMap::new()),
    };
    config.create_with_context(context).map_err(|error| Unusable::Settings(brokers::refused(&error)))
}
