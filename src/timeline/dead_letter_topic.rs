//! Brings every dead letter to the topic `…-dlt`, as Spring Kafka would write it, so that other people's tools read them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{DeadLetters, Growth, Trouble, dead_letters::DeadLetter};
use crate::publish::{Failed, Found, Producer};

/// Read from the store at once; each may be as large as a record can be.
const PAGE: usize = 16;
/// Between two looks when nothing was parked: for what could not be sent before, and for the gauge.
const IDLE: Duration = Duration::from_secs(60);
/// What Kafka refused is tried again so often, and at a start: somebody may have raised a bound of the topic.
const AFRESH: Duration = Duration::from_secs(3600);
/// After a failure, doubled each time up to [`IDLE`].
const AGAIN: Duration = Duration::from_secs(1);

/// The topic's name follows from that of the notifications, as with Spring Kafka since 3.3.
#[must_use]
pub fn name(topic: &str) -> String {
    format!("{topic}-dlt")
}

/// The task, and what it has to know of where the records came from.
pub struct DeadLetterTopic {
    letters: Arc<dyn DeadLetters>,
    producer: Producer,
    /// Of the notifications.
    topic: String,
    /// Of the kept way.
    group: String,
    growth: Growth,
    warned: bool,
    /// Up to this number each has been tried.
    tried: i64,
    afresh: Instant,
    counted: Option<Instant>,
}

/// Why a pass ended early.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Kafka(#[from] Failed),
    #[error(transparent)]
    Store(#[from] Trouble),
}

impl DeadLetterTopic {
    /// `producer` is the one that writes notifications; `group` reads them.
    #[must_use]
    pub fn new(letters: Arc<dyn DeadLetters>, producer: &Producer, group: String, growth: Growth) -> DeadLetterTopic {
        let topic = producer.topic().to_owned();
        let producer = producer.towards(name(&topic));
        let (warned, tried, afresh, counted) = (false, 0, Instant::now(), None);
        DeadLetterTopic { letters, producer, topic, group, growth, warned, tried, afresh, counted }
    }

    /// Runs until it is stopped. Nothing waits for it: what cannot be sent stays in the store, and is tried again.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut wait = AGAIN;
        while !stop.is_cancelled() {
            self.growth.say(Instant::now());
            let pause = match self.pass().await {
                Ok(()) => {
                    wait = AGAIN;
                    None
                }
                Err(why) => {
                    self.warn(&why);
                    let pause = wait;
                    wait = (wait * 2).min(IDLE);
                    Some(pause)
                }
            };
            let resting = async {
                match pause {
                    // Not sooner because more come in: it is the topic that is away.
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => self.growth.more(IDLE).await,
                }
            };
            tokio::select! {
                () = resting => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// All that are not there yet. One that Kafka refuses for what it is holds up no other.
    async fn pass(&mut self) -> Result<(), Stopped> {
        if self.counted.is_none_or(|counted| counted.elapsed() >= IDLE) {
            self.growth.waiting(self.letters.waiting().await?);
            self.counted = Some(Instant::now());
        }
        if self.afresh.elapsed() >= AFRESH {
            (self.tried, self.afresh) = (0, Instant::now());
        }
        let mut partitions = None;
        loop {
            let page = self.letters.unsent(self.tried, PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            // Asked only where there is something to send: many clusters have no such topic, and need none.
            let known = match partitions {
                Some(known) => known,
                None => *partitions.insert(self.producer.check().await?),
            };
            let (sent, all) = self.send_all(&page, known).await;
            if !sent.is_empty() {
                self.letters.sent(sent).await?;
            }
            all?;
            self.warned = false;
        }
    }

    /// The numbers of those that stand there now; an error where the rest has to wait.
    async fn send_all(&mut self, page: &[DeadLetter], partitions: usize) -> (Vec<i64>, Result<(), Failed>) {
        let mut sent = Vec::with_capacity(page.len());
        for letter in page {
            let number = letter.parked.number;
            match self.send(letter, partitions).await {
                Ok(()) => sent.push(number),
                Err(away) if away.is_of_all() => return (sent, Err(away)),
                Err(refused) => tracing::warn!(
                    number,
                    "a dead letter does not go to the topic {}, and stays in the store: {refused}",
                    self.producer.topic()
                ),
            }
            self.tried = number;
        }
        (sent, Ok(()))
    }

    async fn send(&self, letter: &DeadLetter, partitions: usize) -> Result<(), Failed> {
        let about = self.about(letter);
        let theirs = letter.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
        let ours = about.iter().map(|(name, value)| (*name, Some(value.as_slice())));
        let record = Found {
            key: letter.parked.key.as_deref(),
            headers: theirs.chain(ours).collect(),
            value: letter.value.as_deref(),
        };
        let place = letter.parked.place.at.partition;
        let partition = i32::try_from(place).ok().filter(|_| place < partitions);
        self.producer.send_found(record, partition).await.map(drop)
    }

    /// What Spring Kafka's `DeadLetterPublishingRecoverer` says of a record, in its names and encodings: texts as UTF-8,
    /// numbers big-endian. Of the timestamp's type we know what the contract asks of the topic.
    fn about(&self, letter: &DeadLetter) -> [(&'static str, Vec<u8>); 8] {
        let (parked, at) = (&letter.parked, letter.parked.place.at);
        let partition = i32::try_from(at.partition).unwrap_or(i32::MAX);
        let offset = i64::try_from(at.offset).unwrap_or(i64::MAX);
        [
            ("kafka_dlt-original-topic", self.topic.clone().into_bytes()),
            ("kafka_dlt-original-partition", partition.to_be_bytes().to_vec()),
            ("kafka_dlt-original-offset", offset.to_be_bytes().to_vec()),
            ("kafka_dlt-original-timestamp", parked.at.as_millisecond().to_be_bytes().to_vec()),
            ("kafka_dlt-original-timestamp-type", b"LogAppendTime".to_vec()),
            ("kafka_dlt-original-consumer-group", self.group.clone().into_bytes()),
            ("kafka_dlt-exception-fqcn", parked.reason.clone().into_bytes()),
            ("kafka_dlt-exception-message", parked.detail.clone().into_bytes()),
        ]
    }

    /// Once until it goes well again.
    fn warn(&mut self, why: &Stopped) {
        if std::mem::replace(&mut self.warned, true) {
            tracing::debug!("dead letters are still not brought to the topic {}: {why}", self.producer.topic());
        } else {
            tracing::warn!(
                "dead letters are kept and not brought to the topic {} until that goes well: {why}",
                self.producer.topic()
            );
        }
    }
}
