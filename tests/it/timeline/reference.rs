//! What a store promises, in the plainest words: everything in memory, everything looked at each time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use allim::{
    notification::{AdminNo, Epoch, MallNo, NotificationId, Position, Term, Vector, Viewer},
    timeline::{
        Advance, Batch, COUNTED_AT_MOST, Filter, Mark, Marks, Missing, Most, Place, Recorded, Row, Trouble, Unread,
        Watermarks, Written,
    },
};
use jiff::{SignedDuration, Timestamp};

/// How long a click is kept whose notification does not come.
const EARLY: SignedDuration = SignedDuration::from_hours(7 * 24);

#[derive(Default)]
pub struct Reference {
    logs: HashMap<u64, Vec<Option<Recorded>>>,
    newest: Option<Epoch>,
    pub rows: Vec<Row>,
    horizon: HashMap<(u64, usize), u64>,
    holes: Vec<(u64, usize, u64, u64)>,
    people: HashMap<AdminNo, Person>,
}

#[derive(Default)]
struct Person {
    read: Watermarks,
    rights: HashMap<Term, Watermarks>,
    exceptions: BTreeMap<NotificationId, Exception>,
}

#[derive(Clone, Copy)]
struct Exception {
    read: bool,
    marked: Timestamp,
    recorded: bool,
}

/// What somebody missed, all at once.
#[derive(Debug)]
pub enum Expected<'r> {
    All(Vec<&'r Row>),
    Gap(Missing),
    Unknown,
}

pub fn place(row: &Row) -> Place {
    let signed = |number: u64| i64::try_from(number).unwrap();
    Place {
        at: row.notification.at.as_millisecond(),
        epoch: row.at.epoch.0.cast_signed(),
        partition: signed(row.at.partition as u64),
        offset: signed(row.at.offset),
        life: row.life.into(),
    }
}

fn sees(viewer: &Viewer, row: &Row) -> bool {
    row.notification.audience.includes(viewer, row.notification.mall)
}

/// It is about this mall, and reaches the viewer through it or through no mall at all.
fn is_concerned(viewer: &Viewer, row: &Row, mall: MallNo) -> bool {
    let about = row.notification.mall;
    let leads = |term: &Term| term.includes(viewer, about) && term.mall().is_none_or(|of| of == mall);
    about == Some(mall) && row.notification.audience.terms().iter().any(leads)
}

impl Reference {
    pub fn recorded(&self, epoch: Epoch) -> Vec<Option<Recorded>> {
        self.logs.get(&epoch.0).cloned().unwrap_or_default()
    }

    pub fn of(&self, epoch: Epoch, partition: usize) -> Option<Recorded> {
        self.recorded(epoch).get(partition).copied().flatten()
    }

    pub fn vector(&self, epoch: Epoch) -> Vector {
        let next = |partition: Option<Recorded>| partition.map_or(0, |recorded| recorded.next);
        Vector::new(self.recorded(epoch).into_iter().map(next).collect())
    }

    pub fn position(&self) -> Option<Position> {
        self.newest.map(|epoch| Position { epoch, next: self.vector(epoch) })
    }

    pub fn record(&mut self, batch: &Batch) -> Result<Written, Trouble> {
        let stands = |advance: &Advance| self.of(batch.epoch, advance.partition).map(|now| now.next) == advance.from;
        if !batch.advances.iter().all(stands) {
            return Err(Trouble::Elsewhere);
        }
        for &Advance { partition, to, life, from } in &batch.advances {
            if from.is_some_and(|from| to < from) {
                for person in self.people.values_mut() {
                    person.read.cut(batch.epoch, partition, to);
                    person.rights.values_mut().for_each(|since| _ = since.cut(batch.epoch, partition, to));
                }
            }
            let log = self.logs.entry(batch.epoch.0).or_default();
            log.resize(log.len().max(partition + 1), None);
            log[partition] = Some(Recorded { next: to, life });
            self.newest = Some(batch.epoch);
        }
        let mut written = Written::default();
        for row in &batch.rows {
            let same = |there: &Row| {
                there.notification.id == row.notification.id || (there.at, there.life) == (row.at, row.life)
            };
            if self.rows.iter().any(same) {
                written.repeats += 1;
            } else {
                self.rows.push(row.clone());
                written.stored += 1;
            }
        }
        for &(partition, next) in &batch.beginnings {
            self.raise_horizon(batch.epoch, partition, next);
        }
        for hole in &batch.holes {
            self.holes.push((batch.epoch.0, hole.partition, hole.from, hole.to));
        }
        Ok(written)
    }

    fn raise_horizon(&mut self, epoch: Epoch, partition: usize, next: u64) {
        let horizon = self.horizon.entry((epoch.0, partition)).or_default();
        *horizon = next.max(*horizon);
    }

    fn person(&mut self, viewer: &Viewer) -> &mut Person {
        self.people.entry(viewer.admin).or_default()
    }

    pub fn is_read(&self, viewer: &Viewer, row: &Row) -> bool {
        if row.silent {
            return true;
        }
        let nobody = Person::default();
        let person = self.people.get(&viewer.admin).unwrap_or(&nobody);
        if let Some(exception) = person.exceptions.get(&row.notification.id) {
            return exception.read;
        }
        let through = row.notification.audience.terms().iter();
        let mut through = through.filter(|term| term.includes(viewer, row.notification.mall));
        through.all(|term| {
            let is_old = person.rights.get(term).is_some_and(|since| since.is_behind(row.at));
            is_old || person.read.is_behind(row.at)
        })
    }

    /// Everything that this viewer's list shows, newest first.
    pub fn list(&self, viewer: &Viewer, filter: &Filter) -> Vec<(&Row, bool)> {
        let mut rows: Vec<&Row> = self.rows.iter().filter(|row| sees(viewer, row)).collect();
        rows.retain(|row| filter.mall.is_none_or(|mall| is_concerned(viewer, row, mall)));
        rows.retain(|row| filter.types.as_ref().is_none_or(|types| types.has(&row.notification.type_name)));
        rows.retain(|row| filter.severity.is_none_or(|severity| row.severity == severity));
        rows.sort_by_key(|row| std::cmp::Reverse(place(row)));
        let all = rows.into_iter().map(|row| (row, self.is_read(viewer, row)));
        all.filter(|(_, read)| !(filter.unread && *read)).collect()
    }

    pub fn unread(&self, viewer: &Viewer) -> Unread {
        let unread = Filter { unread: true, ..Filter::default() };
        let mut marks = Marks::default();
        if let Some(person) = self.people.get(&viewer.admin) {
            let later = person.rights.iter().filter(|(_, since)| !since.0.is_empty());
            marks = Marks {
                read: person.read.clone(),
                starts: later.map(|(term, since)| (*term, since.clone())).collect(),
            };
        }
        let count = self.list(viewer, &unread).len().min(COUNTED_AT_MOST);
        Unread { count, position: self.position(), marks }
    }

    /// In the order of each partition, one partition after the other.
    pub fn missed(&self, viewer: &Viewer, from: &Position, most: Most) -> Expected<'_> {
        let Position { epoch, next } = from;
        if self.recorded(*epoch).is_empty() {
            return Expected::Unknown;
        }
        let mut all = Vec::new();
        for (partition, to) in self.vector(*epoch).iter() {
            let from = next.get(partition);
            if from >= to {
                continue;
            }
            if self.horizon.get(&(epoch.0, partition)).is_some_and(|&horizon| horizon > from) {
                return Expected::Gap(Missing::Purged);
            }
            let is_hole = |hole: &&(u64, usize, u64, u64)| {
                (hole.0, hole.1) == (epoch.0, partition) && hole.3 > from && hole.2 < to
            };
            if self.holes.iter().any(|hole| is_hole(&hole)) {
                return Expected::Gap(Missing::Lost);
            }
            let within = |row: &&Row| {
                (row.at.epoch, row.at.partition) == (*epoch, partition) && (from..to).contains(&row.at.offset)
            };
            let mut rows: Vec<&Row> = self.rows.iter().filter(within).filter(|row| sees(viewer, row)).collect();
            rows.sort_by_key(|row| (row.at.offset, row.life));
            all.extend(rows);
        }
        let bytes: usize = all.iter().map(|row| row.notification.record().value.len()).sum();
        if all.len() > most.items || bytes > most.bytes {
            return Expected::Gap(Missing::TooMany);
        }
        Expected::All(all)
    }

    pub fn exceptions(&self, admin: AdminNo, ids: &[NotificationId]) -> Vec<(NotificationId, bool)> {
        let Some(person) = self.people.get(&admin) else { return Vec::new() };
        ids.iter().filter_map(|id| Some((*id, person.exceptions.get(id)?.read))).collect()
    }

    pub fn mark(&mut self, viewer: &Viewer, mark: &Mark, marked: Timestamp) {
        match mark {
            Mark::Read(ids) | Mark::Unread(ids) => {
                let read = matches!(mark, Mark::Read(_));
                for id in ids {
                    let row = self.rows.iter().find(|row| row.notification.id == *id);
                    let has_effect = match row {
                        None => read,
                        Some(row) => sees(viewer, row) && (read || !row.silent),
                    };
                    let exception = Exception { read, marked, recorded: row.is_some() };
                    if has_effect {
                        self.person(viewer).exceptions.insert(*id, exception);
                    }
                }
            }
            Mark::UpTo(position) => {
                let mut up_to = Watermarks::default();
                if self.newest == Some(position.epoch) {
                    let others = self.logs.keys().filter(|epoch| **epoch != position.epoch.0);
                    others.for_each(|&epoch| up_to.raise(Epoch(epoch), &self.vector(Epoch(epoch))));
                }
                up_to.raise(position.epoch, &position.next);
                let behind: BTreeSet<NotificationId> =
                    self.rows.iter().filter(|row| up_to.is_behind(row.at)).map(|row| row.notification.id).collect();
                let person = self.person(viewer);
                up_to.0.iter().for_each(|(epoch, next)| person.read.raise(*epoch, next));
                person.exceptions.retain(|id, _| !behind.contains(id));
            }
        }
    }

    pub fn meet(&mut self, viewer: &Viewer, here: &Position) {
        let mut everywhere = Watermarks::default();
        for &epoch in self.logs.keys() {
            everywhere.raise(Epoch(epoch), &self.vector(Epoch(epoch)));
        }
        everywhere.raise(here.epoch, &here.next);
        let person = self.person(viewer);
        let is_new = person.rights.is_empty();
        for term in viewer.terms() {
            person
                .rights
                .entry(term)
                .or_insert_with(|| if is_new { Watermarks::default() } else { everywhere.clone() });
        }
        if is_new {
            for (epoch, next) in &everywhere.0 {
                person.read.raise(*epoch, next);
            }
        }
    }

    pub fn purge(&mut self, now: Timestamp, at_most: usize) -> usize {
        let mut due: Vec<Row> = self.rows.iter().filter(|row| row.until < now).cloned().collect();
        due.sort_by_key(|row| row.until);
        due.truncate(at_most);
        for gone in &due {
            let id = gone.notification.id;
            self.rows.retain(|row| row.notification.id != id);
            self.people.values_mut().for_each(|person| person.exceptions.retain(|marked, _| *marked != id));
            self.raise_horizon(gone.at.epoch, gone.at.partition, gone.at.offset + 1);
        }
        let there: BTreeSet<NotificationId> = self.rows.iter().map(|row| row.notification.id).collect();
        for person in self.people.values_mut() {
            person.exceptions.retain(|id, exception| {
                let is_old = !exception.recorded && exception.marked < now.checked_sub(EARLY).unwrap();
                exception.recorded |= is_old && there.contains(id);
                !is_old || exception.recorded
            });
        }
        due.len()
    }
}
