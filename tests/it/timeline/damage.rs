//! Files that are not what was written: the store says so, or answers right; nobody is shown what is not his.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use allim::{
    notification::{Position, Vector, Viewer},
    timeline::{Filter, Mark, Missed, Most, Row, Sqlite, Store, Stored, Trouble, lock},
};
use rusqlite::Connection;
use tempfile::TempDir;

use super::{
    cases::{EPOCH, block_on, operator, row, write},
    engines::folder,
    world::{is_same, time},
};

const ROWS: u64 = 240;
const AUDIENCES: [&str; 6] = ["mall:1", "mall:10", "mall:100", "operator:7", "mall:1,mall:10", "mall:1,operator:70"];

fn viewers() -> [Arc<Viewer>; 4] {
    [operator(7, &[1]), operator(70, &[10]), operator(700, &[100]), operator(9, &[1, 10, 100])]
}

/// What the file holds, and its bytes at rest: everything is in the file itself, and nobody has it open.
struct Original {
    rows: Vec<Row>,
    bytes: Vec<u8>,
    /// Of the same, while the last quarter of it is in the log beside the file.
    open: (Vec<u8>, Vec<u8>),
    folder: TempDir,
}

fn original() -> Original {
    let folder = folder();
    let path = folder.path().join("original.db");
    let rows: Vec<Row> = (0..ROWS)
        .map(|offset| {
            let about = [None, Some(1), Some(10)][(offset % 3) as usize];
            row(offset, AUDIENCES[(offset % 6) as usize], about)
        })
        .collect();
    let store = Sqlite::open(&path).unwrap();
    let with_wal = |path: &Path| (fs::read(path).unwrap(), fs::read(beside(path, "-wal")).unwrap());
    let mut open = None;
    block_on(async {
        for (n, piece) in rows.chunks(20).enumerate() {
            write(&store, piece.to_vec()).await.unwrap();
            if n == 8 {
                at_rest(&path);
            }
        }
        for viewer in viewers() {
            let ids = (0..5).map(|n| rows[n * 7].notification.id).collect();
            store.meet(Arc::clone(&viewer), Position { epoch: EPOCH, next: Vector::default() }).await.unwrap();
            store.mark(viewer, Mark::Unread(ids), time(1)).await.unwrap();
        }
        open = Some(with_wal(&path));
    });
    drop(store);
    at_rest(&path);
    Original { rows, bytes: fs::read(&path).unwrap(), open: open.unwrap(), folder }
}

fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(what);
    name.into()
}

/// Brings everything into the file, as soon as nobody is in the way.
fn at_rest(path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    loop {
        let question = "PRAGMA wal_checkpoint(TRUNCATE)";
        let is_busy: bool = connection.query_row(question, [], |row| row.get(0)).unwrap();
        if !is_busy {
            return;
        }
    }
}

/// How a damaged file showed itself.
#[derive(Debug, Default)]
struct Seen {
    refused: usize,
    right: usize,
    /// Right, up to a place before the last, and the recorder goes on from there.
    behind: usize,
    /// Right, but not all of it: only a look at the whole file tells.
    fewer: usize,
}

impl Original {
    fn has(&self, stored: &Stored, viewer: &Viewer) -> bool {
        let is_it =
            |row: &Row| is_same(stored, row) && row.notification.audience.includes(viewer, row.notification.mall);
        self.rows.iter().any(is_it)
    }

    fn visible(&self, viewer: &Viewer, before: u64) -> usize {
        let rows = self.rows.iter().filter(|row| row.at.offset < before);
        rows.filter(|row| row.notification.audience.includes(viewer, row.notification.mall)).count()
    }

    /// Puts these bytes there, and looks at everything that anybody can be shown.
    fn judge(&self, what: &str, file: &[u8], wal: Option<&[u8]>, seen: &mut Seen) {
        let path = self.folder.path().join("damaged.db");
        for old in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(beside(&path, old));
        }
        fs::write(&path, file).unwrap();
        if let Some(wal) = wal {
            fs::write(beside(&path, "-wal"), wal).unwrap();
        }
        let looked = match Sqlite::open(&path) {
            Ok(store) => {
                let mut looked = Err(Trouble::Elsewhere);
                block_on(async { looked = self.look(what, &store).await });
                looked
            }
            Err(trouble) => Err(trouble),
        };
        match looked {
            Ok((ROWS, false)) => seen.right += 1,
            Ok((_, false)) => seen.behind += 1,
            Ok((_, true)) => {
                assert!(!is_sound(&path), "{what}: less, and nobody can tell");
                seen.fewer += 1;
            }
            Err(Trouble::Damaged(_) | Trouble::Ill(_)) => seen.refused += 1,
            Err(other) => panic!("{what}: {other}"),
        }
    }

    /// How far it is recorded, and whether there is less than there was until there. Whatever is wrong panics here.
    async fn look(&self, what: &str, store: &Sqlite) -> Result<(u64, bool), Trouble> {
        let next = store.recorded(EPOCH).await?.first().copied().flatten().map_or(0, |recorded| recorded.next);
        let mut fewer = false;
        for viewer in viewers() {
            for unread in [false, true] {
                let filter = Filter { unread, ..Filter::default() };
                let (mut before, mut places, mut rows) = (None, Vec::new(), 0);
                loop {
                    let page = store.list(Arc::clone(&viewer), filter.clone(), before, 30).await?;
                    for listed in &page.items {
                        assert!(self.has(&listed.stored, &viewer), "{what}: {:?} is none of his", listed.stored.at);
                        places.push((listed.stored.notification.at, listed.stored.at.offset));
                    }
                    rows += page.items.len();
                    assert!(places.is_sorted_by(|one, other| one > other), "{what}: out of order");
                    before = page.next;
                    if before.is_none() {
                        break;
                    }
                }
                fewer |= !unread && rows < self.visible(&viewer, next);
            }
            let mut from = Position { epoch: EPOCH, next: Vector::new(vec![0]) };
            while let Missed::Page { rows, through } =
                store.missed(Arc::clone(&viewer), from.clone(), Most { items: 50, bytes: 1 << 20 }).await?
            {
                for stored in &rows {
                    assert!(self.has(stored, &viewer), "{what}: {:?} is none of his", stored.at);
                }
                assert!(rows.iter().map(|stored| stored.at.offset).is_sorted_by(|one, other| one < other), "{what}");
                if through == from.next {
                    break;
                }
                from.next = through;
            }
            store.unread(Arc::clone(&viewer)).await?;
        }
        Ok((next, fewer))
    }
}

/// As SQLite itself sees it, when it looks at everything.
fn is_sound(path: &Path) -> bool {
    let connection = Connection::open(path).unwrap();
    let said = connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
    said.is_ok_and(|said| said == "ok")
}

fn flipped(bytes: &[u8], dice: &mut fastrand::Rng) -> (String, Vec<u8>) {
    let (at, bit) = (dice.usize(..bytes.len()), dice.u8(..8));
    let mut flipped = bytes.to_vec();
    flipped[at] ^= 1 << bit;
    (format!("bit {bit} of byte {at}"), flipped)
}

#[test]
fn fault_40_a_flipped_bit_is_an_error_or_shows_nobody_what_is_not_his() {
    let original = original();
    let mut seen = Seen::default();
    original.judge("untouched", &original.bytes, None, &mut seen);
    let (file, wal) = &original.open;
    original.judge("untouched, with what is beside it", file, Some(wal), &mut seen);
    assert_eq!((seen.right, seen.refused, seen.fewer), (2, 0, 0), "the file itself is whole");
    let mut dice = fastrand::Rng::with_seed(40);
    for _ in 0..200 {
        let (what, flipped) = flipped(&original.bytes, &mut dice);
        original.judge(&what, &flipped, None, &mut seen);
    }
    // Most of a file is room, and what is not in these answers.
    assert!(seen.refused > 20 && seen.refused > seen.fewer, "{seen:?}");
    let mut seen = Seen::default();
    for _ in 0..50 {
        let (what, flipped) = flipped(wal, &mut dice);
        original.judge(&what, file, Some(&flipped), &mut seen);
    }
    // What is beside the file ends where it is damaged: the recorder begins again there.
    assert_eq!((seen.refused, seen.fewer), (0, 0), "{seen:?}");
    assert!(seen.behind > 10, "{seen:?}");
}

#[test]
fn fault_40_a_file_cut_short_is_an_error_or_begins_anew() {
    let original = original();
    let mut seen = Seen::default();
    let mut dice = fastrand::Rng::with_seed(41);
    for _ in 0..30 {
        let at = dice.usize(1..original.bytes.len() - 1);
        original.judge(&format!("cut at {at}"), &original.bytes[..at], None, &mut seen);
    }
    assert_eq!((seen.refused, seen.right), (30, 0), "{seen:?}");
    let path = original.folder.path().join("empty.db");
    fs::write(&path, b"").unwrap();
    let store = Sqlite::open(&path).unwrap();
    block_on(async { assert_eq!(store.recorded(EPOCH).await, Ok(Vec::new()), "everything is read again") });
}

#[test]
fn what_is_not_ours_is_not_touched() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("text"), "not a database, but long enough to be taken for one: ".repeat(200)).unwrap();
    let make = |name: &str, statements: &str| Connection::open(path(name)).unwrap().execute_batch(statements).unwrap();
    make("other", "CREATE TABLE guests (name TEXT); INSERT INTO guests VALUES ('홍길동');");
    make("numbered", "CREATE TABLE guests (name TEXT); PRAGMA user_version = 1;");
    make("somebodys", "CREATE TABLE guests (name TEXT); PRAGMA user_version = 1; PRAGMA application_id = 7;");
    make("newer", "CREATE TABLE more (name TEXT); PRAGMA user_version = 2; PRAGMA application_id = 0x416c6c6d;");
    let said = |name: &str| {
        let before = fs::read(path(name)).unwrap();
        let said = Sqlite::open(&path(name)).err().unwrap_or_else(|| panic!("{name} was opened"));
        assert_eq!(fs::read(path(name)).unwrap(), before, "{name}");
        said
    };
    assert!(matches!(said("text"), Trouble::Damaged(why) if why.contains("not a database")));
    for name in ["other", "numbered", "somebodys"] {
        assert!(matches!(said(name), Trouble::Ill(why) if why.contains("something else")), "{name}");
    }
    assert!(matches!(said("newer"), Trouble::Ill(why) if why.contains("newer allim (version 2")));
}

#[test]
fn an_entry_that_leads_to_somebody_elses_row_is_damage() {
    let his = operator(70, &[10]);
    for damage in [
        "UPDATE entry SET term = 'mall:10' WHERE term = 'mall:1'",
        "UPDATE entry SET number = 1 WHERE term = 'mall:10'",
        "UPDATE entry SET mall = NULL WHERE term = 'mall:10'",
        "UPDATE entry SET at = at + 1 WHERE term = 'mall:10'",
        "UPDATE notification SET audience = 'everyone'",
        "UPDATE notification SET severity = 4",
        "UPDATE notification SET value = CAST('{}' AS BLOB)",
        "DELETE FROM notification",
    ] {
        let folder = folder();
        let path = folder.path().join("timeline.db");
        let store = Sqlite::open(&path).unwrap();
        block_on(async {
            write(&store, vec![row(0, "mall:1", Some(1)), row(1, "mall:10", Some(10))]).await.unwrap();
            assert!(Connection::open(&path).unwrap().execute(damage, []).unwrap() > 0, "{damage}");
            let listed = store.list(Arc::clone(&his), Filter::default(), None, 10).await;
            assert!(matches!(listed, Err(Trouble::Damaged(_))), "{damage}: {listed:?}");
            let from = Position { epoch: EPOCH, next: Vector::new(vec![0]) };
            let replayed = store.missed(Arc::clone(&his), from, Most { items: 9, bytes: 999 }).await;
            assert!(matches!(replayed, Err(Trouble::Damaged(_))), "{damage}: {replayed:?}");
            let counted = store.unread(Arc::clone(&his)).await;
            assert!(matches!(counted, Err(Trouble::Damaged(_))), "{damage}: {counted:?}");
        });
    }
}

#[test]
fn fault_41_a_file_has_one_server() {
    let folder = folder();
    let path = folder.path().join("timeline.db");
    let held = lock(&path).unwrap();
    assert!(lock(&path).unwrap_err().contains("another allim records into"));
    drop(held);
    assert!(lock(&path).is_ok());
}
