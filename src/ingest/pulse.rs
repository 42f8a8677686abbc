//! The pulse: asks the brokers how the log is, and tells the reader where to read and everybody whether we are live.
//!
//! librdkafka reports little of what matters here: not that a partition was added, not that it is alone, not that it is
//! at the end again after an outage. So one thread asks, every second, and judges by what it was told.

use std::{
    sync::{Arc, mpsc::SyncSender},
    thread,
    time::{Duration, Instant},
};

use rdkafka::consumer::Consumer as _;
use tokio_util::sync::CancellationToken;

use super::{
    Broken, Log, LogIs, Next,
    questions::{Identity, KAFKA, Questions, RIGHTS, TOPIC},
    reader::{Break, Order, Seen},
    watchdog::Watchdog,
};
use crate::{
    brokers::{self, AUTH, TLS},
    notification::{Epoch, Vector},
    telemetry::Metrics,
};

/// Between two looks while all is well.
const HEALTHY: Duration = Duration::from_secs(1);
/// Between two looks while something is missing.
const ILL: Duration = Duration::from_millis(300);
/// How soon after a look an error that the client reports brings the next one; it may report many.
const SOON: Duration = ILL;
/// Between two looks while memory is being refilled: they ask nobody.
const FILLING: Duration = Duration::from_millis(20);
/// How often the log's id and its ends are asked while all is well: what a topic that was created again, or a log that
/// shrank, needs to be noticed.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// Why the log cannot be followed, in the word that listeners are told; beside those of the questions.
const FILLING_REASON: &str = "filling";
const STALLED: &str = "stalled";

/// A log that was found.
struct Known {
    epoch: Epoch,
    partitions: usize,
    /// The ends when it was found; memory is filled once they are reached.
    need: Option<Vector>,
    live: bool,
    asked: Instant,
    /// The ends at the last assignment. Read up to them is caught up: where records never stop coming, there is no
    /// moment at which nothing is under way.
    ends: Vector,
    /// The number of the last assignment. After an outage everything is assigned again: a client that lost its way
    /// finds it, and the ends it reports are ends of now.
    assignment: u64,
    assigned_after_outage: bool,
    /// Partitions that seemed shorter than what we have read; a second look must agree.
    shorter: Vec<usize>,
    /// There seemed to be fewer partitions; a second look must agree.
    fewer: bool,
}

impl Known {
    /// Whether there are fewer partitions for the second time on end.
    fn fewer_again(&mut self, partitions: usize) -> bool {
        let fewer = partitions < self.partitions;
        std::mem::replace(&mut self.fewer, fewer) && fewer
    }

    /// Whether what is found is another log. No topic comes to have fewer partitions: where there seem to be, it was
    /// created again, or who answers has not heard yet that it has grown. By its id a topic is known, whoever answers.
    fn is_over(&self, found: Identity, fewer_again: bool) -> bool {
        found.epoch != self.epoch || (fewer_again && !found.certain)
    }
}

pub struct Pulse<T> {
    pub questions: Questions,
    pub log: Log,
    pub watchdog: Watchdog,
    pub metrics: Metrics,
    pub next: Arc<dyn Next<T>>,
    pub seen: Arc<Seen>,
    pub orders: SyncSender<Order>,
    pub stop: CancellationToken,
    pub memory: Memory,
}

/// What the pulse remembers between two looks.
#[derive(Default)]
pub struct Memory {
    known: Option<Known>,
    said: Option<LogIs>,
}

impl<T> Pulse<T> {
    pub fn run(mut self) {
        while !self.stop.is_cancelled() {
            let pause = match self.look() {
                Ok(pause) => pause,
                Err(reason) => {
                    if let Some(known) = &mut self.memory.known {
                        known.live = false;
                        known.assigned_after_outage = false;
                    }
                    let reason = self.in_a_word(reason);
                    self.say(if self.filled() { LogIs::Away(reason) } else { LogIs::Unknown(reason) });
                    ILL
                }
            };
            let looked = Instant::now();
            while looked.elapsed() < pause && !self.stop.is_cancelled() {
                thread::sleep(pause.min(Duration::from_millis(50)));
                if looked.elapsed() >= SOON && self.seen.is_troubled() {
                    break;
                }
            }
        }
    }

    fn filled(&self) -> bool {
        self.memory.known.as_ref().is_some_and(|known| known.need.is_none())
    }

    /// One look. An error is the reason why the log cannot be followed.
    fn look(&mut self) -> Result<Duration, &'static str> {
        // Until the reader has taken up the last assignment, the position is one of before, and says nothing.
        if self.memory.known.as_ref().is_some_and(|known| !self.seen.assigned(known.assignment)) {
            return Ok(FILLING);
        }
        if self.seen.take_denied() {
            return Err(RIGHTS);
        }
        if self.memory.known.as_ref().is_some_and(|known| known.need.is_some()) {
            return self.fill();
        }
        let partitions = self.questions.partitions()?;
        self.metrics.partitions.with(self.log.name).set(i64::try_from(partitions).unwrap_or(i64::MAX));
        let Some(known) = &mut self.memory.known else {
            let epoch = self.questions.identity()?.epoch;
            return self.begin(epoch, partitions);
        };
        let fewer_again = known.fewer_again(partitions);
        if self.next.is_astray() {
            let found = self.questions.identity()?;
            return self.begin_anew(found, partitions);
        }
        let (lost, troubled) = (self.seen.take_lost(), self.seen.take_trouble());
        let before = known.partitions;
        if lost || troubled || !known.live || partitions != before || known.asked.elapsed() > ASK_EVERY {
            let found = self.questions.identity()?;
            if known.is_over(found, fewer_again) {
                tracing::warn!(kafka.topic = self.log.topic, "the topic is not the one it was: it was created again");
                return self.begin_anew(found, partitions);
            }
            if partitions > before {
                return self.grow(before, partitions);
            }
            self.judge(before, lost)?;
        }
        Ok(if self.memory.known.as_ref().is_some_and(|known| known.live) { HEALTHY } else { ILL })
    }

    /// One look while memory is being refilled.
    fn fill(&mut self) -> Result<Duration, &'static str> {
        // The place to refill from is gone, and the client reads on nowhere: find another one.
        if self.seen.take_lost() || self.next.is_astray() {
            let (found, partitions) = (self.questions.identity()?, self.questions.partitions()?);
            return self.begin_anew(found, partitions);
        }
        let Some(known) = &mut self.memory.known else { return Ok(FILLING) };
        let position = self.next.position();
        let reached = |(p, need)| position.get(p) >= need || self.seen.at_end(p, known.assignment);
        if !known.need.as_ref().is_none_or(|need| need.iter().all(reached)) {
            if known.asked.elapsed() > HEALTHY {
                known.asked = Instant::now();
                let (before, ends) = (known.partitions, known.ends.clone());
                let partitions = self.questions.partitions()?;
                let fewer_again = known.fewer_again(partitions);
                let stalled = self.stands_still(ends.iter());
                if stalled || partitions < before {
                    let found = self.questions.identity()?;
                    if stalled || self.memory.known.as_ref().is_some_and(|known| known.is_over(found, fewer_again)) {
                        return self.begin_anew(found, partitions);
                    }
                }
            }
            return Ok(FILLING);
        }
        known.need = None;
        known.live = true;
        known.assigned_after_outage = true;
        self.say(LogIs::Live);
        Ok(HEALTHY)
    }

    /// The same with a new client: what the old one believes of the log may be of another one.
    fn begin_anew(&mut self, found: Identity, partitions: usize) -> Result<Duration, &'static str> {
        let same = self.memory.known.as_ref().filter(|known| found.certain && known.epoch == found.epoch);
        let partitions = partitions.max(same.map_or(0, |known| known.partitions));
        self.questions.line.renew();
        self.begin(found.epoch, partitions)
    }

    /// A log is found, for the first time or a new one: read again what memory would hold of it.
    fn begin(&mut self, epoch: Epoch, partitions: usize) -> Result<Duration, &'static str> {
        let watermarks = self.questions.watermarks(0..partitions)?;
        let start = match self.next.resumes(epoch, &watermarks)? {
            Some(start) => start,
            None => Vector::new(self.questions.refill_from(self.log.refill, &watermarks)?),
        };
        let need = Vector::new(watermarks.iter().map(|&(_, high)| high).collect());
        // First of all: from here on no position can be judged until memory is filled.
        self.say(LogIs::Unknown(FILLING_REASON));
        let number = self.memory.known.as_ref().map_or(0, |known| known.assignment) + 1;
        self.order(Order::Begin { epoch, number, from: start });
        self.watchdog.begin_anew();
        self.memory.known = Some(Known {
            epoch,
            partitions,
            ends: need.clone(),
            need: Some(need),
            live: false,
            asked: Instant::now(),
            assignment: number,
            assigned_after_outage: false,
            shorter: Vec::new(),
            fewer: false,
        });
        Ok(FILLING)
    }

    /// The topic has more partitions than before: the new ones are read from their beginning.
    fn grow(&mut self, before: usize, partitions: usize) -> Result<Duration, &'static str> {
        let new = self.questions.watermarks(before..partitions)?;
        tracing::info!(kafka.topic = self.log.topic, before, now = partitions, "the topic has more partitions");
        self.order(Order::Add(new.iter().enumerate().map(|(i, &(low, _))| (before + i, low)).collect()));
        if let Some(known) = &mut self.memory.known {
            known.partitions = partitions;
        }
        Ok(HEALTHY)
    }

    /// Compares what we have read with where the log begins and ends. `lost`: the client goes on nowhere by itself.
    fn judge(&mut self, partitions: usize, lost: bool) -> Result<(), &'static str> {
        // Asked for before the watermarks: a log can only have grown in between.
        let position = self.next.position();
        let watermarks = self.questions.watermarks(0..partitions)?;
        let stalled = self.stands_still(watermarks.iter().map(|&(_, high)| high).enumerate());
        if stalled {
            self.say(LogIs::Away(STALLED));
        }
        let Some(known) = &mut self.memory.known else { return Ok(()) };
        known.asked = Instant::now();
        known.live &= !stalled;
        let mut shorter = Vec::new();
        let (mut at_end, mut goes_on, mut reason) = (true, Vec::new(), None);
        for (partition, &(low, high)) in watermarks.iter().enumerate() {
            let next = position.get(partition);
            if next > high {
                shorter.push(partition);
                if known.shorter.contains(&partition) || lost {
                    goes_on.push((partition, high));
                    reason = Some(Broken::Truncated);
                }
            } else if next < low && lost {
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
        if reason.is_some() || lost || stalled || !known.assigned_after_outage {
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

    /// Whether the client stands still below one of these ends. Then there is a new one, to be given a new assignment.
    fn stands_still(&mut self, ends: impl Iterator<Item = (usize, u64)>) -> bool {
        let (now, consumer) = (Instant::now(), self.questions.line.consumer());
        let client = consumer.client().context();
        if self.next.is_waiting() {
            self.watchdog.begin_anew();
            return false;
        }
        let still: Vec<usize> = ends
            .filter(|&(partition, end)| self.watchdog.stands_still(now, partition, client.next_offset(partition), end))
            .map(|(partition, _)| partition)
            .collect();
        if still.is_empty() {
            return false;
        }
        tracing::warn!(
            kafka.topic = self.log.topic,
            kafka.partitions = ?still,
            "the Kafka client fetches nothing although there is something to fetch: a new one goes on from our place"
        );
        self.metrics.reader_rebuilds.inc();
        self.watchdog.begin_anew();
        self.questions.line.renew();
        true
    }

    fn order(&self, order: Order) {
        // The reader looks at its inbox ten times a second; it is gone only when we stop as well.
        let _ = self.orders.send(order);
    }

    /// Nobody answers, and why not, where the brokers have said it.
    fn in_a_word(&self, reason: &'static str) -> &'static str {
        let trouble = if reason == KAFKA { self.questions.trouble() } else { None };
        trouble.and_then(|trouble| trouble.word).unwrap_or(reason)
    }

    /// Passes a change on; the log has one line for it.
    fn say(&mut self, state: LogIs) {
        if self.memory.said == Some(state) {
            return;
        }
        let (topic, Some(absent)) = (&self.log.topic, self.log.absent) else {
            self.memory.said = Some(state);
            return self.next.log_is(state);
        };
        let healed =
            matches!(self.memory.said, Some(LogIs::Away(_) | LogIs::Unknown(KAFKA | TOPIC | RIGHTS | TLS | AUTH)));
        match state {
            LogIs::Live if healed => {
                tracing::info!(kafka.topic = topic, "Kafka answers again; every partition is read to its end");
            }
            LogIs::Live => tracing::debug!(kafka.topic = topic, "every partition is read to its end"),
            LogIs::Away(TOPIC) | LogIs::Unknown(TOPIC) => tracing::warn!(kafka.topic = topic, "{absent}"),
            LogIs::Away(RIGHTS) | LogIs::Unknown(RIGHTS) => tracing::warn!(
                kafka.topic = topic,
                "Kafka does not let this user read the topic: it needs the ACLs Read and Describe on it"
            ),
            LogIs::Away(KAFKA | TLS | AUTH) | LogIs::Unknown(KAFKA | TLS | AUTH) => match self.questions.trouble() {
                Some(trouble) => brokers::say(&trouble),
                None => tracing::warn!(kafka.topic = topic, "Kafka does not answer; trying again"),
            },
            LogIs::Away(_) | LogIs::Unknown(_) => {}
        }
        self.memory.said = Some(state);
        self.next.log_is(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_partitions_are_another_log_only_where_no_id_tells_and_twice_on_end() {
        let here = Identity { epoch: Epoch(1), certain: false };
        let fresh = || Known {
            epoch: here.epoch,
            partitions: 6,
            need: None,
            live: true,
            asked: Instant::now(),
            ends: Vector::default(),
            assignment: 1,
            assigned_after_outage: true,
            shorter: Vec::new(),
            fewer: false,
        };
        // What is found, in the counts of one look after the other, and at which of them the log is over.
        let other = Identity { epoch: Epoch(2), ..here };
        let by_id = Identity { certain: true, ..here };
        let table: [(Identity, &[usize], Option<usize>); 6] = [
            (here, &[6, 7, 6], None),
            (here, &[3, 6, 3, 6, 3], None),
            (here, &[6, 3, 3], Some(2)),
            (here, &[5, 3], Some(1)),
            (by_id, &[3, 3, 3, 3], None),
            (other, &[6], Some(0)),
        ];
        for (found, counts, over) in table {
            let mut known = fresh();
            let at = counts.iter().position(|&count| {
                let fewer_again = known.fewer_again(count);
                known.is_over(found, fewer_again)
            });
            assert_eq!(at, over, "{found:?} {counts:?}");
        }
    }
}
