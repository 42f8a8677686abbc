//! Where a listener gets what it missed: recent memory, and what memory has passed from the timeline, if there is one.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use crate::{
    hub::{GapReason, Hub, Item, Page, Place, Scan},
    notification::{Catalogue, Coordinates, Notification, NotificationId, Position, Term, Vector, Viewer},
    timeline::{COUNTED_AT_MOST, Marks, Missed, Missing, Most, Recorded, Timeline, Trouble},
};

/// What a stream brings from the timeline at most; of more the list is the better reader.
const FROM_THE_TIMELINE: Most = Most { items: 2_000, bytes: 2 * 1024 * 1024 };
/// One look into it: many terms cost a seek each, so it is worth more than a look into memory.
const ONE_LOOK: Most = Most { items: 250, bytes: 512 * 1024 };
/// A recorder that is only busy comes to where memory begins within this time; one that is ill does not, and then a gap
/// says so.
const BUSY: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// A greeting does not wait for a count.
const COUNTING: Duration = Duration::from_millis(500);

/// What was found.
#[derive(Debug)]
pub enum Step {
    /// What the viewer sees, in order. Everything before `through` is in it or concerns somebody else.
    Page { items: Vec<Item>, through: Vector },
    /// Something is not to be had any more; `goes_on` is where what can be had begins.
    Gap { reason: GapReason, goes_on: Place },
    /// Nothing more: this is the end of what was missed, at this moment.
    End { at: Vector },
}

/// Memory and timeline, joined at exact places. A cheap clone.
#[derive(Clone)]
pub struct Past {
    hub: Hub,
    timeline: Option<Timeline>,
    catalogue: Catalogue,
}

/// What one catching-up has had from the timeline.
#[derive(Debug, Default)]
pub struct Had {
    items: usize,
    bytes: usize,
    /// It has waited for the recorder, which is done once.
    waited: bool,
}

impl Past {
    #[must_use]
    pub fn new(hub: Hub, timeline: Option<Timeline>, catalogue: Catalogue) -> Past {
        Past { hub, timeline, catalogue }
    }

    #[must_use]
    pub fn timeline(&self) -> Option<&Timeline> {
        self.timeline.as_ref()
    }

    /// The viewer is given anew for each page: rights are those of now. None while the log is unknown.
    pub async fn next(
        &self,
        viewer: &Arc<Viewer>,
        life: u64,
        from: &Vector,
        budget: Page,
        had: &mut Had,
    ) -> Option<Step> {
        let wanted = |n: &Notification| n.audience.includes(viewer, n.mall);
        let (reason, place) = match self.hub.scan(life, from, budget, wanted) {
            Ok(Scan::Found { items, through }) => return Some(Step::Page { items, through }),
            Ok(Scan::End { at }) => return Some(Step::End { at }),
            Err((reason, place)) => (reason, place?),
        };
        if place.life != life {
            return Some(Step::Gap { reason, goes_on: place });
        }
        let from = Position { epoch: place.epoch, next: from.clone() };
        let Some(timeline) = &self.timeline else {
            return Some(Step::Gap { reason, goes_on: behind_a_gap(place, &from.next) });
        };
        let gap = |reason, recorded: &Vector| {
            let mut next = from.next.clone();
            next.raise(recorded);
            Some(Step::Gap { reason, goes_on: behind_a_gap(place.clone(), &next) })
        };
        match timeline.missed(viewer, from.clone(), ONE_LOOK).await {
            Ok(Missed::Page { rows, through }) if rows.is_empty() && through == from.next => {
                let waited = std::mem::replace(&mut had.waited, true);
                if !waited && self.comes_to_memory(&from).await {
                    return Some(Step::Page { items: Vec::new(), through });
                }
                // Memory has moved on meanwhile.
                let place = self.hub.beginning().filter(|now| now.life == life)?;
                Some(Step::Gap { reason: GapReason::Store, goes_on: behind_a_gap(place, &from.next) })
            }
            Ok(Missed::Page { rows, through }) => {
                had.items += rows.len();
                had.bytes += rows.iter().map(|row| row.notification.record().value.len()).sum::<usize>();
                if had.items > FROM_THE_TIMELINE.items || had.bytes > FROM_THE_TIMELINE.bytes {
                    *had = Had::default();
                    let recorded = self.hub.recorded().map_or_else(Vector::default, |recorded| recorded.next);
                    return gap(GapReason::TooMany, &recorded);
                }
                let items = rows.into_iter().map(|row| Item {
                    partition: row.at.partition,
                    offset: row.at.offset,
                    notification: row.notification,
                });
                Some(Step::Page { items: items.collect(), through })
            }
            Ok(Missed::Gap { reason, recorded }) => gap(in_words(reason), &recorded),
            Ok(Missed::Unknown) | Err(_) => gap(GapReason::Store, &from.next),
        }
    }

    /// Whether somebody can go on from there, which memory has passed. `Err`: why not, and where he goes on instead.
    pub async fn reaches_back(
        &self,
        viewer: &Arc<Viewer>,
        from: &Position,
        beginning: &Place,
    ) -> Result<(), (GapReason, Place)> {
        let refused = |reason, recorded: &Vector| {
            let mut next = from.next.clone();
            next.raise(recorded);
            Err((reason, behind_a_gap(beginning.clone(), &next)))
        };
        let Some(timeline) = &self.timeline else { return refused(GapReason::Retention, &Vector::default()) };
        if !self.comes_to_memory(from).await {
            return refused(GapReason::Store, &Vector::default());
        }
        match timeline.weigh(viewer, from.clone(), FROM_THE_TIMELINE).await {
            Ok(Missed::Page { .. }) => Ok(()),
            Ok(Missed::Gap { reason, recorded }) => refused(in_words(reason), &recorded),
            Ok(Missed::Unknown) | Err(_) => refused(GapReason::Store, &Vector::default()),
        }
    }

    /// Whether the timeline reaches from there to where memory begins, or does so soon.
    async fn comes_to_memory(&self, from: &Position) -> bool {
        let there = async {
            loop {
                let Some(beginning) = self.hub.beginning().filter(|place| place.epoch == from.epoch) else { return };
                let mut through = from.next.clone();
                if let Some(recorded) = self.hub.recorded() {
                    through.raise(&recorded.next);
                }
                if beginning.next.within(&through) {
                    return;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        timeout(BUSY, there).await.is_ok()
    }

    /// Where a stream goes on whose own place means nothing: with a timeline at its end, so that list and stream overlap.
    #[must_use]
    pub fn instead(&self, beginning: Place) -> Place {
        match self.hub.recorded() {
            Some(recorded) => behind_a_gap(beginning, &recorded.next),
            None => beginning,
        }
    }

    /// How far the timeline is, in the log of now.
    #[must_use]
    pub fn recorded(&self) -> Option<Position> {
        self.hub.recorded()
    }

    /// A place that somebody names, and no place that is yet to come. None: it is of a log that never was.
    pub async fn no_further_than_here(&self, position: &Position) -> Result<Option<Position>, Trouble> {
        let Some(timeline) = &self.timeline else { return Ok(None) };
        let mut end = Recorded::vector(&timeline.recorded(position.epoch).await?);
        // While memory is being refilled the store is further.
        if let Some(here) = self.hub.here().filter(|here| here.epoch == position.epoch) {
            end.raise(&here.next);
        }
        let least = end.iter().map(|(partition, end)| end.min(position.next.get(partition))).collect();
        Ok((end.partitions() > 0).then(|| Position { epoch: position.epoch, next: Vector::new(least) }))
    }

    /// What this viewer has not read: what the timeline counts, and what memory has beyond it. None: not to be had now.
    pub async fn unread(&self, viewer: &Arc<Viewer>) -> Option<usize> {
        timeout(COUNTING, self.count(viewer)).await.ok()?.ok()
    }

    /// The same for who waits for it.
    pub async fn count(&self, viewer: &Arc<Viewer>) -> Result<usize, Trouble> {
        let timeline = self.timeline.as_ref().ok_or_else(|| Trouble::Ill("there is no timeline".to_owned()))?;
        self.meet(viewer).await?;
        let unread = timeline.unread(viewer).await?;
        let (marks, mut count) = (unread.marks, unread.count);
        let Some(from) = unread.position.or_else(|| self.hub.recorded()) else { return Ok(count) };
        if count >= COUNTED_AT_MOST {
            return Ok(COUNTED_AT_MOST);
        }
        let not_there_yet = self.not_there_yet(viewer, &from, &marks);
        if !not_there_yet.is_empty() {
            let marked = timeline.exceptions(viewer.admin, not_there_yet.clone()).await?;
            count += not_there_yet.iter().filter(|id| !marked.contains(&(**id, true))).count();
        }
        Ok(count.min(COUNTED_AT_MOST))
    }

    /// The first sight of somebody, or of a right of his: the past counts as read.
    pub async fn meet(&self, viewer: &Arc<Viewer>) -> Result<(), Trouble> {
        let Some(timeline) = &self.timeline else { return Ok(()) };
        // While nobody knows where the log ends, nobody knows what the past is.
        let is_known = self.hub.state().borrow().known;
        let here = self.hub.here().filter(|_| is_known).map(|here| here.position());
        timeline.meet(viewer, here).await
    }

    /// The unread that memory has and the timeline will have.
    fn not_there_yet(&self, viewer: &Viewer, from: &Position, marks: &Marks) -> Vec<NotificationId> {
        let Some(here) = self.hub.here().filter(|here| here.epoch == from.epoch) else { return Vec::new() };
        let wanted = |n: &Notification| {
            let entry = self.catalogue.entry(&n.type_name);
            entry.kept && !entry.silent && n.audience.includes(viewer, n.mall)
        };
        let page = Page { items: COUNTED_AT_MOST, bytes: usize::MAX };
        let (mut ids, mut from) = (Vec::new(), from.next.clone());
        while let Ok(Scan::Found { items, through }) = self.hub.scan(here.life, &from, page, wanted) {
            let unread = items.iter().filter(|item| {
                let at = Coordinates { epoch: here.epoch, partition: item.partition, offset: item.offset };
                let terms = item.notification.audience.terms().iter().copied();
                let reaches = |term: &Term| term.includes(viewer, item.notification.mall);
                !marks.is_read(at, &terms.filter(reaches).collect::<Vec<Term>>())
            });
            ids.extend(unread.map(|item| item.notification.id));
            if ids.len() >= COUNTED_AT_MOST {
                break;
            }
            from = through;
        }
        ids
    }
}

/// At `next`, but never before what memory has.
fn behind_a_gap(beginning: Place, next: &Vector) -> Place {
    let mut place = beginning;
    place.next.raise(next);
    place
}

fn in_words(missing: Missing) -> GapReason {
    match missing {
        Missing::Purged => GapReason::Retention,
        Missing::Lost => GapReason::Lost,
        Missing::TooMany => GapReason::TooMany,
    }
}
