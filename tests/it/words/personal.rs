//! Personal data: unmasked for those with the right, masked or gone for all others, wherever it stands.

use allim::notification::{Catalogue, Lang, Notification};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{decode, example, operator, partner, plain, prepared, wire};

/// What the examples say of the customer.
const SECRETS: [&str; 8] =
    ["이영희", "010-1234-5678", "01012345678", "1234-5678", "younghee", "330912", "203.0.113.15", "전화 주세요"];

const WITH_CUSTOMERS: [&str; 8] = [
    "order.created",
    "claim.requested",
    "claim.status_changed",
    "inquiry.created",
    "inquiry.delayed",
    "product.inquiry.created",
    "fds.detected",
    "fds.resolved",
];

fn of(type_name: &str) -> Notification {
    decode(&json!({"type": type_name, "data": example(type_name)})).expect("a notification")
}

#[test]
fn without_the_right_nothing_of_the_customer_is_in_the_bytes() {
    for type_name in WITH_CUSTOMERS {
        for lang in [Lang::Ko, Lang::En] {
            for sight in [operator(false, lang), partner(501, false, lang), partner(999, false, lang)] {
                let raw = wire(&of(type_name), sight).to_string();
                for secret in SECRETS {
                    assert!(!raw.contains(secret), "{type_name} shows `{secret}` to {sight:?}: {raw}");
                }
            }
        }
    }
}

#[test]
fn with_the_right_an_operator_sees_it() {
    let claim = wire(&of("claim.requested"), operator(true, Lang::Ko));
    assert_eq!((&claim["data"]["ordererName"], &claim["data"]["mobile"]), (&json!("이영희"), &json!("010-1234-5678")));
    let inquiry = wire(&of("inquiry.created"), operator(true, Lang::Ko));
    assert_eq!(inquiry["title"], "1:1 문의: 이영희인데요, 언제 출고되나요?");
    assert_eq!(inquiry["body"], "배송문의 · 이영희");
}

#[test]
fn without_it_a_mask_is_left() {
    let claim = wire(&of("claim.requested"), operator(false, Lang::Ko));
    assert_eq!((&claim["data"]["ordererName"], &claim["data"]["mobile"]), (&json!("이*희"), &json!("010-****-5678")));
    assert_eq!(claim["data"].get("claimReasonDetail"), None);
    let inquiry = wire(&of("inquiry.created"), operator(false, Lang::Ko));
    assert_eq!((&inquiry["title"], &inquiry["body"]), (&json!("1:1 문의 등록"), &json!("배송문의 · 이*희")));
    assert_eq!(
        inquiry["data"]["issuer"],
        json!({"issuerName": "이*희", "issuerType": "MEMBER",
        "issuerEmail": "yo***@example.com", "issuerMobileNo": "010-****-5678"})
    );
}

#[test]
fn the_right_of_a_partner_ends_at_its_own() {
    let claim = of("claim.requested");
    assert_eq!(wire(&claim, partner(501, true, Lang::Ko))["data"]["ordererName"], "이영희");
    let strangers = wire(&claim, partner(502, true, Lang::Ko)).to_string();
    for foreign in ["이영희", "이*희", "39,000", "39000", "501", "한결"] {
        assert!(!strangers.contains(foreign), "{foreign}: {strangers}");
    }
}

#[test]
fn what_the_catalogue_does_not_list_goes_to_operators_with_the_right() {
    let data = json!({"noticeNo": 1, "title": "제목", "memo": "내부", "nested": {"a": ["b"]}, "noticeNo2": [1]});
    let notice = plain("notice.published", "everyone", &data);
    let all = wire(&notice, operator(true, Lang::Ko));
    assert_eq!((&all["data"]["memo"], &all["data"]["nested"]), (&json!("내부"), &json!({"a": ["b"]})));
    for sight in [operator(false, Lang::Ko), partner(501, true, Lang::Ko), partner(501, false, Lang::Ko)] {
        assert_eq!(wire(&notice, sight)["data"], json!({"noticeNo": 1, "title": "제목"}));
    }
}

#[test]
fn a_class_is_for_scalars_and_objects_in_their_place_are_unlisted() {
    let smuggled = json!({"noticeNo": {"name": "이영희"}, "title": ["이영희", {"x": 1}], "summary": ["a", "b"]});
    let seen = wire(&plain("notice.published", "everyone", &smuggled), operator(false, Lang::Ko));
    assert_eq!(seen["data"], json!({"summary": ["a", "b"]}));
    assert_eq!(seen["title"], "공지사항");
    assert_eq!(seen.get("collapseKey"), None);
    // A personal field that is no text has no mask.
    let odd = json!({"mallNo": 1, "ordererName": {"first": "영희"}, "mobile": 1012345678, "email": ["a@b.kr"], "phone": true});
    let seen = wire(&plain("claim.requested", "mall:1", &odd), operator(false, Lang::Ko));
    assert_eq!(seen["data"], json!({"mallNo": 1, "mobile": "101-***-5678"}));
}

#[test]
fn sights_are_reduced_to_what_the_event_distinguishes() {
    let reduced = |notification: &Notification| {
        let prepared = prepared(notification);
        let sights = [
            operator(true, Lang::Ko),
            operator(false, Lang::Ko),
            partner(501, true, Lang::Ko),
            partner(501, false, Lang::Ko),
            partner(502, false, Lang::Ko),
        ];
        let mut left: Vec<_> = sights.into_iter().map(|sight| prepared.reduce(sight)).collect();
        left.sort();
        left.dedup();
        left.len()
    };
    assert_eq!(reduced(&plain("notice.published", "everyone", &example("notice.published"))), 1);
    assert_eq!(reduced(&plain("zzz", "everyone", &json!({}))), 1);
    assert_eq!(reduced(&plain("zzz", "everyone", &json!({"unknown": 1}))), 2);
    // The example names a customer, and line by line whose it is: five sights, of which a stranger's right counts nothing.
    assert_eq!(reduced(&of("order.created")), 5);
    assert_eq!(reduced(&of("product.approval.requested")), 3);
    // A right to personal data makes no difference to whom the event does not belong.
    let claim = prepared(&of("claim.requested"));
    assert_eq!(claim.reduce(partner(502, true, Lang::Ko)), claim.reduce(partner(502, false, Lang::Ko)));
}

#[test]
fn no_log_line_spills_it() {
    let value = json!({"type": "claim.requested", "title": "이영희", "data": example("claim.requested")}).to_string();
    let record = super::raw(value.as_bytes());
    let notification = super::decoder().decode(&record).expect("a notification");
    for line in [format!("{record:?}"), format!("{notification:?}"), format!("{:?}", prepared(&notification))] {
        assert!(SECRETS.iter().all(|secret| !line.contains(secret)), "{line}");
    }
}

#[test]
fn links_lead_to_pages_only() {
    for (link, kept) in [
        ("https://admin.example.com/a?b=c#d", true),
        ("/orders/1", true),
        ("javascript:alert(1)", false),
        ("JAVASCRIPT:alert(1)", false),
        (" https://a.example", false),
        ("//evil.example/a", false),
        ("/\\evil.example", false),
        ("data:text/html,x", false),
        ("https://a.example/\r\nx", false),
        ("orders/1", false),
    ] {
        let beside = decode(&json!({"type": "zzz", "audience": "everyone", "link": link})).expect("a notification");
        let inside = plain("notice.published", "everyone", &json!({"link": link}));
        for notification in [beside, inside] {
            let seen = wire(&notification, operator(true, Lang::Ko));
            let expected = kept.then(|| Value::from(link));
            assert_eq!((seen.get("link"), seen["data"].get("link")), (expected.as_ref(), expected.as_ref()), "{link}");
        }
    }
}

/// Anything with a secret in it.
fn secret() -> impl Strategy<Value = Value> {
    Just(json!("SECRET")).prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(Value::Array),
            prop::collection::hash_map("[a-z]{9}", inner, 1..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Objects and lists that the catalogue reaches into, and fields of every class that a producer might fill with objects.
const PLACES: [&str; 12] = [
    "orderProductOptions",
    "orderProducts",
    "deliveryGroups",
    "issuer",
    "assignee",
    "requestedBy",
    "progress",
    "error",
    "indicators",
    "orderNo",
    "claimAmt",
    "ordererName",
];

proptest! {
    /// Wherever a producer puts what the catalogue does not know, only operators with the right see it.
    #[test]
    fn nothing_unlisted_gets_through(
        type_at in any::<prop::sample::Index>(),
        place in prop::option::of(prop::sample::select(PLACES.to_vec())),
        name in "[a-z]{9}",
        secret in secret(),
        list: bool,
    ) {
        let types = Catalogue::builtin().types();
        let inner = json!({name.clone(): secret, "partnerNo": 501, "productName": "사과"});
        let inner = if list { json!([inner, {"partnerNo": 502}]) } else { inner };
        let data = match place {
            Some(place) => json!({"partnerNo": 501, place: inner}),
            None => json!({"partnerNo": 501, name: inner}),
        };
        let notification = plain(&types[type_at.index(types.len())], "everyone", &data);
        for sight in [
            operator(false, Lang::Ko),
            partner(501, false, Lang::Ko),
            partner(502, false, Lang::En),
            partner(502, true, Lang::Ko),
        ] {
            let raw = wire(&notification, sight).to_string();
            prop_assert!(!raw.contains("SECRET"), "{sight:?} of {data}: {raw}");
        }
    }
}
