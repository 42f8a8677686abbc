//! What is wrong with a notification that somebody wants to publish: named field by field, all of it at once.

use serde_json::{Value, json};

use super::{ALL, notice, stage};
use crate::harness::{Kafka, Service, posts::post, topics};

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn every_wrong_field_is_named_at_once() {
    let kafka = Kafka::start().await;
    let (_accounts, server) = stage(&kafka).await;
    let service = Service::new(server.address, ALL);
    let long = "x".repeat(513);
    let plain = |changes: Value| {
        let mut body = json!({"type": "test.happened", "audience": "mall:7"});
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        body
    };
    let cloud = |changes: Value| {
        let mut body = json!({"specversion": "1.0", "id": "1", "source": "/publishers/all", "type": "test.happened",
                              "audience": "mall:7"});
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        body
    };
    let lines = json!([{"partnerNo": 501}, {"partnerNo": "all"}, {"partnerNo": -1}]);
    let table: Vec<(Value, &[&str])> = vec![
        (json!({}), &["/type required"]),
        (plain(json!({"type": " "})), &["/type required"]),
        (plain(json!({"type": 5.5})), &["/type wrong_type"]),
        (plain(json!({"type": long})), &["/type too_long"]),
        (plain(json!({"type": "a\nb"})), &["/type control_character"]),
        (plain(json!({"type": "kr.co.shopby..v1"})), &["/type bad_type"]),
        (plain(json!({"audience": ""})), &["/audience bad_audience"]),
        (plain(json!({"audience": "mall:7,shop:8"})), &["/audience bad_audience"]),
        (plain(json!({"audience": ["mall:7"]})), &["/audience wrong_type"]),
        (plain(json!({"audience": null})), &["/audience required"]),
        (plain(json!({"id": {}})), &["/id wrong_type"]),
        (plain(json!({"id": long})), &["/id too_long"]),
        (plain(json!({"source": []})), &["/source wrong_type"]),
        (plain(json!({"source": long})), &["/source too_long"]),
        (plain(json!({"source": "/publishers/some"})), &["/source not_allowed"]),
        (cloud(json!({"source": "/orders", "title": 1})), &["/title wrong_type", "/source not_allowed"]),
        (plain(json!({"mallNo": "seven"})), &["/mallNo bad_number"]),
        (plain(json!({"mallNo": 0})), &["/mallNo bad_number"]),
        (plain(json!({"partnerNo": 1.5})), &["/partnerNo bad_number"]),
        (plain(json!({"mallName": 1})), &["/mallName wrong_type"]),
        (plain(json!({"title": ["a"]})), &["/title wrong_type"]),
        (plain(json!({"body": {}})), &["/body wrong_type"]),
        (plain(json!({"link": "javascript:alert(1)"})), &["/link bad_link"]),
        (plain(json!({"link": "//evil.example"})), &["/link bad_link"]),
        (plain(json!({"occurredAt": "yesterday"})), &["/occurredAt bad_date"]),
        (plain(json!({"expiresAt": 5})), &["/expiresAt wrong_type"]),
        (plain(json!({"correlationId": "a\u{7}"})), &["/correlationId control_character"]),
        (plain(json!({"severity": "loud"})), &["/severity unknown_value"]),
        (plain(json!({"severitynumber": 25})), &["/severitynumber bad_number"]),
        (plain(json!({"data": [1]})), &["/data wrong_type"]),
        (
            plain(json!({"data": {"mallNo": "x", "link": "ftp://a"}})),
            &["/data/mallNo bad_number", "/data/link bad_link"],
        ),
        (cloud(json!({"specversion": "0.3"})), &["/specversion unknown_value"]),
        (cloud(json!({"id": null, "source": ""})), &["/id required", "/source required"]),
        (
            cloud(json!({"datacontenttype": "text/xml", "data_base64": "AA=="})),
            &["/datacontenttype unknown_value", "/data_base64 not_read"],
        ),
        (json!({"type": "order.created"}), &["/mallNo required"]),
        (json!({"type": "order.created", "data": {"orderNo": "1"}}), &["/mallNo required"]),
        (
            json!({"type": "order.created", "mallNo": 7, "orderProducts": [{"orderProductOptions": lines}]}),
            &[
                "/orderProducts/0/orderProductOptions/1/partnerNo bad_number",
                "/orderProducts/0/orderProductOptions/2/partnerNo bad_number",
            ],
        ),
        (json!({"type": "excel.export.queued", "data": {"requestedBy": {}}}), &["/data/requestedBy/adminNo required"]),
        (json!({"type": "excel.export.queued", "requestedBy": {"adminNo": "x"}}), &["/requestedBy/adminNo bad_number"]),
        (json!({"type": "notice.published", "title": "a"}), &["/audience required"]),
    ];
    let before = topics::appended(kafka.address, 3).await;
    for (body, expected) in &table {
        let answer = service.publish(body).await;
        assert_eq!(
            (answer.status, answer.errors()),
            (422, expected.iter().map(|e| (*e).to_owned()).collect()),
            "{body}"
        );
        assert_eq!(answer.json()["code"], "invalid");
        assert_eq!(service.dry_run(body).await.errors(), answer.errors(), "{body}");
    }
    let all =
        json!({"type": 5.5, "audience": "x", "mallNo": "x", "title": 1, "link": "x y", "severity": "", "data": 1});
    assert_eq!(service.publish(&all).await.errors().len(), 6, "all at once, and blank is absent");
    assert_eq!(topics::appended(kafka.address, 3).await, before, "nothing of it went to Kafka");
    let headers = [("Authorization", format!("Bearer {ALL}")), ("Idempotency-Key", "b".into())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let differs =
        post(server.address, "/notifications", &headers, plain(json!({"id": "a"})).to_string().as_bytes()).await;
    assert_eq!(differs.errors(), ["/id differs"]);
    let no_id = post(server.address, "/notifications", &headers, plain(json!({"id": {}})).to_string().as_bytes()).await;
    assert_eq!(no_id.errors(), ["/id wrong_type"], "a key hides no mistake");
}

/// One body of a few hundred KB must not be answered with megabytes, nor cost the time of a million comparisons.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_wrong_fields_a_hundred_are_named() {
    let kafka = Kafka::start().await;
    let (_accounts, server) = stage(&kafka).await;
    let service = Service::new(server.address, ALL);
    let order = |lines: Vec<Value>| json!({"type": "order.created", "mallNo": 7, "orderProductOptions": lines});
    let lines = |number: usize| (0..number).map(|_| json!({"partnerNo": "x"})).collect::<Vec<_>>();

    let errors = service.publish(&order(lines(100))).await.errors();
    assert_eq!((errors.len(), &*errors[99]), (100, "/orderProductOptions/99/partnerNo bad_number"));
    let answer = service.publish(&order(lines(12_000))).await;
    let errors = answer.errors();
    assert_eq!((answer.status, errors.len(), &*errors[100]), (422, 101, " more"));
    assert_eq!(errors[..100], service.publish(&order(lines(100))).await.errors());
    assert!(answer.body.len() < 64 * 1024, "{} bytes", answer.body.len());

    // What stands below a name as long as a body is told of the value that holds the name.
    let mut below = order(lines(1));
    below["shop"] = json!({"x".repeat(100_000): lines(5_000)});
    let answer = service.publish(&below).await;
    assert_eq!(answer.errors(), ["/orderProductOptions/0/partnerNo bad_number", "/shop bad_number"]);
    assert!(answer.body.len() < 64 * 1024, "{} bytes", answer.body.len());

    let partners: Vec<Value> = (1..12_000).map(|number| json!({"partnerNo": number})).collect();
    assert_eq!(service.publish(&order(partners)).await.errors(), ["/audience bad_audience"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_bodies_that_nobody_can_read() {
    let kafka = Kafka::start().await;
    let (_accounts, server) = stage(&kafka).await;
    let service = Service::new(server.address, ALL);
    let before = topics::appended(kafka.address, 3).await;
    let deep = "[".repeat(70) + &"]".repeat(70);
    let bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "\n",
        "{",
        "}",
        "[]",
        "[{}]",
        "null",
        "true",
        "1",
        "\"a\"",
        "{}{}",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{'type':'a'}",
        "{\"type\":\"a\",}",
        "{\"type\":\"a\" \"b\":1}",
        "{\"type\":\"a\"",
        "{\"type\":\"a}",
        "{\"type\":\"a\"}x",
        "{\"type\":\"a\"}\u{0}",
        "{\"type\":\"a\\u0000\"}",
        "{\"type\":\"a\\ud800\"}",
        "{\"type\":\"a\",\"type\":\"b\"}",
        "{\"data\":{\"a\":1,\"a\":2}}",
        "{\"n\":1e999}",
        "{\"n\":01}",
        "{\"n\":+1}",
        "{\"n\":.5}",
        "{\"n\":NaN}",
        "{\"n\":0x1}",
        "{\"t\":\"\t\"}",
        "{\"t\":\"\\x\"}",
        "// a\n{}",
        "{/* a */}",
        "type=order.created",
        "<type/>",
        "\u{feff}{\"type\":\"a\"}",
        "0:all:text",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([b"{\"type\":\"\xff\"}".to_vec(), b"\xff\xfe{\x00".to_vec(), format!("{{\"a\":{deep}}}").into_bytes()])
    .collect();
    assert!(bodies.len() > 40);
    for body in bodies {
        let answer = service.post("/notifications", &body).await;
        let shown = String::from_utf8_lossy(&body).into_owned();
        assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("unreadable")), "{shown:?}");
        assert_eq!(answer.errors().len(), 1, "{shown:?}: {}", answer.body);
    }
    assert_eq!(topics::appended(kafka.address, 3).await, before);
    assert_eq!(service.publish(&notice("still there")).await.status, 202);
}
