//! Allim's behaviours, one chapter per file, in one binary.

#![expect(clippy::unwrap_used, reason = "a test that fails shall fail where it is")]

mod bad_records;
mod catching_up;
mod first_run;
mod harness;
mod identity;
mod publish;
mod settings;
mod tidy;
mod what_is_seen;
mod who_may_listen;
mod words;
