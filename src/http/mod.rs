//! The doors: all routes, and the accept loop before them.

use std::{net::SocketAddr, time::Duration};

/// What the station needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    pub listen: SocketAddr,
    /// Metrics and health; off loopback everything else on it wants the token.
    pub management_listen: SocketAddr,
    pub management_token: Option<String>,
    /// Exact origins whose scripts may read our answers (`https://admin.example.com`).
    pub allowed_origins: Vec<String>,
    /// From accepting a connection, or the end of the last answer on it, to the end of the request head.
    pub head_deadline: Duration,
    /// Larger heads are answered 431.
    pub head_bytes: usize,
    /// A peer that takes nothing for so long is cut off.
    pub write_deadline: Duration,
    /// The kernel's send buffer of one connection; left alone it grows to megabytes for a peer that does not read.
    pub send_buffer: usize,
    /// Connections at once.
    pub connections: usize,
    /// How often the rights of an open stream are asked again.
    pub recheck: Duration,
}
