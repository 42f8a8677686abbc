//! The pages over what browsers have themselves: a WebSocket shows what an EventSource shows, and loses as little.

use serde_json::{Value, json};

use super::{Stage, looks::is_fine, somebody};
use crate::harness::{
    Listener, Server,
    accounts::token,
    browser::{Profile, Tab},
    posts::Service,
    until,
};

const BOTH: [&str; 2] = ["/sse.html", "/websocket.html"];

const TITLES: &str = "[...document.querySelectorAll('.list li[data-id] h3')].map((h3) => h3.textContent)";
const COUNTS: &str = "[...document.querySelectorAll('.counts b')].map((b) => Number(b.textContent))";
/// Until the page has asked who there is, there is no pane.
const STATE: &str = "document.querySelector('.state')?.dataset.state";
const SAYS: &str = "document.querySelector('.state span').textContent";
const WIRE: &str = "document.querySelector('.pane details pre').textContent";

/// A demo whose shop stays closed, because pages believe that it is open: there is what is published here and nothing else.
async fn demo() -> Option<(Profile, Server)> {
    let profile = Profile::new().await?;
    profile.answer_with("**/demo/traffic", "application/json", r#"{"pace":"calm"}"#).await;
    Some((profile, Server::demo(&[]).await))
}

/// An operator of mall 1001 looks at one of the pages.
async fn look(profile: &Profile, server: &Server, path: &str) -> Tab {
    let tab = profile.open(&format!("http://{}{path}", server.address)).await;
    tab.until(&format!("{STATE} === 'live'")).await;
    tab.run("document.querySelector('.pane details').open = true", Value::Null).await;
    tab
}

/// Types of their own: rows of one type are folded.
async fn publish(server: &Server, word: &str, many: usize) {
    let service = Service::new(server.address, "demo-publisher");
    for n in 0..many {
        let kind = format!("team.message{n}");
        let notification =
            json!({"type": kind, "audience": "mall:1001", "title": format!("{word} {n}"), "body": "“…”"});
        assert_eq!(service.publish(&notification).await.status, 202);
    }
}

/// It has received what there is, and lost or repeated nothing.
async fn has_everything(tab: &Tab, server: &Server) {
    let mut listener = Listener::open(server.address, "demo-70001", Some("earliest")).await;
    listener.live().await;
    let all = listener.story.heard.len();
    tab.until_of(&format!("{COUNTS}[0] >= arg"), json!(all)).await;
    assert_eq!(tab.value(COUNTS).await, json!([all, 0, 0]), "received, missing, repeated");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_show_the_same_list_made_of_the_same_bytes() {
    let Some((profile, server)) = demo().await else { return };
    let (sse, websocket) = (look(&profile, &server, BOTH[0]).await, look(&profile, &server, BOTH[1]).await);
    profile.frames().await;
    publish(&server, "똑같이", 7).await;
    for tab in [&sse, &websocket] {
        tab.until(&format!("{TITLES}.filter((title) => title.startsWith('똑같이')).length === 7")).await;
        has_everything(tab, &server).await;
    }
    assert_eq!(sse.value(TITLES).await, websocket.value(TITLES).await);
    let text = "document.querySelector('.list').innerText";
    assert_eq!(sse.value(text).await, websocket.value(text).await);

    let frames = profile.frames().await;
    let data = |frame: &Value| frame["data"].as_str().unwrap().to_owned();
    let ours: Vec<&Value> = frames.iter().filter(|frame| data(frame).contains("똑같이")).collect();
    let of = |event: &'static str| ours.iter().copied().filter(move |frame| frame["event"] == event);
    let inside: Vec<String> = of("message")
        .map(|frame| {
            let id = frame["id"].as_str().unwrap();
            format!(r#"{{"type":"notification","position":"{id}","notification":{}}}"#, data(frame))
        })
        .collect();
    assert_eq!(inside.len(), 7);
    assert_eq!(
        of("websocket").map(data).collect::<Vec<_>>(),
        inside,
        "an envelope round what the event stream carries"
    );
    // Both show it as it came.
    for frame in of("message") {
        let shown = format!("id: {}\ndata: {}", frame["id"].as_str().unwrap(), data(frame));
        sse.until_of(&format!("{WIRE}.includes(arg)"), json!(shown)).await;
    }
    for message in &inside {
        websocket.until_of(&format!("{WIRE}.split('\\n').includes(arg)"), json!(message)).await;
    }
    profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_websocket_it_looks_as_well_as_any_page() {
    for lang in ["ko", "en"] {
        let Some((profile, server)) = demo().await else { return };
        let tab = look(&profile, &server, &format!("/websocket.html?lang={lang}")).await;
        publish(&server, "한 줄", 3).await;
        tab.until(&format!("{TITLES}.length === 3")).await;
        tab.run("document.querySelector('.pane details').open = false", Value::Null).await;
        is_fine(&tab, &format!("websocket-{lang}")).await;
        for details in ["details:nth-of-type(1)", "details:nth-of-type(2)"] {
            tab.click(&format!("#left {details} > summary")).await;
        }
        tab.until(&format!("{WIRE}.includes('\"type\":\"notification\"')")).await;
        is_fine(&tab, &format!("websocket-opened-{lang}")).await;
        profile.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_for_five_seconds_both_come_back_with_all_of_it() {
    let Some((profile, server)) = demo().await else { return };
    let (sse, websocket) = (look(&profile, &server, BOTH[0]).await, look(&profile, &server, BOTH[1]).await);
    // One operator has one line to be cut, over whatever his pages listen.
    websocket.click("footer button").await;
    for tab in [&sse, &websocket] {
        tab.until("document.querySelector('article').hasAttribute('data-away')").await;
    }
    publish(&server, "끊긴 동안", 4).await;
    for tab in [&sse, &websocket] {
        tab.until(&format!("{STATE} === 'caught-up' && {SAYS}.includes('놓친 4건을 모두 받았습니다')")).await;
        let divider = "[...document.querySelectorAll('.list li')].findIndex((li) => li.matches('.divider'))";
        tab.until(&format!("{divider} === 4")).await;
        has_everything(tab, &server).await;
    }
    assert_eq!(sse.value(TITLES).await, websocket.value(TITLES).await);
    profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_is_waited_for_and_nothing_is_missing() {
    let Some((profile, mut server)) = demo().await else { return };
    let (sse, websocket) = (look(&profile, &server, BOTH[0]).await, look(&profile, &server, BOTH[1]).await);
    publish(&server, "before", 2).await;
    server.signal("KILL");
    server.ended().await;
    for tab in [&sse, &websocket] {
        tab.until(&format!("{SAYS} === '서버를 기다리는 중…'")).await;
    }
    let server = server.again().await;
    publish(&server, "afterwards", 3).await;
    for tab in [&sse, &websocket] {
        tab.until("!document.querySelector('article').hasAttribute('data-away')").await;
        has_everything(tab, &server).await;
    }
    publish(&server, "and later", 1).await;
    for tab in [&sse, &websocket] {
        tab.until(&format!("{TITLES}[0] === 'and later 0'")).await;
        has_everything(tab, &server).await;
    }
    profile.done().await;
}

/// A page on which somebody has shown this token.
pub async fn with_token(stage: &Stage, path: &str, token: &str) -> Tab {
    let tab = stage.profile.open(&format!("{}{path}", stage.url())).await;
    tab.until("document.querySelector('input[type=password]')").await;
    // Nobody is connecting who has not said who they are.
    tab.until(&format!("{STATE} === 'nobody' && {SAYS} === '토큰을 넣고 연결하세요.'")).await;
    tab.run(
        "const box = document.querySelector('input[type=password]');
         box.value = arg;
         box.form.requestSubmit();
         document.querySelector('.pane details').open = true;",
        json!(token),
    )
    .await;
    tab
}

/// A browser's script sees no status: what is wrong comes as a message, and as the close's code.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_come_in_is_told_in_words() {
    let Some(stage) = Stage::set(&[]).await else { return };
    for path in BOTH {
        let tab = with_token(&stage, path, "no-such-token").await;
        tab.until(&format!("{SAYS} === '로그인이 끝났습니다.'")).await;
        tab.close().await;
    }
    stage.profile.answer_with("**/tickets", "application/json", r#"{"ticket":"of-no-server"}"#).await;
    let tab = with_token(&stage, "/websocket.html", &somebody()).await;
    tab.until(&format!("{SAYS} === '로그인이 끝났습니다.'")).await;
    let told: Value = serde_json::from_str(tab.value(WIRE).await.as_str().unwrap()).unwrap();
    assert_eq!(told["type"], "error");
    assert!(told["error"]["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{told}");
    // It stays so: nobody comes again with what was refused.
    assert_eq!(tab.value("document.querySelector('.state button').textContent").await, "다시 로그인");
    let tickets = stage.profile.requests().await.iter().filter(|one| one.ends_with("/tickets")).count();
    assert_eq!(tickets, 3, "one for each page that was opened");
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_replaced_or_logged_out_stays_away_until_a_person_wants_it() {
    let Some(stage) = Stage::set(&[("ALLIM_DELIVER_STREAMS_PER_OPERATOR", "1")]).await else { return };
    stage.signals().await;
    for (path, admin) in BOTH.into_iter().zip([1, 2]) {
        let mine = token(admin, &[7], None, false);
        let first = with_token(&stage, path, &mine).await;
        first.until(&format!("{STATE} === 'live'")).await;
        let second = with_token(&stage, path, &mine).await;
        first.until(&format!("{STATE} === 'replaced'")).await;
        stage.tell("for the second").await;
        second.until(&format!("{TITLES}[0] === 'for the second'")).await;
        first.click(".state button").await;
        second.until(&format!("{STATE} === 'replaced'")).await;
        first.until(&format!("{STATE} === 'caught-up' && {TITLES}[0] === 'for the second'")).await;
        stage.publisher.signal(&json!({"type": "token.revoked", "adminNo": admin})).await;
        first.until(&format!("{STATE} === 'ended' && {SAYS} === '로그인이 끝났습니다.'")).await;
        until("nobody listens", async || stage.server.metric("allim_streams").await == 0.0).await;
        first.close().await;
        second.close().await;
    }
    stage.profile.done().await;
}
