//! Coming back from beyond memory: the timeline, then memory, joined at exact places.

use std::time::Duration;

use crate::harness::{
    Accounts, Kafka, Listener, Publisher, Server,
    accounts::token,
    inbox::{Held, Inbox},
    until,
};

/// Memory for a hundred or so.
const SMALL_MEMORY: (&str, &str) = ("ALLIM_HUB_MEMORY_BYTES", "65536");

async fn publish(publisher: &Publisher, titles: impl Iterator<Item = String>) {
    let titles: Vec<String> = titles.collect();
    for some in titles.chunks(50) {
        futures::future::join_all(some.iter().map(|title| publisher.tell("mall:1001", "mall:1001", title))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifteen_hundred_missed_beyond_memory_come_in_order() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[SMALL_MEMORY]).await;
    let publisher = Publisher::new(kafka.address);
    let token = token(7, &[1001], None, false);
    let mut listener = Listener::open(server.address, &token, None).await;
    publish(&publisher, (0..3).map(|i| format!("before {i}"))).await;
    listener.live().await.hears("before 2").await;
    let story = listener.cut();
    publish(&publisher, (0..1_500).map(|i| format!("missed {i}"))).await;
    Inbox::of(&server, &token).has(1_503).await;
    until("memory has passed it", async || server.metric("allim_memory_records").await < 1_000.0).await;
    let mut listener = Listener::resume(server.address, &token, story).await.unwrap();
    let hello = listener.event("hello").await.json();
    assert_eq!((&hello["recovered"], hello["unread"].as_u64()), (&true.into(), Some(100)), "{hello}");
    listener.live().await;
    listener.story.check(&publisher.sent(), |audience| audience == "mall:1001");
    assert!(listener.story.gaps.is_empty(), "{:?}", listener.story.gaps);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_missed_are_one_gap_and_a_complete_list() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[SMALL_MEMORY]).await;
    let publisher = Publisher::new(kafka.address);
    let token = token(7, &[1001], None, false);
    let mut listener = Listener::open(server.address, &token, None).await;
    publish(&publisher, (0..3).map(|i| format!("before {i}"))).await;
    listener.live().await.hears("before 2").await;
    let story = listener.cut();
    publish(&publisher, (0..5_000).map(|i| format!("missed {i}"))).await;
    let inbox = Inbox::of(&server, &token);
    until("all are recorded", async || server.metric("allim_timeline_rows_total{outcome=\"stored\"}").await >= 5_003.0)
        .await;
    let mut listener = Listener::resume(server.address, &token, story).await.unwrap();
    assert_eq!(listener.event("hello").await.json()["recovered"], false);
    let gap = listener.event("gap").await.json();
    assert_eq!(
        (&gap["reason"], &gap["link"], &gap["list"]),
        (&"tooMany".into(), &"/timeline".into(), &().into()),
        "{gap}"
    );
    listener.live().await;
    assert_eq!(listener.story.gaps.len(), 1);
    // Newest first by Kafka's time, which a batch shares; within one partition the order is that of the offsets.
    assert!(inbox.titles().await == publisher.in_order(), "the list is not complete, or not in order");
    let page = inbox.page("limit=1").await;
    let from_the_list = page["position"].as_str().unwrap();
    let mut from_there = Listener::open(server.address, &token, Some(from_the_list)).await;
    from_there.live().await;
    assert_eq!(from_there.story.gaps.len(), 0);
}

/// What the recorder has yet to write is in memory, and so the union of list and stream is complete at every moment.
#[tokio::test(flavor = "multi_thread")]
async fn while_nothing_can_be_written_list_and_stream_together_are_complete() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let token = token(7, &[1001], None, false);
    let inbox = Inbox::of(&server, &token);
    inbox.page("").await;
    publish(&publisher, (0..50).map(|i| format!("written {i}"))).await;
    inbox.has(50).await;
    let held = Held::on(&server);
    publish(&publisher, (0..50).map(|i| format!("waits {i}"))).await;
    until("the store is said to be ill", async || server.metric("allim_timeline_well").await == 0.0).await;
    let page = inbox.page("limit=100").await;
    let mut titles: Vec<String> =
        page["items"].as_array().unwrap().iter().map(|i| i["notification"]["title"].as_str().unwrap().into()).collect();
    let mut listener = Listener::open(server.address, &token, page["position"].as_str()).await;
    let hello = listener.event("hello").await.json();
    assert_eq!(hello["recovered"], true, "{hello}");
    listener.live().await;
    titles.extend(listener.story.heard.iter().map(|(title, _)| title.clone()));
    titles.sort();
    let mut all = publisher.in_order();
    all.sort();
    assert_eq!(titles, all, "each once");
    assert_eq!(inbox.unread().await, 100, "what waits is counted as well");
    held.let_go();
    inbox.has(100).await;
    until("it is well again", async || server.metric("allim_timeline_well").await == 1.0).await;
    assert_eq!(inbox.titles().await, publisher.in_order());
}

/// Memory has passed what is not written yet: the list is complete later, and whoever was told so hears when.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_neither_remembered_nor_written_is_in_the_list_later() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[SMALL_MEMORY]).await;
    let publisher = Publisher::new(kafka.address);
    let token = token(7, &[1001], None, false);
    let inbox = Inbox::of(&server, &token);
    let mut listener = Listener::open(server.address, &token, None).await;
    publish(&publisher, ["first".to_owned()].into_iter()).await;
    listener.live().await.hears("first").await;
    let story = listener.cut();
    inbox.has(1).await;
    let held = Held::on(&server);
    publish(&publisher, (0..600).map(|i| format!("waits {i}"))).await;
    until("all are announced", async || server.metric("allim_records_total{outcome=\"announced\"}").await >= 601.0)
        .await;
    let mut listener = Listener::resume(server.address, &token, story).await.unwrap();
    listener.event("hello").await;
    let gap = listener.event("gap").await.json();
    assert_eq!((&gap["reason"], &gap["list"]), (&"store".into(), &"later".into()), "{gap}");
    listener.live().await;
    held.let_go();
    let kept = loop {
        let status = listener.event("status").await.json();
        if status["kept"] == true {
            break status;
        }
    };
    assert_eq!(kept.as_object().unwrap().len(), 1, "{kept}");
    let mut both: Vec<String> = inbox.titles().await;
    both.extend(listener.story.heard.iter().map(|(title, _)| title.clone()));
    let all = publisher.in_order();
    let missing: Vec<&String> = all.iter().filter(|title| !both.contains(title)).collect();
    assert!(missing.is_empty(), "neither in the list nor on the stream: {missing:?}");
}

/// The timeline serves also a node that has just started, which remembers nothing of before.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_loses_nothing_of_the_timeline_and_goes_on_recording() {
    let mut server = Server::demo(&[SMALL_MEMORY]).await;
    let address: std::net::SocketAddr =
        std::fs::read_to_string(server.data.join("kafka.address")).unwrap().trim().parse().unwrap();
    let publisher = Publisher::new(address);
    let inbox = Inbox::of(&server, "demo-70001");
    publish(&publisher, (0..200).map(|i| format!("before {i}"))).await;
    inbox.has(200).await;
    for round in 0..3 {
        server.signal(if round == 1 { "KILL" } else { "TERM" });
        server.ended().await;
        server = server.again().await;
        publish(&publisher, (0..50).map(|i| format!("after {round} {i}"))).await;
        Inbox::of(&server, "demo-70001").has(200 + 50 * (round + 1)).await;
    }
    assert_eq!(Inbox::of(&server, "demo-70001").titles().await, publisher.in_order());
}

/// A click may come before its row is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_click_before_the_row_is_there_stays() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[("ALLIM_TIMELINE_BATCH_MILLISECONDS", "1000")]).await;
    let publisher = Publisher::new(kafka.address);
    let (mine, other) = (token(7, &[1001], None, false), token(8, &[1001], None, false));
    let (inbox, others) = (Inbox::of(&server, &mine), Inbox::of(&server, &other));
    let mut listener = Listener::open(server.address, &mine, None).await;
    let mut second = Listener::open(server.address, &mine, None).await;
    let mut someone = Listener::open(server.address, &other, None).await;
    for listener in [&mut listener, &mut second, &mut someone] {
        listener.live().await;
    }
    publisher.tell("mall:1001", "mall:1001", "clicked").await;
    publisher.tell("mall:1001", "mall:1001", "not clicked").await;
    let id = listener.hears("clicked").await["id"].as_str().unwrap().to_owned();
    inbox.reads(&[&id]).await;
    for listener in [&mut listener, &mut second] {
        let read = listener.event("read").await.json();
        assert_eq!((&read["ids"][0], &read["read"]), (&id.as_str().into(), &true.into()), "{read}");
    }
    until("it is there", async || inbox.page("").await["items"].as_array().unwrap().len() == 2).await;
    let read: Vec<bool> =
        inbox.page("").await["items"].as_array().unwrap().iter().map(|item| item["read"].as_bool().unwrap()).collect();
    assert_eq!(read, [false, true], "newest first");
    assert_eq!((inbox.unread().await, others.unread().await), (1, 2));
    someone.stays_for(Duration::from_millis(200)).await;
    let said = String::from_utf8_lossy(someone.line.said()).into_owned();
    assert!(!said.contains("\"ids\""), "that is nobody else's business: {said}");
}
