//! What an operator has read: kept as watermarks, the starts of later rights, and exceptions (D10).

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::{
    super::{COUNTED_AT_MOST, Mark, Marks, Stored, Trouble, Unread, Watermarks},
    epoch_number, index,
    replay::{self, newest_log},
    rows, signed, trouble, unsigned, write,
};
use crate::notification::{AdminNo, Epoch, MallNo, NotificationId, Position, Term, Vector, Viewer};

/// What is unread of one term in one partition, if nothing else was marked.
pub const UNREAD_OF_A_PARTITION: &str = "SELECT \"offset\", life, number, mall FROM entry INDEXED BY entry_by_offset \
     WHERE term = ? AND epoch = ? AND partition = ? AND \"offset\" >= ? AND silent = 0 ORDER BY \"offset\" DESC LIMIT ?";

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
        let mut since = Watermarks::default();
        for text in texts.split_whitespace() {
            let Position { epoch, next } = position(text)?;
            since.raise(epoch, &next);
        }
        rights.insert(term, since);
    }
    Ok(rights)
}

/// Where every log stands, as far as the store and whoever asks know it.
fn everywhere(connection: &Connection, here: Option<&Position>) -> Result<Watermarks, Trouble> {
    let mut question = connection.prepare_cached("SELECT DISTINCT epoch FROM recorded").map_err(trouble)?;
    let epochs: Result<Vec<i64>, _> = question.query_map([], |row| row.get(0)).map_err(trouble)?.collect();
    let mut all = Watermarks::default();
    for number in epochs.map_err(trouble)? {
        let epoch = super::epoch_of(number);
        all.raise(epoch, &replay::vector(&write::recorded(connection, epoch)?));
    }
    if let Some(Position { epoch, next }) = here {
        all.raise(*epoch, next);
    }
    Ok(all)
}

/// A new operator has read the past, and so has he of what a new right shows him.
pub fn meet(connection: &mut Connection, viewer: &Viewer, here: Option<&Position>) -> Result<(), Trouble> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(trouble)?;
    let known = rights(&transaction, viewer.admin)?;
    let now: HashSet<Term> = viewer.terms().collect();
    if now.len() == known.len() && now.iter().all(|term| known.contains_key(term)) {
        return Ok(());
    }
    let (admin, mut since) = (operator(viewer.admin), String::new());
    let all = everywhere(&transaction, here)?;
    if known.is_empty() {
        for (epoch, next) in &all.0 {
            raise(&transaction, viewer.admin, *epoch, next)?;
        }
    } else {
        for (&epoch, next) in &all.0 {
            since.push_str(&format!("{} ", Position { epoch, next: next.clone() }));
        }
    }
    for gone in known.keys().filter(|term| !now.contains(term)) {
        // Should it come again, it is a new one.
        let delete = "DELETE FROM operator_right WHERE operator = ? AND term = ?";
        transaction.execute(delete, params![admin, gone.to_string()]).map_err(trouble)?;
    }
    for new in now.iter().filter(|term| !known.contains_key(term)) {
        let insert = "INSERT INTO operator_right (operator, term, since) VALUES (?, ?, ?)";
        transaction.execute(insert, params![admin, new.to_string(), since.trim_end()]).map_err(trouble)?;
    }
    transaction.commit().map_err(trouble)
}

/// Moves a watermark forward where `next` is further.
fn raise(transaction: &Transaction<'_>, admin: AdminNo, epoch: Epoch, next: &Vector) -> Result<Vector, Trouble> {
    let (admin, number) = (operator(admin), epoch_number(epoch));
    let before: Option<String> = transaction
        .query_row("SELECT position FROM watermark WHERE operator = ? AND epoch = ?", [admin, number], |row| row.get(0))
        .optional()
        .map_err(trouble)?;
    let mut raised = before.map(|text| position(&text)).transpose()?.map_or_else(Vector::default, |before| before.next);
    raised.raise(next);
    let text = Position { epoch, next: raised.clone() }.to_string();
    transaction
        .execute(
            "INSERT OR REPLACE INTO watermark (operator, epoch, position) VALUES (?, ?, ?)",
            params![admin, number, text],
        )
        .map_err(trouble)?;
    Ok(raised)
}

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
            for id in ids {
                match number_of(&transaction, *id)? {
                    None => except(id, true, false)?,
                    // What is somebody else's stays as it is.
                    Some(number) if is_visible(&transaction, viewer, number)? => except(id, true, true)?,
                    Some(_) => 0,
                };
            }
        }
        Mark::Unread(ids) => {
            for id in ids {
                if let Some(number) = number_of(&transaction, *id)?
                    && is_visible(&transaction, viewer, number)?
                {
                    except(id, false, true)?;
                }
            }
        }
        Mark::UpTo(Position { epoch, next }) => {
            let next = raise(&transaction, viewer.admin, *epoch, next)?;
            for (partition, next) in next.iter() {
                let delete = "DELETE FROM exception WHERE operator = ?1 AND id IN (SELECT n.id FROM exception e JOIN \
                              notification n ON n.id = e.id WHERE e.operator = ?1 AND n.epoch = ?2 AND n.partition = ?3 \
                              AND n.\"offset\" < ?4)";
                let behind = params![admin, epoch_number(*epoch), signed(partition), signed(next)];
                transaction.prepare_cached(delete).and_then(|mut delete| delete.execute(behind)).map_err(trouble)?;
            }
        }
    }
    transaction.commit().map_err(trouble)
}

fn number_of(connection: &Connection, id: NotificationId) -> Result<Option<i64>, Trouble> {
    connection
        .prepare_cached("SELECT number FROM notification WHERE id = ?")
        .and_then(|mut question| question.query_row([id.0], |row| row.get(0)).optional())
        .map_err(trouble)
}

pub fn id_of(connection: &Connection, number: i64) -> Result<Option<NotificationId>, Trouble> {
    let id = connection
        .prepare_cached("SELECT id FROM notification WHERE number = ?")
        .and_then(|mut question| question.query_row([number], |row| row.get(0)).optional())
        .map_err(trouble)?;
    Ok(id.map(NotificationId))
}

fn is_visible(connection: &Connection, viewer: &Viewer, number: i64) -> Result<bool, Trouble> {
    let stored = rows::stored(connection, number)?;
    Ok(stored.is_some_and(|Stored { notification, .. }| notification.audience.includes(viewer, notification.mall)))
}

pub fn exception(connection: &Connection, admin: AdminNo, id: NotificationId) -> Result<Option<bool>, Trouble> {
    connection
        .prepare_cached("SELECT read FROM exception WHERE operator = ? AND id = ?")
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
    let partitions: Vec<(i64, i64)> = moment
        .prepare_cached("SELECT epoch, partition FROM recorded")
        .and_then(|mut question| question.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .map_err(trouble)?;
    for term in viewer.terms() {
        for &(epoch, partition) in &partitions {
            let start = marks.start(term, super::epoch_of(epoch), index(partition));
            count(&moment, viewer, term, (epoch, partition, signed(start)), &mut unread)?;
            if unread.len() >= COUNTED_AT_MOST {
                return Ok(Unread { count: COUNTED_AT_MOST, position, marks });
            }
        }
    }
    for number in marked_unread(&moment, viewer.admin)? {
        if is_visible(&moment, viewer, number)? {
            unread.insert(number);
        }
    }
    Ok(Unread { count: unread.len().min(COUNTED_AT_MOST), position, marks })
}

/// The unread of one term in one partition, but for those that were read one by one.
fn count(
    connection: &Connection,
    viewer: &Viewer,
    term: Term,
    (epoch, partition, start): (i64, i64, i64),
    unread: &mut HashSet<i64>,
) -> Result<(), Trouble> {
    let mut question = connection.prepare_cached(UNREAD_OF_A_PARTITION).map_err(trouble)?;
    let given = params![term.to_string(), epoch, partition, start, signed(super::list::LOOKED_AT_MOST)];
    let mut rows = question.query(given).map_err(trouble)?;
    while let Some(row) = rows.next().map_err(trouble)? {
        let (number, mall): (i64, Option<i64>) = (row.get(2).map_err(trouble)?, row.get(3).map_err(trouble)?);
        if unread.contains(&number) || !term.includes(viewer, mall.and_then(|mall| MallNo::new(unsigned(mall)).ok())) {
            continue;
        }
        let Some(id) = id_of(connection, number)? else { continue };
        if exception(connection, viewer.admin, id)? != Some(true) {
            unread.insert(number);
        }
        if unread.len() >= COUNTED_AT_MOST {
            break;
        }
    }
    Ok(())
}

/// What this operator marked unread, by the numbers of the rows.
pub fn marked_unread(connection: &Connection, admin: AdminNo) -> Result<HashSet<i64>, Trouble> {
    connection
        .prepare_cached(
            "SELECT n.number FROM exception e JOIN notification n ON n.id = e.id WHERE e.operator = ? AND e.read = 0",
        )
        .and_then(|mut question| question.query_map([operator(admin)], |row| row.get(0))?.collect())
        .map_err(trouble)
}
