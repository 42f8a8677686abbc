//! One transaction of the recorder: rows, their entries, dead letters, and the place it stands at then.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::{
    super::{
        Advance, Batch, Checksum, Dead, Recorded, Row, Trouble, Written,
        dead_letters::write_headers,
        row::{headers_text, shape_number},
    },
    epoch_number, index, read_state, signed, trouble, unsigned,
};
use crate::notification::Epoch;

/// As many as a position can have.
const MOST_PARTITIONS: i64 = 4096;

pub fn recorded(connection: &Connection, epoch: Epoch) -> Result<Vec<Option<Recorded>>, Trouble> {
    let mut question = connection
        .prepare_cached("SELECT partition, next, life FROM recorded WHERE epoch = ? ORDER BY partition")
        .map_err(trouble)?;
    let mut rows = question.query([epoch_number(epoch)]).map_err(trouble)?;
    let mut recorded = Vec::new();
    while let Some(row) = rows.next().map_err(trouble)? {
        let partition = row.get(0).map_err(trouble)?;
        // A number that nobody wrote must not make us allocate.
        let known = (0..MOST_PARTITIONS).contains(&partition).then(|| index(partition));
        let partition = known.ok_or_else(|| Trouble::Damaged(format!("there is no partition {partition}")))?;
        let next = unsigned(row.get(1).map_err(trouble)?);
        let life = row.get(2).map_err(trouble)?;
        recorded.resize(partition, None);
        recorded.push(Some(Recorded { next, life }));
    }
    Ok(recorded)
}

pub fn record(connection: &mut Connection, batch: &Batch) -> Result<Written, Trouble> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(trouble)?;
    let epoch = epoch_number(batch.epoch);
    let now = Timestamp::now().as_millisecond();
    for advance in &batch.advances {
        moves(&transaction, epoch, advance)?;
        if advance.from.is_some_and(|from| advance.to < from) {
            read_state::cut(&transaction, batch.epoch, advance.partition, advance.to)?;
        }
    }
    if !batch.advances.is_empty() {
        // Not by a time: clocks go back.
        transaction
            .prepare_cached("INSERT OR REPLACE INTO newest_log (one, epoch) VALUES (1, ?)")
            .and_then(|mut replace| replace.execute([epoch]))
            .map_err(trouble)?;
    }
    let mut written = Written::default();
    let mut kinds = HashMap::new();
    for row in &batch.rows {
        if write_row(&transaction, row, &mut kinds)? { written.stored += 1 } else { written.repeats += 1 }
    }
    for dead in &batch.dead {
        park(&transaction, dead, now)?;
    }
    for &(partition, next) in &batch.beginnings {
        raise_horizon(&transaction, epoch, signed(partition), signed(next))?;
    }
    for hole in &batch.holes {
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO hole (epoch, partition, start, \"end\", noticed) VALUES (?, ?, ?, ?, ?)",
            )
            .and_then(|mut insert| {
                insert.execute(params![epoch, signed(hole.partition), signed(hole.from), signed(hole.to), now])
            })
            .map_err(trouble)?;
    }
    transaction.commit().map_err(trouble)?;
    Ok(written)
}

/// Whoever does not stand where it thinks writes nothing (D9).
fn moves(transaction: &Transaction<'_>, epoch: i64, advance: &Advance) -> Result<(), Trouble> {
    let (partition, to, life) = (signed(advance.partition), signed(advance.to), advance.life);
    let moved = match advance.from {
        Some(from) => transaction
            .prepare_cached("UPDATE recorded SET next = ?, life = ? WHERE epoch = ? AND partition = ? AND next = ?")
            .and_then(|mut update| update.execute(params![to, life, epoch, partition, signed(from)])),
        None => transaction
            .prepare_cached(
                "INSERT INTO recorded (epoch, partition, next, life) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            )
            .and_then(|mut insert| insert.execute(params![epoch, partition, to, life])),
    };
    if moved.map_err(trouble)? == 1 { Ok(()) } else { Err(Trouble::Elsewhere) }
}

/// False: it is there already, by its identity or by its place.
fn write_row(
    transaction: &Transaction<'_>,
    row: &Row,
    kinds: &mut HashMap<std::sync::Arc<str>, i64>,
) -> Result<bool, Trouble> {
    let (notification, record) = (&row.notification, row.notification.record());
    let (epoch, partition, offset) = (epoch_number(row.at.epoch), signed(row.at.partition), signed(row.at.offset));
    let (at, life) = (notification.at.as_millisecond(), row.life);
    let (mall, severity) = (notification.mall.map(|mall| signed(mall.get())), row.severity as u8);
    let inserted = transaction
        .prepare_cached(
            "INSERT INTO notification (id, at, epoch, partition, \"offset\", life, type, mall, audience, shape, \"key\", \
             headers, value, keep_until, severity, silent, checksum) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT DO NOTHING",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                notification.id.0,
                at,
                epoch,
                partition,
                offset,
                life,
                &*notification.type_name,
                mall,
                notification.audience.to_string(),
                shape_number(record.shape),
                record.key.as_deref(),
                headers_text(record),
                &*record.value,
                row.until.as_millisecond(),
                severity,
                row.silent,
                Checksum::of(row.at, life, notification, severity, row.silent).0,
            ])
        })
        .map_err(trouble)?;
    if inserted == 0 {
        return Ok(false);
    }
    let number = transaction.last_insert_rowid();
    let kind = match kinds.get(&notification.type_name) {
        Some(kind) => *kind,
        None => {
            let kind = kind_number(transaction, &notification.type_name)?;
            kinds.insert(notification.type_name.clone(), kind);
            kind
        }
    };
    write_entries(transaction, row, number, kind)?;
    Ok(true)
}

fn write_entries(transaction: &Transaction<'_>, row: &Row, number: i64, kind: i64) -> Result<(), Trouble> {
    let notification = &row.notification;
    let (epoch, partition, offset) = (epoch_number(row.at.epoch), signed(row.at.partition), signed(row.at.offset));
    let (at, life) = (notification.at.as_millisecond(), row.life);
    let mall = notification.mall.map(|mall| signed(mall.get()));
    let (severity, bytes) = (row.severity as u8, signed(notification.record().value.len()));
    let mut insert = transaction
        .prepare_cached(
            "INSERT INTO entry (term, at, epoch, partition, \"offset\", life, number, mall, kind, severity, silent, bytes) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .map_err(trouble)?;
    for term in notification.audience.terms() {
        let term = term.to_string();
        let entry = params![term, at, epoch, partition, offset, life, number, mall, kind, severity, row.silent, bytes];
        insert.execute(entry).map_err(trouble)?;
    }
    Ok(())
}

fn kind_number(transaction: &Transaction<'_>, name: &str) -> Result<i64, Trouble> {
    let known = transaction
        .prepare_cached("SELECT number FROM kind WHERE type = ?")
        .and_then(|mut question| question.query_row([name], |row| row.get(0)).optional())
        .map_err(trouble)?;
    if let Some(number) = known {
        return Ok(number);
    }
    transaction.execute("INSERT INTO kind (type) VALUES (?)", [name]).map_err(trouble)?;
    Ok(transaction.last_insert_rowid())
}

fn park(transaction: &Transaction<'_>, dead: &Dead, now: i64) -> Result<(), Trouble> {
    let headers = write_headers(dead.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())));
    transaction
        .prepare_cached(
            "INSERT INTO dead_letter (epoch, life, partition, \"offset\", at, parked, reason, detail, key, headers, value) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                dead.at.epoch.0.to_be_bytes(),
                dead.life,
                signed(dead.at.partition),
                signed(dead.at.offset),
                dead.time.as_millisecond(),
                now,
                dead.reason,
                dead.detail,
                dead.key.as_deref(),
                headers,
                dead.value.as_deref(),
            ])
        })
        .map_err(trouble)?;
    Ok(())
}

pub fn raise_horizon(transaction: &Transaction<'_>, epoch: i64, partition: i64, next: i64) -> Result<(), Trouble> {
    transaction
        .prepare_cached(
            "INSERT INTO horizon (epoch, partition, next) VALUES (?, ?, ?) \
             ON CONFLICT DO UPDATE SET next = max(next, excluded.next)",
        )
        .and_then(|mut raise| raise.execute([epoch, partition, next]))
        .map_err(trouble)?;
    Ok(())
}
