//! The pulse: asks the brokers how the log is, and tells the reader where to read and everybody whether we are live.
//!
//! librdkafka reports little of what matters here: not that a partition was added, not that it is alone, not that it is
//! at the end again after an outage. So one thread asks, every second, and judges by what it was told.

use std::{
    sync::{Arc, mpsc::SyncSender},
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rdkafka::{Offset, TopicPartitionList, consumer::Consumer as _, error::RDKafkaErrorCode};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{
    Broken, LogIs, Next, Refill,
    client::Consumer,
    reader::{Break, Order, Seen},
};
use crate::{
    notification::{Epoch, Vector},
    telemetry::Metrics,
};

/// Between two looks while all is well.
const HEALTHY: Duration = Duration::from_secs(1);
/// Between two looks while something is missing.
const ILL: Duration = Duration::from_millis(300);
/// Between two looks while memory is being refilled: they ask nobody.
const FILLING: Duration = Duration::from_millis(20);
/// One question to the brokers.
const QUESTION: Duration = Duration::from_secs(3);
/// How often the ends are asked while all is well: what a log that shrank needs to be noticed.
const ENDS_EVERY: Duration = Duration::from_secs(5);

/// Why the log cannot be followed, in the word that listeners are told.
const KAFKA: &str = "kafka";
const TOPIC: &str = "topic";
const FILLING_REASON: &str = "filling";

type Watermarks = Vec<(u64, u64)>;

/// A log that was found.
struct Known {
    partitions: usize,
    /// The ends when it was found; memory is filled once they are reached.
    need: Option<Vector>,
    live: bool,
    ends_asked: Instant,
    /// The ends at the last assignment. Read up to them is caught up: where records never stop coming, there is no
    /// moment at which nothing is under way.
    ends: Vector,
    /// The number of the last assignment. After an outage everything is assigned again: a client that lost its way
    /// finds it, and the ends it reports are ends of now.
    assignment: u64,
    assigned_after_outage: bool,
    /// Partitions that seemed shorter than what we have read; a second look must agree.
    shorter: Vec<usize>,
}

pub struct Pulse {
    consumer: Arc<Consumer>,
    topic: String,
    refill: Refill,
    metrics: Metrics,
    next: Arc<dyn Next>,
    seen: Arc<Seen>,
    orders: SyncSender<Order>,
    stop: CancellationToken,
    known: Option<Known>,
    said: Option<LogIs>,
}

impl Pulse {
    #[expect(clippy::too_many_arguments, reason = "the parts of a thread, joined in one place")]
    pub fn new(
        consumer: Arc<Consumer>,
        topic: String,
        refill: Refill,
        metrics: Metrics,
        next: Arc<dyn Next>,
        seen: Arc<Seen>,
        orders: SyncSender<Order>,
        stop: CancellationToken,
    ) -> Pulse {
        Pulse { consumer, topic, refill, metrics, next, seen, orders, stop, known: None, said: None }
    }

    pub fn run(mut self) {
        while !self.stop.is_cancelled() {
            let pause = match self.look() {
                Ok(pause) => pause,
                Err(reason) => {
                    if let Some(known) = &mut self.known {
                        known.live = false;
                        known.assigned_after_outage = false;
                    }
                    self.say(if self.filled() { LogIs::Away(reason) } else { LogIs::Unknown(reason) });
                    ILL
                }
            };
            let until = Instant::now() + pause;
            while Instant::now() < until && !self.stop.is_cancelled() {
                thread::sleep(pause.min(Duration::from_millis(50)));
                if self.seen.take_trouble() {
                    break;
                }
            }
        }
    }

    fn filled(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.need.is_none())
    }

    /// One look. An error is the reason why the log cannot be followed.
    fn look(&mut self) -> Result<Duration, &'static str> {
        // Until the reader has taken up the last assignment, the position is one of before, and says nothing.
        if self.known.as_ref().is_some_and(|known| !self.seen.assigned(known.assignment)) {
            return Ok(FILLING);
        }
        if let Some(known) = self.known.as_mut().filter(|known| known.need.is_some()) {
            // The place to refill from is gone, and the client reads on nowhere: find another one.
            if self.seen.take_out_of_range() {
                let partitions = self.partitions()?;
                return self.begin(partitions);
            }
            let position = self.next.position();
            let reached = |(p, need)| position.get(p) >= need || self.seen.at_end(p, known.assignment);
            if !known.need.as_ref().is_none_or(|need| need.iter().all(reached)) {
                if known.ends_asked.elapsed() > HEALTHY {
                    known.ends_asked = Instant::now();
                    let before = known.partitions;
                    let partitions = self.partitions()?;
                    if partitions < before {
                        return self.begin(partitions);
                    }
                }
                return Ok(FILLING);
            }
            known.need = None;
            known.live = true;
            known.assigned_after_outage = true;
            self.say(LogIs::Live);
            return Ok(HEALTHY);
        }
        let partitions = self.partitions()?;
        self.metrics.partitions.set(i64::try_from(partitions).unwrap_or(i64::MAX));
        match self.known.as_ref().map(|known| (known.partitions, known.live, known.ends_asked)) {
            None => self.begin(partitions),
            Some((before, ..)) if partitions < before => self.begin(partitions),
            Some((before, ..)) if partitions > before => self.grow(before, partitions),
            Some((_, live, asked)) => {
                let out_of_range = self.seen.take_out_of_range();
                if !live || out_of_range || asked.elapsed() > ENDS_EVERY {
                    self.judge(partitions, out_of_range)?;
                }
                Ok(if self.known.as_ref().is_some_and(|known| known.live) { HEALTHY } else { ILL })
            }
        }
    }

    /// How many partitions the topic has.
    fn partitions(&self) -> Result<usize, &'static str> {
        let metadata = self.consumer.fetch_metadata(Some(&self.topic), QUESTION).map_err(|_| KAFKA)?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == self.topic).ok_or(TOPIC)?;
        match topic.error() {
            None if !topic.partitions().is_empty() => Ok(topic.partitions().len()),
            None => Err(TOPIC),
            Some(error) if RDKafkaErrorCode::from(error) == RDKafkaErrorCode::UnknownTopicOrPartition => Err(TOPIC),
            Some(_) => Err(KAFKA),
        }
    }

    /// Low and high watermark of every partition, asked now.
    fn watermarks(&self, partitions: std::ops::Range<usize>) -> Result<Watermarks, &'static str> {
        partitions
            .map(|partition| {
                let number = i32::try_from(partition).map_err(|_| KAFKA)?;
                let (low, high) = self.consumer.fetch_watermarks(&self.topic, number, QUESTION).map_err(|_| KAFKA)?;
                Ok((u64::try_from(low).unwrap_or(0), u64::try_from(high).unwrap_or(0)))
            })
            .collect()
    }

    /// A log is found, for the first time or a new one: read again what memory would hold of it.
    fn begin(&mut self, partitions: usize) -> Result<Duration, &'static str> {
        let cluster = self.consumer.client().fetch_cluster_id(QUESTION).ok_or(KAFKA)?;
        let epoch = epoch_of(&cluster);
        let watermarks = self.watermarks(0..partitions)?;
        let start = self.refill_from(&watermarks)?;
        let need = Vector::new(watermarks.iter().map(|&(_, high)| high).collect());
        // First of all: from here on no position can be judged until memory is filled.
        self.say(LogIs::Unknown(FILLING_REASON));
        let number = self.known.as_ref().map_or(0, |known| known.assignment) + 1;
        self.order(Order::Begin { epoch, number, from: Vector::new(start) });
        self.known = Some(Known {
            partitions,
            ends: need.clone(),
            need: Some(need),
            live: false,
            ends_asked: Instant::now(),
            assignment: number,
            assigned_after_outage: false,
            shorter: Vec::new(),
        });
        Ok(FILLING)
    }

    /// By time, and never more records than could fit.
    fn refill_from(&self, watermarks: &Watermarks) -> Result<Vec<u64>, &'static str> {
        let age = i64::try_from(self.refill.age.as_millis()).unwrap_or(i64::MAX);
        let since = Timestamp::now().as_millisecond().saturating_sub(age).max(0);
        let mut question = TopicPartitionList::new();
        for partition in 0..watermarks.len() {
            let number = i32::try_from(partition).map_err(|_| KAFKA)?;
            question.add_partition_offset(&self.topic, number, Offset::Offset(since)).map_err(|_| KAFKA)?;
        }
        let answer = self.consumer.offsets_for_times(question, QUESTION).map_err(|_| KAFKA)?;
        let from = |(partition, &(low, high)): (usize, &(u64, u64))| {
            let by_time = answer
                .elements_for_topic(&self.topic)
                .iter()
                .find(|element| usize::try_from(element.partition()) == Ok(partition))
                .and_then(|element| element.offset().to_raw())
                .and_then(|offset| u64::try_from(offset).ok());
            by_time.unwrap_or(high).max(high.saturating_sub(self.refill.records)).clamp(low, high)
        };
        Ok(watermarks.iter().enumerate().map(from).collect())
    }

    /// The topic has more partitions than before: the new ones are read from their beginning.
    fn grow(&mut self, before: usize, partitions: usize) -> Result<Duration, &'static str> {
        let new = self.watermarks(before..partitions)?;
        tracing::info!(before, now = partitions, "the topic has more partitions");
        self.order(Order::Add(new.iter().enumerate().map(|(i, &(low, _))| (before + i, low)).collect()));
        if let Some(known) = &mut self.known {
            known.partitions = partitions;
        }
        Ok(HEALTHY)
    }

    /// Compares what we have read with where the log begins and ends.
    fn judge(&mut self, partitions: usize, out_of_range: bool) -> Result<(), &'static str> {
        // Asked for before the watermarks: a log can only have grown in between.
        let position = self.next.position();
        let watermarks = self.watermarks(0..partitions)?;
        let Some(known) = &mut self.known else { return Ok(()) };
        known.ends_asked = Instant::now();
        let mut shorter = Vec::new();
        let (mut at_end, mut goes_on, mut reason) = (true, Vec::new(), None);
        for (partition, &(low, high)) in watermarks.iter().enumerate() {
            let next = position.get(partition);
            if next > high {
                shorter.push(partition);
                if known.shorter.contains(&partition) || out_of_range {
                    goes_on.push((partition, high));
                    reason = Some(Broken::Truncated);
                }
            } else if next < low && out_of_range {
                goes_on.push((partition, low));
                reason = reason.or(Some(Broken::Retention));
            }
            // A log may end in a hole (control records, aborted ones): then only the client can tell that it is done.
            at_end &= next >= known.ends.get(partition).min(high) || self.seen.at_end(partition, known.assignment);
        }
        known.shorter = shorter;
        if let Some(reason) = reason {
            tracing::warn!(?reason, "the log is not what it was: listeners are told of a gap");
        }
        if reason.is_some() || out_of_range || !known.assigned_after_outage {
            known.assignment += 1;
            known.assigned_after_outage = true;
            known.ends = Vector::new(watermarks.iter().map(|&(_, high)| high).collect());
            let broken = reason.map(|reason| Break { reason, goes_on });
            let number = known.assignment;
            self.order(Order::Again { number, partitions, broken });
        } else if at_end && !known.live {
            known.live = true;
            self.say(LogIs::Live);
        }
        Ok(())
    }

    fn order(&self, order: Order) {
        // The reader looks at its inbox ten times a second; it is gone only when we stop as well.
        let _ = self.orders.send(order);
    }

    /// Passes a change on; the log has one line for it.
    fn say(&mut self, state: LogIs) {
        if self.said == Some(state) {
            return;
        }
        let healed = matches!(self.said, Some(LogIs::Away(_) | LogIs::Unknown(KAFKA | TOPIC)));
        match state {
            LogIs::Live if healed => tracing::info!("Kafka answers again; every partition is read to its end"),
            LogIs::Live => tracing::debug!(kafka.topic = self.topic, "reading; recent memory is filled"),
            LogIs::Away(TOPIC) | LogIs::Unknown(TOPIC) => {
                tracing::warn!(kafka.topic = self.topic, "the topic does not exist; waiting for it");
            }
            LogIs::Away(_) | LogIs::Unknown(KAFKA) => tracing::warn!("Kafka does not answer; trying again"),
            LogIs::Unknown(_) => {}
        }
        self.said = Some(state);
        self.next.log_is(state);
    }
}

/// Which log this is. The topic's own id joins the hash once it can be asked.
fn epoch_of(cluster: &str) -> Epoch {
    let digest = Sha256::digest(format!("allim epoch\n{cluster}"));
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    Epoch(u64::from_be_bytes(first))
}
