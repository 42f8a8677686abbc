//! Who is asking: one question per token, no right without a clear answer, and an answer in time whatever happens.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use allim::{
    demo::accounts::Accounts,
    identity::{Identity, Pointers, Refused, Settings, Signal, Token},
    notification::{AdminNo, Lang, MallNo, Viewer},
    telemetry::Metrics,
};
use axum::{Router, body::Body, extract::State, http::HeaderMap, response::Response, routing::get};
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify};

/// An account service that counts, and does what it is told.
#[derive(Clone, Default)]
struct Stub(Arc<Inner>);

#[derive(Default)]
struct Inner {
    asked: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    /// Answers 503.
    ill: AtomicBool,
    /// Keeps questions until `go` is notified, or for ever.
    holds: AtomicBool,
    go: Notify,
    /// What a good token is answered; a default where nothing is set.
    answer: std::sync::Mutex<Option<(u16, Vec<u8>)>>,
}

fn good_answer() -> Value {
    json!({"adminNo": 70001, "name": "김하늘", "adminStatus": "ACTIVE", "malls": [{"mallNo": 1001}], "partner": null,
           "permitsPrivateInformation": true, "locale": "en"})
}

impl Stub {
    async fn start() -> (Stub, SocketAddr) {
        let stub = Stub::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/me", get(answer))
            .route("/elsewhere", get(async || good_answer().to_string()))
            .with_state(stub.clone());
        tokio::spawn(axum::serve(listener, routes).into_future());
        (stub, address)
    }

    fn asked(&self) -> usize {
        self.0.asked.load(SeqCst)
    }

    fn answers(&self, status: u16, body: impl Into<Vec<u8>>) {
        *self.0.answer.lock().unwrap() = Some((status, body.into()));
    }
}

struct Here<'a>(&'a AtomicUsize);

impl Drop for Here<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

async fn answer(State(stub): State<Stub>, headers: HeaderMap) -> Response {
    let inner = &stub.0;
    // From here on it hears of `go`, so that nobody who saw the question counted can be too early.
    let go = inner.go.notified();
    inner.asked.fetch_add(1, SeqCst);
    let now = inner.at_once.fetch_add(1, SeqCst) + 1;
    inner.most_at_once.fetch_max(now, SeqCst);
    let made = inner.answer.lock().unwrap().clone();
    // Counts down also where the asker goes away while it is held.
    let here = Here(&inner.at_once);
    if inner.holds.load(SeqCst) {
        go.await;
    }
    drop(here);
    let token = headers["authorization"].to_str().unwrap().to_owned();
    let (status, body) = match made {
        _ if inner.ill.load(SeqCst) => (503, Vec::new()),
        _ if !token.starts_with("Bearer good") => (401, Vec::new()),
        Some(made) => made,
        None => (200, good_answer().to_string().into_bytes()),
    };
    Response::builder().status(status).header("location", "/elsewhere").body(Body::from(body)).unwrap()
}

fn settings(accounts_url: String) -> Settings {
    let text = str::to_owned;
    Settings {
        accounts_url,
        token_header: text("Authorization"),
        token_cookie: text("allim_token"),
        pointers: Pointers {
            admin_no: text("/adminNo"),
            name: text("/name"),
            status: text("/adminStatus"),
            malls: text("/malls"),
            mall_no: text("/mallNo"),
            partner_no: text("/partner/partnerNo"),
            permits_private_information: text("/permitsPrivateInformation"),
            locale: text("/locale"),
            expires_at: text("/expiresAt"),
        },
        fresh: Duration::from_secs(30),
        stale: Duration::from_secs(300),
        refused: Duration::from_secs(5),
        timeout: Duration::from_millis(1500),
        concurrent: 32,
        remembered: 100_000,
    }
}

async fn begin(change: impl Fn(&mut Settings)) -> (Stub, Identity, Metrics) {
    let (stub, address) = Stub::start().await;
    let mut settings = settings(format!("http://{address}/me"));
    change(&mut settings);
    let metrics = Metrics::new();
    (stub, Identity::new(&settings, &metrics).unwrap(), metrics)
}

fn token(text: &str) -> Token {
    Token::new(text).unwrap()
}

/// Asks on until it is so; the test's own end bounds it.
async fn until(mut so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !so().await {
        assert!(began.elapsed() < Duration::from_secs(20), "this never came to be");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_33_ten_thousand_with_one_cold_token_are_one_question() {
    let (stub, identity, metrics) = begin(|_| {}).await;
    stub.0.holds.store(true, SeqCst);
    let everybody: Vec<_> = (0..10_000)
        .map(|_| {
            let identity = identity.clone();
            tokio::spawn(async move { identity.who(&token("good")).await })
        })
        .collect();
    until(async || stub.asked() == 1).await;
    // Whoever leaves while others wait takes nothing with them.
    everybody[0].abort();
    stub.0.holds.store(false, SeqCst);
    stub.0.go.notify_waiters();
    let viewers: Vec<Arc<Viewer>> =
        join_all(everybody).await.into_iter().filter_map(|one| one.ok().map(Result::unwrap)).collect();
    assert!(viewers.len() >= 9_999);
    assert!(viewers.iter().all(|viewer| viewer.admin.get() == 70001 && viewer.lang == Lang::En));
    assert_eq!(stub.asked(), 1);
    identity.who(&token("good")).await.unwrap();
    assert_eq!(stub.asked(), 1, "fresh for a while");
    assert!(metrics.lookups.with("fresh").get() >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_bad_tokens_push_out_no_good_one() {
    let (stub, identity, metrics) = begin(|settings| {
        settings.remembered = 100;
        // Long: a busy machine is no reason to ask again.
        (settings.timeout, settings.fresh) = (Duration::from_secs(60), Duration::from_secs(600));
    })
    .await;
    for n in 0..50 {
        identity.who(&token(&format!("good-{n}"))).await.unwrap();
    }
    for start in (0..10_000).step_by(200) {
        let bad: Vec<Token> = (start..start + 200).map(|n| token(&format!("bad-{n}"))).collect();
        let answers = join_all(bad.iter().map(|bad| identity.who(bad))).await;
        assert!(answers.iter().all(|answer| *answer == Err(Refused::Unknown)));
    }
    assert!(stub.0.most_at_once.load(SeqCst) <= 32, "no more at once than the settings say");
    let asked = stub.asked();
    for n in 0..50 {
        identity.who(&token(&format!("good-{n}"))).await.unwrap();
    }
    assert_eq!(stub.asked(), asked, "each good one is still known");
    identity.who(&token("bad-again")).await.unwrap_err();
    identity.who(&token("bad-again")).await.unwrap_err();
    assert_eq!(stub.asked(), asked + 1, "a refusal is remembered");
    assert!(metrics.lookups.with("refused").get() >= 10_002);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_service_is_ill_known_operators_go_on_and_unknown_ones_are_not_refused() {
    let (stub, identity, metrics) = begin(|settings| {
        settings.fresh = Duration::from_millis(20);
        settings.refused = Duration::from_millis(20);
    })
    .await;
    identity.who(&token("good")).await.unwrap();
    stub.0.ill.store(true, SeqCst);
    until(async || {
        assert_eq!(identity.who(&token("good")).await.unwrap().admin.get(), 70001);
        metrics.lookups.with("stale").get() > 3
    })
    .await;
    let asked = stub.asked();
    for _ in 0..100 {
        assert_eq!(identity.who(&token("good-unseen")).await, Err(Refused::Unavailable));
    }
    assert!(stub.asked() <= asked + 3, "a storm does not queue: {} questions", stub.asked() - asked);
    // A clear no ends what was known, also when the service is ill again right after.
    stub.0.ill.store(false, SeqCst);
    stub.answers(403, "");
    until(async || identity.who(&token("good")).await == Err(Refused::Unknown)).await;
    stub.0.ill.store(true, SeqCst);
    until(async || {
        let answer = identity.who(&token("good")).await;
        assert!(answer.is_err(), "what was refused must not come back as the last good answer");
        answer == Err(Refused::Unavailable)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_known_serves_an_ill_service_only_for_a_while() {
    let (stub, identity, _) = begin(|settings| {
        settings.fresh = Duration::from_millis(10);
        settings.stale = Duration::from_millis(300);
    })
    .await;
    identity.who(&token("good")).await.unwrap();
    stub.0.ill.store(true, SeqCst);
    until(async || identity.who(&token("good")).await == Err(Refused::Unavailable)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_hangs_or_is_gone_gets_its_answer_within_two_seconds() {
    let (stub, identity, _) = begin(|_| {}).await;
    stub.0.holds.store(true, SeqCst);
    let began = Instant::now();
    // Two hundred tokens over thirty-two turns: also whoever waits for a turn hears in time.
    let tokens: Vec<Token> = (0..200).map(|n| token(&format!("good-{n}"))).collect();
    let everybody = join_all(tokens.iter().map(|token| identity.who(token)));
    let all_turns_are_taken = async {
        until(async || stub.0.at_once.load(SeqCst) >= 32).await;
        // Before the first gave up; later the service may hear the next before it notices that one went away.
        stub.asked()
    };
    let (answers, asked) = futures::join!(everybody, all_turns_are_taken);
    assert_eq!(asked, 32);
    assert!(answers.iter().all(|answer| *answer == Err(Refused::Unavailable)));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());

    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let identity = Identity::new(&settings(format!("http://{gone}/me")), &Metrics::new()).unwrap();
    assert_eq!(identity.who(&token("good")).await, Err(Refused::Unavailable));
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_gives_no_right_and_refuses_nobody() {
    let (stub, identity, _) = begin(|_| {}).await;
    let replaced = |field: &str, value: Value| {
        let mut answer = good_answer();
        answer[field] = value;
        answer.to_string()
    };
    let twice = good_answer().to_string().repeat(2);
    let bodies = [
        String::new(),
        " ".into(),
        "null".into(),
        "true".into(),
        "70001".into(),
        "\"good\"".into(),
        "[]".into(),
        "{}".into(),
        "{\"adminNo\":70001".into(),
        "<html><body>503</body></html>".into(),
        "[".repeat(50_000),
        twice,
        format!("[{}]", good_answer()),
        format!("{}{}", good_answer(), " ".repeat(65 * 1024)),
        "x".repeat(50_000_000),
        replaced("adminNo", Value::Null),
        replaced("adminNo", json!("*")),
        replaced("adminNo", json!(0)),
        replaced("adminNo", json!(-70001)),
        replaced("adminNo", json!(7e30)),
        replaced("adminNo", json!([70001])),
        replaced("adminStatus", Value::Null),
        replaced("adminStatus", json!(["ACTIVE"])),
        replaced("malls", json!("1001")),
        replaced("malls", json!("*")),
        replaced("malls", json!(["1001"])),
        replaced("malls", json!([{"mallNo": null}])),
        replaced("partner", json!({})),
        replaced("partner", json!("501")),
        replaced("expiresAt", json!("later")),
    ];
    assert_eq!(bodies.len(), 30);
    for (n, body) in bodies.into_iter().enumerate() {
        let shown: String = body.chars().take(80).collect();
        stub.answers(200, body);
        let answer = identity.who(&token(&format!("good-{n}"))).await;
        assert_eq!(answer, Err(Refused::Unavailable), "{shown}");
    }
    stub.answers(200, [0xff, 0xfe, 0x00]);
    assert_eq!(identity.who(&token("good-bytes")).await, Err(Refused::Unavailable));
    for status in [201, 204, 302, 307, 400, 429, 500, 502] {
        stub.answers(status, good_answer().to_string());
        let answer = identity.who(&token(&format!("good-status-{status}"))).await;
        assert_eq!(answer, Err(Refused::Unavailable), "{status}");
    }
    stub.answers(200, replaced("malls", Value::Null));
    let viewer = identity.who(&token("good-without-malls")).await.unwrap();
    assert!(viewer.malls().is_empty(), "no malls are none, never all");
    for (n, status) in ["LOCKED", "DORMANT", "active"].into_iter().enumerate() {
        stub.answers(200, replaced("adminStatus", json!(status)));
        assert_eq!(identity.who(&token(&format!("good-inactive-{n}"))).await, Err(Refused::Unknown));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_asked_for_before_a_signal_is_thrown_away() {
    let admin = good_answer()["adminNo"].clone();
    let of_admin: AdminNo = serde_json::from_value(admin).unwrap();
    for signal in [Signal::TokensRevoked(of_admin), Signal::AdminChanged(of_admin)] {
        thrown_away_after(signal).await;
    }
}

/// Somebody has said that this very token is over; an account service that has not noticed is not asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_unknown_whatever_the_account_service_says() {
    let (stub, identity, _) = begin(|_| {}).await;
    identity.who(&token("good")).await.unwrap();
    identity.hear(Signal::TokenRevoked(token("good").hash()));
    assert_eq!(identity.who(&token("good")).await, Err(Refused::Unknown));
    assert_eq!(identity.ask_anew(&token("good")).await, Err(Refused::Unknown));
    identity.who(&token("good-other")).await.unwrap();
    assert_eq!(stub.asked(), 2, "once for each of the two");
}

async fn thrown_away_after(signal: Signal) {
    let (stub, identity, _) = begin(|_| {}).await;
    stub.0.holds.store(true, SeqCst);
    let early = tokio::spawn({
        let identity = identity.clone();
        async move { identity.who(&token("good")).await }
    });
    until(async || stub.asked() == 1).await;
    // The old answer is on its way; now the rights change, and a signal says so.
    identity.hear(signal);
    let mut changed = good_answer();
    changed["malls"] = json!([{"mallNo": 1002}]);
    stub.answers(200, changed.to_string());
    stub.0.holds.store(false, SeqCst);
    stub.0.go.notify_waiters();
    let new_rights = [MallNo::new(1002).unwrap()];
    assert_eq!(early.await.unwrap().unwrap().malls(), new_rights);
    assert_eq!(identity.who(&token("good")).await.unwrap().malls(), new_rights);
    assert_eq!(stub.asked(), 2);
    // Nor does it come back as the last good one.
    identity.hear(signal);
    stub.0.ill.store(true, SeqCst);
    assert_eq!(identity.who(&token("good")).await, Err(Refused::Unavailable));
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_anew_sees_changed_rights_and_ends_with_the_token() {
    let (stub, identity, _) = begin(|_| {}).await;
    assert!(identity.who(&token("good")).await.unwrap().sees_personal);
    let mut changed = good_answer();
    changed["permitsPrivateInformation"] = json!(false);
    changed["expiresAt"] = json!((jiff::Timestamp::now() + Duration::from_millis(300)).to_string());
    stub.answers(200, changed.to_string());
    assert!(identity.who(&token("good")).await.unwrap().sees_personal, "fresh");
    assert!(!identity.ask_anew(&token("good")).await.unwrap().sees_personal);
    assert!(!identity.who(&token("good")).await.unwrap().sees_personal, "and from here on for all");
    // An answer does not outlive its token, neither fresh nor while the service is ill.
    stub.0.ill.store(true, SeqCst);
    until(async || identity.who(&token("good")).await == Err(Refused::Unavailable)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_cast_is_read_with_the_usual_settings() {
    let accounts = Accounts::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let identity = Identity::new(&settings(accounts.url()), &Metrics::new()).unwrap();
    let who = async |text: &str| identity.who(&token(text)).await;
    let sky = who("demo-70001").await.unwrap();
    assert_eq!((sky.name.as_str(), sky.sees_personal, sky.partner), ("김하늘", true, None));
    assert!(!who("demo-70002").await.unwrap().sees_personal);
    assert_eq!(who("demo-70010").await.unwrap().malls().len(), 2);
    let partner = who("demo-80501").await.unwrap();
    assert_eq!((partner.partner.unwrap().get(), partner.sees_personal), (501, false));
    assert_eq!(who("demo-10000").await.unwrap().malls(), [MallNo::new(10).unwrap()]);
    assert_eq!(who("demo-7000").await, Err(Refused::Unknown));
    accounts.stop().await;
    assert_eq!(who("demo-70003").await, Err(Refused::Unavailable));
}
