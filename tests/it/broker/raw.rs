//! A client that speaks the protocol byte by byte, to say what no library would.

use allim::demo::kafka::Broker;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::within;

pub struct Raw {
    stream: TcpStream,
    next: i32,
}

/// A batch of one record `x` without key.
pub fn batch(producer: i64, epoch: i16, sequence: i32) -> Vec<u8> {
    // Length 7 as a zigzag number, attributes, time and offset deltas, no key, the value, no headers.
    let record = [14_u8, 0, 0, 0, 1, 2, b'x', 0];
    let mut covered = Vec::new();
    covered.extend(0_i16.to_be_bytes()); // attributes
    covered.extend(0_i32.to_be_bytes()); // last offset delta
    covered.extend(0_i64.to_be_bytes()); // first timestamp
    covered.extend(0_i64.to_be_bytes()); // last timestamp
    covered.extend(producer.to_be_bytes());
    covered.extend(epoch.to_be_bytes());
    covered.extend(sequence.to_be_bytes());
    covered.extend(1_i32.to_be_bytes());
    covered.extend(record);
    let mut batch = Vec::new();
    batch.extend(0_i64.to_be_bytes());
    batch.extend(i32::try_from(covered.len() + 9).unwrap().to_be_bytes());
    batch.extend((-1_i32).to_be_bytes()); // leader epoch
    batch.push(2); // magic
    batch.extend(crc32c::crc32c(&covered).to_be_bytes());
    batch.extend(covered);
    batch
}

/// The body of Produce 3 for one partition.
pub fn produce(topic: &str, partition: i32, acks: i16, batch: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend((-1_i16).to_be_bytes()); // no transaction
    body.extend(acks.to_be_bytes());
    body.extend(1_000_i32.to_be_bytes());
    body.extend(1_i32.to_be_bytes());
    body.extend(i16::try_from(topic.len()).unwrap().to_be_bytes());
    body.extend(topic.bytes());
    body.extend(1_i32.to_be_bytes());
    body.extend(partition.to_be_bytes());
    body.extend(i32::try_from(batch.len()).unwrap().to_be_bytes());
    body.extend(batch);
    body
}

impl Raw {
    pub async fn connect(broker: &Broker) -> Self {
        Self { stream: TcpStream::connect(broker.address()).await.unwrap(), next: 0 }
    }

    /// Sends a request; its number comes back with the answer.
    pub async fn send(&mut self, key: i16, version: i16, flexible: bool, body: &[u8]) -> i32 {
        self.next += 1;
        let mut frame = Vec::new();
        frame.extend(key.to_be_bytes());
        frame.extend(version.to_be_bytes());
        frame.extend(self.next.to_be_bytes());
        frame.extend((-1_i16).to_be_bytes()); // no client id
        frame.extend(flexible.then_some(0));
        frame.extend(body);
        self.bytes(&u32::try_from(frame.len()).unwrap().to_be_bytes()).await;
        self.bytes(&frame).await;
        self.next
    }

    pub async fn bytes(&mut self, bytes: &[u8]) {
        // The broker may have hung up already, which is what is then asserted.
        let _ = self.stream.write_all(bytes).await;
    }

    /// Says that nothing more will come, and waits until the broker has hung up too.
    pub async fn finish(mut self) {
        let _ = self.stream.shutdown().await;
        let mut rest = Vec::new();
        let _ = within("the end", self.stream.read_to_end(&mut rest)).await;
    }

    /// The number and the body of the next answer; `None` when the broker has hung up.
    pub async fn receive(&mut self) -> Option<(i32, Vec<u8>)> {
        within("answer", async {
            let length = self.stream.read_u32().await.ok()?;
            let mut frame = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut frame).await.ok()?;
            let body = frame.split_off(4);
            Some((i32::from_be_bytes(frame.try_into().unwrap()), body))
        })
        .await
    }

    /// The error code and base offset of an answer to [`produce`].
    pub async fn produced(&mut self, topic: &str) -> (i16, i64) {
        let (_, body) = self.receive().await.expect("an answer");
        let at = 4 + 2 + topic.len() + 4 + 4;
        let error = i16::from_be_bytes(body[at..at + 2].try_into().unwrap());
        (error, i64::from_be_bytes(body[at + 2..at + 10].try_into().unwrap()))
    }

    pub async fn publish(&mut self, topic: &str, batch: &[u8]) -> (i16, i64) {
        self.send(0, 3, false, &produce(topic, 0, -1, batch)).await;
        self.produced(topic).await
    }

    /// The id of a topic, as Metadata 12 tells it.
    pub async fn topic_id(&mut self, topic: &str) -> [u8; 16] {
        let name = u8::try_from(topic.len() + 1).unwrap();
        let mut body = vec![2];
        body.extend([0; 16]);
        body.push(name);
        body.extend(topic.bytes());
        body.extend([0, 0, 0, 0]); // tags, no creation, no rights, tags
        self.send(3, 12, true, &body).await;
        let (_, answer) = self.receive().await.expect("metadata");
        let mut named = vec![name];
        named.extend(topic.bytes());
        let at = answer.windows(named.len()).position(|window| window == named).expect("the topic") + named.len();
        answer[at..at + 16].try_into().unwrap()
    }
}
