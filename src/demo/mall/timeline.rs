//! When what happens in the demo's shop: a list of coming things, without a clock of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::exports::Export;
use crate::http::Pace;

/// After this a calm round begins again.
pub const ROUND: Duration = Duration::from_secs(90);
/// How long a rush lasts, and how many orders a second come in it.
const RUSH: Duration = Duration::from_secs(10);
const RUSH_ORDERS: u32 = 50;
/// The same orders at the same moments in every run, so that pictures repeat.
const SEED: u64 = 20_261_120;

/// The demo's malls.
pub const ONDAL: u64 = 1001;
pub const PYEONGGANG: u64 = 1002;
/// Of one operator at the same time; more are nobody's wish to see.
pub const MOST_EXPORTS: usize = 8;
/// Who asks for the export of each round.
const EXPORTER: u64 = 70_001;

/// Something that happens. A case is a number that belongs to all that is said of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Order {
        mall: u64,
        dice: u64,
    },
    /// The same, in a rush.
    Rush {
        mall: u64,
        dice: u64,
    },
    Export {
        export: Export,
        step: u32,
    },
    ReturnAsked {
        case: i64,
    },
    ReturnDone {
        case: i64,
    },
    Inquiry {
        case: i64,
    },
    ApprovalAsked {
        case: i64,
    },
    Approved {
        case: i64,
    },
    Question {
        case: i64,
    },
    Fraud {
        case: i64,
    },
    FraudResolved {
        case: i64,
    },
    Announcement {
        case: i64,
    },
    /// Of a type that no catalogue knows.
    Recount {
        case: i64,
    },
}

/// What is planned: something that happens, or something of the plan itself.
enum Planned {
    Happens(What),
    RushEnds,
    NextRound,
}

impl Planned {
    /// The number of the export of this operator's that it is of.
    fn export_of(&self, admin: u64) -> Option<u64> {
        match self {
            Planned::Happens(What::Export { export, .. }) if export.admin == admin => Some(export.number),
            _ => None,
        }
    }
}

/// What is to come. Times are counted from its making.
pub struct Timeline {
    /// Unix seconds of its making: cases of two runs differ.
    birth: i64,
    pace: Pace,
    coming: BTreeMap<(Duration, u64), Planned>,
    planned: u64,
    rounds: i64,
    exports: u64,
    dice: fastrand::Rng,
}

impl Timeline {
    #[must_use]
    pub fn new(birth: i64) -> Timeline {
        let dice = fastrand::Rng::with_seed(SEED);
        Timeline { birth, pace: Pace::Off, coming: BTreeMap::new(), planned: 0, rounds: 0, exports: 0, dice }
    }

    #[must_use]
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// When the next thing happens.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        self.coming.first_key_value().map(|((at, _), _)| *at)
    }

    /// From here on so much happens. An export that runs comes to its end also in a shop that stands still.
    pub fn go(&mut self, pace: Pace, now: Duration) {
        self.coming.retain(|_, what| !matches!(what, Planned::Happens(What::Rush { .. }) | Planned::RushEnds));
        let stood_still = std::mem::replace(&mut self.pace, pace) == Pace::Off;
        if pace == Pace::Off {
            self.coming.retain(|_, what| matches!(what, Planned::Happens(What::Export { .. })));
            return;
        }
        if stood_still {
            self.dice = fastrand::Rng::with_seed(SEED);
            self.plan_round(now);
        }
        if pace == Pace::Busy {
            for n in 0..RUSH.as_secs() as u32 * RUSH_ORDERS {
                let mall = if n % 3 == 2 { PYEONGGANG } else { ONDAL };
                let what = What::Rush { mall, dice: self.dice.u64(..) };
                self.plan(now + n * Duration::from_secs(1) / RUSH_ORDERS, Planned::Happens(what));
            }
            self.plan(now + RUSH, Planned::RushEnds);
        }
    }

    /// Begins an export, unless enough of this operator's are under way. Every third fails.
    pub fn export(&mut self, admin: u64, mall: u64, now: Duration) -> Option<Export> {
        let under_way: BTreeSet<u64> = self.coming.values().filter_map(|what| what.export_of(admin)).collect();
        if under_way.len() >= MOST_EXPORTS {
            return None;
        }
        self.exports += 1;
        let began = self.birth + i64::try_from(now.as_secs()).unwrap_or(0);
        let export = Export { began, admin, mall, number: self.exports };
        for (step, at) in export.steps().enumerate() {
            let step = u32::try_from(step).unwrap_or(0);
            self.plan(now + at, Planned::Happens(What::Export { export: export.clone(), step }));
        }
        Some(export)
    }

    /// What has happened by now, in its order.
    pub fn due(&mut self, now: Duration) -> Vec<What> {
        let mut happened = Vec::new();
        while let Some(entry) = self.coming.first_entry().filter(|entry| entry.key().0 <= now) {
            let at = entry.key().0;
            match entry.remove() {
                Planned::NextRound => self.plan_round(at),
                Planned::RushEnds => self.pace = Pace::Calm,
                Planned::Happens(what) => happened.push(what),
            }
        }
        happened
    }

    fn plan(&mut self, at: Duration, what: Planned) {
        self.planned += 1;
        self.coming.insert((at, self.planned), what);
    }

    fn plan_round(&mut self, from: Duration) {
        let case = self.birth + i64::try_from(from.as_secs()).unwrap_or(0) + self.rounds;
        self.rounds += 1;
        for (mall, first, every) in [(ONDAL, 0, 4), (PYEONGGANG, 3, 7)] {
            for second in (first..ROUND.as_secs()).step_by(every) {
                // A shop does not tick like a clock; but the first order comes at once.
                let jitter = if second == 0 { 0 } else { self.dice.u64(0..1_500) };
                let what = What::Order { mall, dice: self.dice.u64(..) };
                let at = from + Duration::from_secs(second) + Duration::from_millis(jitter);
                self.plan(at, Planned::Happens(what));
            }
        }
        for (second, what) in [
            (20, What::ReturnAsked { case }),
            (28, What::ReturnDone { case }),
            (30, What::Inquiry { case }),
            (40, What::ApprovalAsked { case }),
            (52, What::Approved { case }),
            (55, What::Question { case }),
            (60, What::Fraud { case }),
            (75, What::FraudResolved { case }),
            (82, What::Announcement { case }),
            (86, What::Recount { case }),
        ] {
            self.plan(from + Duration::from_secs(second), Planned::Happens(what));
        }
        self.export(EXPORTER, ONDAL, from + Duration::from_secs(5));
        self.plan(from + ROUND, Planned::NextRound);
    }
}
