//! What an answer has to look like: a refusal in its one form, a stream that begins, a stream that ends.

use serde_json::Value;

use super::{
    Listener, PATIENCE, Story,
    sse::{Event, Stream},
    transport::Line,
};

/// The answer is a refusal in the form that all refusals have; returns its code.
pub async fn problem(mut answer: Stream, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.head);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.head);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("server"), None);
    let body = answer.rest().await.unwrap();
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&problem["status"], &problem["type"]), (&status.into(), &"about:blank".into()), "{body}");
    assert!(!problem["detail"].as_str().unwrap().is_empty());
    for inner in ["panicked", "src/", ".rs", "axum", "hyper", "serde", "reqwest", "127.0.0.1", "Error("] {
        assert!(!body.contains(inner), "shows {inner}: {body}");
    }
    problem["code"].as_str().unwrap().to_owned()
}

pub async fn hello(mut stream: Stream) -> Stream {
    assert_eq!(stream.status, 200, "{}", stream.head);
    assert_eq!(stream.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert_eq!(stream.header("cache-control"), Some("no-store, no-transform"));
    let first = tokio::time::timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(first.name, "hello");
    stream
}

/// Reads to the goodbye, behind which nothing may come.
pub async fn bye(line: impl Into<Line>) -> Event {
    let mut listener = Listener { line: line.into(), story: Story::default() };
    let bye = listener.event("bye").await;
    assert!(listener.next().await.is_none(), "something behind the goodbye");
    listener.line.ends_as_told(&bye);
    bye
}
