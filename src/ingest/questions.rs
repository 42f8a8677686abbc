//! What the pulse asks the brokers: which log this is, how many partitions it has, where they begin and end.
//!
//! Each question blocks, and has a deadline. An error is the reason why the log cannot be followed, in one word.

use std::{
    ops::Range,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rdkafka::{Offset, TopicPartitionList, consumer::Consumer as _, error::RDKafkaErrorCode};
use sha2::{Digest, Sha256};

use super::{
    Refill,
    client::{Consumer, Line},
    native::{self, NoTopicId},
};
use crate::{brokers::Trouble, notification::Epoch};

/// One question to the brokers.
const QUESTION: Duration = Duration::from_secs(3);

/// Two of the reader's polls.
const A_MOMENT: Duration = Duration::from_millis(200);

/// Why the log cannot be followed, in the word that listeners are told.
pub const KAFKA: &str = "kafka";
pub const TOPIC: &str = "topic";
/// The topic may not be read by this user.
pub const RIGHTS: &str = "kafka_rights";

/// Read again below the place that the time asks for. A log is full of control records and aborted ones, which nobody is
/// sent: who was cut before a beat had led it over them stands a little below, and shall not be told of a gap.
const FURTHER_BACK: u64 = 100;

/// Low and high watermark of each partition.
pub type Watermarks = Vec<(u64, u64)>;

/// Which log this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub epoch: Epoch,
    /// By the id that a topic has for its whole life; brokers before 2.8 know none.
    pub certain: bool,
}

pub struct Questions {
    pub line: Arc<Line>,
    pub topic: String,
}

impl Questions {
    fn consumer(&self) -> Arc<Consumer> {
        self.line.consumer()
    }

    /// How many partitions the topic has.
    pub fn partitions(&self) -> Result<usize, &'static str> {
        let consumer = self.consumer();
        let metadata = consumer.fetch_metadata(Some(&self.topic), QUESTION).map_err(|_| KAFKA)?;
        consumer.client().context().ear().answered();
        let topic = metadata.topics().iter().find(|topic| topic.name() == self.topic).ok_or(TOPIC)?;
        match topic.error() {
            None if !topic.partitions().is_empty() => Ok(topic.partitions().len()),
            None => Err(TOPIC),
            Some(error) => match RDKafkaErrorCode::from(error) {
                RDKafkaErrorCode::UnknownTopicOrPartition => Err(TOPIC),
                RDKafkaErrorCode::TopicAuthorizationFailed => Err(RIGHTS),
                _ => Err(KAFKA),
            },
        }
    }

    /// Why nobody answers, as far as the brokers have said it: the reader hears of that a moment after the question failed.
    pub fn trouble(&self) -> Option<Trouble> {
        let (consumer, asked) = (self.consumer(), Instant::now());
        loop {
            let trouble = consumer.client().context().ear().trouble();
            if trouble.is_some() || asked.elapsed() > A_MOMENT {
                return trouble;
            }
            thread::sleep(A_MOMENT / 10);
        }
    }

    /// Low and high watermark of every partition, asked now.
    pub fn watermarks(&self, partitions: Range<usize>) -> Result<Watermarks, &'static str> {
        let consumer = self.consumer();
        partitions
            .map(|partition| {
                let number = i32::try_from(partition).map_err(|_| KAFKA)?;
                let (low, high) = consumer.fetch_watermarks(&self.topic, number, QUESTION).map_err(|_| KAFKA)?;
                Ok((u64::try_from(low).unwrap_or(0), u64::try_from(high).unwrap_or(0)))
            })
            .collect()
    }

    /// Which log this is: a topic that was deleted and created again has another id, whatever its offsets look like.
    /// Where brokers know no ids a recreated topic shows itself by its shorter end alone, or by fewer partitions.
    pub fn identity(&self) -> Result<Identity, &'static str> {
        let consumer = self.consumer();
        let cluster = consumer.client().fetch_cluster_id(QUESTION).ok_or(KAFKA)?;
        let topic = native::topic_id(&consumer, &self.topic, QUESTION).map_err(|none| match none {
            NoTopicId::NoTopic => TOPIC,
            NoTopicId::NoAnswer => KAFKA,
        })?;
        let certain = topic.is_some();
        let digest = Sha256::digest(format!("allim epoch\n{cluster}\n{}", topic.unwrap_or_default()));
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Ok(Identity { epoch: Epoch(u64::from_be_bytes(first)), certain })
    }

    /// By time, and never more records than could fit.
    pub fn refill_from(&self, refill: Refill, watermarks: &Watermarks) -> Result<Vec<u64>, &'static str> {
        let age = i64::try_from(refill.age.as_millis()).unwrap_or(i64::MAX);
        let since = Timestamp::now().as_millisecond().saturating_sub(age).max(0);
        let mut question = TopicPartitionList::new();
        for partition in 0..watermarks.len() {
            let number = i32::try_from(partition).map_err(|_| KAFKA)?;
            question.add_partition_offset(&self.topic, number, Offset::Offset(since)).map_err(|_| KAFKA)?;
        }
        let answer = self.consumer().offsets_for_times(question, QUESTION).map_err(|_| KAFKA)?;
        let from = |(partition, &(low, high)): (usize, &(u64, u64))| {
            let by_time = answer
                .elements_for_topic(&self.topic)
                .iter()
                .find(|element| usize::try_from(element.partition()) == Ok(partition))
                .and_then(|element| element.offset().to_raw())
                .and_then(|offset| u64::try_from(offset).ok());
            by_time
                .unwrap_or(high)
                .saturating_sub(FURTHER_BACK)
                .max(high.saturating_sub(refill.records))
                .clamp(low, high)
        };
        Ok(watermarks.iter().enumerate().map(from).collect())
    }
}
