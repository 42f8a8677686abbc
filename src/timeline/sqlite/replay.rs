//! What somebody missed: the entries of his terms from a place on, in the order of each partition.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    super::{Missed, Missing, Most, Recorded, Trouble},
    epoch_number, epoch_of, rows, signed, trouble, unsigned, write,
};
use crate::notification::{MallNo, Position, Vector, Viewer};

/// The entries of one term in one partition, in order.
pub const OF_A_PARTITION: &str = "SELECT \"offset\", life, at, number, mall, bytes FROM entry INDEXED BY entry_by_offset \
     WHERE term = ? AND epoch = ? AND partition = ? AND \"offset\" >= ? AND \"offset\" < ? \
     ORDER BY \"offset\", life LIMIT ?";

/// One of a viewer's notifications, before anybody has read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    partition: usize,
    offset: u64,
    life: i64,
    at: i64,
    number: i64,
    bytes: usize,
}

/// How far the log is recorded that was written to last.
pub fn newest_log(connection: &Connection) -> Result<Option<Position>, Trouble> {
    let epoch: Option<i64> = connection
        .prepare_cached("SELECT epoch FROM recorded ORDER BY changed DESC LIMIT 1")
        .and_then(|mut question| question.query_row([], |row| row.get(0)).optional())
        .map_err(trouble)?;
    let Some(epoch) = epoch.map(epoch_of) else { return Ok(None) };
    Ok(Some(Position { epoch, next: vector(&write::recorded(connection, epoch)?) }))
}

pub fn vector(recorded: &[Option<Recorded>]) -> Vector {
    Vector::new(recorded.iter().map(|partition| partition.map_or(0, |recorded| recorded.next)).collect())
}

/// What is visible of a partition, in order, and up to where that is all; of each term no more than `limit` is read.
fn of_partition(
    connection: &Connection,
    viewer: &Viewer,
    epoch: i64,
    partition: usize,
    (from, to): (u64, u64),
    limit: usize,
) -> Result<(Vec<Entry>, u64), Trouble> {
    let mut question = connection.prepare_cached(OF_A_PARTITION).map_err(trouble)?;
    let (mut entries, mut all_before) = (Vec::new(), to);
    for term in viewer.terms() {
        let given =
            params![term.to_string(), epoch, signed(partition), signed(from), signed(all_before), signed(limit)];
        let mut rows = question.query(given).map_err(trouble)?;
        let (mut read, mut last) = (0, from);
        while let Some(row) = rows.next().map_err(trouble)? {
            let mall: Option<i64> = row.get(4).map_err(trouble)?;
            let entry = Entry {
                partition,
                offset: unsigned(row.get(0).map_err(trouble)?),
                life: row.get(1).map_err(trouble)?,
                at: row.get(2).map_err(trouble)?,
                number: row.get(3).map_err(trouble)?,
                bytes: super::index(row.get(5).map_err(trouble)?),
            };
            (read, last) = (read + 1, entry.offset);
            if term.includes(viewer, mall.and_then(|mall| MallNo::new(unsigned(mall)).ok())) {
                entries.push(entry);
            }
        }
        if read == limit {
            // There may be more of it from its last offset on, which a log that shrank has used twice.
            all_before = last;
        }
    }
    entries.retain(|entry| entry.offset < all_before);
    entries.sort_unstable();
    entries.dedup();
    Ok((entries, all_before))
}

fn span(from: &Position, recorded: &Vector) -> Vec<(usize, (u64, u64))> {
    let here = |(partition, to)| (partition, (from.next.get(partition), to));
    recorded.iter().map(here).filter(|(_, (from, to))| from < to).collect()
}

/// What lies between is gone for good: purged, or never recorded.
fn missing(connection: &Connection, epoch: i64, span: &[(usize, (u64, u64))]) -> Result<Option<Missing>, Trouble> {
    let mut horizon = connection
        .prepare_cached("SELECT 1 FROM horizon WHERE epoch = ? AND partition = ? AND next > ?")
        .map_err(trouble)?;
    let mut hole = connection
        .prepare_cached("SELECT 1 FROM hole WHERE epoch = ? AND partition = ? AND \"end\" > ? AND start < ?")
        .map_err(trouble)?;
    for &(partition, (from, to)) in span {
        if horizon.exists(params![epoch, signed(partition), signed(from)]).map_err(trouble)? {
            return Ok(Some(Missing::Purged));
        }
        if hole.exists(params![epoch, signed(partition), signed(from), signed(to)]).map_err(trouble)? {
            return Ok(Some(Missing::Lost));
        }
    }
    Ok(None)
}

pub fn weigh(connection: &mut Connection, viewer: &Viewer, from: &Position, most: Most) -> Result<Missed, Trouble> {
    let moment = connection.transaction().map_err(trouble)?;
    let epoch = epoch_number(from.epoch);
    let recorded = write::recorded(&moment, from.epoch)?;
    if recorded.is_empty() {
        return Ok(Missed::Unknown);
    }
    let recorded = vector(&recorded);
    let span = span(from, &recorded);
    if let Some(reason) = missing(&moment, epoch, &span)? {
        return Ok(Missed::Gap { reason, recorded });
    }
    let (mut items, mut bytes) = (0, 0);
    for (partition, range) in span {
        let (entries, all_before) = of_partition(&moment, viewer, epoch, partition, range, most.items + 2)?;
        items += entries.len();
        bytes += entries.iter().map(|entry| entry.bytes).sum::<usize>();
        if items > most.items || bytes > most.bytes || all_before < range.1 {
            return Ok(Missed::Gap { reason: Missing::TooMany, recorded });
        }
    }
    Ok(Missed::Page { rows: Vec::new(), through: from.next.clone() })
}

pub fn missed(connection: &mut Connection, viewer: &Viewer, from: &Position, page: Most) -> Result<Missed, Trouble> {
    let moment = connection.transaction().map_err(trouble)?;
    let epoch = epoch_number(from.epoch);
    let recorded = write::recorded(&moment, from.epoch)?;
    if recorded.is_empty() {
        return Ok(Missed::Unknown);
    }
    let recorded = vector(&recorded);
    let span = span(from, &recorded);
    if let Some(reason) = missing(&moment, epoch, &span)? {
        return Ok(Missed::Gap { reason, recorded });
    }
    let mut through = from.next.clone();
    let mut partitions = Vec::new();
    for (partition, range) in span {
        // One more than fits, so that a full page is seen to be one.
        let (entries, all_before) = of_partition(&moment, viewer, epoch, partition, range, page.items + 2)?;
        partitions.push((partition, entries.into_iter().peekable(), all_before));
    }
    let (mut rows, mut bytes) = (Vec::new(), 0);
    // The oldest first, as far as the order within partitions lets it.
    while let Some((_, chosen)) = (0..partitions.len()).filter_map(|i| Some((partitions[i].1.peek()?.at, i))).min() {
        let (partition, entries, _) = &mut partitions[chosen];
        let Some(entry) = entries.next() else { break };
        if rows.len() == page.items || (bytes > 0 && bytes + entry.bytes > page.bytes) {
            return Ok(Missed::Page { rows, through });
        }
        through.set(*partition, entry.offset + 1);
        bytes += entry.bytes;
        match rows::stored(&moment, entry.number)? {
            Some(stored) => rows.push(stored),
            None => return Ok(Missed::Gap { reason: Missing::Purged, recorded }),
        }
    }
    for (partition, _, all_before) in partitions {
        through.set(partition, all_before);
    }
    Ok(Missed::Page { rows, through })
}
