//! Once more, after mending: what was lost arrives, once, as what it was.

use std::{path::Path, process::Output, time::Duration};

use allim::notification::ORIGIN_HEADER;

use super::support::{Parked, Store, complaint, heard, too_large, well};
use crate::harness::{Accounts, Kafka, Listener, Server, accounts::token, kafka::Place, topics, until};

/// Plain text that a server with `ALLIM_LEGACY_TEXT=on` understands.
fn text(offset: u64, value: &str) -> Parked<'_> {
    let detail = "not JSON (line 1, column 1); plain text is read only with ALLIM_LEGACY_TEXT=on";
    Parked { reason: "bad_json", detail, partition: 1, offset, value: Some(value.as_bytes()), ..Parked::default() }
}

/// A server that understands it, and somebody who listens.
async fn mended(kafka: &Kafka) -> (Server, Listener) {
    let accounts = Accounts::start().await;
    let server = Server::start(kafka, &accounts, &[("ALLIM_LEGACY_TEXT", "on")]).await;
    let mut listener = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    listener.live().await;
    (server, listener)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_mended_arrives_once_as_what_it_was() {
    let kafka = Kafka::with_partitions(1).await;
    let (_server, mut listener) = mended(&kafka).await;
    let store = Store::new();
    // The third was redriven before, and its first place is another.
    let before = "00000000000000ff/3/2/77";
    let again = Parked { headers: vec![(ORIGIN_HEADER, Some(before.as_bytes()))], ..text(12, "0:all:셋") };
    // The header of the fourth is nobody's.
    let strange = Parked { headers: vec![(ORIGIN_HEADER, Some(b"7")), ("x", None)], ..text(13, "0:all:넷") };
    let letters = [text(10, "0:all:하나"), text(11, "0:all:둘"), again, strange];
    store.park(&letters);
    let said = store.redrives(kafka.address, &["redrive", "1", "3", "4"]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines, [1, 3, 4].map(|n| format!("redriven {n} to partition 0 at offset {}", (n - 1).max(0) - n / 3)));
    assert_eq!(store.redriven(), [(1, true), (2, false), (3, true), (4, true)]);
    // Twice is nothing, and again is nothing that anybody sees.
    let twice = store.redrives(kafka.address, &["redrive", "1"]);
    assert_eq!(twice, "1 was redriven before; --again sends it once more; it stays one notification\n");
    assert_eq!(topics::appended(kafka.address, 1).await, 3);
    store.redrives(kafka.address, &["redrive", "--again", "1"]);
    assert_eq!(topics::appended(kafka.address, 1).await, 4);
    let ids =
        [letters[0].place().id(), before.parse::<allim::notification::Origin>().unwrap().id(), letters[3].place().id()];
    let wanted: Vec<(String, String)> =
        ["하나", "셋", "넷"].iter().zip(ids).map(|(text, id)| ((*text).to_owned(), id.to_string())).collect();
    assert_eq!(heard(&mut listener, &kafka).await, wanted);
    assert!(store.says(&["list", "--limit", "1"]).contains("4 dead letters, 1 never redriven\n"));
    let none = complaint(store.command(Some(kafka.address), &["redrive", "2", "9"]).output().unwrap());
    assert!(none.contains("there is no dead letter 9"), "{none}");
    assert_eq!(store.redriven()[1], (2, false), "half of what was ordered was done");
}

/// Each in a process of its own, at once.
fn at_once(store: &Store, kafka: Place, times: usize, arguments: &[&str]) -> Vec<Output> {
    let started: Vec<_> = (0..times).map(|_| store.command(Some(kafka), arguments).spawn().unwrap()).collect();
    started.into_iter().map(|child| child.wait_with_output().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_terminals_at_once_redrive_each_once_in_order() {
    let kafka = Kafka::with_partitions(1).await;
    let (_server, mut listener) = mended(&kafka).await;
    let store = Store::new();
    let values: Vec<String> = (0..600).map(|n| format!("0:all:{n}")).collect();
    let letters: Vec<Parked<'_>> = (0..).zip(&values).map(|(n, value)| text(n, value)).collect();
    store.park(&letters);
    let other = Parked { reason: "no_audience", offset: 9_999, value: Some(b"0:all:other"), ..Parked::default() };
    store.park(&[other]);
    let said: Vec<String> =
        at_once(&store, kafka.address, 3, &["redrive", "--reason", "bad_json"]).into_iter().map(well).collect();
    let redriven = said.iter().flat_map(|said| said.lines()).filter_map(|line| line.strip_prefix("redriven "));
    let redriven: u32 = redriven.map(|rest| rest.split(' ').next().unwrap().parse::<u32>().unwrap()).sum();
    assert_eq!(redriven, 600, "{said:?}");
    assert_eq!(topics::appended(kafka.address, 1).await, 600);
    let mut heard: Vec<u32> =
        heard(&mut listener, &kafka).await.iter().map(|(text, _)| text.parse().unwrap()).collect();
    heard.sort_unstable();
    assert_eq!(heard, (0..600).collect::<Vec<u32>>());
    assert_eq!(store.redriven()[600], (601, false), "that was another reason");
    assert_eq!(store.redrives(kafka.address, &["redrive", "--reason", "bad_json"]), "there is nothing to redrive\n");
    let rest = store.redrives(kafka.address, &["redrive", "--all"]);
    assert!(rest.starts_with("redriven 601 to partition 0 at offset "), "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_kafka_is_away_nothing_counts_as_redriven() {
    let mut kafka = Kafka::alone(1).await;
    let store = Store::new();
    store.park(&[text(1, "0:all:one"), text(2, "0:all:two")]);
    kafka.go_away().await;
    let away = complaint(store.command(Some(kafka.address), &["redrive", "--all"]).output().unwrap());
    assert!(away.contains("no broker answers at"), "{away}");
    assert_eq!(store.redriven(), [(1, false), (2, false)]);
    kafka.come_back().await;
    assert_eq!(store.redrives(kafka.address, &["redrive", "--all"]).lines().count(), 2);
    assert_eq!(store.redriven(), [(1, true), (2, true)]);
    assert_eq!(topics::appended(kafka.address, 1).await, 2);
}

/// Brokers that fall silent in the middle: what they have and did not say is sent again, and nobody sees it twice.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_acknowledged_is_given_back_and_is_still_seen_once() {
    const ALL: u32 = 5_000;
    let mut kafka = Kafka::alone(1).await;
    let (_server, mut listener) = mended(&kafka).await;
    let store = Store::new();
    let values: Vec<String> = (0..ALL).map(|n| format!("0:all:{n}")).collect();
    store.park(&(0..).zip(&values).map(|(n, value)| text(n, value)).collect::<Vec<_>>());
    let child = store.command(Some(kafka.address), &["redrive", "--all"]).spawn().unwrap();
    let db = store.open();
    let begun = || db.query_row("SELECT count(redriven) FROM dead_letter", [], |row| row.get::<_, u32>(0)).unwrap() > 0;
    while !begun() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    kafka.freeze();
    let silent = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let silent = complaint(silent);
    assert!(silent.contains(" not redriven, from ") && silent.contains("still waiting: no broker answers"), "{silent}");
    let left = store.redriven().iter().filter(|(_, redriven)| !redriven).count();
    assert!(silent.contains(&format!("allim: {left} not redriven")), "{left} are left: {silent}");
    kafka.thaw();
    let said = store.redrives(kafka.address, &["redrive", "--all"]);
    assert_eq!(said, format!("redriven {left} of {left}\n"));
    let mut heard: Vec<u32> =
        heard(&mut listener, &kafka).await.iter().map(|(text, _)| text.parse().unwrap()).collect();
    heard.sort_unstable();
    assert_eq!(heard, (0..ALL).collect::<Vec<u32>>());
}

/// Taken already when it is refused: it is given back, and said.
#[tokio::test(flavor = "multi_thread")]
async fn what_kafka_refuses_is_given_back() {
    let kafka = Kafka::with_partitions(1).await;
    let store = Store::new();
    let huge = too_large();
    let huge = Parked { reason: "too_big", offset: 2, value: Some(&huge), ..Parked::default() };
    store.park(&[text(1, "0:all:one"), huge]);
    let refused = complaint(store.command(Some(kafka.address), &["redrive", "1", "2"]).output().unwrap());
    assert!(refused.contains("1 not redriven, from 2 on, and still waiting: the record is larger"), "{refused}");
    assert_eq!(store.redriven(), [(1, true), (2, false)]);
}

/// Whether this process has the file open.
fn has_open(pid: u32, file: &Path) -> bool {
    let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.flatten().any(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == file))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_writes_keeps_no_reader_waiting_and_is_waited_for() {
    let kafka = Kafka::with_partitions(1).await;
    let store = Store::new();
    store.park(&[text(1, "0:all:one")]);
    let writer = store.open();
    writer.execute_batch("BEGIN IMMEDIATE; UPDATE dead_letter SET sent = 1").unwrap();
    assert!(store.says(&["list"]).starts_with("1  "));
    let mut child = store.command(Some(kafka.address), &["redrive", "1"]).spawn().unwrap();
    until("it has begun", || async { has_open(child.id(), &store.path()) }).await;
    // Longer than it asks the brokers; were it not waiting by then, it would still not fail.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(child.try_wait().unwrap().is_none(), "it did not wait");
    assert_eq!(topics::appended(kafka.address, 1).await, 0, "sent before it was taken");
    writer.execute_batch("COMMIT").unwrap();
    assert!(well(child.wait_with_output().unwrap()).starts_with("redriven 1 to partition 0 at offset 0"));
}
