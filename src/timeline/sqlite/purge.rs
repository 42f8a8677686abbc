//! Takes away what was kept long enough, a little at a time, and remembers how far nobody can go back any more.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, TransactionBehavior, params};

use super::{super::Trouble, signed, trouble, write::raise_horizon};
use crate::notification::Audience;

/// A click whose notification never came.
const EARLY_CLICK: SignedDuration = SignedDuration::from_hours(24 * 7);

pub const DUE: &str = "SELECT number, id, at, epoch, partition, \"offset\", life, audience FROM notification \
     WHERE keep_until < ? ORDER BY keep_until LIMIT ?";

pub const ENTRY: &str =
    "DELETE FROM entry WHERE term = ? AND at = ? AND epoch = ? AND partition = ? AND \"offset\" = ? AND life = ?";
pub const ROW: &str = "DELETE FROM notification WHERE number = ?";
pub const MARKS: &str = "DELETE FROM exception WHERE id = ?";

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
        let mut delete = transaction.prepare_cached(ENTRY).map_err(trouble)?;
        for term in audience.terms() {
            let entry = params![term.to_string(), row.at, row.epoch, row.partition, row.offset, row.life];
            delete.execute(entry).map_err(trouble)?;
        }
        let deleted = transaction.prepare_cached(ROW).and_then(|mut delete| delete.execute([row.number]));
        deleted.map_err(trouble)?;
        let deleted = transaction.prepare_cached(MARKS).and_then(|mut delete| delete.execute([row.id]));
        deleted.map_err(trouble)?;
        raise_horizon(&transaction, row.epoch, row.partition, row.offset + 1)?;
    }
    forget_early_clicks(&transaction, now, at_most)?;
    transaction.commit().map_err(trouble)?;
    Ok(due.len())
}

/// Clicks of long ago whose notification came, ...
pub const CAME: &str = "UPDATE exception SET recorded = 1 WHERE (operator, id) IN (SELECT operator, id FROM exception \
     WHERE recorded = 0 AND marked < ? ORDER BY marked LIMIT ?) AND id IN (SELECT id FROM notification)";
/// ... and those whose never did.
pub const NEVER_CAME: &str = "DELETE FROM exception WHERE (operator, id) IN (SELECT operator, id FROM exception \
     WHERE recorded = 0 AND marked < ? ORDER BY marked LIMIT ?) AND id NOT IN (SELECT id FROM notification)";

fn forget_early_clicks(connection: &Connection, now: Timestamp, at_most: usize) -> Result<(), Trouble> {
    let old = now.checked_sub(EARLY_CLICK).unwrap_or(Timestamp::MIN).as_millisecond();
    for statement in [CAME, NEVER_CAME] {
        connection.execute(statement, params![old, signed(at_most)]).map_err(trouble)?;
    }
    Ok(())
}
