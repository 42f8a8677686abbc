//! The demo's account service: eight people of two shops, in the shape that a real one is asked for by default.

use std::{io, net::SocketAddr};

use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::notification::{AdminNo, MallNo, PartnerNo, Viewer};

/// Where it answers, below its address.
pub const PATH: &str = "/auth/me";
/// Where a container's check asks: it always is.
const READY: &str = "/readyz";

/// Then whoever still asks is left behind.
const ENDS_WITHIN: std::time::Duration = std::time::Duration::from_secs(1);

struct Person {
    number: u64,
    name: &'static str,
    name_en: &'static str,
    /// In Korean and English.
    role: [&'static str; 2],
    malls: &'static [u64],
    partner: Option<u64>,
    sees_personal: bool,
}

const MALLS: [(u64, &str); 4] = [(1001, "온달몰"), (1002, "평강몰"), (10, "몰 10"), (100, "몰 100")];
const PARTNERS: [(u64, &str); 2] = [(501, "한결식품"), (502, "두리패션")];

#[rustfmt::skip] // One person reads as one row.
const CAST: [Person; 8] = [
    Person { number: 70_001, name: "김하늘", name_en: "Kim Haneul", role: ["운영", "Operations"], malls: &[1001], partner: None, sees_personal: true },
    Person { number: 70_002, name: "이바다", name_en: "Lee Bada", role: ["CS", "Customer service"], malls: &[1001], partner: None, sees_personal: false },
    Person { number: 70_003, name: "박솔이", name_en: "Park Sori", role: ["운영", "Operations"], malls: &[1002], partner: None, sees_personal: true },
    Person { number: 70_010, name: "최가온", name_en: "Choi Gaon", role: ["두 몰 총괄", "Both malls"], malls: &[1001, 1002], partner: None, sees_personal: true },
    Person { number: 80_501, name: "정다온", name_en: "Jung Daon", role: ["파트너", "Partner"], malls: &[1001, 1002], partner: Some(501), sees_personal: false },
    Person { number: 80_502, name: "한누리", name_en: "Han Nuri", role: ["파트너", "Partner"], malls: &[1001], partner: Some(502), sees_personal: false },
    // Malls whose numbers begin others' numbers, on purpose: nothing may be matched by prefix.
    Person { number: 10_000, name: "운영자 10000", name_en: "Operator 10000", role: ["운영", "Operations"], malls: &[10], partner: None, sees_personal: true },
    Person { number: 10_001, name: "운영자 10001", name_en: "Operator 10001", role: ["운영", "Operations"], malls: &[100], partner: None, sees_personal: true },
];

impl Person {
    fn token(&self) -> String {
        format!("demo-{}", self.number)
    }

    fn answer(&self) -> Value {
        let named = |of: &[(u64, &str)], number: u64| {
            of.iter().find(|(known, _)| *known == number).map(|(_, name)| (*name).to_owned()).unwrap_or_default()
        };
        let malls: Vec<Value> =
            self.malls.iter().map(|mall| json!({"mallNo": mall, "mallName": named(&MALLS, *mall)})).collect();
        let partner = self.partner.map(|number| json!({"partnerNo": number, "partnerName": named(&PARTNERS, number)}));
        json!({
            "adminNo": self.number,
            "name": self.name,
            "adminStatus": "ACTIVE",
            "adminRole": if self.partner.is_some() { "PARTNER" } else { "NORMAL" },
            "malls": malls,
            "partner": partner,
            "permitsPrivateInformation": self.sees_personal,
            "locale": "ko",
        })
    }
}

async fn me(headers: HeaderMap) -> Response {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    match CAST.iter().find(|person| token == Some(person.token().as_str())) {
        Some(person) => Json(person.answer()).into_response(),
        None => (StatusCode::UNAUTHORIZED, Json(json!({"message": "unknown token"}))).into_response(),
    }
}

/// Everybody, with their tokens: what the demo's page offers to listen as.
#[must_use]
pub fn cast() -> Value {
    let person = |person: &Person| {
        let mut card = person.answer();
        card["token"] = person.token().into();
        card["nameEn"] = person.name_en.into();
        card["role"] = json!({"ko": person.role[0], "en": person.role[1]});
        card
    };
    CAST.iter().map(person).collect()
}

/// Everybody as the server sees them.
#[must_use]
pub fn viewers() -> Vec<Viewer> {
    let viewer = |person: &Person| {
        let malls = person.malls.iter().filter_map(|&mall| MallNo::new(mall).ok());
        let partner = person.partner.and_then(|partner| PartnerNo::new(partner).ok());
        let mut viewer = Viewer::new(AdminNo::new(person.number).ok()?, malls, partner);
        viewer.name = person.name.to_owned();
        viewer.sees_personal = person.sees_personal;
        Some(viewer)
    };
    CAST.iter().filter_map(viewer).collect()
}

/// A running account service; dropping it leaves it running until the process ends.
#[derive(Debug)]
pub struct Accounts {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Accounts {
    /// Listens from here on; port 0 takes a free one.
    pub async fn start(listen: SocketAddr) -> io::Result<Accounts> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let routes = Router::new().route(PATH, get(me)).route(READY, get(async || Json(json!({"ready": true}))));
        // axum's own loop is good enough here: nobody but ourselves and the curious on this machine connects.
        let serve = axum::serve(listener, routes).with_graceful_shutdown(async {
            if stopped.await.is_err() {
                // Nobody is left who could stop it.
                std::future::pending::<()>().await;
            }
        });
        let task = tokio::spawn(serve.into_future());
        Ok(Accounts { address, stop, task })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `accounts.url` has to be.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// Ends it, at once: idle connections of a client's pool would keep it waiting.
    /// Connections that are kept open end as well: they answer on, otherwise, when nobody listens any more.
    pub async fn stop(mut self) {
        let _ = self.stop.send(());
        if tokio::time::timeout(ENDS_WITHIN, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_of_the_demo_is_there_under_the_token_with_their_number() {
        let cast = cast();
        let tokens: Vec<&str> = cast.as_array().unwrap().iter().map(|card| card["token"].as_str().unwrap()).collect();
        assert_eq!(
            tokens,
            [
                "demo-70001",
                "demo-70002",
                "demo-70003",
                "demo-70010",
                "demo-80501",
                "demo-80502",
                "demo-10000",
                "demo-10001"
            ]
        );
        assert_eq!(cast[4]["partner"], json!({"partnerNo": 501, "partnerName": "한결식품"}));
        assert_eq!(cast[3]["malls"][1], json!({"mallNo": 1002, "mallName": "평강몰"}));
    }
}
