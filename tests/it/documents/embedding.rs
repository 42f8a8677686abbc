//! The page of docs/embed.md in a browser, as it stands there: on another origin, under its policy, with its cookie.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    http::{HeaderMap, header},
    response::Html,
    routing::get,
};
use serde_json::{Value, json};

use super::{names, of_nginx};
use crate::{
    browser::{Stage, somebody},
    harness::{browser::Tab, nginx::Nginx, until},
};

const ALLIM: &str = "https://allim.example.com";

/// The first block of this language on the page that holds these words.
fn block(path: &str, language: &str, holds: &str) -> String {
    let blocks = names::page(path).blocks_of(&[language]);
    let found = blocks.into_iter().find(|block| block.text.contains(holds));
    found.unwrap_or_else(|| panic!("{path} has no {language} with {holds}")).text
}

/// What a back office answers.
#[derive(Clone)]
struct Setup {
    page: String,
    script: String,
    policy: String,
    cookie: Option<String>,
}

impl Setup {
    /// Everything as it stands on the page, with Allim where it is.
    fn documented(allim: &str) -> Setup {
        let policy = block("docs/embed.md", "text", "Content-Security-Policy: ");
        Setup {
            page: block("docs/embed.md", "html", "bell.js"),
            script: block("docs/embed.md", "js", "timeline.js").replace(ALLIM, allim),
            policy: policy.trim().strip_prefix("Content-Security-Policy: ").expect("a header").replace(ALLIM, allim),
            cookie: None,
        }
    }

    /// As the script says of itself for a cookie.
    fn without_a_token(mut self) -> Setup {
        let with = ", token: async () => operator.token";
        assert!(self.script.contains(with), "{}", self.script);
        self.script = self.script.replace(with, "");
        self
    }
}

#[derive(Clone)]
struct Office {
    address: SocketAddr,
    setup: Arc<Mutex<Option<Setup>>>,
}

impl Office {
    async fn open() -> Office {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let office = Office { address: listener.local_addr().unwrap(), setup: Arc::default() };
        let (page, script) = (office.clone(), office.clone());
        let session = || async { json!({"adminNo": 1, "token": somebody()}).to_string() };
        let router = Router::new()
            .route("/", get(|| async move { page.page() }))
            .route(
                "/bell.js",
                get(|| async move { ([(header::CONTENT_TYPE, "text/javascript")], script.setup().script) }),
            )
            .route("/session", get(session))
            .route("/favicon.ico", get(|| async {}));
        tokio::spawn(async move { axum::serve(listener, router).await });
        office
    }

    fn setup(&self) -> Setup {
        self.setup.lock().unwrap().clone().expect("it is set up")
    }

    fn page(&self) -> (HeaderMap, Html<String>) {
        let Setup { page, policy, cookie, .. } = self.setup();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy.parse().expect("a header"));
        headers.extend(cookie.map(|cookie| (header::SET_COOKIE, cookie.parse().expect("a header"))));
        (headers, Html(page))
    }

    fn is(&self, setup: Setup) {
        *self.setup.lock().unwrap() = Some(setup);
    }
}

/// A back office, and a server that lets its pages in under this name.
async fn set(host: &str, env: &[(&str, &str)]) -> Option<(Office, Stage, String)> {
    let office = Office::open().await;
    let url = format!("http://{host}:{}", office.address.port());
    let stage = Stage::set(&[&[("ALLIM_ALLOWED_ORIGINS", url.as_str())], env].concat()).await?;
    Some((office, stage, url))
}

/// What is published arrives, can be looked at, and is read by a click.
async fn works(stage: &Stage, tab: &Tab, title: &str) {
    let text = |id: &str| format!("document.querySelector('#{id}').textContent");
    // From the position of its list on nothing is missed; until it has one the past is read.
    tab.until(&format!("{} === '0'", text("unread"))).await;
    until("the page listens", async || stage.server.metric("allim_streams").await >= 1.0).await;
    stage.tell(title).await;
    tab.until_of(&format!("{} === arg && {} === '1'", text("latest"), text("unread")), json!(title)).await;
    assert_eq!(tab.value(&text("state")).await, "", "it is live, and says nothing");
    tab.click("#bell").await;
    let kept_out: Vec<Value> = tab
        .axe()
        .await
        .into_iter()
        .filter(|one| ["serious", "critical"].iter().any(|how| one["impact"] == *how))
        .collect();
    assert_eq!(kept_out, Vec::<Value>::new(), "of those who do not see it, or have no mouse");
    tab.click("#list li:first-child > *").await;
    tab.until(&format!("{} === '0'", text("unread"))).await;
    assert_eq!(tab.value(&text("list")).await.as_str().map(|list| list.starts_with(title)), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_works_under_its_policy_and_under_stricter_ones() {
    let Some((office, stage, url)) = set("127.0.0.1", &[]).await else { return };
    let documented = Setup::documented(&stage.url());
    let strict = format!("default-src 'none'; {}; require-trusted-types-for 'script'", documented.policy);
    let nonce = documented.policy.replace(&format!("'self' {}; connect", stage.url()), "'nonce-c29tZQ'; connect");
    assert!(nonce.contains("script-src 'nonce-c29tZQ'; connect-src 'self' http"), "{nonce}");
    let with_nonce = documented.page.replace("type=\"module\"", "type=\"module\" nonce=\"c29tZQ\"");
    for (name, setup) in [
        ("documented", documented.clone()),
        ("strict", Setup { policy: strict, ..documented.clone() }),
        ("nonce", Setup { policy: nonce, page: with_nonce, ..documented.clone() }),
    ] {
        office.is(setup);
        let tab = stage.profile.open(&url).await;
        works(&stage, &tab, name).await;
        tab.close().await;
        stage.streams(0.0).await;
    }
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_policy_names_is_needed() {
    let Some((office, stage, url)) = set("127.0.0.1", &[]).await else { return };
    let documented = Setup::documented(&stage.url());
    let without = |directive: &str| {
        let policy =
            documented.policy.replace(&format!("{directive} 'self' {}", stage.url()), &format!("{directive} 'self'"));
        assert_ne!(policy, documented.policy);
        Setup { policy, ..documented.clone() }
    };
    for (directive, comes_to) in [
        ("script-src", "document.readyState === 'complete'"),
        ("connect-src", "document.querySelector('#state').textContent !== ''"),
    ] {
        office.is(without(directive));
        let profile = stage.profile.another(json!({})).await;
        let tab = profile.open(&url).await;
        tab.until(comes_to).await;
        let complaints = profile.complaints().await;
        assert!(complaints.iter().any(|one| one.contains(directive)), "{complaints:?}");
    }
    // A WebSocket of one's own: its scheme has to be named.
    let opens = "return new Promise((done) => {
        document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective));
        try { new WebSocket(arg).onopen = () => done('open'); } catch { /* it is told as well */ }
    })";
    let socket = stage.url().replace("http://", "ws://");
    for (policy, came) in
        [(documented.policy.clone(), "connect-src"), (format!("{} {socket}", documented.policy), "open")]
    {
        office.is(Setup { policy, ..documented.clone() });
        let profile = stage.profile.another(json!({})).await;
        let tab = profile.open(&url).await;
        assert_eq!(tab.run(opens, json!(format!("{socket}/ws"))).await, came);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_not_listed_cannot_load_the_module() {
    let Some((office, stage, _)) = set("127.0.0.1", &[]).await else { return };
    office.is(Setup { script: String::new(), policy: "script-src *".to_owned(), ..Setup::documented(&stage.url()) });
    let load = "try { await import(arg); return true; } catch { return false; }";
    for (host, loads) in [("127.0.0.1", true), ("localhost", false)] {
        let tab = stage.profile.open(&format!("http://{host}:{}", office.address.port())).await;
        assert_eq!(tab.run(load, json!(format!("{}/allim.js", stage.url()))).await, loads, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_of_a_parent_domain_is_enough() {
    let env = [("ALLIM_TOKEN_COOKIE", "__Secure-backoffice")];
    let Some((office, stage, url)) = set("admin.example.localhost", &env).await else { return };
    let allim = format!("http://allim.example.localhost:{}", stage.server.address.port());
    let line = block("docs/embed.md", "text", "Set-Cookie: ");
    let cookie =
        line.trim().strip_prefix("Set-Cookie: ").expect("a header").replace("example.com", "example.localhost");
    let cookie = cookie.replace("TOKEN", &somebody());
    let named = block("docs/embed.md", "toml", "token_cookie");
    assert!(
        cookie.starts_with("__Secure-backoffice=") && named.contains("\"__Secure-backoffice\""),
        "{cookie} {named}"
    );
    let setup = Setup { cookie: Some(cookie.clone()), ..Setup::documented(&allim).without_a_token() };
    office.is(setup.clone());
    let tab = stage.profile.open(&url).await;
    works(&stage, &tab, "by cookie").await;
    let asked = stage.profile.requests().await;
    assert!(!asked.iter().any(|one| one.contains("ticket")), "{asked:?}");
    stage.profile.done().await;
}

/// Which of them a browser keeps: one that begins with `__Host-` and has a domain it throws away.
#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_of_one_host_has_no_domain() {
    let Some((office, stage, url)) = set("admin.example.localhost", &[]).await else { return };
    let setup = Setup { script: String::new(), ..Setup::documented(&stage.url()) };
    for (cookie, kept) in [
        ("__Secure-b=1; Domain=example.localhost; Path=/; Secure; SameSite=Lax", "__Secure-b=1"),
        ("__Host-b=1; Domain=example.localhost; Path=/; Secure; SameSite=Lax", ""),
        ("__Host-b=1; Path=/; Secure; SameSite=Lax", "__Host-b=1"),
    ] {
        office.is(Setup { cookie: Some(cookie.to_owned()), ..setup.clone() });
        let profile = stage.profile.another(json!({})).await;
        let tab = profile.open(&url).await;
        assert_eq!(tab.value("document.cookie").await, kept, "{cookie}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_back_offices_own_host_nothing_has_to_be_listed() {
    let Some((office, stage, _)) = set("127.0.0.1", &[("ALLIM_TOKEN_COOKIE", "backoffice")]).await else { return };
    let there = of_nginx("location /allim/ {", stage.server.address);
    let pages = format!("location / {{ proxy_pass http://{}; }}", office.address);
    let Some(nginx) = Nginx::with(&format!("{there}\n{pages}")).await else { return };
    let host = format!("http://{}", nginx.address);
    let documented = Setup::documented(&format!("{host}/allim")).without_a_token();
    let policy = "script-src 'self'; connect-src 'self'".to_owned();
    let cookie = Some(format!("backoffice={}; Path=/; HttpOnly; SameSite=Lax", somebody()));
    office.is(Setup { policy, cookie, ..documented });
    let tab = stage.profile.open(&host).await;
    works(&stage, &tab, "one host").await;
    stage.profile.done().await;
}

/// The lines of the README, in a page where its names mean something.
#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_the_readme_listen() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let tab = stage.page().await;
    for holds in ["line.on(\"notification\"", "new Timeline("] {
        let code = block("README.md", "js", holds).replace(ALLIM, &stage.url());
        let imported = |line: &str| {
            let (names, from) = line.strip_prefix("import ")?.split_once(" from ")?;
            Some(format!("const {names} = await import({});\n", from.trim_end_matches(';')))
        };
        let code: String = code.lines().map(|line| imported(line).unwrap_or_else(|| format!("{line}\n"))).collect();
        let connect = if code.contains("{ connect }") {
            String::new()
        } else {
            format!("const {{ connect }} = await import(\"{}/allim.js\");", stage.url())
        };
        let around = format!(
            "globalThis.shown = [];
             const session = {{ token: arg, adminNo: \"1\" }}, progress = () => {{}}, reload = () => {{}},
               show = (one) => shown.push(one.title), paint = (rows) => Array.isArray(rows) && shown.push(...rows.map((row) => row.n.title));
             {connect}
             {code}"
        );
        tab.run(&around, json!(somebody())).await;
        // Until its stream is open nothing is sure to be heard; one of these is.
        until("something is shown", async || {
            let title = format!("{holds} hears");
            stage.tell(&title).await;
            tab.run("return shown.includes(arg)", json!(title)).await == Value::Bool(true)
        })
        .await;
    }
    stage.profile.done().await;
}
