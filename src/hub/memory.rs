//! Recent memory: the last records in the order of their announcement, within a bound of bytes and age (D5).
//!
//! Entry n is the n-th announcement of this node. V(n) is the node's vector after it; V is not stored per entry but
//! rolled forward from a checkpoint. V only grows, so "where does somebody at L go on" is a binary search.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use crate::notification::{Notification, NotificationId, Vector};

/// Between two checkpoints: the most entries that a search rolls through.
const CHECKPOINT_EVERY: u64 = 128;
/// What an entry costs that shows nothing (unreadable, or a producer's repeat): it only moves the vector.
const BARE_ENTRY_BYTES: u64 = 64;
/// The most entries one page looks at, so that the announce lock is never held for long.
const SCANNED_AT_MOST: usize = 512;

/// A notification with its place in the log.
#[derive(Debug, Clone)]
pub struct Item {
    pub partition: usize,
    pub offset: u64,
    pub notification: Arc<Notification>,
}

#[derive(Debug)]
struct Entry {
    partition: usize,
    offset: u64,
    arrived: Instant,
    notification: Option<Arc<Notification>>,
}

impl Entry {
    fn bytes(&self) -> u64 {
        let shown = self.notification.as_ref().map_or(0, |n| n.size());
        BARE_ENTRY_BYTES + u64::try_from(shown).unwrap_or(u64::MAX)
    }
}

/// What may be forgotten for its age.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LetsGo {
    /// Everything.
    #[default]
    All,
    /// Nothing: nobody knows what the timeline has.
    Nothing,
    /// What the timeline has: everything before this place.
    Before(Vector),
}

/// How much one page may bring.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    pub items: usize,
    pub bytes: usize,
}

/// What a look into memory found.
#[derive(Debug)]
pub enum Scan {
    /// What the viewer sees, in order; and how far that is complete.
    Found { items: Vec<Item>, through: Vector },
    /// Nothing more: this is where memory ends.
    End { at: Vector },
}

/// The ring of recent announcements.
#[derive(Debug)]
pub struct Memory {
    entries: VecDeque<Entry>,
    /// The number of the front entry.
    first: u64,
    /// V(first − 1), but not beyond the last that had something to show: below it, something may be missing.
    start: Vector,
    /// V of the newest entry.
    newest: Vector,
    /// (n, V(n)), at most every CHECKPOINT_EVERY entries.
    checkpoints: VecDeque<(u64, Vector)>,
    /// What is held, and by which record.
    ids: HashMap<NotificationId, (usize, u64)>,
    bytes: u64,
    bound_bytes: u64,
    bound_age: Duration,
    lets_go: LetsGo,
}

impl Memory {
    /// Empty, standing at `start`; the next entry will be number `next`.
    #[must_use]
    pub fn new(start: Vector, next: u64, bound_bytes: u64, bound_age: Duration) -> Memory {
        Memory {
            entries: VecDeque::new(),
            first: next,
            newest: start.clone(),
            start,
            checkpoints: VecDeque::new(),
            ids: HashMap::new(),
            bytes: 0,
            bound_bytes,
            bound_age,
            lets_go: LetsGo::All,
        }
    }

    /// What may be forgotten for its age from here on; the bound of bytes wins over it.
    pub fn lets_go(&mut self, lets_go: LetsGo) {
        self.lets_go = lets_go;
    }

    #[must_use]
    pub fn newest(&self) -> &Vector {
        &self.newest
    }

    #[must_use]
    pub fn start(&self) -> &Vector {
        &self.start
    }

    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How long ago the oldest entry came.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.entries.front().map_or(Duration::ZERO, |entry| entry.arrived.elapsed())
    }

    /// The record that holds this identity, partition and offset: a second one is a producer's repeat.
    #[must_use]
    pub fn holder(&self, id: NotificationId) -> Option<(usize, u64)> {
        self.ids.get(&id).copied()
    }

    /// That record turned out to show nothing to anybody: the next of its identity is no repeat.
    pub fn let_go(&mut self, id: NotificationId, record: (usize, u64)) {
        if self.ids.get(&id) == Some(&record) {
            self.ids.remove(&id);
        }
    }

    /// Appends the next announcement and forgets what no longer fits.
    pub fn append(&mut self, partition: usize, offset: u64, notification: Option<Arc<Notification>>, now: Instant) {
        self.newest.set(partition, offset + 1);
        let entry = Entry { partition, offset, arrived: now, notification };
        self.bytes += entry.bytes();
        if let Some(notification) = &entry.notification {
            self.ids.insert(notification.id, (partition, offset));
        }
        self.entries.push_back(entry);
        let n = self.last();
        if n.is_multiple_of(CHECKPOINT_EVERY) {
            self.checkpoints.push_back((n, self.newest.clone()));
        }
        self.forget(now);
    }

    /// Drops from the front what is over the bound of bytes or of age.
    pub fn forget(&mut self, now: Instant) {
        while let Some(front) = self.entries.front() {
            let is_kept = match &self.lets_go {
                LetsGo::All => true,
                LetsGo::Nothing => false,
                LetsGo::Before(kept) => front.offset < kept.get(front.partition),
            };
            let too_old = is_kept && now.saturating_duration_since(front.arrived) > self.bound_age;
            if self.bytes <= self.bound_bytes && !too_old {
                break;
            }
            let Some(entry) = self.entries.pop_front() else { break };
            self.bytes -= entry.bytes();
            self.first += 1;
            // Whoever has not passed what shows nothing has missed nothing of it.
            if let Some(notification) = &entry.notification {
                self.start.set(entry.partition, entry.offset + 1);
                self.let_go(notification.id, (entry.partition, entry.offset));
            }
        }
        while self.checkpoints.front().is_some_and(|(n, _)| *n < self.first) {
            self.checkpoints.pop_front();
        }
    }

    fn last(&self) -> u64 {
        self.first + self.entries.len() as u64 - 1
    }

    /// Entry `n` if it is still here.
    #[must_use]
    pub fn entry(&self, n: u64) -> Option<(usize, u64, Option<Arc<Notification>>)> {
        let index = usize::try_from(n.checked_sub(self.first)?).ok()?;
        let entry = self.entries.get(index)?;
        Some((entry.partition, entry.offset, entry.notification.clone()))
    }

    /// The position of the first entry whose Kafka time is not before `when`: where somebody goes on who came then.
    #[must_use]
    pub fn since(&self, when: Timestamp) -> Vector {
        let mut at = self.start.clone();
        for entry in &self.entries {
            if entry.notification.as_ref().is_some_and(|n| n.at >= when) {
                break;
            }
            at.set(entry.partition, entry.offset + 1);
        }
        at
    }

    /// What comes after `from` and is wanted. `Err`: memory begins after `from`, there.
    pub fn scan(
        &self,
        from: &Vector,
        page: Page,
        mut wanted: impl FnMut(&Notification) -> bool,
    ) -> Result<Scan, Vector> {
        if !self.start.within(from) {
            return Err(self.start.clone());
        }
        let (index, mut through) = self.goes_on(from);
        through.raise(from);
        if index == self.entries.len() {
            return Ok(Scan::End { at: through });
        }
        let (mut items, mut bytes) = (Vec::new(), 0);
        for entry in self.entries.range(index..).take(SCANNED_AT_MOST) {
            let new = entry.offset >= from.get(entry.partition);
            if let Some(notification) = entry.notification.as_ref().filter(|n| new && wanted(n)) {
                if items.len() == page.items || (bytes > 0 && bytes + notification.size() > page.bytes) {
                    break;
                }
                bytes += notification.size();
                let notification = Arc::clone(notification);
                items.push(Item { partition: entry.partition, offset: entry.offset, notification });
            }
            if new {
                through.set(entry.partition, entry.offset + 1);
            }
        }
        Ok(Scan::Found { items, through })
    }

    /// The first entry beyond `from`, as an index, with V before it. `from` is not below `start`.
    fn goes_on(&self, from: &Vector) -> (usize, Vector) {
        let reached = self.checkpoints.partition_point(|(_, at)| at.within(from));
        let (mut n, mut at) = match reached.checked_sub(1).and_then(|i| self.checkpoints.get(i)) {
            Some((n, at)) => (*n, at.clone()),
            None => (self.first - 1, self.start.clone()),
        };
        let mut index = usize::try_from(n + 1 - self.first).unwrap_or(usize::MAX).min(self.entries.len());
        while let Some(entry) = self.entries.get(index) {
            if entry.offset >= from.get(entry.partition) {
                break;
            }
            at.set(entry.partition, entry.offset + 1);
            n += 1;
            index += 1;
        }
        debug_assert!(n >= self.first - 1);
        (index, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ingest::{Decoder, RawRecord},
        notification::{Catalogue, Coordinates, Epoch},
    };

    fn notification(id: &str) -> Arc<Notification> {
        let catalogue = Catalogue::builtin();
        let decoder = Decoder { catalogue, legacy_text: false, type_prefix: String::new(), max_record_bytes: 999 };
        let value = format!(r#"{{"type": "t", "audience": "everyone", "id": "{id}"}}"#);
        let coordinates = Coordinates { epoch: Epoch(1), partition: 0, offset: 0 };
        let value = Some(value.as_bytes());
        let raw = RawRecord { coordinates, timestamp: Timestamp::now(), key: None, headers: vec![], value };
        Arc::new(decoder.decode(&raw).unwrap())
    }

    fn memory() -> Memory {
        Memory::new(Vector::new(vec![0, 0]), 1, 1_000_000, Duration::from_secs(60))
    }

    const PAGE: Page = Page { items: 10, bytes: 10_000 };

    #[test]
    fn what_shows_nothing_is_forgotten_without_a_loss() {
        let (mut memory, now) = (memory(), Instant::now());
        memory.append(0, 0, Some(notification("a")), now);
        memory.append(0, 99, None, now);
        memory.append(1, 7, None, now);
        memory.forget(now + Duration::from_secs(61));
        assert!(memory.is_empty());
        assert_eq!((memory.start(), memory.newest()), (&Vector::new(vec![1, 0]), &Vector::new(vec![100, 8])));
        assert!(matches!(memory.scan(&Vector::new(vec![1, 0]), PAGE, |_| true), Ok(Scan::End { .. })));
        assert!(memory.scan(&Vector::new(vec![0, 0]), PAGE, |_| true).is_err());
        // What comes then is found from there, and from behind the holes.
        memory.append(0, 100, Some(notification("b")), now + Duration::from_secs(61));
        for from in [vec![1, 0], vec![50, 8], vec![100, 0]] {
            let Ok(Scan::Found { items, through }) = memory.scan(&Vector::new(from), PAGE, |_| true) else { panic!() };
            assert_eq!((items.len(), items[0].offset, through.get(0)), (1, 100, 101));
        }
    }

    #[test]
    fn a_record_lets_go_of_its_own_identity_only() {
        let (mut memory, now, id) = (memory(), Instant::now(), notification("a").id);
        memory.append(0, 0, Some(notification("a")), now);
        memory.let_go(id, (0, 1));
        assert!(memory.holder(id).is_some(), "that one does not hold it");
        memory.let_go(id, (0, 0));
        assert!(memory.holder(id).is_none());
        memory.append(0, 1, Some(notification("a")), now + Duration::from_secs(30));
        memory.forget(now + Duration::from_secs(61));
        assert!(memory.len() == 1 && memory.holder(id).is_some(), "the first is forgotten, and the second holds it");
        memory.forget(now + Duration::from_secs(91));
        assert!(memory.holder(id).is_none());
    }
}
