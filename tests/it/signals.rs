//! Signals: who is logged out, or moved to another mall, feels it on the open stream, on every node, at once.

use std::time::{Duration, Instant};

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{
    Accounts, Kafka, Listener, PATIENCE, Publisher, Server, Story,
    accounts::{answer, token},
    sse::Stream,
    topics,
    transport::Line,
    until,
    websocket::Socket,
};

/// D11. A test that waited for it says how long it took; nothing else here depends on time.
const AT_ONCE: Duration = Duration::from_secs(2);

/// A broker with the topic, and nodes that hear it. Only signals bring news: the re-check is far away.
async fn stage<const N: usize>(env: &[(&str, &str)]) -> (Kafka, Accounts, [Server; N]) {
    stage_on(Kafka::start().await, env).await
}

async fn stage_on<const N: usize>(kafka: Kafka, env: &[(&str, &str)]) -> (Kafka, Accounts, [Server; N]) {
    let accounts = Accounts::start().await;
    topics::create(kafka.address.signals(), 2, 1).await;
    let env = [env, &[("ALLIM_HTTP_RECHECK_SECONDS", "3600")]].concat();
    let mut servers = Vec::new();
    for _ in 0..N {
        servers.push(Server::start(&kafka, &accounts, &env).await);
    }
    for server in &servers {
        until("signals are heard", async || server.metric("allim_signals_live").await == 1.0).await;
    }
    (kafka, accounts, servers.try_into().ok().unwrap())
}

fn hash(token: &str) -> String {
    Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads to the end of the stream.
async fn bye(listener: &mut Listener) -> Value {
    listener.event("bye").await.json()
}

async fn status_of(server: &Server, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    Stream::get(server.address, "/notifications", &[("Authorization", &bearer)]).await.unwrap().status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_its_streams_on_every_node_and_no_others() {
    let (kafka, accounts, [one, two]) = stage::<2>(&[]).await;
    let publisher = Publisher::new(kafka.address);
    let (revoked, kept, other) = (token(1, &[7], None, false), token(1, &[7], None, true), token(2, &[7], None, false));
    let mut ending = Vec::new();
    for server in [&one, &two, &one] {
        let mut listener = Listener::open(server.address, &revoked, None).await;
        listener.live().await;
        ending.push(listener);
    }
    let mut staying = Vec::new();
    for token in [&kept, &other] {
        let mut listener = Listener::open(two.address, token, None).await;
        listener.live().await;
        staying.push(listener);
    }
    accounts.change(&revoked, None);
    let said = Instant::now();
    publisher.signal(&json!({"type": "token.revoked", "adminNo": 1, "tokenSha256": hash(&revoked)})).await;
    for listener in &mut ending {
        let bye = bye(listener).await;
        assert_eq!((bye["reason"].as_str(), bye["reconnect"].as_bool()), (Some("revoked"), Some(false)));
        assert!(listener.next().await.is_none(), "nothing comes after it");
    }
    assert!(said.elapsed() < AT_ONCE, "ended only after {:?}", said.elapsed());
    publisher.tell("mall:7", "mall:7", "after").await;
    for listener in &mut staying {
        listener.hears("after").await;
    }
    for server in [&one, &two] {
        assert_eq!(status_of(server, &revoked).await, 401, "nor does a cached right let it in again");
        assert_eq!(status_of(server, &kept).await, 200);
    }
}

/// "Log out everywhere": a signal without a token means every token of the operator, whatever the account service says.
#[tokio::test(flavor = "multi_thread")]
async fn all_tokens_of_an_operator_can_be_revoked_while_the_account_service_is_ill() {
    let (kafka, accounts, [server]) = stage::<1>(&[]).await;
    let tokens = [token(1, &[7], None, false), token(1, &[7], None, true)];
    let mut listeners = Vec::new();
    for token in &tokens {
        let mut listener = Listener::open(server.address, token, None).await;
        listener.live().await;
        listeners.push(listener);
    }
    accounts.fall_ill(true);
    Publisher::new(kafka.address).signal(&json!({"type": "token.revoked", "adminNo": 1})).await;
    for listener in &mut listeners {
        assert_eq!(bye(listener).await["reason"], "revoked");
    }
    // Known a moment ago, and not let in on the strength of that: somebody has said that it may be over.
    let mut again = Listener::open(server.address, &tokens[0], None).await;
    assert_eq!(bye(&mut again).await["reason"], "accounts");
}

/// Somebody is deactivated: the rights change and the tokens end, in one breath, and the account service has not noticed
/// yet. A question about the first must not swallow the second.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_behind_a_change_ends_the_stream_whatever_the_account_service_says() {
    let (kafka, _accounts, [server]) = stage::<1>(&[]).await;
    let mut listeners = Vec::new();
    for operator in 1..=150 {
        listeners.push(Listener::open(server.address, &token(operator, &[7], None, false), None).await);
    }
    for listener in &mut listeners {
        listener.live().await;
    }
    let publisher = Publisher::new(kafka.address);
    let signals: Vec<Value> = ["admin.changed", "token.revoked"]
        .iter()
        .flat_map(|kind| (1..=150).map(move |operator| json!({"type": kind, "adminNo": operator})))
        .collect();
    futures::future::join_all(signals.iter().map(|signal| publisher.signal(signal))).await;
    for listener in &mut listeners {
        assert_eq!(bye(listener).await["reason"], "revoked");
    }
}

/// Also for who comes afterwards, and for the stream that was being opened: the account service still says yes.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_ended_does_not_come_to_life_again() {
    let (kafka, accounts, [server]) = stage::<1>(&[]).await;
    let over = token(1, &[7], None, false);
    accounts.hold_answers(true);
    let (address, who) = (server.address, over.clone());
    let opening = tokio::spawn(async move {
        Stream::get(address, "/notifications", &[("Authorization", &format!("Bearer {who}"))]).await
    });
    until("it is asked for", async || accounts.calls() > 0).await;
    Publisher::new(kafka.address)
        .signal(&json!({"type": "token.revoked", "adminNo": 1, "tokenSha256": hash(&over)}))
        .await;
    until("the signal is heard", async || server.metric("allim_signals_total{type=\"token.revoked\"}").await >= 1.0)
        .await;
    accounts.hold_answers(false);
    assert_eq!(opening.await.unwrap().unwrap().status, 401);
    assert_eq!(status_of(&server, &over).await, 401);
    assert_eq!(status_of(&server, &token(1, &[7], None, true)).await, 200, "another token of the same operator");
}

/// A session is switched to another operator: the seat, the tickets and the messages to the person are the former one's.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_becomes_another_operators_ends_its_streams() {
    let (kafka, accounts, [server]) = stage::<1>(&[]).await;
    let session = token(1, &[7], None, false);
    let mut listener = Listener::open(server.address, &session, None).await;
    listener.live().await;
    accounts.change(&session, Some(answer(2, &[7], None, false)));
    Publisher::new(kafka.address).signal(&json!({"type": "admin.changed", "adminNo": 1})).await;
    assert_eq!(bye(&mut listener).await["reason"], "revoked");
    let mut again = Listener::open(server.address, &session, None).await;
    again.live().await;
}

/// The operator's malls change: what is on the screen may be wrong, so the list is reloaded, and from there on only what
/// the new rights allow. Nobody is logged out.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_moved_from_one_mall_to_another_is_told_and_sees_only_the_new_one() {
    let (kafka, accounts, [server]) = stage::<1>(&[]).await;
    let publisher = Publisher::new(kafka.address);
    let operator = token(1, &[7], None, false);
    let mut listener = Listener::open(server.address, &operator, None).await;
    listener.live().await;
    let before = listener.story.hellos[0]["scope"].clone();
    publisher.tell("mall:7", "mall:7", "of the first mall").await;
    listener.hears("of the first mall").await;
    accounts.change(&operator, Some(answer(1, &[8], None, false)));
    let said = Instant::now();
    publisher.signal(&json!({"type": "admin.changed", "adminNo": 1})).await;
    assert_eq!(listener.event("gap").await.json()["reason"], "scope");
    assert!(said.elapsed() < AT_ONCE, "told only after {:?}", said.elapsed());
    for i in 0..5 {
        publisher.tell("mall:7", "mall:7", &format!("not theirs any more {i}")).await;
        publisher.tell("mall:8", "mall:8", &format!("of the second mall {i}")).await;
    }
    listener.hears("of the second mall 4").await;
    let seen = listener.story.titles();
    assert!(!seen.iter().any(|title| title.contains("not theirs")), "{seen:?}");
    // Replayed, it is the same; and a page can see that its list is of other rights.
    let mut back = Listener::open(server.address, &operator, Some("earliest")).await;
    back.live().await;
    assert!(back.story.titles().iter().all(|title| title.contains("second mall")), "{:?}", back.story.titles());
    assert_ne!(back.story.hellos[0]["scope"], before);
    assert_eq!(accounts.calls(), 2, "asked at the connect and after the signal");
}

/// Rights that changed and cannot be asked for are no rights: the stream ends, and comes back when the service is well.
#[tokio::test(flavor = "multi_thread")]
async fn changed_rights_that_cannot_be_asked_for_end_the_stream() {
    let (kafka, accounts, [server]) = stage::<1>(&[("ALLIM_ACCOUNTS_TIMEOUT_MILLISECONDS", "500")]).await;
    let (changed, other) = (token(1, &[7], None, false), token(2, &[7], None, false));
    let mut listener = Listener::open(server.address, &changed, None).await;
    let mut unconcerned = Listener::open(server.address, &other, None).await;
    listener.live().await;
    unconcerned.live().await;
    accounts.answer_after(PATIENCE);
    let publisher = Publisher::new(kafka.address);
    let said = Instant::now();
    publisher.signal(&json!({"type": "admin.changed", "adminNo": 1})).await;
    let bye = bye(&mut listener).await;
    assert_eq!((bye["reason"].as_str(), bye["reconnect"].as_bool()), (Some("accounts"), Some(true)));
    assert!(said.elapsed() < AT_ONCE, "ended only after {:?}", said.elapsed());
    publisher.tell("mall:7", "mall:7", "for who stays").await;
    unconcerned.hears("for who stays").await;
}

/// The answer was on its way when the right ended: it is thrown away, on the stream that was being opened, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_in_flight_during_a_revocation_is_thrown_away() {
    let (kafka, accounts, [server]) = stage::<1>(&[]).await;
    let publisher = Publisher::new(kafka.address);
    let operator = token(1, &[7], None, false);
    let calls = accounts.calls();
    // Decided with the rights of before, told after the signal.
    accounts.hold_answers(true);
    let opening = tokio::spawn({
        let (address, operator) = (server.address, operator.clone());
        async move { Stream::get(address, "/notifications", &[("Authorization", &format!("Bearer {operator}"))]).await }
    });
    until("it is asked and decided", async || accounts.decided() > calls).await;
    accounts.change(&operator, None);
    publisher.signal(&json!({"type": "token.revoked", "adminNo": 1})).await;
    let heard = "allim_signals_total{type=\"token.revoked\"}";
    until("the signal is heard", async || server.metric(heard).await == 1.0).await;
    accounts.hold_answers(false);
    assert_eq!(opening.await.unwrap().unwrap().status, 401);
    assert_eq!(accounts.calls(), calls + 2, "the first answer was good, and void");
}

/// A WebSocket may be silent for five seconds before it says where it goes on; the rights that count are those of then.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_revoked_or_moved_before_its_first_word_is_told_nothing_of_before() {
    let (kafka, accounts, [server]) = stage::<1>(&[]).await;
    let publisher = Publisher::new(kafka.address);
    for i in 0..50 {
        publisher.tell("mall:7", "mall:7", &format!("event {i}")).await;
    }
    let silent = async |number: u64| {
        let operator = token(number, &[7], None, false);
        let bearer = format!("Bearer {operator}");
        let socket = Socket::open(server.address, "/ws", &[("Authorization", &bearer)]).await.unwrap();
        (operator, socket)
    };
    let ((revoked, mut first), (moved, mut second)) = (silent(1).await, silent(2).await);
    accounts.change(&revoked, None);
    accounts.change(&moved, Some(answer(2, &[8], None, false)));
    publisher.signal(&json!({"type": "token.revoked", "adminNo": 1})).await;
    publisher.signal(&json!({"type": "admin.changed", "adminNo": 2})).await;
    let heard = async |kind: &str| server.metric(&format!("allim_signals_total{{type=\"{kind}\"}}")).await == 1.0;
    until("the signals are heard", async || heard("token.revoked").await && heard("admin.changed").await).await;

    first.resume(Some("earliest")).await.unwrap();
    let said = first.next().await.unwrap().expect("a word");
    assert_eq!((said.name.as_str(), &said.json()["code"]), ("error", &json!("bad_token")));
    assert!(first.next().await.unwrap().is_none());
    assert_eq!(first.code, Some(4401));

    second.resume(Some("earliest")).await.unwrap();
    let mut listener = Listener { line: Line::WebSocket(second), story: Story::default() };
    listener.live().await;
    publisher.tell("mall:8", "mall:8", "of the new one").await;
    listener.hears("of the new one").await;
    assert_eq!(listener.story.titles(), ["of the new one"]);
}

/// Brokers that go and come back bring the signals of meanwhile; a topic that grows is heard in its new partitions.
#[tokio::test(flavor = "multi_thread")]
async fn signals_survive_brokers_and_partitions() {
    let (mut kafka, accounts, [server]) = stage_on::<1>(Kafka::alone(3).await, &[]).await;
    let listen = async |number: u64| {
        let mut listener = Listener::open(server.address, &token(number, &[7], None, false), None).await;
        listener.live().await;
        listener
    };
    let mut first = listen(1).await;
    kafka.go_away().await;
    until("it is noticed", async || server.metric("allim_signals_live").await == 0.0).await;
    kafka.come_back().await;
    Publisher::new(kafka.address).signal(&json!({"type": "token.revoked", "adminNo": 1})).await;
    assert_eq!(bye(&mut first).await["reason"], "revoked");
    topics::grow(kafka.address.signals(), 8).await;
    until("the new ones are read", async || server.metric("allim_partitions{log=\"signals\"}").await == 8.0).await;
    let publisher = Publisher::new(kafka.address);
    for number in 2..12 {
        let mut listener = listen(number).await;
        publisher.signal(&json!({"type": "token.revoked", "adminNo": number})).await;
        assert_eq!(bye(&mut listener).await["reason"], "revoked");
    }
    drop(accounts);
}

/// The rule of D11 for a topic that exists and cannot be read: the doors are open, but not on old rights.
#[tokio::test(flavor = "multi_thread")]
async fn where_signals_cannot_be_read_old_rights_let_nobody_in_and_where_there_are_none_they_do() {
    let usual = [("ALLIM_ACCOUNTS_FRESH_SECONDS", "1")];
    let (mut kafka, accounts, [server]) = stage_on::<1>(Kafka::alone(3).await, &usual).await;
    let operator = token(1, &[7], None, false);
    assert_eq!(status_of(&server, &operator).await, 200);
    accounts.fall_ill(true);
    kafka.go_away().await;
    until("it is noticed", async || server.metric("allim_signals_live").await == 0.0).await;
    // Within half a minute the last answer still serves; that it does not after that is shown in `identity::cache`.
    let mut known = Listener::open(server.address, &operator, None).await;
    known.event("hello").await;

    // A topic that was never there promises nothing: the rule for an ill account service is the usual one.
    let kafka = Kafka::start().await;
    let quiet = Server::start(&kafka, &accounts, &usual).await;
    let warned = "there is no topic of signals";
    until("it is said", async || quiet.log().contains(warned)).await;
    assert_eq!(quiet.log().matches(warned).count(), 1);
    let client: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", kafka.address.to_string()).create().unwrap();
    let asked = tokio::task::spawn_blocking(move || client.fetch_metadata(None, PATIENCE).unwrap()).await.unwrap();
    let created = asked.topics().iter().any(|topic| topic.name() == kafka.address.signals().topic);
    assert!(!created, "and we do not create it");
}

/// What is no signal is counted, and stops nothing.
#[tokio::test(flavor = "multi_thread")]
async fn odd_records_on_the_signals_topic_stop_nothing() {
    let (kafka, _accounts, [server]) = stage::<1>(&[]).await;
    let publisher = Publisher::new(kafka.address);
    let mut listener = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    listener.live().await;
    for odd in
        [json!("token.revoked"), json!({"type": "token.revoked"}), json!({"type": "admin.changed", "adminNo": "x"})]
    {
        publisher.signal(&odd).await;
    }
    publisher.signal(&json!({"type": "mall.closed", "adminNo": 1})).await;
    publisher.signal(&json!({"type": "read.changed", "adminNo": 1})).await;
    let count = async |kind: &str| server.metric(&format!("allim_signals_total{{type=\"{kind}\"}}")).await;
    until("all are read", async || {
        (count("malformed").await, count("unknown").await, count("read.changed").await) == (3.0, 1.0, 1.0)
    })
    .await;
    publisher.tell("mall:7", "mall:7", "after").await;
    listener.hears("after").await;
    publisher.signal(&json!({"type": "token.revoked", "adminNo": 1, "tokenSha256": "not a hash"})).await;
    assert_eq!(bye(&mut listener).await["reason"], "revoked", "in doubt, all of them");
}
