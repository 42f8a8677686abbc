//! Too many, or too fast: refused in the way that each client understands, and those who are in go on.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::harness::{
    Accounts, Kafka, Listener, PATIENCE, Publisher, Server, Story,
    accounts::token,
    answers::{bye, problem},
    sse::Stream,
    transport::{Line, Transport},
    until,
};

async fn stage(env: &[(&str, &str)]) -> (Kafka, Accounts, Server, Publisher) {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, env).await;
    let publisher = Publisher::new(kafka.address);
    (kafka, accounts, server, publisher)
}

async fn listen(server: &Server, over: Transport, admin: u64) -> Listener {
    let line = Line::open(over, server.address, &token(admin, &[7], None, false), None).await.expect("it opens");
    Listener { line, story: Story::default() }
}

/// Whether it was let in; who was not, was told when to come back.
async fn is_let_in(mut listener: Listener) -> Option<Listener> {
    let first = listener.next().await.expect("a word");
    if first.name == "hello" {
        return Some(listener);
    }
    assert_eq!((first.name.as_str(), &first.json()["reason"]), ("bye", &json!("overload")));
    let retry = first.retry.expect("when to come back");
    assert!((10_000..=60_000).contains(&retry), "{retry}");
    assert!(listener.next().await.is_none(), "something behind the goodbye");
    listener.line.ends_as_told(&first);
    None
}

async fn is_refused_in_its_way(server: &Server) {
    for over in [Transport::Sse, Transport::WebSocket] {
        let line = listen(server, over, 900).await.line;
        assert_eq!(bye(line).await.json()["reason"], "overload");
    }
    let bearer = format!("Bearer {}", token(900, &[7], None, false));
    let headers = [("Authorization", bearer.as_str()), ("Accept", "application/json")];
    let answer = Stream::get(server.address, "/notifications", &headers).await.unwrap();
    assert!(answer.header("retry-after").is_some_and(|after| (10..=60).contains(&after.parse::<u32>().unwrap())));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(problem(answer, 503).await, "overload");
    assert_eq!(problem(Stream::get(server.address, "/", &[]).await.unwrap(), 503).await, "overload");
    assert_eq!(server.get("/livez").await.0, 200);
}

async fn is_shut(socket: &mut TcpStream) -> bool {
    let mut nothing = [0; 1];
    matches!(tokio::time::timeout(Duration::from_millis(500), socket.read(&mut nothing)).await, Ok(Ok(0) | Err(_)))
}

/// One of many who come at once. More refusals than there are places for get not even a word.
async fn knocks(server: &Server, i: u64) -> Option<Listener> {
    let over = if i.is_multiple_of(2) { Transport::Sse } else { Transport::WebSocket };
    let line = Line::open(over, server.address, &token(100 + i / 5, &[7], None, false), None).await.ok()?;
    is_let_in(Listener { line, story: Story::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_there_may_be_are_told_so_and_those_that_are_open_go_on() {
    let (_kafka, _accounts, server, publisher) = stage(&[("ALLIM_HTTP_CONNECTIONS", "40")]).await;
    let mut inside = Vec::new();
    for i in 0..40 {
        let over = if i % 2 == 0 { Transport::Sse } else { Transport::WebSocket };
        let mut listener = listen(&server, over, 100 + i).await;
        listener.live().await;
        inside.push(listener);
    }
    is_refused_in_its_way(&server).await;

    // More than may be refused with a word are dropped without.
    let mut silent: Vec<TcpStream> =
        join_all((0..20).map(|_| TcpStream::connect(server.address))).await.into_iter().flatten().collect();
    let dropped = async || server.metric(r#"allim_connections_refused_total{reason="dropped"}"#).await;
    until("some are dropped", async || dropped().await >= 16.0).await;
    let ends = silent.iter_mut().map(is_shut);
    let ended = join_all(ends).await.into_iter().filter(|ended| *ended).count();
    assert!((16..20).contains(&ended), "{ended} of 20 are dropped; four places are for words");
    drop(silent);

    publisher.tell("mall:7", "k", "and on").await;
    for listener in &mut inside {
        listener.hears("and on").await;
    }
    inside.truncate(30);
    until("there is room", async || server.metric("allim_streams").await <= 30.0).await;
    until("who comes is let in", async || is_let_in(listen(&server, Transport::Sse, 1).await).await.is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_times_as_many_as_may_come_are_sent_away_at_once_and_open_streams_go_on() {
    let (_kafka, _accounts, server, publisher) = stage(&[("ALLIM_HTTP_NEW_CONNECTIONS_PER_SECOND", "10")]).await;
    // Who asked whether the server is ready has used up some seconds' worth.
    let mut steady = loop {
        if let Some(listener) = is_let_in(listen(&server, Transport::Sse, 1).await).await {
            break listener;
        }
    };
    steady.live().await;
    let (mut welcome, mut refused) = (Vec::new(), 0);
    for round in 0..3 {
        let came = (0..150).map(|i| knocks(&server, i));
        let came = join_all(came).await;
        refused += came.iter().filter(|one| one.is_none()).count();
        welcome.extend(came.into_iter().flatten());
        publisher.tell("mall:7", "k", &format!("round {round}")).await;
        steady.hears(&format!("round {round}")).await;
    }
    assert!(refused > 0, "{} were let in", welcome.len());
    let by_rate = server.metric(r#"allim_connections_refused_total{reason="rate"}"#).await;
    assert!(by_rate > 0.0);
    steady.story.check(&publisher.sent(), |_| true);
    until("who comes later is let in", async || is_let_in(listen(&server, Transport::Sse, 2).await).await.is_some())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_61_who_reconnects_in_a_tight_loop_costs_others_nothing() {
    let (_kafka, accounts, server, publisher) = stage(&[("ALLIM_HTTP_NEW_STREAMS_PER_OPERATOR", "2")]).await;
    let mut other = listen(&server, Transport::Sse, 1).await;
    other.live().await;
    let calls = accounts.calls();
    let mut refused = 0;
    for i in 0..200 {
        let over = if i < 100 { Transport::Sse } else { Transport::WebSocket };
        refused += u32::from(is_let_in(listen(&server, over, 666).await).await.is_none());
    }
    assert!(refused > 50, "only {refused} of 200 were sent away");
    assert!(accounts.calls() - calls <= 2, "the loop reaches the account service: {} calls", accounts.calls() - calls);
    assert!(is_let_in(listen(&server, Transport::Sse, 2).await).await.is_some(), "another operator is let in");
    publisher.tell("mall:7", "k", "and on").await;
    other.hears("and on").await;
    other.story.check(&publisher.sent(), |_| true);
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_counted_where_a_trusted_proxy_names_them() {
    let env = [("ALLIM_HTTP_NEW_STREAMS_PER_ADDRESS", "1"), ("ALLIM_TRUSTED_PROXIES", "127.0.0.0/8")];
    let (_kafka, _accounts, server, _) = stage(&env).await;
    let from = async |address: &str, admin: u64| {
        let bearer = format!("Bearer {}", token(admin, &[7], None, false));
        let headers = [("Authorization", bearer.as_str()), ("X-Forwarded-For", address)];
        let stream = Stream::get(server.address, "/notifications", &headers).await.unwrap();
        is_let_in(Listener { line: stream.into(), story: Story::default() }).await.is_some()
    };
    let mut refused = 0;
    for admin in 0..40 {
        refused += u32::from(!from("198.51.100.1", 100 + admin).await);
        assert!(admin % 10 > 0 || from(&format!("198.51.100.{}", 10 + admin), 200 + admin).await, "another address");
    }
    assert!(refused > 5, "only {refused} of 40 were sent away");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_62_all_come_back_at_once_and_each_token_is_asked_for_once() {
    let (_kafka, accounts, mut server, publisher) = stage(&[]).await;
    let whose = |i: u64| token(100 + i / 5, &[7], None, false);
    let open = async |server: &Server, i: u64, story: Story| {
        let over = if i.is_multiple_of(2) { Transport::Sse } else { Transport::WebSocket };
        let line = Line::open(over, server.address, &whose(i), story.position.as_deref()).await.expect("it opens");
        let mut listener = Listener { line, story };
        listener.story.live = None;
        listener.live().await;
        listener
    };
    let listeners = join_all((0..300).map(|i| open(&server, i, Story::default()))).await;
    let stories: Vec<Story> = listeners.into_iter().map(Listener::cut).collect();
    server.signal("KILL");
    server.ended().await;
    publisher.tell("mall:7", "k", "while they were away").await;
    server = server.again().await;
    let calls = accounts.calls();
    let mut back = join_all((0..300).zip(stories).map(|(i, story)| open(&server, i, story))).await;
    assert!(accounts.calls() - calls <= 60, "{} calls for 60 tokens", accounts.calls() - calls);
    publisher.tell("mall:7", "k", "and on").await;
    for listener in &mut back {
        listener.hears("and on").await;
        listener.story.check(&publisher.sent(), |_| true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_53_without_descriptors_newcomers_are_refused_and_nobody_else_notices() {
    // More connections than descriptors: the accept itself fails as well.
    let (_kafka, _accounts, server, publisher) = stage(&[("DESCRIPTORS", "128")]).await;
    assert!(server.log().contains("fewer connections than wanted"), "{}", server.log());
    let mut steady = listen(&server, Transport::Sse, 1).await;
    steady.live().await;
    let flood: Vec<TcpStream> = join_all((0..300).map(|_| TcpStream::connect(server.address)))
        .await
        .into_iter()
        .filter_map(Result::ok)
        .collect();
    until("descriptors are used up", async || server.log().contains("no connection can be accepted for now")).await;
    let (worked, since) = (server.worked(), std::time::Instant::now());
    publisher.tell("mall:7", "k", "meanwhile").await;
    steady.hears("meanwhile").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let worked = server.worked() - worked;
    assert!(worked < since.elapsed() / 2, "it turns in circles: {worked:?} of work in {:?}", since.elapsed());
    drop(flood);
    let give_up = tokio::time::Instant::now() + PATIENCE;
    while !matches!(Stream::get(server.address, "/livez", &[]).await, Ok(answer) if answer.status == 200) {
        assert!(tokio::time::Instant::now() < give_up, "it does not recover:\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut late = listen(&server, Transport::WebSocket, 2).await;
    late.live().await;
    publisher.tell("mall:7", "k", "and on").await;
    for listener in [&mut steady, &mut late] {
        listener.hears("and on").await;
    }
    steady.story.check(&publisher.sent(), |_| true);
}
