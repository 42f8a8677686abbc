//! Kafka in: every node reads every partition, and hands what it reads to the step it was given.
//!
//! Two threads: the *reader* polls, decodes and hands on; the *pulse* asks the brokers every second how the log is
//! (does it answer, which partitions, where are their ends) and tells the reader what to do about it. Nothing is ever
//! committed, and no group is joined: a second node must not take anything away from the first.

mod client;
mod decode;
mod ends;
mod pulse;
mod reader;
mod rejected;

use std::{sync::Arc, thread, time::Duration};

pub use decode::{Decoder, RawRecord, Reason, Rejected};
pub use ends::{Ends, Leaders};
pub use rejected::Rejections;
use tokio_util::sync::CancellationToken;

use crate::{
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
pub struct Incoming {
    pub partition: usize,
    pub offset: u64,
    /// None for what cannot be understood; it is counted and logged here.
    pub notification: Option<Notification>,
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
pub trait Next: Send + Sync {
    /// A log begins (again) at these offsets; what was known of another epoch is void.
    fn begins(&self, epoch: Epoch, start: Vector);
    fn record(&self, incoming: Incoming);
    /// Reading goes on at `next`, and what lies between is not to be had.
    fn breaks(&self, reason: Broken, next: Vector);
    /// The next offsets that are expected.
    fn position(&self) -> Vector;
    fn log_is(&self, state: LogIs);
}

/// Reads until it is dropped or told to stop.
pub struct Ingest {
    ends: Ends,
    stop: CancellationToken,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Ingest {
    /// Starts both threads. Brokers that are away are no error: it heals.
    pub fn start(
        settings: &Settings,
        refill: Refill,
        catalogue: Catalogue,
        metrics: Metrics,
        next: Arc<dyn Next>,
    ) -> Result<Ingest, client::Unusable> {
        let consumer = Arc::new(client::consumer(settings, &metrics)?);
        let stop = CancellationToken::new();
        let (orders, inbox) = std::sync::mpsc::sync_channel(16);
        let ends = Ends::new(&consumer, settings.topic.clone());
        let decoder = Decoder {
            catalogue,
            legacy_text: settings.legacy_text,
            type_prefix: settings.type_prefix.clone(),
            max_record_bytes: settings.max_record_bytes,
        };
        let seen = Arc::new(reader::Seen::default());
        let reader = reader::Reader {
            consumer: Arc::clone(&consumer),
            topic: settings.topic.clone(),
            decoder,
            rejections: Rejections::new(metrics.clone()),
            metrics: metrics.clone(),
            next: Arc::clone(&next),
            seen: Arc::clone(&seen),
            inbox,
            stop: stop.clone(),
        };
        let pulse =
            pulse::Pulse::new(consumer, settings.topic.clone(), refill, metrics, next, seen, orders, stop.clone());
        let threads = vec![
            essential_thread("ingest".into(), move || reader.run())?,
            essential_thread("ingest-pulse".into(), move || pulse.run())?,
        ];
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
