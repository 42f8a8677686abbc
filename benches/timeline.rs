//! What the timeline's store does in a second, and how long it takes to answer: `cargo bench --bench timeline -- [ROWS]`.
//!
//! First the store's bare insert beside the recorder over a real broker and the real reader, in one run and with the same
//! rows; then the questions of operators over so many rows (200,000 unless another number is given), the newest of which
//! is what it holds at last.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails shall fail where it is")]

#[path = "../tests/it/harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests need more of it")]
mod harness;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use allim::{
    ingest::{self, Ingest},
    notification::{
        AdminNo, Audience, Catalogue, Coordinates, Epoch, MallNo, Notification, NotificationId, Position, Record,
        Shape, Tenant, Vector, Viewer, event::Severity,
    },
    telemetry::Metrics,
    timeline::{self, Advance, Batch, Filter, Growth, KeptAt, Mark, Missed, Most, Recorder, Row, Sqlite, Store, Types},
};
use harness::{Kafka, Publisher};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const EPOCH: Epoch = Epoch(0x6c6f_675f_6f66_5f61);
const PARTITIONS: u64 = 12;
const MALLS: u64 = 2_000;
/// A tenth of everything is this one's.
const BUSY: u64 = 1;
/// As the setting has it.
const BATCH: usize = 500;
const QUESTIONS: u32 = 500;
/// Only to fill it: hours of a day's traffic at once.
const FILL: usize = 50_000;
/// Of the comparison between store and recorder.
const COMPARED: u64 = 60_000;
const BEGINNING: i64 = 1_700_000_000_000;
const TYPES: [&str; 8] = [
    "order.created",
    "order.paid",
    "claim.requested",
    "product.inquiry.created",
    "product.review.created",
    "notice.posted",
    "stock.low",
    "fraud.suspected",
];
/// One in so many.
const RARE: u64 = 10_000;

fn scramble(n: u64) -> u64 {
    let n = (n ^ (n >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    n ^ (n >> 29)
}

fn mall_of(n: u64) -> u64 {
    if n.is_multiple_of(10) { BUSY } else { 2 + scramble(n) % (MALLS - 1) }
}

fn type_of(n: u64) -> &'static str {
    if n.is_multiple_of(RARE) { TYPES[7] } else { TYPES[usize::try_from(scramble(n + 7) % 7).unwrap()] }
}

/// Operators of the mall and one partner in it, as an order has it.
fn audience_of(n: u64) -> String {
    let mall = mall_of(n);
    format!("mall:{mall},mall:{mall}:partner:{}", scramble(n + 3) % 30 + 1)
}

fn event(n: u64) -> serde_json::Value {
    let text = "주문 상품 2건이 결제되었습니다. ".repeat(6);
    json!({"id": format!("order-{n}"), "type": type_of(n), "mallNo": mall_of(n), "audience": audience_of(n),
           "title": format!("주문 {n}"), "body": text, "data": {"orderNo": n, "amount": n * 100}})
}

/// Those from `first` on, so many, each at its partition's next offset.
fn rows(first: u64, many: u64, next: &mut [u64]) -> Vec<Row> {
    let row = |n: u64| {
        let partition = usize::try_from(mall_of(n) % PARTITIONS).unwrap();
        let at = Coordinates { epoch: EPOCH, partition, offset: next[partition] };
        next[partition] += 1;
        let mall = MallNo::new(mall_of(n)).unwrap();
        let audience: Audience = audience_of(n).parse().unwrap();
        let id = NotificationId::of_producer(Tenant::Mall(mall), "", &n.to_string());
        let record = Record {
            shape: Shape::Plain,
            key: Some(format!("mall:{mall}").into()),
            headers: Box::default(),
            value: event(n).to_string().into(),
        };
        let time = Timestamp::from_millisecond(BEGINNING + i64::try_from(n).unwrap() * 50).unwrap();
        let notification = Notification::new(id, type_of(n).into(), Some(mall), audience, time, record);
        let until = time + SignedDuration::from_hours(24 * 90);
        let severity = if n.is_multiple_of(RARE) { Severity::Critical } else { Severity::Info };
        Row { at, life: 0, notification: Arc::new(notification), severity, silent: n.is_multiple_of(20), until }
    };
    (first..first + many).map(row).collect()
}

fn batch(rows: Vec<Row>, before: &[u64], after: &[u64]) -> Arc<Batch> {
    let moved = before.iter().zip(after).enumerate().filter(|(_, (from, to))| from != to);
    let advances = moved
        .map(|(partition, (&from, &to))| Advance { partition, from: (from > 0).then_some(from), to, life: 0 })
        .collect();
    Arc::new(Batch { epoch: EPOCH, rows, dead: Vec::new(), advances, beginnings: Vec::new(), holes: Vec::new() })
}

/// Writes so many, and says how long the store alone took.
async fn insert(store: &dyn Store, many: u64, of_a_batch: usize) -> Duration {
    let (mut next, mut took, mut first) = (vec![0; usize::try_from(PARTITIONS).unwrap()], Duration::ZERO, 0);
    while first < many {
        let before = next.clone();
        let rows = rows(first, (many - first).min(of_a_batch as u64), &mut next);
        first += rows.len() as u64;
        let batch = batch(rows, &before, &next);
        let began = Instant::now();
        store.record(batch).await.unwrap();
        took += began.elapsed();
    }
    took
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn rate(many: u64, took: Duration) -> f64 {
    many as f64 / took.as_secs_f64()
}

fn settings(kafka: &Kafka) -> ingest::Settings {
    ingest::Settings {
        bootstrap_servers: kafka.address.to_string(),
        topic: kafka.address.topic.to_owned(),
        group_id: "bench".to_owned(),
        client_id: "bench".to_owned(),
        properties: Vec::new(),
        legacy_text: false,
        type_prefix: "kr.co.shopby.".to_owned(),
        max_record_bytes: 262_144,
        stall: Duration::from_secs(30),
    }
}

/// From the reader's start until everything is in the store.
async fn record(store: Arc<dyn Store>, kafka: &Kafka) -> Duration {
    let of_the_timeline = timeline::Settings {
        batch_rows: BATCH,
        batch_linger: Duration::from_millis(20),
        waiting_bytes: 16 << 20,
        retention: Duration::from_secs(90 * 86_400),
        purge_every: Duration::from_secs(60),
    };
    let (metrics, stop) = (Metrics::new(), CancellationToken::new());
    let (recorder, mut kept, writing) =
        Recorder::new(store, of_the_timeline, metrics.clone(), Growth::new(metrics.clone()), stop.clone());
    let writer = tokio::spawn(writing);
    let began = Instant::now();
    let keeping = Duration::from_secs(90 * 86_400);
    let reader = Ingest::kept(&settings(kafka), keeping, Catalogue::builtin(), &metrics, Arc::new(recorder)).unwrap();
    let is_all = |kept: &KeptAt| match kept {
        KeptAt::At(at) => at.next.iter().map(|(_, next)| next).sum::<u64>() == COMPARED,
        KeptAt::Unknown => false,
    };
    // Not the time that librdkafka takes until it has a connection.
    let first = |kept: &KeptAt| matches!(kept, KeptAt::At(at) if at.next.iter().any(|(_, next)| next > 0));
    kept.wait_for(first).await.unwrap();
    let connected = began.elapsed();
    kept.wait_for(is_all).await.unwrap();
    let took = began.elapsed();
    println!("  (the first batch was written {:.2} s after the start, which counts)", connected.as_secs_f64());
    stop.cancel();
    writer.await.unwrap();
    tokio::task::spawn_blocking(|| reader.stop()).await.unwrap();
    took
}

async fn compare(folder: &Path) {
    let bare: Arc<dyn Store> = Arc::new(Sqlite::open(&folder.join("bare.db")).unwrap());
    let alone = rate(COMPARED, insert(&*bare, COMPARED, BATCH).await);
    println!("the store alone: {alone:.0} rows/s, in batches of {BATCH}");
    let kafka = Kafka::with_partitions(i32::try_from(PARTITIONS).unwrap()).await;
    let publisher = Publisher::new(kafka.address);
    for first in (0..COMPARED).step_by(2_000) {
        let send = |n: u64| {
            let publisher = &publisher;
            async move { publisher.json(&format!("mall:{}", mall_of(n)), &event(n)).await }
        };
        futures::future::join_all((first..first + 2_000).map(send)).await;
    }
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&folder.join("recorded.db")).unwrap());
    let recorded = rate(COMPARED, record(store, &kafka).await);
    println!("the recorder over a broker: {recorded:.0} rows/s, {:.2} of it (goal 0.70)", recorded / alone);
}

fn operator(number: u64, malls: impl IntoIterator<Item = u64>) -> Arc<Viewer> {
    let malls = malls.into_iter().map(|mall| MallNo::new(mall).unwrap());
    Arc::new(Viewer::new(AdminNo::new(number).unwrap(), malls, None))
}

/// Processor time of this process: what is waited for may be somebody else's.
fn worked() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, behind_the_name) = stat.rsplit_once(") ").unwrap();
    let ticks: u64 = behind_the_name.split(' ').skip(11).take(2).map(|n| n.parse::<u64>().unwrap()).sum();
    // A hundred a second on every Linux that there is.
    Duration::from_millis(ticks * 10)
}

fn report(what: &str, mut took: Vec<Duration>, goal: &str) {
    took.sort_unstable();
    let share = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)].as_secs_f64() * 1000.0;
    println!("{what}: p50 {:.2} ms   p99 {:.2} ms   max {:.2} ms   {goal}", share(50), share(99), share(100));
}

async fn newest(store: &dyn Store) {
    for (malls, goal) in [(4, "(goal p99 5 ms)"), (200, "(goal p99 30 ms)")] {
        let (mut took, before) = (Vec::new(), worked());
        for n in 0..QUESTIONS {
            let viewer =
                operator(u64::from(n) + 1, (0..malls).map(|mall| scramble(u64::from(n) * 977 + mall * 31) % MALLS + 1));
            let began = Instant::now();
            let list = store.list(viewer, Filter::default(), None, 50).await.unwrap();
            took.push(began.elapsed());
            assert_eq!(list.items.len(), 50);
        }
        let alone = (worked() - before).as_secs_f64() * 1000.0 / f64::from(QUESTIONS);
        report(&format!("newest 50, operator of {malls} malls ({alone:.2} ms of a processor each)"), took, goal);
    }
}

/// A page each of every combination of filters, for one who sees a tenth of everything.
async fn filters(store: &dyn Store, viewer: &Arc<Viewer>) {
    let malls = [("any mall", None), ("his busy mall", Some(BUSY)), ("a quiet mall", Some(3))];
    let types = [
        ("any type", None),
        ("a frequent type", Some(Types::These(vec![TYPES[0].into()]))),
        ("a rare type", Some(Types::These(vec![TYPES[7].into()]))),
        ("no such type", Some(Types::These(vec!["no.such".into()]))),
        ("all but known types", Some(Types::AllBut(TYPES.iter().map(|&name| name.into()).collect()))),
    ];
    let severities = [("any severity", None), ("critical", Some(Severity::Critical)), ("error", Some(Severity::Error))];
    let (mut slowest, mut tried) = ((Duration::ZERO, String::new()), 0);
    for unread in [false, true] {
        for (of_mall, mall) in malls {
            for (of_type, types) in &types {
                for (of_severity, severity) in severities {
                    let mall = mall.map(|mall| MallNo::new(mall).unwrap());
                    let filter = Filter { mall, types: types.clone(), severity, unread };
                    let began = Instant::now();
                    let list = store.list(Arc::clone(viewer), filter, None, 50).await.unwrap();
                    let took = began.elapsed();
                    tried += 1;
                    let end = if list.next.is_some() { "goes on" } else { "is the end" };
                    let what = format!(
                        "{of_mall}, {of_type}, {of_severity}, {}: {} rows, {end}",
                        if unread { "unread" } else { "read or not" },
                        list.items.len()
                    );
                    if took > slowest.0 {
                        slowest = (took, what);
                    }
                }
            }
        }
    }
    let (took, what) = slowest;
    println!(
        "  {tried} combinations of filters, the slowest {:.1} ms ({what}; goal 200 ms)",
        took.as_secs_f64() * 1000.0
    );
}

/// The question is asked within: whoever is asked begins at once.
async fn timed<T, F: Future<Output = T>>(what: &str, question: impl FnOnce() -> F) -> T {
    let began = Instant::now();
    let answer = question().await;
    println!("  {what}: {:.1} ms", began.elapsed().as_secs_f64() * 1000.0);
    answer
}

/// Unread counts, marks and a replay, for operators of few and of many malls.
async fn others(store: &dyn Store, malls: u64, number: u64) {
    println!("an operator of {malls} malls, the busy one among them:");
    let viewer = operator(number, BUSY..BUSY + malls);
    filters(store, &viewer).await;
    let unread = timed("unread count, nothing is read", || store.unread(Arc::clone(&viewer))).await.unwrap();
    let position = unread.position.unwrap();
    timed("first sight", || store.meet(Arc::clone(&viewer), position.clone())).await.unwrap();
    timed("unread count, everything is read", || store.unread(Arc::clone(&viewer))).await.unwrap();
    filters(store, &viewer).await;
    let everything = store.list(Arc::clone(&viewer), Filter::default(), None, 100).await.unwrap();
    let ids: Vec<NotificationId> = everything.items.iter().map(|listed| listed.stored.notification.id).collect();
    timed("100 marked unread", || store.mark(Arc::clone(&viewer), Mark::Unread(ids), Timestamp::now())).await.unwrap();
    timed("unread count, 100 marked unread", || store.unread(Arc::clone(&viewer))).await.unwrap();
    let back = |many: u64| {
        let next = position.next.iter().map(|(_, next)| next.saturating_sub(many)).collect();
        Position { epoch: EPOCH, next: Vector::new(next) }
    };
    // Something near 2,000 of his, over all partitions.
    let mut many = 30_000;
    let most = Most { items: 2_000, bytes: 2 << 20 };
    while matches!(store.weigh(Arc::clone(&viewer), back(many), most).await.unwrap(), Missed::Gap { .. }) {
        many = many * 9 / 10;
    }
    timed("a replay is weighed", || store.weigh(Arc::clone(&viewer), back(many), most)).await.unwrap();
    let (mut from, mut replayed, mut longest, began) = (back(many), 0, Duration::ZERO, Instant::now());
    while !position.next.within(&from.next) {
        let began = Instant::now();
        let page = Most { items: 100, bytes: 256 * 1024 };
        let Missed::Page { rows, through } = store.missed(Arc::clone(&viewer), from.clone(), page).await.unwrap()
        else {
            panic!("it is all there")
        };
        longest = longest.max(began.elapsed());
        replayed += rows.len();
        from.next = through;
    }
    println!(
        "  {replayed} replayed in pages of 100: {:.0} ms in all, the longest page {:.1} ms",
        began.elapsed().as_secs_f64() * 1000.0,
        longest.as_secs_f64() * 1000.0
    );
    timed("all marked read", || store.mark(Arc::clone(&viewer), Mark::UpTo(position), Timestamp::now())).await.unwrap();
}

#[tokio::main]
async fn main() {
    let rows = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(200_000);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    compare(folder.path()).await;

    let path = folder.path().join("many.db");
    let store = Sqlite::open(&path).unwrap();
    let took = insert(&store, rows, FILL).await;
    let bytes = std::fs::metadata(&path).unwrap().len();
    println!("{rows} rows: {:.0} rows/s in batches of {FILL}, {} bytes a row", rate(rows, took), bytes / rows);
    newest(&store).await;
    others(&store, 4, 1_000_001).await;
    others(&store, 200, 1_000_002).await;
}
