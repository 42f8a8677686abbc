//! A page of somebody's timeline: the newest of each term that reaches him, merged (D8).

use std::collections::{BinaryHeap, HashSet};

use rusqlite::{Connection, params};

use super::{
    super::{Filter, List, Listed, Marks, Place, Trouble, Types},
    read_state, replay,
    rows::{self, Claim, includes},
    signed, trouble,
};
use crate::notification::{MallNo, Term, Viewer};

/// The most entries that one page looks at. A filter that finds little gives a shorter page, and where it goes on.
pub const LOOKED_AT_MOST: usize = 20_000;
/// So many unread are found by themselves, whatever was read since.
const FEW: usize = 5_000;
/// Of the records that one page shows; the one that passes it is shown as well. Answers wait for slow readers in memory.
const BYTES: usize = 1 << 20;
/// Read of a term at first, and then: most operators have many terms of which few have anything new.
const FIRST: usize = 8;
const THEN: usize = 128;

/// Of everybody's entries the ones of one term, newest first.
pub const OF_A_TERM: &str = "SELECT at, epoch, partition, \"offset\", life, number, mall, kind, severity, silent FROM entry \
     WHERE term = ?1 AND (at, epoch, partition, \"offset\", life) < (?2, ?3, ?4, ?5, ?6) \
     ORDER BY at DESC, epoch DESC, partition DESC, \"offset\" DESC, life DESC LIMIT ?7";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// First: all terms of one notification follow each other.
    claim: Claim,
    source: usize,
    kind: i64,
    severity: u8,
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
        let Place { at, epoch, partition, offset, life } = before;
        let given = params![self.text, at, epoch, partition, offset, life, signed(limit)];
        let read = question.query_map(given, |row| {
            let place = Place {
                at: row.get(0)?,
                epoch: row.get(1)?,
                partition: row.get(2)?,
                offset: row.get(3)?,
                life: row.get(4)?,
            };
            let claim = Claim { place, number: row.get(5)?, mall: row.get(6)?, silent: row.get(9)? };
            Ok(Entry { claim, source, kind: row.get(7)?, severity: row.get(8)? })
        });
        let entries: Vec<Entry> = read.and_then(Iterator::collect).map_err(trouble)?;
        self.goes_on = entries.last().map(|last| last.claim.place).filter(|_| entries.len() == limit);
        self.read += entries.len();
        self.ahead = entries.into_iter();
        Ok(self.ahead.next())
    }
}

/// After everything that there is.
const NEWEST: Place = Place { at: i64::MAX, epoch: i64::MAX, partition: i64::MAX, offset: i64::MAX, life: i64::MAX };

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
        terms: impl Iterator<Item = Term>,
        before: Option<Place>,
    ) -> Result<Merge<'c>, Trouble> {
        let before = before.unwrap_or(NEWEST);
        let source = |term: Term| Source {
            term,
            text: term.to_string(),
            ahead: Vec::new().into_iter(),
            goes_on: Some(before),
            read: 0,
        };
        let mut merge =
            Merge { connection, sources: terms.map(source).collect(), heads: BinaryHeap::new(), looked_at: 0 };
        for source in 0..merge.sources.len() {
            merge.advance(source)?;
        }
        Ok(merge)
    }

    fn advance(&mut self, source: usize) -> Result<(), Trouble> {
        self.heads.extend(self.sources[source].next(self.connection, source)?);
        Ok(())
    }

    /// The next entry, once for all terms that have it, with those of them through which this viewer sees it.
    fn next(&mut self, viewer: &Viewer) -> Result<Option<(Entry, Vec<Term>)>, Trouble> {
        let Some(first) = self.heads.pop() else { return Ok(None) };
        let mut through = Vec::new();
        let mut same = Some(first);
        while let Some(entry) = same {
            self.looked_at += 1;
            let term = self.sources[entry.source].term;
            if includes(term, viewer, entry.claim.mall) {
                through.push(term);
            }
            self.advance(entry.source)?;
            let is_same = self.heads.peek().is_some_and(|next| next.claim.place == first.claim.place);
            same = if is_same { self.heads.pop() } else { None };
        }
        Ok(Some((first, through)))
    }
}

/// The rows of one page, put there one after the other.
struct Page<'c> {
    connection: &'c Connection,
    viewer: &'c Viewer,
    filter: &'c Filter,
    marks: Marks,
    limit: usize,
    bytes: usize,
    list: List,
}

impl Page<'_> {
    fn is_full(&self) -> bool {
        self.list.items.len() == self.limit || self.bytes >= BYTES
    }

    /// What the row says decides, not what led to it.
    fn put(&mut self, claim: Claim) -> Result<(), Trouble> {
        let (found, through) = rows::claimed(self.connection, self.viewer, claim)?;
        let Filter { mall, types, severity, unread } = self.filter;
        let notification = &found.stored.notification;
        let fits = is_concerned(*mall, notification.mall, &through)
            && types.as_ref().is_none_or(|types| types.has(&notification.type_name))
            && severity.is_none_or(|severity| severity as u8 == found.severity);
        let read = read_state::is_read(self.connection, self.viewer, &self.marks, &found, &through)?;
        if fits && !(*unread && read) {
            self.bytes += notification.record().value.len();
            self.list.items.push(Listed { stored: found.stored, read });
        }
        Ok(())
    }
}

/// Whether it is about this mall, for somebody of it.
fn is_concerned(mall: Option<MallNo>, about: Option<MallNo>, through: &[Term]) -> bool {
    mall.is_none() || about == mall && through.iter().any(|term| leads_to(*term, mall))
}

fn leads_to(term: Term, mall: Option<MallNo>) -> bool {
    term.mall().is_none() || term.mall() == mall
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
    let list = List { position, ..List::default() };
    let mut page = Page { connection: &moment, viewer, filter, marks, limit, bytes: 0, list };
    let few = if filter.unread { read_state::few_unread(&moment, viewer, &page.marks, FEW)? } else { None };
    match few {
        Some(claims) => of_few(&mut page, claims, before)?,
        None => of_all(&mut page, before)?,
    }
    Ok(page.list)
}

/// A page of these alone.
fn of_few(page: &mut Page<'_>, mut claims: Vec<Claim>, before: Option<Place>) -> Result<(), Trouble> {
    claims.sort_unstable();
    let mut last = None;
    for claim in claims.into_iter().rev().filter(|claim| before.is_none_or(|before| claim.place < before)) {
        if page.is_full() {
            page.list.next = last;
            break;
        }
        last = Some(claim.place);
        page.put(claim)?;
    }
    Ok(())
}

/// A page of everything that reaches the viewer, as far as one look goes.
fn of_all(page: &mut Page<'_>, before: Option<Place>) -> Result<(), Trouble> {
    let Filter { mall, types, severity, unread } = page.filter;
    let kinds = types.as_ref().map(|types| kinds(page.connection, types)).transpose()?;
    let marked_unread =
        if *unread { read_state::marked_unread(page.connection, page.viewer.admin)? } else { HashSet::new() };
    // Whether all of its terms were read is known only when all of them were looked at.
    let terms = page.viewer.terms().filter(|&term| mall.is_none() || *unread || leads_to(term, *mall));
    let mut merge = Merge::new(page.connection, terms, before)?;
    let mut last = None;
    while let Some((Entry { claim, kind, severity: level, .. }, through)) = merge.next(page.viewer)? {
        if page.is_full() || merge.looked_at > LOOKED_AT_MOST {
            page.list.next = last;
            break;
        }
        last = Some(claim.place);
        let concerns = mall.is_none_or(|mall| claim.mall == Some(signed(mall.get())));
        let fits = kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
            && severity.is_none_or(|severity| severity as u8 == level);
        let is_surely_read = || {
            claim.silent
                || page.marks.is_read(rows::coordinates(claim.place), &through)
                    && !marked_unread.contains(&claim.number)
        };
        if !through.is_empty() && concerns && fits && !(*unread && is_surely_read()) {
            page.put(claim)?;
        }
    }
    Ok(())
}

fn kinds(connection: &Connection, types: &Types) -> Result<HashSet<i64>, Trouble> {
    let mut question = connection.prepare_cached("SELECT number, type FROM kind").map_err(trouble)?;
    let all = question.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(trouble)?;
    let all: Vec<(i64, String)> = all.collect::<Result<_, _>>().map_err(trouble)?;
    Ok(all.into_iter().filter(|(_, name)| types.has(name)).map(|(number, _)| number).collect())
}
