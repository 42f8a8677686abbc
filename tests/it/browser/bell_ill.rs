//! What is under the bell when something is missing: a gap, a store that is behind or ill, a server that keeps nothing.

use serde_json::{Value, json};

use super::{
    Stage,
    bare::with_token,
    bell::{BADGE, LIVE, NOTE, PAGES, READ_ALL, SEEN, TITLES, is_stored, known, numbered, publish, shows},
    looks::is_fine,
    somebody,
};
use crate::harness::{
    Server,
    browser::{Profile, Tab},
    posts::Service,
    sse::Stream,
    until,
    wire::Wire,
};

const SAYS: &str = "document.querySelector('.state span').textContent";

fn one(n: usize, at: &str) -> Value {
    json!({"id": format!("n{n}"), "type": format!("t{n}"), "category": "system", "severity": "info",
           "title": format!("event {n}"), "at": at})
}

/// A list that was written down, and a socket over which the test says what it wants.
async fn staged(stage: &Stage, items: &[Value]) -> Tab {
    lists(stage, items).await;
    stage.profile.answer_with("**/timeline/unread-count", "application/json", r#"{"unread":0}"#).await;
    let hello = json!({"type": "hello", "position": "p1", "hello": {"heartbeatSeconds": 15}}).to_string();
    let live = json!({"type": "status", "status": {"live": true}}).to_string();
    stage.profile.converse_with("**/ws?*", &[hello, live]).await;
    let tab = with_token(stage, "/websocket.html", &somebody()).await;
    tab.until(&format!("{LIVE} && {TITLES}.length === {}", items.len())).await;
    tab
}

async fn lists(stage: &Stage, items: &[Value]) {
    let items: Vec<Value> = items.iter().map(|item| json!({"notification": item, "read": true})).collect();
    let page = json!({"items": items, "position": "p1"}).to_string();
    stage.profile.leave_alone("**/timeline?*").await;
    stage.profile.answer_with("**/timeline?*", "application/json", &page).await;
}

async fn asked_for_lists(stage: &Stage) -> usize {
    stage.profile.requests().await.iter().filter(|one| one.contains("/timeline?")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_gaps_are_one_reload_and_a_person_may_ask_for_another() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let tab = staged(&stage, &[one(1, "2026-11-20T14:00:00Z")]).await;
    asked_for_lists(&stage).await;
    lists(&stage, &[one(3, "2026-11-20T14:02:00Z"), one(2, "2026-11-20T14:01:00Z"), one(1, "2026-11-20T14:00:00Z")])
        .await;
    for reason in ["retention", "tooMany", "lost"] {
        stage
            .profile
            .say(&json!({"type": "gap", "position": "p2", "gap": {"reason": reason, "link": "/timeline"}}))
            .await;
    }
    tab.until(&format!("{TITLES}.join() === 'event 3,event 2,event 1'")).await;
    tab.until(&format!("{SAYS} === '오래 떨어져 있어 일부는 목록에서만 볼 수 있습니다.'")).await;
    assert_eq!(asked_for_lists(&stage).await, 1);
    // What the list has is not missing.
    assert_eq!(tab.value("document.querySelector('.counts').textContent").await, "받음 3 · 빠짐 0 · 중복 0");
    is_fine(&tab, "bell-gap").await;
    tab.click(".state button").await;
    tab.until(&format!("{SAYS} === '실시간'")).await;
    until("it is loaded again", async || asked_for_lists(&stage).await == 1).await;
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_behind_is_told_and_the_list_is_loaded_when_it_has_caught_up() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let tab = staged(&stage, &[one(1, "2026-11-20T14:00:00Z")]).await;
    let gap = json!({"reason": "store", "link": "/timeline", "list": "later"});
    stage.profile.say(&json!({"type": "gap", "position": "p5", "gap": gap})).await;
    tab.until(&format!("{NOTE} === '저장이 밀려 있습니다. 빠진 알림은 곧 목록에 채워집니다.'")).await;
    let live = one(5, "2026-11-20T14:05:00Z");
    stage.profile.say(&json!({"type": "notification", "position": "p6", "notification": live})).await;
    tab.until(&format!("{TITLES}.join() === 'event 5,event 1' && {SAYS} === '실시간'")).await;
    is_fine(&tab, "bell-later").await;
    // The list that is loaded at the gap does not have it yet.
    lists(&stage, &[live, one(2, "2026-11-20T14:01:00Z"), one(1, "2026-11-20T14:00:00Z")]).await;
    stage.profile.say(&json!({"type": "status", "status": {"kept": true}})).await;
    tab.until(&format!("{TITLES}.join() === 'event 5,event 2,event 1' && document.querySelector('.note').hidden"))
        .await;
    stage.profile.done().await;
}

/// Between two of its counts the page counts by itself; where they differ it looks.
#[tokio::test(flavor = "multi_thread")]
async fn marks_of_other_nodes_come_without_numbers_and_the_page_looks() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let tab = staged(&stage, &[]).await;
    for n in [1, 2] {
        let live = one(n, &format!("2026-11-20T14:0{n}:00Z"));
        stage.profile.say(&json!({"type": "notification", "position": format!("p{n}"), "notification": live})).await;
    }
    tab.until(&format!("{BADGE} === '2' && {SEEN}.length === 0")).await;
    lists(&stage, &[one(1, "2026-11-20T14:01:00Z")]).await;
    stage.profile.say(&json!({"type": "read", "read": {"unread": 1}})).await;
    tab.until(&format!("{BADGE} === '1' && {SEEN}.join() === 'event 1' && {TITLES}.length === 2")).await;
    stage.profile.say(&json!({"type": "read", "read": {"upTo": "p2", "unread": 0}})).await;
    tab.until(&format!("{BADGE} === '0' && {SEEN}.length === 2")).await;
    // One that was read elsewhere before it was heard of here.
    stage.profile.say(&json!({"type": "read", "read": {"ids": ["n3"], "read": true, "unread": 0}})).await;
    let late = one(3, "2026-11-20T14:03:00Z");
    stage.profile.say(&json!({"type": "notification", "position": "p3", "notification": late})).await;
    tab.until(&format!("{BADGE} === '0' && {SEEN}.length === 3")).await;
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_stream_brings_is_a_gap_and_the_list_is_complete() {
    let Some(stage) = Stage::set(&[("ALLIM_HUB_MEMORY_BYTES", "100000")]).await else { return };
    let mine = known(&stage, 7).await;
    let wire = Wire::to(stage.server.address).await;
    let tab = stage.profile.open(&format!("{}/sse.html", wire.url())).await;
    tab.until("document.querySelector('input[type=password]')").await;
    tab.click("input[type=password]").await;
    tab.write(&mine).await;
    tab.press(&["Enter"]).await;
    tab.until(LIVE).await;
    stage.profile.offline(true).await;
    wire.cut();
    publish(&stage, 7, 0..2100).await;
    stage.profile.offline(false).await;
    tab.until(&format!("{SAYS} === '오래 떨어져 있어 일부는 목록에서만 볼 수 있습니다.'")).await;
    tab.until(&format!("{BADGE} === '99+' && {TITLES}[0] === 'event 2099'")).await;
    let all = "for (let i = 0; i < 100 && document.querySelector('.more button'); i += 1) {
            document.querySelector('.more button').click();
            await new Promise((drawn) => setTimeout(drawn, 50));
        }";
    tab.run(all, Value::Null).await;
    tab.until_of(&format!("JSON.stringify({TITLES}) === JSON.stringify(arg)"), numbered(0..2100)).await;
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_list_the_stream_goes_on_and_it_is_asked_for_again() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let mine = known(&stage, 7).await;
    publish(&stage, 7, 0..2).await;
    is_stored(&stage, &mine, 2).await;
    stage.profile.refuse("**/timeline?*", 503).await;
    for path in PAGES {
        let tab = with_token(&stage, path, &mine).await;
        tab.until(&format!("{LIVE} && {NOTE}.startsWith('목록을 불러오지 못했습니다.')")).await;
        // What memory has is there all the same.
        tab.until(&format!("{TITLES}.length === 2")).await;
        tab.close().await;
    }
    let tab = with_token(&stage, "/", &mine).await;
    tab.until(&format!("{LIVE} && !document.querySelector('.note').hidden")).await;
    publish(&stage, 7, 2..3).await;
    tab.until(&format!("{TITLES}[0] === 'event 2'")).await;
    is_fine(&tab, "bell-ill").await;
    stage.profile.leave_alone("**/timeline?*").await;
    tab.until(&format!("document.querySelector('.note').hidden && {TITLES}.length === 3")).await;
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_kept_the_pages_show_what_memory_has_and_count_by_themselves() {
    let Some(stage) = Stage::set(&[("ALLIM_DATABASE_URL", "none")]).await else { return };
    let mine = somebody();
    publish(&stage, 7, 0..3).await;
    for path in PAGES {
        let tab = shows(&stage, path, &mine, numbered(0..3)).await;
        assert_eq!(tab.value(BADGE).await, "3", "{path}");
        tab.click(".list li:first-child h3").await;
        tab.until(&format!("{BADGE} === '2' && {SEEN}.length === 1")).await;
        tab.click(READ_ALL).await;
        tab.until(&format!("{BADGE} === '0' && {SEEN}.length === 3 && document.querySelector('.note').hidden")).await;
        tab.click(".filters button").await;
        tab.until(&format!("{TITLES}.length === 0")).await;
        tab.close().await;
    }
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_other_rights_nothing_of_before_is_shown_and_a_list_that_was_refused_is_asked_for_again() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let tab = staged(&stage, &[one(1, "2026-11-20T14:00:00Z")]).await;
    let hello = |scope: &str| json!({"type": "hello", "hello": {"heartbeatSeconds": 15, "scope": scope}});
    let live = json!({"type": "status", "status": {"live": true}});
    stage.profile.say(&hello("mine")).await;
    stage.profile.say(&live).await;
    let says = [json!({"type": "gap", "position": "p2", "gap": {"reason": "scope"}}), hello("others")];
    for (n, word) in says.into_iter().enumerate() {
        lists(&stage, &[one(n + 2, "2026-11-20T14:00:00Z")]).await;
        stage.profile.say(&word).await;
        tab.until(&format!("{TITLES}.join() === 'event {}'", n + 2)).await;
    }
    stage.profile.leave_alone("**/timeline?*").await;
    stage.profile.refuse("**/timeline?*", 401).await;
    stage.profile.say(&json!({"type": "gap", "position": "p3", "gap": {"reason": "lost"}})).await;
    tab.until(&format!("{NOTE}.startsWith('목록을 불러오지 못했습니다.')")).await;
    lists(&stage, &[one(9, "2026-11-20T14:09:00Z")]).await;
    stage.profile.say(&hello("others")).await;
    tab.until(&format!("{TITLES}[0] === 'event 9' && document.querySelector('.note').hidden")).await;
    stage.profile.done().await;
}

/// What somebody did himself is no news to him, on no device.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_did_oneself_is_read() {
    let Some(profile) = Profile::new().await else { return };
    profile.answer_with("**/demo/traffic", "application/json", r#"{"pace":"calm"}"#).await;
    let server = Server::demo(&[]).await;
    let tab = profile.open(&format!("http://{}/sse.html", server.address)).await;
    tab.until(LIVE).await;
    for admin in [70001, 70002] {
        let data = json!({"mallNo": 1001, "claimNo": admin, "claimType": "RETURN", "orderNo": "1",
                          "claimStatusType": "RETURN_DONE", "treatmentAdminNo": admin, "treatmentAdminName": "누구"});
        let event = json!({"type": "claim.status_changed", "data": data});
        assert_eq!(Service::new(server.address, "demo-publisher").publish(&event).await.status, 202);
    }
    tab.until(&format!("{TITLES}.length === 2 && {SEEN}.length === 1 && {BADGE} === '1'")).await;
    until("the server knows", async || {
        let asked = Stream::get(server.address, "/timeline", &[("Authorization", "Bearer demo-70001")]).await;
        let list: Value = serde_json::from_str(&asked.unwrap().rest().await.unwrap()).unwrap();
        list["items"][1]["read"] == true && list["items"][0]["read"] == false
    })
    .await;
    profile.done().await;
}

/// A count that is told before what was missed is told counts that too.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_loaded_is_counted_once() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let unread = json!([{"notification": one(1, "2026-11-20T14:01:00Z"), "read": false}]);
    let page = json!({"items": unread, "next": "further", "position": "p1"}).to_string();
    stage.profile.answer_with("**/timeline?*", "application/json", &page).await;
    stage.profile.answer_with("**/timeline/unread-count", "application/json", r#"{"unread":3}"#).await;
    let frames = [
        json!({"type": "hello", "position": "p1", "hello": {"heartbeatSeconds": 15, "unread": 3}}),
        json!({"type": "notification", "position": "p2", "notification": one(2, "2026-11-20T14:02:00Z")}),
        json!({"type": "status", "status": {"live": true}}),
    ];
    stage.profile.converse_with("**/ws?*", &frames.map(|frame| frame.to_string())).await;
    let tab = with_token(&stage, "/websocket.html", &somebody()).await;
    tab.until(&format!("{LIVE} && {TITLES}.length === 2")).await;
    assert_eq!(tab.value(BADGE).await, "3");
    // From now on one more each.
    let next = json!({"type": "notification", "position": "p3", "notification": one(3, "2026-11-20T14:03:00Z")});
    stage.profile.say(&next).await;
    tab.until(&format!("{BADGE} === '4' && {TITLES}.length === 3")).await;
    stage.profile.done().await;
}
