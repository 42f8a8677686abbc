//! A notification read again: checked against its sum, so that damage is never shown to anybody.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{
    super::{
        Checksum, Stored, Trouble,
        row::{headers_of, shape_of},
    },
    epoch_of, index, trouble, unsigned,
};
use crate::notification::{Coordinates, MallNo, Notification, NotificationId, Record};

/// None: it was purged meanwhile.
pub fn stored(connection: &Connection, number: i64) -> Result<Option<Stored>, Trouble> {
    let found = connection
        .prepare_cached(
            "SELECT id, at, epoch, partition, \"offset\", life, type, mall, audience, shape, \"key\", headers, value, checksum \
             FROM notification WHERE number = ?",
        )
        .and_then(|mut question| question.query_row([number], |row| Ok(read(row))).optional())
        .map_err(trouble)?;
    let damaged = || Trouble::Damaged(format!("row {number} of its notifications is not what was written"));
    match found {
        None => Ok(None),
        Some(Ok(Some(stored))) => Ok(Some(stored)),
        Some(Ok(None) | Err(_)) => Err(damaged()),
    }
}

/// None: what is there does not add up.
fn read(row: &Row<'_>) -> rusqlite::Result<Option<Stored>> {
    let at = Coordinates { epoch: epoch_of(row.get(2)?), partition: index(row.get(3)?), offset: unsigned(row.get(4)?) };
    let (type_name, audience, headers): (String, String, String) = (row.get(6)?, row.get(8)?, row.get(11)?);
    let mall: Option<i64> = row.get(7)?;
    let (Some(shape), Some(headers)) = (shape_of(row.get(9)?), headers_of(&headers)) else { return Ok(None) };
    let (Ok(time), Ok(audience)) = (Timestamp::from_millisecond(row.get(1)?), audience.parse()) else {
        return Ok(None);
    };
    let record = Record {
        shape,
        key: row.get::<_, Option<Vec<u8>>>(10)?.map(Bytes::from),
        headers,
        value: row.get::<_, Vec<u8>>(12)?.into(),
    };
    let mall = mall.and_then(|mall| MallNo::new(unsigned(mall)).ok());
    let id = NotificationId(row.get(0)?);
    let notification = Notification::new(id, Arc::from(type_name), mall, audience, time, record);
    let sum = Checksum::of(at, row.get(5)?, &notification);
    let stored = Stored { at, notification: Arc::new(notification) };
    Ok((sum == Checksum(row.get(13)?)).then_some(stored))
}
