//! A store that is ill: nothing is lost and nothing is said that is not so; when it is well again everything is there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use allim::timeline::{Filter, Sqlite, Store, Trouble, Written};
use rusqlite::Connection;

use super::{
    cases::{EPOCH, operator, row, write},
    engines::folder,
    recording::{Recording, record},
};
use crate::harness::{program::cannot, until};

async fn listed(store: &dyn Store) -> usize {
    let (mut all, mut next) = (0, None);
    loop {
        let page = store.list(operator(7, &[1]), Filter::default(), next, 1_000).await.unwrap();
        all += page.items.len();
        next = page.next;
        if next.is_none() {
            return all;
        }
    }
}

#[tokio::test]
async fn a_store_that_another_connection_holds_is_ill_and_then_well() {
    let folder = folder();
    let path = folder.path().join("timeline.db");
    let store = Sqlite::open(&path).unwrap();
    write(&store, vec![row(0, "mall:1", None)]).await.unwrap();
    let somebody = Connection::open(&path).unwrap();
    somebody.execute_batch("BEGIN IMMEDIATE").unwrap();
    let written = write(&store, vec![row(1, "mall:1", None)]).await;
    assert!(matches!(&written, Err(Trouble::Ill(why)) if why.contains("locked")), "{written:?}");
    assert_eq!(listed(&store).await, 1, "reading goes on");
    somebody.execute_batch("ROLLBACK").unwrap();
    assert_eq!(write(&store, vec![row(1, "mall:1", None)]).await, Ok(Written { stored: 1, repeats: 0 }));
}

/// A place of so many megabytes, which is gone with it.
struct Small(PathBuf);

impl Small {
    /// None: this machine does not let us.
    fn mount(at: PathBuf, megabytes: u32) -> Option<Small> {
        fs::create_dir_all(&at).unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "allim-test"]).arg(&at).output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then(|| Small(at))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn fill(path: &Path) {
    let mut piece = 1 << 20;
    let mut filler = fs::File::create(path).unwrap();
    while piece > 0 {
        if std::io::Write::write_all(&mut filler, &vec![0; piece]).is_err() {
            piece /= 2;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_39_a_full_disk_stops_the_recorder_and_it_heals() {
    let folder = folder();
    let Some(small) = Small::mount(folder.path().join("small"), 24) else {
        return cannot("a full disk", "no tmpfs can be mounted here, which takes root");
    };
    let path = small.0.join("timeline.db");
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&path).unwrap());
    let mut recording = Recording::of(&store);
    recording.begin().await;
    recording.feed(0..20, |offset| record(offset, "notice.posted", 20_000)).await.unwrap();
    recording.is_at(20).await;
    fill(&small.0.join("filler"));
    let fed = recording.feed(20..200, |offset| record(offset, "notice.posted", 20_000));
    let well = || async { recording.metrics.timeline_well.get() };
    until("it is ill", || async { well().await == 0 }).await;
    let stands = store.recorded(EPOCH).await.unwrap()[0].unwrap().next;
    assert!((20..200).contains(&stands), "{stands}");
    assert_eq!(listed(&*store).await as u64, stands, "what is there can be read, and it is what it says");
    fs::remove_file(small.0.join("filler")).unwrap();
    fed.await.unwrap();
    recording.is_at(200).await;
    assert_eq!(recording.metrics.timeline_well.get(), 1);
    assert_eq!(listed(&*store).await, 200);
    let whole: String =
        Connection::open(&path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    recording.end().await;
    drop(store);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_refuses_is_parked_alone_and_the_others_are_kept() {
    let folder = folder();
    let path = folder.path().join("timeline.db");
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&path).unwrap());
    let by_hand = Connection::open(&path).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON notification WHEN NEW.type = 'bad' \
                  BEGIN SELECT RAISE(ABORT, 'not this one'); END";
    by_hand.execute_batch(refuse).unwrap();
    let mut bad = row(0, "mall:1", None);
    if let allim::ingest::Kept::Notification { notification, .. } = record(0, "bad", 9) {
        bad.notification = Arc::new(notification);
    }
    let refused = write(&*store, vec![row(1, "mall:1", None), bad]).await;
    assert!(matches!(&refused, Err(Trouble::Refused(why)) if why.contains("not this one")), "{refused:?}");
    assert_eq!(store.recorded(EPOCH).await, Ok(Vec::new()), "nothing of it is written");

    let mut recording = Recording::of(&store);
    recording.begin().await;
    let kind = |offset: u64| if [3, 77, 78, 119].contains(&offset) { "bad" } else { "good" };
    recording.feed(0..120, move |offset| record(offset, kind(offset), 10)).await.unwrap();
    recording.is_at(120).await;
    assert_eq!(listed(&*store).await, 116);
    let mut question =
        by_hand.prepare("SELECT \"offset\", reason, value FROM dead_letter ORDER BY \"offset\"").unwrap();
    let parked = question.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?))).unwrap();
    let parked: Vec<(i64, String, Vec<u8>)> = parked.map(Result::unwrap).collect();
    assert_eq!(parked.iter().map(|(offset, ..)| *offset).collect::<Vec<_>>(), [3, 77, 78, 119]);
    for (_, reason, value) in parked {
        assert_eq!(reason, "refused_by_store");
        assert!(value.starts_with(br#"{"type":"bad""#), "it is kept as it was");
    }
    recording.end().await;
}
