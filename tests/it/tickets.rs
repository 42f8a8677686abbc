//! Tickets: what a browser gets with its token or cookie, and shows once where it can send no header.

use std::net::SocketAddr;

use jiff::Timestamp;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::harness::{
    Accounts, Kafka, Listener, Publisher, Server, Story,
    accounts::{answer, token},
    answers::{bye, hello, problem},
    secrets,
    sse::Stream,
    until,
};

const KEY: (&str, &str) = ("ALLIM_CLUSTER_KEY", "a key that both of the nodes know, and nobody else");
/// Where a busy machine must not make a ticket late.
const LONG: (&str, &str) = ("ALLIM_TICKETS_LIFE_SECONDS", "120");
const PAGE: &str = "https://admin.example.com";
const OURS: (&str, &str) = ("ALLIM_ALLOWED_ORIGINS", PAGE);
const ORIGIN: (&str, &str) = ("Origin", PAGE);

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

async fn post(address: SocketAddr, headers: &[(&str, &str)]) -> Stream {
    let mut request = format!("POST /tickets HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    Stream::raw(address, &(request + "\r\n")).await.expect("an answer")
}

/// What is inside of a good answer.
async fn ticket_in(mut answer: Stream) -> String {
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_str(&answer.rest().await.unwrap()).unwrap();
    let ticket = body["ticket"].as_str().unwrap().to_owned();
    secrets::ticket(&ticket);
    assert!(ticket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{ticket}");
    let left = body["expiresAt"].as_str().unwrap().parse::<Timestamp>().unwrap().duration_since(Timestamp::now());
    assert!(left.as_secs() <= 120, "{body}");
    ticket
}

/// A ticket for the page of [`PAGE`].
async fn ticket(server: &Server, token: &str) -> String {
    ticket_in(post(server.address, &[("Authorization", &bearer(token)), ORIGIN]).await).await
}

async fn redeem(address: SocketAddr, ticket: &str, headers: &[(&str, &str)]) -> Stream {
    let mut all = vec![("Accept", "text/event-stream")];
    all.extend_from_slice(headers);
    Stream::get(address, &format!("/notifications?ticket={ticket}"), &all).await.expect("an answer")
}

/// Refused in a form that the page's script can read.
async fn refused(server: &Server, ticket: &str, headers: &[(&str, &str)]) -> String {
    let answer = redeem(server.address, ticket, headers).await;
    if headers.contains(&ORIGIN) {
        assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE), "{}", answer.head);
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    }
    problem(answer, 401).await
}

/// Two nodes of one cluster.
async fn two_nodes(kafka: &Kafka, accounts: &Accounts, more: &[(&str, &str)]) -> (Server, Server) {
    let env = [&[KEY, OURS, LONG, ("ALLIM_LOG", "debug")][..], more].concat();
    (Server::start(kafka, accounts, &env).await, Server::start(kafka, accounts, &env).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_one_stream_on_each_node_that_has_the_key() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let (one, other) = two_nodes(&kafka, &accounts, &[("ALLIM_HTTP_RECHECK_SECONDS", "1")]).await;
    let stranger = Server::start(&kafka, &accounts, &[OURS]).await;
    let who = token(7, &[1001], None, false);
    let text = ticket(&one, &who).await;

    let stream = redeem(other.address, &text, &[ORIGIN]).await;
    assert_eq!(stream.header("access-control-allow-origin"), Some(PAGE));
    let mut listener = Listener { line: stream.into(), story: Story::default() };
    listener.live().await;
    let publisher = Publisher::new(kafka.address);
    publisher.tell("mall:1001", "k", "by ticket").await;
    listener.hears("by ticket").await;

    assert_eq!(refused(&other, &text, &[ORIGIN]).await, "used_ticket");
    hello(redeem(one.address, &text, &[ORIGIN]).await).await;
    assert_eq!(refused(&one, &text, &[ORIGIN]).await, "used_ticket");
    assert_eq!(refused(&stranger, &text, &[ORIGIN]).await, "bad_ticket");
    assert!(stranger.log().contains("ALLIM_CLUSTER_KEY is not set"), "{}", stranger.log());

    // The token came along: with it the rights are asked again, on the node that never saw it before.
    accounts.change(&who, None);
    assert_eq!(bye(listener.line).await.json()["reason"], "revoked");
    for (server, outcome, count) in [
        (&one, "issued", 1.0),
        (&one, "redeemed", 1.0),
        (&one, "used", 1.0),
        (&other, "used", 1.0),
        (&stranger, "unreadable", 1.0),
    ] {
        assert_eq!(server.metric(&format!("allim_tickets_total{{outcome=\"{outcome}\"}}")).await, count, "{outcome}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_who_come_at_once_with_one_ticket_one_is_let_in() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let (one, other) = two_nodes(&kafka, &accounts, &[("ALLIM_HTTP_NEW_STREAMS_PER_OPERATOR", "2")]).await;
    let text = ticket(&one, &token(7, &[1001], None, false)).await;
    for server in [&one, &other] {
        let mut race = JoinSet::new();
        for _ in 0..200 {
            let (address, text) = (server.address, text.clone());
            race.spawn(async move {
                let mut stream = redeem(address, &text, &[ORIGIN]).await;
                // Kept open where it was let in, so that nobody makes room for another.
                if stream.status == 401 {
                    assert!(stream.rest().await.unwrap().contains("used_ticket"));
                }
                stream
            });
        }
        let streams = race.join_all().await;
        let of = |status: u16| streams.iter().filter(|stream| stream.status == status).count();
        assert_eq!((of(200), of(401)), (1, 199));
        // A used ticket opens no stream, so it does not count as one either: its operator is let in.
        hello(redeem(server.address, &ticket(server, &token(7, &[1001], None, false)).await, &[ORIGIN]).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_is_late_or_of_another_page_or_operator_opens_nothing() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let origins = ("ALLIM_ALLOWED_ORIGINS", "https://admin.example.com,https://partner.example.com");
    let server = Server::start(&kafka, &accounts, &[KEY, LONG, origins, ("ALLIM_LOG", "debug")]).await;
    let (who, another) = (token(7, &[1001], None, false), token(70, &[1001], None, false));
    let text = ticket(&server, &who).await;

    assert_eq!(refused(&server, &text, &[("Origin", "https://partner.example.com")]).await, "ticket_of_other_page");
    assert_eq!(refused(&server, &text, &[]).await, "ticket_of_other_page");
    let cookie = format!("allim_token={another}");
    for beside in [("Authorization", bearer(&another).as_str()), ("Cookie", cookie.as_str())] {
        assert_eq!(refused(&server, &text, &[ORIGIN, beside]).await, "ticket_of_other_operator");
    }
    for bad in ["", "undefined", &text[1..], &text[..text.len() - 1], &text.to_ascii_uppercase(), &"A".repeat(7_000)] {
        assert_eq!(refused(&server, bad, &[ORIGIN]).await, "bad_ticket", "{bad}");
    }
    // A token in the URL is no better for a ticket beside it.
    let both = format!("{text}&token={who}");
    assert_eq!(problem(redeem(server.address, &both, &[ORIGIN]).await, 400).await, "token_in_url");
    let head =
        format!("HEAD /notifications?ticket={text} HTTP/1.1\r\nHost: {}\r\nOrigin: {PAGE}\r\n\r\n", server.address);
    assert_eq!(Stream::raw(server.address, &head).await.unwrap().status, 200);
    // None of this has used it up. What says nothing, or the same, does no harm beside it.
    let yesterday = format!("allim_token={who}x");
    hello(redeem(server.address, &text, &[ORIGIN, ("Cookie", &yesterday)]).await).await;
    let own = format!("allim_token={who}");
    hello(redeem(server.address, &ticket(&server, &who).await, &[ORIGIN, ("Cookie", &own)]).await).await;

    let hasty = Server::start(&kafka, &accounts, &[KEY, origins, ("ALLIM_TICKETS_LIFE_SECONDS", "1")]).await;
    let text = ticket(&hasty, &who).await;
    let end = Timestamp::now() + std::time::Duration::from_secs(1);
    until("it is late", async || Timestamp::now() > end).await;
    assert_eq!(refused(&hasty, &text, &[ORIGIN]).await, "late_ticket");
    assert_eq!(refused(&server, &text, &[ORIGIN]).await, "late_ticket");
    assert_eq!(hasty.metric("allim_tickets_total{outcome=\"late\"}").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_worth_no_more_than_its_token() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let env = [KEY, OURS, LONG, ("ALLIM_ACCOUNTS_FRESH_SECONDS", "1"), ("ALLIM_ACCOUNTS_REFUSED_SECONDS", "1")];
    let server = Server::start(&kafka, &accounts, &env).await;
    assert_eq!(problem(post(server.address, &[ORIGIN]).await, 401).await, "no_token");
    let nobody = [("Authorization", "Bearer nobodysecret"), ORIGIN];
    assert_eq!(problem(post(server.address, &nobody).await, 401).await, "bad_token");
    let got = Stream::get(server.address, "/tickets", &[("Authorization", "Bearer nobodysecret")]).await.unwrap();
    assert_eq!(got.header("allow"), Some("POST"));
    assert_eq!(problem(got, 405).await, "method_not_allowed");

    // While nobody can say whose it is it is not used up, and a new one is not given out.
    let who = token(7, &[1001], None, false);
    let text = ticket(&server, &who).await;
    let fresh = Server::start(&kafka, &accounts, &env).await;
    accounts.fall_ill(true);
    assert_eq!(bye(redeem(fresh.address, &text, &[ORIGIN]).await).await.json()["reason"], "accounts");
    let ill = post(fresh.address, &[("Authorization", &bearer(&who)), ORIGIN]).await;
    assert!(ill.header("retry-after").is_some(), "{}", ill.head);
    assert_eq!(problem(ill, 503).await, "accounts_unavailable");
    accounts.fall_ill(false);
    until("it is well again", async || {
        let first = redeem(fresh.address, &text, &[ORIGIN]).await.next().await;
        first.unwrap().is_some_and(|event| event.name == "hello")
    })
    .await;

    // A token that ends between the two takes its ticket with it.
    let text = ticket(&server, &who).await;
    accounts.change(&who, None);
    until("it is known to have ended", async || {
        let answer = post(server.address, &[("Authorization", &bearer(&who)), ORIGIN]).await;
        answer.status == 401
    })
    .await;
    assert_eq!(refused(&server, &text, &[ORIGIN]).await, "bad_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_keeps_its_key_over_a_restart() {
    let server = Server::demo(&[LONG]).await;
    let key = server.data.join("cluster.key");
    let before = std::fs::read_to_string(&key).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&key).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // Its own page: a POST says who it is, an EventSource does not.
    let host = format!("http://{}", server.address);
    let asked = [("Authorization", "Bearer demo-70001"), ("Origin", &host)];
    let text = ticket_in(post(server.address, &asked).await).await;
    let server = server.again().await;
    assert_eq!(std::fs::read_to_string(&key).unwrap(), before);
    hello(redeem(server.address, &text, &[("Sec-Fetch-Site", "same-origin")]).await).await;
    assert!(!server.log().contains("CLUSTER_KEY"), "in the demo there is nothing to warn of: {}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_78_who_stays_longer_than_a_token_goes_on_with_the_next_one() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let env = [KEY, OURS, LONG, ("ALLIM_ACCOUNTS_FRESH_SECONDS", "1"), ("ALLIM_HTTP_RECHECK_SECONDS", "1")];
    let server = Server::start(&kafka, &accounts, &env).await;
    let publisher = Publisher::new(kafka.address);
    let (first, second) = ("n7654321-m1001", "n7654321-m1001-s");
    let stream = redeem(server.address, &ticket(&server, first).await, &[ORIGIN]).await;
    let mut listener = Listener { line: stream.into(), story: Story::default() };
    listener.live().await;
    publisher.tell("mall:1001", "k", "with the first token").await;
    listener.hears("with the first token").await;
    let end = Timestamp::now() + std::time::Duration::from_secs(2);
    let mut until_then = answer(7_654_321, &[1001], None, false);
    until_then["expiresAt"] = end.to_string().into();
    accounts.change(first, Some(until_then));
    let bye = listener.event("bye").await.json();
    assert!(Timestamp::now() >= end, "before its time");
    assert_eq!((&bye["reason"], &bye["reconnect"]), (&"expired".into(), &false.into()));
    assert!(listener.next().await.is_none(), "something behind the goodbye");
    let ended = post(server.address, &[("Authorization", &bearer(first)), ORIGIN]).await;
    assert_eq!(problem(ended, 401).await, "bad_token");

    publisher.tell("mall:1001", "k", "between the two").await;
    let path = format!("{}&last_event_id={}", ticket(&server, second).await, listener.story.position.as_ref().unwrap());
    let mut listener = Listener { line: redeem(server.address, &path, &[ORIGIN]).await.into(), story: listener.cut() };
    publisher.tell("mall:1001", "k", "with the second token").await;
    listener.hears("with the second token").await;
    listener.story.check(&publisher.sent(), |_| true);
}
