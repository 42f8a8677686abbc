//! The log: set up once, and the convention that every line follows.
//!
//! Levels: **error** a promise is broken and somebody must act; **warn** something is wrong that may pass, or costs
//! something; **info** what an operator of the server wants to know of a day (start, stop, Kafka away, back); **debug**
//! one line per record, connection or look-up. A clean start writes no warning. A line is written once, where the
//! matter is handled, and the same complaint at most once in a while.
//!
//! Fields, the same word everywhere: `partition`, `offset`, `position`, `kind` (of a notification), `reason`,
//! `address`, `shard`, `listener` (a number of this process), `took_ms`, `error`. Times and sizes carry their unit in
//! the name. Never a token, a ticket, a name, a title or a body; an operator's number only on `debug`.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use super::Settings;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people; coloured where the output is a terminal.
    #[default]
    Text,
    /// For collectors: one object per line.
    Json,
}

/// A filter that cannot be understood; says what is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadFilter(String);

/// Whether [`start`] will understand this filter.
pub fn check(filter: &str) -> Result<(), BadFilter> {
    parse(filter).map(drop)
}

fn parse(filter: &str) -> Result<EnvFilter, BadFilter> {
    EnvFilter::builder().parse(filter).map_err(|error| BadFilter(error.to_string()))
}

/// Writes the log to standard error from here on: standard output belongs to what a command was asked for.
/// A second call in one process (tests) changes nothing.
pub fn start(settings: &Settings) -> Result<(), BadFilter> {
    let filter = parse(&settings.log)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match settings.log_format {
        Format::Text => registry.with(lines.with_ansi(io::stderr().is_terminal())).try_init(),
        Format::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    // Fails only where a log is set up already.
    drop(started);
    Ok(())
}

/// A line of librdkafka, `severity` as in syslog (3 error, 4 warning, 5 notice, 6 info, 7 debug).
///
/// Its errors are our warnings, since it goes on by itself and our own line says what it means for people; its warnings
/// are often about ordinary things (a broker that closes an idle connection), so a clean start stays clean.
/// Both homes of rdkafka hand their client's lines here, from `ClientContext::log`.
pub fn librdkafka(severity: u8, facility: &str, message: &str) {
    match severity {
        0..=3 => tracing::warn!(target: "librdkafka", facility, "{message}"),
        4 => tracing::info!(target: "librdkafka", facility, "{message}"),
        _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked_before_anything_runs() {
        check("info").unwrap();
        check("info,allim::ingest=debug,librdkafka=trace").unwrap();
        check("allim=loud").unwrap_err();
    }
}
