//! The demo's shop and its doors: a round without waiting for it, and the real thing for what has to be seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use allim::{
    demo::{
        accounts,
        mall::{
            events,
            exports::{Export, ROWS},
            timeline::{MOST_EXPORTS, ROUND, Timeline, What},
        },
    },
    http::Pace,
    ingest::{Decoder, RawRecord},
    notification::{Catalogue, Coordinates, Epoch, Notification, Prepared, Sight, Viewer},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::{
    Accounts, Kafka, Listener, PATIENCE, Server,
    answers::problem,
    posts::{Answer, post, refused},
    secrets,
    sse::Stream,
    topics, until,
};

const BIRTH: i64 = 1_795_000_000;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// All that happens until then, and when.
fn play(timeline: &mut Timeline, until: Duration) -> Vec<(Duration, What)> {
    let mut played = Vec::new();
    while let Some(at) = timeline.next().filter(|at| *at <= until) {
        played.extend(timeline.due(at).into_iter().map(|what| (at, what)));
    }
    played
}

/// As a node would understand the record.
fn published(what: &What, at: Duration) -> Notification {
    let now = Timestamp::from_second(BIRTH + i64::try_from(at.as_secs()).unwrap()).unwrap();
    let record = events::of(what, now).record("id", now);
    let decoder = Decoder {
        catalogue: Catalogue::builtin(),
        legacy_text: true,
        type_prefix: "kr.co.shopby.".into(),
        max_record_bytes: 262_144,
    };
    let headers = record.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes()))).collect();
    let coordinates = Coordinates { epoch: Epoch(0), partition: 0, offset: 0 };
    let key = record.key.as_deref().map(str::as_bytes);
    decoder.decode(&RawRecord { coordinates, timestamp: now, key, headers, value: Some(&record.value) }).unwrap()
}

fn who(notification: &Notification) -> BTreeSet<u64> {
    let sees = |viewer: &Viewer| notification.audience.includes(viewer, notification.mall);
    accounts::viewers().iter().filter(|viewer| sees(viewer)).map(|viewer| viewer.admin.get()).collect()
}

fn set(numbers: &[u64]) -> BTreeSet<u64> {
    numbers.iter().copied().collect()
}

#[test]
fn a_calm_round_tells_each_thing_to_whom_it_concerns() {
    let mut timeline = Timeline::new(BIRTH);
    timeline.go(Pace::Calm, seconds(7));
    let played = play(&mut timeline, seconds(7) + ROUND - Duration::from_millis(1));
    assert!(
        matches!(played[0], (at, What::Order { mall: 1001, .. }) if at == seconds(7)),
        "the first order comes at once"
    );

    let operators = set(&[70_001, 70_002, 70_010]);
    let and = |partner: u64| operators.iter().copied().chain([partner]).collect::<BTreeSet<u64>>();
    let everybody: BTreeSet<u64> = accounts::viewers().iter().map(|viewer| viewer.admin.get()).collect();
    let mut count = BTreeMap::new();
    for (at, what) in &played {
        let notification = published(what, *at);
        let kind = notification.type_name.to_string();
        let sees = who(&notification);
        let expected = match kind.as_str() {
            "order.created" => None,
            "claim.requested" | "claim.status_changed" | "product.approval.approved" => Some(and(80_501)),
            "product.inquiry.created" => Some(and(80_502)),
            "notice.published" => Some(everybody.clone()),
            excel if excel.starts_with("excel.") => Some(set(&[70_001])),
            _ => Some(operators.clone()),
        };
        match expected {
            Some(expected) => assert_eq!(sees, expected, "{kind}"),
            None if sees.contains(&70_001) => assert!(sees.is_superset(&operators) && !sees.contains(&70_003)),
            None => assert!(sees.is_superset(&set(&[70_003, 70_010])) && !sees.contains(&70_002)),
        }
        let catalogue = Catalogue::builtin();
        assert_eq!(catalogue.knows(&kind), kind != "stock.recounted", "{kind}");
        let prepared = Prepared::new(&notification, &catalogue).unwrap();
        for viewer in accounts::viewers().iter().filter(|viewer| sees.contains(&viewer.admin.get())) {
            let wire = prepared.json(Sight::of(viewer, None));
            let wire: serde_json::Value = serde_json::from_str(&wire).unwrap();
            assert!(!wire["title"].as_str().unwrap().contains(&kind), "it has words of its own: {wire}");
        }
        *count.entry(kind).or_insert(0) += 1;
    }
    let orders = count.remove("order.created").unwrap();
    assert!((34..=38).contains(&orders), "{orders}");
    assert_eq!(count.remove("excel.export.progress"), Some(5));
    assert_eq!(count.len(), 12, "{count:?}");
    assert!(count.values().all(|times| *times == 1), "{count:?}");
    for partner in [80_501, 80_502] {
        let of_orders = played.iter().filter(|(_, what)| matches!(what, What::Order { .. }));
        let seen = of_orders.filter(|(at, what)| who(&published(what, *at)).contains(&partner)).count();
        assert!((5..orders).contains(&seen), "{partner} sees {seen} of {orders}");
    }
}

#[test]
fn every_run_is_the_same_and_every_third_export_fails() {
    let run = || {
        let mut timeline = Timeline::new(BIRTH);
        timeline.go(Pace::Calm, Duration::ZERO);
        play(&mut timeline, ROUND * 3)
    };
    assert_eq!(run(), run());
    let mut ends: Vec<String> = Vec::new();
    for (at, what) in run() {
        let notification = published(&what, at);
        let kind = &*notification.type_name;
        if ["excel.export.completed", "excel.export.failed"].contains(&kind) {
            ends.push(kind.rsplit('.').next().unwrap().to_owned());
        }
        if let (What::Export { export, .. }, "excel.export.completed") = (&what, kind) {
            assert!(Export::file(&export.name(), 70_001).is_some());
        }
    }
    assert_eq!(ends, ["completed", "completed", "failed"]);
}

#[test]
fn so_many_exports_of_one_operator_are_under_way_and_no_more() {
    let mut timeline = Timeline::new(BIRTH);
    for _ in 0..MOST_EXPORTS {
        assert!(timeline.export(70_001, 1001, Duration::ZERO).is_some());
    }
    assert!(timeline.export(70_001, 1001, Duration::ZERO).is_none());
    assert!(timeline.export(70_003, 1002, Duration::ZERO).is_some(), "another has not asked yet");
    let said = play(&mut timeline, seconds(1_000));
    assert_eq!(said.len(), (MOST_EXPORTS + 1) * 7);
    assert!(timeline.export(70_001, 1001, seconds(1_000)).is_some(), "they have ended");
}

#[test]
fn a_rush_is_five_hundred_orders_in_ten_seconds_beside_what_goes_on() {
    let mut timeline = Timeline::new(BIRTH);
    timeline.go(Pace::Busy, Duration::ZERO);
    let rush =
        |played: &[(Duration, What)]| played.iter().filter(|(_, what)| matches!(what, What::Rush { .. })).count();
    let first = play(&mut timeline, Duration::from_millis(999));
    assert_eq!(rush(&first), 50);
    let played = play(&mut timeline, seconds(20));
    assert_eq!((rush(&played), timeline.pace()), (450, Pace::Calm));
    assert!(played.iter().any(|(_, what)| matches!(what, What::Export { .. })), "the export goes on");

    // Off: nothing but what an export still has to say.
    let mut timeline = Timeline::new(BIRTH);
    timeline.go(Pace::Busy, Duration::ZERO);
    play(&mut timeline, seconds(6));
    timeline.go(Pace::Off, seconds(6));
    let rest = play(&mut timeline, seconds(1_000));
    assert_eq!(rest.len(), 1 + 5 + 1 - 1, "queued was said: {rest:?}");
    assert!(rest.iter().all(|(_, what)| matches!(what, What::Export { .. })));
    timeline.go(Pace::Calm, seconds(1_000));
    assert_eq!(timeline.next(), Some(seconds(1_000)), "again at once");
}

async fn says(server: &Server, path: &str, token: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    post(server.address, path, if token.is_empty() { &headers[1..] } else { &headers }, body.to_string().as_bytes())
        .await
}

async fn traffic(server: &Server, body: Value) {
    let answer = says(server, "/demo/traffic", "", &body).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{}", answer.head);
}

async fn pace(server: &Server) -> String {
    let (status, answer) = server.get("/demo/traffic").await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(status, 200);
    answer["pace"].as_str().unwrap().to_owned()
}

/// How many records the demo's own broker has.
async fn appended(server: &Server) -> i64 {
    let place = std::fs::read_to_string(server.data.join("kafka.address")).unwrap();
    let place: std::net::SocketAddr = place.trim().parse().unwrap();
    topics::appended(place.into(), 3).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_opens_when_a_page_asks_and_closes_behind_the_last() {
    let server = Server::demo(&[]).await;
    let mut listener = Listener::open(server.address, "demo-70010", None).await;
    listener.live().await;
    assert_eq!(appended(&server).await, 0, "nobody has asked");
    traffic(&server, json!({"pace": "calm", "endsAfterSeconds": 1})).await;
    let first = listener.event("message").await.json();
    assert_eq!((&first["type"], &first["mallNo"]), (&json!("order.created"), &json!(1001)));
    traffic(&server, json!({"pace": "off"})).await;
    let stood = appended(&server).await;

    traffic(&server, json!({"pace": "busy", "endsAfterSeconds": 1})).await;
    until("a rush", async || appended(&server).await > stood + 60).await;
    // It goes on for longer than it would without anybody.
    tokio::time::timeout(PATIENCE, async {
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_secs(2) {
            listener.event("message").await;
        }
    })
    .await
    .unwrap();
    assert_ne!(pace(&server).await, "off");
    drop(listener);
    until("nobody listens", async || server.metric("allim_streams").await == 0.0).await;
    // The rush would last for seconds, the calm for ever.
    until("it stands still", async || pace(&server).await == "off").await;
    let last = appended(&server).await;
    traffic(&server, json!({"pace": "calm"})).await;
    until("it opens again at once", async || appended(&server).await > last).await;
    // It ends with the server in the middle of a rush, and stands still in the next.
    traffic(&server, json!({"pace": "busy"})).await;
    let mut server = server;
    server.signal("INT");
    assert!(server.ended().await.success());
    let server = server.again().await;
    assert_eq!(pace(&server).await, "off");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_ends_the_streams_of_one_operator_and_nothing_is_missed() {
    let server = Server::demo(&[]).await;
    let mut mine = vec![];
    for _ in 0..2 {
        mine.push(Listener::open(server.address, "demo-70001", None).await);
    }
    let mut other = Listener::open(server.address, "demo-70002", None).await;
    for listener in mine.iter_mut().chain([&mut other]) {
        listener.live().await;
    }
    let cut = async |seconds: u64| {
        let answer = says(&server, "/demo/cut", "demo-70001", &json!({"seconds": seconds})).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    };
    // For as long as can be: what follows takes a moment of it.
    cut(60).await;
    let mut stories = vec![];
    for mut listener in mine {
        while let Some(event) = listener.next().await {
            assert_ne!(event.name, "bye", "a cut says no goodbye");
        }
        stories.push(listener.cut());
    }
    let again = Listener::resume(server.address, "demo-70001", stories[0].clone()).await;
    let error = again.err().expect("the line is cut");
    assert_ne!(error.kind(), std::io::ErrorKind::Other, "an answer came: {error}");
    let meanwhile = json!({"type": "x", "audience": "mall:1001", "title": "meanwhile"});
    assert_eq!(says(&server, "/notifications", "demo-publisher", &meanwhile).await.status, 202);
    other.hears("meanwhile").await;
    until("both are seen to be gone, and no other", async || {
        server.metric("allim_streams_ended_total{reason=\"gone\"}").await == 2.0
    })
    .await;
    // The newest cut counts.
    let began = std::time::Instant::now();
    cut(1).await;
    until("the line is there again", async || {
        Listener::resume(server.address, "demo-70001", stories[0].clone()).await.is_ok()
    })
    .await;
    assert!(began.elapsed() >= Duration::from_secs(1));
    for story in stories {
        let mut back = Listener::resume(server.address, "demo-70001", story).await.unwrap();
        back.hears("meanwhile").await;
        back.live().await;
        assert_eq!(back.story.titles(), ["meanwhile"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_runs_and_its_file_is_for_who_asked() {
    let server = Server::demo(&[]).await;
    let address = server.address;
    let mut listener = Listener::open(address, "demo-70001", None).await;
    listener.live().await;
    let asked = says(&server, "/demo/exports", "demo-70001", &json!({})).await;
    assert_eq!(asked.status, 202, "{}", asked.body);
    let number = asked.json()["exportNo"].as_str().unwrap().to_owned();
    let job = listener.event("job").await.json();
    assert_eq!((&job["type"], &job["data"]["exportNo"]), (&json!("excel.export.queued"), &json!(number)));
    let mut percents = vec![];
    let end = loop {
        let event = listener.next().await.unwrap();
        match event.name.as_str() {
            "job" => percents.push(event.json()["data"]["progress"]["percent"].as_u64().unwrap()),
            "message" => break event.json(),
            _ => {}
        }
    };
    assert_eq!((end["type"].as_str(), percents), (Some("excel.export.completed"), vec![15, 35, 55, 75, 95]));
    let link = end["link"].as_str().unwrap().to_owned();
    assert_eq!(link, format!("/demo/exports/{number}"));

    let get = async |path: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        Stream::get(address, path, &[("Authorization", &bearer)]).await.unwrap()
    };
    let mut file = get(&link, "demo-70001").await;
    assert_eq!((file.status, file.header("content-type")), (200, Some("text/csv; charset=utf-8")));
    let disposition = file.header("content-disposition").unwrap();
    assert!(
        disposition.starts_with("attachment; filename=\"orders_2") && disposition.ends_with(".csv\""),
        "{disposition}"
    );
    let text = file.rest().await.unwrap();
    assert!(text.starts_with("\u{feff}주문번호,"));
    assert_eq!(text.lines().count() as u64, ROWS + 1);
    for other in ["demo-70002", "demo-80501", "demo-10000"] {
        assert_eq!(get(&link, other).await.status, 404, "{other}");
    }
    for none in ["/demo/exports/EX-1", "/demo/exports/%ff"] {
        problem(get(none, "demo-70001").await, 404).await;
    }
    assert_eq!(Stream::get(address, &link, &[]).await.unwrap().status, 401);
    // A link carries no header, but a ticket.
    for (token, status) in [("demo-70001", 200), ("demo-70002", 404)] {
        let ticket = says(&server, "/tickets", token, &json!({})).await.json();
        let ticket = ticket["ticket"].as_str().unwrap();
        secrets::ticket(ticket);
        let path = format!("{link}?ticket={ticket}");
        assert_eq!(Stream::get(address, &path, &[("Sec-Fetch-Site", "same-origin")]).await.unwrap().status, status);
    }
    // Also after a restart: the number says it all.
    let server = server.again().await;
    let bearer = "Bearer demo-70001";
    let file = Stream::get(server.address, &link, &[("Authorization", bearer)]).await.unwrap();
    assert_eq!(file.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doors_of_the_demo_are_strict_and_only_there() {
    let server = Server::demo(&[]).await;
    let (status, cast) = server.get("/demo/cast").await;
    let cast: Value = serde_json::from_str(&cast).unwrap();
    let people = cast["people"].as_array().unwrap();
    assert_eq!((status, people.len(), &people[1]["token"]), (200, 8, &json!("demo-70002")));
    assert_eq!((&people[4]["nameEn"], &people[4]["role"]["ko"]), (&json!("Jung Daon"), &json!("파트너")));
    for (path, body, pointer) in [
        ("/demo/traffic", json!({"pace": "fast"}), "/pace unknown_value"),
        ("/demo/traffic", json!({}), "/pace unknown_value"),
        ("/demo/traffic", json!({"pace": "calm", "endsAfterSeconds": 61}), "/endsAfterSeconds unknown_value"),
        ("/demo/cut", json!({"seconds": 0}), "/seconds unknown_value"),
        ("/demo/cut", json!({"seconds": "5"}), "/seconds unknown_value"),
    ] {
        let answer = says(&server, path, "demo-70001", &body).await;
        assert_eq!((answer.status, answer.errors()), (422, vec![pointer.to_owned()]), "{path} {body}");
    }
    let json = ("Content-Type", "application/json");
    let mine = ("Authorization", "Bearer demo-70001");
    let large = format!("{{\"pace\":\"calm\"}}{}", " ".repeat(4 * 1024));
    for (path, body, headers, status) in [
        ("/demo/traffic", large.as_str(), vec![json], 413),
        ("/demo/cut", &large, vec![json, mine], 413),
        ("/demo/exports", &large, vec![json, mine], 413),
        ("/demo/cut", "[]", vec![json, mine], 400),
        ("/demo/exports", "[", vec![json, mine], 400),
        ("/demo/traffic", "[]", vec![json], 400),
        ("/demo/traffic", "{\"pace\":\"calm\"}", vec![json, ("Origin", "https://evil.example")], 403),
        ("/demo/cut", "{}", vec![json], 401),
        ("/demo/cut", "{}", vec![json, ("Authorization", "Bearer demo-99999")], 401),
        ("/demo/cut", "{}", vec![json, ("Cookie", "allim_token=demo-70001")], 403),
        ("/demo/exports", "{}", vec![json], 401),
    ] {
        refused(server.address, path, &headers, body.as_bytes(), status).await;
    }
    assert_eq!((pace(&server).await.as_str(), server.get("/demo/cut").await.0), ("off", 405));
    assert_eq!(appended(&server).await, 0);

    // With one of the two real there is nothing here.
    let accounts = Accounts::with_the_cast().await;
    let real = [
        Server::demo(&[("ALLIM_ACCOUNTS_URL", &accounts.url())]).await,
        Server::start(&Kafka::start().await, &accounts, &[]).await,
    ];
    for server in real {
        for path in ["/demo/cast", "/demo/exports/EX-1"] {
            assert_eq!(server.get(path).await.0, 404, "{path}");
        }
        for path in ["/demo/traffic", "/demo/cut", "/demo/exports"] {
            let answer = says(&server, path, "demo-70001", &json!({"pace": "calm"})).await;
            assert_eq!(answer.status, 404, "{path}");
        }
        let key =
            says(&server, "/notifications", "demo-publisher", &json!({"type": "x", "audience": "everyone"})).await;
        assert_eq!(key.status, 401, "the demo's key is of the demo");
    }
}
