//! Who may listen: a token that somebody vouches for, from a page that may; and whatever the account service does.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::harness::{
    Accounts, Kafka, Listener, Publisher, Server, Story,
    accounts::{answer, token},
    answers::{bye, hello, problem},
    sse::Stream,
    until,
};

const EVENTS: (&str, &str) = ("Accept", "text/event-stream");

async fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Stream {
    Stream::get(server.address, path, headers).await.expect("an answer")
}

async fn with_token(server: &Server, token: &str) -> Stream {
    get(server, "/notifications", &[("Authorization", &format!("Bearer {token}")), EVENTS]).await
}

/// No line of the log may hold any of these.
fn log_is_clean(server: &Server, tokens: &[&str]) {
    let log = server.log() + &server.stdout.lock().unwrap();
    assert!(log.contains("DEBUG"), "the log is not detailed: the test shows nothing");
    for token in tokens {
        let line = log.lines().find(|line| line.contains(token));
        assert_eq!(line, None, "a token in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_one_form_that_scripts_can_read_and_show_nothing() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let ours = "https://admin.example.com";
    let env = [("ALLIM_ALLOWED_ORIGINS", ours), ("ALLIM_LOG", "debug"), ("ALLIM_TOKEN_COOKIE", "backoffice")];
    let server = Server::start(&kafka, &accounts, &env).await;
    let good = token(7_654_321, &[1001], None, false);
    let bearer = format!("Bearer {good}");

    // Without a good token: 401, readable by the scripts of an origin that may, with a word on how to do better.
    let origin = ("Origin", ours);
    for (headers, code) in [
        (vec![origin], "no_token"),
        (vec![origin, ("Authorization", "Bearer nobodysecret")], "bad_token"),
        (vec![origin, ("Authorization", "Basic bm9ib2R5OnNlY3JldA==")], "bad_token"),
        (vec![origin, ("Cookie", "other=1; backoffice=")], "no_token"),
        (vec![origin, ("Cookie", "backoffice=cookiesecret")], "bad_token"),
    ] {
        let answer = get(&server, "/notifications", &headers).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some(ours), "{}", answer.head);
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert_eq!(problem(answer, 401).await, code);
    }

    // A token in the URL is refused, also a good one, also beside a good header.
    for path in [format!("/notifications?token={good}"), format!("/notifications?lang=ko&access_token={good}")] {
        let answer = get(&server, &path, &[origin]).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some(ours));
        assert_eq!(problem(answer, 400).await, "token_in_url");
        assert_eq!(problem(get(&server, &path, &[("Authorization", &bearer)]).await, 400).await, "token_in_url");
    }

    // Both ways in.
    hello(with_token(&server, &good).await).await;
    let cookie = format!("theme=dark; backoffice={good}; other=x");
    hello(get(&server, "/notifications", &[("Cookie", &cookie), EVENTS]).await).await;

    // Pages: of our own host, of listed origins, of no other.
    let host = format!("http://{}", server.address);
    for origin in [ours, &host] {
        hello(get(&server, "/notifications", &[("Origin", origin), ("Authorization", &bearer), EVENTS]).await).await;
    }
    let near = [
        "https://evil.example",
        "null",
        "https://admin.example.com.evil.example",
        "http://admin.example.com",
        "https://admin.example.com:444",
    ];
    for origin in near {
        let answer = get(&server, "/notifications", &[("Origin", origin), ("Authorization", &bearer)]).await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        assert_eq!(problem(answer, 403).await, "origin_refused", "{origin}");
    }
    log_is_clean(&server, &[&good, "7654321", "nobodysecret", "bm9ib2R5OnNlY3JldA", "cookiesecret"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_not_what_they_should_be_are_answered_all_the_same() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let ours = "https://admin.example.com";
    let server = Server::start(&kafka, &accounts, &[("ALLIM_ALLOWED_ORIGINS", ours)]).await;
    let (address, good) = (server.address, token(7, &[1001], None, false));
    let ask = async |request: String| Stream::raw(address, &request).await.expect("an answer");
    let auth = format!("Authorization: Bearer {good}");

    let preflight = format!(
        "OPTIONS /notifications HTTP/1.1\r\nHost: {address}\r\nOrigin: {ours}\r\nAccess-Control-Request-Method: GET\r\n\
         Access-Control-Request-Headers: authorization,last-event-id\r\n\r\n"
    );
    let answer = ask(preflight.clone()).await;
    assert!((200..300).contains(&answer.status), "{}", answer.head);
    assert_eq!(answer.header("access-control-allow-origin"), Some(ours));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    let allowed = answer.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
    assert!(allowed.contains("last-event-id") && allowed.contains("authorization"), "{allowed}");
    assert!(answer.header("access-control-allow-methods").unwrap().contains("GET"));
    let foreign = ask(preflight.replace(ours, "https://evil.example")).await;
    assert_eq!(foreign.header("access-control-allow-origin"), None, "{}", foreign.head);

    let two = format!("GET /notifications HTTP/1.1\r\nHost: {address}\r\nHost: evil.example\r\n{auth}\r\n\r\n");
    assert_eq!(problem(ask(two).await, 400).await, "host_required");
    let none = format!("GET /notifications HTTP/1.1\r\n{auth}\r\n\r\n");
    assert_eq!(problem(ask(none).await, 400).await, "host_required");
    let old = format!("GET /livez HTTP/1.0\r\n{auth}\r\n\r\n");
    assert_eq!(problem(ask(old).await, 400).await, "host_required");

    for method in ["PUT", "DELETE", "PATCH"] {
        let request =
            format!("{method} /notifications HTTP/1.1\r\nHost: {address}\r\n{auth}\r\nContent-Length: 0\r\n\r\n");
        let answer = ask(request).await;
        assert!(answer.header("allow").is_some_and(|allow| allow.contains("GET")), "{}", answer.head);
        assert_eq!(problem(answer, 405).await, "method_not_allowed");
    }
    for path in ["/nothing", "/notifications/", "/../etc/passwd", "/%2e%2e/Cargo.toml", "/index.html/x", "/metrics"] {
        assert_eq!(problem(get(&server, path, &[]).await, 404).await, "not_found", "{path}");
    }
    let unknown = Stream::get(server.management, "/notifications", &[]).await.unwrap();
    assert_eq!(problem(unknown, 404).await, "not_found");

    // What is no HTTP is cut off, and shown nothing of us.
    if let Ok(mut answer) = Stream::raw(address, "\u{0}\u{1}nonsense\r\n\r\n").await {
        assert_eq!((answer.status, answer.rest().await.unwrap_or_default().as_str()), (400, ""), "{}", answer.head);
    }
    hello(with_token(&server, &good).await).await;
}

/// A thousand connects at once with one token.
async fn storm(server: &Server, token: &str) -> Vec<Stream> {
    let mut connects = JoinSet::new();
    for _ in 0..1_000 {
        let (address, bearer) = (server.address, format!("Bearer {token}"));
        connects.spawn(async move {
            let stream = Stream::get(address, "/notifications", &[("Authorization", &bearer), EVENTS]).await.unwrap();
            assert_eq!(stream.status, 200);
            stream
        });
    }
    connects.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_33_a_thousand_connects_of_a_cold_token_are_one_question() {
    let kafka = Kafka::start().await;
    let env = [
        ("ALLIM_ACCOUNTS_FRESH_SECONDS", "3600"),
        ("ALLIM_ACCOUNTS_TIMEOUT_MILLISECONDS", "2000"),
        ("ALLIM_HTTP_NEW_STREAMS_PER_OPERATOR", "1000"),
    ];
    let mut tries = 0;
    let (server, streams, asked) = loop {
        let accounts = Accounts::start().await;
        // Slow enough for many of them to come while the question is being asked.
        accounts.answer_after(Duration::from_millis(300));
        let server = Server::start(&kafka, &accounts, &env).await;
        let streams = storm(&server, &token(4_711, &[1001], None, false)).await;
        tries += 1;
        // On a machine so busy that the answer was late it is right to ask again: only a storm without that counts.
        if tries == 5 || server.metric("allim_lookups_total{outcome=\"ill\"}").await == 0.0 {
            break (server, streams, accounts.calls());
        }
    };
    assert_eq!(asked, 1);
    // Nine hundred and ninety of them were too many; each was told so, the ten that stay were not.
    let replaced = "allim_streams_ended_total{reason=\"replaced\"}";
    until("nobody is on the way", async || server.metric(replaced).await == 990.0).await;
    until("ten streams", async || server.metric("allim_streams").await == 10.0).await;
    Publisher::new(kafka.address).tell("operator:4711", "k", "who is left").await;
    let (mut replaced, mut left) = (0, 0);
    for stream in streams {
        let mut listener = Listener { line: stream.into(), story: Story::default() };
        while listener.story.heard.is_empty() && listener.story.byes.is_empty() {
            assert!(listener.next().await.is_some(), "it ended without a goodbye");
        }
        replaced += listener.story.byes.len();
        left += listener.story.heard.len();
    }
    assert_eq!((replaced, left), (990, 10));
}

/// Sends these tokens over one connection that is kept.
async fn refused_one_after_the_other(address: SocketAddr, tokens: Vec<String>) {
    let request = |token: &str| {
        format!(
            "GET /notifications HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n{}: {}\r\n\r\n",
            EVENTS.0, EVENTS.1
        )
    };
    let mut answer: Option<Stream> = None;
    for token in tokens {
        let next = match answer.take() {
            None => Stream::raw(address, &request(&token)).await,
            Some(kept) => kept.again(&request(&token)).await,
        };
        let mut next = next.expect("an answer");
        assert_eq!(next.status, 401);
        next.rest().await.unwrap();
        answer = Some(next);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_bad_tokens_push_out_no_good_one() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    // Few are remembered: would bad tokens be among them, the good one could not stay.
    let env = [("ALLIM_ACCOUNTS_FRESH_SECONDS", "3600"), ("ALLIM_ACCOUNTS_REMEMBERED", "100")];
    let server = Server::start(&kafka, &accounts, &env).await;
    let good = token(7, &[1001], None, false);
    hello(with_token(&server, &good).await).await;
    let mut floods = JoinSet::new();
    for flood in 0..8 {
        let tokens = (0..1_250).map(|n| format!("bad-{flood}-{n}")).collect();
        floods.spawn(refused_one_after_the_other(server.address, tokens));
    }
    floods.join_all().await;
    let asked = accounts.calls();
    assert!(asked > 10_000, "the flood did not reach anybody: {asked} questions");
    hello(with_token(&server, &good).await).await;
    assert_eq!(accounts.calls(), asked, "the good token had to be asked for again");
}

/// What an unknown token meets while the account service gives no answer.
async fn sent_away_for_now(server: &Server, unknown: &str) {
    let came = Instant::now();
    let stream = with_token(server, unknown).await;
    assert_eq!(stream.status, 200, "a browser's EventSource never returns from anything else: {}", stream.head);
    let bye = bye(stream).await;
    // The promise is 2 s; what is more belongs to the machine of the test.
    assert!(came.elapsed() < Duration::from_secs(4), "it took {:?}", came.elapsed());
    assert_eq!((&bye.json()["reason"], &bye.json()["reconnect"]), (&"accounts".into(), &true.into()));
    let retry = bye.retry.expect("when to come back");
    assert!((10_000..=60_000).contains(&retry), "{retry}");
    assert_eq!(bye.json()["retryAfterMs"], retry);

    let bearer = format!("Bearer {unknown}-2");
    let answer = get(server, "/notifications", &[("Authorization", &bearer), ("Accept", "application/json")]).await;
    let after: u64 = answer.header("retry-after").expect("when to come back").parse().unwrap();
    assert!((10..=60).contains(&after), "{after}");
    assert_eq!(problem(answer, 503).await, "accounts_unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_26_while_the_account_service_is_ill_known_operators_notice_nothing() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let env = [("ALLIM_ACCOUNTS_FRESH_SECONDS", "1"), ("ALLIM_HTTP_RECHECK_SECONDS", "1"), ("ALLIM_LOG", "debug")];
    let server = Server::start(&kafka, &accounts, &env).await;
    let publisher = Publisher::new(kafka.address);
    let known = token(1_234_567, &[1001], None, false);
    let mut open = Listener::open(server.address, &known, None).await;
    open.live().await;

    accounts.fall_ill(true);
    let stale = async || server.metric("allim_lookups_total{outcome=\"stale\"}").await;
    // The answer is stale by now, and the open stream has been asked about, more than once.
    until("it was asked again", async || stale().await >= 2.0).await;
    let mut second = Listener::open(server.address, &known, None).await;
    second.live().await;
    // Hanging is as bad as failing.
    accounts.fall_ill(false);
    accounts.answer_after(Duration::from_secs(600));
    let so_far = stale().await;
    let came = Instant::now();
    let mut third = Listener::open(server.address, &known, None).await;
    assert!(came.elapsed() < Duration::from_secs(4), "it took {:?}", came.elapsed());
    third.live().await;
    until("it was asked in vain again", async || stale().await > so_far).await;
    publisher.tell("mall:1001", "k", "in the meantime").await;
    for listener in [&mut open, &mut second, &mut third] {
        listener.hears("in the meantime").await;
        assert_eq!((&listener.story.byes, &listener.story.gaps), (&vec![], &vec![]));
    }
    log_is_clean(&server, &[&known, "1234567"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_28_who_is_unknown_while_the_account_service_is_ill_shall_come_back_later() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[("ALLIM_LOG", "debug")]).await;
    accounts.fall_ill(true);
    sent_away_for_now(&server, "n7654321-m1001").await;
    accounts.fall_ill(false);
    // An illness is remembered for a moment, and no longer.
    until("it is well again", async || {
        let first = with_token(&server, "n7654321-m1001").await.next().await;
        first.unwrap().is_some_and(|event| event.name == "hello")
    })
    .await;
    let mut back = Listener::open(server.address, "n7654321-m1001", None).await;
    back.live().await;
    accounts.answer_after(Duration::from_secs(600));
    sent_away_for_now(&server, "n7654399-m1001").await;
    log_is_clean(&server, &["7654321", "7654399"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_eleventh_stream_of_an_operator_ends_the_oldest() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let mut streams = Vec::new();
    for n in 0..10 {
        // Tokens differ, the operator is one.
        let mut listener = Listener::open(server.address, &token(7, &[1001 + n], None, false), None).await;
        listener.live().await;
        streams.push(listener);
    }
    let mut eleventh = Listener::open(server.address, &token(7, &[1001], None, false), None).await;
    eleventh.live().await;
    let bye = bye(streams.remove(0).line).await;
    assert_eq!((&bye.json()["reason"], &bye.json()["reconnect"]), (&"replaced".into(), &false.into()));
    let publisher = Publisher::new(kafka.address);
    publisher.tell("operator:7", "k", "still here").await;
    for listener in streams.iter_mut().chain([&mut eleventh]) {
        listener.hears("still here").await;
        assert_eq!(listener.story.byes, Vec::<Value>::new());
    }
    assert_eq!(server.metric("allim_streams").await, 10.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_token() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let env = [("ALLIM_ACCOUNTS_FRESH_SECONDS", "1"), ("ALLIM_HTTP_RECHECK_SECONDS", "1"), ("ALLIM_LOG", "debug")];
    let server = Server::start(&kafka, &accounts, &env).await;
    let (ends, revoked, stays) = ("n7654321-m1001", "n7654322-m1001", "n7654323-m1001");
    let end = Timestamp::now() + Duration::from_secs(2);
    let mut until_then = answer(7_654_321, &[1001], None, false);
    until_then["expiresAt"] = end.to_string().into();
    accounts.change(ends, Some(until_then));
    let (mut one, mut other, mut third) = (
        Listener::open(server.address, ends, None).await,
        Listener::open(server.address, revoked, None).await,
        Listener::open(server.address, stays, None).await,
    );
    for listener in [&mut one, &mut other, &mut third] {
        listener.live().await;
    }
    let said = bye(one.line).await;
    assert!(Timestamp::now() >= end, "before its time");
    assert_eq!((&said.json()["reason"], &said.json()["reconnect"]), (&"expired".into(), &false.into()));
    assert_eq!(problem(with_token(&server, ends).await, 401).await, "bad_token");

    accounts.change(revoked, None);
    let said = bye(other.line).await;
    assert_eq!((&said.json()["reason"], &said.json()["reconnect"]), (&"revoked".into(), &false.into()));
    assert_eq!(problem(with_token(&server, revoked).await, 401).await, "bad_token");

    let publisher = Publisher::new(kafka.address);
    publisher.tell("mall:1001", "k", "for who is left").await;
    third.hears("for who is left").await;
    log_is_clean(&server, &[ends, revoked, stays, "7654321", "7654322", "7654323"]);
}
