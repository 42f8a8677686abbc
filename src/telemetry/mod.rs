//! What we see: every metric with its sentence, the log, and whether we are ready.

pub mod health;
pub mod log;
pub mod metrics;
pub mod readiness;

pub use metrics::Metrics;
pub use readiness::Readiness;

/// What the station needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Which lines are written: `info`, or per part `info,allim::ingest=debug,librdkafka=debug`.
    pub log: String,
    pub log_format: log::Format,
}
