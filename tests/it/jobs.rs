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
