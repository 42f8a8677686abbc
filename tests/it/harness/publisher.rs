//! A domain service: publishes with an ordinary client and knows where each record went.

use std::{net::SocketAddr, sync::Mutex, time::Duration};

use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord, Producer},
};
use serde_json::{Value, json};

use super::kafka::TOPIC;

/// A record that Kafka accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub partition: usize,
    pub offset: u64,
    pub title: String,
    pub audience: String,
}

pub struct Publisher {
    producer: FutureProducer,
    sent: Mutex<Vec<Sent>>,
}

impl Publisher {
    pub fn new(broker: SocketAddr) -> Publisher {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", broker.to_string())
            .set("linger.ms", "0")
            .set("allow.auto.create.topics", "false")
            .set("message.max.bytes", "15000000")
            .set("reconnect.backoff.max.ms", "500")
            .set("message.timeout.ms", "60000")
            .create()
            .expect("a producer");
        Publisher { producer, sent: Mutex::default() }
    }

    /// Everything that was accepted so far.
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    /// An event of an unknown type with an audience of its own: `key` decides the partition.
    pub async fn tell(&self, audience: &str, key: &str, title: &str) -> Sent {
        self.tell_padded(audience, key, title, 0).await
    }

    /// With so many bytes of text.
    pub async fn tell_padded(&self, audience: &str, key: &str, title: &str, padding: usize) -> Sent {
        let mut event = json!({"type": "test.happened", "audience": audience, "title": title});
        if padding > 0 {
            event["body"] = json!("x".repeat(padding));
        }
        let (partition, offset) = self.json(key, &event).await;
        let sent = Sent { partition, offset, title: title.to_owned(), audience: audience.to_owned() };
        self.sent.lock().unwrap().push(sent.clone());
        sent
    }

    pub async fn json(&self, key: &str, event: &Value) -> (usize, u64) {
        self.raw(Some(key), Some(event.to_string().as_bytes()), &[]).await
    }

    pub async fn raw(
        &self,
        key: Option<&str>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> (usize, u64) {
        let mut record: FutureRecord<'_, str, [u8]> = FutureRecord::to(TOPIC);
        record.key = key;
        record.payload = value;
        let all = OwnedHeaders::new();
        record.headers = Some(headers.iter().fold(all, |all, (key, value)| all.insert(Header { key, value: *value })));
        let sent = self.producer.send(record, Duration::from_secs(60)).await.expect("Kafka accepts it");
        (usize::try_from(sent.partition).unwrap(), u64::try_from(sent.offset).unwrap())
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ = self.producer.flush(Duration::from_secs(1));
    }
}
