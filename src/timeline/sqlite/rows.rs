//! A notification read again: checked against its sum, so that damage is never shown to anybody.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{
    super::{
        Checksum, Place, Stored, Trouble,
        row::{headers_of, shape_of},
    },
    epoch_of, index, signed, trouble, unsigned,
};
use crate::notification::{Coordinates, MallNo, Notification, NotificationId, Record, Term, Viewer};

/// What an entry says of the notification that it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// First, so that claims stand in the order of lists.
    pub place: Place,
    pub number: i64,
    pub mall: Option<i64>,
    pub silent: bool,
}

/// A notification as it was written, with what of it the wire does not show.
pub struct Found {
    pub stored: Stored,
    pub place: Place,
    pub severity: u8,
    pub silent: bool,
}

impl Found {
    /// As an entry would say it.
    pub fn claim(&self, number: i64) -> Claim {
        let mall = self.stored.notification.mall.map(|mall| signed(mall.get()));
        Claim { place: self.place, number, mall, silent: self.silent }
    }

    /// Through what this viewer sees it; nothing: he may not.
    pub fn through(&self, viewer: &Viewer) -> Vec<Term> {
        let notification = &self.stored.notification;
        let terms = notification.audience.terms().iter().copied();
        terms.filter(|term| term.includes(viewer, notification.mall)).collect()
    }
}

/// Whether this term, on a notification about that mall, reaches the viewer.
pub fn includes(term: Term, viewer: &Viewer, mall: Option<i64>) -> bool {
    term.includes(viewer, mall.and_then(|mall| MallNo::new(unsigned(mall)).ok()))
}

/// What an entry leads to: that very notification, and one that this viewer may see. Else the entry is damaged, for both
/// were written together, and go together.
pub fn claimed(connection: &Connection, viewer: &Viewer, claim: Claim) -> Result<(Found, Vec<Term>), Trouble> {
    let damaged = || Trouble::Damaged(format!("an entry leads to row {}, which is another one", claim.number));
    let found = found(connection, claim.number)?.ok_or_else(damaged)?;
    let through = found.through(viewer);
    if found.claim(claim.number) == claim && !through.is_empty() { Ok((found, through)) } else { Err(damaged()) }
}

pub const BY_NUMBER: &str = "SELECT id, at, epoch, partition, \"offset\", life, type, mall, audience, shape, \"key\", headers, \
     value, checksum, severity, silent FROM notification WHERE number = ?";

/// None: there is no such row.
pub fn found(connection: &Connection, number: i64) -> Result<Option<Found>, Trouble> {
    let found = connection
        .prepare_cached(BY_NUMBER)
        .and_then(|mut question| question.query_row([number], |row| Ok(read(row))).optional())
        .map_err(trouble)?;
    let damaged = || Trouble::Damaged(format!("row {number} of its notifications is not what was written"));
    match found {
        None => Ok(None),
        Some(Ok(Some(found))) => Ok(Some(found)),
        Some(Ok(None) | Err(_)) => Err(damaged()),
    }
}

/// None: what is there does not add up.
fn read(row: &Row<'_>) -> rusqlite::Result<Option<Found>> {
    let place =
        Place { at: row.get(1)?, epoch: row.get(2)?, partition: row.get(3)?, offset: row.get(4)?, life: row.get(5)? };
    let (type_name, audience, headers): (String, String, String) = (row.get(6)?, row.get(8)?, row.get(11)?);
    let (severity, silent): (u8, bool) = (row.get(14)?, row.get(15)?);
    let mall: Option<i64> = row.get(7)?;
    let (Some(shape), Some(headers)) = (shape_of(row.get(9)?), headers_of(&headers)) else { return Ok(None) };
    let (Ok(time), Ok(audience)) = (Timestamp::from_millisecond(place.at), audience.parse()) else {
        return Ok(None);
    };
    let record = Record {
        shape,
        key: row.get::<_, Option<Vec<u8>>>(10)?.map(Bytes::from),
        headers,
        value: row.get::<_, Vec<u8>>(12)?.into(),
    };
    let mall = mall.and_then(|mall| MallNo::new(unsigned(mall)).ok());
    let (id, at) = (NotificationId(row.get(0)?), coordinates(place));
    let notification = Notification::new(id, Arc::from(type_name), mall, audience, time, record);
    let sum = Checksum::of(at, row.get(5)?, &notification, severity, silent);
    let stored = Stored { at, notification: Arc::new(notification) };
    Ok((sum == Checksum(row.get(13)?)).then_some(Found { stored, place, severity, silent }))
}

pub fn coordinates(place: Place) -> Coordinates {
    Coordinates { epoch: epoch_of(place.epoch), partition: index(place.partition), offset: unsigned(place.offset) }
}
