//! What an operator has read: kept as watermarks, the starts of later rights, and exceptions (D10).

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};

use super::{
    super::{COUNTED_AT_MOST, Mark, Marks, Place, Recorded, Trouble, Unread, Watermarks},
    epoch_number, index,
    list::LOOKED_AT_MOST,
    replay::newest_log,
    rows::{self, Claim, Found, includes},
    signed, trouble, write,
};
use crate::notification::{AdminNo, Epoch, NotificationId, Position, Term, Vector, Viewer};

/// What is unread of one term in one partition, if nothing else was marked.
pub const UNREAD_OF_A_PARTITION: &str = "SELECT at, \"offset\", life, number, mall FROM entry INDEXED BY entry_by_offset \
     WHERE term = ? AND epoch = ? AND partition = ? AND \"offset\" >= ? AND silent = 0 ORDER BY \"offset\" DESC, life DESC";

fn operator(admin: AdminNo) -> i64 {
    signed(admin.get())
}

/// Texts that we wrote ourselves, and that somebody may have changed.
fn position(text: &str) -> Result<Position, Trouble> {
    Position::decode(text).map_err(|_| Trouble::Damaged("a mark of an operator is no position".to_owned()))
}

pub fn marks(connection: &Connection, viewer: &Viewer) -> Result<Marks, Trouble> {
    let mut marks = Marks::default();
    let mut question =
        connection.prepare_cached("SELECT position FROM watermark WHERE operator = ?").map_err(trouble)?;
    let mut rows = question.query([operator(viewer.admin)]).map_err(trouble)?;
    while let Some(row) = rows.next().map_err(trouble)? {
        let text: String = row.get(0).map_err(trouble)?;
        let Position { epoch, next } = position(&text)?;
        marks.read.raise(epoch, &next);
    }
    for (term, since) in rights(connection, viewer.admin)? {
        if !since.0.is_empty() {
            marks.starts.insert(term, since);
        }
    }
    Ok(marks)
}

/// The rights that were seen, each with where it begins if it came later.
fn rights(connection: &Connection, admin: AdminNo) -> Result<HashMap<Term, Watermarks>, Trouble> {
    let mut question =
        connection.prepare_cached("SELECT term, since FROM operator_right WHERE operator = ?").map_err(trouble)?;
    let mut rows = question.query([operator(admin)]).map_err(trouble)?;
    let mut rights = HashMap::new();
    while let Some(row) = rows.next().map_err(trouble)? {
        let (term, texts): (String, String) = (row.get(0).map_err(trouble)?, row.get(1).map_err(trouble)?);
        let term = term.parse().map_err(|_| Trouble::Damaged("a right of an operator is no term".to_owned()))?;
        rights.insert(term, watermarks(&texts)?);
    }
    Ok(rights)
}

/// Where every log stands, as far as the store knows it.
fn everywhere(connection: &Connection) -> Result<Watermarks, Trouble> {
    let mut question = connection.prepare_cached("SELECT DISTINCT epoch FROM recorded").map_err(trouble)?;
    let epochs: Result<Vec<i64>, _> = question.query_map([], |row| row.get(0)).map_err(trouble)?.collect();
    let mut all = Watermarks::default();
    for number in epochs.map_err(trouble)? {
        let epoch = super::epoch_of(number);
        all.raise(epoch, &Recorded::vector(&write::recorded(connection, epoch)?));
    }
    Ok(all)
}

/// Whether all of his rights were seen before.
pub fn knows(connection: &Connection, viewer: &Viewer) -> Result<bool, Trouble> {
    let known = rights(connection, viewer.admin)?;
    Ok(viewer.terms().all(|term| known.contains_key(&term)))
}

/// A new operator has read the past, and so has he of what a new right shows him.
pub fn meet(connection: &mut Connection, viewer: &Viewer, here: &Position) -> Result<(), Trouble> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(trouble)?;
    let known = rights(&transaction, viewer.admin)?;
    // What this sight lacks is not forgotten: another token of the same operator may have it, and what he has not read
    // through it would be taken for read when that comes again.
    let new: HashSet<Term> = viewer.terms().filter(|term| !known.contains_key(term)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let admin = operator(viewer.admin);
    let mut all = everywhere(&transaction)?;
    all.raise(here.epoch, &here.next);
    if known.is_empty() {
        for (epoch, next) in &all.0 {
            raise(&transaction, viewer.admin, *epoch, next)?;
        }
    }
    let since = if known.is_empty() { String::new() } else { texts(&all) };
    for new in new {
        let insert = "INSERT INTO operator_right (operator, term, since) VALUES (?, ?, ?)";
        transaction.execute(insert, params![admin, new.to_string(), since]).map_err(trouble)?;
    }
    transaction.commit().map_err(trouble)
}

/// A partition ends before what some have read of it: marks end there as well.
pub fn cut(transaction: &Transaction<'_>, epoch: Epoch, partition: usize, end: u64) -> Result<(), Trouble> {
    for (table, column) in [("watermark", "position"), ("operator_right", "since")] {
        let mut question = transaction.prepare(&format!("SELECT rowid, {column} FROM {table}")).map_err(trouble)?;
        let mut rows = question.query([]).map_err(trouble)?;
        while let Some(row) = rows.next().map_err(trouble)? {
            let (number, text): (i64, String) = (row.get(0).map_err(trouble)?, row.get(1).map_err(trouble)?);
            let mut marks = watermarks(&text)?;
            if marks.cut(epoch, partition, end) {
                let update = format!("UPDATE {table} SET {column} = ? WHERE rowid = ?");
                transaction.execute(&update, params![texts(&marks), number]).map_err(trouble)?;
            }
        }
    }
    Ok(())
}

/// Positions, one after the other.
fn watermarks(texts: &str) -> Result<Watermarks, Trouble> {
    let mut marks = Watermarks::default();
    for text in texts.split_whitespace() {
        let Position { epoch, next } = position(text)?;
        marks.raise(epoch, &next);
    }
    Ok(marks)
}

fn texts(marks: &Watermarks) -> String {
    let text = |(&epoch, next): (&Epoch, &Vector)| Position { epoch, next: next.clone() }.to_string();
    marks.0.iter().map(text).collect::<Vec<String>>().join(" ")
}

/// Moves a watermark forward where `next` is further.
fn raise(transaction: &Transaction<'_>, admin: AdminNo, epoch: Epoch, next: &Vector) -> Result<(), Trouble> {
    let (admin, number) = (operator(admin), epoch_number(epoch));
    let before: Option<String> = transaction
        .query_row("SELECT position FROM watermark WHERE operator = ? AND epoch = ?", [admin, number], |row| row.get(0))
        .optional()
        .map_err(trouble)?;
    let mut raised = before.map(|text| position(&text)).transpose()?.map_or_else(Vector::default, |before| before.next);
    raised.raise(next);
    let text = Position { epoch, next: raised }.to_string();
    transaction
        .execute(
            "INSERT OR REPLACE INTO watermark (operator, epoch, position) VALUES (?, ?, ?)",
            params![admin, number, text],
        )
        .map_err(trouble)?;
    Ok(())
}

/// Where everything stands that an operator has marked by itself. A cross join, for SQLite would rather begin with all
/// notifications of the log.
pub const MARKED: &str = "SELECT n.id, n.partition, n.\"offset\" FROM exception e CROSS JOIN notification n ON n.id = e.id \
     WHERE e.operator = ? AND n.epoch = ?";
const FORGET: &str = "DELETE FROM exception WHERE operator = ? AND id = ?";

pub fn mark(connection: &mut Connection, viewer: &Viewer, mark: &Mark, now: Timestamp) -> Result<(), Trouble> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(trouble)?;
    let (admin, now) = (operator(viewer.admin), now.as_millisecond());
    let except = |id: &NotificationId, read: bool, recorded: bool| {
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO exception (operator, id, read, marked, recorded) VALUES (?, ?, ?, ?, ?)",
            )
            .and_then(|mut insert| insert.execute(params![admin, id.0, read, now, recorded]))
            .map_err(trouble)
    };
    match mark {
        Mark::Read(ids) => {
            let mut early: u32 = transaction
                .prepare_cached(EARLY)
                .and_then(|mut question| question.query_row([admin], |row| row.get(0)))
                .map_err(trouble)?;
            for id in ids {
                match number_of(&transaction, *id)? {
                    // Ids that never come are forgotten after a while; so many are no clicks.
                    None if early >= EARLY_AT_MOST => 0,
                    None => {
                        early += 1;
                        except(id, true, false)?
                    }
                    // What is somebody else's stays as it is.
                    Some(number) if visible(&transaction, viewer, number)?.is_some() => except(id, true, true)?,
                    Some(_) => 0,
                };
            }
        }
        Mark::Unread(ids) => {
            for id in ids {
                if let Some(number) = number_of(&transaction, *id)?
                    && visible(&transaction, viewer, number)?.is_some_and(|found| !found.silent)
                {
                    except(id, false, true)?;
                }
            }
        }
        Mark::UpTo(position) => {
            let mut all = Watermarks::default();
            if newest_log(&transaction)?.is_some_and(|newest| newest.epoch == position.epoch) {
                // Whoever stands in the newest log has the others behind him.
                all = everywhere(&transaction)?;
                all.0.remove(&position.epoch);
            }
            all.raise(position.epoch, &position.next);
            for (&epoch, next) in &all.0 {
                raise(&transaction, viewer.admin, epoch, next)?;
                forget(&transaction, viewer.admin, epoch, next)?;
            }
        }
    }
    transaction.commit().map_err(trouble)
}

/// Clicks of one operator whose notification has yet to come.
const EARLY_AT_MOST: u32 = 2_000;
pub const EARLY: &str =
    "SELECT count(*) FROM exception INDEXED BY exception_early_of WHERE operator = ? AND recorded = 0";

/// What was marked by itself before there. Not before where the watermark is: that may be an older mark, and somebody
/// marked unread since then.
fn forget(transaction: &Transaction<'_>, admin: AdminNo, epoch: Epoch, next: &Vector) -> Result<(), Trouble> {
    let admin = operator(admin);
    let marked: Vec<([u8; 16], i64, i64)> = transaction
        .prepare_cached(MARKED)
        .and_then(|mut question| {
            let of_the_log = [admin, epoch_number(epoch)];
            question.query_map(of_the_log, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
        })
        .map_err(trouble)?;
    for (id, partition, offset) in marked {
        if offset < signed(next.get(index(partition))) {
            let forgotten = transaction.prepare_cached(FORGET).and_then(|mut one| one.execute(params![admin, id]));
            forgotten.map_err(trouble)?;
        }
    }
    Ok(())
}

pub const BY_ID: &str = "SELECT number FROM notification WHERE id = ?";

fn number_of(connection: &Connection, id: NotificationId) -> Result<Option<i64>, Trouble> {
    connection
        .prepare_cached(BY_ID)
        .and_then(|mut question| question.query_row([id.0], |row| row.get(0)).optional())
        .map_err(trouble)
}

/// None: it is nobody's, or somebody else's.
fn visible(connection: &Connection, viewer: &Viewer, number: i64) -> Result<Option<Found>, Trouble> {
    Ok(rows::found(connection, number)?.filter(|found| !found.through(viewer).is_empty()))
}

/// Whether it counts as read; what makes no sound always does.
pub fn is_read(
    connection: &Connection,
    viewer: &Viewer,
    marks: &Marks,
    found: &Found,
    through: &[Term],
) -> Result<bool, Trouble> {
    if found.silent {
        return Ok(true);
    }
    let by_itself = exception(connection, viewer.admin, found.stored.notification.id)?;
    Ok(by_itself.unwrap_or_else(|| marks.is_read(found.stored.at, through)))
}

pub const EXCEPTION: &str = "SELECT read FROM exception WHERE operator = ? AND id = ?";

pub fn exception(connection: &Connection, admin: AdminNo, id: NotificationId) -> Result<Option<bool>, Trouble> {
    connection
        .prepare_cached(EXCEPTION)
        .and_then(|mut question| question.query_row(params![operator(admin), id.0], |row| row.get(0)).optional())
        .map_err(trouble)
}

pub fn exceptions(
    connection: &Connection,
    admin: AdminNo,
    ids: &[NotificationId],
) -> Result<Vec<(NotificationId, bool)>, Trouble> {
    let mut found = Vec::new();
    for &id in ids {
        found.extend(exception(connection, admin, id)?.map(|read| (id, read)));
    }
    Ok(found)
}

/// Counts what is behind no mark, then what was marked unread behind one.
pub fn unread(connection: &mut Connection, viewer: &Viewer) -> Result<Unread, Trouble> {
    let moment = connection.transaction().map_err(trouble)?;
    let position = newest_log(&moment)?;
    let marks = marks(&moment, viewer)?;
    let mut unread = HashSet::new();
    let mut looked_at = 0;
    behind_no_mark(&moment, viewer, &marks, |claim| {
        looked_at += 1;
        if !unread.contains(&claim.number) {
            let (found, through) = rows::claimed(&moment, viewer, claim)?;
            if !is_read(&moment, viewer, &marks, &found, &through)? {
                unread.insert(claim.number);
            }
        }
        let goes_on = unread.len() < COUNTED_AT_MOST && looked_at < LOOKED_AT_MOST;
        Ok(if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    for number in marked_unread(&moment, viewer.admin)? {
        if unread.len() < COUNTED_AT_MOST && visible(&moment, viewer, number)?.is_some() {
            unread.insert(number);
        }
    }
    Ok(Unread { count: unread.len(), position, marks })
}

/// All that may be unread, if it is no more than so much.
pub fn few_unread(
    connection: &Connection,
    viewer: &Viewer,
    marks: &Marks,
    most: usize,
) -> Result<Option<Vec<Claim>>, Trouble> {
    let mut few: HashMap<i64, Claim> = HashMap::new();
    behind_no_mark(connection, viewer, marks, |claim| {
        few.insert(claim.number, claim);
        Ok(if few.len() > most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    for number in marked_unread(connection, viewer.admin)? {
        if few.len() <= most
            && let Some(found) = visible(connection, viewer, number)?
        {
            few.insert(number, found.claim(number));
        }
    }
    Ok((few.len() <= most).then(|| few.into_values().collect()))
}

/// Visits what no mark is beyond, newest first within a term of a partition, each once for every term that leads to it.
fn behind_no_mark(
    connection: &Connection,
    viewer: &Viewer,
    marks: &Marks,
    mut visit: impl FnMut(Claim) -> Result<ControlFlow<()>, Trouble>,
) -> Result<(), Trouble> {
    let partitions: Vec<(i64, i64, i64, i64)> = connection
        .prepare_cached("SELECT epoch, partition, next, life FROM recorded")
        .and_then(|mut question| {
            question.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?.collect()
        })
        .map_err(trouble)?;
    let mut question = connection.prepare_cached(UNREAD_OF_A_PARTITION).map_err(trouble)?;
    for term in viewer.terms() {
        let text = term.to_string();
        for &(epoch, partition, next, life) in &partitions {
            let start = signed(marks.start(term, super::epoch_of(epoch), index(partition)));
            // Most are all read. Where a log shrank there may be rows beyond its place.
            if start >= next && life == 0 {
                continue;
            }
            let mut rows = question.query(params![text, epoch, partition, start]).map_err(trouble)?;
            while let Some(row) = rows.next().map_err(trouble)? {
                let claim = claim(row, epoch, partition).map_err(trouble)?;
                if includes(term, viewer, claim.mall) && visit(claim)?.is_break() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

fn claim(row: &Row<'_>, epoch: i64, partition: i64) -> rusqlite::Result<Claim> {
    let place = Place { at: row.get(0)?, epoch, partition, offset: row.get(1)?, life: row.get(2)? };
    Ok(Claim { place, number: row.get(3)?, mall: row.get(4)?, silent: false })
}

pub const MARKED_UNREAD: &str =
    "SELECT n.number FROM exception e JOIN notification n ON n.id = e.id WHERE e.operator = ? AND e.read = 0";

/// What this operator marked unread, by the numbers of the rows.
pub fn marked_unread(connection: &Connection, admin: AdminNo) -> Result<HashSet<i64>, Trouble> {
    connection
        .prepare_cached(MARKED_UNREAD)
        .and_then(|mut question| question.query_map([operator(admin)], |row| row.get(0))?.collect())
        .map_err(trouble)
}
