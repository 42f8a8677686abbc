//! Who did it, and that it is done: own acts, what is handled and by whom, and who may know a name.

use allim::notification::{Catalogue, Lang};
use serde_json::{Value, json};

use super::{example, operator, partner, plain, prepared, wire};

/// As an operator sees the example with these fields besides: `actorNo`, `handledBy`.
fn of(type_name: &str, more: &Value) -> (Value, Value) {
    let mut data = example(type_name);
    for (field, value) in more.as_object().expect("an object") {
        data[field] = value.clone();
    }
    let seen = wire(&plain(type_name, "everyone", &data), operator(false, Lang::Ko));
    (seen["actorNo"].clone(), seen["handledBy"].clone())
}

#[test]
fn these_types_say_who_did_it_and_these_that_it_is_done() {
    let by = |number: u64, name: &str| json!({"adminNo": number, "adminName": name});
    let done = [
        ("claim.status_changed", json!(70002), by(70002, "이바다")),
        ("claim.withdrawn", Value::Null, json!({})),
        ("fds.resolved", json!(70002), by(70002, "이바다")),
        ("inquiry.answered", json!(70002), by(70002, "이바다")),
        ("order.status_changed", json!(70002), Value::Null),
        ("product.approval.approved", json!(70002), by(70002, "이바다")),
        ("product.approval.rejected", json!(70002), by(70002, "이바다")),
        ("product.inquiry.answered", json!(80501), by(80501, "정다온")),
        ("task_message.added", json!(70001), Value::Null),
    ];
    for type_name in Catalogue::builtin().types() {
        let known = done.iter().find(|(name, ..)| *name == &*type_name);
        let expected = known.map_or((Value::Null, Value::Null), |(_, actor, by)| (actor.clone(), by.clone()));
        assert_eq!(of(&type_name, &json!({})), expected, "{type_name}");
    }
}

#[test]
fn only_a_claim_that_is_over_is_done() {
    let labels: Value = toml::from_str::<toml::Value>(include_str!("../../../src/notification/catalogue.toml"))
        .map(|file| serde_json::to_value(&file["labels"]["claimStatusType"]).expect("JSON"))
        .expect("TOML");
    let codes: Vec<&String> = labels.as_object().expect("a table").keys().collect();
    assert_eq!(codes.len(), 24);
    for code in codes {
        let over = code.ends_with("_NO_REFUND") || code.contains("_DONE");
        let (_, handled) = of("claim.status_changed", &json!({"claimStatusType": code}));
        assert_eq!(!handled.is_null(), over, "{code}");
    }
    assert!(of("claim.status_changed", &json!({"claimStatusType": "NEW_TO_US"})).1.is_null());
    assert!(of("claim.status_changed", &json!({"claimStatusType": null})).1.is_null());
    assert!(!of("task_message.added", &json!({"taskMessageStatusType": "DONE"})).1.is_null());
    // What is done nobody can say without a key.
    assert!(of("fds.resolved", &json!({"fdsCaseNo": null})).1.is_null());
}

#[test]
fn nobody_is_named_whom_the_event_does_not_name() {
    let (actor, by) = of("claim.status_changed", &json!({"treatmentAdminNo": null, "treatmentAdminName": " "}));
    assert_eq!((actor, by), (Value::Null, json!({})));
    // Numbers come as texts too; what is none is nobody.
    let (actor, by) = of("claim.status_changed", &json!({"treatmentAdminNo": "70002"}));
    assert_eq!((actor, by), (json!(70002), json!({"adminNo": 70002, "adminName": "이바다"})));
    for odd in [json!(0), json!(-1), json!("x"), json!([70002]), json!({"adminNo": 70002}), json!(1.5)] {
        let (actor, by) = of("claim.status_changed", &json!({"treatmentAdminNo": odd, "treatmentAdminName": odd}));
        assert_eq!(actor, Value::Null, "{odd}");
        assert!(by.get("adminNo").is_none(), "{odd}");
    }
}

#[test]
fn a_partner_learns_that_it_is_done_and_no_operators_number_or_name() {
    for type_name in Catalogue::builtin().types() {
        let notification = plain(&type_name, "everyone", &example(&type_name));
        let of_operator = wire(&notification, operator(false, Lang::Ko));
        for sight in [partner(501, true, Lang::Ko), partner(502, false, Lang::En), partner(999, true, Lang::Ko)] {
            let seen = wire(&notification, sight);
            // The one example of a partner's act; another test is about it.
            if &*type_name == "product.inquiry.answered" && sight.partner == partner(501, true, Lang::Ko).partner {
                continue;
            }
            assert_eq!(seen.get("actorNo"), None, "{type_name} {sight:?}");
            let done = of_operator.get("handledBy").map(|_| json!({}));
            assert_eq!(seen.get("handledBy"), done.as_ref(), "{type_name} {sight:?}");
            // Whoever waits for a result is named to nobody but himself, by the audience.
            if &*type_name != "push.test" && of_operator["data"].get("requestedBy").is_none() {
                let raw = seen.to_string();
                assert!(!raw.contains("70002") && !raw.contains("이바다"), "{type_name} {sight:?}: {raw}");
            }
        }
    }
}

#[test]
fn what_closes_an_item_reaches_everybody_who_saw_it_open() {
    for (opened, closed) in [
        ("claim.requested", "claim.status_changed"),
        ("claim.requested", "claim.withdrawn"),
        ("inquiry.created", "inquiry.answered"),
        ("inquiry.delayed", "inquiry.answered"),
        ("product.inquiry.created", "product.inquiry.answered"),
        ("product.approval.requested", "product.approval.approved"),
        ("product.approval.requested", "product.approval.rejected"),
        ("fds.detected", "fds.resolved"),
    ] {
        // Of one claim, one question, one product.
        let mut data = example(opened);
        for (field, value) in example(closed).as_object().expect("an object") {
            data[field] = value.clone();
        }
        let event = |type_name: &str| super::decode(&json!({"type": type_name, "data": data})).expect("a notification");
        let (opened, closed) = (event(opened), event(closed));
        let missed = opened.audience.terms().iter().find(|term| !closed.audience.terms().contains(term));
        assert_eq!(missed, None, "{} leaves the item of {} open", closed.type_name, opened.type_name);
        assert_eq!(prepared(&closed).collapse_key(), prepared(&opened).collapse_key(), "{}", closed.type_name);
    }
}

#[test]
fn what_becomes_of_an_item_reaches_the_partners_of_its_lines_too() {
    let line = |partner: u64, amount: u64| json!({"partnerNo": partner, "productName": format!("p{partner}"), "amount": amount});
    let claim = json!({"mallNo": 1001, "claimNo": 7, "orderNo": "1", "claimType": "RETURN", "claimStatusType": "RETURN_DONE",
        "claimedOptions": [line(501, 39_000), line(502, 89_000)], "claimAmt": 128_000});
    let order = json!({"mallNo": 1001, "orderNo": "1", "orderStatusType": "DELIVERY_ING",
        "orderProductOptions": [line(501, 39_000), line(502, 89_000)]});
    for (type_name, data) in [
        ("claim.requested", &claim),
        ("claim.status_changed", &claim),
        ("claim.withdrawn", &claim),
        ("order.created", &order),
        ("order.status_changed", &order),
    ] {
        let event = super::decode(&json!({"type": type_name, "data": data})).expect("a notification");
        let audience = event.audience.to_string();
        assert_eq!(audience, "mall:1001,mall:1001:partner:501,mall:1001:partner:502", "{type_name}");
        let theirs = wire(&event, partner(502, false, Lang::Ko));
        assert!(theirs.to_string().contains("p502"), "{type_name}: {theirs}");
        for foreign in ["501", "39000", "128000"] {
            assert!(!theirs.to_string().contains(foreign), "{type_name}: `{foreign}` in {theirs}");
        }
    }
}

#[test]
fn a_partner_knows_its_own_acts_and_those_of_nobody_else() {
    let said = |by: &Value, number: u64| {
        let mut data = example("product.inquiry.answered");
        data["repliedByPartnerNo"] = by.clone();
        let seen = wire(&plain("product.inquiry.answered", "everyone", &data), partner(number, false, Lang::Ko));
        assert_eq!(seen["data"].get("repliedByAdminNo"), None, "{seen}");
        (seen["actorNo"].clone(), seen["handledBy"].clone())
    };
    let own = (json!(80501), json!({"adminNo": 80501, "adminName": "정다온"}));
    assert_eq!(said(&json!(501), 501), own);
    assert_eq!(said(&json!("501"), 501), own, "producers write numbers as texts too");
    for (by, number) in
        [(json!(501), 502), (json!(502), 501), (Value::Null, 501), (json!("x"), 501), (json!([501]), 501)]
    {
        assert_eq!(said(&by, number), (Value::Null, json!({})), "{by} {number}");
    }
}
