//! What the chapters are played with: a broker, servers, people who publish and people who listen.

pub mod accounts;
pub mod answers;
pub mod apache;
pub mod blocks;
pub mod browser;
pub mod checker;
pub mod crowd;
pub mod documented;
pub mod http2;
pub mod inbox;
pub mod kafka;
pub mod listener;
pub mod nginx;
pub mod postgres;
pub mod posts;
pub mod program;
pub mod publisher;
pub mod secrets;
pub mod server;
pub mod sse;
pub mod topics;
pub mod transport;
pub mod websocket;
pub mod wire;

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

pub use accounts::Accounts;
pub use checker::Story;
pub use kafka::Kafka;
pub use listener::{Listener, Wanderer};
pub use posts::Service;
pub use publisher::{Publisher, Sent};
pub use server::Server;

/// For conditions that come true in milliseconds on a quiet machine; long, so that a noisy one passes as well.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a condition, never for time.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let comes_true = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, comes_true).await.is_ok(), "it did not come true in {PATIENCE:?}: {what}");
}

/// A port that nobody listens on now. Not one that outgoing connections are given: somebody who knocks at such a port
/// before its server is there may, once in thousands of times, be connected to itself. Nor one that was given out before:
/// two doors of one server would now and then be the same.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = fastrand::u16(10_000..32_000);
        let is_free = std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free && GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return port;
        }
    }
}
