//! The five moments of the first minute, as a newcomer goes through them, in Korean and in English.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    first_run::{self, Pasted},
    harness::{
        Listener, PATIENCE, Server,
        browser::{Profile, Tab},
        posts::Service,
        program, until,
    },
};

/// A page that takes longer than this to show its first notification is broken, not slow.
const FAR_TOO_LONG: Duration = Duration::from_secs(5);

/// What the page says, where the journey waits for it.
struct Words {
    lang: &'static str,
    receives: &'static str,
    other_mall: &'static str,
    caught_up: &'static str,
    waiting: &'static str,
    live: &'static str,
    failed: &'static str,
}

const KOREAN: Words = Words {
    lang: "ko",
    receives: "받을 사람 4 / 8",
    other_mall: "다른 몰",
    caught_up: "모두 받았습니다",
    waiting: "서버를 기다리는 중…",
    live: "실시간",
    failed: "엑셀 생성 실패",
};
const ENGLISH: Words = Words {
    lang: "en",
    receives: "4 of 8 will get it",
    other_mall: "other mall",
    caught_up: "missed notifications received",
    waiting: "Waiting for the server…",
    live: "Live",
    failed: "Export failed",
};

/// What the page shows of a pane, as functions of `arg`, the pane's place.
const ROWS: &str = "document.querySelectorAll(`#${arg} .list li[data-id]`).length";
const STATE: &str = "document.querySelector(`#${arg} .state span`).textContent";
const COUNTS: &str = "[...document.querySelectorAll(`#${arg} .counts b`)].map((b) => Number(b.textContent))";
const AWAY: &str = "document.querySelector(`#${arg} article`).hasAttribute('data-away')";

async fn shows(tab: &Tab, pane: &str, what: &str) -> Value {
    tab.run(&format!("return {what}"), json!(pane)).await
}

/// What everybody can hear who comes now and wants all there is.
async fn heard_by(server: &Server, token: &str) -> usize {
    let mut listener = Listener::open(server.address, token, Some("earliest")).await;
    listener.live().await;
    listener.story.heard.len()
}

/// Both panes have received what there is, and lost or repeated nothing.
async fn nothing_is_missing(tab: &Tab, server: &Server) {
    for (pane, token) in [("left", "demo-70001"), ("right", "demo-80501")] {
        let all = heard_by(server, token).await;
        tab.until_of(&format!("{}[0] >= arg[1]", COUNTS.replace("${arg}", "${arg[0]}")), json!([pane, all])).await;
        assert_eq!(shows(tab, pane, COUNTS).await, json!([all, 0, 0]), "{pane}: received, missing, repeated");
    }
}

async fn publish(server: &Server, title: &str, many: usize) {
    let service = Service::new(server.address, "demo-publisher");
    for n in 0..many {
        let kind = format!("team.message{n}");
        let notification = json!({"type": kind, "audience": "everyone", "title": format!("{title} {n}")});
        assert_eq!(service.publish(&notification).await.status, 202);
    }
}

/// One: it breathes.
async fn it_breathes(profile: &Profile, server: &Server, words: &Words) -> Tab {
    let tab = profile.open(&format!("http://{}/?lang={}", server.address, words.lang)).await;
    for pane in ["left", "right"] {
        tab.until_of(&format!("{ROWS} > 0"), json!(pane)).await;
        tab.until_of(&format!("{STATE} === '{}'", words.live), json!(pane)).await;
    }
    // The rest of the journey wants to know what is published.
    tab.click("#top .group button:first-of-type").await;
    tab.until(
        "document.querySelector('#top .group [aria-pressed=true]') === document.querySelector('#top .group button')",
    )
    .await;
    tab
}

/// Two: one order, two views, down to the bytes that the browser got.
async fn one_order_two_views(tab: &Tab, profile: &Profile, words: &Words) {
    tab.until_of("document.querySelector('.publish').innerText.includes(arg)", json!(words.receives)).await;
    let left_out = "[...document.querySelectorAll('.who li:not(.yes)')].map((li) => li.textContent)";
    let left_out: Vec<String> = serde_json::from_value(tab.value(left_out).await).unwrap();
    assert_eq!(left_out.len(), 4, "{left_out:?}");
    assert_eq!(left_out.iter().filter(|one| one.contains(words.other_mall)).count(), 3, "{left_out:?}");

    profile.frames().await;
    tab.click("#guide li:nth-child(2) button").await;
    let first = "document.querySelector(`#${arg} .list li[data-id] h3`)?.textContent ?? ''";
    tab.until_of(&format!("({first}).includes('128,000')"), json!("left")).await;
    tab.until_of(&format!("({first}).includes('39,000')"), json!("right")).await;
    let orders: Vec<Value> = profile.frames().await.into_iter().filter(is_the_order).collect();
    assert_eq!(orders.len(), 2, "{orders:#?}");
    assert_ne!(orders[0]["stream"], orders[1]["stream"]);
    let data = |frame: &Value| frame["data"].as_str().unwrap().to_owned();
    let (operator, partner): (Vec<String>, Vec<String>) =
        orders.iter().map(data).partition(|data| data.contains("선물 포장 세트"));
    assert_eq!((operator.len(), partner.len()), (1, 1), "{orders:#?}");
    assert!(operator[0].contains("128000") && operator[0].contains("사과 3kg"), "{}", operator[0]);
    assert!(partner[0].contains("39000"), "{}", partner[0]);
    for others in ["128000", "128,000", "89000", "89,000"] {
        assert!(!partner[0].contains(others), "{others} is not the partner's to see: {}", partner[0]);
    }
}

fn is_the_order(frame: &Value) -> bool {
    frame["event"] == "message" && frame["data"].as_str().is_some_and(|data| data.contains("사과 3kg"))
}

/// Three: an export, which only who asked for it can see and have.
async fn an_export(tab: &Tab, profile: &Profile, words: &Words) {
    profile.frames().await;
    tab.click("#guide li:nth-child(3) button").await;
    tab.until("document.querySelector('#left .jobs progress')?.value > 0").await;
    tab.until("document.querySelector('#left .jobs button')").await;
    let file = tab.download("#left .jobs button").await;
    let (name, text) = (file["name"].as_str().unwrap(), file["text"].as_str().unwrap());
    assert!(name.starts_with("orders_") && name.ends_with(".csv"), "{name}");
    assert!(text.starts_with("\u{feff}주문번호,"), "Excel knows Korean text by its mark");

    // The link is no secret, and good for nobody else.
    let frames = profile.frames().await;
    let mut ends = frames.iter().filter(|frame| frame["data"].as_str().unwrap().contains("excel.export.completed"));
    let end: Value = serde_json::from_str(ends.next_back().unwrap()["data"].as_str().unwrap()).unwrap();
    let ask = "return (await fetch(arg[0], { headers: { Authorization: `Bearer ${arg[1]}` } })).status";
    assert_eq!(tab.run(ask, json!([end["link"], "demo-80501"])).await, 404);
    assert_eq!(tab.run(ask, json!([end["link"], "demo-70001"])).await, 200);
    let mut streams: Vec<&Value> = frames
        .iter()
        .filter(|frame| frame["data"].as_str().unwrap().contains("excel.export"))
        .map(|frame| &frame["stream"])
        .collect();
    streams.dedup();
    assert_eq!(streams.len(), 1, "one of the two panes alone was told");
    assert_eq!(tab.value("document.querySelectorAll('#right .jobs li').length").await, 0);

    // Every third fails, and says why.
    let failed = format!("document.querySelector('#left .jobs').innerText.includes('{}')", words.failed);
    let ended = "[...document.querySelectorAll('#left .jobs li')].every((li) => !li.querySelector('progress'))";
    let give_up = Instant::now() + PATIENCE;
    while tab.value(&failed).await != true {
        assert!(Instant::now() < give_up, "no export failed");
        tab.click("#guide li:nth-child(3) button").await;
        tab.until("document.querySelector('#left .jobs progress')").await;
        tab.until(ended).await;
    }
}

/// Four: the line is cut on the server's side; others go on, and nothing is lost.
async fn a_cut(tab: &Tab, server: &Server, words: &Words) {
    let before = shows(tab, "right", COUNTS).await[0].as_u64().unwrap();
    tab.click("#left footer button").await;
    tab.until_of(AWAY, json!("left")).await;
    publish(server, "meanwhile", 4).await;
    tab.until_of(&format!("{}[0] === arg[1]", COUNTS.replace("${arg}", "${arg[0]}")), json!(["right", before + 4]))
        .await;
    assert_eq!(shows(tab, "right", AWAY).await, false, "others go on");
    tab.until_of(&format!("{STATE}.includes('{}')", words.caught_up), json!("left")).await;
    assert!(shows(tab, "left", STATE).await.as_str().unwrap().contains('4'));
    // Under them a line that says so.
    let divider =
        "[...document.querySelectorAll('#left .list li')].findIndex((li) => li.classList.contains('divider'))";
    tab.until(&format!("{divider} === 4")).await;
    nothing_is_missing(tab, server).await;
}

/// Five: the process is killed, and started again.
async fn a_server_that_dies(tab: &Tab, server: Server, words: &Words) {
    tab.click("#guide li:nth-child(5) button").await;
    server.signal("KILL");
    for pane in ["left", "right"] {
        tab.until_of(&format!("{STATE} === '{}'", words.waiting), json!(pane)).await;
    }
    let server = server.again().await;
    publish(&server, "after the restart", 3).await;
    for pane in ["left", "right"] {
        tab.until_of(&format!("!{AWAY}"), json!(pane)).await;
    }
    nothing_is_missing(tab, &server).await;
    publish(&server, "and later", 1).await;
    nothing_is_missing(tab, &server).await;
}

async fn journey(words: &Words) {
    let Some(profile) = Profile::new().await else { return };
    let server = Server::demo(&[]).await;
    let tab = it_breathes(&profile, &server, words).await;
    one_order_two_views(&tab, &profile, words).await;
    an_export(&tab, &profile, words).await;
    a_cut(&tab, &server, words).await;
    a_server_that_dies(&tab, server, words).await;
    profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_five_moments_in_korean() {
    journey(&KOREAN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_five_moments_in_english() {
    journey(&ENGLISH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_notification_is_there_at_once() {
    let Some(profile) = Profile::new().await else { return };
    let server = Server::demo(&[]).await;
    let mut took = vec![];
    for _ in 0..5 {
        let began = Instant::now();
        let tab = profile.open(&format!("http://{}/", server.address)).await;
        tab.until_of(&format!("{ROWS} > 0"), json!("left")).await;
        took.push(began.elapsed());
        tab.close().await;
        // The next one finds a shop that stands still.
        until("nobody listens", async || server.metric("allim_streams").await == 0.0).await;
    }
    took.sort();
    let report = format!("page open to first notification: median {} ms of {took:?}\n", took[2].as_millis());
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/target/browser/first-notification"), report).unwrap();
    assert!(took[2] < FAR_TOO_LONG, "{took:?}");
    profile.done().await;
}

/// The first thing that a newcomer tries besides the page.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_pasted_into_a_shell_is_on_the_page() {
    let Some(profile) = Profile::new().await else { return };
    let server = first_run::first_run(&[]).await;
    let tab = profile.open(&format!("http://{}/", server.address)).await;
    tab.until_of(&format!("{ROWS} > 0"), json!("left")).await;
    tab.click("#top .group button:first-of-type").await;
    let data = server.data.display().to_string();
    let mut publish = Pasted::new(&first_run::said(&server, "publish"), &[("ALLIM_DATA_DIR", &data)]);
    assert!(publish.child.wait().unwrap().success());
    let titles = "[...document.querySelectorAll('#left .list h3')].map((h3) => h3.textContent)";
    tab.until(&format!("{titles}.includes('새 주문 128,000원')")).await;

    if let Err(missing) = program::runs("kcat", "-V") {
        return program::skip("kcat beside the page", &missing);
    }
    let brokers = std::fs::read_to_string(server.data.join("kafka.address")).unwrap();
    let line = format!("sh -c 'echo 안녕하세요 | kcat -P -b {} -t BACKOFFICE-NOTIFICATIONS'", brokers.trim());
    assert!(Pasted::new(&line, &[]).child.wait().unwrap().success());
    tab.until(&format!("{titles}[0] === '안녕하세요'")).await;
    profile.done().await;
}
