//! Bad records: whatever a producer writes, everybody else's notifications arrive, and nobody sees what was not for them.

mod json_test_suite;
mod lists;

use std::collections::BTreeMap;

use allim::notification::Position;
use serde_json::{Value, json};

use crate::harness::{Accounts, Kafka, Listener, Publisher, Server, accounts::token, publisher, until};

/// Stands in every bad record that can hold a text: nothing that is sent to anybody, and no line of the log, may.
const MARK: &str = "KEEP-OUT";

type Header<'a> = (&'a str, Option<&'a [u8]>);

struct Bad {
    reason: &'static str,
    key: Option<String>,
    value: Option<Vec<u8>>,
    headers: Vec<Header<'static>>,
}

fn bad(reason: &'static str, value: impl Into<Vec<u8>>) -> Bad {
    Bad { reason, key: Some("mall:1001".into()), value: Some(value.into()), headers: vec![] }
}

/// Otherwise good, and for everyone.
fn with(reason: &'static str, name: &str, value: Value) -> Bad {
    let mut event = json!({"type": "test.happened", "audience": "everyone", "title": MARK});
    event[name] = value;
    bad(reason, event.to_string())
}

/// A binary CloudEvent, otherwise good, and for everyone; a header given here replaces the good one.
fn binary(reason: &'static str, headers: &[Header<'static>]) -> Bad {
    let good: [Header<'static>; 6] = [
        ("ce_specversion", Some(b"1.0")),
        ("ce_id", Some(b"1")),
        ("ce_source", Some(b"/test")),
        ("ce_type", Some(b"test.happened")),
        ("ce_audience", Some(b"everyone")),
        ("ce_title", Some(MARK.as_bytes())),
    ];
    let kept = good.into_iter().filter(|(name, _)| !headers.iter().any(|(other, _)| name == other));
    let headers = kept.chain(headers.iter().copied()).collect();
    Bad { headers, ..bad(reason, b"{}".as_slice()) }
}

async fn publish(publisher: &Publisher, bad: &Bad) -> (usize, u64) {
    publisher.raw(bad.key.as_deref(), bad.value.as_deref(), &bad.headers).await
}

fn everyone(audience: &str) -> bool {
    audience == "everyone"
}

fn shows_nothing_bad(listener: &Listener) {
    let bytes = String::from_utf8_lossy(listener.line.said());
    assert!(!bytes.contains(MARK), "something bad was shown: {bytes}");
}

fn position(listener: &Listener) -> [u64; 3] {
    let position = Position::decode(listener.story.position.as_ref().unwrap()).unwrap();
    [0, 1, 2].map(|partition| position.next.get(partition))
}

/// All the reasons, and how often; the log speaks of each once, without a word of the records.
async fn counted_and_logged(server: &Server, wanted: &BTreeMap<&str, u32>) {
    let all: u32 = wanted.values().sum();
    until("every record is read", async || {
        server.metric("allim_records_total{outcome=\"rejected\"}").await >= f64::from(all)
    })
    .await;
    let (_, page) = server.get("/metrics").await;
    let rows = page.lines().filter_map(|line| line.strip_prefix("allim_rejected_total{reason=\"")?.split_once("\"} "));
    let counted: BTreeMap<&str, u32> = rows.map(|(reason, count)| (reason, count.parse().unwrap())).collect();
    assert_eq!(&counted, wanted);
    assert_eq!(server.metric("allim_records_total{outcome=\"rejected\"}").await, f64::from(all));
    for reason in wanted.keys() {
        let said = || server.log().matches(&format!("reason=\"{reason}\"")).count();
        // It is counted a moment before it is said.
        until("the log speaks of it", async || said() > 0).await;
        assert_eq!(said(), 1, "{reason} in {}", server.log());
    }
    let log = server.log();
    assert!(!log.contains(MARK) && !log.contains("panicked"), "{log}");
}

/// Each of these among good ones: the good ones arrive, live and again after a restart, and the bad ones are counted.
async fn disturb_nobody(bad: &[Bad], env: &[(&str, &str)]) {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let env = [env, &[("ALLIM_DELIVER_HEARTBEAT_SECONDS", "1")]].concat();
    let server = Server::start(&kafka, &accounts, &env).await;
    let publisher = Publisher::new(kafka.address);
    let mut people = Vec::new();
    for who in [token(1, &[1001], None, true), token(2, &[1], None, false), token(3, &[1001], Some(501), false)] {
        let mut listener = Listener::open(server.address, &who, None).await;
        listener.live().await;
        people.push((who, listener));
    }
    let first = people[0].1.story.clone();
    let (mut wanted, mut ends) = (BTreeMap::<&str, u32>::new(), [0; 3]);
    for (n, bad) in bad.iter().enumerate() {
        *wanted.entry(bad.reason).or_default() += 1;
        let (partition, offset) = publish(&publisher, bad).await;
        ends[partition] = ends[partition].max(offset + 1);
        for key in ["mall:1001".to_owned(), format!("a{n}"), format!("b{n}")] {
            let sent = publisher.tell("everyone", &key, &format!("good {n} {key}")).await;
            ends[sent.partition] = ends[sent.partition].max(sent.offset + 1);
        }
    }
    let sent = publisher.sent();
    assert!(ends.iter().all(|end| *end > 0), "a partition has nothing: {ends:?}");
    for (_, listener) in &mut people {
        while !listener.story.has_all(&sent, everyone) {
            listener.event("message").await;
        }
        listener.story.check(&sent, everyone);
        shows_nothing_bad(listener);
        // The bad ones are passed too; who hears nothing more is moved along by the next beat.
        while position(listener) != ends {
            listener.event("beat").await;
        }
    }
    counted_and_logged(&server, &wanted).await;
    assert_eq!(server.metric("allim_streams_ended_total{reason=\"gone\"}").await, 0.0);

    // They lie in the log for days: whoever starts or comes back reads them again, and nothing is different.
    server.signal("KILL");
    let server = server.again().await;
    let mut back = Listener::resume(server.address, &people[0].0, first).await.unwrap();
    while !back.story.has_all(&sent, everyone) {
        back.event("message").await;
    }
    back.story.check(&sent, everyone);
    shows_nothing_bad(&back);
    counted_and_logged(&server, &wanted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_break_a_rule_disturb_nobody() {
    disturb_nobody(&lists::against_a_rule(), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_12_what_is_not_utf_8_disturbs_nobody() {
    let bad = lists::not_utf8();
    assert!(bad.len() >= 10 && bad.iter().all(|bad| bad.reason == "not_utf8"));
    disturb_nobody(&bad, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_13_broken_json_disturbs_nobody() {
    disturb_nobody(&lists::broken_json(), &[]).await;
}

/// Also where plain text is read: that is how the system of before showed everybody everything.
#[tokio::test(flavor = "multi_thread")]
async fn fault_15_without_a_tenant_or_with_a_malicious_one_it_is_for_nobody() {
    let bad = lists::for_nobody();
    assert!(bad.len() >= 50, "{}", bad.len());
    disturb_nobody(&bad, &[("ALLIM_LEGACY_TEXT", "on")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_whose_name_is_no_text_stops_nothing() {
    let (kafka, accounts) = (Kafka::with_partitions(1).await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let mut listener = Listener::open(server.address, &token(1, &[1001], None, true), None).await;
    listener.live().await;
    let event = format!(r#"{{"type":"test.happened","audience":"everyone","title":"{MARK}"}}"#);
    publisher::with_header(kafka.address, b"fine", &event.replace(MARK, "fine")).await;
    listener.hears("fine").await;
    publisher::with_header(kafka.address, b"ce_\xff\xfe", &event).await;
    publisher::with_header(kafka.address, b"\xc3", &event).await;
    publisher.tell("everyone", "k", "the end").await;
    listener.hears("the end").await;
    assert_eq!(listener.story.titles(), ["fine", "the end"]);
    shows_nothing_bad(&listener);
    until("both are counted", async || server.metric("allim_rejected_total{reason=\"not_utf8\"}").await == 2.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_behind_good_headers_is_shown_to_nobody() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let mut people = Vec::new();
    for admin in 1..=6 {
        let mut listener = Listener::open(server.address, &token(admin, &[1001], None, admin > 3), None).await;
        listener.live().await;
        people.push(listener);
    }
    let bodies: [&[u8]; 5] =
        [b"{\"KEEP-OUT\":", b"KEEP-OUT", b"{\"a\":\"\xff KEEP-OUT\"}", b"{\"a\":1,\"a\":2,\"x\":\"KEEP-OUT\"}", b"[1]"];
    for body in bodies {
        let record = binary("", &[("ce_mallno", Some(b"1001")), ("ce_audience", Some(b"mall:1001"))]);
        let id = fastrand::u64(..).to_string();
        let mut headers = record.headers.clone();
        headers.retain(|(name, _)| *name != "ce_id");
        headers.push(("ce_id", Some(id.as_bytes())));
        publisher.raw(Some("k"), Some(body), &headers).await;
        publisher.tell("mall:1001", "k", &format!("after {id}")).await;
    }
    let last = publisher.tell("everyone", "k", "the end").await;
    people.push(Listener::open(server.address, &token(7, &[1001], None, true), Some("earliest")).await);
    for listener in &mut people {
        listener.hears("the end").await;
        assert_eq!(listener.story.heard.len(), bodies.len() + 1);
        shows_nothing_bad(listener);
        assert_eq!(position(listener)[last.partition], last.offset + 1);
    }
    assert_eq!(server.metric("allim_unreadable_later_total").await, 5.0, "each once, however many wanted it");
    assert_eq!(server.metric("allim_records_total{outcome=\"rejected\"}").await, 0.0);
    let log = server.log();
    // Three reasons (not JSON, not UTF-8, a member twice); a line of each, however many records and listeners.
    assert_eq!(log.matches("cannot be shown to anybody").count(), 3, "{log}");
    assert!(!log.contains(MARK), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_text_is_read_where_that_is_wanted_and_only_by_its_parts() {
    let (kafka, accounts) = (Kafka::with_partitions(1).await, Accounts::start().await);
    let on = Server::start(&kafka, &accounts, &[("ALLIM_LEGACY_TEXT", "on")]).await;
    let off = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let (me, other) = (token(7, &[1001], None, false), token(77, &[1001], None, false));
    let mut on_me = Listener::open(on.address, &me, None).await;
    let mut on_other = Listener::open(on.address, &other, None).await;
    let mut off_me = Listener::open(off.address, &me, None).await;
    for listener in [&mut on_me, &mut on_other, &mut off_me] {
        listener.live().await;
    }
    let texts = [
        "안녕하세요",
        "0:all:모두에게",
        "7:me:나에게 :all: 그리고 더",
        "77:me:너에게",
        "KEEP-OUT overall: all of you",
        "7:mee:KEEP-OUT",
        "me:7:KEEP-OUT",
        "x:me:KEEP-OUT",
        "07:me:KEEP-OUT",
        "7 :me:KEEP-OUT",
        "7:me:",
        "7:ME:KEEP-OUT",
        "\u{feff}7:me:KEEP-OUT",
    ];
    for text in texts {
        publisher.raw(None, Some(text.as_bytes()), &[]).await;
    }
    publisher.tell("everyone", "k", "the end").await;
    for listener in [&mut on_me, &mut on_other, &mut off_me] {
        listener.hears("the end").await;
        shows_nothing_bad(listener);
    }
    assert_eq!(on_me.story.titles(), ["안녕하세요", "모두에게", "나에게 :all: 그리고 더", "the end"]);
    assert_eq!(on_other.story.titles(), ["안녕하세요", "모두에게", "너에게", "the end"]);
    assert_eq!(off_me.story.titles(), ["the end"]);
    assert_eq!(on.metric("allim_rejected_total{reason=\"legacy_unaddressed\"}").await, 8.0);
    assert_eq!(on.metric("allim_rejected_total{reason=\"bad_json\"}").await, 1.0);
    assert_eq!(off.metric("allim_rejected_total{reason=\"bad_json\"}").await, 13.0);
    assert!(on.log().contains("<id>:all:<text>"), "the log says how to write it");
    assert!(off.log().contains("ALLIM_LEGACY_TEXT=on"), "the log names the setting");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_16_a_producers_repeat_is_heard_once() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let mut listener = Listener::open(server.address, &token(1, &[1001], None, false), None).await;
    listener.live().await;
    let event = |id: &str, source: &str, title: &str| {
        json!({"specversion": "1.0", "type": "test.happened", "id": id, "source": source, "audience": "mall:1001",
               "mallno": "1001", "title": title, "data": {}})
    };
    let mut partitions = Vec::new();
    for key in ["mall:1001", "mall:1001", "b", "c", "mall:1001"] {
        let (partition, _) = publisher.json(key, &event("1", "/orders", "once")).await;
        partitions.push(partition);
        let count = partitions.len();
        until("it is read", async || {
            let read = server.metric("allim_records_total{outcome=\"announced\"}").await
                + server.metric("allim_records_total{outcome=\"repeat\"}").await;
            read >= count as f64
        })
        .await;
    }
    assert!(partitions.iter().any(|partition| *partition != partitions[0]), "all in one partition: {partitions:?}");
    // Another source, and another id, are other events.
    publisher.json("mall:1001", &event("1", "/claims", "of another source")).await;
    publisher.json("mall:1001", &event("2", "/orders", "of another id")).await;
    listener.hears("of another id").await;
    assert_eq!(listener.story.titles(), ["once", "of another source", "of another id"]);
    assert_eq!(server.metric("allim_records_total{outcome=\"repeat\"}").await, 4.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_texts_arrive_as_they_were_written() {
    let (kafka, accounts) = (Kafka::with_partitions(1).await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let mut listener = Listener::open(server.address, &token(1, &[1001], None, true), None).await;
    listener.live().await;
    let odd = "한 줄\r\n두 줄\rid: 1\n\ndata: x\u{2028}\u{2029}\u{85}\u{b}🛒👩‍👩‍👧 \u{202e}abc\u{7f}\u{1}\t\"\\ </script> {{title}}";
    let value = json!({"type": "test.happened", "audience": "everyone", "title": odd, "body": odd, "source": odd,
                       "correlationId": odd, "data": {"field": odd, odd: [odd, 1.5, -0.0, 9_007_199_254_740_993_u64]}});
    // Headers without a value, and such as mean nothing to us, are nothing.
    let headers: [Header<'_>; 4] = [("ce_type", None), ("ce_audience", None), ("trace", None), ("x", Some(b"\xff\0"))];
    publisher.raw(Some("k"), Some(value.to_string().as_bytes()), &headers).await;
    let heard = listener.event("message").await.json();
    assert_eq!((&heard["title"], &heard["body"], &heard["correlationId"]), (&odd.into(), &odd.into(), &odd.into()));
    assert_eq!(heard["data"], value["data"]);
}
