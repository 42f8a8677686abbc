//! A page of somebody's timeline: the newest of each term that reaches him, merged (D8).

use std::collections::{BinaryHeap, HashSet};

use rusqlite::{Connection, params};

use super::{
    super::{Filter, List, Listed, Place, Trouble, Types},
    epoch_of, index, read_state, replay, rows, trouble, unsigned,
};
use crate::notification::{Coordinates, MallNo, Term, Viewer};

/// The most entries that one page looks at. A filter that finds little gives a shorter page, and where it goes on.
pub const LOOKED_AT_MOST: usize = 20_000;
/// Read of a term at first, and then: most operators have many terms of which few have anything new.
const FIRST: usize = 8;
const THEN: usize = 128;

/// Of everybody's entries the ones of one term, newest first.
pub const OF_A_TERM: &str = "SELECT at, epoch, partition, \"offset\", life, number, mall, kind, severity, silent FROM entry \
     WHERE term = ?1 AND (at, epoch, partition, \"offset\", life) < (?2, ?3, ?4, ?5, ?6) \
     ORDER BY at DESC, epoch DESC, partition DESC, \"offset\" DESC, life DESC LIMIT ?7";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    place: Place,
    /// Of its source. Below the place, so that all terms of one notification follow each other.
    source: usize,
    number: i64,
    mall: Option<i64>,
    kind: i64,
    severity: u8,
    silent: bool,
}

/// One term's entries, read on as they are used up.
struct Source {
    term: Term,
    text: String,
    ahead: std::vec::IntoIter<Entry>,
    /// Where the next look begins; None: there is nothing more.
    goes_on: Option<Place>,
    read: usize,
}

impl Source {
    fn next(&mut self, connection: &Connection, source: usize) -> Result<Option<Entry>, Trouble> {
        if let Some(entry) = self.ahead.next() {
            return Ok(Some(entry));
        }
        let Some(before) = self.goes_on else { return Ok(None) };
        let limit = if self.read == 0 { FIRST } else { THEN };
        let mut question = connection.prepare_cached(OF_A_TERM).map_err(trouble)?;
        let given = params![
            self.text,
            before.at,
            before.epoch,
            before.partition,
            before.offset,
            before.life,
            super::signed(limit)
        ];
        let read = question.query_map(given, |row| {
            let place = Place {
                at: row.get(0)?,
                epoch: row.get(1)?,
                partition: row.get(2)?,
                offset: row.get(3)?,
                life: row.get(4)?,
            };
            let (number, mall, kind) = (row.get(5)?, row.get(6)?, row.get(7)?);
            Ok(Entry { place, source, number, mall, kind, severity: row.get(8)?, silent: row.get(9)? })
        });
        let entries: Vec<Entry> = read.and_then(Iterator::collect).map_err(trouble)?;
        self.goes_on = entries.last().map(|last| last.place).filter(|_| entries.len() == limit);
        self.read += entries.len();
        self.ahead = entries.into_iter();
        Ok(self.ahead.next())
    }
}

/// After everything that there is.
const NEWEST: Place = Place { at: i64::MAX, epoch: i64::MAX, partition: i64::MAX, offset: i64::MAX, life: i64::MAX };

/// A notification that the viewer may see, with the terms through which he does.
struct Candidate {
    entry: Entry,
    through: Vec<Term>,
}

/// The sources of a viewer, merged.
struct Merge<'c> {
    connection: &'c Connection,
    sources: Vec<Source>,
    heads: BinaryHeap<Entry>,
    looked_at: usize,
}

impl<'c> Merge<'c> {
    fn new(
        connection: &'c Connection,
        viewer: &Viewer,
        mall: Option<MallNo>,
        before: Place,
    ) -> Result<Merge<'c>, Trouble> {
        let concerns = |term: &Term| mall.is_none() || term.mall().is_none() || term.mall() == mall;
        let source = |term: Term| Source {
            term,
            text: term.to_string(),
            ahead: Vec::new().into_iter(),
            goes_on: Some(before),
            read: 0,
        };
        let sources = viewer.terms().filter(concerns).map(source).collect();
        let mut merge = Merge { connection, sources, heads: BinaryHeap::new(), looked_at: 0 };
        for source in 0..merge.sources.len() {
            merge.advance(source)?;
        }
        Ok(merge)
    }

    fn advance(&mut self, source: usize) -> Result<(), Trouble> {
        self.heads.extend(self.sources[source].next(self.connection, source)?);
        Ok(())
    }

    /// The next that this viewer may see; with it the place before which everything has been looked at.
    fn next(&mut self, viewer: &Viewer) -> Result<Option<Candidate>, Trouble> {
        let Some(first) = self.heads.pop() else { return Ok(None) };
        let mut through = Vec::new();
        let mut same = Some(first);
        while let Some(entry) = same {
            self.looked_at += 1;
            let term = self.sources[entry.source].term;
            if term.includes(viewer, entry.mall.and_then(|mall| MallNo::new(unsigned(mall)).ok())) {
                through.push(term);
            }
            self.advance(entry.source)?;
            same =
                if self.heads.peek().is_some_and(|next| next.place == first.place) { self.heads.pop() } else { None };
        }
        Ok(Some(Candidate { entry: first, through }))
    }
}

pub fn list(
    connection: &mut Connection,
    viewer: &Viewer,
    filter: &Filter,
    before: Option<Place>,
    limit: usize,
) -> Result<List, Trouble> {
    // One look at one moment: the position is that of the rows.
    let moment = connection.transaction().map_err(trouble)?;
    let position = replay::newest_log(&moment)?;
    let marks = read_state::marks(&moment, viewer)?;
    let unread = read_state::marked_unread(&moment, viewer.admin)?;
    let kinds = filter.types.as_ref().map(|types| kinds(&moment, types)).transpose()?;
    let mut merge = Merge::new(&moment, viewer, filter.mall, before.unwrap_or(NEWEST))?;
    let mut list = List { position, ..List::default() };
    let mut last = None;
    while let Some(Candidate { entry, through }) = merge.next(viewer)? {
        if list.items.len() == limit || merge.looked_at > LOOKED_AT_MOST {
            list.next = last;
            break;
        }
        last = Some(entry.place);
        let mall = filter.mall.is_none_or(|mall| entry.mall == Some(super::signed(mall.get())));
        let kind = kinds.as_ref().is_none_or(|kinds| kinds.contains(&entry.kind));
        let severity = filter.severity.is_none_or(|severity| severity as u8 == entry.severity);
        if through.is_empty() || !mall || !kind || !severity {
            continue;
        }
        let at = coordinates(entry.place);
        let read = if entry.silent || marks.is_read(at, &through) {
            !unread.contains(&entry.number)
        } else {
            let Some(id) = read_state::id_of(&moment, entry.number)? else { continue };
            read_state::exception(&moment, viewer.admin, id)? == Some(true)
        };
        if filter.unread && read {
            continue;
        }
        list.items.extend(rows::stored(&moment, entry.number)?.map(|stored| Listed { stored, read }));
    }
    Ok(list)
}

pub fn coordinates(place: Place) -> Coordinates {
    Coordinates { epoch: epoch_of(place.epoch), partition: index(place.partition), offset: unsigned(place.offset) }
}

fn kinds(connection: &Connection, types: &Types) -> Result<HashSet<i64>, Trouble> {
    let mut question = connection.prepare_cached("SELECT number, type FROM kind").map_err(trouble)?;
    let all = question.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(trouble)?;
    let all: Vec<(i64, String)> = all.collect::<Result<_, _>>().map_err(trouble)?;
    Ok(all.into_iter().filter(|(_, name)| types.has(name)).map(|(number, _)| number).collect())
}
