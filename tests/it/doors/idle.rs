//! Whoever says nothing, or half of something, or a byte now and then, is closed in time.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::harness::{
    Accounts, Kafka, Listener, PATIENCE, Publisher, Server, Story,
    accounts::token,
    program::{self, skip},
    transport::{Line, Transport},
    until,
};

/// What is sent at once, and what then, byte for byte.
struct Shape {
    name: &'static str,
    at_once: Vec<u8>,
    dripping: Vec<u8>,
    /// What the answer begins with, if there is one.
    answer: &'static str,
}

fn shapes(server: &Server) -> Vec<Shape> {
    let host = format!("Host: {}\r\n", server.address);
    let bearer = format!("Authorization: Bearer {}\r\n", token(2, &[7], None, false));
    let shape = |name, at_once: &str, dripping: &str, answer| Shape {
        name,
        at_once: at_once.into(),
        dripping: dripping.into(),
        answer,
    };
    let post = format!("POST /notifications HTTP/1.1\r\n{host}Authorization: Bearer a-publisher\r\n");
    let post = format!("{post}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{");
    let handshake = format!(
        "GET /ws HTTP/1.1\r\n{host}{bearer}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let mut half_a_frame = shape("half a frame", &handshake, "", "HTTP/1.1 101 ");
    half_a_frame.at_once.extend([0x81, 0xfe, 0x40]);
    let mut a_slow_frame = shape("a frame, a byte at a time", &handshake, &"x".repeat(10_000), "HTTP/1.1 101 ");
    a_slow_frame.at_once.extend([0x81, 0xfe, 0x40, 0, 1, 2, 3, 4]);
    vec![
        shape("nothing", "", "", ""),
        shape("a byte", "G", "", ""),
        shape("the beginning of HTTP/2", "PRI * HTTP/2.0\r\n", "", ""),
        shape("half a line", "GET /notif", "", ""),
        shape("half a head", &format!("GET / HTTP/1.1\r\n{host}X-Half: "), "", ""),
        shape("a head, a byte at a time", "GET / HTTP/1.1\r\nX-Long: ", &"x".repeat(10_000), ""),
        shape("a head of 1 MB", &format!("GET / HTTP/1.1\r\nX-Long: {}", "x".repeat(1 << 20)), "", "HTTP/1.1 431 "),
        shape("half a body", &post, "", "HTTP/1.1 408 "),
        shape("a body, a byte at a time", &post, &"x".repeat(900), "HTTP/1.1 408 "),
        shape("nothing behind an answer", &format!("GET /livez HTTP/1.1\r\n{host}\r\n"), "", "HTTP/1.1 200 "),
        half_a_frame,
        a_slow_frame,
    ]
}

async fn is_closed(server: std::net::SocketAddr, shape: Shape) {
    let Shape { name, at_once, dripping, answer } = shape;
    let (mut read, mut write) = TcpStream::connect(server).await.unwrap().into_split();
    let drip = async move {
        // Who is refused in the middle finds the door shut.
        let mut open = write.write_all(&at_once).await.is_ok();
        for byte in dripping {
            tokio::time::sleep(Duration::from_millis(100)).await;
            open = open && write.write_all(&[byte]).await.is_ok();
            if !open {
                break;
            }
        }
        write
    };
    let drip = tokio::spawn(drip);
    let mut all = Vec::new();
    let end = tokio::time::timeout(PATIENCE * 2, read.read_to_end(&mut all)).await;
    drip.abort();
    assert!(end.is_ok(), "still open: {name}");
    let all = String::from_utf8_lossy(&all).into_owned();
    assert!(all.starts_with(answer) && (!answer.is_empty() || !all.contains(" 200 ")), "{name}: {all:?}");
}

/// The doors' own deadlines are seconds here; a body has ten, and a WebSocket's peer is given up ten behind a ping.
#[tokio::test(flavor = "multi_thread")]
async fn fault_74_half_of_something_is_not_waited_for() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    // Of the key `a-publisher`.
    let publishers = "name=a key_sha256=@ malls=* everyone=on".replace('@', &key_sha256("a-publisher"));
    let env = [("ALLIM_HTTP_HEAD_DEADLINE_SECONDS", "2"), ("ALLIM_PUBLISHERS", &publishers)];
    let server = Server::start(&kafka, &accounts, &env).await;
    let publisher = Publisher::new(kafka.address);
    let mut listener = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    listener.live().await;
    let mut closing = JoinSet::new();
    for shape in shapes(&server) {
        closing.spawn(is_closed(server.address, shape));
    }
    loop {
        tokio::select! {
            // The stream outlives the deadline of its own head.
            event = listener.next() => drop(event.expect("it stays")),
            closed = closing.join_next() => match closed {
                Some(closed) => closed.expect("closed in time"),
                None => break,
            },
        }
    }
    publisher.tell("mall:7", "mall:7", "and on").await;
    listener.hears("and on").await;
    until("only the stream is left", async || server.metric("allim_connections").await <= 2.0).await;
}

/// A peer that is cut off by a dead network says nothing, not even that it is gone. Linux alone can be told to play one.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn fault_60_a_peer_that_vanishes_without_a_word_is_noticed() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    // Nothing but what is not acknowledged tells it here: beats are small and fit into the kernel's buffer for long.
    let env = [
        ("ALLIM_DELIVER_HEARTBEAT_SECONDS", "1"),
        ("ALLIM_DELIVER_SLOW_AFTER_SECONDS", "600"),
        ("ALLIM_HTTP_WRITE_DEADLINE_SECONDS", "5"),
    ];
    let server = Server::start(&kafka, &accounts, &env).await;
    let mut stays = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    stays.live().await;
    let mut vanish = Vec::new();
    for over in [Transport::Sse, Transport::WebSocket] {
        let line = Line::open(over, server.address, &token(2, &[7], None, false), None).await.unwrap();
        let mut listener = Listener { line, story: Story::default() };
        listener.live().await;
        vanish.push(listener);
    }
    assert_eq!(server.metric("allim_streams").await, 3.0);
    // From here on its system throws away whatever comes, and acknowledges nothing.
    const NOTHING: socket2::SockFilter = socket2::SockFilter::new(0x06, 0, 0, 0);
    for listener in &vanish {
        socket2::SockRef::from(listener.line.socket()).attach_filter(&[NOTHING]).unwrap();
    }
    let give_up = tokio::time::Instant::now() + PATIENCE;
    while server.metric("allim_streams").await > 1.0 || server.metric("allim_connections").await > 2.0 {
        stays.event("beat").await;
        assert!(tokio::time::Instant::now() < give_up, "they are still there");
    }
    let publisher = Publisher::new(kafka.address);
    publisher.tell("mall:7", "mall:7", "and on").await;
    stays.hears("and on").await;
}

fn key_sha256(key: &str) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A program made for it, in each of its ways, with a thousand connections.
#[tokio::test(flavor = "multi_thread")]
async fn fault_74_slowhttptest_finds_the_service_available_throughout() {
    if let Err(missing) = program::runs("slowhttptest", "-h") {
        return skip("slowhttptest", &missing);
    }
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[("ALLIM_HTTP_HEAD_DEADLINE_SECONDS", "5")]).await;
    let url = format!("http://{}/", server.address);
    // Slow heads, slow bodies, ranges, slow reading.
    for way in ["-H", "-B", "-R", "-X"] {
        let mut slow = std::process::Command::new("slowhttptest");
        slow.args([way, "-c", "1000", "-r", "500", "-i", "2", "-l", "15", "-p", "5", "-u", &url]);
        let output = tokio::task::spawn_blocking(move || slow.output()).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        // Colours stand between the words.
        let available = said.matches("service available").count();
        let no = said
            .split("service available")
            .skip(1)
            .filter(|rest| rest.lines().next().is_some_and(|l| l.contains("NO")));
        assert!(available > 0 && no.count() == 0, "{way}: {said}");
    }
    assert_eq!(server.get("/livez").await.0, 200);
}
