//! What strangers may write in an event, on our own pages: it is text, whatever it looks like, and the page keeps its width.

use serde_json::{Value, json};

use super::{Stage, somebody};
use crate::harness::{
    Accounts, Publisher,
    accounts::answer,
    browser::{Profile, Tab},
    sse::Stream,
};

/// Each would set `pwned`, make a `hostile-mark`, or break the page, if it were more than text.
fn payloads() -> Vec<String> {
    let mut payloads: Vec<String> = [
        "<hostile-mark><img src=x onerror=\"globalThis.pwned=1\">",
        "<hostile-mark><script>globalThis.pwned=2</script>",
        "</script></pre></li><hostile-mark><script>globalThis.pwned=3</script>",
        "javascript:globalThis.pwned=4//<hostile-mark>",
        "\"><hostile-mark><svg onload=globalThis.pwned=5>",
        "<hostile-mark><iframe srcdoc=\"<script>parent.pwned=6</script>\"></iframe>",
        "<hostile-mark></hostile-mark><a href=\"javascript:globalThis.pwned=7\">여기</a>",
        "송장 \u{202e}fdp.exe\u{2066} 내려받기",
        "${globalThis.pwned=9} {{constructor.constructor('globalThis.pwned=9')()}} `<hostile-mark>`",
        "<hostile-mark><style>*{display:none!important}</style><base href=//evil.example>",
        "data:text/html,<hostile-mark><script>globalThis.pwned=11</script>",
    ]
    .map(str::to_owned)
    .into();
    // Latin: between Hangul syllables any line may be broken.
    payloads.push("W".repeat(10_000));
    payloads
}

/// Links that no page may follow, and one that it may.
const LINKS: [&str; 6] = [
    "javascript:globalThis.pwned=20",
    " JaVa\tScript:globalThis.pwned=21",
    "data:text/html,<script>globalThis.pwned=22</script>",
    "vbscript:pwned",
    "blob:null/1",
    "https://admin.example.com/orders/1",
];

/// As a service would publish it: a type of its own each, for rows of one type are folded.
fn event(n: usize, payload: &str) -> Value {
    let severity = ["info", "critical", payload][n % 3];
    json!({
        "type": format!("test.hostile{n}"), "audience": "mall:7", "mallNo": 7, "title": payload, "body": payload,
        "link": LINKS[n % LINKS.len()], "severity": severity,
        "data": {"partnerName": payload, payload: payload, "amount": payload},
    })
}

/// Known types, whose sentences are made of fields.
fn known(payload: &str) -> [Value; 3] {
    let data =
        json!({"partnerNo": 501, "partnerName": payload, "productName": payload, "mallNo": 7, "mallName": payload});
    let job = json!({
        "exportNo": payload, "mallNo": 7, "mallName": payload, "exportName": payload, "staleAfter": payload,
        "requestedBy": {"adminNo": 1, "adminName": payload}, "progress": {"processed": 1, "total": 2, "percent": payload},
    });
    [
        json!({"type": "product.approval.requested", "mallNo": 7, "data": data}),
        json!({"type": "excel.export.progress", "mallNo": 7, "audience": "operator:1", "data": job}),
        json!({"type": "excel.export.completed", "mallNo": 7, "audience": "operator:1", "data": job}),
    ]
}

/// Everything, from a server that checks nothing: kinds of frame, and what they say.
fn careless() -> Vec<(&'static str, Value)> {
    let mut frames = vec![("hello", json!({"heartbeatSeconds": 15}))];
    for (n, payload) in payloads().iter().enumerate() {
        for kind in ["job", "notification"] {
            let body = json!({
                "id": format!("{kind}{n}"), "type": format!("{payload}{n}"), "category": payload, "severity": payload,
                "title": payload, "body": payload, "link": LINKS[n % LINKS.len()], "mallName": payload, "at": payload,
                "collapseKey": format!("{kind}{n}{payload}"), "handledBy": {"name": payload}, "mallNo": payload,
                "data": {"amount": payload, "progress": {"percent": payload}},
            });
            frames.push((kind, body));
        }
    }
    frames.extend([("gap", json!({"reason": "<hostile-mark>"})), ("status", json!({"live": true}))]);
    frames
}

/// Whoever asks for a stream gets this instead, over whatever it is.
async fn answer_carelessly(profile: &Profile) {
    let (mut stream, mut messages) = (String::new(), vec![]);
    for (n, (kind, body)) in careless().into_iter().enumerate() {
        let event = if kind == "notification" { "message" } else { kind };
        stream.push_str(&format!("event: {event}\nid: {n}\ndata: {body}\n\n"));
        messages.push(json!({"type": kind, "position": n.to_string(), kind: body}).to_string());
    }
    // A mistake as well, said in no kind way.
    messages.push(json!({"type": "error", "error": {"code": payloads()[0], "detail": payloads()[1]}}).to_string());
    messages.push(json!({"type": payloads()[0], "position": payloads()[0]}).to_string());
    profile.answer_with("**/notifications?*", "text/event-stream", &stream).await;
    profile.converse_with("**/ws?*", &messages).await;
}

/// A page of ours, on which somebody has shown a token, with everything unfolded.
async fn looked_at(stage: &Stage, profile: &Profile, path: &str) -> Tab {
    let tab = profile.open(&format!("{}{path}", stage.url())).await;
    tab.until("document.querySelector('input[type=password]')").await;
    let enter = "const box = document.querySelector('input[type=password]');
        box.value = arg;
        box.form.requestSubmit();
        for (const one of document.querySelectorAll('details')) one.open = true;";
    tab.run(enter, json!(somebody())).await;
    tab
}

const SHOWN: &str = "[...document.querySelectorAll('.list h3')].map((title) => title.textContent)";

/// It stands there as it was written, and has done nothing.
async fn is_only_text(tab: &Tab) {
    for payload in payloads() {
        tab.until_of(&format!("{SHOWN}.some((title) => title.includes(arg))"), json!(payload)).await;
    }
    assert_eq!(tab.value("globalThis.pwned === undefined").await, true);
    let made = "document.querySelectorAll('hostile-mark, img, iframe, object, base, style, script:not([src]), \
                [onerror], [onload], [onclick]').length";
    assert_eq!(tab.value(made).await, 0, "elements were made of texts");
    let links = "[...new Set([...document.querySelectorAll('.list a, .jobs a')].map((link) => link.href))]";
    assert_eq!(tab.value(links).await, json!([LINKS[5]]));
    let icons =
        "[...document.querySelectorAll('use')].every((use) => use.getAttribute('href').startsWith('/icons.svg#'))";
    assert_eq!(tab.value(icons).await, true);
    // A text that turns its direction around does not turn what stands beside it.
    let isolated =
        "[...document.querySelectorAll('.list h3, .list p:not(.meta), .meta span[dir], .jobs span, .jobs small')]
        .filter((text) => getComputedStyle(text).unicodeBidi === 'normal' && text.textContent.includes('\\u202e'))
        .map((text) => text.outerHTML)";
    assert_eq!(tab.value(isolated).await, json!([]));
    let width = "[document.documentElement.scrollWidth <= innerWidth, document.documentElement.scrollWidth]";
    assert_eq!(tab.value(width).await[0], true, "it scrolls sideways: {}", tab.value(width).await);
}

/// Nothing was asked of anybody else.
async fn asked_only(stage: &Stage, profile: &Profile) {
    let asked = profile.requests().await;
    let elsewhere: Vec<_> = asked.iter().filter(|one| !one.contains(&stage.url())).collect();
    assert!(elsewhere.is_empty() && !asked.is_empty(), "{elsewhere:#?}");
}

/// Who looks has a mall with such a name as well.
async fn rename_the_mall(accounts: &Accounts) {
    let mut rights = answer(1, &[7], None, false);
    rights["malls"][0]["mallName"] = json!(payloads()[0]);
    accounts.change(&somebody(), Some(rights));
}

async fn publish_all(publisher: &Publisher) {
    for (n, payload) in payloads().iter().enumerate() {
        publisher.json("mall:7", &event(n, payload)).await;
    }
    for payload in [&payloads()[0], &payloads()[7], &payloads()[11]] {
        for event in known(payload) {
            publisher.json("mall:7", &event).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_hostile_payloads_are_shown_as_texts() {
    let Some(stage) = Stage::set(&[]).await else { return };
    rename_the_mall(&stage.accounts).await;
    publish_all(&stage.publisher).await;
    on_all_pages_in_three_widths(&stage, false).await;
}

/// The pages do not rely on the server's care: a stream in its place that takes none.
#[tokio::test(flavor = "multi_thread")]
async fn frames_of_a_careless_server_are_texts_as_well() {
    let Some(stage) = Stage::set(&[]).await else { return };
    on_all_pages_in_three_widths(&stage, true).await;
}

async fn on_all_pages_in_three_widths(stage: &Stage, carelessly: bool) {
    for width in [320, 390, 1440] {
        let profile = stage.profile.another(json!({"viewport": {"width": width, "height": 800}})).await;
        if carelessly {
            answer_carelessly(&profile).await;
        }
        for path in ["/?lang=ko", "/sse.html?lang=en", "/websocket.html?lang=en"] {
            let tab = looked_at(stage, &profile, path).await;
            is_only_text(&tab).await;
        }
        asked_only(stage, &profile).await;
        profile.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_forbids_scripts_and_styles_in_its_text() {
    let Some(stage) = Stage::set(&[]).await else { return };
    for path in ["/", "/sse.html", "/websocket.html"] {
        let answer = Stream::get(stage.server.address, path, &[]).await.unwrap();
        let policy = answer.header("content-security-policy").expect("a policy").to_owned();
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        let tab = stage.profile.open(&format!("{}{path}", stage.url())).await;
        // It is there, and a browser heeds it.
        let plant = "const script = document.createElement('script');
            script.textContent = 'globalThis.pwned = 1';
            document.body.append(script);
            return globalThis.pwned === undefined;";
        assert_eq!(tab.run(plant, json!(null)).await, true, "{path}");
    }
}
