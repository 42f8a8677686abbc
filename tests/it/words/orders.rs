//! An order of two partners: operators see all of it, each partner its own lines and their sum.

use allim::notification::{Lang, Notification};
use serde_json::{Value, json};

use super::{decode, example, operator, partner, wire};

fn apples() -> Value {
    json!({"orderProductOptionNo": 8801234, "productName": "사과 3kg", "orderCnt": 3, "salePrice": 13000,
           "partnerNo": 501, "partnerName": "한결식품"})
}

fn knitwear() -> Value {
    json!({"orderProductOptionNo": 8801235, "productName": "울 니트", "orderCnt": 1, "salePrice": 99999, "amount": 89000,
           "partnerNo": "502", "partnerName": "두리패션"})
}

fn order(lines: Value) -> Notification {
    let mut data =
        json!({"mallNo": 1001, "mallName": "온달몰", "orderNo": "202611201405331234", "firstPayAmt": 128000});
    for (name, value) in lines.as_object().expect("an object") {
        data[name] = value.clone();
    }
    decode(&json!({"type": "order.created", "data": data})).expect("a notification")
}

/// Every form that lines come in.
fn orders() -> Vec<Notification> {
    vec![
        order(json!({"orderProductOptions": [apples(), knitwear()]})),
        order(json!({"orderProducts": [apples(), knitwear()]})),
        order(json!({"orderProducts": [{"orderProductOptions": [apples()]}, {"orderProductOptions": [knitwear()]}]})),
        order(json!({"deliveryGroups": [
            {"orderProducts": [{"orderProductOptions": [apples()]}]},
            {"orderProducts": [{"orderProductOptions": [knitwear()]}]},
        ]})),
    ]
}

#[test]
fn its_audience_comes_from_its_lines() {
    for order in orders() {
        assert_eq!(order.audience.to_string(), "mall:1001,mall:1001:partner:501,mall:1001:partner:502");
        assert_eq!(order.mall.map(|mall| mall.get()), Some(1001));
    }
}

#[test]
fn operators_see_all_of_it() {
    for order in orders() {
        let seen = wire(&order, operator(false, Lang::Ko));
        assert_eq!(seen["title"], "새 주문 128,000원");
        assert_eq!(seen["body"], "[온달몰] 사과 3kg 외 1건 · 주문번호 202611201405331234");
        assert_eq!(seen["data"]["amount"], 128_000);
        assert_eq!(seen["data"]["orderProductOptions"].as_array().map(Vec::len), Some(2));
        assert_eq!(wire(&order, operator(false, Lang::En))["title"], "New order ₩128,000");
    }
}

#[test]
fn a_partner_sees_its_own_lines_and_their_sum() {
    for order in orders() {
        for personal in [false, true] {
            let seen = wire(&order, partner(501, personal, Lang::Ko));
            assert_eq!(seen["title"], "새 주문 39,000원");
            assert_eq!(seen["body"], "[온달몰] 사과 3kg · 주문번호 202611201405331234");
            assert_eq!((&seen["data"]["amount"], &seen["partnerNo"]), (&json!(39_000), &json!(501)));
            let raw = seen.to_string();
            for foreign in [
                "502",
                "두리패션",
                "니트",
                "89000",
                "89,000",
                "128000",
                "128,000",
                "99999",
                "8801235",
                "deliveryGroups",
            ] {
                assert!(!raw.contains(foreign), "501 sees `{foreign}` of 502 in {raw}");
            }
            let raw = wire(&order, partner(502, personal, Lang::En)).to_string();
            assert!(raw.contains("New order ₩89,000"), "{raw}");
            for foreign in ["501", "한결식품", "사과", "39000", "39,000", "13000", "128000", "128,000", "8801234"]
            {
                assert!(!raw.contains(foreign), "502 sees `{foreign}` of 501 in {raw}");
            }
        }
    }
}

#[test]
fn a_stranger_among_the_partners_sees_no_part() {
    for order in orders() {
        let seen = wire(&order, partner(503, true, Lang::Ko));
        assert_eq!((&seen["title"], &seen["body"]), (&json!("새 주문"), &json!("주문번호 202611201405331234")));
        for foreign in ["501", "502", "사과", "니트", "000원"] {
            assert!(!seen.to_string().contains(foreign), "{foreign}: {seen}");
        }
    }
}

#[test]
fn a_line_without_a_partner_is_for_operators() {
    let mut own = apples();
    own["partnerNo"] = Value::Null;
    let order = order(json!({"orderProductOptions": [own, knitwear()]}));
    assert_eq!(order.audience.to_string(), "mall:1001,mall:1001:partner:502");
    assert!(wire(&order, operator(false, Lang::Ko)).to_string().contains("사과"));
    assert!(!wire(&order, partner(502, true, Lang::Ko)).to_string().contains("사과"));
}

#[test]
fn a_sum_that_is_not_known_is_not_guessed() {
    let mut unpriced = apples();
    unpriced["salePrice"] = Value::Null;
    let mut order = json!({"mallNo": 1001, "orderProductOptions": [unpriced, apples(), knitwear()]});
    let seen =
        wire(&decode(&json!({"type": "order.created", "data": order})).expect("one"), partner(501, false, Lang::Ko));
    assert_eq!(seen["title"], "새 주문");
    // Nor does an absurd amount overflow.
    for option in order["orderProductOptions"].as_array_mut().expect("lines") {
        option["salePrice"] = json!(u64::MAX);
        option["orderCnt"] = json!(i64::MAX);
        option["amount"] = Value::Null;
    }
    let seen = wire(&decode(&json!({"type": "order.created", "data": order})).expect("one"), operator(false, Lang::Ko));
    assert_eq!(seen["title"], "새 주문");
}

#[test]
fn malformed_partners_are_nobody() {
    let mut line = apples();
    for bad in [json!("501,everyone"), json!("501:x"), json!(0), json!(-1), json!(501.5), json!([501]), json!("")] {
        line["partnerNo"] = bad.clone();
        let data = json!({"mallNo": 1001, "orderProductOptions": [line]});
        let rejected = decode(&json!({"type": "order.created", "data": data})).expect_err("nobody");
        assert_eq!(rejected.reason.as_str(), "bad_audience", "{bad}");
    }
}

#[test]
fn the_example_is_the_order_of_the_demo() {
    let order = decode(&json!({"type": "order.created", "data": example("order.created")})).expect("a notification");
    assert_eq!(wire(&order, operator(true, Lang::Ko))["title"], "새 주문 128,000원");
    let apples = wire(&order, partner(501, false, Lang::Ko));
    assert_eq!(apples["title"], "새 주문 39,000원");
    assert!(apples["body"].as_str().expect("a text").contains("사과 3kg"));
}

#[test]
fn a_claim_about_lines_of_two_partners_shows_each_its_own() {
    let claim = decode(&json!({"type": "claim.requested", "data": {
        "mallNo": 1001, "claimNo": 7, "claimType": "RETURN", "orderNo": "1", "claimAmt": 128000, "partnerNo": 501,
        "partnerName": "한결식품", "orderOptionNos": [8801234, 8801235], "claimReasonType": "CHANGE_MIND",
        "claimedOptions": [apples(), knitwear()]}}))
    .expect("a notification");
    assert_eq!(claim.audience.to_string(), "mall:1001,mall:1001:partner:501,mall:1001:partner:502");
    let all = wire(&claim, operator(false, Lang::Ko));
    assert_eq!(all["body"], "주문번호 1 · 사유: 단순변심(색상, 사이즈 등) · 128,000원");
    assert_eq!(all["data"]["claimedOptions"].as_array().map(Vec::len), Some(2));
    let theirs = wire(&claim, partner(502, false, Lang::Ko));
    assert_eq!((&theirs["body"], &theirs["partnerNo"]), (&json!("주문번호 1 · 89,000원"), &json!(502)));
    for foreign in ["501", "한결식품", "사과", "39000", "128000", "8801234"] {
        assert!(!theirs.to_string().contains(foreign), "502 sees `{foreign}` of 501 in {theirs}");
    }
    let named = wire(&claim, partner(501, false, Lang::Ko)).to_string();
    assert!(named.contains("39,000원") && named.contains("CHANGE_MIND"), "{named}");
    assert!(!named.contains("니트") && !named.contains("89000"), "{named}");
    let stranger = wire(&claim, partner(503, true, Lang::Ko));
    assert_eq!(stranger["body"], "주문번호 1");
}
