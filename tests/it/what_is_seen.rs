//! What is seen: everybody gets what is meant for them, in the form that is meant for them, and not a byte more.

use serde_json::{Value, json};

use crate::harness::{
    Accounts, Kafka, Listener, Publisher, Server, Story,
    accounts::{answer, token},
    sse::Stream,
};

/// The order of one customer with a line of each partner; nobody says whom it is for.
fn order() -> Value {
    json!({"type": "order.created", "data": {
        "mallNo": 1001, "mallName": "온달몰", "orderNo": "202611201405331234", "orderYmdt": "2026-11-20 14:05:33",
        "firstPayAmt": 128_000, "lastPayAmt": 128_000, "memberNo": 330_912, "ordererName": "이영희",
        "ordererMobile": "010-1234-5678",
        "orderProductOptions": [
            {"orderProductOptionNo": 8_801_234, "mallProductNo": 104_512_345, "productName": "사과 3kg",
             "orderCnt": 1, "salePrice": 39_000, "amount": 39_000, "partnerNo": 501, "partnerName": "한결식품"},
            {"orderProductOptionNo": 8_801_235, "mallProductNo": 104_512_399, "productName": "울 니트",
             "orderCnt": 1, "salePrice": 89_000, "amount": 89_000, "partnerNo": "502", "partnerName": "두리패션"}]}})
}

/// What of the order is partner 501's alone, and partner 502's.
const OF_501: [&str; 6] = ["39000", "39,000", "8801234", "104512345", "사과", "한결식품"];
const OF_502: [&str; 6] = ["89000", "89,000", "8801235", "104512399", "울 니트", "두리패션"];
/// What is the mall's, or the customer's, and no partner's: of the customer a partner sees a mask.
const OF_THE_MALL: [&str; 6] = ["128000", "128,000", "330912", "이영희", "010-1", "1234-5678"];

/// Everything that came down the stream so far, as it came.
fn bytes(listener: &Listener) -> String {
    String::from_utf8(listener.line.said().to_vec()).unwrap()
}

/// All of the demo's cast, live.
async fn cast(server: &Server) -> Vec<(u64, Listener)> {
    let mut cast = Vec::new();
    for number in [70_001, 70_002, 70_003, 70_010, 80_501, 80_502, 10_000, 10_001] {
        let mut listener = Listener::open(server.address, &format!("demo-{number}"), None).await;
        listener.live().await;
        cast.push((number, listener));
    }
    cast
}

fn holds(listener: &Listener, number: u64, wanted: &[&str], unwanted: &[&str]) {
    let bytes = bytes(listener);
    for text in wanted {
        assert!(bytes.contains(text), "{number} does not see {text}: {bytes}");
    }
    for text in unwanted {
        assert!(!bytes.contains(text), "{number} sees {text}: {bytes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_two_partners_is_seen_by_each_as_it_should_be() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::with_the_cast().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let mut cast = cast(&server).await;
    publisher.json("mall:1001", &order()).await;
    publisher.tell("everyone", "mall:1001", "the end").await;
    for (number, listener) in &mut cast {
        let first = listener.event("message").await.json();
        let (data, lines) = (&first["data"], first["data"]["orderProductOptions"].as_array());
        match number {
            70_001 | 70_002 | 70_010 => {
                assert_eq!((&data["amount"], lines.unwrap().len()), (&json!(128_000), 2), "{number}: {first}");
                let title = first["title"].as_str().unwrap();
                assert!(title.contains("128,000원"), "{number}: {title}");
                holds(listener, *number, &["39000", "89000", "사과", "울 니트"], &[]);
            }
            80_501 => {
                assert_eq!((&data["amount"], lines.unwrap().len()), (&json!(39_000), 1), "{first}");
                assert_eq!(first["partnerNo"], 501);
                holds(listener, *number, &["39,000원", "8801234", "사과"], &OF_502);
                holds(listener, *number, &[], &OF_THE_MALL);
            }
            80_502 => {
                assert_eq!((&data["amount"], lines.unwrap().len()), (&json!(89_000), 1), "{first}");
                assert_eq!(first["partnerNo"], 502);
                holds(listener, *number, &["89,000원", "8801235", "울 니트"], &OF_501);
                holds(listener, *number, &[], &OF_THE_MALL);
            }
            _ => assert_eq!(first["title"], "the end", "{number} got {first}"),
        }
        if first["title"] != "the end" {
            assert_eq!(listener.event("message").await.json()["title"], "the end", "{number}");
        }
    }
    let of = |number: u64| &cast.iter().find(|(n, _)| *n == number).unwrap().1;
    holds(of(70_001), 70_001, &["이영희", "010-1234-5678"], &[]);
    holds(of(70_002), 70_002, &["이*희", "010-****-5678"], &["이영희", "1234-5678", "330912"]);

    // Whoever comes later and reads it from memory sees the same, to the byte.
    for (number, live) in &cast {
        let mut late = Listener::open(server.address, &format!("demo-{number}"), Some("earliest")).await;
        late.hears("the end").await;
        let data = |bytes: String| -> Vec<String> {
            let lines = bytes.lines().map(str::to_owned);
            lines.filter(|line| line.starts_with("data: {\"id\"")).collect()
        };
        assert_eq!(data(bytes(&late)), data(bytes(live)), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_see_personal_data_gets_none_of_it_on_the_wire() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::with_the_cast().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let mut cast = cast(&server).await;
    let claim = json!({"type": "claim.requested", "data": {
        "mallNo": 1001, "claimNo": 987_654, "claimType": "CANCEL", "orderNo": "202611201405331234", "partnerNo": 501,
        "memberNo": 330_912, "ordererName": "이영희", "mobile": "010-1234-5678", "claimReasonType": "CHANGE_MIND",
        "claimReasonDetail": "이영희입니다. 010-1234-5678로 연락 주세요.", "claimAmt": 39_000,
        // What the catalogue has never heard of may be anything.
        "memo": "이영희 고객", "extra": {"phones": ["010-1234-5678"]}}});
    let inquiry = json!({"type": "inquiry.created", "data": {
        "mallNo": 1001, "inquiryNo": 45_120, "inquiryTypeName": "배송문의", "inquiryStatus": "ASKED",
        "inquiryTitle": "이영희인데요, 언제 출고되나요?", "inquiryContent": "010-1234-5678로 전화 주세요.",
        "issuer": {"issuerType": "MEMBER", "issuerNo": 330_912, "issuerName": "이영희", "mobile": "010-1234-5678"}}});
    let product_inquiry = json!({"type": "product.inquiry.created", "data": {
        "mallNo": 1001, "inquiryNo": 220_145, "productNo": 104_512_345, "productName": "사과 3kg", "partnerNo": 501,
        "type": "PRODUCT", "title": "이영희가 묻습니다", "content": "이영희 010-1234-5678", "memberName": "이영희",
        "memberId": "younghee"}});
    for event in [&claim, &inquiry, &product_inquiry] {
        publisher.json("mall:1001", event).await;
    }
    publisher.tell("everyone", "mall:1001", "the end").await;
    for (number, listener) in &mut cast {
        listener.hears("the end").await;
        match number {
            70_001 | 70_010 => {
                assert_eq!(listener.story.heard.len(), 4, "{number}");
                holds(listener, *number, &["이영희", "010-1234-5678", "younghee", "이영희 고객"], &[]);
            }
            70_002 => {
                assert_eq!(listener.story.heard.len(), 4);
                let personal = ["이영희", "영희", "1234-5678", "010-1", "younghee", "330912", "고객"];
                holds(listener, *number, &["이*희", "010-****-5678"], &personal);
            }
            80_501 => {
                // The claim and the question about its product; the inquiry is the mall's.
                assert_eq!(listener.story.heard.len(), 3);
                holds(
                    listener,
                    *number,
                    &["987654", "220145"],
                    &["이영희", "영희", "1234-5678", "010-1", "younghee", "330912", "45120"],
                );
            }
            _ => assert_eq!(listener.story.titles(), ["the end"], "{number}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_taken_takes_its_notifications_with_it() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let env = [("ALLIM_HTTP_RECHECK_SECONDS", "1"), ("ALLIM_ACCOUNTS_FRESH_SECONDS", "1")];
    let server = Server::start(&kafka, &accounts, &env).await;
    let publisher = Publisher::new(kafka.address);
    let who = token(70_001, &[1001, 1002], None, true);
    let to_me = |mall: u64, title: &str| json!({"type": "excel.export.failed", "audience": "operator:70001", "mallNo": mall, "title": title});
    let mut open = Listener::open(server.address, &who, None).await;
    open.live().await;
    let before = open.story.clone();
    publisher.json("operator:70001", &to_me(1002, "while I was there")).await;
    publisher.json("operator:70001", &to_me(1001, "where I stay")).await;
    open.hears("where I stay").await;
    assert_eq!(open.story.titles(), ["while I was there", "where I stay"]);

    // Removed from mall 1002: an open stream is told that its screen may show too much.
    accounts.change(&who, Some(answer(70_001, &[1001], None, true)));
    let gap = open.event("gap").await;
    assert_eq!(gap.json()["reason"], "scope");
    assert!(gap.id.is_some(), "a gap says where the stream goes on");
    publisher.json("operator:70001", &to_me(1002, "of my old mall")).await;
    publisher.tell("mall:1002", "operator:70001", "to my old mall").await;
    publisher.json("operator:70001", &to_me(1001, "of my mall")).await;
    open.hears("of my mall").await;
    assert_eq!(open.story.titles(), ["while I was there", "where I stay", "of my mall"]);

    // Rights are those of now: coming back to before the change shows nothing of the old mall either.
    for position in [before.position.clone(), Some("earliest".to_owned())] {
        let mut back = Listener::open(server.address, &who, position.as_deref()).await;
        back.hears("of my mall").await;
        back.live().await;
        assert_eq!(back.story.titles(), ["where I stay", "of my mall"], "{position:?}");
        assert_ne!(back.story.hellos[0]["scope"], before.hellos[0]["scope"], "the list on the screen is another one");
        assert!(!bytes(&back).contains("while I was there") && !bytes(&back).contains("old mall"));
    }

    // Given back, it counts again; less sight of personal data is a change of rights too.
    accounts.change(&who, Some(answer(70_001, &[1001, 1002], None, true)));
    assert_eq!(open.event("gap").await.json()["reason"], "scope");
    publisher.json("operator:70001", &to_me(1002, "back again")).await;
    open.hears("back again").await;
    accounts.change(&who, Some(answer(70_001, &[1001, 1002], None, false)));
    assert_eq!(open.event("gap").await.json()["reason"], "scope");
    let mut claim = json!({"type": "claim.requested", "mallNo": 1001, "title": "a claim", "data": {}});
    claim["data"] = json!({"mallNo": 1001, "claimNo": 1, "ordererName": "이영희", "mobile": "010-1234-5678"});
    publisher.json("mall:1001", &claim).await;
    assert_eq!(open.hears("a claim").await["data"]["ordererName"], "이*희");
    holds(&open, 70_001, &[], &["이영희", "1234-5678"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_81_malls_whose_numbers_begin_alike_never_mix() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let malls: [u64; 7] = [1, 10, 100, 1001, 1002, 10_010, 11];
    let mut people = Vec::new();
    for mall in malls {
        let operator = Listener::open(server.address, &token(mall, &[mall], None, false), None).await;
        let partner = Listener::open(server.address, &token(90_000 + mall, &[mall], Some(mall), false), None).await;
        people.push((mall, operator, partner));
    }
    for (_, operator, partner) in &mut people {
        operator.live().await;
        partner.live().await;
    }
    // One key, so that what is published last is heard last.
    for mall in malls {
        publisher.tell(&format!("mall:{mall}"), "k", &format!("mall {mall}")).await;
        publisher.tell(&format!("mall:{mall}:operators"), "k", &format!("operators of {mall}")).await;
        publisher.tell(&format!("operator:{mall}"), "k", &format!("operator {mall}")).await;
        publisher.tell(&format!("partner:{mall}"), "k", &format!("partner {mall}")).await;
        publisher.tell(&format!("mall:{mall}:partner:{mall}"), "k", &format!("partner in {mall}")).await;
        publisher.tell(&format!("mall:{mall}:partners"), "k", &format!("partners of {mall}")).await;
    }
    publisher.tell("everyone", "k", "the end").await;
    for (mall, operator, partner) in &mut people {
        operator.hears("the end").await;
        partner.hears("the end").await;
        let text = |words: &str| format!("{words} {mall}");
        let own = [text("mall"), text("operators of"), text("operator"), "the end".to_owned()];
        assert_eq!(operator.story.titles(), own);
        let own = [text("partner"), text("partner in"), text("partners of"), "the end".to_owned()];
        assert_eq!(partner.story.titles(), own);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_in_two_malls_sees_its_part_of_each() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let mut both = Listener::open(server.address, &token(80_501, &[1001, 1002], Some(501), false), None).await;
    let mut one = Listener::open(server.address, &token(80_511, &[1001], Some(501), false), None).await;
    both.live().await;
    one.live().await;
    for mall in [1001, 1002, 1003] {
        let mut event = order();
        event["data"]["mallNo"] = json!(mall);
        event["title"] = json!(format!("order in {mall}"));
        publisher.json("k", &event).await;
        let aimed = json!({"type": "test.happened", "audience": "partner:501", "mallNo": mall,
                           "title": format!("to 501 about {mall}")});
        publisher.json("k", &aimed).await;
    }
    publisher.tell("partner:501", "k", "about no mall").await;
    publisher.tell("everyone", "k", "the end").await;
    both.hears("the end").await;
    one.hears("the end").await;
    let all = ["order in 1001", "to 501 about 1001", "order in 1002", "to 501 about 1002", "about no mall", "the end"];
    assert_eq!(both.story.titles(), all);
    assert_eq!(one.story.titles(), ["order in 1001", "to 501 about 1001", "about no mall", "the end"]);
    for listener in [&both, &one] {
        holds(listener, 501, &["39000"], &OF_502);
        holds(listener, 501, &[], &OF_THE_MALL);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_come_in_the_language_that_is_asked_for() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::with_the_cast().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let mut listeners = Vec::new();
    for query in ["", "?lang=en", "?lang=en-US", "?lang=ko"] {
        let headers = [("Authorization", "Bearer demo-70001"), ("Accept", "text/event-stream")];
        let stream = Stream::get(server.address, &format!("/notifications{query}"), &headers).await.unwrap();
        assert_eq!(stream.status, 200);
        let mut listener = Listener { line: stream.into(), story: Story::default() };
        listener.live().await;
        listeners.push((query, listener));
    }
    publisher.json("mall:1001", &order()).await;
    for (query, listener) in &mut listeners {
        let heard = listener.event("message").await.json();
        let (title, body) = (heard["title"].as_str().unwrap(), heard["body"].as_str().unwrap());
        let english = query.contains("en");
        assert_eq!(title.contains("New order"), english, "{query}: {title}");
        assert_eq!(title.contains("새 주문"), !english, "{query}: {title}");
        assert_eq!(body.contains("and 1 more"), english, "{query}: {body}");
        assert_eq!(body.contains("외 1건"), !english, "{query}: {body}");
        assert!(title.contains("128,000") && !title.contains(['{', '[', '|']), "{query}: {title}");
    }
    let headers = [("Authorization", "Bearer demo-70001")];
    let refused = Stream::get(server.address, "/notifications?lang=fr", &headers).await.unwrap();
    assert_eq!(refused.status, 400);
}
