//! HTTP/2 without TLS, where it is set: the same streams and refusals, on connections that are as bounded as any.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{
    Accounts, Kafka, Listener, PATIENCE, Publisher, Server, Story,
    accounts::token,
    http2::{Frame, Peer, kind},
    program::{Program, Runner},
    transport::{Line, Transport},
    until,
};

const ON: (&str, &str) = ("ALLIM_HTTP_H2C", "on");

async fn stage(env: &[(&str, &str)]) -> (Kafka, Accounts, Server) {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, env).await;
    (kafka, accounts, server)
}

async fn said(program: &mut Program) -> Value {
    let line = program.line().await.unwrap_or_else(|| panic!("it ended: {}", program.complaints()));
    serde_json::from_str(&line).unwrap()
}

/// What a program of other people gets to see of it, from its first request to the end of the server.
#[tokio::test(flavor = "multi_thread")]
async fn many_streams_go_over_one_connection_and_end_with_their_goodbyes() {
    let (kafka, _accounts, server) = stage(&[ON, ("ALLIM_DELIVER_DRAIN_WINDOW_SECONDS", "1")]).await;
    let tokens: Vec<String> = (0..12).map(|i| token(100 + i, &[7], None, false)).collect();
    let mut arguments = vec![format!("http://{}", server.address)];
    arguments.extend(tokens);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let Some(mut program) = Program::start(Runner::Node, "h2c.mjs", "eventsource-parser", &arguments) else { return };

    let mut answers = Vec::new();
    while answers.len() < 9 {
        answers.push(said(&mut program).await);
    }
    answers.sort_by_key(|answer| answer["what"].as_str().map(str::to_owned));
    let settings = json!({ "what": "settings", "maxConcurrentStreams": 200, "maxHeaderListSize": 16_384, "enableConnectProtocol": false });
    let wanted = [
        json!({ "what": "body", "status": 401, "code": "bad_key" }),
        json!({ "what": "host beside", "status": 200 }),
        json!({ "what": "long address", "status": 414, "code": "address_too_long" }),
        json!({ "what": "long head", "status": 431 }),
        json!({ "what": "other host", "status": 400, "code": "host_required" }),
        json!({ "what": "page", "status": 200 }),
        settings,
        json!({ "what": "ticket", "status": 200 }),
        json!({ "what": "websocket", "status": 426, "code": "upgrade_required" }),
    ];
    assert_eq!(answers, wanted);

    let publisher = Publisher::new(kafka.address);
    let (mut live, mut heard, mut left) = (0, 0, 0);
    loop {
        let line = said(&mut program).await;
        match line["name"].as_str() {
            Some("status") if line["data"]["live"] == true => live += 1,
            Some("message") => {
                assert_eq!(line["data"]["title"], "over all of them");
                heard += 1;
            }
            Some("bye") => {
                assert_eq!(line["data"]["reason"], "restart", "{line}");
                left += 1;
            }
            Some("hello" | "beat" | "status") => {}
            _ if line["what"] == "closed" => break,
            _ => panic!("{line}"),
        }
        if line["name"] == "status" && live == 12 {
            assert_eq!(server.metric("allim_connections").await, 2.0, "its own, and the one that asks");
            publisher.tell("mall:7", "k", "over all of them").await;
        }
        // The twelve, and the one that went on from its beginning.
        if line["name"] != "bye" && (live, heard) == (13, 13) {
            (live, heard) = (0, 0);
            server.signal("TERM");
        }
    }
    assert_eq!(left, 13, "goodbyes");
    program.ends_well().await;
    let mut server = server;
    assert!(server.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_it_everything_else_is_as_ever_and_without_the_setting_there_is_none() {
    let (_kafka, _accounts, server) = stage(&[ON]).await;
    for over in [Transport::Sse, Transport::WebSocket] {
        let line = Line::open(over, server.address, &token(1, &[7], None, false), None).await.unwrap();
        Listener { line, story: Story::default() }.live().await;
    }
    let (_kafka, _accounts, without) = stage(&[]).await;
    let mut peer = Peer::connect(without.address).await;
    peer.begin(&[]).await;
    assert!(peer.frames_to_the_end().await.iter().all(|frame| frame.kind != kind::SETTINGS));
}

/// Listens until `and on`, and meanwhile answers pings, as any client does.
async fn somebody_stays(server: &Server) -> tokio::task::JoinHandle<()> {
    let mut stays = Peer::connect(server.address).await;
    stays.begin(&[]).await;
    stays.listen(1, &token(1, &[7], None, false)).await;
    stays.hears(1, r#""live":true"#).await;
    tokio::spawn(async move { stays.hears(1, "and on").await })
}

/// Seconds of silence end it, however far it came; a stream outlives them.
#[tokio::test(flavor = "multi_thread")]
async fn fault_74_half_a_beginning_of_http2_is_not_waited_for_nor_a_connection_on_which_nothing_is_asked() {
    let (kafka, _accounts, server) = stage(&[ON, ("ALLIM_HTTP_HEAD_DEADLINE_SECONDS", "2")]).await;
    let stays = somebody_stays(&server).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut closing = JoinSet::new();
    for length in [0, 1, 3, 10, preface.len()] {
        let mut peer = Peer::connect(server.address).await;
        peer.send(&preface[..length]).await;
        closing.spawn(async move { drop(peer.frames_to_the_end().await) });
    }
    for stop in 0..4 {
        let mut peer = Peer::connect(server.address).await;
        peer.begin(&[]).await;
        match stop {
            0 => {}
            // Pings that are answered are no requests.
            1 => peer.write(Frame::new(kind::PING, 0, 0, &[0; 8])).await,
            // Half a head.
            2 => {
                peer.is_settled().await;
                peer.write(Frame::new(kind::HEADERS, 0, 1, &[0x82])).await;
            }
            _ => peer.ask(1, "/livez", &[]).await,
        }
        closing.spawn(async move {
            let frames = peer.frames_to_the_end().await;
            assert_eq!(peer.goes_away, stop == 3, "{stop}: {frames:?}");
        });
    }
    while let Some(closed) = closing.join_next().await {
        closed.unwrap();
    }
    Publisher::new(kafka.address).tell("mall:7", "k", "and on").await;
    stays.await.unwrap();
}

/// Its window stays shut, and nothing of the socket tells: others on the same connection go on.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_takes_is_given_up_alone() {
    let (kafka, _accounts, server) =
        stage(&[ON, ("ALLIM_HTTP_WRITE_DEADLINE_SECONDS", "2"), ("ALLIM_DELIVER_SLOW_AFTER_SECONDS", "1")]).await;
    let mut peer = Peer::connect(server.address).await;
    // No bytes of any answer but by its own leave.
    peer.begin(&[(4, 0)]).await;
    peer.listen(1, &token(1, &[7], None, false)).await;
    peer.write(Frame::new(kind::WINDOW_UPDATE, 0, 1, &1_000_000_u32.to_be_bytes())).await;
    peer.hears(1, r#""live":true"#).await;
    peer.ask(3, "/allim.js", &[]).await;
    peer.listen(5, &token(2, &[7], None, false)).await;
    let mut given_up = BTreeSet::new();
    let both = |frame: &Frame| {
        assert!(frame.kind != kind::DATA || frame.stream == 1, "{frame:?}");
        given_up.extend((frame.kind == kind::RST_STREAM).then_some(frame.stream));
        given_up.len() == 2
    };
    peer.until("both are given up", both).await;
    assert_eq!(given_up, BTreeSet::from([3, 5]));
    until("its place is free", async || server.metric("allim_streams").await <= 1.0).await;
    Publisher::new(kafka.address).tell("mall:7", "k", "and on").await;
    peer.hears(1, "and on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_too_many_over_http2_is_told_so_and_makes_room() {
    let (_kafka, _accounts, server) =
        stage(&[ON, ("ALLIM_HTTP_CONNECTIONS", "1"), ("ALLIM_HTTP_HEAD_DEADLINE_SECONDS", "5")]).await;
    // The place may still be that of who asked whether the server is ready.
    let inside = loop {
        let mut listener = Listener::open(server.address, &token(1, &[7], None, false), None).await;
        if listener.next().await.is_some_and(|event| event.name == "hello") {
            break listener;
        }
    };
    // Four places are for refusals: who keeps one would be seen.
    for _ in 0..10 {
        let mut peer = Peer::connect(server.address).await;
        peer.begin(&[]).await;
        peer.listen(1, &token(2, &[7], None, false)).await;
        peer.hears(1, r#""reason":"overload""#).await;
        peer.frames_to_the_end().await;
        assert!(peer.goes_away);
    }
    drop(inside);
}

async fn write_more(flood: &str, peer: &mut Peer) -> std::io::Result<()> {
    let stream = peer.next_stream();
    match flood {
        "rapid reset" => {
            peer.try_ask(stream, "/livez", &[]).await?;
            peer.try_write(Frame::new(kind::RST_STREAM, 0, stream, &[0, 0, 0, 8])).await
        }
        "continuation" if stream == 1 => peer.try_write(Frame::new(kind::HEADERS, 0, 1, &[0x82])).await,
        "continuation" => peer.try_write(Frame::new(kind::CONTINUATION, 0, 1, &[0; 16])).await,
        "settings" => peer.try_write(Frame::new(kind::SETTINGS, 0, 0, &[])).await,
        "ping" => peer.try_write(Frame::new(kind::PING, 0, 0, &[0; 8])).await,
        _ if stream == 1 => peer.ask_with_a_body(1, "/tickets").await,
        _ => peer.try_write(Frame::new(kind::DATA, 0, 1, &[])).await,
    }
}

/// Each shape costs its own connection, and nobody else anything.
#[tokio::test(flavor = "multi_thread")]
async fn fault_73_floods_of_http2_close_their_connection() {
    let (kafka, _accounts, server) = stage(&[ON, ("ALLIM_HTTP_HEAD_DEADLINE_SECONDS", "2")]).await;
    let stays = somebody_stays(&server).await;
    let memory = server.memory();
    for flood in ["rapid reset", "continuation", "settings", "ping", "empty data"] {
        let mut peer = Peer::connect(server.address).await;
        peer.begin(&[]).await;
        peer.is_settled().await;
        // What is not read any more cannot be written any more.
        let ends = async { while write_more(flood, &mut peer).await.is_ok() {} };
        assert!(tokio::time::timeout(PATIENCE, ends).await.is_ok(), "{flood}: it goes on");
    }
    let more = server.memory().saturating_sub(memory);
    assert!(more < 16 << 20, "{more} bytes of memory");
    Publisher::new(kafka.address).tell("mall:7", "k", "and on").await;
    stays.await.unwrap();
}
