//! A node without a process: a real hub and real shards, fed record by record, with a switch for everything that fails.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use allim::{
    deliver::{self, Streams},
    hub::{self, Command, Hub, ShardHandle},
    ingest::{Decoder, Incoming, Leaders, LogIs, Next, RawRecord},
    notification::{Catalogue, Coordinates, Epoch, Vector},
    telemetry::Metrics,
};
use futures::future::BoxFuture;

use super::super::{
    plan::{Make, PARTITIONS, numbers},
    reference::Log,
};

const EPOCH: Epoch = Epoch(7);
const SHARDS: usize = 2;
pub const HEARTBEAT: Duration = Duration::from_millis(15);

/// The log's leaders, as a node reaches them, or does not.
struct Far {
    log: Arc<Mutex<Log>>,
    away: Arc<AtomicBool>,
}

impl Leaders for Far {
    fn reach(&self, partition: usize, next: u64, _: Instant) -> BoxFuture<'_, Option<bool>> {
        let answer = (!self.away.load(Ordering::SeqCst))
            .then(|| partition < PARTITIONS && next <= self.log.lock().unwrap().ends().get(partition));
        Box::pin(async move { answer })
    }
}

pub struct Node {
    hub: Hub,
    pub streams: Streams,
    pub metrics: Metrics,
    shards: Vec<ShardHandle>,
    /// Kept as long as a shard shall do nothing.
    asleep: HashMap<usize, mpsc::SyncSender<()>>,
    decoder: Decoder,
    log: Arc<Mutex<Log>>,
    away: Arc<AtomicBool>,
    /// It is live again when it has come so far.
    until: Option<Vector>,
}

impl Node {
    /// Starts, and remembers so many records of each partition. Not live before it has read them.
    pub fn start(log: &Arc<Mutex<Log>>, make: &Make, remembers: u64) -> Node {
        let metrics = Metrics::new();
        let Make { memory_bytes, ring, queue_frames } = *make;
        let settings = hub::Settings { memory_bytes, memory_age: Duration::from_secs(600), ring, shards: SHARDS };
        let hub = Hub::new(settings, metrics.clone());
        let away = Arc::new(AtomicBool::new(false));
        hub.ask(Arc::new(Far { log: Arc::clone(log), away: Arc::clone(&away) }));
        let settings = deliver::Settings {
            heartbeat: HEARTBEAT,
            queue_frames,
            queue_bytes: 100_000,
            slow_after: Duration::from_secs(60),
            streams_per_operator: 10,
            retry: Duration::from_secs(1),
            drain_window: Duration::ZERO,
        };
        let catalogue = Catalogue::builtin();
        let streams = Streams::start(settings, SHARDS, &hub, None, catalogue.clone(), metrics.clone()).unwrap();
        let shards = (0..SHARDS).map(|_| streams.place().1).collect();
        let decoder = Decoder { catalogue, legacy_text: false, type_prefix: String::new(), max_record_bytes: 9_999 };
        let ends = log.lock().unwrap().ends();
        hub.begins(EPOCH, Vector::new(ends.iter().map(|(_, end)| end.saturating_sub(remembers)).collect()));
        let (log, asleep) = (Arc::clone(log), HashMap::new());
        let mut node = Node { hub, streams, metrics, shards, asleep, decoder, log, away, until: Some(ends) };
        node.is_there_yet();
        node
    }

    /// Where its memory begins.
    pub fn beginning(&self) -> Vector {
        self.hub.beginning().map(|place| place.next).unwrap_or_default()
    }

    pub fn is_live(&self) -> bool {
        self.until.is_none() && !self.away.load(Ordering::SeqCst)
    }

    /// Announces the next record of a partition: its offset, if there was one.
    pub fn follow(&mut self, partition: usize) -> Option<u64> {
        if self.away.load(Ordering::SeqCst) {
            return None;
        }
        let next = self.hub.position().get(partition);
        let found = self.log.lock().unwrap().from(partition, next);
        if let Some((offset, malls)) = found {
            let audience: Vec<String> = numbers(malls).iter().map(|mall| format!("mall:{mall}")).collect();
            let title = format!("{partition}/{offset}");
            let value = serde_json::json!({"type": "t", "title": title, "audience": audience.join(",")}).to_string();
            let raw = RawRecord {
                coordinates: Coordinates { epoch: EPOCH, partition, offset },
                timestamp: jiff::Timestamp::now(),
                key: None,
                headers: vec![],
                value: Some(value.as_bytes()),
            };
            let notification = Some(self.decoder.decode(&raw).expect("it is readable"));
            self.hub.record(Incoming { partition, offset, content: notification });
        }
        self.is_there_yet();
        found.map(|(offset, _)| offset)
    }

    fn is_there_yet(&mut self) {
        if self.until.as_ref().is_some_and(|until| until.within(&self.hub.position())) {
            self.until = None;
            self.hub.log_is(LogIs::Live);
        }
    }

    pub fn pause(&mut self) {
        self.away.store(true, Ordering::SeqCst);
        // Who is still filling its memory stays as unknown as it was.
        if self.until.is_none() {
            self.hub.log_is(LogIs::Away("kafka"));
        }
    }

    pub fn go_on(&mut self) {
        if self.away.swap(false, Ordering::SeqCst) {
            self.until = Some(self.log.lock().unwrap().ends());
            self.is_there_yet();
        }
    }

    /// Keeps a shard from doing anything; whether it did something until now.
    pub fn sleep(&mut self, shard: usize) -> bool {
        if self.asleep.contains_key(&shard) {
            return false;
        }
        let (wake, sleeping) = mpsc::sync_channel::<()>(1);
        let _ = self.shards[shard].tell(Command::Run(Box::new(move |_| assert!(sleeping.recv().is_err()))));
        self.asleep.insert(shard, wake);
        true
    }

    pub fn wake(&mut self) {
        self.asleep.clear();
    }

    /// Waits until every shard that is awake has done what it was asked to, and let its listeners take a few steps.
    pub async fn settle(&self) {
        let awake = self.shards.iter().enumerate().filter(|(shard, _)| !self.asleep.contains_key(shard));
        for (_, shard) in awake {
            for _ in 0..6 {
                let (done, is_done) = tokio::sync::oneshot::channel();
                let word = move |_: &_| {
                    let _ = done.send(());
                };
                if shard.tell(Command::Run(Box::new(word))).is_ok() {
                    let _ = is_done.await;
                }
            }
        }
    }
}
