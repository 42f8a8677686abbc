//! The file of a server, opened beside it by somebody at a terminal: WAL lets both read, and one after the other write.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

/// A server writes for milliseconds at a time.
const BUSY: Duration = Duration::from_secs(5);

/// Why the file cannot be used, in one line.
#[derive(Debug, thiserror::Error)]
pub enum NotOpen {
    #[error("there is no timeline at {}; a server that runs on this data folder makes it", .0.display())]
    Missing(PathBuf),
    #[error("{} is no timeline of this version of allim", .0.display())]
    NoTimeline(PathBuf),
    #[error("{} is damaged ({words}); stop the server, keep the file, and start with a copy from before", .path.display())]
    Damaged { path: PathBuf, words: String },
    #[error("{} is locked by somebody else for more than {} s", .0.display(), BUSY.as_secs())]
    Busy(PathBuf),
    #[error("{} cannot be used: {words}", .path.display())]
    Other { path: PathBuf, words: String },
}

/// The open file.
pub struct Beside {
    path: PathBuf,
    connection: Connection,
}

impl Beside {
    pub fn open(path: &Path) -> Result<Beside, NotOpen> {
        if !path.exists() {
            return Err(NotOpen::Missing(path.to_owned()));
        }
        // Never created here. Not read-only: also a reader writes into WAL's index.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| not_open(path, &error))?;
        let beside = Beside { path: path.to_owned(), connection };
        beside.with(|connection| connection.busy_timeout(BUSY))?;
        let there = "SELECT count(*) FROM sqlite_schema WHERE name = 'dead_letter'";
        match beside.with(|connection| connection.query_row(there, [], |row| row.get::<_, u32>(0)))? {
            0 => Err(NotOpen::NoTimeline(path.to_owned())),
            _ => Ok(beside),
        }
    }

    /// Does something with it, and says in words for people what went wrong.
    pub fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, NotOpen> {
        work(&self.connection).map_err(|error| not_open(&self.path, &error))
    }
}

fn not_open(path: &Path, error: &rusqlite::Error) -> NotOpen {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            NotOpen::Damaged { path, words: error.to_string() }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => NotOpen::Busy(path),
        _ => NotOpen::Other { path, words: error.to_string() },
    }
}
