//! When the demo's shop closes: so long after the last listener was seen, without a clock of its own.

use std::time::Duration;

/// Times are counted from where the shop's are.
#[derive(Default)]
pub struct Closing {
    after: Duration,
    somebody_was_there: Duration,
}

impl Closing {
    /// Whoever asks is there, listening already or not.
    pub fn asked(&mut self, after: Duration, now: Duration) {
        *self = Closing { after, somebody_was_there: now };
    }

    pub fn is_due(&mut self, listeners: usize, now: Duration) -> bool {
        if listeners > 0 {
            self.somebody_was_there = now;
        }
        now.saturating_sub(self.somebody_was_there) >= self.after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_a_minute_after_the_last_was_seen_and_not_before() {
        let (minute, at) = (Duration::from_secs(60), |seconds| Duration::from_secs(seconds));
        let mut closing = Closing::default();
        closing.asked(minute, at(100));
        assert!(!closing.is_due(0, at(159)), "the page that asked has its time to come");
        assert!(!closing.is_due(2, at(159)));
        assert!(!closing.is_due(1, at(5_000)), "for as long as somebody is there");
        assert!(!closing.is_due(0, at(5_059)));
        assert!(!closing.is_due(1, at(5_059)), "a page that was loaded again");
        assert!(!closing.is_due(0, at(5_118)));
        assert!(closing.is_due(0, at(5_119)));
        closing.asked(minute, at(9_000));
        assert!(!closing.is_due(0, at(9_059)), "asked again it is open again");
    }
}
