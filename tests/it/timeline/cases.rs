//! What the contract says in single sentences, each held to every engine by a story of its own.

use std::{collections::BTreeSet, sync::Arc};

use allim::{
    notification::{
        Audience, Coordinates, Epoch, MallNo, Notification, NotificationId, Position, Record, Shape, Vector, Viewer,
        event::Severity,
    },
    timeline::{Advance, Batch, COUNTED_AT_MOST, Filter, Mark, Missed, Missing, Most, Row, Store, Trouble, Written},
};

use jiff::SignedDuration;

use super::{
    engines::ENGINES,
    world::{admin, time, whole_list, whole_replay},
};

pub const EPOCH: Epoch = Epoch(7);
const NOON: i64 = 1_700_000_000_000;
const EVERYTHING: Filter = Filter { mall: None, types: None, severity: None, unread: false };
const UNREAD: Filter = Filter { unread: true, ..EVERYTHING };
pub const ALL: Most = Most { items: 1_000_000, bytes: 1 << 30 };

pub fn mall(number: u64) -> MallNo {
    MallNo::new(number).unwrap()
}

pub fn operator(number: u64, malls: &[u64]) -> Arc<Viewer> {
    Arc::new(Viewer::new(admin(number), malls.iter().map(|&number| mall(number)), None))
}

/// A row at this offset of partition 0, an hour after the one before it would be a year.
pub fn row(offset: u64, audience: &str, about: Option<u64>) -> Row {
    row_in(0, offset, audience, about)
}

pub fn row_in(partition: usize, offset: u64, audience: &str, about: Option<u64>) -> Row {
    let at = Coordinates { epoch: EPOCH, partition, offset };
    let record = Record {
        shape: Shape::Plain,
        key: None,
        headers: Box::default(),
        value: format!(r#"{{"type":"notice.posted","title":"{partition}/{offset}"}}"#).into(),
    };
    let audience: Audience = audience.parse().unwrap();
    let milliseconds = NOON + i64::try_from(offset).unwrap() * 1000 + i64::try_from(partition).unwrap();
    let (id, kind) = (NotificationId::of_coordinates(at), "notice.posted".into());
    let notification = Notification::new(id, kind, about.map(mall), audience, time(milliseconds), record);
    let until = time(milliseconds + 1_000_000);
    Row { at, life: 0, notification: Arc::new(notification), severity: Severity::Info, silent: false, until }
}

pub fn batch(advances: Vec<Advance>, rows: Vec<Row>) -> Batch {
    Batch { epoch: EPOCH, rows, dead: Vec::new(), advances, beginnings: Vec::new(), holes: Vec::new() }
}

/// Writes these, all of one partition, from where the store is.
pub async fn write(store: &dyn Store, rows: Vec<Row>) -> Result<Written, Trouble> {
    let partition = rows[0].at.partition;
    let from = store.recorded(EPOCH).await?.get(partition).copied().flatten().map(|now| now.next);
    let to = rows.iter().map(|row| row.at.offset + 1).max().unwrap();
    let advance = Advance { partition, from, to, life: 0 };
    store.record(Arc::new(batch(vec![advance], rows))).await
}

fn position(next: &[u64]) -> Position {
    Position { epoch: EPOCH, next: Vector::new(next.to_vec()) }
}

async fn offsets(store: &dyn Store, viewer: &Arc<Viewer>, filter: &Filter) -> Vec<u64> {
    let position = store.list(Arc::clone(viewer), EVERYTHING, None, 1).await.unwrap().position;
    let listed = whole_list(store, viewer, filter, 50, position).await.unwrap();
    listed.iter().map(|listed| listed.stored.at.offset).collect()
}

async fn replayed(store: &dyn Store, viewer: &Arc<Viewer>, from: &[u64]) -> Vec<u64> {
    let recorded = store.unread(Arc::clone(viewer)).await.unwrap().position.unwrap().next;
    let page = Most { items: 7, bytes: 1 << 20 };
    let rows = whole_replay(store, viewer, position(from), page, &recorded).await.unwrap();
    rows.iter().map(|stored| stored.at.offset).collect()
}

async fn unread(store: &dyn Store, viewer: &Arc<Viewer>) -> usize {
    store.unread(Arc::clone(viewer)).await.unwrap().count
}

pub fn block_on(story: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(story);
}

macro_rules! for_every_engine {
    ($(#[$doc:meta])* $name:ident, $store:ident, $story:block) => {
        $(#[$doc])*
        #[test]
        fn $name() {
            for engine in &ENGINES {
                let fresh = (engine.make)();
                let $store = &*fresh.store;
                block_on(async $story);
            }
        }
    };
}

for_every_engine!(an_operator_removed_from_a_mall_has_his_own_row_of_it_nowhere, store, {
    let before = operator(7, &[1, 10]);
    write(store, vec![row(0, "operator:7", Some(10)), row(1, "operator:7", Some(1)), row(2, "operator:7", None)])
        .await
        .unwrap();
    assert_eq!(offsets(store, &before, &EVERYTHING).await, [2, 1, 0]);
    let after = operator(7, &[1]);
    assert_eq!(offsets(store, &after, &EVERYTHING).await, [2, 1]);
    assert_eq!(offsets(store, &after, &UNREAD).await, [2, 1]);
    assert_eq!(replayed(store, &after, &[0]).await, [1, 2]);
    assert_eq!((unread(store, &before).await, unread(store, &after).await), (3, 2));
    // Nor can he mark it.
    let gone = NotificationId::of_coordinates(Coordinates { epoch: EPOCH, partition: 0, offset: 0 });
    store.mark(Arc::clone(&after), Mark::Read(vec![gone]), time(NOON)).await.unwrap();
    assert_eq!(store.exceptions(after.admin, vec![gone]).await.unwrap(), []);
});

for_every_engine!(what_is_for_two_malls_of_an_operator_is_one_row_and_counts_once, store, {
    let both = operator(7, &[1001, 1002]);
    write(store, vec![row(0, "mall:1001,mall:1002,operator:7,everyone", None)]).await.unwrap();
    assert_eq!(offsets(store, &both, &EVERYTHING).await, [0]);
    assert_eq!(offsets(store, &both, &UNREAD).await, [0]);
    assert_eq!(replayed(store, &both, &[0]).await, [0]);
    assert_eq!(unread(store, &both).await, 1);
    assert_eq!(offsets(store, &operator(8, &[1003]), &EVERYTHING).await, [0], "everyone is one of the terms");
});

for_every_engine!(two_hundred_malls_are_one_list, store, {
    let malls: Vec<u64> = (1..=200).collect();
    let viewer = operator(7, &malls);
    let audience = |offset: u64| format!("mall:{}", offset * 7 % 250 + 1);
    let rows: Vec<Row> = (0..2_000).map(|offset| row(offset, &audience(offset), None)).collect();
    let his = |offset: &u64| offset * 7 % 250 < 200;
    write(store, rows).await.unwrap();
    let expected: Vec<u64> = (0..2_000).filter(his).collect();
    assert_eq!(replayed(store, &viewer, &[0]).await, expected);
    assert_eq!(offsets(store, &viewer, &EVERYTHING).await, expected.iter().rev().copied().collect::<Vec<u64>>());
    assert_eq!(unread(store, &viewer).await, COUNTED_AT_MOST);
});

for_every_engine!(
    /// More than one look goes over, all read but the oldest: found at once, and where it ends is told.
    few_unread_are_found_behind_many_read, store, {
    let viewer = operator(7, &[1, 10]);
    for chunk in 0..5 {
        let rows: Vec<Row> = (0..6_000).map(|n| row(chunk * 6_000 + n, "mall:1", Some(1))).collect();
        write(store, rows).await.unwrap();
    }
    store.mark(Arc::clone(&viewer), Mark::UpTo(position(&[30_000])), time(NOON)).await.unwrap();
    let page = store.list(Arc::clone(&viewer), UNREAD, None, 50).await.unwrap();
    assert!(page.items.is_empty() && page.next.is_none(), "nothing is unread, and one look says so: {:?}", page.next);
    let oldest = NotificationId::of_coordinates(Coordinates { epoch: EPOCH, partition: 0, offset: 3 });
    store.mark(Arc::clone(&viewer), Mark::Unread(vec![oldest]), time(NOON)).await.unwrap();
    let page = store.list(Arc::clone(&viewer), UNREAD, None, 50).await.unwrap();
    let found: Vec<u64> = page.items.iter().map(|listed| listed.stored.at.offset).collect();
    assert_eq!((found, page.next), (vec![3], None));
    assert_eq!(unread(store, &viewer).await, 1);
});

for_every_engine!(
    /// Old ones of a slow partition, and far more that were read since in a quick one: page by page, to the honest end.
    many_unread_are_listed_among_many_read, store, {
    let viewer = operator(7, &[1, 10]);
    let slow: Vec<Row> = (0..5_500).map(|offset| row_in(1, offset, "mall:10", Some(10))).collect();
    write(store, slow).await.unwrap();
    for chunk in 1..6 {
        let rows: Vec<Row> = (0..5_000).map(|n| row(chunk * 6_000 + n, "mall:1", Some(1))).collect();
        write(store, rows).await.unwrap();
    }
    store.mark(Arc::clone(&viewer), Mark::UpTo(position(&[36_000, 0])), time(NOON)).await.unwrap();
    let page = store.list(Arc::clone(&viewer), UNREAD, None, 50).await.unwrap();
    assert!(page.items.is_empty() && page.next.is_some(), "one look goes only so far");
    assert_eq!(offsets(store, &viewer, &UNREAD).await, (0..5_500).rev().collect::<Vec<u64>>());
    let of_the_mall = Filter { mall: Some(mall(10)), ..UNREAD };
    assert_eq!(offsets(store, &viewer, &of_the_mall).await.len(), 5_500);
    let of_the_other = Filter { mall: Some(mall(1)), ..UNREAD };
    assert_eq!(offsets(store, &viewer, &of_the_other).await.len(), 0);
});

for_every_engine!(rows_purged_between_two_pages_leave_the_others, store, {
    let viewer = operator(7, &[1]);
    write(store, (0..40).map(|offset| row(offset, "mall:1", Some(1))).collect()).await.unwrap();
    let first = store.list(Arc::clone(&viewer), EVERYTHING, None, 10).await.unwrap();
    let purged = store.purge(time(NOON + 1_000_000 + 35 * 1000), 10).await.unwrap();
    assert_eq!(purged, 10);
    let purged = store.purge(time(NOON + 1_000_000 + 35 * 1000), 100).await.unwrap();
    assert_eq!(purged, 25);
    let second = store.list(Arc::clone(&viewer), EVERYTHING, first.next, 10).await.unwrap();
    assert!(second.items.is_empty() && second.next.is_none());
    assert_eq!(offsets(store, &viewer, &EVERYTHING).await, (35..40).rev().collect::<Vec<u64>>());
    let gap = store.missed(Arc::clone(&viewer), position(&[30]), ALL).await.unwrap();
    assert!(matches!(gap, Missed::Gap { reason: Missing::Purged, .. }), "{gap:?}");
    assert_eq!(replayed(store, &viewer, &[35]).await, (35..40).collect::<Vec<u64>>());
});

for_every_engine!(a_batch_is_all_or_nothing_and_twice_is_once, store, {
    let viewer = operator(7, &[1]);
    let advance = |from, to| Advance { partition: 0, from, to, life: 0 };
    let begins = batch(vec![advance(None, 1)], vec![row(0, "mall:1", None)]);
    assert_eq!(store.record(Arc::new(begins.clone())).await, Ok(Written { stored: 1, repeats: 0 }));
    assert_eq!(store.record(Arc::new(begins)).await, Err(Trouble::Elsewhere));
    // One of two advances is not where the store is: nothing of it is written.
    let other = Advance { partition: 1, from: Some(5), to: 6, life: 0 };
    let astray = batch(vec![advance(Some(1), 2), other], vec![row(1, "mall:1", None)]);
    assert_eq!(store.record(Arc::new(astray)).await, Err(Trouble::Elsewhere));
    assert_eq!(offsets(store, &viewer, &EVERYTHING).await, [0]);
    assert_eq!(store.recorded(EPOCH).await.unwrap()[0].unwrap().next, 1);
    // A reader that fell back writes the same rows at the same place again.
    let again = batch(vec![advance(Some(1), 2)], vec![row(0, "mall:1", None), row(1, "mall:1", None)]);
    assert_eq!(store.record(Arc::new(again)).await, Ok(Written { stored: 1, repeats: 1 }));
    assert_eq!(offsets(store, &viewer, &EVERYTHING).await, [1, 0]);
});

for_every_engine!(who_comes_late_has_read_what_was_before, store, {
    write(store, (0..5).map(|offset| row(offset, "mall:1,mall:10", None)).collect()).await.unwrap();
    let newcomer = operator(7, &[1]);
    store.meet(Arc::clone(&newcomer), position(&[6])).await.unwrap();
    assert_eq!(unread(store, &newcomer).await, 0);
    // 5 was in memory when he came, 6 came after him.
    write(store, (5..7).map(|offset| row(offset, "mall:1", None)).collect()).await.unwrap();
    write(store, (7..9).map(|offset| row(offset, "mall:10", None)).collect()).await.unwrap();
    assert_eq!(offsets(store, &newcomer, &UNREAD).await, [6]);
    let promoted = operator(7, &[1, 10]);
    store.meet(Arc::clone(&promoted), position(&[0])).await.unwrap();
    write(store, vec![row(9, "mall:10", None)]).await.unwrap();
    assert_eq!(offsets(store, &promoted, &UNREAD).await, [9, 6], "read of the new mall what is older than the right");
    store.meet(Arc::clone(&newcomer), position(&[0])).await.unwrap();
    store.meet(Arc::clone(&promoted), position(&[0])).await.unwrap();
    let why = "another token of his may lack the right for a while: what he has not read is not read for that";
    assert_eq!(offsets(store, &promoted, &UNREAD).await, [9, 6], "{why}");
});

for_every_engine!(marks_are_the_same_in_every_order, store, {
    write(store, (0..10).map(|offset| row(offset, "mall:1", None)).collect()).await.unwrap();
    let orders: BTreeSet<Vec<u64>> = [vec![3, 8, 5], vec![8, 3, 5, 8], vec![5, 5, 8, 3]].into();
    for (n, order) in (100..).zip(orders) {
        let viewer = operator(n, &[1]);
        for next in order {
            store.mark(Arc::clone(&viewer), Mark::UpTo(position(&[next])), time(NOON)).await.unwrap();
        }
        assert_eq!(offsets(store, &viewer, &UNREAD).await, [9, 8]);
        // An older mark that comes late takes nothing back.
        let back = NotificationId::of_coordinates(Coordinates { epoch: EPOCH, partition: 0, offset: 6 });
        store.mark(Arc::clone(&viewer), Mark::Unread(vec![back]), time(NOON)).await.unwrap();
        store.mark(Arc::clone(&viewer), Mark::UpTo(position(&[4])), time(NOON)).await.unwrap();
        assert_eq!(offsets(store, &viewer, &UNREAD).await, [9, 8, 6]);
    }
});

for_every_engine!(
    /// Whatever page they come in, and whoever's `at` is between theirs.
    what_an_offset_has_had_in_its_lives_comes_together,
    store,
    {
        let viewer = operator(7, &[1]);
        let reborn = |offset: u64, life: u32| {
            let mut row = row(offset, "mall:1", None);
            let id = NotificationId::of_life(row.at, life);
            let (kind, record) = ("notice.posted".into(), row.notification.record().clone());
            let audience = row.notification.audience.clone();
            let later = row.notification.at.checked_add(SignedDuration::from_hours(life.into())).unwrap();
            row.notification = Arc::new(Notification::new(id, kind, None, audience, later, record));
            Row { life, ..row }
        };
        let advance = |from, to, life| Advance { partition: 0, from, to, life };
        let lives = [(None, 3, 0), (Some(3), 0, 1), (Some(0), 3, 1), (Some(3), 0, 2), (Some(0), 3, 2)];
        for (from, to, life) in lives {
            let rows = if to > 0 { (0..3).map(|offset| reborn(offset, life)).collect() } else { Vec::new() };
            store.record(Arc::new(batch(vec![advance(from, to, life)], rows))).await.unwrap();
        }
        write(store, (0..3).map(|offset| row_in(1, offset, "mall:1", None)).collect()).await.unwrap();
        let recorded = Vector::new(vec![3, 3]);
        for items in 1..5 {
            let page = Most { items, bytes: 1 << 20 };
            let rows = whole_replay(store, &viewer, position(&[]), page, &recorded).await.unwrap();
            let first: Vec<u64> =
                rows.iter().filter(|stored| stored.at.partition == 0).map(|stored| stored.at.offset).collect();
            assert_eq!(first, [0, 0, 0, 1, 1, 1, 2, 2, 2], "in pages of {items}");
            assert_eq!(rows.len(), 12);
        }
    }
);

for_every_engine!(
    /// The badge of a page that stands in a new log does not keep what is unread in the old one.
    all_read_in_a_new_log_is_all_read,
    store,
    {
        let viewer = operator(7, &[1]);
        write(store, (0..3).map(|offset| row(offset, "mall:1", None)).collect()).await.unwrap();
        let mut first = row(0, "mall:1", None);
        first.at.epoch = Epoch(1);
        let (was, id) = (first.notification.clone(), NotificationId::of_coordinates(first.at));
        let (kind, audience) = (was.type_name.clone(), was.audience.clone());
        first.notification = Arc::new(Notification::new(id, kind, None, audience, was.at, was.record().clone()));
        let advance = Advance { partition: 0, from: None, to: 1, life: 0 };
        let begins = Batch { epoch: Epoch(1), ..batch(vec![advance], vec![first]) };
        store.record(Arc::new(begins)).await.unwrap();
        assert_eq!(unread(store, &viewer).await, 4);
        // A mark of before, which comes late, is about the old one alone.
        store.mark(Arc::clone(&viewer), Mark::UpTo(position(&[2])), time(NOON)).await.unwrap();
        assert_eq!(unread(store, &viewer).await, 2);
        let here = Position { epoch: Epoch(1), next: Vector::new(vec![1]) };
        store.mark(Arc::clone(&viewer), Mark::UpTo(here), time(NOON)).await.unwrap();
        assert_eq!(unread(store, &viewer).await, 0);
    }
);
