//! Into Kafka: the one producer, and what the command line does with it; beside it the smallest listener, to watch.

use std::time::Duration;

pub mod check;
pub mod command;
pub mod event;
mod producer;
mod sse;
pub mod tail;

pub use event::Outgoing;
pub use producer::Producer;

/// What the station needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `host:port,…` of the brokers.
    pub bootstrap_servers: String,
    pub topic: String,
    /// How this node calls itself towards the brokers.
    pub client_id: String,
    /// For librdkafka, over our own choices.
    pub properties: Vec<(String, String)>,
    /// What is not acknowledged by then is a failure: the caller may try again, with the same id.
    pub deadline: Duration,
}

/// The deadline where somebody waits at a terminal.
pub const AT_A_TERMINAL: Duration = Duration::from_secs(5);
/// The deadline of whoever serves others.
pub const SERVING: Duration = Duration::from_secs(2);

/// A record as it was found, whatever its bytes are.
#[derive(Clone)]
pub struct Found<'r> {
    pub key: Option<&'r [u8]>,
    pub headers: Vec<(&'r str, Option<&'r [u8]>)>,
    pub value: Option<&'r [u8]>,
}

/// Where a record came to lie: from here on it is not lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    pub partition: i32,
    pub offset: i64,
    /// From handing it over to the brokers' answer.
    pub took: Duration,
}

impl Failed {
    /// Whether any other record would fail as well, for now.
    #[must_use]
    pub fn is_of_all(&self) -> bool {
        matches!(self, Failed::NoBroker(_) | Failed::NotLetIn(_) | Failed::NoRight(_) | Failed::NoTopic(..))
    }
}

/// Why a record did not come to lie in the log.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error("the settings for the brokers are not good: {0}")]
    Settings(String),
    #[error("no broker answers at {0}")]
    NoBroker(String),
    /// They are there, and do not let us in.
    #[error("{0}")]
    NotLetIn(String),
    #[error("Kafka does not let this user write to the topic {0}: it needs the ACLs Write and Describe on it")]
    NoRight(String),
    #[error("there is no topic {0} at {1}; create it, or set ALLIM_KAFKA_TOPIC")]
    NoTopic(String, String),
    #[error("the record is larger than the brokers take")]
    TooLarge,
    #[error("the brokers did not take it: {0}")]
    Refused(String),
}
