//! Where a listener gets what it missed. Recent memory is one source; the timeline will be another, before it.

use crate::{
    hub::{GapReason, Hub, Item, Page, Place, Scan},
    notification::{Notification, Vector, Viewer},
};

/// What a source answers.
#[derive(Debug)]
pub enum Step {
    /// What the viewer sees, in order. Everything before `through` is in it or concerns somebody else.
    Page { items: Vec<Item>, through: Vector },
    /// Something is not to be had any more; `goes_on` is where what can be had begins.
    Gap { reason: GapReason, goes_on: Place },
    /// Nothing more: this is the end of what was missed, at this moment.
    End { at: Vector },
}

/// A source of what was missed. The viewer is given anew for each page: rights are those of now.
pub trait Missed {
    /// None while the log is unknown.
    async fn next(&self, viewer: &Viewer, life: u64, from: &Vector, budget: Page) -> Option<Step>;
}

impl Missed for Hub {
    async fn next(&self, viewer: &Viewer, life: u64, from: &Vector, budget: Page) -> Option<Step> {
        let wanted = |n: &Notification| n.audience.includes(viewer, n.mall);
        match self.scan(life, from, budget, wanted) {
            Ok(Scan::Found { items, through }) => Some(Step::Page { items, through }),
            Ok(Scan::End { at }) => Some(Step::End { at }),
            Err((reason, place)) => {
                let mut goes_on = place?;
                if goes_on.life == life {
                    goes_on.next.raise(from);
                }
                Some(Step::Gap { reason, goes_on })
            }
        }
    }
}
