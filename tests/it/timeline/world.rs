//! Plays a plan over a store and over the reference, and says where they differ.

use std::{collections::BTreeMap, sync::Arc};

use allim::{
    notification::{
        AdminNo, Audience, Coordinates, Epoch, MallNo, Notification, NotificationId, PartnerNo, Position, Record,
        Shape, Tenant, Term, Vector, Viewer, event::Severity,
    },
    timeline::{Advance, Batch, Filter, Hole, Listed, Mark, Missed, Most, Place, Row, Store, Stored, Trouble, Types},
};
use jiff::Timestamp;

use super::{
    plan::{EPOCHS, Filtering, Item, MALLS, PARTITIONS, PARTNERS, PEOPLE, Pick, Step, TYPES},
    reference::{Expected, Reference, place},
};

pub const SEVERITIES: [Severity; 5] =
    [Severity::Info, Severity::Notice, Severity::Warning, Severity::Error, Severity::Critical];
/// Noon of some day.
const BEGINNING: i64 = 1_700_000_000_000;
const EVERYTHING: Most = Most { items: 100_000, bytes: 1 << 30 };

pub type Fault = String;

pub struct World {
    store: Arc<dyn Store>,
    reference: Reference,
    people: Vec<Arc<Viewer>>,
    clock: i64,
    last: Option<Batch>,
}

pub fn mall(which: usize) -> MallNo {
    MallNo::new(MALLS[which]).unwrap()
}

fn partner(which: usize) -> PartnerNo {
    PartnerNo::new(PARTNERS[which]).unwrap()
}

/// Half of them operators, then partners' admins; numbers that are prefixes of one another.
fn person(which: usize, malls: u8) -> Viewer {
    let number = [7, 70, 700, 1, 10, 100][which];
    let malls = (0..MALLS.len()).filter(|bit| malls & (1 << bit) != 0).map(mall);
    Viewer::new(admin(number), malls, (which >= 3).then(|| partner(which % 2)))
}

pub fn admin(number: u64) -> AdminNo {
    AdminNo::new(number).unwrap()
}

fn term(pick: Pick) -> Term {
    match pick {
        Pick::Everyone => Term::Everyone,
        Pick::Mall(which) => Term::Mall(mall(which)),
        Pick::MallPartners(which) => Term::MallPartners(mall(which)),
        Pick::MallPartner(which, whose) => Term::MallPartner(mall(which), partner(whose)),
        Pick::Partner(which) => Term::Partner(partner(which)),
        Pick::Operator(which) => Term::Operator(person(which, 0).admin),
    }
}

fn producers(id: u8) -> NotificationId {
    NotificationId::of_producer(Tenant::Nobody, "shop", &id.to_string())
}

pub fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap()
}

pub fn is_same(stored: &Stored, row: &Row) -> bool {
    let (there, here) = (&stored.notification, &row.notification);
    let records = (there.record(), here.record());
    let (one, other) = records;
    stored.at == row.at
        && (there.id, there.mall, there.at) == (here.id, here.mall, here.at)
        && there.type_name == here.type_name
        && there.audience == here.audience
        && (one.shape, &one.key, &one.value) == (other.shape, &other.key, &other.value)
        && one.headers == other.headers
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: &T, shall_be: &T) -> Result<(), Fault> {
    if is == shall_be { Ok(()) } else { Err(format!("{what}: {is:?}, and it should be {shall_be:?}")) }
}

fn well<T>(what: &str, answer: Result<T, Trouble>) -> Result<T, Fault> {
    answer.map_err(|trouble| format!("{what}: {trouble}"))
}

impl World {
    pub fn new(store: Arc<dyn Store>) -> World {
        let people = (0..PEOPLE).map(|which| Arc::new(person(which, 0b0111))).collect();
        World { store, reference: Reference::default(), people, clock: BEGINNING, last: None }
    }

    pub async fn play(&mut self, steps: &[Step]) -> Result<(), Fault> {
        for (n, step) in steps.iter().enumerate() {
            self.step(step).await.map_err(|fault| format!("step {n}, {step:?}: {fault}"))?;
        }
        let all = Filtering { mall: None, types: None, severity: None, unread: false };
        let unread = Filtering { unread: true, ..all.clone() };
        for person in 0..PEOPLE {
            self.list(person, &all, 4).await.map_err(|fault| format!("at the end, {person}: {fault}"))?;
            self.list(person, &unread, 4).await.map_err(|fault| format!("at the end, {person} unread: {fault}"))?;
            for epoch in 0..EPOCHS.len() {
                let replayed =
                    self.replay(person, epoch, &[u64::MAX; PARTITIONS], Most { items: 3, ..EVERYTHING }).await;
                replayed.map_err(|fault| format!("at the end, {person} replays {epoch}: {fault}"))?;
            }
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Result<(), Fault> {
        // Whatever is marked is marked at a time of its own.
        self.clock += 1;
        match step {
            Step::Record { epoch, items } => self.record(Epoch(EPOCHS[*epoch]), items).await,
            Step::Again => match self.last.clone() {
                Some(batch) => self.write(batch).await,
                None => Ok(()),
            },
            Step::Astray { epoch, partition, by } => {
                let epoch = Epoch(EPOCHS[*epoch]);
                let mut batch = self.batch(epoch, &[]);
                let from = self.reference.of(epoch, *partition).map_or(0, |recorded| recorded.next) + by;
                batch.rows = self.rows(epoch, &mut BTreeMap::from([(*partition, from)]), &[plain(*partition)]);
                batch.advances.push(Advance { partition: *partition, from: Some(from), to: from + 1, life: 0 });
                self.write(batch).await
            }
            Step::Shrink { epoch, partition, by } => {
                let Some((mut batch, mut advance)) = self.moves(Epoch(EPOCHS[*epoch]), *partition) else {
                    return Ok(());
                };
                (advance.to, advance.life) = (advance.to.saturating_sub(*by), advance.life + 1);
                batch.advances.push(advance);
                self.write(batch).await
            }
            Step::Lose { epoch, partition, many } => {
                let Some((mut batch, mut advance)) = self.moves(Epoch(EPOCHS[*epoch]), *partition) else {
                    return Ok(());
                };
                let from = advance.to;
                advance.to += many;
                batch.holes.push(Hole { partition: *partition, from, to: advance.to });
                batch.advances.push(advance);
                self.write(batch).await
            }
            Step::Rights { person: who, malls } => {
                self.people[*who] = Arc::new(person(*who, *malls));
                Ok(())
            }
            Step::Meet { person, ahead } => self.meet(*person, *ahead).await,
            Step::Mark { person, rows, read } => {
                let id = |row: &usize| self.reference.rows.get(*row).map(|row| row.notification.id);
                let ids: Vec<NotificationId> = rows.iter().filter_map(id).collect();
                self.mark(*person, if *read { Mark::Read(ids) } else { Mark::Unread(ids) }).await
            }
            Step::Early { person, ids } => {
                self.mark(*person, Mark::Read(ids.iter().map(|&id| producers(id)).collect())).await
            }
            Step::UpTo { person, epoch, back } => {
                let position = self.back(Epoch(EPOCHS[*epoch]), back);
                self.mark(*person, Mark::UpTo(position)).await
            }
            Step::Purge { hours, at_most } => {
                // A few at a time only while no click is old enough to be forgotten: which of them go first is nobody's promise.
                let hours = if *at_most < 100 { hours % 150 } else { *hours };
                let now = time(BEGINNING + hours * 3_600_000);
                let purged = well("purge", self.store.purge(now, *at_most).await)?;
                same("purged", &purged, &self.reference.purge(now, *at_most))
            }
            Step::List { person, filter, limit } => self.list(*person, filter, *limit).await,
            Step::Replay { person, epoch, back, items, bytes } => {
                self.replay(*person, *epoch, back, Most { items: *items, bytes: *bytes }).await
            }
        }
    }

    fn batch(&self, epoch: Epoch, advances: &[Advance]) -> Batch {
        let (rows, dead, beginnings, holes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Batch { epoch, rows, dead, advances: advances.to_vec(), beginnings, holes }
    }

    /// A batch that moves one partition, if anything of it is recorded.
    fn moves(&self, epoch: Epoch, partition: usize) -> Option<(Batch, Advance)> {
        let now = self.reference.of(epoch, partition)?;
        let advance = Advance { partition, from: Some(now.next), to: now.next, life: now.life };
        Some((self.batch(epoch, &[]), advance))
    }

    async fn record(&mut self, epoch: Epoch, items: &[Item]) -> Result<(), Fault> {
        let partitions: std::collections::BTreeSet<usize> = items.iter().map(|item| item.partition).collect();
        let mut beginning = self.batch(epoch, &[]);
        for &partition in &partitions {
            if self.reference.of(epoch, partition).is_none() {
                let low = partition as u64;
                beginning.advances.push(Advance { partition, from: None, to: low, life: 0 });
                beginning.beginnings.push((partition, low));
            }
        }
        if !beginning.advances.is_empty() {
            self.write(beginning).await?;
        }
        let now = |partition: usize| self.reference.of(epoch, partition).unwrap();
        let mut next: BTreeMap<usize, u64> = partitions.iter().map(|&one| (one, now(one).next)).collect();
        let begun = next.clone();
        let mut batch = self.batch(epoch, &[]);
        batch.rows = self.rows(epoch, &mut next, items);
        let advance = |(partition, to): (usize, u64)| {
            let life = self.reference.of(epoch, partition).unwrap().life;
            Advance { partition, from: Some(begun[&partition]), to, life }
        };
        batch.advances = next.into_iter().map(advance).collect();
        self.write(batch).await
    }

    fn rows(&mut self, epoch: Epoch, next: &mut BTreeMap<usize, u64>, items: &[Item]) -> Vec<Row> {
        let mut rows = Vec::new();
        for item in items {
            self.clock += 1;
            let next = next.get_mut(&item.partition).unwrap();
            let at = Coordinates { epoch, partition: item.partition, offset: *next + item.skips };
            *next = at.offset + 1;
            let life = self.reference.of(epoch, item.partition).map_or(0, |recorded| recorded.life);
            let id = item.id.map_or_else(|| NotificationId::of_life(at, life), producers);
            rows.push(self.row(at, life, id, item));
        }
        rows
    }

    fn row(&self, at: Coordinates, life: u32, id: NotificationId, item: &Item) -> Row {
        let audience = Audience::new(item.audience.iter().map(|&pick| term(pick))).unwrap();
        let record = Record {
            shape: if item.size.is_multiple_of(2) { Shape::Plain } else { Shape::Binary },
            key: (!item.size.is_multiple_of(3)).then(|| "key".into()),
            headers: Box::new([("ce_id".into(), at.offset.to_string().into())]),
            value: "x".repeat(item.size).into(),
        };
        let kind = TYPES[item.kind].into();
        let notification =
            Notification::new(id, kind, item.mall.map(mall), audience, time(self.clock / 4 + item.at), record);
        // No two of them end at the same moment, for which goes first is nobody's promise.
        let until = time(BEGINNING + item.keep * 3_600_000 + self.clock % 3_600_000);
        let severity = SEVERITIES[item.severity];
        Row { at, life, notification: Arc::new(notification), severity, silent: item.silent, until }
    }

    async fn write(&mut self, batch: Batch) -> Result<(), Fault> {
        let written = self.store.record(Arc::new(batch.clone())).await;
        same("record", &written, &self.reference.record(&batch))?;
        let recorded = well("recorded", self.store.recorded(batch.epoch).await)?;
        same("recorded", &recorded, &self.reference.recorded(batch.epoch))?;
        self.last = Some(batch);
        Ok(())
    }

    async fn meet(&mut self, person: usize, ahead: Option<u64>) -> Result<(), Fault> {
        let nowhere = || Position { epoch: Epoch(1), next: Vector::default() };
        let mut here = self.reference.position().unwrap_or_else(nowhere);
        here.next.set(0, here.next.get(0) + ahead.unwrap_or(0));
        let viewer = Arc::clone(&self.people[person]);
        self.reference.meet(&viewer, &here);
        well("meet", self.store.meet(viewer, here).await)
    }

    async fn mark(&mut self, person: usize, mark: Mark) -> Result<(), Fault> {
        let viewer = Arc::clone(&self.people[person]);
        let now = time(self.clock);
        self.reference.mark(&viewer, &mark, now);
        well("mark", self.store.mark(Arc::clone(&viewer), mark, now).await)?;
        let mut ids: Vec<NotificationId> = self.reference.rows.iter().map(|row| row.notification.id).collect();
        ids.extend((0..12).map(producers));
        let exceptions = well("exceptions", self.store.exceptions(viewer.admin, ids.clone()).await)?;
        same("exceptions", &exceptions, &self.reference.exceptions(viewer.admin, &ids))
    }

    /// So far before the store's place; as far back as it goes: the beginning.
    fn back(&self, epoch: Epoch, back: &[u64]) -> Position {
        let recorded = self.reference.vector(epoch);
        let next = (0..PARTITIONS).map(|partition| {
            // One beyond the place, too.
            (recorded.get(partition) + 1).saturating_sub(back.get(partition).copied().unwrap_or(u64::MAX))
        });
        Position { epoch, next: Vector::new(next.collect()) }
    }

    async fn list(&self, person: usize, filter: &Filtering, limit: usize) -> Result<(), Fault> {
        let viewer = &self.people[person];
        let names = |names: &Vec<usize>| names.iter().map(|&name| TYPES[name].into()).collect();
        let types = filter.types.as_ref().map(|(these, kinds)| match these {
            true => Types::These(names(kinds)),
            false => Types::AllBut(names(kinds)),
        });
        let severity = filter.severity.map(|severity| SEVERITIES[severity]);
        let filter = Filter { mall: filter.mall.map(mall), types, severity, unread: filter.unread };
        let expected = self.reference.list(viewer, &filter);
        let listed = whole_list(&*self.store, viewer, &filter, limit, self.reference.position()).await?;
        compare_rows(
            &listed.iter().map(|listed| &listed.stored).collect::<Vec<_>>(),
            expected.iter().map(|(row, _)| *row),
        )?;
        for (listed, (row, read)) in listed.iter().zip(&expected) {
            same(&format!("read, of {:?}", row.at), &listed.read, read)?;
        }
        let unread = well("unread", self.store.unread(Arc::clone(viewer)).await)?;
        same("unread", &unread, &self.reference.unread(viewer))
    }

    async fn replay(&self, person: usize, epoch: usize, back: &[u64], page: Most) -> Result<(), Fault> {
        let viewer = &self.people[person];
        let from = self.back(Epoch(EPOCHS[epoch]), back);
        let weighed = well("weigh", self.store.weigh(Arc::clone(viewer), from.clone(), page).await)?;
        match (weighed, self.reference.missed(viewer, &from, page)) {
            (Missed::Page { .. }, Expected::All(_)) | (Missed::Unknown, Expected::Unknown) => {}
            (Missed::Gap { reason, recorded }, Expected::Gap(shall_be)) => {
                same("weighed", &reason, &shall_be)?;
                same("recorded", &recorded, &self.reference.vector(from.epoch))?;
            }
            (is, shall_be) => return Err(format!("weighed: {is:?}, and it should be {shall_be:?}")),
        }
        let expected = match self.reference.missed(viewer, &from, EVERYTHING) {
            Expected::All(rows) => rows,
            Expected::Gap(shall_be) => {
                return match well("missed", self.store.missed(Arc::clone(viewer), from, page).await)? {
                    Missed::Gap { reason, .. } => same("missed", &reason, &shall_be),
                    other => Err(format!("missed: {other:?}, and it should be {shall_be:?}")),
                };
            }
            Expected::Unknown => return Ok(()),
        };
        let mut rows =
            whole_replay(&*self.store, viewer, from, page, &self.reference.vector(Epoch(EPOCHS[epoch]))).await?;
        // Each partition in its order; between them there is none.
        rows.sort_by_key(|stored| stored.at.partition);
        compare_rows(&rows.iter().collect::<Vec<_>>(), expected.into_iter())
    }
}

fn plain(partition: usize) -> Item {
    let audience = vec![Pick::Everyone];
    let (mall, id) = (None, None);
    Item { partition, skips: 0, audience, mall, at: 0, kind: 0, severity: 0, silent: false, id, size: 1, keep: 299 }
}

fn compare_rows<'r>(is: &[&Stored], shall_be: impl Iterator<Item = &'r Row>) -> Result<(), Fault> {
    let shall_be: Vec<&Row> = shall_be.collect();
    let as_it_should = is.len() == shall_be.len() && is.iter().zip(&shall_be).all(|(stored, row)| is_same(stored, row));
    let places = |rows: Vec<Coordinates>| -> Vec<String> {
        rows.iter().map(|at| format!("{}/{}/{}", at.epoch.0, at.partition, at.offset)).collect()
    };
    let wrong = || {
        let is = places(is.iter().map(|stored| stored.at).collect());
        let shall_be: Vec<String> = shall_be.iter().map(|row| format!("{:?}", place(row))).collect();
        format!("the rows are {is:?}\nand should be {shall_be:?}")
    };
    if as_it_should { Ok(()) } else { Err(wrong()) }
}

/// All pages of a list, each at its place behind the one before.
pub async fn whole_list(
    store: &dyn Store,
    viewer: &Arc<Viewer>,
    filter: &Filter,
    limit: usize,
    position: Option<Position>,
) -> Result<Vec<Listed>, Fault> {
    let (mut all, mut before): (Vec<Listed>, Option<Place>) = (Vec::new(), None);
    loop {
        let page = well("list", store.list(Arc::clone(viewer), filter.clone(), before, limit).await)?;
        same("the position of the list", &page.position, &position)?;
        if page.items.len() > limit {
            return Err(format!("a page of {}, and {limit} were wanted", page.items.len()));
        }
        all.extend(page.items);
        match page.next {
            None => return Ok(all),
            Some(next) if before.is_some_and(|before| next >= before) => {
                return Err(format!("after {before:?} it goes on at {next:?}"));
            }
            Some(next) => before = Some(next),
        }
    }
}

/// All pages of what was missed, up to where the store is.
pub async fn whole_replay(
    store: &dyn Store,
    viewer: &Arc<Viewer>,
    mut from: Position,
    page: Most,
    recorded: &Vector,
) -> Result<Vec<Stored>, Fault> {
    let mut all: Vec<Stored> = Vec::new();
    loop {
        let missed = well("missed", store.missed(Arc::clone(viewer), from.clone(), page).await)?;
        let Missed::Page { rows, through } = missed else { return Err(format!("missed: {missed:?}")) };
        let outside =
            |at: Coordinates| at.offset < from.next.get(at.partition) || at.offset >= through.get(at.partition);
        if let Some(outside) = rows.iter().find(|row| outside(row.at)) {
            return Err(format!("from {from} to {through:?} there is {:?}", outside.at));
        }
        // What an offset has had in several lives comes together, whatever the later ones take.
        let mut places = std::collections::BTreeSet::new();
        let first_of_its_place = |row: &&Stored| places.insert((row.at.partition, row.at.offset));
        let of_places = rows.iter().filter(first_of_its_place);
        let bytes: usize = of_places.map(|row| row.notification.record().value.len()).sum();
        if places.len() > page.items || bytes > page.bytes && places.len() > 1 {
            return Err(format!("a page of {} places and {bytes} bytes", places.len()));
        }
        all.extend(rows);
        if recorded.within(&through) {
            return Ok(all);
        }
        if through == from.next {
            return Err(format!("it does not move from {from}"));
        }
        from.next = through;
    }
}
