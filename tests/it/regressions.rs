//! Defects that were found by looking for them: each test tells the story of one.

use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use allim::{
    deliver::{self, Arrival, Asked, QueueBody, Streams, queue, sse::SSE},
    hub::{self, Hub, Kind, ListenerId, Offer, Outlet, Shard, ShardHandle, Wire},
    ingest::{Broken, Decoder, Incoming, LogIs, Next, RawRecord},
    notification::{AdminNo, Catalogue, Coordinates, Epoch, MallNo, Position, Vector, Viewer},
    telemetry::Metrics,
};
use http_body_util::BodyExt;
use serde_json::json;

use crate::harness::{
    Accounts, Kafka, Listener, PATIENCE, Publisher, Server,
    accounts::token,
    kafka::TOPIC,
    sse::{Event, parse},
    topics, until,
};

const EPOCH: Epoch = Epoch(7);

/// One shard whose listeners have room for one frame: who reads nothing is full at once, at a known place.
struct Narrow {
    hub: Hub,
    streams: Streams,
    metrics: Metrics,
    decoder: Decoder,
    _first: Option<Reader>,
}

impl Narrow {
    async fn new() -> Narrow {
        let metrics = Metrics::new();
        let settings =
            hub::Settings { memory_bytes: 1_000_000, memory_age: Duration::from_secs(600), ring: 256, shards: 1 };
        let hub = Hub::new(settings, metrics.clone());
        let settings = deliver::Settings {
            heartbeat: Duration::from_secs(300),
            queue_frames: 1,
            queue_bytes: 100_000,
            slow_after: Duration::from_secs(60),
            streams_per_operator: 10,
            retry: Duration::from_secs(1),
            drain_window: Duration::ZERO,
        };
        let catalogue = Catalogue::builtin();
        let streams = Streams::start(settings, 1, &hub, None, catalogue.clone(), metrics.clone()).unwrap();
        let decoder = Decoder { catalogue, legacy_text: false, type_prefix: String::new(), max_record_bytes: 9_999 };
        hub.begins(EPOCH, Vector::new(vec![0]));
        hub.log_is(LogIs::Live);
        let mut narrow = Narrow { hub, streams, metrics, decoder, _first: None };
        // A word of the log's state on the way would take the room of what the tests send.
        let live = Arc::new(AtomicBool::new(false));
        while !live.load(Ordering::SeqCst) {
            let live = Arc::clone(&live);
            narrow.on_the_shard(move |shard| live.store(shard.log().live, Ordering::SeqCst)).await;
        }
        // The shard's first beat is for its first listener, and would take room as well.
        let mut first = narrow.open(&[999], Asked::Newcomer);
        first.until("status").await;
        narrow._first = Some(first);
        narrow
    }

    /// Done after everything that the shard was told before.
    async fn on_the_shard(&self, work: impl FnOnce(&Rc<Shard>) + Send + 'static) {
        let (done, waiting) = tokio::sync::oneshot::channel();
        let (_, shard) = self.streams.place();
        let work = move |shard: &Rc<Shard>| {
            work(shard);
            done.send(()).unwrap();
        };
        shard.tell(hub::Command::Run(Box::new(work))).unwrap();
        waiting.await.unwrap();
    }

    /// Announces the next record of the only partition.
    fn announce(&self, event: &serde_json::Value) {
        self.announce_raw(&[], &event.to_string());
    }

    fn announce_raw(&self, headers: &[(&'static str, &str)], value: &str) {
        let offset = self.hub.position().get(0);
        let raw = RawRecord {
            coordinates: Coordinates { epoch: EPOCH, partition: 0, offset },
            timestamp: jiff::Timestamp::now(),
            key: None,
            headers: headers.iter().map(|(name, value)| (*name, Some(value.as_bytes()))).collect(),
            value: Some(value.as_bytes()),
        };
        let notification = Some(self.decoder.decode(&raw).unwrap());
        self.hub.record(Incoming { partition: 0, offset, content: notification });
    }

    fn tell(&self, audience: &str, title: &str) {
        self.announce(&json!({"type": "t", "audience": audience, "title": title}));
    }

    fn open(&self, malls: &[u64], asked: Asked) -> Reader {
        let (id, shard) = self.streams.place();
        let settings = self.streams.settings();
        let (outlet, body, progress) = queue(settings.queue_frames, settings.queue_bytes, || ());
        let (viewer, outlet) = (viewer(malls), Box::new(outlet));
        let arrival = Arrival { id, viewer, lang: None, coat: &SSE, outlet, asked, guard: Box::new(()) };
        self.streams.open(arrival, &shard, progress).unwrap();
        Reader { id, shard, body }
    }
}

fn viewer(malls: &[u64]) -> Arc<Viewer> {
    Arc::new(Viewer::new(AdminNo::new(1).unwrap(), malls.iter().map(|&mall| MallNo::new(mall).unwrap()), None))
}

struct Reader {
    id: ListenerId,
    shard: ShardHandle,
    body: QueueBody,
}

impl Reader {
    /// The next frame: there is never more than one.
    async fn next(&mut self) -> Event {
        let piece = tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("a frame in time");
        let text = piece.expect("the stream goes on").unwrap().into_data().unwrap();
        parse(text.strip_suffix(b"\n").unwrap()).unwrap()
    }

    /// Names and titles of everything up to a frame of this name.
    async fn until(&mut self, name: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let event = self.next().await;
            let word = event.json()["title"].as_str().or(event.json()["reason"].as_str()).map(str::to_owned);
            seen.push(word.map_or(event.name.clone(), |word| format!("{} {word}", event.name)));
            if event.name == name {
                return seen;
            }
        }
    }
}

/// A small frame waited, a large one did not fit beside it, and the outlet called that room: whoever catches up turned
/// around on its shard's thread for as long as the listener did not read.
#[tokio::test(flavor = "multi_thread")]
async fn room_is_room_for_what_was_refused() {
    let wire = |len: usize| Wire { kind: Kind::Notification, head: vec![].into(), body: vec![b'x'; len].into() };
    let (mut outlet, mut body, _progress) = queue(8, 1_000, || ());
    assert_eq!(outlet.offer(wire(100)), Offer::Taken);
    assert_eq!(outlet.offer(wire(950)), Offer::Full);
    let room = std::future::poll_fn(|cx| outlet.poll_room(cx));
    tokio::time::timeout(Duration::from_millis(50), room).await.expect_err("there is no room for it");
    body.frame().await.unwrap().unwrap();
    assert_eq!(std::future::poll_fn(|cx| outlet.poll_room(cx)).await, Offer::Taken);
    assert_eq!(outlet.offer(wire(950)), Offer::Taken);
}

/// Rights of now are those of the moment a frame is taken: neither the state of a job that was kept back for the end of
/// the catch-up, nor a notification that waited for room, is shown to somebody who lost its mall meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn who_loses_a_mall_while_catching_up_sees_nothing_of_it_any_more() {
    let narrow = Narrow::new().await;
    narrow.announce(&json!({
        "type": "excel.export.progress", "mallNo": 7, "audience": "mall:7",
        "data": {"exportNo": "EX-1", "mallNo": 7, "exportName": "a job of mall 7", "requestedBy": {"adminNo": 1}},
    }));
    narrow.tell("mall:8", "one of mall 8");
    narrow.tell("mall:7", "one of mall 7");
    narrow.tell("mall:8", "another of mall 8");
    let mut reader = narrow.open(&[7, 8], Asked::Earliest);
    reader.until("hello").await;
    // What is of mall 8 fills the outlet; what is of mall 7 waits for room.
    let shown = narrow.metrics.frames.with("notification");
    until("the outlet is full", async || shown.get() == 1).await;
    narrow.streams.rights(reader.id, &reader.shard, viewer(&[8])).await;
    narrow.on_the_shard(|_| ()).await;
    let seen = reader.until("status").await;
    assert_eq!(seen, ["message one of mall 8", "message another of mall 8", "gap scope", "status"]);
}

/// The log shrank at a moment when a listener's outlet was full: it was caught up from the new place, and never told
/// that it had missed something.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_full_when_the_log_breaks_is_told_of_it_all_the_same() {
    let narrow = Narrow::new().await;
    let mut reader = narrow.open(&[7], Asked::Newcomer);
    reader.until("status").await;
    narrow.tell("mall:7", "fills the outlet");
    let shown = narrow.metrics.frames.with("notification");
    until("the outlet is full", async || shown.get() == 1).await;
    narrow.hub.breaks(Broken::Truncated, Vector::new(vec![0]));
    until("it was too slow", async || narrow.metrics.detours.get() >= 1).await;
    assert_eq!(reader.until("status").await, ["message fills the outlet", "gap truncated", "status"]);
}

/// The same of rights: what is on the screen may be too much, and nobody said so.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_full_when_rights_change_is_told_of_it_all_the_same() {
    let narrow = Narrow::new().await;
    let mut reader = narrow.open(&[7, 8], Asked::Newcomer);
    reader.until("status").await;
    narrow.tell("mall:7", "fills the outlet");
    let shown = narrow.metrics.frames.with("notification");
    until("the outlet is full", async || shown.get() == 1).await;
    narrow.streams.rights(reader.id, &reader.shard, viewer(&[8])).await;
    until("it was too slow", async || narrow.metrics.detours.get() >= 1).await;
    assert_eq!(reader.until("status").await, ["message fills the outlet", "gap scope", "status"]);
}

/// Rights changed, and another log began, while a listener's outlet was full: the word of its rights came with the epoch
/// of the new log and the place of the old one. Who was cut right then came back with an id that was accepted, and missed
/// what lay before it.
#[tokio::test(flavor = "multi_thread")]
async fn no_id_is_made_of_two_lives_of_the_log() {
    let narrow = Narrow::new().await;
    ["one", "two", "three"].iter().for_each(|title| narrow.tell("mall:7", title));
    let mut reader = narrow.open(&[7, 8], Asked::Earliest);
    let shown = narrow.metrics.frames.with("notification");
    reader.until("hello").await;
    until("the outlet is full", async || shown.get() == 1).await;
    narrow.streams.rights(reader.id, &reader.shard, viewer(&[7])).await;
    narrow.on_the_shard(|_| ()).await;
    narrow.hub.begins(Epoch(8), Vector::new(vec![0]));
    let mut told = Vec::new();
    loop {
        let event = reader.next().await;
        if event.name == "status" {
            break;
        }
        let at = Position::decode(event.id.as_ref().unwrap()).unwrap();
        told.push((event.json()["reason"].as_str().map(str::to_owned), at.epoch, at.next.get(0)));
    }
    let gap = |reason: &str| (Some(reason.to_owned()), Epoch(8), 0);
    // The second was on its way already, and says so.
    assert_eq!(told, [(None, EPOCH, 1), (None, EPOCH, 2), gap("epoch"), gap("scope")]);
}

/// Where headers say whom it is for, a body is first looked at when somebody wants it. One that was broken kept its id
/// in memory, and what its producer sent to mend it passed for a repeat.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_body_does_not_keep_its_correction_away() {
    let narrow = Narrow::new().await;
    let mut reader = narrow.open(&[7], Asked::Newcomer);
    reader.until("status").await;
    let headers = [("ce_specversion", "1.0"), ("ce_type", "t"), ("ce_id", "1"), ("ce_source", "/a")];
    let headers = [&headers[..], &[("ce_audience", "mall:7"), ("ce_mallno", "7"), ("ce_title", "mended")]].concat();
    narrow.announce_raw(&headers, "{broken");
    until("it is found out", async || narrow.metrics.unreadable_later.get() == 1).await;
    narrow.announce_raw(&headers, "{}");
    assert_eq!(reader.until("message").await, ["message mended"]);
    // That one is known now, and stays so.
    narrow.announce_raw(&headers, "{}");
    narrow.tell("mall:7", "another");
    assert_eq!(reader.until("message").await, ["message another"]);
}

/// Retention passed the place from which memory was being refilled. The client reports such an offset once and reads
/// on nowhere; the server waited for the old ends for ever, and was never ready.
#[tokio::test(flavor = "multi_thread")]
async fn records_that_go_while_memory_is_refilled_do_not_stop_the_start() {
    let kafka = Kafka::always_small("records_that_go_while_memory_is_refilled_do_not_stop_the_start", 1).await;
    let accounts = Accounts::start().await;
    let publisher = Publisher::new(kafka.address);
    kafka.broker().hold("late", TOPIC, 0);
    for i in 0..10 {
        publisher.tell("mall:7", "mall:7", &format!("event {i}")).await;
    }
    let mut server = Server::spawn_with(&kafka, &accounts, &[("ALLIM_KAFKA_CLIENT_ID", "late")]);
    until("it answers", async || tokio::net::TcpStream::connect(server.address).await.is_ok()).await;
    let operator = token(1, &[7], None, false);
    let mut listener = Listener::open(server.address, &operator, Some("earliest")).await;
    while listener.event("status").await.json()["reason"] != "filling" {}
    topics::delete_records(kafka.address, &[(0, 8)]).await;
    kafka.broker().release("late", TOPIC, 0);
    server.ready().await;
    listener.live().await;
    assert_eq!(listener.story.titles(), ["event 8", "event 9"]);
}

/// After an outage "live" waited for a moment at which nothing was under way. Where events never stop coming there is
/// none: every page said "paused" although everything arrived.
#[tokio::test(flavor = "multi_thread")]
async fn live_again_after_an_outage_while_events_never_stop() {
    let (mut kafka, accounts) = (Kafka::alone(1).await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let mut listener = Listener::open(server.address, &token(1, &[8], None, false), None).await;
    listener.live().await;
    let publisher = Arc::new(Publisher::new(kafka.address));
    let mut load = tokio::task::JoinSet::new();
    for i in 0..20 {
        let publisher = Arc::clone(&publisher);
        load.spawn(async move {
            loop {
                publisher.tell("mall:7", &format!("key {i}"), "one of many").await;
            }
        });
    }
    kafka.go_away().await;
    assert_eq!(listener.event("status").await.json()["live"], false);
    kafka.come_back().await;
    let back = Instant::now();
    listener.live().await;
    load.shutdown().await;
    assert!(back.elapsed() < Duration::from_secs(20), "live only after {:?}", back.elapsed());
}
