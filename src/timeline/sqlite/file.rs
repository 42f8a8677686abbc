//! The file itself: held for one server, and still the one that was opened.

use std::{
    fs::{self, File, Metadata, TryLockError},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::super::Trouble;

/// Whoever holds it is the only server on this file, by whatever name. The system frees the lock of a process that died.
pub fn lock(path: &Path) -> Result<File, String> {
    let shown = path.display();
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&real).is_ok_and(|there| !there.is_file()) {
        return Err(format!("{shown} is no file: name one with ALLIM_DATABASE_URL"));
    }
    let mut name = real.into_os_string();
    name.push(".lock");
    let file =
        File::create(PathBuf::from(name)).map_err(|error| format!("{shown} cannot be written beside: {error}"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(format!(
            "another allim records into {shown}; with SQLite a timeline belongs to one server: name another file with ALLIM_DATABASE_URL"
        )),
        Err(TryLockError::Error(error)) => Err(format!("{shown} cannot be locked: {error}")),
    }
}

/// The file that was opened. SQLite goes on in one that was removed, and all that is written there is gone with the process.
pub struct Opened {
    path: PathBuf,
    which: (u64, u64),
}

impl Opened {
    pub fn at(path: &Path) -> Result<Opened, Trouble> {
        let there = fs::metadata(path).map_err(|error| Trouble::Ill(error.to_string()))?;
        Ok(Opened { path: path.to_owned(), which: which(&there) })
    }

    /// Before anything is written.
    pub fn is_there(&self) -> Result<(), Trouble> {
        if fs::metadata(&self.path).is_ok_and(|there| which(&there) == self.which) {
            return Ok(());
        }
        let shown = self.path.display();
        Err(Trouble::Ill(format!("{shown} is not the file any more that was opened: put it back, or start again")))
    }
}

/// Device and number.
fn which(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}
