//! Other people's clients: what speaks Kafka publishes to either broker, what reads event streams is cut and comes back.
//!
//! The programs are in `tests/interop`; `tests/all` installs their packages into `target/interop` and demands that all
//! of them run. `cargo test` alone runs what is there and says what it left out.

use allim::notification::Position;
use serde_json::{Value, json};

use crate::harness::{
    Accounts, Kafka, Listener, Publisher, Server, Story,
    accounts::token,
    program::{Program, Runner},
    sse::Event,
    until,
    wire::Wire,
};

/// A program that writes records and reads them back.
async fn writes_and_reads(runner: Runner, file: &str, needs: &str) {
    let kafka = Kafka::start().await;
    let Some(program) = Program::start(runner, file, needs, &[&kafka.address.to_string(), kafka.address.topic]) else {
        return;
    };
    let said = program.ends_well().await;
    assert!(said.contains("records written and read back"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kcat_writes_records_and_reads_them_back() {
    writes_and_reads(Runner::Shell, "broker_kcat.sh", "kcat").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kafkajs_writes_records_and_reads_them_back() {
    writes_and_reads(Runner::Node, "broker_kafkajs.mjs", "kafkajs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn confluent_kafka_writes_records_and_reads_them_back() {
    writes_and_reads(Runner::Python, "broker_confluent.py", "confluent-kafka").await;
}

/// A program that publishes as a domain service would: what it meant to, an operator hears, in order.
pub async fn is_heard(kafka: Kafka, runner: Runner, file: &str, needs: &str) {
    let accounts = Accounts::start().await;
    let server = Server::start(&kafka, &accounts, &[]).await;
    let mut listener = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    listener.live().await;
    let place = [kafka.address.to_string(), kafka.address.topic.to_owned()];
    let Some(program) = Program::start(runner, file, needs, &[&place[0], &place[1]]) else { return };
    let said = program.ends_well().await;
    assert!(said.contains("10 notifications published"), "{said}");
    listener.hears("알림 10").await;
    let wanted: Vec<String> = (1..=10).map(|n| format!("알림 {n}")).collect();
    assert_eq!(listener.story.titles(), wanted);
    assert_eq!(listener.story.gaps, Vec::<String>::new());
    // One who comes later has the same.
    let mut later = Listener::open(server.address, &token(2, &[7], None, false), Some("earliest")).await;
    later.live().await;
    assert_eq!(later.story.titles(), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kcat_publishes_is_heard() {
    is_heard(Kafka::start().await, Runner::Shell, "publish_kcat.sh", "kcat").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kafkajs_publishes_is_heard() {
    is_heard(Kafka::start().await, Runner::Node, "publish_kafkajs.mjs", "kafkajs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_java_client_publishes_is_heard() {
    is_heard(Kafka::start().await, Runner::Java, "Publish.java", "javac").await;
}

/// A listener that is somebody else's program, and what it was given.
struct Foreign {
    program: Program,
    story: Story,
}

impl Foreign {
    async fn next(&mut self) -> Event {
        let Some(line) = self.program.line().await else {
            panic!("it ended: {}\n{}", self.story.summary(), self.program.complaints());
        };
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("not a line of JSON ({e}): {line}"));
        let text = |field: &str| said[field].as_str().unwrap_or_default().to_owned();
        let event = Event {
            name: text("name"),
            data: text("data"),
            id: Some(text("id")).filter(|id| !id.is_empty()),
            retry: None,
        };
        assert!(event.json().is_object(), "an empty event: {event:?}");
        self.story.note(&event);
        event
    }

    /// Reads on until the story is so.
    async fn until(&mut self, told: impl Fn(&Story) -> bool) {
        while !told(&self.story) {
            self.next().await;
        }
    }
}

/// What reads event streams, and what reads WebSockets: the program, its file, its package.
const EVENT_STREAMS: [(Runner, &str, &str); 2] =
    [(Runner::Node, "resume_eventsource.mjs", "eventsource"), (Runner::Python, "resume_httpx_sse.py", "httpx-sse")];
const WEBSOCKETS: [(Runner, &str, &str); 2] =
    [(Runner::Node, "resume_ws.mjs", "ws"), (Runner::Python, "resume_websockets.py", "websockets")];

/// Where such a program knocks.
fn url_for(file: &str, server: &str) -> String {
    if WEBSOCKETS.iter().any(|(_, one, _)| *one == file) {
        format!("{}/ws", server.replacen("http", "ws", 1))
    } else {
        format!("{server}/notifications")
    }
}

/// A quiet listener is moved along by beats alone, is cut, and comes back where it was.
async fn comes_back_without_a_gap(runner: Runner, file: &str, needs: &str) {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    // About a thousand records in memory, a beat every second, and a quick return.
    let env = [
        ("ALLIM_HUB_MEMORY_BYTES", "400000"),
        ("ALLIM_DELIVER_HEARTBEAT_SECONDS", "1"),
        ("ALLIM_DELIVER_RETRY_SECONDS", "1"),
    ];
    let server = Server::start(&kafka, &accounts, &env).await;
    let (wire, publisher) = (Wire::to(server.address).await, Publisher::new(kafka.address));
    let url = url_for(file, &wire.url());
    let arguments = [url.as_str(), &token(1, &[7], None, false)];
    let Some(program) = Program::start(runner, file, needs, &arguments) else { return };
    let mut quiet = Foreign { program, story: Story::default() };
    quiet.until(|story| story.hellos.len() == 1).await;

    let mut last = None;
    for i in 0..5_000 {
        last = Some(publisher.tell("mall:1001", "mall:1001", &format!("event {i}")).await);
    }
    let last = last.unwrap();
    quiet
        .until(|story| {
            let position = Position::decode(story.position.as_ref().unwrap()).unwrap();
            position.next.get(last.partition) > last.offset
        })
        .await;
    assert!(server.metric("allim_memory_records").await < 3_000.0, "memory holds all of it: the test shows nothing");

    wire.cut();
    until("it is gone", async || server.metric("allim_streams").await == 0.0).await;
    publisher.tell("mall:7", "mall:7", "while away").await;
    quiet.until(|story| story.hellos.len() == 2).await;
    publisher.tell("mall:7", "mall:7", "afterwards").await;
    publisher.tell("everyone", "mall:7", "the end").await;
    quiet.until(|story| story.titles().contains(&"the end")).await;

    assert_eq!(quiet.story.hellos[1]["recovered"], true, "{}", quiet.story.summary());
    assert_eq!(quiet.story.titles(), ["while away", "afterwards", "the end"]);
    quiet.story.check(&publisher.sent(), |audience| audience == "mall:7" || audience == "everyone");
}

#[tokio::test(flavor = "multi_thread")]
async fn eventsource_comes_back_without_a_gap() {
    comes_back_without_a_gap(Runner::Node, "resume_eventsource.mjs", "eventsource").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn httpx_sse_comes_back_without_a_gap() {
    comes_back_without_a_gap(Runner::Python, "resume_httpx_sse.py", "httpx-sse").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ws_comes_back_without_a_gap() {
    comes_back_without_a_gap(Runner::Node, "resume_ws.mjs", "ws").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn websockets_comes_back_without_a_gap() {
    comes_back_without_a_gap(Runner::Python, "resume_websockets.py", "websockets").await;
}

/// Texts that have broken one decoder or another; each is read by five, over both transports.
#[tokio::test(flavor = "multi_thread")]
async fn all_decoders_read_the_same_of_both_transports() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let odd = [
        "새 주문 😀",
        "a\r\nid: 7\rdata: x\n\nevent: bye",
        "\u{85}\u{2028}\u{2029}\u{feff}",
        "\"quotes\" \\ and \u{1} and \u{1f}",
        "]]>{}</script>",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} ـب e\u{301}",
        "x",
    ];
    let titles: Vec<String> = (0..50).map(|i| format!("{i} {}", odd[i % odd.len()])).collect();
    let mut ours = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    ours.live().await;
    let mut foreign = Vec::new();
    for (runner, file, needs) in EVENT_STREAMS.into_iter().chain(WEBSOCKETS) {
        let url = url_for(file, &format!("http://{}", server.address));
        let arguments = [url.as_str(), &token(2, &[7], None, false)];
        let Some(program) = Program::start(runner, file, needs, &arguments) else { continue };
        let mut one = Foreign { program, story: Story::default() };
        one.until(|story| story.live == Some(true)).await;
        foreign.push((file, one));
    }
    for (i, title) in titles.iter().enumerate() {
        let event =
            json!({"type": "test.happened", "audience": "mall:7", "title": title, "data": {"odd": odd[i % odd.len()]}});
        publisher.json("mall:7", &event).await;
    }
    let mut of_ours = Vec::new();
    while of_ours.len() < titles.len() {
        let event = ours.event("message").await;
        of_ours.push((event.id.clone(), event.json()));
    }
    assert_eq!(of_ours.iter().map(|(_, said)| said["title"].as_str().unwrap()).collect::<Vec<_>>(), titles);
    for (file, mut one) in foreign {
        let mut of_one = Vec::new();
        while of_one.len() < titles.len() {
            let event = one.next().await;
            if event.name == "message" {
                of_one.push((event.id.clone(), event.json()));
            }
        }
        assert_eq!(of_one, of_ours, "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_the_page_come_back_with_a_new_ticket_each_time() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[("ALLIM_DELIVER_RETRY_SECONDS", "1")]).await;
    let (wire, publisher) = (Wire::to(server.address).await, Publisher::new(kafka.address));
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/embed.md").display().to_string();
    let (url, token) = (wire.url(), token(1, &[7], None, false));
    let arguments = [url.as_str(), &token, &page];
    let started = Program::start(Runner::Node, "tickets_eventsource.mjs", "eventsource", &arguments);
    let Some(program) = started else { return };
    let mut page = Foreign { program, story: Story::default() };
    let (mut shown, mut wanted) = (Vec::new(), Vec::new());
    page.until(|story| story.live == Some(true)).await;
    for round in 1..=5 {
        let (seen, away) = (format!("seen in round {round}"), format!("missed in round {round}"));
        publisher.tell("mall:7", "mall:7", &seen).await;
        while shown.last() != Some(&seen) {
            let event = page.next().await;
            shown.extend((event.name == "shown").then(|| event.json()["title"].as_str().unwrap().to_owned()));
        }
        wire.cut();
        publisher.tell("mall:7", "mall:7", &away).await;
        wanted.extend([seen, away]);
    }
    while shown.len() < wanted.len() {
        let event = page.next().await;
        shown.extend((event.name == "shown").then(|| event.json()["title"].as_str().unwrap().to_owned()));
    }
    assert_eq!(shown, wanted);
    page.until(|story| story.heard.len() == wanted.len()).await;
    page.story.check(&publisher.sent(), |_| true);
    let of = async |outcome: &str| server.metric(&format!("allim_tickets_total{{outcome=\"{outcome}\"}}")).await;
    assert_eq!((of("issued").await, of("redeemed").await), (6.0, 6.0));
    assert!(of("used").await <= 5.0, "a browser tries the used one once");
}
