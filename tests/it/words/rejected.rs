//! What is refused: with a stable code and in words, never with the payload, and never with a panic.

use allim::ingest::{Decoder, RawRecord, Rejected};
use proptest::prelude::*;
use serde_json::json;

use super::{MOST, decoder, raw, raw_with, with_legacy_text};

fn refused(decoder: &Decoder, record: &RawRecord<'_>) -> &'static str {
    match decoder.decode(record) {
        Ok(notification) => panic!("for {} instead of refused", notification.audience),
        Err(Rejected { reason, detail }) => {
            assert!(!detail.is_empty() && detail.len() < 300, "{detail}");
            assert!(!detail.contains("이영희"), "the detail repeats the payload: {detail}");
            reason.as_str()
        }
    }
}

#[test]
fn hostile_values() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let ok = "\"type\":\"zzz\",\"audience\":\"everyone\"";
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "empty"),
        (b" \n\t".to_vec(), "empty"),
        (b"hello".to_vec(), "bad_json"),
        (b"{".to_vec(), "bad_json"),
        ("{\"이영희\":".into(), "bad_json"),
        (b"null".to_vec(), "bad_json"),
        (b"42".to_vec(), "bad_json"),
        (b"\"{}\"".to_vec(), "bad_json"),
        (b"[{\"type\":\"zzz\",\"audience\":\"everyone\"}]".to_vec(), "bad_json"),
        (format!("{{{ok}}} {{}}").into_bytes(), "bad_json"),
        (format!("{{{ok},}}").into_bytes(), "bad_json"),
        (format!("{{{ok},\"a\":NaN}}").into_bytes(), "bad_json"),
        (format!("{{{ok},\"a\":01}}").into_bytes(), "bad_json"),
        (format!("{{{ok},\"a\":\"\n\"}}").into_bytes(), "bad_json"),
        (format!("{{{ok},\"a\":\"\\ud800\"}}").into_bytes(), "bad_json"),
        (format!("{{{ok},\"a\":\"\\udc00\\ud800\"}}").into_bytes(), "bad_json"),
        (format!("\u{feff}{{{ok}}}").into_bytes(), "bad_json"),
        (format!("{{{ok},\"a\":\"\\u0000\"}}").into_bytes(), "nul"),
        (format!("{{{ok},\"\\u0000\":1}}").into_bytes(), "nul"),
        (format!("{{{ok},\"a\":1,\"a\":2}}").into_bytes(), "duplicate_key"),
        (format!("{{{ok},\"\\u0061udience\":\"mall:1\"}}").into_bytes(), "duplicate_key"),
        (format!("{{{ok},\"d\":{{\"a\":1,\"b\":[{{\"c\":1,\"c\":1}}]}}}}").into_bytes(), "duplicate_key"),
        (format!("{{{ok},\"a\":1e999}}").into_bytes(), "number_range"),
        (format!("{{{ok},\"a\":-1e999}}").into_bytes(), "number_range"),
        (nested(64).into_bytes(), "too_deep"),
        (nested(100_000).into_bytes(), "too_deep"),
        ("{\"a\":".repeat(40_000).into_bytes(), "too_deep"),
        (vec![b'['; 200_000], "too_deep"),
        (b"\xff\xfe{\x00}\x00".to_vec(), "not_utf8"),
        (b"{\"type\":\"\xc0\xaf\",\"audience\":\"everyone\"}".to_vec(), "not_utf8"),
        (b"{\"type\":\"\xed\xa0\x80\",\"audience\":\"everyone\"}".to_vec(), "not_utf8"),
        (vec![b'x'; 10 * 1024 * 1024], "too_big"),
        (vec![b' '; MOST + 1], "too_big"),
    ];
    for (value, code) in &cases {
        let shown = String::from_utf8_lossy(&value[..value.len().min(60)]);
        assert_eq!(refused(&decoder(), &raw(value)), *code, "{shown}");
    }
    // Depth 64 itself is read.
    let deepest = format!("{{{ok},\"a\":{}{}}}", "[".repeat(63), "]".repeat(63));
    assert!(decoder().decode(&raw(deepest.as_bytes())).is_ok());
}

#[test]
fn events_that_say_too_little_or_nonsense() {
    for (value, code) in [
        (json!({}), "no_type"),
        (json!({"audience": "everyone"}), "no_type"),
        (json!({"type": null, "audience": "everyone"}), "no_type"),
        (json!({"type": " ", "audience": "everyone"}), "no_type"),
        (json!({"type": 5, "audience": "everyone"}), "bad_member"),
        (json!({"type": "kr.co.shopby..v1", "audience": "everyone"}), "bad_type"),
        (json!({"type": "a\r\nb", "audience": "everyone"}), "bad_type"),
        (json!({"type": "x".repeat(600), "audience": "everyone"}), "bad_type"),
        (json!({"type": "zzz"}), "no_audience"),
        (json!({"type": "zzz", "audience": null}), "no_audience"),
        (json!({"type": "zzz", "text": "all:everyone", "mallNo": 1}), "no_audience"),
        (json!({"type": "notice.published", "title": "전체 공지"}), "no_audience"),
        (json!({"type": "order.created", "data": {"orderNo": "1"}}), "no_audience"),
        (json!({"type": "zzz", "audience": ""}), "bad_audience"),
        (json!({"type": "zzz", "audience": "all"}), "bad_audience"),
        (json!({"type": "zzz", "audience": "mall:0"}), "bad_audience"),
        (json!({"type": "zzz", "audience": "이영희"}), "bad_audience"),
        (json!({"type": "zzz", "audience": ["everyone"]}), "bad_member"),
        (json!({"type": "zzz", "audience": "everyone", "mallNo": 0}), "bad_mall"),
        (json!({"type": "zzz", "audience": "everyone", "mallNo": -5}), "bad_mall"),
        (json!({"type": "zzz", "audience": "everyone", "mallNo": "all"}), "bad_mall"),
        (json!({"type": "zzz", "audience": "everyone", "mallNo": 1.5}), "bad_mall"),
        (json!({"type": "zzz", "audience": "everyone", "data": {"mallNo": [1]}}), "bad_mall"),
        (json!({"type": "zzz", "audience": "everyone", "mallNo": [1]}), "bad_member"),
        (json!({"type": "zzz", "audience": "everyone", "id": "a\r\nid: 7"}), "bad_id"),
        (json!({"type": "zzz", "audience": "everyone", "id": "x".repeat(600)}), "bad_id"),
        (json!({"type": "zzz", "audience": "everyone", "id": {}}), "bad_member"),
        (json!({"type": "zzz", "audience": "everyone", "data": "이영희"}), "bad_member"),
        (json!({"type": "zzz", "audience": "everyone", "title": {"ko": "이영희"}}), "bad_member"),
    ] {
        assert_eq!(refused(&decoder(), &raw(value.to_string().as_bytes())), code, "{value}");
    }
}

const EVENT: [(&str, &str); 5] =
    [("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_source", "/a"), ("ce_type", "zzz"), ("ce_audience", "everyone")];

#[test]
fn broken_cloud_events() {
    assert!(decoder().decode(&raw_with(&EVENT, Some(b"{}"))).is_ok());
    for missing in ["ce_specversion", "ce_id", "ce_source", "ce_type"] {
        let headers: Vec<_> = EVENT.into_iter().filter(|(name, _)| *name != missing).collect();
        assert_eq!(refused(&decoder(), &raw_with(&headers, Some(b"{}"))), "bad_cloudevent", "without {missing}");
    }
    for (extra, code) in [
        (("content-type", "application/avro"), "bad_cloudevent"),
        (("content-type", "application/cloudevents-batch+json"), "bad_cloudevent"),
        (("content-type", "application/cloudevents+avro"), "bad_cloudevent"),
        (("ce_id", "2"), "bad_header"),
        (("CE_ID", "1"), "bad_header"),
        (("audience", "mall:1"), "bad_audience"),
        (("ce_mallno", "x"), "bad_mall"),
        (("ce_mallno", "\0"), "nul"),
    ] {
        let headers: Vec<_> = EVENT.into_iter().chain([extra]).collect();
        assert_eq!(refused(&decoder(), &raw_with(&headers, Some(b"{}"))), code, "{extra:?}");
    }
    for value in ["[]", "\"이영희\"", "7", "{"] {
        assert_eq!(refused(&decoder(), &raw_with(&EVENT, Some(value.as_bytes()))), "bad_json", "{value}");
    }
    for event in [
        json!({"specversion": "1.0", "type": "zzz", "source": "/a", "audience": "everyone"}),
        json!({"specversion": "0.3", "id": "1", "type": "zzz", "source": "/a", "audience": "everyone"}),
        json!({"specversion": 1.0, "id": "1", "type": "zzz", "source": "/a", "audience": "everyone"}),
        json!({"specversion": "1.0", "id": "1", "type": "zzz", "source": "", "audience": "everyone"}),
        json!({"specversion": "1.0", "id": "1", "type": "zzz", "source": "/a", "audience": "everyone", "data_base64": "e30="}),
        json!({"specversion": "1.0", "id": "1", "type": "zzz", "source": "/a", "audience": "everyone", "datacontenttype": "text/xml"}),
    ] {
        assert_eq!(refused(&decoder(), &raw(event.to_string().as_bytes())), "bad_cloudevent", "{event}");
    }
    let not_an_event = json!({"type": "zzz", "audience": "everyone"}).to_string();
    let structured = [("content-type", "application/cloudevents+json; charset=UTF-8")];
    assert_eq!(refused(&decoder(), &raw_with(&structured, Some(not_an_event.as_bytes()))), "bad_cloudevent");
    assert_eq!(refused(&decoder(), &raw_with(&structured, Some(b"hello"))), "bad_json");
}

#[test]
fn records_without_a_value() {
    assert_eq!(refused(&decoder(), &raw_with(&[], None)), "tombstone");
    assert_eq!(refused(&decoder(), &raw_with(&[("audience", "everyone")], None)), "tombstone");
    assert_eq!(refused(&decoder(), &raw_with(&EVENT, None)), "tombstone");
    assert_eq!(refused(&with_legacy_text(), &raw_with(&[], None)), "tombstone");
}

#[test]
fn odd_headers() {
    let value = json!({"type": "zzz", "audience": "everyone"}).to_string();
    let mut record = raw(value.as_bytes());
    // Null headers are absent, strangers may be anything.
    record.headers =
        vec![("ce_id", None), ("audience", None), ("b3", Some(b"\xff\xff")), ("b3", None), ("", Some(b"\0"))];
    assert!(decoder().decode(&record).is_ok());
    record.headers = vec![("audience", Some(b"\xff"))];
    assert_eq!(refused(&decoder(), &record), "not_utf8");
    let long = vec![b'x'; 100_000];
    record.headers = vec![("b3", Some(&long))];
    assert_eq!(refused(&decoder(), &record), "too_big");
    record.headers = Vec::new();
    record.key = Some(&long);
    assert_eq!(refused(&decoder(), &record), "too_big");
}

#[test]
fn old_texts_that_address_nobody() {
    for text in [
        "all:hello",
        "hello all:everyone",
        "1:ALL:hello",
        "1:all hello",
        "me:hello",
        "1:you:hello",
        "시각은 14:05",
        "a:b",
        ":me:hello",
        "abc:me:hello",
        "0:me:hello",
        "01:me:hello",
        "-1:me:hello",
        "1 :me:hello",
        "70001:me:",
        "1:all: ",
        "메모: 김 대리:all:퇴근",
        "7000:1:me:x",
        "9223372036854775808:me:x",
        "x:me:y:all:z",
    ] {
        assert_eq!(refused(&with_legacy_text(), &raw(text.as_bytes())), "legacy_unaddressed", "{text}");
    }
    for (value, code) in [
        (&b"hel\0lo"[..], "nul"),
        (b"\xff\xfe", "not_utf8"),
        (b"\xef\xbb\xbfhello", "bad_json"),
        (b"{hello", "bad_json"),
        (b" {\"a\":", "bad_json"),
        (b"\r\n", "empty"),
        ("\u{3000}\u{b}\u{2028}".as_bytes(), "empty"),
        ("\u{3000}{\"audience\":\"mall:1001\",\"title\":\"a:all:b\"}".as_bytes(), "bad_json"),
    ] {
        assert_eq!(refused(&with_legacy_text(), &raw(value)), code);
    }
    // Off, it is no JSON, and the words say what might have been meant.
    let rejected = decoder().decode(&raw(b"1:all:hello")).expect_err("off");
    assert!(rejected.detail.contains("ALLIM_LEGACY_TEXT"), "{rejected}");
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|yes| json!(yes)),
        any::<i64>().prop_map(|number| json!(number)),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,12}".prop_map(|text| json!(text)),
    ];
    let name = prop_oneof![
        3 => prop::sample::select(vec![
            "type", "audience", "mallNo", "data", "title", "id", "orderProductOptions", "orderProducts", "partnerNo",
            "deliveryGroups", "amount", "salePrice", "orderCnt", "issuer", "specversion", "expiresAt", "link", "claimNo",
        ]).prop_map(str::to_owned),
        1 => "[a-zA-Z]{1,8}",
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::Array),
            prop::collection::hash_map(name.clone(), inner, 0..8)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Decodes, and if it is a notification renders it for everybody: nothing may panic, and no reduction may change a byte.
fn survive(record: &RawRecord<'_>) {
    for decoder in [decoder(), with_legacy_text()] {
        let Ok(notification) = decoder.decode(record) else { continue };
        let Ok(prepared) = allim::notification::Prepared::new(&notification, &decoder.catalogue) else { continue };
        for lang in [allim::notification::Lang::Ko, allim::notification::Lang::En] {
            for personal in [true, false] {
                for sight in [super::operator(personal, lang), super::partner(501, personal, lang)] {
                    let json = prepared.json(sight);
                    assert_eq!(json, prepared.json(prepared.reduce(sight)));
                    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(value in prop::collection::vec(any::<u8>(), 0..200)) {
        survive(&raw(&value));
    }

    #[test]
    fn no_mutation_of_an_example_makes_it_panic(
        line in 0..28_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let examples = include_str!("examples.jsonl");
        let mut bytes = examples.lines().nth(line).expect("a line").as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        survive(&raw(&bytes));
    }

    #[test]
    fn no_event_makes_it_panic(mut data in any_json(), known in any::<prop::sample::Index>(), inside: bool) {
        let types = allim::notification::Catalogue::builtin().types();
        let name = types[known.index(types.len())].to_string();
        if inside {
            data = json!({"data": data});
        }
        if let Some(members) = data.as_object_mut() {
            members.insert("type".to_owned(), json!(name));
            members.insert("audience".to_owned(), json!("everyone"));
        }
        survive(&raw(data.to_string().as_bytes()));
    }

    #[test]
    fn no_headers_make_it_panic(
        headers in prop::collection::vec(("ce_[a-z]{1,12}|content-type|audience", prop::option::of("\\PC{0,20}")), 0..6),
        value in prop::option::of("\\{\\}|\\PC{0,30}"),
    ) {
        let headers = headers.iter().map(|(name, text)| (name.as_str(), text.as_deref().map(str::as_bytes))).collect();
        let record = RawRecord { headers, value: value.as_deref().map(str::as_bytes), ..raw(b"") };
        survive(&record);
    }
}
