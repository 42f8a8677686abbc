//! What a page asks: lists by page and filter, counts, marks; and what is wrong with a question.

use serde_json::{Value, json};

use crate::harness::{
    Accounts, Kafka, Listener, Publisher, Server,
    accounts::{answer, token},
    inbox::Inbox,
    posts::post,
    until,
};

/// What is told live is what the list shows, and what somebody gets who comes back, byte for byte: one maker of texts, one rule of who sees what.
#[tokio::test(flavor = "multi_thread")]
async fn the_list_shows_each_viewer_what_was_told_live() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::with_the_cast().await);
    // Memory for some sixty records: who comes back from the beginning is shown all of it by the timeline.
    let server = Server::start(&kafka, &accounts, &[("ALLIM_HUB_MEMORY_BYTES", "65536")]).await;
    let publisher = Publisher::new(kafka.address);
    let people = ["demo-70001", "demo-70002", "demo-70003", "demo-70010", "demo-80501", "demo-80502", "demo-10000"];
    let mut listeners = Vec::new();
    for person in people {
        let mut listener = Listener::open(server.address, person, None).await;
        listener.live().await;
        listeners.push(listener);
    }
    let catalogue = allim::notification::Catalogue::builtin();
    let mut kept = 0;
    for name in catalogue.types() {
        let data = catalogue.example(&name).cloned().unwrap_or_default();
        let mut event = json!({ "type": *name, "data": data });
        if catalogue.audience(&name, None, &data).is_err() {
            event["audience"] = json!("mall:1001,mall:1001:partners");
        }
        publisher.json("mall:1001", &event).await;
        kept += usize::from(catalogue.entry(&name).kept);
    }
    publisher.tell("everyone", "mall:1001", "the last").await;
    until("all are recorded", async || {
        server.metric("allim_timeline_rows_total{outcome=\"stored\"}").await >= (kept + 1) as f64
    })
    .await;
    for i in 0..100 {
        publisher.tell_padded("mall:9999", "mall:1001", &format!("of nobody here {i}"), 500).await;
    }
    until("memory has passed it", async || server.metric("allim_memory_records").await < 90.0).await;
    let mut seen = 0;
    for (person, listener) in people.iter().zip(&mut listeners) {
        let start = listener.story.hellos[0]["position"].as_str().unwrap().to_owned();
        let mut live = Vec::new();
        loop {
            let event = listener.event("message").await;
            let last = event.json()["title"] == "the last";
            live.push(event.json());
            if last {
                break;
            }
        }
        let mut listed: Vec<Value> = Inbox::of(&server, person).all("limit=100").await;
        listed.reverse();
        seen += listed.len();
        let kept: Vec<&Value> = listed.iter().map(|item| &item["notification"]).collect();
        live.retain(|told| catalogue.entry(told["type"].as_str().unwrap()).kept);
        assert_eq!(live.iter().collect::<Vec<_>>(), kept, "{person}");
        let mut back = Listener::open(server.address, person, Some(&start)).await;
        let mut replayed = Vec::new();
        while replayed.len() < live.len() {
            replayed.push(back.event("message").await.json());
        }
        assert_eq!((replayed, back.story.gaps.len()), (live, 0), "{person}");
    }
    assert!(seen > 60, "hardly anything was compared: {seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_filters_leave_nothing_out_and_repeat_nothing() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let token = token(7, &[1001, 1002], None, true);
    let inbox = Inbox::of(&server, &token);
    assert_eq!(inbox.page("").await["items"], json!([]), "the first sight");
    for i in 0..120 {
        let mall = 1001 + i % 2;
        let mut event = json!({"type": if i % 3 == 0 { "inquiry.created" } else { "test.happened" }, "title": format!("{i}"),
            "mallNo": mall, "audience": format!("mall:{mall}")});
        if i % 5 == 0 {
            event["severity"] = json!("critical");
        }
        // Both malls in one audience: one row.
        if i % 10 == 0 {
            event["audience"] = json!("mall:1001,mall:1002");
        }
        publisher.json("one", &event).await;
    }
    inbox.has(120).await;
    let titles = |items: &[Value]| -> Vec<usize> {
        items.iter().map(|item| item["notification"]["title"].as_str().unwrap().parse().unwrap()).collect()
    };
    let newest_first = |wanted: &dyn Fn(usize) -> bool| (0..120).rev().filter(|i| wanted(*i)).collect::<Vec<usize>>();
    for limit in [1, 7, 50, 100] {
        assert_eq!(titles(&inbox.all(&format!("limit={limit}")).await), newest_first(&|_| true), "{limit} a page");
    }
    let table: [(&str, &dyn Fn(usize) -> bool); 8] = [
        ("mall=1002", &|i| i % 2 == 1),
        ("type=inquiry.created", &|i| i % 3 == 0),
        ("type=inquiry.created,test.happened", &|_| true),
        ("type=nothing.such", &|_| false),
        ("severity=critical", &|i| i % 5 == 0),
        ("mall=1001&severity=critical&type=test.happened", &|i| i % 2 == 0 && i % 5 == 0 && i % 3 != 0),
        ("unread=true", &|_| true),
        ("mall=7", &|_| false),
    ];
    for (query, wanted) in table {
        assert_eq!(titles(&inbox.all(&format!("limit=9&{query}")).await), newest_first(wanted), "{query}");
    }
    assert_eq!(inbox.unread().await, 100, "beyond 99 nobody counts");
    let catalogue = allim::notification::Catalogue::builtin();
    for (name, wanted) in [
        ("inquiry.created", &(|i: usize| i.is_multiple_of(3)) as &dyn Fn(usize) -> bool),
        ("test.happened", &|i| i % 3 != 0),
    ] {
        let category = &catalogue.entry(name).category;
        assert_eq!(titles(&inbox.all(&format!("category={category}")).await), newest_first(wanted), "{category}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_marked_is_read_everywhere_and_a_newcomer_has_read_the_past() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let (mine, late) = (token(7, &[1001], None, false), token(8, &[1001], None, false));
    let inbox = Inbox::of(&server, &mine);
    inbox.page("").await;
    for i in 0..6 {
        publisher.tell("mall:1001", "mall:1001", &format!("{i}")).await;
    }
    inbox.has(6).await;
    assert_eq!(inbox.unread().await, 6);
    let newcomer = Inbox::of(&server, &late);
    assert_eq!((newcomer.all("").await.len(), newcomer.unread().await), (6, 0), "the past counts as read");
    let items = inbox.all("").await;
    let id = |i: usize| items[i]["notification"]["id"].as_str().unwrap();
    inbox.reads(&[id(0), id(3), id(3)]).await;
    assert_eq!(inbox.unread().await, 4);
    assert_eq!(inbox.all("unread=true").await.len(), 4);
    let position = inbox.page("limit=1").await["position"].clone();
    publisher.tell("mall:1001", "mall:1001", "6").await;
    inbox.has(7).await;
    assert_eq!(inbox.post(&json!({ "upTo": position })).await.status, 204);
    assert_eq!(inbox.unread().await, 1, "what came behind that place is not read");
    assert_eq!(inbox.post(&json!({ "upTo": position })).await.status, 204, "a repeat does nothing");
    assert_eq!(inbox.post(&json!({ "ids": [id(5)], "read": false })).await.status, 204);
    let unread: Vec<Value> =
        inbox.all("unread=true").await.iter().map(|i| i["notification"]["title"].clone()).collect();
    assert_eq!(unread, ["6", "0"]);
    assert_eq!(inbox.unread().await, 2);
    // Nothing that others have read is read for that, and an id that is nobody's is no error.
    assert_eq!(
        (newcomer.unread().await, newcomer.post(&json!({ "ids": ["AAAAAAAAAAAAAAAAAAAAAA"] })).await.status),
        (1, 204)
    );
    // All that is still to come is not read by a place that is beyond the end.
    let far = allim::notification::Position::decode(position.as_str().unwrap()).unwrap();
    let far = allim::notification::Position { next: allim::notification::Vector::new(vec![1 << 40; 3]), ..far };
    assert_eq!(inbox.post(&json!({ "upTo": far.to_string() })).await.status, 204);
    publisher.tell("mall:1001", "mall:1001", "7").await;
    inbox.has(8).await;
    assert_eq!(inbox.unread().await, 1);
}

/// A hundred of the largest would be an answer of many megabytes, and wait in memory for who reads it slowly.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_large_ones_is_a_short_one() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let inbox = Inbox::of(&server, &token(7, &[1001], None, false));
    for i in 0..20 {
        publisher.tell_padded("mall:1001", "mall:1001", &format!("{i}"), 200_000).await;
    }
    inbox.has(20).await;
    let page = inbox.page("limit=100").await;
    assert_eq!((page["items"].as_array().unwrap().len(), page["next"].is_string()), (6, true));
    let all: Vec<String> = (0..20).map(|i| i.to_string()).collect();
    assert_eq!(inbox.titles().await, all);
}

/// A page believes the last word.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_marks_at_once_the_last_word_is_the_last_count() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let token = token(7, &[1001], None, false);
    let inbox = Inbox::of(&server, &token);
    let mut listener = Listener::open(server.address, &token, None).await;
    listener.live().await;
    for i in 0..40 {
        publisher.tell("mall:1001", "mall:1001", &format!("{i}")).await;
    }
    inbox.has(40).await;
    let ids: Vec<String> =
        inbox.all("").await.iter().map(|item| item["notification"]["id"].as_str().unwrap().to_owned()).collect();
    for some in ids.chunks(20) {
        let clicks = some.iter().map(|id| {
            let inbox = &inbox;
            async move { inbox.reads(&[id]).await }
        });
        futures::future::join_all(clicks).await;
        let mut last = Value::Null;
        for _ in some {
            last = listener.event("read").await.json();
        }
        assert_eq!(last["unread"].as_u64(), Some(inbox.unread().await), "{last}");
    }
}

/// Rights are those of now, also for what was addressed to me in person.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_from_a_mall_finds_nothing_of_it_any_more() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[("ALLIM_ACCOUNTS_FRESH_SECONDS", "1")]).await;
    let publisher = Publisher::new(kafka.address);
    let token = token(7, &[1001, 1002], None, false);
    let inbox = Inbox::of(&server, &token);
    let start = inbox.page("").await["position"].as_str().map(str::to_owned);
    let export = json!({"type": "test.happened", "title": "my export", "mallNo": 1001, "audience": "operator:7"});
    publisher.json("mall:1001", &export).await;
    publisher.tell("mall:1001,mall:1002", "mall:1001", "both").await;
    publisher.tell("mall:1001", "mall:1001", "the one mall").await;
    publisher.tell("mall:1002", "mall:1002", "the other mall").await;
    inbox.has(4).await;
    assert_eq!(inbox.unread().await, 4, "a union is one row");
    accounts.change(&token, Some(answer(7, &[1002], None, false)));
    until("he is known to be removed", async || inbox.all("").await.len() == 2).await;
    assert_eq!(inbox.unread().await, 2);
    let mut listener = Listener::open(server.address, &token, start.as_deref()).await;
    listener.live().await;
    let mut heard: Vec<&str> = listener.story.heard.iter().map(|(title, _)| title.as_str()).collect();
    heard.sort_unstable();
    assert_eq!(heard, ["both", "the other mall"]);
    // Back again: what he has not read is still unread. What a right shows that he has never had counts as read.
    accounts.change(&token, Some(answer(7, &[1001, 1002], None, false)));
    until("he is back", async || inbox.all("").await.len() == 4).await;
    assert_eq!(inbox.unread().await, 4);
    publisher.tell("mall:1003", "mall:1003", "of a third mall").await;
    until("it is recorded", async || server.metric("allim_timeline_rows_total{outcome=\"stored\"}").await >= 5.0).await;
    accounts.change(&token, Some(answer(7, &[1001, 1002, 1003], None, false)));
    until("he is promoted", async || inbox.all("").await.len() == 5).await;
    assert_eq!(inbox.unread().await, 4, "what the new right shows is the past");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_16_one_event_twice_from_the_producer_is_one_row() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let inbox = Inbox::of(&server, &token(7, &[1001], None, false));
    inbox.page("").await;
    let event = json!({"type": "test.happened", "id": "one", "title": "once", "audience": "mall:1001"});
    // Also where its repeat lies in another partition.
    for key in ["a", "b", "c", "d", "a"] {
        publisher.json(key, &event).await;
    }
    publisher.tell("mall:1001", "a", "behind it").await;
    inbox.has(2).await;
    until("all are taken up", async || server.metric("allim_timeline_rows_total{outcome=\"repeat\"}").await >= 4.0)
        .await;
    let mut titles = inbox.titles().await;
    titles.sort();
    assert_eq!((titles, inbox.unread().await), (vec!["behind it".to_owned(), "once".to_owned()], 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poller_is_told_when_nothing_has_changed() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let inbox = Inbox::of(&server, &token(7, &[1001], None, false));
    inbox.page("").await;
    publisher.tell("mall:1001", "a", "one").await;
    inbox.has(1).await;
    let first = inbox.get("/timeline", &[]).await;
    let tag = |head: &str| head.lines().find_map(|line| line.strip_prefix("etag: ").map(str::to_owned)).expect("a tag");
    let known = tag(&first.head);
    // What others see moves the place, and not what is shown.
    publisher.tell("mall:2002", "b", "of others").await;
    until("it is recorded", async || server.metric("allim_timeline_rows_total{outcome=\"stored\"}").await >= 2.0).await;
    let again = inbox.get("/timeline", &[("If-None-Match", &known)]).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    let id = first.json()["items"][0]["notification"]["id"].as_str().unwrap().to_owned();
    inbox.reads(&[&id]).await;
    let changed = inbox.get("/timeline", &[("If-None-Match", &known)]).await;
    assert_eq!(changed.status, 200, "it is read now");
    assert_ne!(tag(&changed.head), known);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_question_is_said() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let token = token(7, &[1001], None, false);
    let inbox = Inbox::of(&server, &token);
    for query in [
        "limit=0",
        "limit=101",
        "limit=x",
        "cursor=x",
        "cursor=",
        "mall=0",
        "mall=x",
        "severity=loud",
        "unread=yes",
        "unred=true",
        "limit=1&limit=2",
        "offset=3",
        "lang=fr",
    ] {
        let answer = inbox.get(&format!("/timeline?{query}"), &[]).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
    }
    let one = json!("AAAAAAAAAAAAAAAAAAAAAA");
    for body in [
        json!({}),
        json!([]),
        json!({"ids": []}),
        json!({"ids": ["x"]}),
        json!({"ids": [7]}),
        json!({"ids": vec![one.clone(); 501]}),
        json!({"ids": [one.clone()], "upTo": "x"}),
        json!({"upTo": "x"}),
        json!({"upTo": 7}),
        json!({"ids": [one.clone()], "read": "no"}),
        json!({"ids": [one.clone()], "operator": 8}),
    ] {
        let answer = inbox.post(&body).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
        assert!(answer.head.contains("application/problem+json"), "{}", answer.head);
    }
    let bearer = format!("Bearer {token}");
    let plain = [("Authorization", bearer.as_str()), ("Content-Type", "text/plain")];
    assert_eq!(post(server.address, "/timeline/read", &plain, b"{}").await.status, 415);
    for path in ["/timeline", "/timeline/unread-count"] {
        let nobody = Inbox::of(&server, "n0-such-operator");
        assert_eq!(nobody.get(path, &[]).await.status, 401, "{path}");
        assert_eq!(inbox.get(path, &[("Origin", "https://evil.example")]).await.status, 403, "{path}");
    }
    // A cookie alone does nothing for whatever page.
    let cookie = format!("allim_token={token}");
    let by_cookie = [("Cookie", cookie.as_str()), ("Content-Type", "application/json")];
    let body = json!({ "ids": [one] }).to_string();
    assert_eq!(post(server.address, "/timeline/read", &by_cookie, body.as_bytes()).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_timeline_there_is_none() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[("ALLIM_DATABASE_URL", "none")]).await;
    let token = token(7, &[1001], None, false);
    let inbox = Inbox::of(&server, &token);
    for path in ["/timeline", "/timeline/unread-count"] {
        assert_eq!(inbox.get(path, &[]).await.status, 404, "{path}");
    }
    let mut listener = Listener::open(server.address, &token, Some("garbage")).await;
    assert_eq!(listener.event("hello").await.json().get("unread"), None);
    assert_eq!(listener.event("gap").await.json(), json!({"reason": "unknown"}), "no link to what is not there");
    assert!(!server.data.join("timeline.sqlite").exists());
}
