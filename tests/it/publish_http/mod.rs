//! Publishing over HTTP: what is taken lies in Kafka, who may not leaves no trace, and nobody passes for another.

mod wrong;

use std::time::Instant;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use crate::harness::{
    Accounts, Kafka, Listener, Server, Service,
    accounts::token,
    posts::{post, refused},
    topics, until,
};

const ALL: &str = "key-of-a-service-for-all-malls";
const SOME: &str = "key-of-a-service-for-two-malls";

/// As an operator writes it into the settings.
fn publishers() -> String {
    let hash = |key: &str| Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("name=all key_sha256={} malls=* everyone=on; name=some malls=7,1001 key_sha256={}", hash(ALL), hash(SOME))
}

async fn stage(kafka: &Kafka) -> (Accounts, Server) {
    let accounts = Accounts::start().await;
    let publishers = publishers();
    let server = Server::start(kafka, &accounts, &[("ALLIM_PUBLISHERS", &publishers)]).await;
    (accounts, server)
}

fn notice(title: &str) -> Value {
    json!({"type": "test.happened", "audience": "mall:7", "mallNo": 7, "title": title})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_is_heard_under_the_id_that_was_told() {
    let kafka = Kafka::start().await;
    let (_accounts, server) = stage(&kafka).await;
    let service = Service::new(server.address, ALL);
    let mut listener = Listener::open(server.address, &token(1, &[7], None, true), None).await;
    listener.live().await;

    let plain = json!({"type": "order.created", "mallNo": 7, "orderNo": "1", "correlationId": "c",
                       "orderProductOptions": [{"productName": "사과", "amount": 5, "partnerNo": "501"}]});
    let answer = service.publish(&plain).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let told = answer.json();
    assert!(told["partition"].is_i64() && told["offset"].is_i64() && told["eventId"].as_str().unwrap().len() == 36);
    let heard = listener.hears("새 주문 5원").await;
    assert_eq!((&heard["id"], &heard["correlationId"]), (&told["id"], &json!("c")));

    let event = json!({"specversion": "1.0", "id": "ce-1", "source": "/publishers/all/orders",
                       "type": "kr.co.shopby.test.happened.v2", "audience": "mall:7", "mallno": "7", "title": "a cloud event", "data": {"a": 1}});
    let headers = [("Authorization", format!("Bearer {ALL}")), ("Content-Type", "application/cloudevents+json".into())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let answer = post(server.address, "/notifications", &headers, event.to_string().as_bytes()).await;
    assert_eq!((answer.status, &answer.json()["eventId"]), (202, &json!("ce-1")), "{}", answer.body);
    let heard = listener.hears("a cloud event").await;
    assert_eq!((&heard["id"], heard["type"].as_str()), (&answer.json()["id"], Some("test.happened")));

    // The same id again is the same notification; of another publisher it is another.
    let mut again = notice("twice");
    again["id"] = "the-id".into();
    let (one, other) = (service.publish(&again).await.json(), service.publish(&again).await.json());
    assert_eq!(one["id"], other["id"]);
    assert_ne!(one["offset"], other["offset"]);
    let of_other = Service::new(server.address, SOME).publish(&again).await.json();
    assert_ne!(one["id"], of_other["id"]);
    let with_key = [headers[0], ("Content-Type", "application/json"), ("Idempotency-Key", "the-id")];
    let by_header = post(server.address, "/notifications", &with_key, notice("twice").to_string().as_bytes()).await;
    assert_eq!(by_header.json()["id"], one["id"]);
    service.publish(&notice("last")).await;
    listener.hears("last").await;
    assert_eq!(listener.story.titles().iter().filter(|title| **title == "twice").count(), 2, "one for each publisher");
    assert_eq!(server.metric("allim_published_total{outcome=\"accepted\"}").await, 7.0);
}

/// The identity is made of mall, source and id: whoever could write another's source could have its notification dropped
/// as a repeat, and where two name none, they must not meet.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_the_identity_of_another_source() {
    let kafka = Kafka::start().await;
    let (_accounts, server) = stage(&kafka).await;
    let (all, some) = (Service::new(server.address, ALL), Service::new(server.address, SOME));
    let with = |source: Value| {
        let mut body = notice("whose");
        body.as_object_mut().unwrap().extend([("id".to_owned(), json!("1")), ("source".to_owned(), source)]);
        body
    };
    let before = topics::appended(kafka.address, 3).await;
    let foreign = ["/orders", "/publishers/all", "/publishers/some.other", "/publishers/", " /publishers/some", "some"];
    for source in foreign.map(Value::from).into_iter().chain([json!(5)]) {
        let mut event = with(source.clone());
        for _ in ["plain", "CloudEvent"] {
            let answer = some.publish(&event).await;
            assert_eq!((answer.status, answer.errors()), (422, vec!["/source not_allowed".to_owned()]), "{event}");
            assert!(answer.body.contains("/publishers/some"), "it is said which would be right: {}", answer.body);
            assert_eq!(some.dry_run(&event).await.status, 422, "{event}");
            event["specversion"] = "1.0".into();
        }
    }
    assert_eq!(topics::appended(kafka.address, 3).await, before, "something went to Kafka");
    let told = async |service: &Service, event: Value| {
        let answer = service.publish(&event).await;
        assert_eq!(answer.status, 202, "{event}: {}", answer.body);
        answer.json()["id"].clone()
    };
    let (of_all, of_some) = (told(&all, with("/publishers/all".into())).await, told(&some, with(Value::Null)).await);
    assert_ne!(of_all, of_some, "one id, two publishers");
    for absent in [Value::Null, "".into(), "  ".into()] {
        assert_eq!(told(&all, with(absent.clone())).await, of_all, "{absent:?} is none");
        assert_eq!(told(&some, with(absent.clone())).await, of_some, "{absent:?} is none");
    }
    let mut event = with("/publishers/some".into());
    event["specversion"] = "1.0".into();
    assert_eq!(told(&some, event).await, of_some, "a CloudEvent of the same source and id is the same");
    let part = told(&some, with("/publishers/some/exports".into())).await;
    assert!(part != of_some && part != of_all, "a publisher may have several sources");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_leaves_nothing_in_kafka() {
    let kafka = Kafka::start().await;
    let (_accounts, server) = stage(&kafka).await;
    let (address, before) = (server.address, topics::appended(kafka.address, 3).await);
    let body = notice("no").to_string();
    let operator = token(1, &[7], None, true);
    let refused = async |headers: &[(&str, &str)], status| {
        let json = [("Content-Type", "application/json")];
        refused(address, "/notifications", &[headers, &json].concat(), body.as_bytes(), status).await
    };
    assert_eq!(refused(&[], 401).await, "no_key");
    for key in ["Bearer wrong-key-of-nobody", "Basic a2V5", "key-of-a-service-for-all-malls", "demo-publisher"] {
        assert_eq!(refused(&[("Authorization", key)], 401).await, "bad_key", "{key}");
    }
    assert_eq!(
        refused(&[("Authorization", "Bearer demo-publisher")], 401).await,
        "bad_key",
        "the demo's key is of the demo"
    );
    assert_eq!(refused(&[("Authorization", &format!("Bearer {operator}"))], 401).await, "bad_key");
    assert_eq!(refused(&[("Cookie", &format!("allim_token={operator}"))], 401).await, "no_key");
    let good = format!("Bearer {ALL}");
    let own = format!("http://{address}");
    for origin in ["https://evil.example", "null", "http://localhost:1"] {
        assert_eq!(refused(&[("Authorization", &good), ("Origin", origin)], 403).await, "origin_refused", "{origin}");
    }
    let url = post(address, &format!("/notifications?token={ALL}"), &[], body.as_bytes()).await;
    assert_eq!((url.status, url.json()["code"].as_str()), (400, Some("token_in_url")));

    let some = Service::new(address, SOME);
    for (audience, mall, wrong) in [
        ("mall:8", None, 1),
        ("mall:70", None, 1),
        ("mall:7,mall:8", None, 1),
        ("mall:7", Some(8), 1),
        ("everyone", None, 1),
        ("everyone", Some(7), 1),
        ("operator:1", None, 1),
        ("partner:501", None, 1),
        ("operator:1", Some(8), 2),
    ] {
        let mut body = json!({"type": "test.happened", "audience": audience, "title": "no"});
        if let Some(mall) = mall {
            body["mallNo"] = mall.into();
        }
        let answer = some.publish(&body).await;
        assert_eq!((answer.status, answer.errors().len()), (403, wrong), "{body}: {}", answer.body);
        assert_eq!(some.dry_run(&body).await.status, 403, "{body}");
    }
    assert_eq!(topics::appended(kafka.address, 3).await, before, "something went to Kafka");
    for body in [
        json!({"type": "test.happened", "audience": "mall:1001:partners,mall:7", "title": "yes"}),
        json!({"type": "test.happened", "audience": "operator:1,partner:501", "mallNo": 7, "title": "yes"}),
    ] {
        assert_eq!(some.publish(&body).await.status, 202, "{body}");
    }
    let from_own = [("Authorization", good.as_str()), ("Origin", &own), ("Content-Type", "application/json")];
    assert_eq!(post(address, "/notifications", &from_own, body.as_bytes()).await.status, 202, "our own page");
    assert_eq!(topics::appended(kafka.address, 3).await, before + 3);
    let metric = async |outcome: &str| server.metric(&format!("allim_published_total{{outcome=\"{outcome}\"}}")).await;
    assert_eq!((metric("forbidden").await, metric("accepted").await), (21.0, 3.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_hold_and_two_hundred_at_once_are_taken() {
    let kafka = Kafka::start().await;
    let (_accounts, server) = stage(&kafka).await;
    let (address, service) = (server.address, Service::new(server.address, ALL));
    let before = topics::appended(kafka.address, 3).await;
    let mut large = notice("large");
    large["body"] = "x".repeat(262_144).into();
    assert_eq!(service.publish(&large).await.status, 413);
    large["body"] = "x".repeat(262_144 - notice("large").to_string().len() - 20).into();
    assert_eq!(service.publish(&large).await.status, 413, "with its id and source it is too large");
    large["body"] = "x".repeat(261_000).into();
    assert_eq!(service.publish(&large).await.status, 202);
    // Without a length in the head it is counted as it comes.
    let piece = format!("{:x}\r\n{}\r\n", 100_000, "x".repeat(100_000));
    let chunked = format!(
        "POST /notifications HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {ALL}\r\n\
         Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        piece.repeat(3)
    );
    let answer = crate::harness::sse::Stream::bytes(address, chunked.as_bytes()).await.unwrap();
    assert_eq!(answer.status, 413);
    let bearer = format!("Bearer {ALL}");
    for content_type in
        ["text/plain", "application/x-www-form-urlencoded", "application/cloudevents-batch+json", "json"]
    {
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", content_type)];
        let code = refused(address, "/notifications", &headers, notice("a").to_string().as_bytes(), 415).await;
        assert_eq!(code, "not_json", "{content_type}");
    }
    // Nothing that was meant to be a dry run is published for a typing error.
    for asked in ["dryRun=yes", "dryrun=true", "dry_run=true", "dryRun=true&dryRun=false", "dryRun", "lang=ko"] {
        let odd = service.post(&format!("/notifications?{asked}"), notice("a").to_string().as_bytes()).await;
        assert_eq!((odd.status, odd.json()["code"].as_str()), (400, Some("bad_dry_run")), "{asked}");
    }

    let mut listener = Listener::open(address, &token(1, &[7], None, false), None).await;
    listener.live().await;
    let mut all = JoinSet::new();
    for n in 0..200 {
        all.spawn(async move { Service::new(address, ALL).publish(&notice(&format!("of 200: {n}"))).await });
    }
    for answer in all.join_all().await {
        assert_eq!(answer.status, 202, "{}", answer.body);
    }
    assert_eq!(topics::appended(kafka.address, 3).await, before + 201);
    while listener.story.titles().iter().filter(|title| title.starts_with("of 200")).count() < 200 {
        listener.event("message").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_kafka_one_is_told_in_time_and_the_same_id_is_shown_once() {
    let mut kafka = Kafka::alone(3).await;
    let (_accounts, server) = stage(&kafka).await;
    let service = Service::new(server.address, ALL);
    let mut listener = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    listener.live().await;
    assert_eq!(service.publish(&notice("before")).await.status, 202);
    listener.hears("before").await;

    // Frozen, it takes what it is sent and says nothing: what was sent in vain may lie there after all.
    kafka.freeze();
    let began = Instant::now();
    let mut given = notice("given");
    given["id"] = "mine".into();
    let unnamed = notice("made");
    let (answer, made) = tokio::join!(service.publish(&given), service.publish(&unnamed));
    let took = began.elapsed().as_secs_f64();
    assert!((1.9..10.0).contains(&took), "{took}");
    for answer in [&answer, &made] {
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (503, Some("kafka_unavailable")),
            "{}",
            answer.body
        );
        assert!(answer.head.to_ascii_lowercase().contains("retry-after: "), "{}", answer.head);
    }
    assert_eq!(answer.json()["id"], "mine");
    kafka.thaw();
    let mut again = notice("made");
    again["id"] = made.json()["id"].clone();
    until("both are taken", async || {
        service.publish(&given).await.status == 202 && service.publish(&again).await.status == 202
    })
    .await;
    assert_eq!(service.publish(&again).await.status, 202);
    until("the last is taken", async || service.publish(&notice("last")).await.status == 202).await;
    listener.hears("last").await;
    for title in ["given", "made"] {
        let times = listener.story.titles().iter().filter(|heard| **heard == title).count();
        assert_eq!(times, 1, "{title}: {}", listener.story.summary());
    }

    // Away altogether.
    kafka.go_away().await;
    let began = Instant::now();
    assert_eq!(service.publish(&notice("away")).await.status, 503);
    assert!(began.elapsed().as_secs_f64() < 10.0);
    assert_eq!(service.dry_run(&notice("away")).await.status, 200, "who would get it needs no Kafka");
    kafka.come_back().await;
    until("it is taken again", async || service.publish(&notice("back")).await.status == 202).await;
    listener.hears("back").await;
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn a_dry_run_of_the_demo_says_of_each_why() {
    let server = Server::demo(&[]).await;
    let service = Service::new(server.address, "demo-publisher");
    let order =
        json!({"type": "order.created", "mallNo": 1001, "orderProductOptions": [{"partnerNo": 501, "amount": 1}]});
    let answer = service.dry_run(&order).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["audience"], json!(["mall:1001", "mall:1001:partner:501"]));
    // 70001 김하늘, 70002 이바다, 70003 박솔이, 70010 최가온, 80501 정다온, 80502 한누리, 10000, 10001.
    const YES: &str = "";
    let table = [
        (order, [YES, YES, "other_mall", YES, YES, "other_partner", "other_mall", "other_mall"]),
        (json!({"type": "x", "audience": "everyone"}), [YES; 8]),
        (
            json!({"type": "x", "audience": "mall:1002"}),
            ["other_mall", "other_mall", YES, YES, "not_an_operator", "other_mall", "other_mall", "other_mall"],
        ),
        (
            json!({"type": "x", "audience": "mall:1001:partners"}),
            ["not_a_partner", "not_a_partner", "other_mall", "not_a_partner", YES, YES, "other_mall", "other_mall"],
        ),
        (
            json!({"type": "x", "audience": "partner:502"}),
            [
                "not_a_partner",
                "not_a_partner",
                "not_a_partner",
                "not_a_partner",
                "other_partner",
                YES,
                "not_a_partner",
                "not_a_partner",
            ],
        ),
        (
            json!({"type": "excel.export.queued", "mallNo": 1001, "requestedBy": {"adminNo": 70001}}),
            [
                YES,
                "other_person",
                "other_person",
                "other_person",
                "other_person",
                "other_person",
                "other_person",
                "other_person",
            ],
        ),
        (
            json!({"type": "x", "audience": "operator:70003", "mallNo": 1001}),
            [
                "other_person",
                "other_person",
                "other_mall",
                "other_person",
                "other_person",
                "other_person",
                "other_person",
                "other_person",
            ],
        ),
        (
            json!({"type": "x", "audience": "mall:10"}),
            ["other_mall", "other_mall", "other_mall", "other_mall", "other_mall", "other_mall", YES, "other_mall"],
        ),
    ];
    for (body, expected) in table {
        let answer = service.dry_run(&body).await.json();
        let viewers = answer["viewers"].as_array().unwrap();
        let why: Vec<&str> = viewers.iter().map(|viewer| viewer["reason"].as_str().unwrap_or(YES)).collect();
        assert_eq!(why, expected, "{body}");
        for (viewer, why) in viewers.iter().zip(expected) {
            assert_eq!(viewer["sees"], why.is_empty(), "{viewer}");
            assert!(viewer["adminNo"].is_u64() && !viewer["name"].as_str().unwrap().is_empty());
        }
    }
    let place = std::fs::read_to_string(server.data.join("kafka.address")).unwrap();
    let place: std::net::SocketAddr = place.trim().parse().unwrap();
    assert_eq!(topics::appended(place.into(), 3).await, 0, "nothing was published");
    assert_eq!(service.publish(&json!({"type": "x", "audience": "everyone", "title": "hi"})).await.status, 202);
}
