//! What a peer can do wrong over a WebSocket, sent byte by byte: it is told with the right code, and nobody else notices.

use std::{net::SocketAddr, time::Duration};

use allim::notification::Position;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{
    Accounts, Kafka, Listener, PATIENCE, Publisher, Server, Story,
    accounts::token,
    answers::problem,
    sse::Stream,
    transport::{Line, Transport},
    until,
};

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const FIN: u8 = 0x80;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame with a mask, whatever its first byte and the length that it claims.
fn claiming(first: u8, len: u64, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match len {
        0..126 => frame.push(0x80 | u8::try_from(len).unwrap()),
        126..65_536 => {
            frame.push(0xfe);
            frame.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        _ => {
            frame.push(0xff);
            frame.extend(len.to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    claiming(first, payload.len() as u64, payload)
}

fn text(text: &str) -> Vec<u8> {
    frame(FIN | TEXT, text.as_bytes())
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

fn handshake(address: SocketAddr, bearer: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {bearer}\r\nConnection: keep-alive, Upgrade\r\n\
         Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
}

/// What became of a connection: the texts that came, and the code of the close frame.
#[derive(Debug)]
struct End {
    texts: Vec<serde_json::Value>,
    code: Option<u16>,
}

impl End {
    fn errors(&self) -> Vec<&str> {
        let errors = self.texts.iter().filter(|text| text["type"] == "error");
        errors.map(|text| text["error"]["code"].as_str().unwrap()).collect()
    }
}

/// A server, somebody who listens to it all the while, and a token for whoever is abusive.
struct Stage {
    _kafka: Kafka,
    _accounts: Accounts,
    server: Server,
    publisher: Publisher,
    steady: Listener,
}

impl Stage {
    async fn new() -> Stage {
        let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
        let env = [("ALLIM_HTTP_NEW_STREAMS_PER_OPERATOR", "100000"), ("ALLIM_DELIVER_STREAMS_PER_OPERATOR", "1000")];
        let server = Server::start(&kafka, &accounts, &env).await;
        let publisher = Publisher::new(kafka.address);
        let mut steady = Listener::open(server.address, &token(1, &[7], None, false), None).await;
        steady.live().await;
        Stage { _kafka: kafka, _accounts: accounts, server, publisher, steady }
    }

    async fn open(&self) -> TcpStream {
        let mut socket = TcpStream::connect(self.server.address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let request = handshake(self.server.address, &token(666, &[7], None, false));
        socket.write_all(format!("{request}\r\n").as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 101 ") && !head.contains("sec-websocket-extensions"), "{head}");
        socket
    }

    /// Sends these bytes and hears how it ends.
    async fn after(&self, bytes: &[u8]) -> End {
        let (mut read, mut write) = self.open().await.into_split();
        let sent = async { drop(write.write_all(bytes).await) };
        let heard = async {
            let mut end = End { texts: Vec::new(), code: None };
            while let Some((first, payload)) = next_frame(&mut read).await {
                match first {
                    _ if end.code.is_some() => panic!("something behind the close: {first:#x}"),
                    0x81 => end.texts.push(serde_json::from_slice(&payload).unwrap()),
                    0x88 => end.code = Some(payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))),
                    _ => {}
                }
            }
            end
        };
        let both = async { tokio::join!(sent, heard).1 };
        tokio::time::timeout(PATIENCE, both).await.expect("it is closed")
    }

    /// The one who listened all the while heard everything, and nothing is left of the others.
    async fn nobody_noticed(mut self) {
        self.publisher.tell("mall:7", "mall:7", "and on").await;
        self.steady.hears("and on").await;
        let position = Position::decode(self.steady.story.position.as_ref().unwrap()).unwrap();
        let records: u64 = position.next.iter().map(|(_, next)| next).sum();
        assert_eq!(usize::try_from(records).unwrap(), self.publisher.sent().len(), "something of theirs is in Kafka");
        self.steady.story.check(&self.publisher.sent(), |_| true);
        let streams = async || self.server.metric("allim_streams").await;
        until("only one stream is left", async || streams().await == 1.0).await;
        until("no connection is left", async || self.server.metric("allim_connections").await <= 2.0).await;
        assert!(!self.server.log().contains("panicked"), "{}", self.server.log());
    }
}

async fn next_frame(read: &mut (impl AsyncReadExt + Unpin)) -> Option<(u8, Vec<u8>)> {
    let (first, short) = (read.read_u8().await.ok()?, read.read_u8().await.ok()?);
    let len = match short {
        126 => u64::from(read.read_u16().await.ok()?),
        127 => read.read_u64().await.ok()?,
        len => u64::from(len),
    };
    let mut payload = vec![0; usize::try_from(len).unwrap()];
    read.read_exact(&mut payload).await.ok()?;
    Some((first, payload))
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_71_frames_that_are_none_are_a_protocol_error() {
    let stage = Stage::new().await;
    let mut wrong: Vec<(String, Vec<u8>)> = vec![
        ("no mask".into(), b"\x81\x02{}".to_vec()),
        ("a ping without an end".into(), frame(PING, b"x")),
        ("a close without an end".into(), frame(CLOSE, &[3, 232])),
        ("a ping of 126 bytes".into(), frame(FIN | PING, &[b'x'; 126])),
        ("a continuation of nothing".into(), frame(FIN, b"x")),
        ("a beginning within a message".into(), [frame(TEXT, b"x"), frame(FIN | TEXT, b"y")].concat()),
        ("a close of one byte".into(), frame(FIN | CLOSE, &[3])),
    ];
    wrong.extend([0x40, 0x20, 0x10].map(|bit| (format!("reserved bit {bit:#x}"), frame(FIN | bit | TEXT, b"{}"))));
    let opcodes = (3..8).chain(11..16);
    wrong.extend(opcodes.map(|opcode| (format!("opcode {opcode}"), frame(FIN | opcode, b"x"))));
    let codes = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];
    wrong.extend(codes.map(|code| (format!("close code {code}"), close(code, b""))));
    for (what, bytes) in wrong {
        assert_eq!(stage.after(&bytes).await.code, Some(1002), "{what}");
    }
    for code in [1000, 1001, 1003, 1007, 1011, 3000, 4999] {
        assert_eq!(stage.after(&close(code, "안녕".as_bytes())).await.code, Some(code), "a good close");
    }
    assert_eq!(stage.after(&frame(FIN | CLOSE, b"")).await.code, Some(1005), "no code is answered by none");
    // Behind the answer to a goodbye comes nothing, however much of the stream is ready to be sent.
    let earliest = text(r#"{"type":"resume","position":"earliest"}"#);
    for i in 0..50 {
        stage.publisher.tell("mall:7", "mall:7", &format!("event {i}")).await;
    }
    let pings = frame(FIN | PING, b"x").repeat(3);
    for _ in 0..20 {
        let end = stage.after(&[&earliest[..], &pings, &close(1000, b"")].concat()).await;
        assert_eq!(end.code, Some(1000));
    }
    stage.nobody_noticed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_71_what_is_not_utf_8_is_told_so_wherever_it_is_cut() {
    let stage = Stage::new().await;
    // Too long, a surrogate, beyond the end, a lone continuation, cut short.
    let bad: [&[u8]; 6] = [
        b"ab\xc0\xaf",
        b"\xed\xa0\x80c",
        b"\xf4\x90\x80\x80",
        b"a\x80",
        "한\u{1f600}".as_bytes().split_last().unwrap().1,
        b"\xff",
    ];
    for bytes in bad {
        assert_eq!(stage.after(&frame(FIN | TEXT, bytes)).await.code, Some(1007), "{bytes:x?}");
        for cut in 0..=bytes.len() {
            let two = [frame(TEXT, &bytes[..cut]), frame(FIN, &bytes[cut..])].concat();
            assert_eq!(stage.after(&two).await.code, Some(1007), "{bytes:x?} at {cut}");
        }
    }
    assert_eq!(stage.after(&close(1000, b"\xff")).await.code, Some(1007));
    let good = r#"{"type":"ping","words":"한\u0000😀"}"#.as_bytes();
    for cut in 0..=good.len() {
        let pieces = [frame(TEXT, &good[..cut]), frame(FIN, &good[cut..]), close(1000, b"")].concat();
        let end = stage.after(&pieces).await;
        assert_eq!((end.texts, end.code), (vec![json!({"type": "pong"})], Some(1000)), "at {cut}");
    }
    stage.nobody_noticed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_70_what_is_too_large_is_refused_as_soon_as_it_is_known() {
    let stage = Stage::new().await;
    let most = 64 << 10;
    let before = stage.server.memory();
    assert_eq!(stage.after(&claiming(FIN | TEXT, 64 << 20, b"")).await.code, Some(1009), "nothing of it came");
    assert_eq!(stage.after(&claiming(FIN | TEXT, u64::MAX >> 1, b"")).await.code, Some(1009));
    assert_eq!(stage.after(&frame(FIN | BINARY, &vec![0; most + 1])).await.code, Some(1009));
    let halves = [frame(TEXT, &vec![b'x'; most]), frame(FIN, b"x")].concat();
    assert_eq!(stage.after(&halves).await.code, Some(1009));
    let fragments = [frame(TEXT, b"x"), frame(0, b"x").repeat(most + 1)].concat();
    assert_eq!(stage.after(&fragments).await.code, Some(1009), "a message of one-byte fragments");
    // As much as may be, and nothing in it that anybody knows.
    let end = stage.after(&[text(&"x".repeat(most)), close(1000, b"")].concat()).await;
    assert_eq!((end.errors(), end.code), (vec!["unreadable"], Some(1000)));
    let grown = stage.server.memory().saturating_sub(before);
    assert!(grown < 20_000_000, "{grown} bytes");
    stage.nobody_noticed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_69_floods_are_cut_off() {
    let stage = Stage::new().await;
    for (what, one) in [
        ("pings", frame(FIN | PING, b"x")),
        ("commands", text(r#"{"type":"ping"}"#)),
        ("pongs that nobody asked for", frame(FIN | 10, b"")),
    ] {
        let end = stage.after(&one.repeat(10_000)).await;
        assert_eq!(end.code, Some(1008), "{what}");
        assert!(end.texts.len() <= 40, "{what}: {} answers", end.texts.len());
    }
    // Frames that never become a message are work as well.
    let endless = [frame(TEXT, b"x"), frame(0, b"").repeat(2_000_000)].concat();
    assert_eq!(stage.after(&endless).await.code, Some(1008), "empty fragments without end");
    // As many as may be, and a goodbye behind them.
    let all = [text(r#"{"type":"ping"}"#).repeat(20), close(1000, b"")].concat();
    assert_eq!(stage.after(&all).await.code, Some(1000));
    // A mistake or two are forgiven.
    let end = stage.after(&[text("?"), text("!"), text(r#"{"type":"ping"}"#), close(1000, b"")].concat()).await;
    assert_eq!((end.errors(), end.code), (vec!["unreadable"; 2], Some(1000)));
    stage.nobody_noticed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_may_not_say_is_told_so_and_reaches_nobody() {
    let stage = Stage::new().await;
    let order = r#"{"type":"order.created","audience":"everyone","title":"mine","data":{}}"#;
    let mistakes = [
        ("unreadable", text("nonsense")),
        ("unreadable", text("[1,2]")),
        ("unreadable", text(r#"["ping"]"#)),
        ("unreadable", text(r#"["resume",null]"#)),
        ("unreadable", text(r#""resume""#)),
        ("unreadable", text("{}")),
        ("unreadable", text(r#"{"type":7}"#)),
        ("unreadable", text(&"[".repeat(60_000))),
        ("unknown_type", text(order)),
        ("unknown_type", text(r#"{"type":"bye"}"#)),
        ("binary", frame(FIN | BINARY, br#"{"type":"ping"}"#)),
        ("bad_position", text(r#"{"type":"resume","position":7}"#)),
        ("late_resume", [text(r#"{"type":"resume"}"#), text(r#"{"type":"resume"}"#)].concat()),
    ];
    for (code, bytes) in &mistakes {
        let end = stage.after(&[bytes.clone(), close(1000, b"")].concat()).await;
        assert_eq!((end.errors(), end.code), (vec![*code], Some(1000)), "{}", String::from_utf8_lossy(bytes));
    }
    let three = stage.after(&mistakes[..3].iter().flat_map(|(_, bytes)| bytes.clone()).collect::<Vec<u8>>()).await;
    assert_eq!((three.errors(), three.code), (vec!["unreadable"; 3], Some(1008)));

    let mut socket = stage.open().await;
    let nowhere = text(r#"{"type":"resume","position":"no position","more":{}}"#);
    socket.write_all(&nowhere).await.unwrap();
    let gap = loop {
        let (_, said) = tokio::time::timeout(PATIENCE, next_frame(&mut socket)).await.unwrap().unwrap();
        let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
        if said["type"] == "gap" {
            break said;
        }
    };
    assert_eq!(gap["gap"]["reason"], "unknown");
    drop(socket);
    // The one who listened heard of none of it: what he hears next is what is published next.
    stage.nobody_noticed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_silent_is_a_newcomer_and_nothing_comes_before() {
    let stage = Stage::new().await;
    stage.publisher.tell("mall:7", "mall:7", "before").await;
    let mut socket = stage.open().await;
    let mut byte = [0; 1];
    let early = tokio::time::timeout(Duration::from_secs(2), socket.read(&mut byte)).await;
    assert!(early.is_err(), "something came before the first word");
    let (first, hello) = tokio::time::timeout(PATIENCE, next_frame(&mut socket)).await.unwrap().unwrap();
    let hello: serde_json::Value = serde_json::from_slice(&hello).unwrap();
    assert_eq!((first, &hello["type"], &hello["hello"]["recovered"]), (0x81, &json!("hello"), &json!(null)));
    drop(socket);

    // In the URL a place needs no first word.
    let bearer = format!("Bearer {}", token(666, &[7], None, false));
    let headers = [("Authorization", bearer.as_str())];
    let path = "/ws?last_event_id=earliest";
    let socket = crate::harness::websocket::Socket::open(stage.server.address, path, &headers).await.unwrap();
    let mut listener = Listener { line: Line::WebSocket(socket), story: Story::default() };
    listener.hears("before").await;
    drop(listener);
    stage.nobody_noticed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_72_handshakes_that_are_none_and_what_is_offered() {
    let stage = Stage::new().await;
    let server = &stage.server;
    let good = handshake(server.address, &token(666, &[7], None, false));
    let bearer = format!("Authorization: Bearer {}\r\n", token(666, &[7], None, false));
    let by_cookie = good.replace(&bearer, &format!("Cookie: allim_token={}\r\n", token(666, &[7], None, false)));
    let answer = async |request: String| Stream::raw(server.address, &format!("{request}\r\n")).await.unwrap();
    for (what, request, status, code) in [
        ("another version", good.replace("Version: 13", "Version: 12"), 426, "upgrade_required"),
        ("no version", good.replace("Sec-WebSocket-Version: 13\r\n", ""), 426, "upgrade_required"),
        ("no upgrade", good.replace("Upgrade: WebSocket\r\n", ""), 426, "upgrade_required"),
        ("no connection", good.replace("Connection: keep-alive, Upgrade\r\n", ""), 426, "upgrade_required"),
        ("HTTP/1.0", good.replace("HTTP/1.1", "HTTP/1.0"), 426, "upgrade_required"),
        ("no key", good.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), 400, "bad_handshake"),
        ("a short key", good.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), 400, "bad_handshake"),
        ("two keys", format!("{good}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), 400, "bad_handshake"),
        ("two hosts", format!("{good}Host: other\r\n"), 400, "host_required"),
        ("an unknown protocol", format!("{good}Sec-WebSocket-Protocol: mqtt, graphql-ws\r\n"), 400, "unknown_protocol"),
        ("a protocol in capitals", format!("{good}Sec-WebSocket-Protocol: ALLIM.V1\r\n"), 400, "unknown_protocol"),
        ("two hosts in one", good.replace("Host: ", "Host: other, "), 400, "host_required"),
        ("no host in its header", good.replace(&format!("Host: {}", server.address), "Host: "), 400, "host_required"),
        ("the host twice, and not the same", good.replace("GET /ws", "GET http://other/ws"), 400, "host_required"),
        ("a token in the URL", good.replace("/ws", "/ws?token=in-the-address"), 400, "token_in_url"),
        ("a strange language", good.replace("/ws", "/ws?lang=xx"), 400, "bad_language"),
        ("a strange origin", format!("{good}Origin: https://evil.example.com\r\n"), 403, "origin_refused"),
        ("no origin at all", format!("{good}Origin: null\r\n"), 403, "origin_refused"),
        ("another method", good.replace("GET", "POST"), 405, "method_not_allowed"),
        ("a cookie of no page", by_cookie.clone(), 403, "origin_refused"),
        (
            "a cookie, and a page of elsewhere",
            format!("{by_cookie}Sec-Fetch-Site: cross-site\r\n"),
            403,
            "origin_refused",
        ),
    ] {
        let refused = answer(request).await;
        assert_eq!(refused.status, status, "{what}: {}", refused.head);
        assert!(status != 426 || refused.header("sec-websocket-version") == Some("13"), "{}", refused.head);
        assert_eq!(problem(refused, status).await, code, "{what}");
    }
    let several =
        answer(format!("{good}Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Protocol: x, allim.v1\r\n")).await;
    assert_eq!((several.status, several.header("sec-websocket-protocol")), (101, Some("allim.v1")));
    let offers = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-webkit-deflate-frame\r\n";
    let offered = answer(format!("{good}{offers}Origin: http://{}\r\n", server.address)).await;
    assert_eq!((offered.status, offered.header("sec-websocket-extensions")), (101, None));
    assert_eq!(offered.header("sec-websocket-protocol"), None);
    let ours = answer(format!("{by_cookie}Origin: http://{}\r\n", server.address)).await;
    assert_eq!(ours.status, 101, "{}", ours.head);
    drop((several, offered, ours));
    // Whoever compresses all the same sets a bit that nobody agreed on.
    assert_eq!(stage.after(&frame(FIN | 0x40 | TEXT, &[0x2a, 0x4e, 0x55, 0x00])).await.code, Some(1002));

    for bad in ["a-token-of-nobody-here", "%%%-%%%-%%%"] {
        let line = Line::open(Transport::WebSocket, server.address, bad, None).await.unwrap();
        let mut listener = Listener { line, story: Story::default() };
        assert_eq!(listener.event("error").await.json()["code"], "bad_token");
        assert!(listener.next().await.is_none());
        let Line::WebSocket(socket) = &listener.line else { unreachable!("it was opened as one") };
        assert_eq!(socket.code, Some(4401));
    }
    stage.nobody_noticed().await;
}
