//! Kafka in: every node reads every partition, and hands what it reads to the step it was given.
//!
//! Two threads a topic: the *reader* polls, decodes and hands on; the *pulse* asks the brokers every second how the log is
//! (does it answer, which log is it, which partitions, where are their ends) and tells the reader what to do about it.
//! Nothing is ever committed, and no group is joined: a second node must not take anything away from the first.
//! Two topics are read so: the notifications, and the signals that end or change somebody's rights.

pub mod asyncapi;
mod client;
mod decode;
mod ends;
mod kept;
pub mod members;
mod native;
mod notifications;
mod pulse;
mod questions;
mod reader;
mod rejected;
mod signals;
pub mod topics;
mod watchdog;
pub mod wrong;

use std::{sync::Arc, thread, time::Duration};

pub use decode::{Decoder, RawRecord, Reason, Rejected};
pub use ends::{Ends, Leaders};
pub use kept::{Kept, Parked};
pub use rejected::Rejections;
use tokio_util::sync::CancellationToken;

use crate::{
    identity::Hears,
    notification::{Catalogue, Epoch, Notification, Vector},
    shutdown::essential_thread,
    telemetry::Metrics,
};

/// What the station needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `host:port,…` of the brokers.
    pub bootstrap_servers: String,
    pub topic: String,
    /// The group of the kept way. The live way never joins it; librdkafka only wants some name to `assign`.
    pub group_id: String,
    /// How this node calls itself towards the brokers.
    pub client_id: String,
    /// For librdkafka, over our own choices.
    pub properties: Vec<(String, String)>,
    /// Whether plain text records of the old console producer are read (part 6 of the design).
    pub legacy_text: bool,
    /// Stripped from event types, as is a `.vN` behind them.
    pub type_prefix: String,
    /// A larger value is refused before it is looked at: one record must not fill memory, or a browser.
    pub max_record_bytes: usize,
    /// A client that fetches nothing for so long, although there is something to fetch, is replaced.
    pub stall: Duration,
}

impl Settings {
    /// How records of this topic are read, wherever they come from.
    #[must_use]
    pub fn decoder(&self, catalogue: Catalogue) -> Decoder {
        Decoder {
            catalogue,
            legacy_text: self.legacy_text,
            type_prefix: self.type_prefix.clone(),
            max_record_bytes: self.max_record_bytes,
        }
    }

    /// Where rights that end or change are told (D11): part of the contract, so not a setting of its own.
    fn signals_topic(&self) -> String {
        format!("{}-signals", self.topic)
    }
}

/// One topic and how it is followed.
struct Log {
    /// In metrics and as the name of threads.
    name: &'static str,
    topic: String,
    refill: Refill,
    /// What it means that there is no such topic, for the log. None: another reader of the same topic says it.
    absent: Option<&'static str>,
}

/// How much of the past is read again at start.
#[derive(Debug, Clone, Copy)]
pub struct Refill {
    pub age: Duration,
    /// Never more records than could fit into memory.
    pub records: u64,
}

/// One record, in the order of its partition. Every record is handed on, for every record moves the position.
#[derive(Debug)]
pub struct Incoming<T = Notification> {
    pub partition: usize,
    pub offset: u64,
    /// None for what cannot be understood; it is counted and logged here.
    pub content: Option<T>,
}

/// Makes of a record what the next step wants. What it cannot understand it counts, says and drops.
trait Understand<T>: Send {
    /// `refused`: it cannot even be handed over whole, and `record` is what there is of it.
    fn understand(&mut self, record: &RawRecord<'_>, refused: Option<Rejected>) -> Option<T>;
}

/// Why offsets lost their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The log ends before what we have read of it.
    Truncated,
    /// The log begins after what we have read of it.
    Retention,
}

/// How the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogIs {
    /// Not known yet, or being read again from the start of memory.
    Unknown(&'static str),
    /// It does not answer; what we know of it stays true.
    Away(&'static str),
    /// Every partition is read to its end.
    Live,
}

/// The next step on the way. `ingest` is given one and knows nothing else of it.
pub trait Next<T = Notification>: Send + Sync {
    /// Where reading this log goes on, of which each partition begins and ends there; None: as much of the past as memory
    /// holds. An error is the reason why that is not known, in one word.
    fn resumes(&self, _epoch: Epoch, _watermarks: &[(u64, u64)]) -> Result<Option<Vector>, &'static str> {
        Ok(None)
    }
    /// A log begins (again) at these offsets; what was known of another epoch is void.
    fn begins(&self, epoch: Epoch, start: Vector);
    fn record(&self, incoming: Incoming<T>);
    /// There is no record before `next` that has not been handed on: what lies between is a hole in the offsets.
    fn steps_over(&self, partition: usize, next: u64);
    /// Reading goes on at `next`, and what lies between is not to be had.
    fn breaks(&self, reason: Broken, next: Vector);
    /// The next offsets that are expected.
    fn position(&self) -> Vector;
    fn log_is(&self, state: LogIs);
    /// It takes nothing more for now: whoever reads for it does not stand still by himself.
    fn is_waiting(&self) -> bool {
        false
    }
    /// What it was given does not follow on what it has: it wants to be asked again where reading goes on.
    fn is_astray(&self) -> bool {
        false
    }
}

/// Reads one topic until it is told to stop.
pub struct Ingest {
    ends: Ends,
    stop: CancellationToken,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Ingest {
    /// Reads the notifications. Brokers that are away are no error: it heals.
    pub fn notifications(
        settings: &Settings,
        refill: Refill,
        catalogue: Catalogue,
        metrics: &Metrics,
        next: Arc<dyn Next>,
    ) -> Result<Ingest, client::Unusable> {
        let log = Log {
            name: "notifications",
            topic: settings.topic.clone(),
            refill,
            absent: Some("the topic does not exist; waiting for it"),
        };
        let understand = notifications::Notifications::new(settings, catalogue, metrics);
        Ingest::start(settings, log, Box::new(understand), metrics, next)
    }

    /// Reads the notifications for the kept way: all of each, from where `next` resumes, as fast as it takes them.
    pub fn kept(
        settings: &Settings,
        keeping: Duration,
        catalogue: Catalogue,
        metrics: &Metrics,
        next: Arc<dyn Next<Kept>>,
    ) -> Result<Ingest, client::Unusable> {
        let nothing = Refill { age: Duration::ZERO, records: 0 };
        let log = Log { name: "timeline", topic: settings.topic.clone(), refill: nothing, absent: None };
        let understand = kept::WholeRecords::new(settings, catalogue, keeping);
        Ingest::start(settings, log, Box::new(understand), metrics, next)
    }

    /// Reads the signals, from now on.
    pub fn signals(settings: &Settings, metrics: &Metrics, hears: Arc<dyn Hears>) -> Result<Ingest, client::Unusable> {
        let log = Log {
            name: "signals",
            topic: settings.signals_topic(),
            refill: Refill { age: Duration::ZERO, records: 0 },
            absent: Some("there is no topic of signals: rights that change are felt within a minute, not at once"),
        };
        let understand = signals::Signals::new(metrics);
        Ingest::start(settings, log, Box::new(understand), metrics, Arc::new(signals::Heard::new(hears)))
    }

    fn start<T: 'static>(
        settings: &Settings,
        log: Log,
        understand: Box<dyn Understand<T>>,
        metrics: &Metrics,
        next: Arc<dyn Next<T>>,
    ) -> Result<Ingest, client::Unusable> {
        let line = Arc::new(client::Line::new(settings, &log.topic, metrics)?);
        let stop = CancellationToken::new();
        let (orders, inbox) = std::sync::mpsc::sync_channel(16);
        let ends = Ends::new(&line, log.topic.clone());
        let seen = Arc::new(reader::Seen::default());
        let reader = reader::Reader {
            consumer: line.consumer(),
            line: Arc::clone(&line),
            topic: log.topic.clone(),
            understand,
            metrics: metrics.clone(),
            next: Arc::clone(&next),
            seen: Arc::clone(&seen),
            leader_epochs: std::collections::HashMap::new(),
            withheld: std::collections::HashSet::new(),
            inbox,
            stop: stop.clone(),
        };
        let (reading, asking) = (format!("read-{}", log.name), format!("ask-{}", log.name));
        let pulse = pulse::Pulse {
            questions: questions::Questions { line, topic: log.topic.clone() },
            log,
            watchdog: watchdog::Watchdog::new(settings.stall),
            metrics: metrics.clone(),
            next,
            seen,
            orders,
            stop: stop.clone(),
            memory: pulse::Memory::default(),
        };
        let threads =
            vec![essential_thread(reading, move || reader.run())?, essential_thread(asking, move || pulse.run())?];
        Ok(Ingest { ends, stop, threads })
    }

    /// Answers where partitions end.
    #[must_use]
    pub fn ends(&self) -> Ends {
        self.ends.clone()
    }

    /// Stops reading and waits for both threads; blocks for as long as a question to a broker may take.
    pub fn stop(self) {
        self.stop.cancel();
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}
