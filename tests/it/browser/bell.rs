//! What is under the bell: the list first and then the stream, one list of both, and what of it is read on every device.

use serde_json::{Value, json};

use super::{Stage, bare::with_token, looks::is_fine};
use crate::harness::{accounts::token, browser::Tab, inbox::Inbox, posts, sse::Stream, until};

pub const PAGES: [&str; 3] = ["/", "/sse.html", "/websocket.html"];

pub const TITLES: &str = "[...document.querySelectorAll('.list li[data-id] h3')].map((h3) => h3.lastChild.textContent)";
pub const SEEN: &str = "[...document.querySelectorAll('.list li.seen h3')].map((h3) => h3.lastChild.textContent)";
pub const BADGE: &str = "document.querySelector('.bell').ariaLabel.match(/[0-9+]+/)[0]";
pub const NOTE: &str = "document.querySelector('.note').textContent";
const COUNTS: &str = "[...document.querySelectorAll('.counts b')].map((b) => Number(b.textContent))";
pub const LIVE: &str = "document.querySelector('.state')?.dataset.state === 'live'";
pub const READ_ALL: &str = ".filters > :last-child";

/// Events of types of their own, so that none are folded, with these numbers in their titles.
pub async fn publish(stage: &Stage, mall: u64, numbers: std::ops::Range<usize>) {
    for n in numbers {
        let event = json!({"type": format!("team.message{n}"), "audience": format!("mall:{mall}"), "mallNo": mall,
                           "title": format!("event {n}")});
        stage.publisher.json(&format!("mall:{mall}"), &event).await;
    }
}

/// Newest first.
pub fn numbered(numbers: std::ops::Range<usize>) -> Value {
    numbers.rev().map(|n| format!("event {n}")).collect()
}

pub async fn list(stage: &Stage, token: &str) -> Value {
    let bearer = format!("Bearer {token}");
    let answer = Stream::get(stage.server.address, "/timeline?limit=100", &[("Authorization", &bearer)]).await;
    serde_json::from_str(&answer.unwrap().rest().await.unwrap()).unwrap()
}

/// Somebody of this mall, whom the server knows since before anything happened.
pub async fn known(stage: &Stage, mall: u64) -> String {
    let token = token(mall, &[mall], None, false);
    list(stage, &token).await;
    token
}

pub async fn is_stored(stage: &Stage, token: &str, many: usize) {
    until("it is stored", async || list(stage, token).await["items"].as_array().is_some_and(|all| all.len() == many))
        .await;
}

/// A page that is live and shows this.
pub async fn shows(stage: &Stage, path: &str, token: &str, titles: Value) -> Tab {
    let tab = with_token(stage, path, token).await;
    tab.until_of(&format!("{LIVE} && JSON.stringify({TITLES}) === JSON.stringify(arg)"), titles).await;
    tab
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_comes_first_and_what_is_live_joins_it() {
    let Some(stage) = Stage::set(&[]).await else { return };
    for (path, mall) in PAGES.into_iter().zip([11, 12, 13]) {
        let mine = known(&stage, mall).await;
        publish(&stage, mall, 0..3).await;
        is_stored(&stage, &mine, 3).await;
        stage.profile.requests().await;
        let tab = shows(&stage, path, &mine, numbered(0..3)).await;
        let asked = stage.profile.requests().await;
        let at = |what: &str| asked.iter().position(|one| one.contains(what)).unwrap_or_else(|| panic!("{asked:?}"));
        assert!(at("/timeline?") < at("/tickets"), "{asked:?}");
        assert!(!asked.iter().any(|one| one.contains("earliest")), "{asked:?}");
        publish(&stage, mall, 3..5).await;
        tab.until_of(&format!("JSON.stringify({TITLES}) === JSON.stringify(arg)"), numbered(0..5)).await;
        assert_eq!(tab.value(COUNTS).await, json!([5, 0, 0]), "{path}: received, missing, repeated");
        assert_eq!(tab.value(BADGE).await, "5", "{path}");
        tab.close().await;
    }
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_reads_on_one_device_is_grey_on_the_other() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let mine = known(&stage, 7).await;
    publish(&stage, 7, 0..3).await;
    is_stored(&stage, &mine, 3).await;
    let desk = shows(&stage, "/", &mine, numbered(0..3)).await;
    let away = stage.profile.another(json!({})).await;
    let tab = away.open(&format!("{}/websocket.html", stage.url())).await;
    tab.until("document.querySelector('input[type=password]')").await;
    tab.click("input[type=password]").await;
    tab.write(&mine).await;
    tab.press(&["Enter"]).await;
    tab.until(&format!("{LIVE} && {BADGE} === '3'")).await;

    desk.click(".list li:nth-child(2) h3").await;
    for device in [&desk, &tab] {
        device.until(&format!("{BADGE} === '2' && JSON.stringify({SEEN}) === '[\"event 1\"]'")).await;
    }
    tab.click(READ_ALL).await;
    for device in [&desk, &tab] {
        device.until(&format!("{BADGE} === '0' && {SEEN}.length === 3")).await;
    }
    publish(&stage, 7, 3..4).await;
    for device in [&desk, &tab] {
        device.until(&format!("{BADGE} === '1' && {SEEN}.length === 3 && {TITLES}.length === 4")).await;
    }
    // As another program of his would say it.
    is_stored(&stage, &mine, 4).await;
    let id = list(&stage, &mine).await["items"][2]["notification"]["id"].clone();
    let bearer = format!("Bearer {mine}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let mark = json!({"ids": [id], "read": false}).to_string();
    let answer = posts::post(stage.server.address, "/timeline/read", &headers, mark.as_bytes()).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    for device in [&desk, &tab] {
        device.until(&format!("{BADGE} === '2' && JSON.stringify({SEEN}) === '[\"event 2\",\"event 0\"]'")).await;
    }
    away.done().await;
    stage.profile.done().await;
}

/// The store is held up for as long as that takes, so the mark is there before the row.
/// A link of a row leads away at once: its page is gone before the question is.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_by_the_click_that_leaves_the_page_stays_read() {
    let Some(stage) = Stage::set(&[]).await else { return };
    for (path, mall) in PAGES.into_iter().zip([51, 52, 53]) {
        let mine = known(&stage, mall).await;
        publish(&stage, mall, 0..3).await;
        is_stored(&stage, &mine, 3).await;
        let tab = shows(&stage, path, &mine, numbered(0..3)).await;
        tab.run(
            "setTimeout(() => { document.querySelector(arg).click(); location.href = 'about:blank'; })",
            json!(READ_ALL),
        )
        .await;
        let inbox = Inbox::of(&stage.server, &mine);
        until("it is read", async || inbox.unread().await == 0).await;
    }
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_on_what_is_not_stored_yet_stays() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let mine = known(&stage, 7).await;
    let tab = shows(&stage, "/", &mine, json!([])).await;
    let click = "new MutationObserver(() => document.querySelector('.list li[data-id]:not(.seen) h3')?.click())
        .observe(document.querySelector('.list'), { childList: true, subtree: true });";
    tab.run(click, Value::Null).await;
    stage.profile.requests().await;
    let store = rusqlite::Connection::open(stage.server.data.join("timeline.sqlite")).unwrap();
    store.execute_batch("BEGIN IMMEDIATE").unwrap();
    publish(&stage, 7, 0..1).await;
    until("it is clicked", async || {
        stage
            .profile
            .requests()
            .await
            .iter()
            .any(|one| one.ends_with("POST /timeline/read") || one.ends_with("/timeline/read"))
    })
    .await;
    store.execute_batch("COMMIT").unwrap();
    is_stored(&stage, &mine, 1).await;
    tab.until(&format!("{SEEN}.length === 1 && {BADGE} === '0'")).await;
    let again = shows(&stage, "/sse.html", &mine, numbered(0..1)).await;
    assert_eq!(again.value(SEEN).await, json!(["event 0"]));
    assert_eq!(again.value(BADGE).await, "0");
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_the_server_does_not_take_is_taken_back() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let mine = known(&stage, 7).await;
    publish(&stage, 7, 0..2).await;
    is_stored(&stage, &mine, 2).await;
    let tab = shows(&stage, "/", &mine, numbered(0..2)).await;
    for (what, many) in [(".list li:first-child .mark", 1), (READ_ALL, 2)] {
        stage.profile.refuse_late("**/timeline/read", 503).await;
        tab.click(what).await;
        tab.until(&format!("{SEEN}.length === {many} && {BADGE} === '{}'", 2 - many)).await;
        stage.profile.leave_alone("**/timeline/read").await;
        tab.until(&format!("{SEEN}.length === 0 && {BADGE} === '2' && {NOTE} === '읽음 표시를 저장하지 못했습니다.'"))
            .await;
    }
    is_fine(&tab, "bell-not-marked").await;
    tab.click(".list li:first-child .mark").await;
    tab.until(&format!("{BADGE} === '1' && {SEEN}.length === 1 && document.querySelector('.note').hidden")).await;
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_show_a_part_also_of_what_comes() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let mine = token(70, &[7, 8], None, false);
    list(&stage, &mine).await;
    publish(&stage, 7, 0..2).await;
    publish(&stage, 8, 2..3).await;
    let fds = json!({"mallNo": 7, "fdsCaseNo": "FDS-1", "ruleName": "동일 카드", "riskLevel": "HIGH", "orderNo": "1",
                     "amount": 1000, "currencyCode": "KRW", "detectedYmdt": "2026-11-20 14:05:01"});
    stage.publisher.json("mall:7", &json!({"type": "fds.detected", "data": fds})).await;
    is_stored(&stage, &mine, 4).await;
    let tab = with_token(&stage, "/", &mine).await;
    tab.until(&format!("{LIVE} && {TITLES}.length === 4 && {BADGE} === '4'")).await;
    let choose = "const box = document.querySelectorAll('.filters select')[arg[0]]; box.value = arg[1]; \
                  box.dispatchEvent(new Event('change'))";
    let only = async |wanted: &str| tab.until_of(&format!("{TITLES}.join() === arg"), json!(wanted)).await;

    tab.run(choose, json!([0, "8"])).await;
    only("event 2").await;
    publish(&stage, 7, 3..4).await;
    publish(&stage, 8, 4..5).await;
    only("event 4,event 2").await;
    tab.until(&format!("{BADGE} === '6'")).await;
    tab.run(choose, json!([1, "critical"])).await;
    tab.until(&format!("{TITLES}.length === 0 && document.querySelector('.empty')?.innerText.includes('조건에 맞는')"))
        .await;
    is_fine(&tab, "bell-none-such").await;
    tab.run(choose, json!([0, ""])).await;
    tab.until(&format!("{TITLES}.length === 1 && document.querySelector('.list .critical')")).await;
    tab.run(choose, json!([1, ""])).await;
    tab.until(&format!("{TITLES}.length === 6")).await;

    // Only what is unread; what is read there stays until somebody looks again.
    tab.click(".list li:first-child h3").await;
    tab.until(&format!("{BADGE} === '5'")).await;
    tab.click(".filters button").await;
    tab.until(&format!("{TITLES}.length === 5")).await;
    tab.click(".list li:first-child h3").await;
    tab.until(&format!("{BADGE} === '4' && {TITLES}.length === 5 && {SEEN}.length === 1")).await;
    is_fine(&tab, "bell-unread").await;
    tab.click(".filters button").await;
    tab.until(&format!("{TITLES}.length === 6")).await;
    tab.click(".filters button").await;
    tab.until(&format!("{TITLES}.length === 4 && {SEEN}.length === 0")).await;
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn older_ones_are_loaded_until_the_end_and_nothing_jumps() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let mine = known(&stage, 7).await;
    publish(&stage, 7, 0..120).await;
    until("all are stored", async || {
        stage.server.metric("allim_timeline_rows_total{outcome=\"stored\"}").await >= 120.0
    })
    .await;
    for path in PAGES {
        let tab = shows(&stage, path, &mine, numbered(70..120)).await;
        tab.until(&format!("{BADGE} === '99+'")).await;
        let more = "document.querySelector('.list').scrollTop = 1e6; return document.querySelector('.list').scrollTop";
        let top = tab.run(more, Value::Null).await;
        tab.click(".more button").await;
        tab.until_of(&format!("JSON.stringify({TITLES}) === JSON.stringify(arg)"), numbered(20..120)).await;
        assert_eq!(tab.value("document.querySelector('.list').scrollTop").await, top, "{path}");
        is_fine(&tab, &format!("bell-more{}", path.replace(['/', '.'], "-"))).await;
        tab.click(".more button").await;
        tab.until_of(&format!("JSON.stringify({TITLES}) === JSON.stringify(arg)"), numbered(0..120)).await;
        tab.until("!document.querySelector('.more')").await;
        tab.close().await;
    }
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_silent_does_not_count_and_the_bell_opens_and_closes() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let mine = known(&stage, 7).await;
    let tab = shows(&stage, "/", &mine, json!([])).await;
    let expired = json!({"exportNo": 1, "fileName": "orders.xlsx", "requestedBy": {"adminNo": 7}, "mallNo": 7});
    let silent = json!({"type": "excel.export.expired", "audience": "mall:7", "data": expired});
    stage.publisher.json("mall:7", &silent).await;
    publish(&stage, 7, 0..2).await;
    tab.until(&format!("{TITLES}.length === 3 && {SEEN}.length === 1")).await;
    assert_eq!(tab.value(BADGE).await, "2");

    let open = "document.querySelector('.bell').ariaExpanded === 'true' && !document.querySelector('.rows').hidden";
    let has_focus = "document.activeElement.matches('.bell')";
    tab.until(open).await;
    tab.click(".list").await;
    tab.press(&["Escape"]).await;
    tab.until(&format!("!({open}) && {has_focus} && document.querySelector('.bell').ariaExpanded === 'false'")).await;
    publish(&stage, 7, 2..3).await;
    tab.until(&format!("{BADGE} === '3'")).await;
    is_fine(&tab, "bell-closed").await;
    tab.press(&["Enter"]).await;
    tab.until(&format!("{open} && {TITLES}.length === 4 && {has_focus}")).await;
    // And with the keyboard alone: the first row is read, and the next one within reach.
    for _ in 0..5 {
        tab.press(&["Tab"]).await;
    }
    until("the first row is reached", async || {
        if tab.value("document.activeElement.matches('.list li:first-child .mark')").await == true {
            return true;
        }
        tab.press(&["Tab"]).await;
        false
    })
    .await;
    tab.press(&["Enter"]).await;
    tab.until(&format!("{BADGE} === '2' && document.activeElement.matches('.list')")).await;
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_back_office_of_another_origin_has_the_same_list() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let mine = known(&stage, 7).await;
    publish(&stage, 7, 0..3).await;
    is_stored(&stage, &mine, 3).await;
    let tab = stage.page().await;
    let lines = "const [{ connect }, { Timeline }] = await Promise.all(['allim', 'timeline'].map((name) => import(`${arg.url}/${name}.js`)));
        const me = { url: arg.url, token: async () => arg.token };
        globalThis.list = new Timeline({ ...me, changed: () => { globalThis.shown = list.rows().map(({ n }) => n.title); } });
        globalThis.line = connect({ ...me, name: '7', position: await list.open() });
        line.on('frame', (frame) => list.frame(frame));";
    tab.run(lines, json!({"url": stage.url(), "token": mine})).await;
    tab.until("is('live') && shown.join() === 'event 2,event 1,event 0' && list.unread === 3").await;
    publish(&stage, 7, 3..4).await;
    tab.until("shown[0] === 'event 3' && list.unread === 4").await;
    assert_eq!(tab.run("return list.read(list.rows().slice(0, 2))", Value::Null).await, true);
    tab.until("list.unread === 2").await;
    let other = shows(&stage, "/", &mine, numbered(0..4)).await;
    other.until(&format!("{BADGE} === '2' && {SEEN}.join() === 'event 3,event 2'")).await;
    assert_eq!(tab.run("return list.readAll()", Value::Null).await, true);
    other.until(&format!("{BADGE} === '0'")).await;
    stage.profile.done().await;
}
