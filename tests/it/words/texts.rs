//! How every type reads: in both languages, for everybody whom it distinguishes, with all its fields and with none.

use std::fmt::Write as _;

use allim::notification::{Catalogue, Lang, Sight};
use serde_json::{Value, json};

use super::{example, operator, partner, plain, prepared, wire};

fn sights(lang: Lang) -> [(&'static str, Sight); 4] {
    [
        ("operator", operator(true, lang)),
        ("operator without personal data", operator(false, lang)),
        ("partner 501", partner(501, false, lang)),
        ("partner 502 with personal data", partner(502, true, lang)),
    ]
}

/// No mark, no hole, no remains of what vanished.
pub fn assert_finished(text: &Value, what: &str) {
    let text = text.as_str().expect("a text");
    let no_marks = !["{{", "}}", "[[", "]]", "|label", "null", "()", "[]", "  ", "··", "· ·"]
        .iter()
        .any(|mark| text.contains(mark));
    let no_remains = !text.starts_with([' ', '·', ':', ',', '-', '–', ')'])
        && !text.ends_with([' ', '·', ':', ',', '-', '–', '(', '/', '~']);
    assert!(!text.is_empty() && no_marks && no_remains, "{what} reads {text:?}");
}

#[test]
fn every_type_reads_well() {
    for type_name in Catalogue::builtin().types() {
        let mut page = String::new();
        for (data_name, data) in [("example", example(&type_name)), ("nothing", json!({}))] {
            let notification = plain(&type_name, "everyone", &data);
            for lang in [Lang::Ko, Lang::En] {
                let mut seen: Vec<Sight> = Vec::new();
                for (who, sight) in sights(lang) {
                    let reduced = prepared(&notification).reduce(sight);
                    if seen.contains(&reduced) {
                        continue;
                    }
                    seen.push(reduced);
                    let object = wire(&notification, sight);
                    assert_finished(&object["title"], &format!("{type_name}, {data_name}, {who}, title"));
                    if let Some(body) = object.get("body") {
                        assert_finished(body, &format!("{type_name}, {data_name}, {who}, body"));
                    }
                    let body = object.get("body").and_then(Value::as_str).unwrap_or("(no body)");
                    let title = object["title"].as_str().expect("a title");
                    writeln!(page, "── {data_name} · {lang:?} · {who}\n{title}\n{body}").expect("a String takes all");
                    if lang == Lang::Ko {
                        writeln!(page, "{}", prepared(&notification).json(reduced)).expect("a String takes all");
                    }
                }
            }
        }
        insta::assert_snapshot!(type_name.replace('.', "_"), page);
    }
}

#[test]
fn the_wire_object_has_its_keys_in_order() {
    let order = [
        "id",
        "type",
        "category",
        "severity",
        "title",
        "body",
        "link",
        "mallNo",
        "mallName",
        "partnerNo",
        "at",
        "occurredAt",
        "expiresAt",
        "collapseKey",
        "silent",
        "correlationId",
        "actorNo",
        "handledBy",
        "data",
    ];
    for type_name in Catalogue::builtin().types() {
        let seen = wire(&plain(&type_name, "everyone", &example(&type_name)), operator(true, Lang::Ko));
        let keys: Vec<usize> = seen
            .as_object()
            .expect("an object")
            .keys()
            .map(|key| {
                order.iter().position(|known| known == key).unwrap_or_else(|| panic!("`{key}` is not on the wire"))
            })
            .collect();
        assert!(keys.is_sorted(), "{type_name}: {seen}");
        assert!(!seen.to_string().contains("\"audience\""), "{type_name}");
    }
}

#[test]
fn texts_of_the_producer_are_shown_as_they_are() {
    let value = json!({"type": "order.created", "audience": "mall:1001", "mallNo": 1001, "title": "{{amount}} [[x]]",
        "body": "안녕하세요", "amount": 5, "correlationId": "c-1", "severity": "critical"});
    let seen = wire(&super::decode(&value).expect("a notification"), operator(false, Lang::En));
    assert_eq!((&seen["title"], &seen["body"]), (&json!("{{amount}} [[x]]"), &json!("안녕하세요")));
    assert_eq!((&seen["severity"], &seen["correlationId"]), (&json!("critical"), &json!("c-1")));
}

#[test]
fn values_of_the_producer_are_no_templates() {
    let data = json!({"title": "{{summary}} [[{{noticeNo}}]]", "summary": "요약", "noticeNo": 7});
    let seen = wire(&plain("notice.published", "everyone", &data), operator(false, Lang::Ko));
    assert_eq!(seen["title"], "[공지] {{summary}} [[{{noticeNo}}]]");
}

#[test]
fn unknown_types_are_shown_plainly() {
    let bare = wire(&plain("zzz.happened", "everyone", &json!({})), operator(false, Lang::Ko));
    assert_eq!(
        (&bare["title"], &bare["category"], &bare["severity"]),
        (&json!("zzz.happened"), &json!("system"), &json!("info"))
    );
    let own =
        json!({"type": "kr.co.shopby.zzz.happened.v3", "audience": "everyone", "title": "무슨 일", "body": "있었다"});
    let own = wire(&super::decode(&own).expect("a notification"), operator(false, Lang::Ko));
    assert_eq!(
        (&own["type"], &own["title"], &own["body"]),
        (&json!("zzz.happened"), &json!("무슨 일"), &json!("있었다"))
    );
}

#[test]
fn severities_are_the_producers_and_unknown_ones_are_infos() {
    let severity = |more: Value| {
        let mut event = json!({"type": "fds.detected", "audience": "mall:1", "data": {}});
        event.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        wire(&super::decode(&event).expect("a notification"), operator(false, Lang::Ko))["severity"].clone()
    };
    assert_eq!(severity(json!({})), "critical", "as the catalogue has it");
    for (more, expected) in [
        (json!({"severity": "notice"}), "notice"),
        (json!({"severitytext": "WARN"}), "warning"),
        (json!({"severitytext": "FATAL"}), "critical"),
        (json!({"severitytext": "DEBUG"}), "info"),
        (json!({"severitytext": "LOUD"}), "info"),
        (json!({"severitynumber": 9}), "info"),
        (json!({"severitynumber": 10}), "notice"),
        (json!({"severitynumber": "13"}), "warning"),
        (json!({"severitynumber": 17}), "error"),
        (json!({"severitynumber": 21}), "critical"),
        (json!({"severitynumber": 0}), "info"),
        (json!({"severitynumber": 25}), "info"),
        (json!({"severitynumber": "many"}), "info"),
        (json!({"severitynumber": 10, "severitytext": "INFO"}), "notice"),
        (json!({"severitynumber": 99, "severitytext": "ERROR"}), "error"),
    ] {
        assert_eq!(severity(more.clone()), expected, "{more}");
    }
    let headers = [("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_source", "/a"), ("ce_type", "zzz")];
    for (name, text, expected) in [
        ("ce_severitynumber", "17", "error"),
        ("ce_severitynumber", "x", "info"),
        ("ce_severitytext", "ERROR", "error"),
        ("ce_severitytext", "???", "info"),
    ] {
        let all: Vec<_> = headers.into_iter().chain([("ce_audience", "everyone"), (name, text)]).collect();
        let notification = super::decoder().decode(&super::raw_with(&all, Some(b"{}"))).expect("a notification");
        assert_eq!(wire(&notification, operator(false, Lang::Ko))["severity"], expected, "{name} {text}");
    }
}

#[test]
fn how_long_it_is_of_use() {
    let until = |type_name: &str, more: Value| {
        let mut event = json!({"type": type_name, "audience": "mall:1", "data": {}});
        event.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        wire(&super::decode(&event).expect("a notification"), operator(false, Lang::Ko))["expiresAt"].clone()
    };
    let (of_field, of_producer) = ("2026-12-31T23:59:59+09:00", "2027-01-01T00:00:00+09:00");
    assert_eq!(until("order.created", json!({})), "2026-12-20T14:05:33.12+09:00", "thirty days from Kafka's time");
    assert_eq!(until("order.created", json!({"expiresAt": of_producer})), of_producer);
    assert_eq!(until("notice.published", json!({})), Value::Null);
    assert_eq!(until("notice.published", json!({"data": {"displayUntil": of_field}})), of_field);
    assert_eq!(until("excel.export.completed", json!({"data": {"expiresAt": of_field}})), of_field);
    let both = json!({"expiresAt": of_producer, "data": {"expiresAt": of_field}});
    assert_eq!(until("excel.export.completed", both), of_producer);
    assert_eq!(until("zzz.unknown", json!({})), Value::Null);
}

#[test]
fn long_texts_are_cut_at_a_letter_and_flags_have_words() {
    let content = format!("{}\n끝", "가나다라마바사아자차".repeat(7));
    let seen = wire(&plain("task_message.added", "mall:1", &json!({"content": content})), operator(false, Lang::Ko));
    assert_eq!(seen["body"].as_str().map(|body| body.chars().count()), Some(61));
    assert!(seen["body"].as_str().is_some_and(|body| body.ends_with("차…")), "{seen}");
    assert_eq!(seen["data"]["content"], content, "the data have all of it");
    for (secret, body) in [
        (json!(true), "사과 (비밀글)"),
        (json!(false), "사과"),
        (json!("true"), "사과 (비밀글)"),
        (Value::Null, "사과"),
    ] {
        let data = json!({"productName": "사과", "isSecret": secret});
        let seen = wire(&plain("product.inquiry.created", "mall:1", &data), operator(false, Lang::Ko));
        assert_eq!(seen["body"], body, "{secret}");
    }
}

#[test]
fn codes_that_are_new_to_us_are_shown_as_they_are() {
    let seen = wire(&plain("claim.requested", "mall:1", &json!({"claimType": "SWAP"})), operator(false, Lang::Ko));
    assert_eq!(seen["title"], "SWAP 신청");
}

#[test]
fn dates_on_the_wire_have_an_offset() {
    let data = json!({"orderYmdt": "2026-11-20 14:05:33"});
    let seen = wire(&plain("order.created", "mall:1", &data), operator(false, Lang::Ko));
    assert_eq!(
        (&seen["at"], &seen["occurredAt"]),
        (&json!("2026-11-20T14:05:33.12+09:00"), &json!("2026-11-20T14:05:33+09:00"))
    );
    let odd = json!({"orderYmdt": "어제"});
    assert_eq!(wire(&plain("order.created", "mall:1", &odd), operator(false, Lang::Ko)).get("occurredAt"), None);
}

#[test]
fn a_collapse_key_has_real_values_or_is_none() {
    let key = |type_name: &str, data: Value| prepared(&plain(type_name, "everyone", &data)).collapse_key();
    assert_eq!(key("claim.requested", json!({"claimNo": 987})).as_deref(), Some("claim:987"));
    assert_eq!(key("excel.export.completed", json!({"exportNo": "EX-1"})).as_deref(), Some("excel:EX-1"));
    assert_eq!(key("claim.requested", json!({})), None);
    assert_eq!(key("claim.requested", json!({"claimNo": null})), None);
    assert_eq!(key("claim.requested", json!({"claimNo": " "})), None);
    assert_eq!(key("order.created", json!({"orderNo": "1", "mallNo": 1})), None);
    assert_eq!(key("product.review.created", json!({"productNo": 1})), None);
}

#[test]
fn running_jobs_are_live_only() {
    let catalogue = Catalogue::builtin();
    for type_name in catalogue.types() {
        let prepared = prepared(&plain(&type_name, "everyone", &json!({})));
        let running = type_name.ends_with(".queued") || type_name.ends_with(".progress");
        let kept = !running && &*type_name != "admin.session.revoked";
        assert_eq!((prepared.is_job(), prepared.is_kept()), (running, kept), "{type_name}");
        assert_eq!(catalogue.keeps(&type_name), kept);
        let of_a_job = type_name.starts_with("excel.export.") || type_name.starts_with("job.");
        assert_eq!(prepared.is_of_a_job(), of_a_job, "{type_name}");
    }
}
