//! Killed while it writes, copied while it writes, purged while it is read: what was acknowledged is there, and whole.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use allim::{
    notification::{Position, Vector},
    timeline::{Filter, Missed, Missing, Most, Row, Sqlite, Store, lock},
};
use rusqlite::Connection;

use super::{
    cases::{ALL, EPOCH, block_on, operator, row, write},
    engines::folder,
    world::{is_same, time, whole_list},
};

const PIECE: u64 = 10;
/// Names the file for the writer that is to be killed.
const FILE: &str = "ALLIM_TEST_WRITES_INTO";

/// Writes piece after piece, says each time how far it is, and stops after so many.
async fn write_on(store: &dyn Store, pieces: u64, said: impl Fn(u64)) {
    let begins = store.recorded(EPOCH).await.unwrap().first().copied().flatten().map_or(0, |now| now.next);
    for piece in 0..pieces {
        let first = begins + piece * PIECE;
        write(store, (first..first + PIECE).map(|offset| row(offset, "mall:1", Some(1))).collect()).await.unwrap();
        said(first + PIECE);
    }
}

/// Everything until where it says it is: no row missing, none twice, each as it was written.
async fn is_whole(store: &dyn Store) -> u64 {
    let next = store.recorded(EPOCH).await.unwrap().first().copied().flatten().map_or(0, |now| now.next);
    let viewer = operator(7, &[1]);
    let position = store.unread(Arc::clone(&viewer)).await.unwrap().position;
    let listed = whole_list(store, &viewer, &Filter::default(), 100, position).await.unwrap();
    let rows: Vec<Row> = (0..next).rev().map(|offset| row(offset, "mall:1", Some(1))).collect();
    assert_eq!(listed.len(), rows.len());
    assert!(listed.iter().zip(&rows).all(|(listed, row)| is_same(&listed.stored, row)));
    next
}

/// By itself it writes a few pieces and looks at them; as a child of the next one it writes until it is killed.
#[test]
#[expect(clippy::disallowed_methods, reason = "who starts a child of this binary tells it so")]
fn a_writer_says_how_far_it_is() {
    block_on(async {
        if let Some(file) = std::env::var_os(FILE) {
            let _alone = lock(Path::new(&file)).unwrap();
            let store = Sqlite::open(Path::new(&file)).unwrap();
            write_on(&store, u64::MAX, |next| println!("\nkept {next}")).await;
        }
        let folder = folder();
        let store = Sqlite::open(&folder.path().join("timeline.db")).unwrap();
        write_on(&store, 7, |_| {}).await;
        assert_eq!(is_whole(&store).await, 7 * PIECE);
    });
}

#[test]
fn fault_42_what_was_acknowledged_before_a_kill_is_there() {
    let folder = folder();
    let file = folder.path().join("timeline.db");
    let mut dice = fastrand::Rng::with_seed(42);
    let mut before = 0;
    for _ in 0..20 {
        let this = std::env::current_exe().unwrap();
        let mut child = Command::new(this)
            .args(["timeline::crash::a_writer_says_how_far_it_is", "--exact", "--nocapture"])
            .env(FILE, &file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("kept ")?.parse().ok());
        let acknowledged: u64 = said.take(dice.usize(1..12)).last().expect("it writes");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(acknowledged > before, "it goes on where it was");
        block_on(async {
            let next = is_whole(&Sqlite::open(&file).unwrap()).await;
            assert!(next >= acknowledged, "{acknowledged} were acknowledged, and {next} are there");
            before = next;
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_made_while_it_writes_is_whole() {
    let folder = folder();
    let path = folder.path().join("timeline.db");
    let store = Sqlite::open(&path).unwrap();
    write_on(&store, 5, |_| {}).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writing = {
        let (store, stop) = (store.clone(), Arc::clone(&stop));
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                write_on(&store, 1, |_| {}).await;
            }
        })
    };
    let mut last = 0;
    for n in 0..10 {
        let copy = folder.path().join(format!("copy-{n}.db"));
        let (from, to) = (path.clone(), copy.clone());
        let copied = tokio::task::spawn_blocking(move || {
            Connection::open(from).unwrap().execute("VACUUM INTO ?", [to.to_str().unwrap()]).unwrap();
        });
        copied.await.unwrap();
        let restored = Sqlite::open(&copy).unwrap();
        let next = is_whole(&restored).await;
        assert!(next >= last && next >= 5 * PIECE, "{next} after {last}");
        last = next;
        // And it is one to go on with.
        write_on(&restored, 1, |_| {}).await;
        assert_eq!(is_whole(&restored).await, next + PIECE);
        drop(restored);
        fs::remove_file(&copy).unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    writing.await.unwrap();
    assert!(is_whole(&store).await >= last);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_45_who_reads_while_it_purges_gets_the_rows_or_a_gap() {
    const ROWS: u64 = 3_000;
    let folder = folder();
    let store = Sqlite::open(&folder.path().join("timeline.db")).unwrap();
    for first in (0..ROWS).step_by(500) {
        write(&store, (first..first + 500).map(|offset| row(offset, "mall:1", Some(1))).collect()).await.unwrap();
    }
    let (viewer, last) = (operator(7, &[1]), row(ROWS - 1, "mall:1", None).until);
    let purging = {
        let store = store.clone();
        // Some stay.
        let until = time(last.as_millisecond() - 50 * 1000);
        tokio::spawn(async move { while store.purge(until, 7).await.unwrap() > 0 {} })
    };
    let (mut replays, mut whole, mut dice) = (0, 0, fastrand::Rng::with_seed(45));
    while replays < 100 || !purging.is_finished() {
        replays += 1;
        // Every fourth begins where nothing is purged.
        let begins = if replays % 4 == 0 { ROWS - 40 } else { dice.u64(..ROWS) };
        let mut from = Position { epoch: EPOCH, next: Vector::new(vec![begins]) };
        loop {
            let page = Most { items: 40, bytes: 1 << 20 };
            match store.missed(Arc::clone(&viewer), from.clone(), page).await.unwrap() {
                Missed::Page { rows, through } => {
                    let offsets: Vec<u64> = rows.iter().map(|stored| stored.at.offset).collect();
                    assert_eq!(offsets, (from.next.get(0)..through.get(0)).collect::<Vec<u64>>());
                    from.next = through;
                }
                Missed::Gap { reason, .. } => {
                    assert_eq!(reason, Missing::Purged);
                    break;
                }
                Missed::Unknown => panic!("it is known"),
            }
            if from.next.get(0) == ROWS {
                whole += 1;
                break;
            }
        }
        let listed = store.list(Arc::clone(&viewer), Filter::default(), None, 100).await.unwrap();
        assert!(listed.items.len() >= 50, "the newest stay");
    }
    purging.await.unwrap();
    assert!(whole >= replays / 4, "{whole} of {replays} whole");
    let at_last = store.weigh(Arc::clone(&viewer), Position { epoch: EPOCH, next: Vector::new(vec![0]) }, ALL).await;
    assert!(matches!(at_last, Ok(Missed::Gap { reason: Missing::Purged, .. })), "{at_last:?}");
}
