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

/// The exit code of a process that lost a part it cannot do without (`EX_SOFTWARE`).
const EXIT_LOST_A_PART: i32 = 70;

/// Starts a thread without which the process is of no use. A panic in it ends the process, loudly: a node that is deaf,
/// or a shard whose listeners hear nothing any more, must not look healthy. Whoever supervises us starts us again, and
/// everybody continues where they were.
#[expect(clippy::disallowed_methods, reason = "there is no draining without the part that drains")]
pub fn essential_thread(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<std::thread::JoinHandle<()>> {
    let part = name.clone();
    std::thread::Builder::new().name(name).spawn(move || {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
            tracing::error!(part, "a part of the server has failed; the process ends, to be started again");
            std::process::exit(EXIT_LOST_A_PART);
        }
    })
}
