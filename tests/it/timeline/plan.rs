//! What happens to a store in a random world, as data that proptest can cut down.

use proptest::{collection::vec, prelude::*};

pub const PARTITIONS: usize = 3;
pub const PEOPLE: usize = 6;
/// Numbers that are prefixes of one another, on purpose.
pub const MALLS: [u64; 4] = [1, 10, 100, 1001];
pub const PARTNERS: [u64; 2] = [5, 50];
pub const TYPES: [&str; 3] = ["order.created", "notice.posted", "somebody.elses"];
/// One of them is beyond what has a sign, and two orders of theirs differ: by number, and by time.
pub const EPOCHS: [u64; 3] = [1 << 40, u64::MAX - 2, 7];

/// A term of an audience: of the kind, with numbers picked from the lists above.
#[derive(Debug, Clone, Copy)]
pub enum Pick {
    Everyone,
    Mall(usize),
    MallPartners(usize),
    MallPartner(usize, usize),
    Partner(usize),
    Operator(usize),
}

#[derive(Debug, Clone)]
pub struct Item {
    pub partition: usize,
    /// Offsets that are left out before it.
    pub skips: u64,
    pub audience: Vec<Pick>,
    pub mall: Option<usize>,
    /// Against the world's clock, in milliseconds: Kafka's times are equal, and fall.
    pub at: i64,
    pub kind: usize,
    pub severity: usize,
    pub silent: bool,
    /// The producer's; the same one makes a repeat.
    pub id: Option<u8>,
    pub size: usize,
    /// Hours until it has been kept long enough.
    pub keep: i64,
}

#[derive(Debug, Clone)]
pub struct Filtering {
    pub mall: Option<usize>,
    pub types: Option<(bool, Vec<usize>)>,
    pub severity: Option<usize>,
    pub unread: bool,
}

#[derive(Debug, Clone)]
pub enum Step {
    Record {
        epoch: usize,
        items: Vec<Item>,
    },
    /// The last batch once more, as after a commit whose outcome nobody heard.
    Again,
    /// A batch that begins where the store is not.
    Astray {
        epoch: usize,
        partition: usize,
        by: u64,
    },
    Shrink {
        epoch: usize,
        partition: usize,
        by: u64,
    },
    Lose {
        epoch: usize,
        partition: usize,
        many: u64,
    },
    Rights {
        person: usize,
        malls: u8,
    },
    Meet {
        person: usize,
        ahead: Option<u64>,
    },
    /// Rows by their place in the order they came; beyond the last: one that does not exist yet.
    Mark {
        person: usize,
        rows: Vec<usize>,
        read: bool,
    },
    /// Some producer's id, whether it has come or not.
    Early {
        person: usize,
        ids: Vec<u8>,
    },
    UpTo {
        person: usize,
        epoch: usize,
        back: Vec<u64>,
    },
    Purge {
        hours: i64,
        at_most: usize,
    },
    List {
        person: usize,
        filter: Filtering,
        limit: usize,
    },
    /// From so far back in each partition, in pages of so much.
    Replay {
        person: usize,
        epoch: usize,
        back: Vec<u64>,
        items: usize,
        bytes: usize,
    },
}

fn pick() -> impl Strategy<Value = Pick> {
    let (mall, partner) = (|| 0..MALLS.len(), || 0..PARTNERS.len());
    prop_oneof![
        1 => Just(Pick::Everyone),
        6 => mall().prop_map(Pick::Mall),
        2 => mall().prop_map(Pick::MallPartners),
        3 => (mall(), partner()).prop_map(|(mall, partner)| Pick::MallPartner(mall, partner)),
        2 => partner().prop_map(Pick::Partner),
        3 => (0..PEOPLE).prop_map(Pick::Operator),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    let skips = prop_oneof![4 => Just(0), 1 => 1..3_u64];
    let place = (0..PARTITIONS, skips, -3..=3_i64);
    let whom = (vec(pick(), 1..4), prop::option::of(0..MALLS.len()));
    let what = (0..TYPES.len(), 0..5_usize, prop::bool::weighted(0.2), prop::option::weighted(0.3, 0..12_u8));
    (place, whom, what, 0..60_usize, 1..300_i64).prop_map(
        |((partition, skips, at), (audience, mall), (kind, severity, silent, id), size, keep)| Item {
            partition,
            skips,
            audience,
            mall,
            at,
            kind,
            severity,
            silent,
            id,
            size,
            keep,
        },
    )
}

pub fn filtering() -> impl Strategy<Value = Filtering> {
    let types = prop::option::of((any::<bool>(), vec(0..TYPES.len(), 0..3)));
    let mall = prop::option::of(0..MALLS.len());
    (mall, types, prop::option::weighted(0.3, 0..5_usize), any::<bool>())
        .prop_map(|(mall, types, severity, unread)| Filtering { mall, types, severity, unread })
}

fn back() -> impl Strategy<Value = Vec<u64>> {
    vec(prop_oneof![6 => 0..20_u64, 1 => Just(u64::MAX)], 0..=PARTITIONS)
}

/// Most of what happens happens to the first log; others begin and come back.
fn epoch() -> impl Strategy<Value = usize> {
    prop_oneof![6 => Just(0_usize), 1 => 1..EPOCHS.len()]
}

fn step() -> impl Strategy<Value = Step> {
    let (person, partition) = (|| 0..PEOPLE, || 0..PARTITIONS);
    prop_oneof![
        12 => (epoch(), vec(item(), 0..10)).prop_map(|(epoch, items)| Step::Record { epoch, items }),
        1 => Just(Step::Again),
        1 => (epoch(), partition(), 1..3_u64).prop_map(|(epoch, partition, by)| Step::Astray { epoch, partition, by }),
        2 => (epoch(), partition(), 1..6_u64).prop_map(|(epoch, partition, by)| Step::Shrink { epoch, partition, by }),
        1 => (epoch(), partition(), 1..4_u64).prop_map(|(epoch, partition, many)| Step::Lose { epoch, partition, many }),
        3 => (person(), 0..16_u8).prop_map(|(person, malls)| Step::Rights { person, malls }),
        3 => (person(), prop::option::of(0..3_u64)).prop_map(|(person, ahead)| Step::Meet { person, ahead }),
        4 => (person(), vec(0..60_usize, 1..4), any::<bool>())
            .prop_map(|(person, rows, read)| Step::Mark { person, rows, read }),
        2 => (person(), vec(0..12_u8, 1..3)).prop_map(|(person, ids)| Step::Early { person, ids }),
        3 => (person(), epoch(), back()).prop_map(|(person, epoch, back)| Step::UpTo { person, epoch, back }),
        2 => (0..500_i64, prop_oneof![Just(3_usize), Just(1000)])
            .prop_map(|(hours, at_most)| Step::Purge { hours, at_most }),
        6 => (person(), filtering(), 1..7_usize)
            .prop_map(|(person, filter, limit)| Step::List { person, filter, limit }),
        6 => (person(), epoch(), back(), 1..6_usize, prop_oneof![1 => 1..100_usize, 3 => Just(1 << 20)])
            .prop_map(|(person, epoch, back, items, bytes)| Step::Replay { person, epoch, back, items, bytes }),
    ]
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..60)
}
