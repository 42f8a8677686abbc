//! The hub and the listeners' life against a small reference, under random interleavings.
//!
//! No socket and no broker: records are announced to real hubs, real shards serve real queues, and the listeners of a
//! world are cut, hop between two nodes that are not equally far, read slowly, and meet shards that were asleep. Each
//! must end with exactly what an always-connected one of the same rights has seen, where no gap says otherwise.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use allim::{
    deliver::{self, Arrival, Asked, QueueBody, Streams, queue, sse::SSE},
    hub::{self, Command, Hub},
    ingest::{Decoder, Incoming, Leaders, LogIs, Next, RawRecord},
    notification::{AdminNo, Catalogue, Coordinates, Epoch, MallNo, Position, Vector, Viewer},
    telemetry::Metrics,
};
use futures::future::BoxFuture;
use http_body_util::BodyExt;

use crate::harness::sse::{Event, parse};

const PARTITIONS: usize = 3;
const MALLS: u64 = 3;
const EPOCH: Epoch = Epoch(7);

/// The log of a world: what Kafka would have.
#[derive(Default)]
struct Log {
    /// Per partition: offset and the malls concerned.
    records: [Vec<(u64, Vec<u64>)>; PARTITIONS],
    ends: [u64; PARTITIONS],
}

struct Shared(Arc<Mutex<Log>>);

impl Leaders for Shared {
    fn reach(&self, partition: usize, next: u64, _: Instant) -> BoxFuture<'_, Option<bool>> {
        let end = self.0.lock().unwrap().ends.get(partition).copied();
        Box::pin(async move { Some(end.is_some_and(|end| next <= end)) })
    }
}

struct Node {
    hub: Hub,
    streams: Streams,
    metrics: Metrics,
    decoder: Decoder,
    log: Arc<Mutex<Log>>,
}

impl Node {
    fn random(log: &Arc<Mutex<Log>>, dice: &mut fastrand::Rng) -> Node {
        let memory_bytes = dice.choice([4_000, 20_000, 1_000_000]).unwrap();
        let (ring, queue_frames) = (dice.choice([2, 4, 16]).unwrap(), dice.choice([1, 2, 8]).unwrap());
        let start = log.lock().unwrap().ends.map(|end| dice.u64(end.saturating_sub(20)..=end));
        Node::start(log, memory_bytes, ring, queue_frames, start)
    }

    fn start(
        log: &Arc<Mutex<Log>>,
        memory_bytes: u64,
        ring: usize,
        queue_frames: usize,
        start: [u64; PARTITIONS],
    ) -> Node {
        let metrics = Metrics::new();
        let settings = hub::Settings { memory_bytes, memory_age: Duration::from_secs(600), ring, shards: 2 };
        let hub = Hub::new(settings, metrics.clone());
        hub.ask(Arc::new(Shared(Arc::clone(log))));
        let settings = deliver::Settings {
            heartbeat: Duration::from_millis(75),
            queue_frames,
            queue_bytes: 100_000,
            slow_after: Duration::from_secs(60),
            streams_per_operator: 10,
            retry: Duration::from_secs(1),
            drain_window: Duration::ZERO,
        };
        let catalogue = Catalogue::builtin();
        let streams = Streams::start(settings, 2, &hub, catalogue.clone(), metrics.clone()).unwrap();
        let decoder = Decoder { catalogue, legacy_text: false, type_prefix: String::new(), max_record_bytes: 9_999 };
        hub.begins(EPOCH, Vector::new(start.to_vec()));
        let node = Node { hub, streams, metrics, decoder, log: Arc::clone(log) };
        for partition in 0..PARTITIONS {
            while node.consume(partition) {}
        }
        node.hub.log_is(LogIs::Live);
        node
    }

    /// Announces the next record of a partition; whether there was one.
    fn consume(&self, partition: usize) -> bool {
        let next = self.hub.position().get(partition);
        let found = self.log.lock().unwrap().records[partition].iter().find(|(o, _)| *o >= next).cloned();
        let Some((offset, malls)) = found else { return false };
        let audience: Vec<String> = malls.iter().map(|m| format!("mall:{m}")).collect();
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
        true
    }

    /// Keeps a shard from doing anything until the sender is dropped.
    fn starve(&self) -> mpsc::SyncSender<()> {
        let (wake, sleeping) = mpsc::sync_channel::<()>(1);
        let (_, shard) = self.streams.place();
        let _ = shard.tell(Command::Run(Box::new(move |_| assert!(sleeping.recv().is_err()))));
        wake
    }
}

#[derive(Default)]
struct Person {
    malls: Vec<u64>,
    stream: Option<(QueueBody, Vec<u8>)>,
    position: Option<Position>,
    start: Option<Vector>,
    heard: Vec<(usize, u64)>,
    /// (partition, from, to): said to be missing.
    gaps: Vec<(usize, u64, u64)>,
}

impl Person {
    /// Of one mall, or of two: a union of both concerns them once.
    fn of(i: u64) -> Person {
        let malls = if i.is_multiple_of(2) { vec![i % MALLS + 1] } else { vec![i % MALLS + 1, (i + 1) % MALLS + 1] };
        Person { malls, ..Person::default() }
    }

    fn connect(&mut self, node: &Node) {
        let malls = self.malls.iter().map(|&mall| MallNo::new(mall).unwrap());
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let admin = AdminNo::new(NEXT.fetch_add(1, Ordering::Relaxed)).unwrap();
        let (id, shard) = node.streams.place();
        let gone = shard.clone();
        let settings = node.streams.settings();
        let (outlet, body, progress) =
            queue(settings.queue_frames, settings.queue_bytes, move || assert!(gone.tell(Command::Gone(id)).is_ok()));
        let arrival = Arrival {
            id,
            viewer: Arc::new(Viewer::new(admin, malls, None)),
            lang: None,
            coat: &SSE,
            outlet: Box::new(outlet),
            asked: self.position.clone().map_or(Asked::Newcomer, Asked::At),
            guard: Box::new(()),
        };
        node.streams.open(arrival, &shard, progress).expect("the shard is not overloaded");
        self.stream = Some((body, Vec::new()));
    }

    /// Reads one piece, if there is one within `patience`; whether there was.
    async fn read(&mut self, patience: Duration) -> bool {
        let Some((body, text)) = &mut self.stream else { return false };
        let Ok(Some(Ok(piece))) = tokio::time::timeout(patience, body.frame()).await else { return false };
        text.extend_from_slice(&piece.into_data().expect("data"));
        let mut events = Vec::new();
        while let Some(end) = text.windows(2).position(|w| w == b"\n\n") {
            let block: Vec<u8> = text.drain(..end + 2).collect();
            events.extend(parse(&block[..=end]));
        }
        for event in events {
            self.note(&event);
        }
        true
    }

    fn note(&mut self, event: &Event) {
        let id = event.id.as_ref().map(|id| Position::decode(id).expect("a position"));
        if let Some(id) = &id {
            if let Some(before) = &self.position {
                if event.name == "gap" {
                    let passed = id.next.iter().map(|(p, next)| (p, before.next.get(p), next));
                    self.gaps.extend(passed.filter(|(_, from, to)| from < to));
                }
                assert!(before.next.within(&id.next), "{} goes back: {before:?} -> {id:?}", event.name);
            }
            if event.name == "hello" && self.start.is_none() {
                self.start = Some(id.next.clone());
            }
        }
        if event.name == "message" {
            let title = event.json()["title"].as_str().unwrap().to_owned();
            let (partition, offset) = title.split_once('/').unwrap();
            self.heard.push((partition.parse().unwrap(), offset.parse().unwrap()));
        }
        if id.is_some() {
            self.position = id;
        }
    }

    fn concerned(&self, malls: &[u64]) -> bool {
        malls.iter().any(|mall| self.malls.contains(mall))
    }

    fn due(&self, log: &Log) -> HashSet<(usize, u64)> {
        let Some(start) = &self.start else { return HashSet::new() };
        let all = log.records.iter().enumerate().flat_map(|(p, records)| records.iter().map(move |(o, m)| (p, *o, m)));
        let mine = all.filter(|(p, o, malls)| *o >= start.get(*p) && self.concerned(malls));
        let excused = |p, o| self.gaps.iter().any(|&(q, from, to)| p == q && from <= o && o < to);
        mine.filter(|(p, o, _)| !excused(*p, *o)).map(|(p, o, _)| (p, o)).collect()
    }

    fn check(&self, log: &Log, seed: u64) {
        let heard: HashSet<(usize, u64)> = self.heard.iter().copied().collect();
        assert_eq!(heard.len(), self.heard.len(), "world {seed}: a repeat in {:?}", self.heard);
        let due = self.due(log);
        let holes: Vec<_> = due.difference(&heard).collect();
        assert!(holes.is_empty(), "world {seed}: holes {holes:?}, from {:?} to {:?}", self.start, self.position);
        let foreign =
            heard.iter().filter(|(p, o)| !log.records[*p].iter().any(|(at, malls)| at == o && self.concerned(malls)));
        assert_eq!(foreign.count(), 0, "world {seed}: something foreign");
        for partition in 0..PARTITIONS {
            let order: Vec<u64> = self.heard.iter().filter(|(p, _)| *p == partition).map(|(_, o)| *o).collect();
            assert!(order.is_sorted(), "world {seed}: out of order {order:?}");
        }
    }
}

/// How often each thing happened over all worlds: a run that looked at nothing proves nothing.
#[derive(Debug, Default)]
struct Looked {
    produced: u64,
    heard: usize,
    cuts: u64,
    starved: u64,
    restarts: u64,
    gaps: usize,
    lagged: u64,
    detours: u64,
}

struct World {
    dice: fastrand::Rng,
    log: Arc<Mutex<Log>>,
    nodes: [Node; 2],
    people: Vec<Person>,
    /// Shards that do nothing while this is kept.
    asleep: Vec<mpsc::SyncSender<()>>,
    /// A node that is behind in a partition.
    behind: (usize, usize),
}

impl World {
    fn new(seed: u64) -> World {
        let mut dice = fastrand::Rng::with_seed(seed);
        let log = Arc::new(Mutex::new(Log::default()));
        let nodes = [Node::random(&log, &mut dice), Node::random(&log, &mut dice)];
        let people = (0..dice.u64(2..6)).map(Person::of).collect();
        let behind = (dice.usize(..2), dice.usize(..PARTITIONS));
        World { dice, log, nodes, people, asleep: Vec::new(), behind }
    }

    async fn step(&mut self, looked: &mut Looked) {
        let dice = &mut self.dice;
        let some = dice.usize(..self.people.len());
        let person = &mut self.people[some];
        match dice.u32(..100) {
            0..30 => {
                let partition = dice.usize(..PARTITIONS);
                let malls = dice.choice([vec![1], vec![2], vec![3], vec![1, 2], vec![1, 2, 3]]).unwrap();
                let mut log = self.log.lock().unwrap();
                let offset = log.ends[partition] + if dice.u8(..5) == 0 { dice.u64(1..4) } else { 0 };
                log.records[partition].push((offset, malls));
                log.ends[partition] = offset + 1;
                looked.produced += 1;
            }
            30..60 => {
                let (node, partition) = (dice.usize(..2), dice.usize(..PARTITIONS));
                if (node, partition) != self.behind || dice.u8(..10) == 0 {
                    self.nodes[node].consume(partition);
                }
            }
            60..68 => looked.cuts += u64::from(person.stream.take().is_some()),
            68..72 => {
                self.asleep.push(self.nodes[dice.usize(..2)].starve());
                looked.starved += 1;
            }
            72..76 => drop(self.asleep.pop()),
            76..77 => {
                self.asleep.clear();
                self.people.iter_mut().for_each(|person| person.stream = None);
                self.nodes[dice.usize(..2)] = Node::random(&self.log, dice);
                looked.restarts += 1;
            }
            _ if person.stream.is_none() => person.connect(&self.nodes[dice.usize(..2)]),
            _ => drop(person.read(Duration::from_micros(300)).await),
        }
    }

    /// Everything is read by everybody, and each story is checked.
    async fn end(mut self, seed: u64, looked: &mut Looked) {
        self.asleep.clear();
        for node in &self.nodes {
            (0..PARTITIONS).for_each(|partition| while node.consume(partition) {});
        }
        for person in &mut self.people {
            if person.stream.is_none() {
                person.connect(&self.nodes[0]);
            }
            let give_up = Instant::now() + Duration::from_secs(30);
            loop {
                person.read(Duration::from_millis(20)).await;
                let log = self.log.lock().unwrap();
                let heard: HashSet<(usize, u64)> = person.heard.iter().copied().collect();
                if person.start.is_some() && person.due(&log).is_subset(&heard) {
                    break;
                }
                assert!(Instant::now() < give_up, "world {seed}: {:?} missing", person.due(&log).difference(&heard));
            }
            person.check(&self.log.lock().unwrap(), seed);
            looked.heard += person.heard.len();
            looked.gaps += person.gaps.len();
        }
        for node in &self.nodes {
            looked.lagged += node.metrics.sink_lagged.get();
            looked.detours += node.metrics.detours.get();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_worlds_hold_the_promise() {
    let mut looked = Looked::default();
    for seed in 0..150 {
        let mut world = World::new(seed);
        for _ in 0..world.dice.usize(100..500) {
            world.step(&mut looked).await;
        }
        world.end(seed, &mut looked).await;
    }
    println!("{looked:?}");
    let enough = looked.produced > 5_000 && looked.heard > 5_000 && looked.cuts > 500 && looked.starved > 300;
    assert!(enough && looked.restarts > 50 && looked.gaps > 20, "the run looked at little: {looked:?}");
    assert!(looked.lagged > 20 && looked.detours > 100, "the run looked at little: {looked:?}");
}

/// A ring of 16, a shard asleep, 200 announcements: the shard reads on from memory, and nobody notices.
#[tokio::test(flavor = "multi_thread")]
async fn a_starved_shard_loses_nothing() {
    let log = Arc::new(Mutex::new(Log::default()));
    let node = Node::start(&log, 1_000_000, 16, 8, [0; PARTITIONS]);
    let mut people: Vec<Person> = (0..4).map(|_| Person::of(0)).collect();
    for person in &mut people {
        person.connect(&node);
        while person.start.is_none() {
            person.read(Duration::from_millis(50)).await;
        }
    }
    let asleep = [node.starve(), node.starve()];
    for offset in 0..200 {
        let mut log = log.lock().unwrap();
        log.records[0].push((offset, vec![1]));
        log.ends[0] = offset + 1;
        drop(log);
        assert!(node.consume(0));
    }
    drop(asleep);
    for person in &mut people {
        while person.heard.len() < 200 {
            assert!(person.read(Duration::from_secs(30)).await, "only {} heard", person.heard.len());
        }
        person.check(&log.lock().unwrap(), 0);
        assert_eq!(person.gaps, vec![]);
    }
    assert!(node.metrics.sink_lagged.get() >= 1, "no shard lagged: the test shows nothing");
}
