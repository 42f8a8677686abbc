//! To try it: a small Kafka broker, an account service and a shop that publishes, so that `cargo run` needs nothing. Production runs nothing in here.

pub mod accounts;
mod address;
pub mod kafka;
pub mod mall;

use std::path::Path;

pub use address::{Chosen, choose, remember};

use crate::identity::{Malls, Publisher, Token};

/// What the demo's page publishes with; no secret, as everything in the demo.
const PUBLISHER_KEY: &str = "demo-publisher";

/// Who may publish in the demo besides those of the settings: whatever to whomever.
#[must_use]
pub fn publisher() -> Publisher {
    let key = Token::new(PUBLISHER_KEY).expect("it is made of letters").hash();
    Publisher { name: "demo".to_owned(), key, malls: Malls::All, everyone: true }
}

/// Partitions of the demo's topic: enough to see that order holds per mall and not over all.
const PARTITIONS: i32 = 3;

/// How the demo's broker is to be: in the data folder, with the topics that a real cluster would have.
#[must_use]
pub fn broker_settings(listen: std::net::SocketAddr, data_dir: &Path, max_bytes: u64, topic: &str) -> kafka::Settings {
    let named = |suffix: &str, partitions| (format!("{topic}{suffix}"), partitions);
    kafka::Settings {
        listen,
        data_dir: data_dir.join("kafka"),
        max_bytes,
        segment_bytes: kafka::DEFAULT_SEGMENT_BYTES,
        max_message_bytes: kafka::DEFAULT_MAX_MESSAGE_BYTES,
        topics: vec![named("", PARTITIONS), named("-dlt", PARTITIONS), named("-signals", 1)],
        auto_create_topics: false,
        default_partitions: PARTITIONS,
    }
}
