//! The statements about dead letters.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, types::Type};

use crate::{
    notification::{Coordinates, Epoch, Origin},
    timeline::dead_letters::{Count, DeadLetter, Listed, Parked, read_headers},
};

/// All but headers and value, in the order that [`parked`] reads them.
macro_rules! columns {
    () => {
        r#"number, epoch, life, partition, "offset", at, parked, reason, detail, key, sent, redriven"#
    };
}

/// The newest first; those of one reason, or of any.
pub fn list(db: &Connection, reason: Option<&str>, limit: u32) -> Result<Vec<Listed>> {
    // Two statements, so that either has its index.
    let which = if reason.is_some() { "WHERE reason = :reason" } else { "WHERE :reason IS NULL" };
    let sql = format!(
        "SELECT {}, substr(value, 1, {}), length(value) FROM dead_letter {which} ORDER BY number DESC LIMIT :limit",
        columns!(),
        Listed::BYTES
    );
    let read = |row: &Row<'_>| {
        let bytes: Option<i64> = row.get(13)?;
        Ok(Listed {
            parked: parked(row)?,
            beginning: row.get(12)?,
            bytes: whole_number(13, bytes.unwrap_or_default())?,
        })
    };
    db.prepare_cached(&sql)?.query_map(named_params! {":reason": reason, ":limit": limit}, read)?.collect()
}

/// How many of each reason, the most frequent first.
pub fn counts(db: &Connection) -> Result<Vec<Count>> {
    let sql = "SELECT reason, count(*), sum(redriven IS NULL) FROM dead_letter GROUP BY reason ORDER BY 2 DESC, 1";
    let read = |row: &Row<'_>| {
        let (all, waiting) = (whole_number(1, row.get(1)?)?, whole_number(2, row.get(2)?)?);
        Ok(Count { reason: row.get(0)?, all, waiting })
    };
    db.prepare_cached(sql)?.query_map([], read)?.collect()
}

/// How many were never redriven.
pub fn waiting(db: &Connection) -> Result<u64> {
    db.prepare_cached("SELECT count(*) FROM dead_letter WHERE redriven IS NULL")?
        .query_row([], |row| whole_number(0, row.get(0)?))
}

pub fn one(db: &Connection, number: i64) -> Result<Option<DeadLetter>> {
    let sql = concat!("SELECT ", columns!(), ", headers, value FROM dead_letter WHERE number = ?");
    db.prepare_cached(sql)?.query_row([number], whole).optional()
}

/// The numbers of those that were never redriven, the oldest first: what was written first is sent first.
pub fn never_redriven(db: &Connection, reason: Option<&str>) -> Result<Vec<i64>> {
    let sql = "SELECT number FROM dead_letter WHERE redriven IS NULL AND reason = ifnull(?, reason) ORDER BY number";
    db.prepare_cached(sql)?.query_map([reason], |row| row.get(0))?.collect()
}

/// Takes those of these numbers that nobody has taken; `again`: also the others. One statement, so that of two who ask
/// at once each letter goes to one.
pub fn claim(db: &Connection, numbers: &[i64], again: bool, now: Timestamp) -> Result<Vec<i64>> {
    let sql = "UPDATE dead_letter SET redriven = :now
               WHERE number IN (SELECT value FROM json_each(:numbers)) AND (redriven IS NULL OR :again)
               RETURNING number";
    let numbers = json(numbers);
    let now = now.as_millisecond();
    let claimed = named_params! {":now": now, ":numbers": numbers, ":again": again};
    let mut claimed: Vec<i64> = db.prepare_cached(sql)?.query_map(claimed, |row| row.get(0))?.collect::<Result<_>>()?;
    claimed.sort_unstable();
    Ok(claimed)
}

/// They could not be sent: whoever asks next may have them.
pub fn give_back(db: &Connection, numbers: &[i64]) -> Result<()> {
    let sql = "UPDATE dead_letter SET redriven = NULL WHERE number IN (SELECT value FROM json_each(?))";
    db.prepare_cached(sql)?.execute([json(numbers)]).map(drop)
}

/// Those with a higher number that do not stand on the topic of dead letters yet, the oldest first.
pub fn unsent(db: &Connection, after: i64, limit: u32) -> Result<Vec<DeadLetter>> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        ", headers, value FROM dead_letter WHERE sent = 0 AND number > :after ORDER BY number LIMIT :limit"
    );
    db.prepare_cached(sql)?.query_map(named_params! {":after": after, ":limit": limit}, whole)?.collect()
}

pub fn mark_sent(db: &Connection, numbers: &[i64]) -> Result<()> {
    let sql = "UPDATE dead_letter SET sent = 1 WHERE number IN (SELECT value FROM json_each(?))";
    db.prepare_cached(sql)?.execute([json(numbers)]).map(drop)
}

/// Their numbers grow with the time: the oldest are found without an index of their own.
pub fn forget(db: &Connection, before: Timestamp, at_most: usize) -> Result<usize> {
    let sql = "DELETE FROM dead_letter WHERE parked < :before
               AND number IN (SELECT number FROM dead_letter ORDER BY number LIMIT :at_most)";
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    db.prepare_cached(sql)?.execute(named_params! {":before": before.as_millisecond(), ":at_most": at_most})
}

fn json(numbers: &[i64]) -> String {
    serde_json::to_string(numbers).expect("numbers are JSON")
}

fn parked(row: &Row<'_>) -> Result<Parked> {
    let epoch: [u8; 8] = row.get(1)?;
    let (partition, offset) = (whole_number(3, row.get(3)?)?, whole_number(4, row.get(4)?)?);
    let at = Coordinates { epoch: Epoch(u64::from_be_bytes(epoch)), partition, offset };
    let redriven: Option<i64> = row.get(11)?;
    Ok(Parked {
        number: row.get(0)?,
        place: Origin { at, life: row.get(2)? },
        at: time(5, row.get(5)?)?,
        parked: time(6, row.get(6)?)?,
        reason: row.get(7)?,
        detail: row.get(8)?,
        key: row.get(9)?,
        sent: row.get(10)?,
        redriven: redriven.map(|at| time(11, at)).transpose()?,
    })
}

fn whole(row: &Row<'_>) -> Result<DeadLetter> {
    let headers: Vec<u8> = row.get(12)?;
    let headers = read_headers(&headers)
        .ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(12, Type::Blob, "these are no headers".into()))?;
    Ok(DeadLetter { parked: parked(row)?, headers, value: row.get(13)? })
}

fn time(column: usize, milliseconds: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(milliseconds)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, Box::new(error)))
}

/// The file's numbers have a sign, and none of these is below 0.
fn whole_number<T: TryFrom<i64>>(column: usize, number: i64) -> Result<T> {
    T::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}
