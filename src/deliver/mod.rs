//! Out to people: a listener's life from hello to bye, and the coats it wears on the wire.

use std::time::Duration;

/// What the station needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Between two beats; proxies on the way close what is silent for 30 or 60 s.
    pub heartbeat: Duration,
    /// Frames and bytes that wait for one slow reader; beyond that it is caught up from memory at its own pace.
    pub queue_frames: usize,
    pub queue_bytes: usize,
    /// A listener of whom no frame moved for so long is closed: it holds a socket and nobody reads.
    pub slow_after: Duration,
    /// One operator's open streams; the next one ends the oldest. Ten tabs are many, a hundred are a loop.
    pub streams_per_operator: usize,
    /// The mean of the `retry:` that clients wait before they return, jittered by half so that they do not return together.
    pub retry: Duration,
    /// Over how long SIGTERM spreads the goodbyes.
    pub drain_window: Duration,
}
