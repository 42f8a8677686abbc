//! Trouble with the store, with records and with processes: the kept way stops, says so, heals, and loses nothing.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use crate::harness::{
    Accounts, Kafka, Listener, Publisher, Server,
    accounts::token,
    inbox::{Held, Inbox, file, tool},
    program::cannot,
    topics, until,
};

async fn stored(server: &Server) -> f64 {
    server.metric("allim_timeline_rows_total{outcome=\"stored\"}").await
}

/// Killed at twenty moments in the middle of its writing; each time it goes on from where its file is.
#[tokio::test(flavor = "multi_thread")]
async fn fault_42_killed_twenty_times_while_it_writes_the_timeline_has_each_once() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let kills: usize = crate::harness::apache::word("KILLS").and_then(|kills| kills.parse().ok()).unwrap_or(20);
    let env = [("ALLIM_TIMELINE_BATCH_ROWS", "7"), ("ALLIM_TIMELINE_BATCH_MILLISECONDS", "1")];
    let mut server = Server::start(&kafka, &accounts, &env).await;
    let publisher = Arc::new(Publisher::new(kafka.address));
    let token = token(7, &[1001], None, false);
    let publishing = tokio::spawn({
        let publisher = Arc::clone(&publisher);
        async move {
            for i in 0..kills * 40 {
                publisher.tell("mall:1001", "mall:1001", &format!("{i}")).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    });
    let mut dice = fastrand::Rng::with_seed(42);
    for _ in 0..kills {
        let written = stored(&server).await;
        until("it writes", async || publishing.is_finished() || stored(&server).await > written).await;
        tokio::time::sleep(Duration::from_micros(dice.u64(0..30_000))).await;
        server.signal("KILL");
        server.ended().await;
        server = server.again().await;
    }
    publishing.await.unwrap();
    let inbox = Inbox::of(&server, &token);
    inbox.has(kills * 40).await;
    assert_eq!(inbox.titles().await, publisher.in_order());
    let of_the_file: String = tool(&file(&server)).query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(of_the_file, "ok");
}

/// The file of yesterday is put back: what it lacks comes from Kafka by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_heals_from_kafka() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let mut server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let token = token(7, &[1001], None, false);
    let inbox = Inbox::of(&server, &token);
    inbox.page("").await;
    for i in 0..20 {
        publisher.tell("mall:1001", "mall:1001", &format!("{i}")).await;
    }
    inbox.has(20).await;
    let id = inbox.page("").await["items"][3]["notification"]["id"].as_str().unwrap().to_owned();
    inbox.reads(&[&id]).await;
    let backup = server.data.join("yesterday.sqlite");
    tool(&file(&server)).execute("VACUUM INTO ?", [backup.to_str().unwrap()]).unwrap();
    for i in 20..50 {
        publisher.tell("mall:1001", "mall:1001", &format!("{i}")).await;
    }
    inbox.has(50).await;
    server.signal("TERM");
    server.ended().await;
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", file(&server).display()));
    }
    std::fs::copy(&backup, file(&server)).unwrap();
    let server = server.again().await;
    let inbox = Inbox::of(&server, &token);
    inbox.has(50).await;
    assert_eq!(inbox.titles().await, publisher.in_order());
    assert_eq!(inbox.unread().await, 49, "what was marked before the backup stays");
}

/// Ten things that no text in a store may be: refused beforehand, parked, and the partition moves on.
#[tokio::test(flavor = "multi_thread")]
async fn fault_12_and_13_what_an_engine_would_refuse_is_one_dead_letter_each() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let inbox = Inbox::of(&server, &token(7, &[1001], None, false));
    inbox.page("").await;
    let with =
        |title: &str| format!(r#"{{"type":"test.happened","audience":"mall:1001","title":{title}}}"#).into_bytes();
    let bad: [Vec<u8>; 10] = [
        with(r#""a\u0000b""#),
        with(r#""\ud800""#),
        with("1e999"),
        with(&format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000))),
        with("\"\u{0}\""),
        [&with("\"x")[..], b"\xff\xfe", b"\"}"].concat(),
        br#"{"type":"test.happened","type":"other","audience":"mall:1001"}"#.to_vec(),
        [b"\xef\xbb\xbf", &with("\"bom\"")[..]].concat(),
        br#"{"type":"test.happened","audience":"mall:99999999999999999999"}"#.to_vec(),
        br#"{"type":"test.happened","audience":"mall:1001","mallNo":-1}"#.to_vec(),
    ];
    for (i, value) in bad.iter().enumerate() {
        publisher.raw(Some("mall:1001"), Some(value), &[]).await;
        publisher.tell("mall:1001", "mall:1001", &format!("good {i}")).await;
    }
    inbox.has(10).await;
    let file = tool(&file(&server));
    let count = || -> i64 { file.query_row("SELECT count(*) FROM dead_letter", [], |row| row.get(0)).unwrap() };
    assert_eq!(count(), 10, "each is parked, in the transaction of the place");
    let values: Vec<Vec<u8>> = {
        let mut all = file.prepare("SELECT value FROM dead_letter ORDER BY partition, \"offset\"").unwrap();
        all.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    assert_eq!(values, bad, "as they were");
    assert_eq!(inbox.titles().await, publisher.in_order());
}

/// One that the store will not have for what it is: found by halving, parked, and all others are there.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_refuses_is_parked_and_its_batch_is_written() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[("ALLIM_TIMELINE_BATCH_MILLISECONDS", "300")]).await;
    let publisher = Publisher::new(kafka.address);
    let inbox = Inbox::of(&server, &token(7, &[1001], None, false));
    inbox.page("").await;
    let tool = tool(&file(&server));
    tool.execute_batch(
        "CREATE TRIGGER will_not_have_it BEFORE INSERT ON notification WHEN new.type LIKE 'poison%' \
         BEGIN SELECT RAISE(ABORT, 'not this'); END",
    )
    .unwrap();
    for i in 0..60 {
        let name = if i % 20 == 7 { "poison.happened" } else { "test.happened" };
        publisher.json("one", &json!({"type": name, "audience": "mall:1001", "title": format!("{i}")})).await;
    }
    inbox.has(57).await;
    until("three are parked", async || {
        server.metric("allim_dead_letters_total{reason=\"refused_by_store\"}").await >= 3.0
    })
    .await;
    let reasons: Vec<(String, i64)> = {
        let mut all = tool.prepare("SELECT reason, \"offset\" FROM dead_letter ORDER BY \"offset\"").unwrap();
        all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let parked = |offset| ("refused_by_store".to_owned(), offset);
    assert_eq!(reasons, [parked(7), parked(27), parked(47)]);
}

/// What went from Kafka before it was recorded is a hole, and whoever crosses it is told.
#[tokio::test(flavor = "multi_thread")]
async fn fault_08_what_went_before_it_was_recorded_is_a_gap() {
    let (kafka, accounts) = (Kafka::with_partitions(1).await, Accounts::start().await);
    let mut server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let token = token(7, &[1001], None, false);
    let inbox = Inbox::of(&server, &token);
    publisher.tell("mall:1001", "a", "recorded").await;
    inbox.has(1).await;
    let before = inbox.page("").await["position"].as_str().unwrap().to_owned();
    server.signal("TERM");
    server.ended().await;
    for i in 0..5 {
        publisher.tell("mall:1001", "a", &format!("{i}")).await;
    }
    topics::delete_records(kafka.address, &[(0, 4)]).await;
    server = server.again().await;
    let inbox = Inbox::of(&server, &token);
    inbox.has(3).await;
    assert_eq!(inbox.titles().await, ["recorded", "3", "4"]);
    assert_eq!(server.metric("allim_timeline_holes_total").await, 1.0);
    let mut listener = Listener::open(server.address, &token, Some(&before)).await;
    listener.event("hello").await;
    assert_eq!(listener.event("gap").await.json()["reason"], "lost");
}

/// Two servers on one file: the second says so in one line and ends, also from another folder.
#[tokio::test(flavor = "multi_thread")]
async fn fault_41_a_second_server_on_one_file_ends_with_one_line() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let url = format!("sqlite:{}", file(&server).display());
    let mut second = Server::spawn_with(&kafka, &accounts, &[("ALLIM_DATABASE_URL", &url)]);
    assert_eq!(second.ended().await.code(), Some(1), "{}", second.log());
    until("it says why", async || second.log().contains("another allim")).await;
    let log = second.log();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("another allim records into") && log.contains("ALLIM_DATABASE_URL"), "{log}");
    assert_eq!(Inbox::of(&server, &token(7, &[1001], None, false)).page("").await["items"], json!([]));
}

/// SQLite would go on in a file that is gone, and lose with the process what it had said to be done.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_taken_away_is_written_no_more() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let mut server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let token = token(7, &[1001], None, false);
    let inbox = Inbox::of(&server, &token);
    publisher.tell("mall:1001", "a", "one").await;
    inbox.has(1).await;
    for suffix in ["", "-wal", "-shm"] {
        std::fs::remove_file(format!("{}{suffix}", file(&server).display())).unwrap();
    }
    let marking = inbox.post(&json!({ "ids": ["AAAAAAAAAAAAAAAAAAAAAA"] })).await;
    assert_eq!((marking.status, marking.json()["code"].as_str()), (503, Some("timeline_unavailable")));
    publisher.tell("mall:1001", "a", "two").await;
    until("it says so", async || server.log().contains("is not the file any more that was opened")).await;
    server.signal("TERM");
    server.ended().await;
    let server = server.again().await;
    Inbox::of(&server, &token).has(2).await;
    // By another name it is the same file.
    let link = server.data.join("link.sqlite");
    std::os::unix::fs::symlink(file(&server), &link).unwrap();
    let url = format!("sqlite:{}", link.display());
    let mut second = Server::spawn_with(&kafka, &accounts, &[("ALLIM_DATABASE_URL", &url)]);
    assert_eq!(second.ended().await.code(), Some(1), "{}", second.log());
    until("it says why", async || second.log().contains("another allim records into")).await;
}

/// Nothing is served from a file that is not what was written; the way back is said.
#[tokio::test(flavor = "multi_thread")]
async fn fault_40_a_damaged_file_is_refused_with_the_way_back() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let mut server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let token = token(7, &[1001], None, false);
    let inbox = Inbox::of(&server, &token);
    publisher.tell("mall:1001", "a", "one").await;
    publisher.tell("mall:1001", "a", "two").await;
    inbox.has(2).await;
    // A row that does not add up is never shown, and neither is what it was made into.
    tool(&file(&server)).execute("UPDATE notification SET audience = 'everyone' WHERE number = 1", []).unwrap();
    let answer = inbox.get("/timeline", &[]).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("timeline_damaged")), "{}", answer.body);
    until("it says what to do", async || server.log().contains("move the timeline's file away")).await;
    server.signal("TERM");
    server.ended().await;
    let path = file(&server);
    std::fs::write(&path, b"this is no database, whatever its name says, and it is longer than a header of one")
        .unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
    let url = format!("sqlite:{}", path.display());
    let mut second = Server::spawn_with(&kafka, &accounts, &[("ALLIM_DATABASE_URL", &url)]);
    assert_eq!(second.ended().await.code(), Some(1), "{}", second.log());
    until("it says why", async || second.log().contains("is damaged")).await;
    assert!(second.log().contains("Move it away"), "{}", second.log());
    // As it says.
    std::fs::remove_file(&path).unwrap();
    let server = server.again().await;
    Inbox::of(&server, &token).has(2).await;
}

/// The store cannot be written for a while: live goes on, nothing is forgotten, and all of it is there soon after.
#[tokio::test(flavor = "multi_thread")]
async fn fault_36_while_the_store_is_ill_live_goes_on_and_then_all_is_there() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let token = token(7, &[1001], None, false);
    let inbox = Inbox::of(&server, &token);
    inbox.page("").await;
    let mut listener = Listener::open(server.address, &token, None).await;
    listener.live().await;
    let held = Held::on(&server);
    for i in 0..100 {
        publisher.tell("mall:1001", "mall:1001", &format!("{i}")).await;
    }
    listener.hears("99").await;
    until("it says so", async || server.log().contains("nothing can be recorded")).await;
    assert_eq!(server.get("/readyz").await.0, 200, "nobody is sent away for it");
    let marking = inbox.post(&json!({ "ids": ["AAAAAAAAAAAAAAAAAAAAAA"] })).await;
    assert_eq!(
        (marking.status, marking.json()["code"].as_str()),
        (503, Some("timeline_unavailable")),
        "{}",
        marking.body
    );
    // What was there before can be read; a first sight cannot be written down, and is told so in time.
    assert_eq!(inbox.page("").await["items"], json!([]));
    let newcomer = Inbox::of(&server, &crate::harness::accounts::token(8, &[1001], None, false));
    let asked = std::time::Instant::now();
    let refused = newcomer.get("/timeline", &[]).await;
    assert_eq!(
        (refused.status, refused.json()["code"].as_str()),
        (503, Some("timeline_unavailable")),
        "{}",
        refused.body
    );
    assert!(refused.head.contains("retry-after") && asked.elapsed() < Duration::from_secs(10), "{}", refused.head);
    let mut second = Listener::open(server.address, &token, None).await;
    second.live().await;
    // Who is known needs nothing written, also not of a process that has just begun.
    let mut server = server;
    server.signal("KILL");
    server.ended().await;
    let server = server.again().await;
    assert_eq!(inbox.page("").await["items"], json!([]));
    until("it says so again", async || server.log().contains("nothing can be recorded")).await;
    held.let_go();
    inbox.has(100).await;
    assert_eq!(inbox.titles().await, publisher.in_order());
    assert_eq!(listener.story.gaps, [""; 0]);
    until("it says so", async || server.log().contains("well again")).await;
}

/// No room left: it stops, says so, what is there can be read, and it goes on when there is room.
#[tokio::test(flavor = "multi_thread")]
async fn fault_39_a_full_disk_stops_the_recorder_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small");
    std::fs::create_dir(&small).unwrap();
    let mount = |arguments: &[&str]| {
        std::process::Command::new("mount").args(arguments).status().is_ok_and(|status| status.success())
    };
    let shown = small.to_str().unwrap();
    if !mount(&["-t", "tmpfs", "-o", "size=2m", "none", shown]) {
        return cannot("a server on a full disk", "no tmpfs can be mounted here, which takes root");
    }
    let _unmount = Unmount(shown.to_owned());
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let url = format!("sqlite:{shown}/timeline.sqlite");
    let server =
        Server::start(&kafka, &accounts, &[("ALLIM_DATABASE_URL", &url), ("ALLIM_TIMELINE_BATCH_ROWS", "10")]).await;
    let publisher = Publisher::new(kafka.address);
    let token = token(7, &[1001], None, false);
    let inbox = Inbox::of(&server, &token);
    let mut listener = Listener::open(server.address, &token, None).await;
    listener.live().await;
    for i in 0..400 {
        publisher.tell_padded("mall:1001", "mall:1001", &format!("{i}"), 8_000).await;
    }
    listener.hears("399").await;
    until("it is full", async || server.metric("allim_timeline_well").await == 0.0).await;
    let there = inbox.all("limit=100").await.len();
    assert!((1..400).contains(&there), "{there} rows");
    assert!(server.log().contains("full"), "{}", server.log());
    assert!(mount(&["-o", "remount,size=64m", shown]));
    inbox.has(400).await;
    assert_eq!(inbox.titles().await, publisher.in_order());
}

struct Unmount(String);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").args(["-l", &self.0]).status();
    }
}

/// Order and rows are Kafka's: a clock that is an hour off changes nothing of a list, and nothing is purged for it.
#[tokio::test(flavor = "multi_thread")]
async fn fault_43_lists_go_by_kafkas_time() {
    let (kafka, accounts) = (Kafka::with_partitions(1).await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[("ALLIM_TIMELINE_PURGE_SECONDS", "1")]).await;
    let publisher = Publisher::new(kafka.address);
    let inbox = Inbox::of(&server, &token(7, &[1001], None, false));
    for i in 0..10 {
        // What the producer says of its own time decides nothing.
        let when = format!("2026-11-{:02}T00:00:00Z", 30 - i);
        let event =
            json!({"type": "test.happened", "audience": "mall:1001", "title": format!("{i}"), "occurredAt": when});
        publisher.json("a", &event).await;
    }
    inbox.has(10).await;
    let purged = server.metric("allim_timeline_purged_total").await;
    let titles: Vec<String> = (0..10).map(|i| i.to_string()).collect();
    assert_eq!((inbox.titles().await, purged), (titles, 0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_type_is_kept_as_long_as_it_says() {
    let (kafka, accounts) = (Kafka::with_partitions(1).await, Accounts::start().await);
    let folder = tempfile::tempdir().unwrap();
    let catalogue = folder.path().join("types.toml");
    let short = "[types.\"short.lived\"]\ncategory = \"system\"\nseverity = \"info\"\nretention = \"10m\"\n\
                 title = { ko = \"가\", en = \"a\" }\nfields = { plain = [\"a\"] }\n";
    std::fs::write(&catalogue, short).unwrap();
    let env = [("ALLIM_CATALOGUE", catalogue.to_str().unwrap()), ("ALLIM_TIMELINE_RETENTION_DAYS", "3")];
    let server = Server::start(&kafka, &accounts, &env).await;
    let publisher = Publisher::new(kafka.address);
    for name in ["short.lived", "test.happened"] {
        publisher.json("a", &json!({"type": name, "audience": "mall:1001", "title": name})).await;
    }
    Inbox::of(&server, &token(7, &[1001], None, false)).has(2).await;
    let tool = tool(&file(&server));
    let mut all = tool.prepare("SELECT keep_until - at FROM notification ORDER BY \"offset\"").unwrap();
    let kept: Vec<i64> = all.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(kept, [10 * 60 * 1000, 3 * 24 * 60 * 60 * 1000]);
}

/// Kept for as long as its type says; who comes back from before it went is told of a gap.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_long_enough_goes_and_is_a_gap() {
    let (kafka, accounts) = (Kafka::with_partitions(1).await, Accounts::start().await);
    let env = [("ALLIM_TIMELINE_PURGE_SECONDS", "1"), ("ALLIM_HUB_MEMORY_BYTES", "65536")];
    let server = Server::start(&kafka, &accounts, &env).await;
    let publisher = Publisher::new(kafka.address);
    let token = token(7, &[1001], None, false);
    let inbox = Inbox::of(&server, &token);
    let before = inbox.page("").await["position"].as_str().unwrap().to_owned();
    for i in 0..300 {
        publisher.tell_padded("mall:1001", "a", &format!("{i}"), 500).await;
    }
    inbox.has(300).await;
    let mut whole = Listener::open(server.address, &token, Some(&before)).await;
    whole.live().await;
    assert_eq!((whole.story.gaps.len(), whole.story.heard.len()), (0, 300));
    tool(&file(&server)).execute("UPDATE notification SET keep_until = 1 WHERE \"offset\" < 10", []).unwrap();
    until("ten are purged", async || server.metric("allim_timeline_purged_total").await == 10.0).await;
    let entries: i64 = tool(&file(&server)).query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).unwrap();
    assert_eq!((inbox.all("limit=100").await.len(), entries), (290, 290));
    let mut listener = Listener::open(server.address, &token, Some(&before)).await;
    assert_eq!(listener.event("hello").await.json()["recovered"], false);
    assert_eq!(listener.event("gap").await.json(), json!({"reason": "retention", "link": "/timeline"}));
}
