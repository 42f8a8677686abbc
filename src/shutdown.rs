//! First signal: drain; second: end.

use std::{io, time::Duration};

/// Why the process stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Ctrl-C: somebody waits at the keyboard.
    Now,
    /// SIGTERM: an orderly end, at its own pace.
    Paced,
}

impl Stop {
    /// Over how long the goodbyes are spread.
    #[must_use]
    pub fn window(self, paced: Duration) -> Duration {
        match self {
            Stop::Now => Duration::ZERO,
            Stop::Paced => paced,
        }
    }
}

/// The signals of this process. To be made before anything takes long, so that none is missed.
pub struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    pub fn new() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one.
    #[cfg(unix)]
    pub async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.interrupt.recv() => Stop::Now,
            _ = self.terminate.recv() => Stop::Paced,
        }
    }

    #[cfg(not(unix))]
    pub fn new() -> io::Result<Signals> {
        Ok(Signals {})
    }

    #[cfg(not(unix))]
    pub async fn next(&mut self) -> Stop {
        let _ = tokio::signal::ctrl_c().await;
        Stop::Now
    }
}
