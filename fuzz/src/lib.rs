//! The very files of the package that read what strangers write, without those that need Kafka, sockets or a runtime.
//!
//! The modules stand where they stand in the package (`tests/it/tidy.rs` holds what they may import), so a file that comes
//! to need more does not compile here, and is seen.

#[path = "../../src/notification/mod.rs"]
pub mod notification;

#[path = "../../src/ingest"]
pub mod ingest {
    //! Kafka in: what a record is.
    mod decode;
    pub use decode::{Decoder, RawRecord, Reason, Rejected};
}

#[path = "../../src/identity"]
pub mod identity {
    //! Who is asking: tokens, tickets, signals.
    mod cluster_key;
    mod signal;
    pub mod tickets;
    mod token;
    pub use cluster_key::ClusterKey;
    pub use signal::{Hears, NotASignal, Signal, SignalsAre};
    pub use tickets::Tickets;
    pub use token::{NotAHash, NotAToken, Token, TokenHash};
}

#[path = "../../src/hub"]
pub mod hub {
    //! The hot sink: what a frame is.
    mod frame;
    pub use frame::{ByeReason, Coat, Frame, GapReason, Kind, Wire};
}

#[path = "../../src/deliver"]
pub mod deliver {
    //! Out to people: the coat of event streams.
    pub mod sse;
}

#[path = "../../src/publish"]
pub mod publish {
    //! Into Kafka: how `allim tail` reads what comes out again.
    pub mod sse;
}

#[path = "../../tests/it/harness"]
pub mod strict {
    //! The reader that the package's tests trust, and not the server's own.
    pub mod blocks;
}

pub mod reading;
