//! SQLite: one file beside the server, which people can open with tools of their own.
//!
//! One thread writes, a few read beside it (WAL), and nothing of it blocks the runtime. A commit is on the disk before it
//! is reported (`synchronous=FULL`).

mod beside;
pub mod dead_letters;
mod file;
mod hands;
mod list;
#[cfg(test)]
mod plans;
mod purge;
mod read_state;
mod replay;
mod rows;
mod write;

use std::{path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::dead_letters::DeadLetter;
use super::{
    Answer, Batch, DeadLetters, Filter, List, Mark, Missed, Most, Place, Recorded, Store, Trouble, Unread, Written,
};
use crate::notification::{AdminNo, Epoch, NotificationId, Position, Viewer};
pub use beside::{Beside, NotOpen};
use file::Opened;
pub use file::lock;
use hands::Hands;

/// `Allm`, so that `file` knows what it looks at.
const APPLICATION: i32 = 0x416c_6c6d;
const VERSION: i32 = 1;
/// For another process that holds the file for a moment: somebody's own tools.
const BUSY: Duration = Duration::from_millis(500);
/// Threads that read: a few long lists shall not keep the short ones waiting.
const READERS: usize = 4;
/// Questions that wait for one of them; more is refused at once.
const WAITING: usize = 256;

/// The store. A cheap clone; its threads end with the last of them.
#[derive(Clone)]
pub struct Sqlite {
    writer: Arc<Hands>,
    readers: Arc<Hands>,
    opened: Arc<Opened>,
}

impl Sqlite {
    /// Opens the file, or makes it.
    pub fn open(path: &Path) -> Result<Sqlite, Trouble> {
        let writer = open(path)?;
        let readers: Result<Vec<Connection>, Trouble> = (0..READERS).map(|_| open(path)).collect();
        Ok(Sqlite {
            writer: Arc::new(Hands::start("timeline-write", vec![writer], WAITING)?),
            readers: Arc::new(Hands::start("timeline-read", readers?, WAITING)?),
            opened: Arc::new(Opened::at(path)?),
        })
    }

    fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Answer<'_, T> {
        let opened = Arc::clone(&self.opened);
        self.writer.ask(move |connection| {
            opened.is_there()?;
            job(connection)
        })
    }
}

/// A connection as all of ours are; the first one makes the tables.
pub fn open(path: &Path) -> Result<Connection, Trouble> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(trouble)?;
    connection.busy_timeout(BUSY).map_err(trouble)?;
    connection.set_prepared_statement_cache_capacity(64);
    let version = whose(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(trouble)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(trouble)?;
    connection.pragma_update(None, "cache_size", -16_384).map_err(trouble)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20).map_err(trouble)?;
    if version == 0 {
        let made = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(trouble)?;
        // Another connection may have been quicker.
        if whose(&made)? == 0 {
            made.execute_batch(include_str!("schema.sql")).map_err(trouble)?;
            made.pragma_update(None, "application_id", APPLICATION).map_err(trouble)?;
            made.pragma_update(None, "user_version", VERSION).map_err(trouble)?;
        }
        made.commit().map_err(trouble)?;
    }
    Ok(connection)
}

/// The version of our tables, 0 where there is nothing yet. Whatever belongs to somebody else is left as it is.
fn whose(connection: &Connection) -> Result<i32, Trouble> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map_err(trouble);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(trouble)?;
    match (number("application_id")?, number("user_version")?) {
        (APPLICATION, VERSION) => Ok(VERSION),
        (APPLICATION, version) if version > VERSION => {
            Err(Trouble::Ill(format!("it was written by a newer allim (version {version}, this one knows {VERSION})")))
        }
        (0, 0) if tables == 0 => Ok(0),
        _ => Err(Trouble::Ill("it is a database of something else".to_owned())),
    }
}

/// What an error of SQLite means for whoever wanted something of it.
pub fn trouble(error: rusqlite::Error) -> Trouble {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    if matches!(error, FromSqlConversionFailure(..) | InvalidColumnType(..) | IntegralValueOutOfRange(..)) {
        return Trouble::Damaged(error.to_string());
    }
    match error.sqlite_error_code() {
        // The last: what we ask never changes, so what cannot be asked is asked of tables that are not ours any more.
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown) => {
            Trouble::Damaged(error.to_string())
        }
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch) => {
            Trouble::Refused(error.to_string())
        }
        _ => Trouble::Ill(error.to_string()),
    }
}

/// As the file has it: 64 bits without a sign are 64 bits with one.
fn epoch_number(epoch: Epoch) -> i64 {
    epoch.0.cast_signed()
}

fn epoch_of(number: i64) -> Epoch {
    Epoch(number.cast_unsigned())
}

/// Offsets and partitions: Kafka's own numbers have a sign.
fn signed(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn index(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

impl DeadLetters for Sqlite {
    fn unsent(&self, after: i64, limit: usize) -> Answer<'_, Vec<DeadLetter>> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        self.readers.ask(move |connection| dead_letters::unsent(connection, after, limit).map_err(trouble))
    }

    fn sent(&self, numbers: Vec<i64>) -> Answer<'_, ()> {
        self.writer.ask(move |connection| dead_letters::mark_sent(connection, &numbers).map_err(trouble))
    }

    fn forget(&self, before: Timestamp, at_most: usize) -> Answer<'_, usize> {
        self.writer.ask(move |connection| dead_letters::forget(connection, before, at_most).map_err(trouble))
    }

    fn waiting(&self) -> Answer<'_, u64> {
        self.readers.ask(move |connection| dead_letters::waiting(connection).map_err(trouble))
    }
}

impl Store for Sqlite {
    fn recorded(&self, epoch: Epoch) -> Answer<'_, Vec<Option<Recorded>>> {
        self.readers.ask(move |connection| write::recorded(connection, epoch))
    }

    fn record(&self, batch: Arc<Batch>) -> Answer<'_, Written> {
        self.write(move |connection| write::record(connection, &batch))
    }

    fn list(&self, viewer: Arc<Viewer>, filter: Filter, before: Option<Place>, limit: usize) -> Answer<'_, List> {
        self.readers.ask(move |connection| list::list(connection, &viewer, &filter, before, limit))
    }

    fn weigh(&self, viewer: Arc<Viewer>, from: Position, most: Most) -> Answer<'_, Missed> {
        self.readers.ask(move |connection| replay::weigh(connection, &viewer, &from, most))
    }

    fn missed(&self, viewer: Arc<Viewer>, from: Position, page: Most) -> Answer<'_, Missed> {
        self.readers.ask(move |connection| replay::missed(connection, &viewer, &from, page))
    }

    fn unread(&self, viewer: Arc<Viewer>) -> Answer<'_, Unread> {
        self.readers.ask(move |connection| read_state::unread(connection, &viewer))
    }

    fn exceptions(&self, admin: AdminNo, ids: Vec<NotificationId>) -> Answer<'_, Vec<(NotificationId, bool)>> {
        self.readers.ask(move |connection| read_state::exceptions(connection, admin, &ids))
    }

    fn mark(&self, viewer: Arc<Viewer>, mark: Mark, now: Timestamp) -> Answer<'_, ()> {
        self.write(move |connection| read_state::mark(connection, &viewer, &mark, now))
    }

    fn meet(&self, viewer: Arc<Viewer>, here: Option<Position>) -> Answer<'_, ()> {
        Box::pin(async move {
            // Most are known, and then nothing has to be written, which may be impossible now.
            let whom = Arc::clone(&viewer);
            if self.readers.ask(move |connection| read_state::knows(connection, &whom)).await? {
                return Ok(());
            }
            self.write(move |connection| read_state::meet(connection, &viewer, here.as_ref())).await
        })
    }

    fn purge(&self, now: Timestamp, at_most: usize) -> Answer<'_, usize> {
        self.write(move |connection| purge::purge(connection, now, at_most))
    }
}
