//! To try it: a small Kafka broker and an account service, so that `cargo run` needs nothing. Production runs nothing in here.

pub mod accounts;
