//! Allim's behaviours, one chapter per file, in one binary.

#![expect(clippy::unwrap_used, reason = "a test that fails shall fail where it is")]

mod apache;
mod bad_records;
mod broker;
mod broker_trouble;
mod browser;
mod catching_up;
mod containers;
mod contract;
mod crowded;
mod dead_letters;
mod demo_mall;
mod documents;
mod doors;
mod drain;
mod echo;
mod first_run;
mod harness;
mod identity;
mod jobs;
#[cfg(feature = "kafka-tls")]
mod kafka_tls;
mod kept_way;
mod log_life;
mod model;
mod openapi;
mod origins;
mod other_clients;
mod pages;
mod proxies;
mod publish;
mod publish_http;
mod regressions;
mod secrets;
mod settings;
mod signals;
mod slow_readers;
mod snippets;
mod tickets;
mod tidy;
mod timeline;
mod websocket_abuse;
mod what_is_seen;
mod who_may_listen;
mod words;
