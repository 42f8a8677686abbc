//! `/echo`, which other people's protocol suites knock at: only where it was built in on purpose.

use crate::harness::{Server, sse::Stream};

#[cfg(not(feature = "protocol-echo"))]
#[tokio::test(flavor = "multi_thread")]
async fn there_is_none_in_a_build_that_somebody_deploys() {
    let server = Server::demo(&[]).await;
    assert_eq!(Stream::get(server.address, "/echo", &[]).await.unwrap().status, 404);
    let post = format!("POST /echo HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n", server.address);
    assert_eq!(Stream::raw(server.address, &post).await.unwrap().status, 404);
}

#[cfg(feature = "protocol-echo")]
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_goes_back() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let server = Server::demo(&[]).await;
    let body = "새 주문".repeat(10_000);
    let post =
        format!("POST /echo HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{body}", server.address, body.len());
    let mut answer = Stream::raw(server.address, &post).await.unwrap();
    assert_eq!((answer.status, answer.rest().await.unwrap()), (200, body));

    let handshake = format!(
        "GET /echo HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.address
    );
    let mut socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
    // A text in two frames with a ping between them, then a close; all with a mask of zeros.
    let frames = b"\x01\x82\0\0\0\0ab\x89\x81\0\0\0\0p\x80\x81\0\0\0\0c\x88\x82\0\0\0\0\x03\xe8";
    socket.write_all(&[handshake.as_bytes(), frames].concat()).await.unwrap();
    let mut said = Vec::new();
    socket.read_to_end(&mut said).await.unwrap();
    let behind_the_head = said.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(said[behind_the_head..], *b"\x8a\x01p\x81\x03abc\x88\x02\x03\xe8");
}
