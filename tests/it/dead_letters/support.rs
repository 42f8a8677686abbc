//! A store with dead letters in it, and the command that works on it.

use std::{
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use allim::{
    config,
    notification::{Coordinates, Epoch, Origin},
    timeline::{Sqlite, dead_letters::write_headers},
};
use rusqlite::{Connection, params};
use tempfile::TempDir;

use crate::harness::{Kafka, Listener, Publisher, kafka::Place};

/// The log that the letters are from.
pub const EPOCH: Epoch = Epoch(0x0123_4567_89ab_cdef);
/// When Kafka stamped the first of them, and each a second later.
pub const AT: i64 = 1_763_600_733_120;

/// The folder of a server, which need not be there.
pub struct Store {
    folder: TempDir,
}

/// A record that was parked; its number follows from the order.
#[derive(Default, Clone)]
pub struct Parked<'l> {
    pub reason: &'l str,
    pub detail: &'l str,
    pub partition: usize,
    pub offset: u64,
    pub key: Option<&'l [u8]>,
    pub headers: Vec<(&'l str, Option<&'l [u8]>)>,
    pub value: Option<&'l [u8]>,
}

impl Parked<'_> {
    pub fn place(&self) -> Origin {
        Origin { at: Coordinates { epoch: EPOCH, partition: self.partition, offset: self.offset }, life: 0 }
    }
}

impl Store {
    pub fn new() -> Store {
        let store = Store { folder: tempfile::tempdir().unwrap() };
        drop(Sqlite::open(&store.path()).unwrap());
        store
    }

    /// Where a server will make one.
    pub fn of_a_server() -> Store {
        Store { folder: tempfile::tempdir().unwrap() }
    }

    pub fn folder(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("timeline.sqlite")
    }

    pub fn open(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    /// Parks them as a recorder does, in one transaction.
    pub fn park(&self, letters: &[Parked<'_>]) {
        let mut db = self.open();
        let all = db.transaction().unwrap();
        for (n, letter) in letters.iter().enumerate() {
            let at = AT + i64::try_from(n).unwrap() * 1000;
            all.prepare_cached(
                "INSERT INTO dead_letter (epoch, life, partition, \"offset\", at, parked, reason, detail, key, headers, value)
                 VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .unwrap()
            .execute(params![
                EPOCH.0.to_be_bytes(),
                i64::try_from(letter.partition).unwrap(),
                i64::try_from(letter.offset).unwrap(),
                at,
                at + 5,
                letter.reason,
                letter.detail,
                letter.key,
                write_headers(letter.headers.iter().copied()),
                letter.value,
            ])
            .unwrap();
        }
        all.commit().unwrap();
    }

    /// The numbers of those that have, or have not, been redriven.
    pub fn redriven(&self) -> Vec<(i64, bool)> {
        let db = self.open();
        let mut all = db.prepare("SELECT number, redriven IS NOT NULL FROM dead_letter ORDER BY number").unwrap();
        all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    }

    /// `allim dead-letters …`, towards these brokers.
    pub fn command(&self, kafka: Option<Place>, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_allim"));
        for (name, _) in config::environment() {
            command.env_remove(name);
        }
        if let Some(place) = kafka {
            command.env("ALLIM_KAFKA_BOOTSTRAP_SERVERS", place.to_string()).env("ALLIM_KAFKA_TOPIC", place.topic);
        }
        command.env("ALLIM_DATA_DIR", self.folder.path()).env("TZ", "Asia/Seoul").current_dir(self.folder.path());
        command.arg("dead-letters").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What it says where it goes well.
    pub fn says(&self, arguments: &[&str]) -> String {
        well(self.command(None, arguments).output().unwrap())
    }

    /// The same towards brokers.
    pub fn redrives(&self, kafka: Place, arguments: &[&str]) -> String {
        well(self.command(Some(kafka), arguments).output().unwrap())
    }
}

/// A value that goes to no broker.
pub fn too_large() -> Vec<u8> {
    vec![b'x'; 15_500_000]
}

pub fn well(output: Output) -> String {
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), err.as_str()), (Some(0), ""));
    String::from_utf8(output.stdout).unwrap()
}

/// The one line that it says where it does not.
pub fn complaint(output: Output) -> String {
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), err.lines().count()), (Some(1), 1), "{err}");
    err
}

/// Title and id of what came until the last, which is published now.
pub async fn heard(listener: &mut Listener, kafka: &Kafka) -> Vec<(String, String)> {
    Publisher::new(kafka.address).tell("everyone", "k", "the last").await;
    let mut heard = Vec::new();
    loop {
        let notification = listener.event("message").await.json();
        let text = |name: &str| notification[name].as_str().unwrap_or_default().to_owned();
        if text("title") == "the last" {
            return heard;
        }
        heard.push((text("title"), text("id")));
    }
}
