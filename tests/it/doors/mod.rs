//! The doors: what is too long, too much, too slow or only half said is refused in time, and nobody else notices.

mod h2c;
mod idle;
mod refusals;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{PATIENCE, Server};

/// Sends it and reads the answer to its end, while it is still being sent where need be.
async fn answer_to(server: &Server, request: &[u8]) -> String {
    let (mut read, mut write) = TcpStream::connect(server.address).await.unwrap().into_split();
    let mut answer = Vec::new();
    let written = async { drop(write.write_all(request).await) };
    let read = async { read.read_to_end(&mut answer).await };
    let (_, read) = tokio::time::timeout(PATIENCE, async { tokio::join!(written, read) }).await.expect("it is closed");
    let answer = String::from_utf8(answer).unwrap();
    let what = String::from_utf8_lossy(&request[..request.len().min(60)]);
    read.unwrap_or_else(|error| panic!("{error} behind {answer:?}, to {what:?}"));
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_75_what_is_too_long_is_refused_each_with_its_status() {
    let server = Server::demo(&[]).await;
    let head = format!("HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", server.address);
    let many: String = (0..200).map(|i| format!("X-Header-{i}: x\r\n")).collect();
    let long = |len: usize| "x".repeat(len);
    let body = "Authorization: Bearer demo-publisher\r\nContent-Type: application/json\r\n";
    for (request, status, code) in [
        (format!("GET /livez {head}X-Long: {}\r\n\r\n", long(64 << 10)), 431, ""),
        (format!("GET /livez {head}X-Long: {}\r\n\r\n", long(1 << 20)), 431, ""),
        (format!("GET /livez {head}{many}\r\n"), 431, ""),
        (format!("GET /livez?{} {head}\r\n", long(9_000)), 414, "address_too_long"),
        (format!("GET /livez?{} {head}\r\n", long(70_000)), 414, "address_too_long"),
        (format!("GET /{}", long(1 << 20)), 414, "address_too_long"),
        (
            format!("POST /notifications {head}{body}Content-Length: 5000000\r\n\r\n{}", long(5_000_000)),
            413,
            "too_large",
        ),
        (format!("GET /livez {head}Host: other\r\n\r\n"), 400, "host_required"),
        ("GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), 400, "host_required"),
        (format!("GET /livez?{} {head}\r\n", long(8_000)), 200, ""),
        ("NONSENSE\r\n\r\n".to_owned(), 400, ""),
    ] {
        let answer = answer_to(&server, request.as_bytes()).await;
        let what = &request[..request.len().min(60)];
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer}");
        assert!(code.is_empty() || answer.contains(&format!(r#""code":"{code}""#)), "{what}: {answer}");
        let ours = code.is_empty() || answer.to_lowercase().contains("x-content-type-options: nosniff");
        assert!(ours && answer.len() < 2_000, "{what}: {answer}");
    }
    assert_eq!(server.get("/livez").await.0, 200);
}

/// On a connection that is used again, and behind an answer that only said to go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_body_without_an_end_of_line_is_no_long_address() {
    let server = Server::demo(&[]).await;
    let event = format!(r#"{{"type":"test.happened","audience":"everyone","title":"{}"}}"#, "x".repeat(100_000));
    let head = format!(
        "POST /notifications HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer demo-publisher\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n",
        server.address,
        event.len()
    );
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let mut answers = String::new();
    for round in 1..=3 {
        socket.write_all(format!("{head}Expect: 100-continue\r\n\r\n").as_bytes()).await.unwrap();
        let mut piece = [0; 4096];
        while answers.matches("100 Continue").count() < round {
            let read = tokio::time::timeout(PATIENCE, socket.read(&mut piece)).await.unwrap().unwrap();
            assert!(read > 0, "{answers}");
            answers.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
        socket.write_all(event.as_bytes()).await.unwrap();
        while answers.matches("HTTP/1.1 202").count() < round {
            let read = tokio::time::timeout(PATIENCE, socket.read(&mut piece)).await.unwrap().unwrap();
            assert!(read > 0, "{answers}");
            answers.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
    }
}
