//! The watchdog: notices a client that fetches nothing although its partition goes on.
//!
//! librdkafka has more than one way to stand still for ever after brokers came and went. It compares what the client says
//! that it fetches next with ends that were asked just now: control records and aborted ones move both, so a log that
//! ends in them is no reason to bark, and neither is an open transaction, behind which the end itself waits.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

pub struct Watchdog {
    /// A fetch that does not move for so long while there is something to fetch.
    patience: Duration,
    /// Where a partition stands below its end, and since when.
    standing: HashMap<usize, (u64, Instant)>,
}

impl Watchdog {
    pub fn new(patience: Duration) -> Watchdog {
        Watchdog { patience, standing: HashMap::new() }
    }

    /// A look at one partition: what is fetched next (None: not told yet) and where the log ends. True: it stands still.
    pub fn stands_still(&mut self, now: Instant, partition: usize, fetched: Option<u64>, end: u64) -> bool {
        let at = fetched.unwrap_or(0);
        if at >= end {
            self.standing.remove(&partition);
            return false;
        }
        let (stood, since) = *self.standing.entry(partition).or_insert((at, now));
        if stood != at {
            self.standing.insert(partition, (at, now));
            return false;
        }
        now.duration_since(since) >= self.patience
    }

    /// A new client has its own time to get going.
    pub fn begin_anew(&mut self) {
        self.standing.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_barks_at_who_stands_still_below_the_end_and_at_nobody_else() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let mut dog = Watchdog::new(Duration::from_secs(30));
        // At the end, also at one that commit markers moved: quiet for ever.
        for seconds in 0..100 {
            assert!(!dog.stands_still(after(seconds), 0, Some(22), 22));
        }
        // Slow, but moving.
        for seconds in 0..100 {
            assert!(!dog.stands_still(after(seconds), 1, Some(seconds / 20), 1000));
        }
        // Standing, then arrived: the time begins anew.
        assert!(!dog.stands_still(after(0), 2, Some(5), 6));
        assert!(!dog.stands_still(after(29), 2, Some(5), 7));
        assert!(!dog.stands_still(after(30), 2, Some(7), 7));
        assert!(!dog.stands_still(after(31), 2, Some(7), 8));
        assert!(!dog.stands_still(after(60), 2, Some(7), 8));
        assert!(dog.stands_still(after(61), 2, Some(7), 8));
        // A client that says nothing at all stands still, too; a new one has its own time.
        assert!(!dog.stands_still(after(70), 3, None, 1));
        assert!(dog.stands_still(after(100), 3, None, 1));
        dog.begin_anew();
        assert!(!dog.stands_still(after(101), 3, None, 1));
    }
}
