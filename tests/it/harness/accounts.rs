//! An account service that believes whatever a token says of itself, counts, and can fall ill.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, extract::State, http::HeaderMap, http::StatusCode, routing::get};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::secrets;

#[derive(Default)]
struct Inner {
    calls: AtomicU64,
    decided: AtomicU64,
    ill: AtomicBool,
    slow: Mutex<Duration>,
    held: watch::Sender<bool>,
    /// Rights that differ from what the token says.
    changed: Mutex<HashMap<String, Option<Value>>>,
}

#[derive(Clone)]
pub struct Accounts {
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

/// A token that says: admin `n` of these malls; `-p501` an admin of that partner; `-s` may see personal data.
pub fn token(admin: u64, malls: &[u64], partner: Option<u64>, personal: bool) -> String {
    let malls: Vec<String> = malls.iter().map(u64::to_string).collect();
    let partner = partner.map_or(String::new(), |p| format!("-p{p}"));
    let token = format!("n{admin}-m{}{partner}{}", malls.join("."), if personal { "-s" } else { "" });
    secrets::token(&token);
    token
}

/// The answer in the default shape.
pub fn answer(admin: u64, malls: &[u64], partner: Option<u64>, personal: bool) -> Value {
    let name = format!("admin {admin}");
    secrets::text(&name);
    let malls: Vec<Value> = malls.iter().map(|m| json!({"mallNo": m, "mallName": format!("mall {m}")})).collect();
    json!({
        "adminNo": admin, "name": name, "adminStatus": "ACTIVE", "adminRole": "ADMIN",
        "malls": malls, "partner": partner.map(|p| json!({"partnerNo": p, "partnerName": format!("partner {p}")})),
        "permitsPrivateInformation": personal, "locale": "ko",
    })
}

fn believe(token: &str) -> Option<Value> {
    let (mut admin, mut malls, mut partner, mut personal) = (None, vec![], None, false);
    for part in token.split('-') {
        match part.split_at_checked(1)? {
            ("n", number) => admin = Some(number.parse().ok()?),
            ("m", "") => {}
            ("m", numbers) => malls = numbers.split('.').map(|n| n.parse().ok()).collect::<Option<_>>()?,
            ("p", number) => partner = Some(number.parse().ok()?),
            ("s", "") => personal = true,
            _ => return None,
        }
    }
    Some(answer(admin?, &malls, partner, personal))
}

impl Accounts {
    pub async fn start() -> Accounts {
        let inner = Arc::new(Inner::default());
        let router = Router::new().route("/me", get(who)).with_state(Arc::clone(&inner));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Accounts { address, inner }
    }

    /// Knows the people of the demo as well.
    pub async fn with_the_cast() -> Accounts {
        let accounts = Accounts::start().await;
        for person in allim::demo::accounts::cast().as_array().expect("a list") {
            accounts.change(person["token"].as_str().expect("a token"), Some(person.clone()));
        }
        accounts
    }

    pub fn url(&self) -> String {
        format!("http://{}/me", self.address)
    }

    pub fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::SeqCst)
    }

    pub fn fall_ill(&self, ill: bool) {
        self.inner.ill.store(ill, Ordering::SeqCst);
    }

    pub fn answer_after(&self, delay: Duration) {
        *self.inner.slow.lock().unwrap() = delay;
    }

    /// Answers that are decided, told or not.
    pub fn decided(&self) -> u64 {
        self.inner.decided.load(Ordering::SeqCst)
    }

    /// From now on answers are decided and not told; false tells them all.
    pub fn hold_answers(&self, hold: bool) {
        self.inner.held.send_replace(hold);
    }

    /// From now on this token has these rights; None: it opens nothing any more.
    pub fn change(&self, token: &str, answer: Option<Value>) {
        self.inner.changed.lock().unwrap().insert(token.to_owned(), answer);
    }
}

async fn who(State(inner): State<Arc<Inner>>, headers: HeaderMap) -> Result<Json<Value>, StatusCode> {
    inner.calls.fetch_add(1, Ordering::SeqCst);
    let delay = *inner.slow.lock().unwrap();
    tokio::time::sleep(delay).await;
    if inner.ill.load(Ordering::SeqCst) {
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let header = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = header.strip_prefix("Bearer ").unwrap_or(header);
    let changed = inner.changed.lock().unwrap().get(token).cloned();
    let answer = changed.unwrap_or_else(|| believe(token)).map(Json).ok_or(StatusCode::UNAUTHORIZED);
    inner.decided.fetch_add(1, Ordering::SeqCst);
    let _ = inner.held.subscribe().wait_for(|held| !held).await;
    answer
}
