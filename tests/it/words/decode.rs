//! What is understood: three shapes that say the same, old texts, and events of every kind.

use allim::{
    ingest::RawRecord,
    notification::{Lang, Notification, Shape},
};
use serde_json::{Map, Value, json};

use super::{decode, decoder, example, operator, prepared, raw, raw_with, wire, with_legacy_text};

/// The example events of the domain, structured, one per line.
const EXAMPLES: &str = include_str!("examples.jsonl");

/// The same event as headers and value.
fn binary(event: &Value) -> (Vec<(String, String)>, Option<Vec<u8>>) {
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    for (name, value) in event.as_object().expect("an object") {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match name.as_str() {
            "data" | "datacontenttype" => {}
            _ => headers.push((format!("ce_{name}"), text)),
        }
    }
    (headers, event.get("data").map(|data| data.to_string().into_bytes()))
}

fn decode_binary(event: &Value, more: &[(&str, &str)]) -> Notification {
    let (headers, value) = binary(event);
    let mut all: Vec<(&str, &str)> = headers.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    all.extend(more);
    decoder().decode(&raw_with(&all, value.as_deref())).expect("a notification")
}

/// The same event as a plain object; its fields in `data` or beside `type`.
fn as_plain(event: &Value, beside: bool) -> Value {
    let mut plain = Map::new();
    for (theirs, ours) in [
        ("type", "type"),
        ("id", "id"),
        ("source", "source"),
        ("audience", "audience"),
        ("correlationid", "correlationId"),
        ("time", "time"),
        ("expirytime", "expiresAt"),
        ("severitynumber", "severitynumber"),
    ] {
        if let Some(value) = event.get(theirs) {
            plain.insert(ours.to_owned(), value.clone());
        }
    }
    let data = event.get("data").cloned().unwrap_or(json!({}));
    if beside {
        plain.extend(data.as_object().expect("an object").clone());
    } else {
        plain.insert("data".to_owned(), data);
    }
    Value::Object(plain)
}

#[test]
fn the_three_shapes_say_the_same() {
    for line in EXAMPLES.lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let structured = decode(&event).expect("a notification");
        assert_eq!(structured.record().shape, Shape::Structured);
        let others = [decode_binary(&event, &[]), decode(&as_plain(&event, false)).expect("a notification")];
        for other in others {
            assert_eq!(other.id, structured.id, "{line}");
            assert_eq!((&other.type_name, other.mall), (&structured.type_name, structured.mall), "{line}");
            assert_eq!(other.audience, structured.audience, "{line}");
            for sight in [operator(true, Lang::Ko), operator(false, Lang::En), super::partner(12034, false, Lang::Ko)] {
                assert_eq!(wire(&other, sight), wire(&structured, sight), "{line}");
            }
        }
    }
}

#[test]
fn every_example_of_the_domain_is_understood() {
    // Twenty-seven, and one whose data lies elsewhere.
    assert_eq!(EXAMPLES.lines().count(), 28);
    for line in EXAMPLES.lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let notification = decode(&event).expect("a notification");
        let kind = event["type"].as_str().expect("a type");
        assert_eq!(format!("kr.co.shopby.{}.v1", notification.type_name), kind);
        let written = event["audience"].as_str().expect("an audience").replace(":operators", "");
        assert_eq!(notification.audience.to_string(), written);
        assert!(!wire(&notification, operator(false, Lang::Ko))["title"].as_str().expect("a title").is_empty());
    }
}

#[test]
fn fields_may_stand_beside_the_type() {
    let event = json!({"type": "order.created", "audience": "mall:1001", "data": example("order.created")});
    let beside = decode(&as_plain(&event, true)).expect("a notification");
    let inside = decode(&as_plain(&event, false)).expect("a notification");
    for sight in [operator(true, Lang::Ko), super::partner(501, false, Lang::Ko)] {
        assert_eq!(wire(&beside, sight)["data"], wire(&inside, sight)["data"]);
    }
}

#[test]
fn a_title_beside_the_type_is_a_text_and_inside_data_a_field() {
    let beside = json!({"type": "notice.published", "audience": "everyone", "title": "점검"});
    let seen = wire(&decode(&beside).expect("a notification"), operator(true, Lang::Ko));
    assert_eq!((&seen["title"], seen.get("data")), (&json!("점검"), None));
    let inside = json!({"type": "notice.published", "audience": "everyone", "data": {"title": "점검"}});
    let seen = wire(&decode(&inside).expect("a notification"), operator(true, Lang::Ko));
    assert_eq!((&seen["title"], &seen["data"]["title"]), (&json!("[공지] 점검"), &json!("점검")));
}

const ROUTED: [(&str, &str); 6] = [
    ("ce_specversion", "1.0"),
    ("ce_id", "1"),
    ("ce_source", "/shopby/order"),
    ("ce_type", "kr.co.shopby.order.created.v1"),
    ("ce_audience", "mall:1001"),
    ("ce_mallno", "1001"),
];

#[test]
fn what_headers_say_is_not_looked_for_in_the_body() {
    let notification = decoder().decode(&raw_with(&ROUTED, Some(b"{ not json"))).expect("not looked at");
    assert_eq!(notification.mall.map(|mall| mall.get()), Some(1001));
    let unreadable = allim::notification::Prepared::new(&notification, &allim::notification::Catalogue::builtin());
    assert_eq!(unreadable.expect_err("not JSON").code(), "bad_json");
    // Without the mall the body has to be read, and the record is refused at once.
    assert!(decoder().decode(&raw_with(&ROUTED[..5], Some(b"{ not json"))).is_err());
}

#[test]
fn data_may_lie_elsewhere() {
    let mut headers = ROUTED.to_vec();
    headers.push(("ce_dataref", "https://order.internal.example.com/orders/4711"));
    for value in [None, Some(&b""[..])] {
        let notification = decoder().decode(&raw_with(&headers, value)).expect("a notification");
        let seen = wire(&notification, operator(true, Lang::Ko));
        assert_eq!((&seen["title"], seen.get("data")), (&json!("새 주문"), None));
        assert!(!seen.to_string().contains("internal"), "where the data lies is not for the page");
    }
    headers.retain(|(name, _)| *name != "ce_audience");
    // The rule needs fields that are not here, or would reach fewer than it should: such a record names its audience.
    assert_eq!(decoder().decode(&raw_with(&headers, None)).expect_err("nobody").reason.as_str(), "no_audience");
}

#[test]
fn a_header_wins_over_the_envelope() {
    let value = json!({"type": "zzz", "audience": "everyone"}).to_string();
    for name in ["audience", "ce_audience", "Audience"] {
        let notification = decoder().decode(&raw_with(&[(name, "mall:7")], Some(value.as_bytes()))).expect("one");
        assert_eq!(notification.audience.to_string(), "mall:7");
    }
}

#[test]
fn the_mall_is_the_envelopes_else_the_datas() {
    for (value, mall) in [
        (json!({"type": "z", "audience": "everyone", "mallNo": 5, "data": {"mallNo": 6}}), Some(5)),
        (json!({"type": "z", "audience": "everyone", "mallNo": "5"}), Some(5)),
        (json!({"type": "z", "audience": "everyone", "data": {"mallNo": "6"}}), Some(6)),
        (json!({"type": "z", "audience": "everyone", "mallNo": null, "data": {"mallNo": null}}), None),
        (json!({"type": "z", "audience": "mall:5"}), None),
    ] {
        assert_eq!(decode(&value).expect("a notification").mall.map(|mall| mall.get()), mall, "{value}");
    }
}

#[test]
fn prefix_and_version_are_no_part_of_the_name() {
    for (written, short) in [
        ("kr.co.shopby.order.created.v1", "order.created"),
        ("kr.co.shopby.order.created.v12", "order.created"),
        ("kr.co.shopby.order.created", "order.created"),
        ("order.created.v1", "order.created"),
        ("order.created", "order.created"),
        ("kr.co.other.order.created", "kr.co.other.order.created"),
        ("order.created.vip", "order.created.vip"),
        ("order.created.v", "order.created.v"),
    ] {
        let value = json!({"type": written, "audience": "mall:1"});
        assert_eq!(&*decode(&value).expect("a notification").type_name, short, "{written}");
    }
}

#[test]
fn old_texts_are_addressed_by_their_parts() {
    for (text, audience, shown) in [
        ("안녕하세요 여러분", "everyone", "안녕하세요 여러분"),
        ("  hello \r\n", "everyone", "hello"),
        ("1:all:점검 안내", "everyone", "점검 안내"),
        ("203.0.113.7@Chrome:all:hello", "everyone", "hello"),
        (":all:hello", "everyone", "hello"),
        ("70001:me:파일 준비", "operator:70001", "파일 준비"),
        ("70001:me:a:all:b", "operator:70001", "a:all:b"),
        ("1:all:a:me:b", "everyone", "a:me:b"),
    ] {
        let notification = with_legacy_text().decode(&raw(text.as_bytes())).expect("a notification");
        assert_eq!(
            (notification.audience.to_string().as_str(), &*notification.type_name),
            (audience, "legacy.text"),
            "{text}"
        );
        assert_eq!(wire(&notification, operator(false, Lang::Ko))["title"], shown);
    }
    // What begins with a brace is JSON in any case.
    let value = json!({"type": "zzz", "audience": "mall:1"}).to_string();
    let notification = with_legacy_text().decode(&raw(value.as_bytes())).expect("a notification");
    assert_eq!(notification.record().shape, Shape::Plain);
}

#[test]
fn whom_an_old_text_is_for_its_header_says_first() {
    for text in ["안녕하세요", "0:all:안녕하세요", "7:me:안녕하세요"] {
        for header in ["audience", "ce_audience"] {
            let decode = |audience| with_legacy_text().decode(&raw_with(&[(header, audience)], Some(text.as_bytes())));
            let notification = decode("mall:1001").expect("a notification");
            assert_eq!(notification.audience.to_string(), "mall:1001", "{header}: {text}");
            assert_eq!(wire(&notification, operator(false, Lang::Ko))["title"], "안녕하세요");
            for malformed in ["", "all", "mall:0"] {
                let reason = decode(malformed).expect_err("a malformed audience is nobody").reason;
                assert_eq!(reason.as_str(), "bad_audience", "{header} {malformed}: {text}");
            }
        }
    }
}

#[test]
fn its_size_counts_all_of_it() {
    let value = json!({"type": "zzz", "audience": "mall:1", "text": "x".repeat(1000)}).to_string();
    let mut record: RawRecord<'_> = raw_with(&[("ce_unused", "12345")], Some(value.as_bytes()));
    let without_key = decoder().decode(&record).expect("a notification").size();
    record.key = Some(b"mall:1");
    let with_key = decoder().decode(&record).expect("a notification").size();
    assert!(without_key > value.len() + 5);
    assert_eq!(with_key, without_key + 6);
}

#[test]
fn numbers_keep_their_value() {
    let value = json!({"type": "zzz", "audience": "mall:1", "data": {"a": u64::MAX, "b": i64::MIN, "c": 12.5}});
    let prepared = prepared(&decode(&value).expect("a notification"));
    let json = prepared.json(operator(true, Lang::Ko));
    for kept in ["18446744073709551615", "-9223372036854775808", "12.5"] {
        assert!(json.contains(kept), "{json}");
    }
}
