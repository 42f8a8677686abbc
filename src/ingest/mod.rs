//! Kafka in: every node reads every partition, and hands what it reads to the step it was given.

pub mod decode;

pub use decode::{Decoder, RawRecord, Reason, Rejected};

/// What the station needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `host:port,…` of the brokers.
    pub bootstrap_servers: String,
    pub topic: String,
    /// The group of the kept way. The live way never joins it; librdkafka only wants some name to `assign`.
    pub group_id: String,
    /// How this node calls itself towards the brokers.
    pub client_id: String,
    /// For librdkafka, over our own choices.
    pub properties: Vec<(String, String)>,
    /// Whether plain text records of the old console producer are read (part 6 of the design).
    pub legacy_text: bool,
    /// Stripped from event types, as is a `.vN` behind them.
    pub type_prefix: String,
    /// A larger value is refused before it is looked at: one record must not fill memory, or a browser.
    pub max_record_bytes: usize,
}
