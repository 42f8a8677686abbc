//! Running jobs: their states have no place of their own, only the newest counts, and the end is a notification.

use serde_json::json;

use crate::harness::{Accounts, Kafka, Listener, Publisher, Server, accounts::token};

fn export(state: &str, export: &str, data: &serde_json::Value) -> serde_json::Value {
    let mut event = json!({
        "type": format!("excel.export.{state}"), "mallNo": 7, "audience": "operator:1",
        "data": {"exportNo": export, "mallNo": 7, "exportName": "주문목록", "requestedBy": {"adminNo": 1}},
    });
    for (field, value) in data.as_object().unwrap() {
        event["data"][field] = value.clone();
    }
    event
}

fn progress(percent: u64) -> serde_json::Value {
    json!({"progress": {"processed": percent * 10, "total": 1000, "percent": percent}})
}

#[tokio::test(flavor = "multi_thread")]
async fn states_are_live_only_and_the_newest_is_kept_for_who_was_away() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let operator = token(1, &[7], None, true);
    let mut listener = Listener::open(server.address, &operator, None).await;
    listener.live().await;
    let came = listener.story.position.clone();

    publisher.json("operator:1", &export("queued", "EX-1", &json!({"ahead": 2}))).await;
    publisher.json("operator:1", &export("progress", "EX-1", &progress(25))).await;
    publisher.json("operator:1", &export("progress", "EX-2", &progress(10))).await;
    publisher.json("operator:1", &export("progress", "EX-1", &progress(75))).await;
    publisher.json("operator:1", &export("completed", "EX-2", &json!({"rows": 1000}))).await;
    let mut states = Vec::new();
    for _ in 0..4 {
        let job = listener.event("job").await;
        assert_eq!(job.id, None, "the state of a job has no place of its own");
        states.push(job.json()["collapseKey"].as_str().unwrap().to_owned());
    }
    assert_eq!(states, ["excel:EX-1", "excel:EX-1", "excel:EX-2", "excel:EX-1"]);
    let end = listener.event("message").await;
    assert_eq!((end.json()["type"].as_str(), end.id.is_some()), (Some("excel.export.completed"), true));

    // Who was away gets the end of the one, and of the other its newest state, after everything else.
    let mut back = Listener::open(server.address, &operator, came.as_deref()).await;
    let first = loop {
        let event = back.next().await.unwrap();
        if event.name != "hello" {
            break event;
        }
    };
    assert_eq!(first.json()["type"], "excel.export.completed");
    let job = back.next().await.unwrap();
    assert_eq!((job.name.as_str(), job.json()["collapseKey"].as_str()), ("job", Some("excel:EX-1")));
    assert_eq!(job.json()["data"]["progress"]["percent"], 75);
    assert_eq!(back.next().await.unwrap().name, "status", "nothing else");
}

/// States of one job come over several partitions, and from workers that do not wait for each other.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_state_overwrites_no_newer_one_and_none_comes_after_the_end() {
    let (kafka, accounts) = (Kafka::with_partitions(1).await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let version = |percent: u64, version: u64| {
        let mut data = progress(percent);
        data["version"] = json!(version);
        data
    };
    let job = |state: &str, name: &str, percent: u64, number: u64| {
        let mut event = export(state, name, &version(percent, number));
        event["type"] = json!(format!("job.{state}"));
        event["data"]["jobId"] = json!(name);
        event["data"]["jobName"] = json!("등록");
        event
    };
    for event in [
        export("progress", "late", &version(50, 5)),
        export("progress", "late", &version(20, 2)),
        export("progress", "over", &version(90, 9)),
        // The end counts whatever its number; the states after it are late, also with higher ones.
        export("completed", "over", &version(100, 3)),
        export("progress", "over", &version(95, 10)),
        export("failed", "failed", &version(0, 1)),
        export("queued", "failed", &json!({"ahead": 1})),
        job("completed", "of-another-kind", 100, 4),
        job("progress", "of-another-kind", 99, 3),
        // One name in another mall is another job.
        json!({"type": "excel.export.progress", "audience": "operator:1", "mallNo": 8,
               "data": {"exportNo": "over", "progress": {"percent": 10}}}),
    ] {
        publisher.json("operator:1", &event).await;
    }
    let operator = token(1, &[7, 8], None, true);
    let mut listener = Listener::open(server.address, &operator, Some("earliest")).await;
    let mut heard = Vec::new();
    loop {
        let event = listener.next().await.unwrap();
        match event.name.as_str() {
            "status" => break,
            "hello" => {}
            _ => {
                let object = event.json();
                let percent = object["data"]["progress"]["percent"].as_u64();
                heard.push(format!("{} {} {percent:?}", event.name, object["collapseKey"].as_str().unwrap()));
            }
        }
    }
    assert_eq!(
        heard,
        [
            "message excel:over Some(100)",
            "message excel:failed Some(0)",
            "message job:of-another-kind Some(100)",
            "job excel:late Some(50)",
            "job excel:over Some(10)",
        ]
    );
}

/// The position may also come in the URL, for a page that opens a new `EventSource`; the header wins.
#[tokio::test(flavor = "multi_thread")]
async fn the_position_in_the_url() {
    use crate::harness::sse::Stream;
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let operator = token(1, &[7], None, false);
    let mut listener = Listener::open(server.address, &operator, None).await;
    listener.live().await;
    publisher.tell("mall:7", "mall:7", "one").await;
    listener.hears("one").await;
    let after_one = listener.story.position.clone().unwrap();
    publisher.tell("mall:7", "mall:7", "two").await;
    listener.hears("two").await;
    let bearer = format!("Bearer {operator}");
    for (path, header, expected) in [
        (format!("/notifications?last_event_id={after_one}"), None, "two"),
        ("/notifications?last_event_id=earliest".to_owned(), None, "one"),
        ("/notifications?last_event_id=earliest".to_owned(), Some(after_one.as_str()), "two"),
    ] {
        let mut headers = vec![("Authorization", bearer.as_str())];
        headers.extend(header.map(|position| ("Last-Event-ID", position)));
        let mut stream = Stream::get(server.address, &path, &headers).await.unwrap();
        let first = loop {
            let event = stream.next().await.unwrap().expect("the stream goes on");
            if event.name == "message" {
                break event;
            }
        };
        assert_eq!(first.json()["title"], expected, "{path} {header:?}");
    }
}
