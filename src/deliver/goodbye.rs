//! Goodbyes: one table of why a stream ends, what the client is told, and whether it comes back (D12).

use std::time::Duration;

use serde_json::json;

use super::Settings;
use crate::hub::{ByeReason, Frame, Kind};

/// After this a browser's own reconnect does not bother anybody: a day.
const NEVER: Duration = Duration::from_secs(86_400);
/// The range out of which somebody is sent away who cannot be served now.
const LATER: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goodbye {
    /// The node stops; returns are spread over the window.
    Restart { window: Duration },
    /// Too much to do.
    Overload,
    /// The account service is ill and the token unknown.
    Accounts,
    /// It read nothing for too long.
    Slow,
    /// The token ended.
    Expired,
    /// The account service does not know the token any more.
    Revoked,
    /// One stream too many of one operator.
    Replaced,
}

impl Goodbye {
    /// Its word on the wire and in metrics, whatever the time that goes with it.
    #[must_use]
    pub fn reason(self) -> ByeReason {
        match self {
            Goodbye::Restart { .. } => ByeReason::Restart,
            Goodbye::Overload => ByeReason::Overload,
            Goodbye::Accounts => ByeReason::Accounts,
            Goodbye::Slow => ByeReason::Slow,
            Goodbye::Expired => ByeReason::Expired,
            Goodbye::Revoked => ByeReason::Revoked,
            Goodbye::Replaced => ByeReason::Replaced,
        }
    }

    /// Whether a client shall come back by itself.
    #[must_use]
    pub fn reconnect(self) -> bool {
        !matches!(self, Goodbye::Expired | Goodbye::Revoked | Goodbye::Replaced)
    }

    /// How long a client shall wait, jittered: those who leave together shall not return together.
    #[must_use]
    pub fn retry(self, settings: &Settings) -> Option<Duration> {
        match self {
            Goodbye::Restart { window } => {
                let most = window.max(settings.retry);
                Some(between(settings.retry / 4, most))
            }
            Goodbye::Overload | Goodbye::Accounts => Some(between(LATER.0, LATER.1)),
            Goodbye::Slow => Some(jittered(settings.retry)),
            Goodbye::Expired | Goodbye::Revoked => None,
            Goodbye::Replaced => Some(NEVER),
        }
    }

    /// The last frame of a stream.
    #[must_use]
    pub fn frame(self, settings: &Settings) -> Frame {
        let retry = self.retry(settings);
        let mut body = json!({ "reason": self.reason().name(), "reconnect": self.reconnect() });
        if let (true, Some(retry)) = (self.reconnect(), retry) {
            body["retryAfterMs"] = json!(u64::try_from(retry.as_millis()).unwrap_or(u64::MAX));
        }
        Frame { kind: Kind::Bye(self.reason()), position: None, body: body.to_string().into(), retry }
    }
}

/// Half to one and a half of it.
#[must_use]
pub fn jittered(mean: Duration) -> Duration {
    between(mean / 2, mean * 3 / 2)
}

fn between(least: Duration, most: Duration) -> Duration {
    let (least, most) = (least.as_millis() as u64, most.as_millis() as u64);
    Duration::from_millis(fastrand::u64(least..=most.max(least)))
}
