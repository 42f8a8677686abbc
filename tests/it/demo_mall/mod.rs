//! The demo's shop and its doors, over the real thing.

mod timeline;

use std::time::Duration;

use allim::demo::mall::exports::ROWS;
use serde_json::{Value, json};

use crate::harness::{
    Accounts, Kafka, Listener, PATIENCE, Server,
    answers::problem,
    posts::{Answer, post, refused},
    secrets,
    sse::Stream,
    topics, until,
};

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
        ("/demo/text", json!({"text": " ", "all": true}), "/text unknown_value"),
        ("/demo/text", json!({"text": "안녕"}), "/all unknown_value"),
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
        ("/demo/text", r#"{"text":"x","all":true}"#, vec![json], 401),
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
        for path in ["/demo/traffic", "/demo/cut", "/demo/text", "/demo/exports"] {
            let answer = says(&server, path, "demo-70001", &json!({"pace": "calm"})).await;
            assert_eq!(answer.status, 404, "{path}");
        }
        let key =
            says(&server, "/notifications", "demo-publisher", &json!({"type": "x", "audience": "everyone"})).await;
        assert_eq!(key.status, 401, "the demo's key is of the demo");
    }
}
