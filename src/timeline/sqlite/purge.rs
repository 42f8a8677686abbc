//! Takes away what was kept long enough, a little at a time, and remembers how far nobody can go back any more.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, TransactionBehavior, params};

use super::{super::Trouble, signed, trouble, write::raise_horizon};
use crate::notification::Audience;

/// A click whose notification never came.
const EARLY_CLICK: SignedDuration = SignedDuration::from_hours(24 * 7);

pub const DUE: &str = "SELECT number, id, at, epoch, partition, \"offset\", life, audience FROM notification \
     WHERE keep_until < ? ORDER BY keep_until LIMIT ?";

struct Due {
    number: i64,
    id: [u8; 16],
    at: i64,
    epoch: i64,
    partition: i64,
    offset: i64,
    life: i64,
    audience: String,
}

pub fn purge(connection: &mut Connection, now: Timestamp, at_most: usize) -> Result<usize, Trouble> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(trouble)?;
    let due: Vec<Due> = transaction
        .prepare_cached(DUE)
        .and_then(|mut question| {
            let rows = question.query_map(params![now.as_millisecond(), signed(at_most)], |row| {
                Ok(Due {
                    number: row.get(0)?,
                    id: row.get(1)?,
                    at: row.get(2)?,
                    epoch: row.get(3)?,
                    partition: row.get(4)?,
                    offset: row.get(5)?,
                    life: row.get(6)?,
                    audience: row.get(7)?,
                })
            })?;
            rows.collect()
        })
        .map_err(trouble)?;
    for row in &due {
        let audience: Audience =
            row.audience.parse().map_err(|_| Trouble::Damaged(format!("the audience of row {}", row.number)))?;
        let mut delete = transaction
            .prepare_cached(
                "DELETE FROM entry WHERE term = ? AND at = ? AND epoch = ? AND partition = ? AND \"offset\" = ? AND life = ?",
            )
            .map_err(trouble)?;
        for term in audience.terms() {
            let entry = params![term.to_string(), row.at, row.epoch, row.partition, row.offset, row.life];
            delete.execute(entry).map_err(trouble)?;
        }
        for (table, column) in [("notification", "number"), ("exception", "id")] {
            let delete = format!("DELETE FROM {table} WHERE {column} = ?");
            let mut delete = transaction.prepare_cached(&delete).map_err(trouble)?;
            let deleted = if column == "id" { delete.execute([row.id]) } else { delete.execute([row.number]) };
            deleted.map_err(trouble)?;
        }
        raise_horizon(&transaction, row.epoch, row.partition, row.offset + 1)?;
    }
    forget_early_clicks(&transaction, now, at_most)?;
    transaction.commit().map_err(trouble)?;
    Ok(due.len())
}

fn forget_early_clicks(connection: &Connection, now: Timestamp, at_most: usize) -> Result<(), Trouble> {
    let old = now.checked_sub(EARLY_CLICK).unwrap_or(Timestamp::MIN).as_millisecond();
    let early = "FROM exception WHERE recorded = 0 AND marked < ? ORDER BY marked LIMIT ?";
    let came = format!(
        "UPDATE exception SET recorded = 1 WHERE (operator, id) IN (SELECT operator, id {early}) AND id IN (SELECT id FROM \
         notification)"
    );
    let never = format!(
        "DELETE FROM exception WHERE recorded = 0 AND (operator, id) IN (SELECT operator, id {early}) AND id NOT IN (SELECT \
         id FROM notification)"
    );
    for statement in [came, never] {
        connection.execute(&statement, params![old, signed(at_most)]).map_err(trouble)?;
    }
    Ok(())
}
