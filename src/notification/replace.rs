//! What replaces what on a screen: the one rule. Whatever folds notifications by their key, here or in a browser, asks it.
//!
//! It looks only at what is on the wire, so `docs/events.md` can say it to clients, and `tests/replacement.json` hold
//! them to it.

use jiff::Timestamp;

use super::{MallNo, event::Severity};

/// A notification as the rule sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// `mallNo`: keys of two malls never meet.
    pub mall: Option<MallNo>,
    /// `collapseKey`.
    pub key: Option<String>,
    /// It came as a `job` frame: not the end.
    pub running: bool,
    /// `data.version`.
    pub version: Option<u64>,
    /// `occurredAt`.
    pub occurred: Option<Timestamp>,
    /// `at`.
    pub at: Timestamp,
    pub severity: Severity,
}

/// What becomes of what is shown when a notification comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is about something else: both are shown.
    Another,
    /// It is older than what is shown, which stays.
    Late,
    /// It takes the place of what is shown. Unread is what is there then only if it is not less severe.
    Replaces { unread: bool },
}

impl State {
    /// What becomes of `shown` when this one comes.
    #[must_use]
    pub fn meets(&self, shown: &State) -> Verdict {
        if self.key.is_none() || (&self.key, self.mall) != (&shown.key, shown.mall) {
            return Verdict::Another;
        }
        // The end of a job is the end, whatever the clocks and counters of those say who work on it.
        let late = match (self.running, shown.running) {
            (true, false) => true,
            (false, true) => false,
            _ => self.is_older(shown),
        };
        if late { Verdict::Late } else { Verdict::Replaces { unread: self.severity >= shown.severity } }
    }

    /// By version where both have one; else by when it happened, if both say so; else by the log. In doubt the one that
    /// comes later is the newer.
    fn is_older(&self, shown: &State) -> bool {
        match (self.version, shown.version) {
            (Some(mine), Some(theirs)) if mine != theirs => return mine < theirs,
            _ => {}
        }
        match (self.occurred, shown.occurred) {
            (Some(mine), Some(theirs)) => mine < theirs,
            _ => self.at < shown.at,
        }
    }
}
