//! What the demo's shop says of each thing that happens, as its services would: the fields of the catalogue's types.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    exports::{Export, ROWS, State, TOO_MANY_ROWS, digits, text},
    timeline::{ONDAL, What},
};
use crate::{notification::Audience, publish::event::Event};

/// What is sold.
pub struct Product {
    pub number: u64,
    pub name: &'static str,
    pub price: u64,
    /// The mall's own has none.
    partner: Option<u64>,
}

const FOOD: u64 = 501;
const WEAR: u64 = 502;

#[rustfmt::skip] // One product reads as one row.
pub const PRODUCTS: [Product; 9] = [
    Product { number: 104_512_345, name: "사과 3kg", price: 39_000, partner: Some(FOOD) },
    Product { number: 104_512_346, name: "제주 감귤 5kg", price: 24_900, partner: Some(FOOD) },
    Product { number: 104_512_347, name: "현미 10kg", price: 42_000, partner: Some(FOOD) },
    Product { number: 104_512_399, name: "울 니트", price: 89_000, partner: Some(WEAR) },
    Product { number: 104_512_400, name: "겨울 코트", price: 219_000, partner: Some(WEAR) },
    Product { number: 104_512_401, name: "양말 5켤레", price: 12_500, partner: Some(WEAR) },
    Product { number: 104_512_500, name: "선물 포장", price: 3_000, partner: None },
    Product { number: 104_512_501, name: "보온병 500ml", price: 27_000, partner: None },
    Product { number: 104_512_502, name: "에코백", price: 15_000, partner: None },
];

const CUSTOMERS: [&str; 6] = ["이영희", "박철수", "남궁민수", "최지우", "한아름", "정우성"];

/// The event, as its service would publish it.
#[must_use]
pub fn of(what: &What, now: Timestamp) -> Event {
    let at = now.as_second();
    let (kind, data) = match what {
        What::Order { mall, dice } | What::Rush { mall, dice } => ("order.created", order(*mall, *dice, at)),
        What::Export { export, step } => export_says(export, *step, at),
        What::ReturnAsked { case } => ("claim.requested", claim(*case, at)),
        What::ReturnDone { case } => ("claim.status_changed", claim_done(*case)),
        What::Inquiry { case } => ("inquiry.created", inquiry(*case, at)),
        What::ApprovalAsked { case } => ("product.approval.requested", approval(*case, "APPROVAL_READY", at)),
        What::Approved { case } => ("product.approval.approved", approval(*case, "FINISHED", at)),
        What::Question { case } => ("product.inquiry.created", question(*case, at)),
        What::Fraud { case } => ("fds.detected", fraud(*case, at)),
        What::FraudResolved { case } => ("fds.resolved", fraud_resolved(*case)),
        What::Announcement { case } => ("notice.published", announcement(*case, at)),
        What::Recount { case } => ("stock.recounted", recount(*case)),
    };
    let audience = match what {
        What::Announcement { .. } => "everyone".parse::<Audience>().ok(),
        // No rule knows the type, so the event says itself for whom it is.
        What::Recount { .. } => "mall:1001".parse().ok(),
        _ => None,
    };
    let title = matches!(what, What::Recount { .. }).then(|| "재고 실사가 끝났습니다".to_owned());
    let data = data.as_object().cloned().unwrap_or_else(Map::new);
    let mut event = Event { kind: kind.to_owned(), audience, title, data, ..Event::default() };
    event.settle();
    event
}

fn mall_name(mall: u64) -> &'static str {
    if mall == ONDAL { "온달몰" } else { "평강몰" }
}

fn partner_name(partner: u64) -> &'static str {
    if partner == FOOD { "한결식품" } else { "두리패션" }
}

fn order_no(at: i64, tail: u64) -> String {
    format!("{}{:04}", digits(at), tail % 10_000)
}

/// One to three lines. The second partner sells in the first mall only.
fn order(mall: u64, dice: u64, at: i64) -> Value {
    let mut dice = fastrand::Rng::with_seed(dice);
    let sold: Vec<&Product> =
        PRODUCTS.iter().filter(|product| mall == ONDAL || product.partner != Some(WEAR)).collect();
    let first = dice.usize(..sold.len());
    let lines: Vec<Value> = (0..dice.usize(1..=3))
        .map(|n| {
            let (product, count) = (sold[(first + n * 2) % sold.len()], dice.u64(1..=2));
            let mut line = json!({
                "orderProductOptionNo": at * 10 + i64::try_from(n).unwrap_or(0),
                "mallProductNo": product.number,
                "productName": product.name,
                "orderCnt": count,
                "salePrice": product.price,
                "amount": product.price * count,
            });
            if let Some(partner) = product.partner {
                line["partnerNo"] = partner.into();
                line["partnerName"] = partner_name(partner).into();
            }
            line
        })
        .collect();
    let total: u64 = lines.iter().filter_map(|line| line["amount"].as_u64()).sum();
    json!({
        "mallNo": mall,
        "mallName": mall_name(mall),
        "orderNo": order_no(at, dice.u64(..)),
        "orderYmdt": text(at),
        "ordererName": CUSTOMERS[dice.usize(..CUSTOMERS.len())],
        "payType": "CREDIT_CARD",
        "platformType": if dice.bool() { "MOBILE_WEB" } else { "PC" },
        "currencyCode": "KRW",
        "firstPayAmt": total,
        "orderStatusType": "PAY_DONE",
        "orderProductOptions": lines,
    })
}

fn export_says(export: &Export, step: u32, at: i64) -> (&'static str, Value) {
    let number = export.name();
    let mut says = json!({
        "exportNo": number,
        "jobId": number,
        "version": step + 1,
        "mallNo": export.mall,
        "mallName": mall_name(export.mall),
        "exportType": "ORDER",
        "exportName": format!("주문목록_{}", &digits(export.began)[..8]),
        "requestedBy": {"adminNo": export.admin},
    });
    let mut add = |fields: Value| {
        if let (Some(says), Some(fields)) = (says.as_object_mut(), fields.as_object()) {
            says.extend(fields.clone());
        }
    };
    let kind = match export.state(step) {
        State::Queued => {
            add(json!({"status": "QUEUED", "requestYmdt": text(at), "ahead": 2}));
            "excel.export.queued"
        }
        State::Running { percent, seconds_left } => {
            let total = if export.fails() { TOO_MANY_ROWS } else { ROWS };
            let progress = json!({"processed": total * percent / 100, "total": total, "percent": percent});
            add(json!({"status": "RUNNING", "progress": progress, "etaSeconds": seconds_left}));
            "excel.export.progress"
        }
        State::Completed => {
            let until = Timestamp::from_second(at + 7 * 86_400).map(|at| at.to_string()).unwrap_or_default();
            add(
                json!({"status": "COMPLETED", "fileName": format!("orders_{}.csv", digits(export.began)), "rows": ROWS,
                       "link": format!("/demo/exports/{number}"), "expiresAt": until,
                       "containsPersonalInformation": false, "elapsedMs": (at - export.began) * 1000}),
            );
            "excel.export.completed"
        }
        State::Failed => {
            let error =
                json!({"code": "ROW_LIMIT_EXCEEDED", "message": "최대 100,000행을 넘었습니다", "retryable": false});
            add(json!({"status": "FAILED", "error": error, "failedYmdt": text(at)}));
            "excel.export.failed"
        }
    };
    (kind, says)
}

fn claim(case: i64, at: i64) -> Value {
    json!({"mallNo": ONDAL, "mallName": "온달몰", "claimNo": case, "claimType": "RETURN", "claimStatusType": "RETURN_REQUEST",
           "claimYmdt": text(at), "orderNo": order_no(case, 1), "ordererName": "박철수", "partnerNo": FOOD,
           "partnerName": partner_name(FOOD), "claimReasonType": "DEFECTIVE_PRODUCT", "claimAmt": 39_000})
}

fn claim_done(case: i64) -> Value {
    json!({"mallNo": ONDAL, "mallName": "온달몰", "claimNo": case, "claimType": "RETURN", "orderNo": order_no(case, 1),
           "partnerNo": FOOD, "fromClaimStatusType": "RETURN_REQUEST", "claimStatusType": "RETURN_DONE",
           "treatmentStatusType": "APPROVE", "treatmentAdminNo": 70_002, "treatmentAdminName": "이바다"})
}

fn inquiry(case: i64, at: i64) -> Value {
    json!({"mallNo": ONDAL, "mallName": "온달몰", "inquiryNo": case, "inquiryTypeName": "배송문의", "inquiryStatus": "ASKED",
           "inquiryTitle": "언제 출고되나요?", "issuer": {"issuerName": "최지우", "issuerType": "MEMBER"},
           "issuedDateTime": text(at).replace(' ', "T")})
}

fn approval(case: i64, status: &str, at: i64) -> Value {
    let mut approval = json!({"mallNo": ONDAL, "mallName": "온달몰", "productNo": case, "productName": "햇배 5kg",
        "partnerNo": FOOD, "partnerName": partner_name(FOOD), "applyStatus": status});
    if status == "FINISHED" {
        approval["approvedByAdminNo"] = 70_002.into();
        approval["approvedByAdminName"] = "이바다".into();
        approval["approvedDateTime"] = text(at).into();
    } else {
        approval["approvalRequestedDateTime"] = text(at).into();
    }
    approval
}

fn question(case: i64, at: i64) -> Value {
    json!({"mallNo": ONDAL, "mallName": "온달몰", "inquiryNo": case, "productNo": PRODUCTS[3].number,
           "productName": PRODUCTS[3].name, "partnerNo": WEAR, "partnerName": partner_name(WEAR), "type": "PRODUCT",
           "title": "세탁기에 돌려도 되나요?", "isSecret": false, "memberName": "한아름", "registerYmdt": text(at),
           "replied": false})
}

fn fraud_no(case: i64) -> String {
    format!("FDS-{}", digits(case))
}

fn fraud(case: i64, at: i64) -> Value {
    json!({"mallNo": ONDAL, "mallName": "온달몰", "fdsCaseNo": fraud_no(case), "ruleCode": "CARD_MULTI_TRY",
           "ruleName": "동일 카드 단시간 다회 결제 시도", "riskScore": 92, "riskLevel": "HIGH", "action": "HOLD",
           "orderNo": order_no(case, 2), "payType": "CREDIT_CARD", "amount": 1_450_000, "currencyCode": "KRW",
           "detectedYmdt": text(at)})
}

fn fraud_resolved(case: i64) -> Value {
    json!({"mallNo": ONDAL, "mallName": "온달몰", "fdsCaseNo": fraud_no(case), "resolution": "CONFIRMED_FRAUD",
           "resolvedByAdminNo": 70_002, "resolvedByAdminName": "이바다"})
}

fn announcement(case: i64, at: i64) -> Value {
    let until = Timestamp::from_second(at + 30 * 86_400).map(|at| at.to_string()).unwrap_or_default();
    json!({"noticeNo": case, "title": "연말 배송 마감 안내", "summary": "12월 30일 16시 이후 주문은 1월 2일부터 출고됩니다.",
           "important": true, "displayUntil": until})
}

fn recount(case: i64) -> Value {
    json!({"mallNo": ONDAL, "mallName": "온달몰", "recountNo": case, "warehouse": "이천 1센터", "difference": 3})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::{Catalogue, catalogue::Entry};

    /// The paths of what the catalogue does not list.
    fn unlisted(entry: &Entry, above: &str, object: &Map<String, Value>) -> Vec<String> {
        let path = |name: &str| if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") };
        let lines = entry.lines.as_ref();
        let of = |(name, value): (&String, &Value)| match (lines.filter(|lines| lines.name == *name), value) {
            (Some(lines), Value::Array(all)) => all
                .iter()
                .filter_map(Value::as_object)
                .flat_map(|line| line.keys().filter(|field| lines.sheet.class(field).is_none()))
                .map(|field| format!("{name}[].{field}"))
                .collect(),
            (_, Value::Object(inner)) => unlisted(entry, &path(name), inner),
            _ if entry.sheet.class(&path(name)).is_none() => vec![path(name)],
            _ => vec![],
        };
        object.iter().flat_map(of).collect()
    }

    #[test]
    fn the_shop_says_nothing_that_the_catalogue_does_not_list() {
        let (catalogue, now) = (Catalogue::builtin(), Timestamp::UNIX_EPOCH);
        let mut timeline = crate::demo::mall::timeline::Timeline::new(0);
        timeline.go(crate::http::Pace::Busy, std::time::Duration::ZERO);
        let mut kinds = std::collections::BTreeSet::new();
        while let Some(at) = timeline.next().filter(|at| at.as_secs() < 270) {
            for event in timeline.due(at).iter().map(|what| of(what, now)) {
                let strange = unlisted(catalogue.entry(&event.kind), "", &event.data);
                let known = catalogue.knows(&event.kind);
                assert_eq!(strange.is_empty(), known, "{}: {strange:?}", event.kind);
                kinds.insert(event.kind);
            }
        }
        assert_eq!(kinds.len(), 15, "{kinds:?}");
    }
}
