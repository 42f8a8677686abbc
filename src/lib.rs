//! Allim (알림): from Kafka to every right browser stream, and to no other.
//!
//! ```text
//!  domain services ─► Kafka  BACKOFFICE-NOTIFICATIONS
//!                        │  every node reads every partition
//!                        ▼
//!                     ingest ──► hub ──────────► deliver ──► SSE
//!                     Kafka in   announce,       a listener's life:
//!                        │       memory, shards  hello, missed, live, bye
//!                        ▼                          ▲
//!                     timeline ─────────────────────┘
//!                     what is kept, and read
//! ```
//!
//! A folder is a station on a notification's way (a verb) or a thing that the stations share (a noun).
//! Nouns never import verbs; a station knows the one before it; only `app` knows all. `tests/it/tidy.rs` sees to it.

pub mod app;
pub mod brokers; // WHO THE BROKERS ARE
pub mod config; // settings of every station, read once
pub mod deliver; // OUT TO PEOPLE
pub mod demo; // TO TRY IT; production runs nothing in here
pub mod http; // THE DOORS
pub mod hub; // THE HOT SINK: announce, recent memory, shards
pub mod identity; // WHO IS ASKING
pub mod ingest; // KAFKA IN
pub mod notification; // THE WORDS: what travels, who sees it, what of it
pub mod publish; // INTO KAFKA
pub mod shutdown; // first signal: drain; second: end
pub mod telemetry; // WHAT WE SEE
pub mod timeline; // THE MEMORY: what is kept, and what of it was read // builds every station and joins them
