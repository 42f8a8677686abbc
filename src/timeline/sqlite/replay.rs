//! What somebody missed: the entries of his terms from a place on, in the order of each partition.

use std::{iter::Peekable, vec::IntoIter};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    super::{Missed, Missing, Most, Place, Recorded, Trouble},
    epoch_number, epoch_of,
    list::LOOKED_AT_MOST,
    rows::{self, Claim, includes},
    signed, trouble, unsigned, write,
};
use crate::notification::{Position, Vector, Viewer};

/// The entries of one term in one partition, in order.
pub const OF_A_PARTITION: &str = "SELECT at, \"offset\", life, number, mall, silent, bytes FROM entry INDEXED BY entry_by_offset \
     WHERE term = ? AND epoch = ? AND partition = ? AND \"offset\" >= ? AND \"offset\" < ? \
     ORDER BY \"offset\", life";

/// One of a viewer's notifications, before anybody has read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    offset: u64,
    life: i64,
    claim: Claim,
    bytes: usize,
}

/// How far the log is recorded that was written to last.
pub fn newest_log(connection: &Connection) -> Result<Option<Position>, Trouble> {
    let epoch: Option<i64> = connection
        .prepare_cached("SELECT epoch FROM newest_log")
        .and_then(|mut question| question.query_row([], |row| row.get(0)).optional())
        .map_err(trouble)?;
    let Some(epoch) = epoch.map(epoch_of) else { return Ok(None) };
    Ok(Some(Position { epoch, next: Recorded::vector(&write::recorded(connection, epoch)?) }))
}

/// What is visible of a partition, in order, and up to where that is all: of no term more than `limit` places. What a log
/// that shrank has put at one offset in its lives stays together.
fn of_partition(
    connection: &Connection,
    viewer: &Viewer,
    epoch: i64,
    partition: usize,
    (from, to): (u64, u64),
    limit: usize,
) -> Result<(Vec<Entry>, u64), Trouble> {
    let mut question = connection.prepare_cached(OF_A_PARTITION).map_err(trouble)?;
    let (mut entries, mut all_before): (Vec<Entry>, u64) = (Vec::new(), to);
    for term in viewer.terms() {
        let given = params![term.to_string(), epoch, signed(partition), signed(from), signed(all_before)];
        let mut rows = question.query(given).map_err(trouble)?;
        let (mut places, mut looked_at, mut last) = (0, 0, None);
        while let Some(row) = rows.next().map_err(trouble)? {
            let entry = entry(row, epoch, signed(partition)).map_err(trouble)?;
            looked_at += 1;
            if last != Some(entry.offset) && (places == limit || looked_at > LOOKED_AT_MOST) {
                all_before = entry.offset;
                break;
            }
            if includes(term, viewer, entry.claim.mall) {
                places += usize::from(last != Some(entry.offset));
                entries.push(entry);
            }
            last = Some(entry.offset);
        }
    }
    entries.retain(|entry| entry.offset < all_before);
    entries.sort_unstable();
    entries.dedup();
    Ok((entries, all_before))
}

fn entry(row: &Row<'_>, epoch: i64, partition: i64) -> rusqlite::Result<Entry> {
    let (offset, life) = (row.get(1)?, row.get(2)?);
    let place = Place { at: row.get(0)?, epoch, partition, offset, life };
    let claim = Claim { place, number: row.get(3)?, mall: row.get(4)?, silent: row.get(5)? };
    Ok(Entry { offset: unsigned(offset), life, claim, bytes: super::index(row.get(6)?) })
}

/// Partitions, and of each from where to where.
type Span = Vec<(usize, (u64, u64))>;

fn span(from: &Position, recorded: &Vector) -> Span {
    let here = |(partition, to)| (partition, (from.next.get(partition), to));
    recorded.iter().map(here).filter(|(_, (from, to))| from < to).collect()
}

pub const PURGED: &str = "SELECT 1 FROM horizon WHERE epoch = ? AND partition = ? AND next > ?";
pub const LOST: &str = "SELECT 1 FROM hole WHERE epoch = ? AND partition = ? AND \"end\" > ? AND start < ?";

/// What lies between is gone for good: purged, or never recorded.
fn missing(connection: &Connection, epoch: i64, span: &[(usize, (u64, u64))]) -> Result<Option<Missing>, Trouble> {
    let mut horizon = connection.prepare_cached(PURGED).map_err(trouble)?;
    let mut hole = connection.prepare_cached(LOST).map_err(trouble)?;
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

/// How far the log is recorded, and what of each partition lies between; else why that is not all here.
fn between(connection: &Connection, from: &Position) -> Result<Result<(Vector, Span), Missed>, Trouble> {
    let recorded = write::recorded(connection, from.epoch)?;
    if recorded.is_empty() {
        return Ok(Err(Missed::Unknown));
    }
    let recorded = Recorded::vector(&recorded);
    let span = span(from, &recorded);
    Ok(match missing(connection, epoch_number(from.epoch), &span)? {
        Some(reason) => Err(Missed::Gap { reason, recorded }),
        None => Ok((recorded, span)),
    })
}

pub fn weigh(connection: &mut Connection, viewer: &Viewer, from: &Position, most: Most) -> Result<Missed, Trouble> {
    let moment = connection.transaction().map_err(trouble)?;
    let epoch = epoch_number(from.epoch);
    let (recorded, span) = match between(&moment, from)? {
        Ok(between) => between,
        Err(missed) => return Ok(missed),
    };
    let (mut items, mut bytes) = (0, 0);
    for (partition, range) in span {
        let (entries, all_before) = of_partition(&moment, viewer, epoch, partition, range, most.items + 1)?;
        items += entries.len();
        bytes += entries.iter().map(|entry| entry.bytes).sum::<usize>();
        if items > most.items || bytes > most.bytes || all_before < range.1 {
            return Ok(Missed::Gap { reason: Missing::TooMany, recorded });
        }
    }
    Ok(Missed::Page { rows: Vec::new(), through: from.next.clone() })
}

/// A partition, what is ahead of it, and up to where that is all.
type Ahead = (usize, Peekable<IntoIter<Entry>>, u64);

pub fn missed(connection: &mut Connection, viewer: &Viewer, from: &Position, page: Most) -> Result<Missed, Trouble> {
    let moment = connection.transaction().map_err(trouble)?;
    let epoch = epoch_number(from.epoch);
    let span = match between(&moment, from)? {
        Ok((_, span)) => span,
        Err(missed) => return Ok(missed),
    };
    let mut through = from.next.clone();
    let mut partitions: Vec<Ahead> = Vec::new();
    for (partition, range) in span {
        // One more than fits, so that a full page is seen to be one.
        let (entries, all_before) = of_partition(&moment, viewer, epoch, partition, range, page.items + 1)?;
        partitions.push((partition, entries.into_iter().peekable(), all_before));
    }
    let (mut rows, mut bytes) = (Vec::new(), 0);
    // The oldest first, as far as the order within partitions lets it.
    let oldest = |partitions: &mut [Ahead]| {
        let heads = partitions.iter_mut().enumerate();
        heads.filter_map(|(i, (_, entries, _))| Some((entries.peek()?.claim.place.at, i))).min()
    };
    while let Some((_, chosen)) = oldest(&mut partitions) {
        let (partition, entries, _) = &mut partitions[chosen];
        let Some(&first) = entries.peek() else { break };
        if rows.len() >= page.items || !rows.is_empty() && bytes + first.bytes > page.bytes {
            return Ok(Missed::Page { rows, through });
        }
        while let Some(entry) = entries.next_if(|entry| entry.offset == first.offset) {
            bytes += entry.bytes;
            rows.push(rows::claimed(&moment, viewer, entry.claim)?.0.stored);
        }
        through.set(*partition, first.offset + 1);
    }
    for (partition, _, all_before) in partitions {
        through.set(partition, all_before);
    }
    Ok(Missed::Page { rows, through })
}
