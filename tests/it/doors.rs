//! The doors: whoever says nothing, or half of something, is sent away in time, and nobody else notices.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Accounts, Kafka, Listener, PATIENCE, Publisher, Server, accounts::token, until};

#[tokio::test(flavor = "multi_thread")]
async fn half_a_head_is_not_waited_for() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[("ALLIM_HTTP_HEAD_DEADLINE_SECONDS", "1")]).await;
    let publisher = Publisher::new(kafka.address);
    let mut listener = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    listener.live().await;
    let whole = format!("GET /livez HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    let shapes = ["", "G", "PRI * HTTP/2.0\r\n", "GET /notif", "GET / HTTP/1.1\r\nHost: a\r\nX-Half: ", whole.as_str()];
    let mut idle = Vec::new();
    for shape in shapes {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(shape.as_bytes()).await.unwrap();
        idle.push(socket);
    }
    for (socket, shape) in idle.iter_mut().zip(shapes) {
        let mut answer = Vec::new();
        let end = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer)).await;
        assert!(end.is_ok(), "still open after {PATIENCE:?}: {shape:?}");
    }
    // The stream outlives the deadline of its own head.
    publisher.tell("mall:7", "mall:7", "and on").await;
    listener.hears("and on").await;
    until("only the stream is left", async || server.metric("allim_connections").await <= 2.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_and_lines_that_are_too_long_are_refused() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let host = server.address;
    let many: String = (0..200).map(|i| format!("X-Header-{i}: x\r\n")).collect();
    for (request, status) in [
        (format!("GET /livez HTTP/1.1\r\nHost: {host}\r\nX-Long: {}\r\n\r\n", "x".repeat(100_000)), "431"),
        (format!("GET /livez HTTP/1.1\r\nHost: {host}\r\n{many}\r\n"), "431"),
        (format!("GET /livez?{} HTTP/1.1\r\nHost: {host}\r\n\r\n", "x".repeat(70_000)), "4"),
        ("NONSENSE\r\n\r\n".to_owned(), "400"),
    ] {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        // The answer may come, and the connection go, before all of it is written.
        let _ = tokio::time::timeout(Duration::from_secs(30), socket.write_all(request.as_bytes())).await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("it is closed");
        let line = String::from_utf8_lossy(&answer);
        let refused = answer.is_empty() || line.starts_with(&format!("HTTP/1.1 {status}"));
        assert!(refused, "{:?}… was answered {:?}", &request[..30.min(request.len())], line.lines().next());
    }
    assert_eq!(server.get("/livez").await.0, 200);
}
