//! The engines that there are, each made anew and empty for whoever tries it.

use std::{any::Any, path::PathBuf, sync::Arc};

use allim::timeline::{Sqlite, Store};
use tempfile::TempDir;

/// A store of nobody else's, and what has to live as long as it.
pub struct Fresh {
    pub store: Arc<dyn Store>,
    _keeps: Box<dyn Any>,
}

pub struct Engine {
    pub name: &'static str,
    pub make: fn() -> Fresh,
}

/// Whoever is in here keeps the whole contract.
pub const ENGINES: [Engine; 1] = [Engine { name: "sqlite", make: sqlite }];

fn sqlite() -> Fresh {
    let folder = folder();
    let store = Sqlite::open(&folder.path().join("timeline.db")).unwrap();
    Fresh { store: Arc::new(store), _keeps: Box::new(folder) }
}

/// In memory where there is such a place: thousands of small worlds need no disk.
pub fn folder() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}
