//! How the pages look and feel in every state: for eyes, for a keyboard, for a screen reader, on a telephone.

use serde_json::{Value, json};

use super::Stage;
use crate::{
    harness::{
        Server,
        accounts::token,
        browser::{Profile, Tab},
        posts::Service,
        topics, until,
    },
    tidy,
};

const DESK: (u32, u32) = (1440, 900);
const WIDTHS: [u32; 3] = [320, 390, 1440];

/// Nobody is kept out, nothing sticks out, and there is a picture of it.
pub async fn is_fine(tab: &Tab, name: &str) {
    let serious = |found: &Value| found["impact"] == "serious" || found["impact"] == "critical";
    let found: Vec<Value> = tab.axe().await.into_iter().filter(serious).collect();
    assert!(found.is_empty(), "{name}: {found:#?}");
    assert_eq!(tab.value("document.querySelectorAll('[role=status]').length").await, 1, "{name}");
    for width in WIDTHS {
        tab.size(width, DESK.1).await;
        let widest = tab.value("document.documentElement.scrollWidth").await;
        assert!(widest.as_u64().is_some_and(|widest| widest <= u64::from(width)), "{name}: {widest} at {width}");
        if width == 390 {
            tab.picture(&format!("{name}-390.png")).await;
        }
    }
    tab.size(DESK.0, DESK.1).await;
    tab.picture(&format!("{name}.png")).await;
}

async fn demo() -> Option<(Profile, Server)> {
    let profile = Profile::new().await?;
    Some((profile, Server::demo(&[]).await))
}

async fn open(profile: &Profile, server: &Server, path: &str) -> Tab {
    let tab = profile.open(&format!("http://{}{path}", server.address)).await;
    tab.size(DESK.0, DESK.1).await;
    tab.until("document.querySelector('.list li[data-id]')").await;
    tab
}

/// Publishes as a service of the demo.
async fn publish(server: &Server, notification: Value) {
    let answer = Service::new(server.address, "demo-publisher").publish(&notification).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
}

const PACE: &str = "#top .group button:nth-of-type";

#[tokio::test(flavor = "multi_thread")]
async fn a_calm_day_in_light_and_dark_in_both_languages() {
    for (lang, scheme) in [("ko", "light"), ("ko", "dark"), ("en", "light"), ("en", "dark")] {
        let Some((profile, server)) = demo().await else { return };
        let tab = open(&profile, &server, &format!("/?lang={lang}")).await;
        tab.scheme(scheme).await;
        let fds = json!({"mallNo": 1001, "mallName": "온달몰", "fdsCaseNo": "FDS-1", "ruleName": "동일 카드 단시간 다회 결제 시도",
                         "riskLevel": "HIGH", "orderNo": "202611200001", "amount": 1_450_000, "currencyCode": "KRW",
                         "detectedYmdt": "2026-11-20 14:05:01"});
        publish(&server, json!({"type": "fds.detected", "data": fds})).await;
        tab.click("#guide li:nth-child(2) button").await;
        tab.until("document.querySelector('.list .critical') && document.querySelector('#left .jobs progress')").await;
        tab.until(
            "document.querySelector('.who .yes') && document.querySelectorAll('#right .list li[data-id]').length > 1",
        )
        .await;
        is_fine(&tab, &format!("calm-{lang}-{scheme}")).await;
        if tidy::bless() && (lang, scheme) == ("ko", "light") {
            let picture = tab.picture("readme.png").await;
            std::fs::copy(picture, concat!(env!("CARGO_MANIFEST_DIR"), "/docs/first-minute.png")).unwrap();
        }
        for summary in ["#left details:nth-of-type(1) > summary", "#left details:nth-of-type(2) > summary"] {
            tab.click(summary).await;
        }
        tab.click(".publish details:first-of-type > summary").await;
        is_fine(&tab, &format!("opened-{lang}-{scheme}")).await;
        profile.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rush_is_folded_and_a_screen_reader_is_spared() {
    let Some((profile, server)) = demo().await else { return };
    let tab = open(&profile, &server, "/").await;
    let watch = "globalThis.said = [];
        new MutationObserver(() => said.push(performance.now()))
            .observe(document.querySelector('[role=status]'), { childList: true, characterData: true, subtree: true });";
    tab.run(watch, Value::Null).await;
    tab.click(&format!("{PACE}(3)")).await;
    let biggest = "Math.max(0, ...[...document.querySelectorAll('#left .list h3')]
        .map((h3) => Number(/([0-9]+)건/.exec(h3.textContent)?.[1] ?? 0)))";
    tab.until(&format!("{biggest} >= 50")).await;
    assert!(tab.value("document.querySelectorAll('#left .list li').length").await.as_u64().unwrap() < 62);
    is_fine(&tab, "rush").await;
    tab.until("said.length >= 3").await;
    let quick = tab.value("said.slice(1).filter((at, i) => at - said[i] < 4900).length").await;
    assert_eq!(quick, 0, "{}", tab.value("said").await);
    profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_further_down_stays_there_and_is_told_of_what_is_new() {
    let Some((profile, server)) = demo().await else { return };
    let tab = open(&profile, &server, "/").await;
    tab.click(&format!("{PACE}(1)")).await;
    for n in 0..15 {
        let kind = format!("team.message{n}");
        publish(&server, json!({"type": kind, "audience": "mall:1001", "title": format!("소식 {n}"), "body": "…"}))
            .await;
    }
    tab.until("[...document.querySelectorAll('#left .list h3')].some((h3) => h3.textContent === '소식 14')").await;
    tab.run("document.querySelector('#left .list').scrollTop = 200", Value::Null).await;
    let first = "const list = document.querySelector('#left .list').getBoundingClientRect();
        return document.elementFromPoint(list.x + 60, list.y + 30).closest('li').dataset.id;";
    let reads = tab.run(first, Value::Null).await;
    publish(&server, json!({"type": "team.message", "audience": "mall:1001", "title": "새 소식"})).await;
    tab.until("!document.querySelector('#left .newer').hidden").await;
    assert_eq!(tab.run(first, Value::Null).await, reads, "nothing moved under the reader's eyes");
    tab.click("#left .newer").await;
    let top = "document.querySelector('#left .list').scrollTop === 0 && document.querySelector('#left .newer').hidden";
    tab.until(top).await;
    profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_can_be_seen_and_read() {
    let Some((profile, mut server)) = demo().await else { return };
    let tab = open(&profile, &server, "/").await;
    tab.click("#left footer button").await;
    tab.until("document.querySelector('#left article').hasAttribute('data-away')").await;
    is_fine(&tab, "cut").await;
    // What cannot be published is said, where it is wrong.
    tab.click(".chips button[value=json]").await;
    tab.run("const box = document.querySelector('textarea'); box.value = arg; box.dispatchEvent(new Event('input', { bubbles: true }));",
        json!(r#"{"type":"order.created","data":{"mallNo":"no number"}}"#)).await;
    tab.until("document.querySelector('.publish').innerText.includes('/data/mallNo')").await;
    is_fine(&tab, "wrong").await;
    server.signal("KILL");
    server.ended().await;
    tab.until("document.querySelector('#right .state span').textContent === '서버를 기다리는 중…'").await;
    is_fine(&tab, "waiting").await;
    profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_pane_over_the_browsers_own_eventsource() {
    let Some((profile, server)) = demo().await else { return };
    let tab = open(&profile, &server, "/sse.html").await;
    is_fine(&tab, "sse").await;
    // An old page knows the address, and nothing but `onmessage`: with a ticket its three lines are as good as ever.
    let ticket = "return (await (await fetch('/tickets', { method: 'POST', headers: { Authorization: 'Bearer demo-70001' } })).json()).ticket";
    let ticket = tab.run(ticket, Value::Null).await;
    tab.run(
        "globalThis.old = []; const events = new EventSource(`/notifications?ticket=${arg}`);
             events.onmessage = (event) => old.push(JSON.parse(event.data).title);
             await new Promise((opened) => { events.onopen = opened; });",
        ticket,
    )
    .await;
    // And its box: a line of text, to all.
    tab.click(".publish details:last-of-type > summary").await;
    assert_eq!(tab.value("document.querySelector('input[name=text]').placeholder").await, "메세지를 입력하세요.");
    tab.click("input[name=text]").await;
    tab.write("안녕하세요").await;
    tab.click("input[name=all]").await;
    tab.click(".publish details:last-of-type button").await;
    tab.until("old.includes('안녕하세요')").await;
    tab.until("[...document.querySelectorAll('.list h3')].some((h3) => h3.textContent === '안녕하세요')").await;
    tab.click("#left footer button").await;
    tab.until("document.querySelector('#left article').hasAttribute('data-away')").await;
    publish(&server, json!({"type": "team.message", "audience": "mall:1001", "title": "끊긴 동안"})).await;
    tab.until("document.querySelector('#left .state span').textContent.includes('모두 받았습니다')").await;
    let counts = "[...document.querySelectorAll('.counts b')].slice(1).map((b) => b.textContent)";
    assert_eq!(tab.value(counts).await, json!(["0", "0"]));
    profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_real_accounts_there_is_a_box_for_a_token_and_nothing_of_the_demo() {
    let Some(stage) = Stage::set(&[]).await else { return };
    topics::create(stage.kafka.address.signals(), 1, 1).await;
    until("signals are heard", async || stage.server.metric("allim_signals_live").await == 1.0).await;
    for (path, name) in [("/", "token"), ("/sse.html", "token-sse"), ("/websocket.html", "token-websocket")] {
        let tab = stage.profile.open(&(stage.url() + path)).await;
        tab.until("document.querySelector('input[type=password]')").await;
        is_fine(&tab, name).await;
        let of_the_demo = "document.querySelectorAll('.publish, .guide, footer button').length";
        assert_eq!(tab.value(of_the_demo).await, 0, "{path}");
        let mine = token(3, &[7], None, true);
        tab.click("input[type=password]").await;
        tab.write(&mine).await;
        tab.press(&["Enter"]).await;
        tab.until("document.querySelector('.state').dataset.state === 'live'").await;
        stage.tell(&format!("for {name}")).await;
        tab.until_of("document.querySelector('.list h3')?.textContent === arg", json!(format!("for {name}"))).await;
        if path == "/" {
            stage.publisher.signal(&json!({"type": "token.revoked", "adminNo": 3})).await;
            tab.until("document.querySelector('.state').dataset.state === 'ended'").await;
            is_fine(&tab, "ended").await;
        }
        tab.close().await;
    }
    stage.profile.done().await;
}

/// Presses Tab until something has the focus, as somebody without a mouse does.
async fn reach(tab: &Tab, what: &str) {
    for _ in 0..120 {
        let here = "document.activeElement.matches(arg) && document.activeElement.matches(':focus-visible')";
        if tab.run(&format!("return {here}"), json!(what)).await == true {
            return;
        }
        tab.press(&["Tab"]).await;
    }
    panic!("{what} cannot be reached with the keyboard");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_journey_without_a_mouse() {
    let Some((profile, server)) = demo().await else { return };
    let tab = open(&profile, &server, "/").await;
    reach(&tab, &format!("{PACE}(1)")).await;
    tab.press(&["Space"]).await;
    reach(&tab, "#guide li:nth-child(2) button").await;
    tab.press(&["Enter"]).await;
    tab.until("document.querySelector('#right .list li[data-id] h3')?.textContent.includes('39,000')").await;
    reach(&tab, "#guide li:nth-child(3) button").await;
    tab.press(&["Enter"]).await;
    tab.until("document.querySelector('#left .jobs progress')").await;
    // A kind, a field, and off it goes.
    reach(&tab, ".chips button[value=free]").await;
    tab.press(&["Enter"]).await;
    reach(&tab, "input[name=title]").await;
    tab.press(&["Control+a"]).await;
    tab.write("자판으로").await;
    tab.press(&["Enter"]).await;
    tab.until("document.querySelector('#left .list li[data-id] h3').textContent === '자판으로'").await;
    // Another operator.
    reach(&tab, "#left select").await;
    tab.press(&["ArrowDown", "ArrowDown"]).await;
    tab.until("document.querySelector('#left select').selectedOptions[0].textContent.startsWith('박솔이')").await;
    tab.until("document.querySelector('#left .state').dataset.state === 'live'").await;
    reach(&tab, "#left .bell").await;
    tab.press(&["Enter"]).await;
    tab.until("document.querySelector('#left .bell b').hidden").await;
    reach(&tab, "#left footer button").await;
    tab.press(&["Enter"]).await;
    tab.until("document.querySelector('#left article').hasAttribute('data-away')").await;
    reach(&tab, "#left details:nth-of-type(1) > summary").await;
    tab.press(&["Enter"]).await;
    tab.until("document.querySelector('#left details').open && document.querySelector('#left details pre').textContent.includes('data: {')")
        .await;
    tab.press(&["Shift+Tab"]).await;
    reach(&tab, "#right select").await;
    profile.done().await;
}

/// Operators and languages are switched faster than a ticket comes: nothing of the one before is in the pane of the next.
#[tokio::test(flavor = "multi_thread")]
async fn quick_hands_do_not_mix_two_operators() {
    for path in ["/sse.html", "/websocket.html"] {
        let Some((profile, server)) = demo().await else { return };
        are_two_operators(&profile, &server, path).await;
        profile.done().await;
    }
}

async fn are_two_operators(profile: &Profile, server: &Server, path: &str) {
    let tab = open(profile, server, path).await;
    tab.click("#left details:nth-of-type(1) > summary").await;
    let quick = "const choice = document.querySelector('#left select');
        for (const i of [1, 0, 1, 0, 1, 0, 6]) { choice.selectedIndex = i; choice.dispatchEvent(new Event('change')); }
        for (let i = 0; i < 4; i += 1) document.querySelector('#top button:last-of-type').click();";
    tab.run(quick, Value::Null).await;
    tab.until("document.querySelector('.state').dataset.state === 'live'").await;
    until("one stream is open", async || server.metric("allim_streams").await == 1.0).await;
    publish(server, json!({"type": "team.message", "audience": "mall:1001", "title": "of mall 1001"})).await;
    publish(server, json!({"type": "team.message", "audience": "mall:10", "title": "of mall 10"})).await;
    tab.until("document.querySelector('.list h3')?.textContent === 'of mall 10'").await;
    let shown = tab.value("document.body.innerText").await;
    assert!(!shown.as_str().unwrap().contains("1001"), "{shown}");
    assert_eq!(
        tab.value("[...document.querySelectorAll('.counts b')].map((b) => b.textContent)").await,
        json!(["1", "0", "0"])
    );
}

/// With real accounts nobody knows whose a token is: two of them in one browser are two lines.
#[tokio::test(flavor = "multi_thread")]
async fn two_tokens_in_two_tabs_are_two_lines() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let mut tabs = Vec::new();
    for mall in [7, 8] {
        let tab = stage.profile.open(&(stage.url() + "/")).await;
        tab.until("document.querySelector('input[type=password]')").await;
        tab.click("input[type=password]").await;
        tab.write(&token(mall, &[mall], None, true)).await;
        tab.press(&["Enter"]).await;
        tab.until("document.querySelector('.state').dataset.state === 'live'").await;
        tabs.push(tab);
    }
    stage.streams(2.0).await;
    for mall in [7, 8] {
        let audience = format!("mall:{mall}");
        stage.publisher.tell(&audience, &audience, &format!("of mall {mall}")).await;
    }
    for (tab, title) in tabs.iter().zip(["of mall 7", "of mall 8"]) {
        tab.until_of("document.querySelector('.list h3')?.textContent === arg", json!(title)).await;
        assert_eq!(tab.value("document.querySelectorAll('.list h3').length").await, 1);
    }
    stage.profile.done().await;
}
