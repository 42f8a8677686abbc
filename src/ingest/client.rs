//! The consumer: librdkafka with the settings of somebody who waits, not of a bulk reader.

use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, ConsumerContext},
    error::KafkaError,
};

use super::Settings;
use crate::telemetry::Metrics;

/// The client cannot even be made: settings that librdkafka refuses, or no thread for it.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("the Kafka client refuses its settings: {0}")]
    Settings(#[from] KafkaError),
    #[error("no thread for reading Kafka: {0}")]
    Thread(#[from] std::io::Error),
}

/// Counts what the client complains of; the pulse decides what that means.
pub struct Context {
    metrics: Metrics,
}

impl ClientContext for Context {
    /// librdkafka reports every broker that does not answer as an error; the one line that matters is the pulse's.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(target: "librdkafka", facility, "{message}");
            }
            _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.metrics.kafka_errors.inc();
        tracing::debug!(target: "librdkafka", %error, "{reason}");
    }
}

impl ConsumerContext for Context {}

pub type Consumer = BaseConsumer<Context>;

pub fn consumer(settings: &Settings, metrics: &Metrics) -> Result<Consumer, Unusable> {
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
    Ok(config.create_with_context(Context { metrics: metrics.clone() })?)
}
