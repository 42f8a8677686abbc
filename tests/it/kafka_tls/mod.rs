//! Kafka over TLS and SASL: every way in carries everything, and whoever is not let in learns why in one line.
//!
//! One Apache Kafka serves the chapter, with a door for each way in; only who restarts a broker has one of its own.

mod documented;
mod refused;
mod restarted;
mod rights;
mod secured;
mod tokens;
mod ways;
