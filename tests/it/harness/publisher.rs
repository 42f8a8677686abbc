//! A domain service: publishes with an ordinary client and knows where each record went.

use std::{sync::Mutex, time::Duration};

use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord, Producer},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{kafka::Place, secrets};

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
    topic: &'static str,
    sent: Mutex<Vec<Sent>>,
}

impl Publisher {
    pub fn new(broker: impl Into<Place>) -> Publisher {
        let place = broker.into();
        let producer = ClientConfig::new()
            .set("bootstrap.servers", place.to_string())
            // What a broker took before it went away is not taken again when it is back.
            .set("enable.idempotence", "true")
            .set("linger.ms", "0")
            .set("allow.auto.create.topics", "false")
            .set("message.max.bytes", "15000000")
            .set("reconnect.backoff.max.ms", "500")
            .set("message.timeout.ms", "60000")
            .create()
            .expect("a producer");
        Publisher { producer, topic: place.topic, sent: Mutex::default() }
    }

    /// Everything that was accepted so far.
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    /// The titles of the same, in the order that Kafka gave them.
    pub fn in_order(&self) -> Vec<String> {
        let mut sent = self.sent();
        sent.sort_by_key(|sent| (sent.partition, sent.offset));
        sent.into_iter().map(|sent| sent.title).collect()
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
        self.raw_to(self.topic, key, value, headers).await
    }

    /// What the account service would say to every node.
    pub async fn signal(&self, signal: &Value) {
        let key = signal["adminNo"].to_string();
        let topic = format!("{}-signals", self.topic);
        self.raw_to(&topic, Some(&key), Some(signal.to_string().as_bytes()), &[]).await;
    }

    async fn raw_to(
        &self,
        topic: &str,
        key: Option<&str>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> (usize, u64) {
        secrets::event(value.unwrap_or_default());
        let mut record: FutureRecord<'_, str, [u8]> = FutureRecord::to(topic);
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

/// A number as records have it: zigzag, seven bits a byte.
fn varint(number: usize, into: &mut Vec<u8>) {
    let mut rest = number * 2;
    while rest > 127 {
        into.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    into.push(u8::try_from(rest).unwrap());
}

/// Publishes a record with a header of this name, byte by byte: no client would.
pub async fn with_header(place: Place, name: &[u8], value: &str) {
    let topic = place.topic;
    let mut record = vec![0, 0, 0, 1];
    for part in [value.as_bytes(), &[], name, b"value"] {
        if part.is_empty() {
            record.push(2)
        } else {
            varint(part.len(), &mut record)
        }
        record.extend(part);
    }
    let mut covered = [&[0_u8; 22][..], &[0xff; 14], &1_i32.to_be_bytes()].concat();
    varint(record.len(), &mut covered);
    covered.extend(record);
    let mut batch =
        [&[0_u8; 8][..], &i32::try_from(covered.len() + 9).unwrap().to_be_bytes(), &[0xff; 4], &[2]].concat();
    batch.extend(crc32c::crc32c(&covered).to_be_bytes());
    batch.extend(covered);
    // Produce 3: no transaction, all acknowledge, in 10 s; one topic, partition 0.
    let mut request =
        [&[0, 0, 0, 3, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..], &10_000_i32.to_be_bytes()].concat();
    request.extend(1_i32.to_be_bytes());
    request.extend(i16::try_from(topic.len()).unwrap().to_be_bytes());
    request.extend(topic.bytes());
    request.extend(
        [&1_i32.to_be_bytes()[..], &[0; 4], &i32::try_from(batch.len()).unwrap().to_be_bytes(), &batch].concat(),
    );
    let mut socket = TcpStream::connect(place.socket()).await.unwrap();
    socket.write_all(&i32::try_from(request.len()).unwrap().to_be_bytes()).await.unwrap();
    socket.write_all(&request).await.unwrap();
    let length = socket.read_i32().await.unwrap();
    let mut answer = vec![0; usize::try_from(length).unwrap()];
    socket.read_exact(&mut answer).await.unwrap();
    let error = 4 + 4 + 2 + topic.len() + 4 + 4;
    assert_eq!(answer[error..error + 2], [0, 0], "the broker refuses it: {answer:?}");
}
