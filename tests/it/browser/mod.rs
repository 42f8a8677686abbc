//! The client for browsers in a real one: Chromium, pages of another origin, and tabs that are closed, hidden and crash.
//!
//! The browser's remote control is `tests/browser/driver.mjs`, the page of the scenes `tests/browser/page.html`.

mod bare;
mod bell;
mod bell_ill;
mod bell_worlds;
mod breaks;
mod comings;
mod hostile;
mod journey;
mod looks;
mod tabs;
mod words;

use std::{collections::HashMap, net::SocketAddr};

use axum::{Router, extract::Query, response::Html, routing::get};
use serde_json::{Value, json};

use crate::harness::{
    Accounts, Kafka, Publisher, Server,
    accounts::token,
    browser::{Profile, Tab},
    topics, until,
};

const PAGE: &str = include_str!("../../browser/page.html");
const DOZEN: &str = include_str!("../../browser/dozen.html");

/// A broker, accounts, a server that knows the back office's origin, and a browser.
pub struct Stage {
    pub kafka: Kafka,
    pub accounts: Accounts,
    pub server: Server,
    pub publisher: Publisher,
    pub profile: Profile,
    /// Where the pages come from: another origin than Allim's.
    office: SocketAddr,
}

/// Somebody of mall 7.
pub fn somebody() -> String {
    token(1, &[7], None, false)
}

/// Serves pages as a back office would; gone with the test.
async fn office() -> SocketAddr {
    // As it stands in the file, with Allim where it is.
    let dozen = async |Query(asked): Query<HashMap<String, String>>| {
        Html(DOZEN.replace("https://allim.example.com", &asked["allim"]))
    };
    let router = Router::new().route("/page.html", get(async || Html(PAGE))).route("/dozen.html", get(dozen));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

impl Stage {
    /// None: there is no browser, and whoever runs the tests has been told.
    pub async fn set(env: &[(&str, &str)]) -> Option<Stage> {
        let profile = Profile::new().await?;
        let (kafka, accounts, office) = (Kafka::start().await, Accounts::start().await, office().await);
        let origin = format!("http://{office}");
        let env = [&[("ALLIM_ALLOWED_ORIGINS", origin.as_str())], env].concat();
        let server = Server::start(&kafka, &accounts, &env).await;
        let publisher = Publisher::new(kafka.address);
        Some(Stage { kafka, accounts, server, publisher, profile, office })
    }

    /// The server's own address, or that of a wire to it.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// A page of the back office, on which nothing has happened yet.
    pub async fn page(&self) -> Tab {
        self.profile.open(&format!("http://{}/page.html", self.office)).await
    }

    /// A page that listens, with somebody's token unless the options say otherwise.
    pub async fn listening(&self, options: Value) -> Tab {
        let tab = self.page().await;
        start(&tab, json!({"url": self.url(), "bearer": somebody()}), options).await;
        tab
    }

    /// The same, and it is live.
    pub async fn live(&self, options: Value) -> Tab {
        let tab = self.listening(options).await;
        tab.until("isLive()").await;
        tab
    }

    /// So many streams are open at the server.
    pub async fn streams(&self, many: f64) {
        until("so many streams", async || self.server.metric("allim_streams").await == many).await;
    }

    /// From now on it hears of rights that end or change.
    pub async fn signals(&self) {
        topics::create(self.kafka.address.signals(), 1, 1).await;
        until("signals are heard", async || self.server.metric("allim_signals_live").await == 1.0).await;
    }

    pub async fn tell(&self, title: &str) {
        self.publisher.tell("mall:7", title, title).await;
    }
}

/// Begins to listen, with these options over those.
pub async fn start(tab: &Tab, mut options: Value, over: Value) {
    for (name, value) in over.as_object().unwrap() {
        options[name] = value.clone();
    }
    options.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    tab.run("await start(arg)", options).await;
}

pub async fn titles(tab: &Tab) -> Vec<String> {
    serde_json::from_value(tab.value("story.titles").await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_sees_what_is_published() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let tab = stage.live(json!({})).await;
    for title in ["하나", "둘", "셋"] {
        stage.publisher.tell("mall:7", "mall:7", title).await;
        stage.publisher.tell("mall:8", "mall:8", "another mall's").await;
    }
    tab.until("story.titles.length === 3").await;
    assert_eq!(titles(&tab).await, ["하나", "둘", "셋"]);
    assert_eq!(tab.value("story.states.map(([, state]) => state)").await, json!(["connecting", "connecting", "live"]));
    stage.profile.done().await;
}
