//! What a list and a single one show of dead letters, and what they keep to themselves.

use std::{
    fs,
    io::{Read as _, Write as _},
    time::{Duration, Instant},
};

use allim::{ingest::Reason, notification::Unreadable as Why};
use serde_json::{Value, json};

use super::support::{Parked, Store, complaint};

/// Every reason that there is: a new one does not compile here until it stands in the list.
fn every_reason() -> Vec<&'static str> {
    use Reason::*;
    let all = [
        Tombstone,
        Empty,
        TooBig,
        BadHeader,
        BadCloudEvent,
        NoType,
        BadType,
        BadId,
        BadMall,
        NoAudience,
        BadAudience,
        LegacyUnaddressed,
        Unreadable(Why::NotUtf8),
        Unreadable(Why::Nul),
        Unreadable(Why::TooDeep),
        Unreadable(Why::DuplicateKey),
        Unreadable(Why::NumberRange),
        Unreadable(Why::NotAnObject),
        Unreadable(Why::BadMember("data")),
    ];
    for reason in all {
        match reason {
            Tombstone | Empty | TooBig | BadHeader | BadCloudEvent | NoType | BadType | BadId | BadMall => {}
            NoAudience | BadAudience | LegacyUnaddressed => {}
            Unreadable(Why::NotUtf8 | Why::Nul | Why::TooDeep | Why::DuplicateKey) => {}
            Unreadable(Why::NumberRange | Why::BadMember(_)) => {}
            Unreadable(Why::ByteOrderMark | Why::NotJson { .. } | Why::NotAnObject) => {}
        }
    }
    all.iter().map(|reason| reason.as_str()).chain(["refused_by_store"]).collect()
}

#[test]
fn every_reason_is_listed_in_words_with_the_newest_first_and_counted() {
    let store = Store::new();
    assert_eq!(store.says(&["list"]), "there are no dead letters\n");
    let reasons = every_reason();
    let parked = |(n, &reason)| Parked {
        reason,
        detail: "what the producer has to mend",
        partition: 2,
        offset: u64::try_from(n).unwrap(),
        key: Some(b"mall:1001"),
        value: Some(b"{}"),
        ..Parked::default()
    };
    let letters: Vec<Parked<'_>> = reasons.iter().enumerate().map(parked).collect();
    store.park(&letters);
    let said = store.says(&["list", "--limit", "100"]);
    let lines: Vec<&str> = said.lines().collect();
    for (n, reason) in reasons.iter().rev().enumerate() {
        let (number, offset) = (reasons.len() - n, reasons.len() - n - 1);
        let seconds = 33 + offset;
        let first = format!("{number}  2025-11-20 10:05:{seconds} +0900  partition 2 offset {offset}  key mall:1001");
        assert_eq!(lines[n * 3], first);
        let words = lines[n * 3 + 1].trim_start().strip_prefix(&format!("{reason}: ")).unwrap();
        assert!(words.contains(' ') && words != *reason, "{reason} is not said in words: {words}");
        assert!(said.contains(&format!("       1  {reason}: {words}; 1 never redriven\n")), "{said}");
    }
    assert!(said.contains(&format!("\n\n{0} dead letters, {0} never redriven\n", reasons.len())), "{said}");
    let two = store.says(&["list", "--limit", "2"]);
    assert!(two.starts_with(lines[..6].join("\n").as_str()) && two.contains("20 dead letters"), "{two}");
    let one = store.says(&["list", "--reason", "no_audience", "--json"]);
    let line: Value = serde_json::from_str(one.trim_end()).unwrap();
    assert_eq!(
        (&line["reason"], &line["offset"], &line["key"]),
        (&json!("no_audience"), &json!(9), &json!("mall:1001"))
    );
    assert_eq!(
        (&line["at"], &line["parkedAt"]),
        (&json!("2025-11-20T01:05:42.12Z"), &json!("2025-11-20T01:05:42.125Z"))
    );
    assert_eq!((&line["sentToDlt"], &line["redrivenAt"]), (&json!(false), &Value::Null));
    assert_eq!(store.says(&["list", "--reason", "nothing", "--json"]), "");
}

#[test]
fn values_are_masked_until_somebody_asks_and_steer_no_terminal_even_then() {
    let store = Store::new();
    let long = format!("{{\"memo\":\"{}\"}}", "가".repeat(200));
    let values: [&[u8]; 4] =
        ["{\"이름\":\"이영희\"}\u{1b}]0;owned\u{7}\n\u{202e}x".as_bytes(), b"\xff\xfe\x00", long.as_bytes(), b""];
    let key = "mall:1\n\u{1b}[2J".as_bytes();
    let parked = |(n, &value)| Parked {
        reason: "bad_json",
        detail: "not JSON",
        offset: u64::try_from(n).unwrap(),
        key: Some(key),
        value: Some(value),
        ..Parked::default()
    };
    let mut letters: Vec<Parked<'_>> = values.iter().enumerate().map(parked).collect();
    letters.push(Parked { reason: "tombstone", offset: 9, ..Parked::default() });
    store.park(&letters);
    let (masked, whole) = (store.says(&["list"]), store.says(&["list", "--values"]));
    for said in [&masked, &whole] {
        let steering = said.chars().find(|&letter| letter != '\n' && (letter.is_control() || letter == '\u{202e}'));
        assert_eq!(steering, None, "{said:?}");
        assert!(said.contains("key mall:1··[2J\n") && said.contains("no key\n    tombstone"), "{said}");
    }
    assert!(!masked.contains("이영희") && !masked.contains('가') && masked.contains("    {\"**\":\"***\"}·]*;*****··"));
    assert!(masked.contains("--values shows them"), "{masked}");
    assert!(whole.contains("    {\"이름\":\"이영희\"}·]0;owned···x\n"), "{whole}");
    let eighty = format!("    {{\"memo\":\"{}\n", "가".repeat(71));
    assert!(whole.contains(&eighty), "{whole}");
    let json = store.says(&["list", "--json"]);
    assert!(!json.contains("이영희") && json.lines().count() == 5, "{json}");
    assert!(store.says(&["list", "--json", "--values"]).contains("이영희"));
}

#[test]
fn one_is_shown_whole_and_json_has_its_every_byte() {
    let store = Store::new();
    let first = "00000000000000ff/0/2/77";
    let headers: Vec<(&str, Option<&[u8]>)> = vec![
        ("ce_type", Some(b"order.created")),
        ("ce_type", Some(b"\xff\x00")),
        ("trace\u{1b}[2J", Some(b"a\nb")),
        ("empty", None),
        ("allim-origin", Some(first.as_bytes())),
    ];
    let value = "{\"이름\":\n\t\"이영희\"}\u{1b}[31m".as_bytes();
    let letter = Parked {
        reason: "bad_header",
        detail: "twice",
        partition: 1,
        offset: 4711,
        key: Some(b"k"),
        headers,
        value: Some(value),
    };
    let binary = Parked { reason: "not_utf8", offset: 1, value: Some(b"\xff\x00"), ..Parked::default() };
    store.park(&[letter, binary]);
    let said = store.says(&["show", "1"]);
    let wanted = "number    1\n\
         written   2025-11-20 10:05:33 +0900, parked 2025-11-20 10:05:33 +0900\n\
         reason    bad_header: one of its headers stands there twice\n\
         detail    twice\n\
         place     partition 1, offset 4711   (allim-origin 0123456789abcdef/0/1/4711)\n\
         before    partition 2, offset 77   (allim-origin 00000000000000ff/0/2/77)\n\
         on -dlt   not yet\n\
         redriven  never\n\
         key       k\n\
         header    ce_type: order.created\n\
         header    ce_type: 2 bytes that are no text; --json has them\n\
         header    trace·[2J: a·b\n\
         header    empty: (none)\n\
         header    allim-origin: 00000000000000ff/0/2/77\n\
         value     29 bytes\n\
         {\"이름\":\n\t\"이영희\"}·[31m\n";
    assert_eq!(said, wanted);
    assert!(
        store.says(&["show", "2"]).ends_with("key       (none)\nvalue     2 bytes that are no text; --json has them\n")
    );
    let line: Value = serde_json::from_str(&store.says(&["show", "1", "--json"])).unwrap();
    assert_eq!(line["headersBase64"][1], json!(["ce_type", "/wA="]));
    assert_eq!(line["headersBase64"][3], json!(["empty", null]));
    assert_eq!((&line["origin"], &line["place"]), (&json!(first), &json!("0123456789abcdef/0/1/4711")));
    assert_eq!((&line["keyBase64"], &line["valueBytes"]), (&json!("aw=="), &Value::Null));
    let line: Value = serde_json::from_str(&store.says(&["show", "2", "--json"])).unwrap();
    assert_eq!((&line["valueBase64"], &line["keyBase64"]), (&json!("/wA="), &Value::Null));
    let missing = complaint(store.command(None, &["show", "3"]).output().unwrap());
    assert!(missing.contains("there is no dead letter 3; `allim dead-letters list` names them"), "{missing}");
}

#[test]
fn ten_thousand_are_listed_while_somebody_waits() {
    let store = Store::new();
    let value = format!("{{\"memo\":\"{}\"}}", "가".repeat(500));
    let parked = |n| Parked {
        reason: if n % 3 == 0 { "no_audience" } else { "bad_json" },
        detail: "not JSON (line 1, column 9)",
        partition: 1,
        offset: n,
        key: Some(b"mall:1001"),
        headers: vec![("content-type", Some(&b"application/json"[..]))],
        value: Some(value.as_bytes()),
    };
    store.park(&(0..10_000).map(parked).collect::<Vec<_>>());
    let quickest = |arguments: &[&str], lines: usize| {
        let once = || {
            let began = Instant::now();
            let said = store.says(arguments);
            assert_eq!(said.lines().filter(|line| line.contains("offset")).count(), lines);
            began.elapsed()
        };
        // The quickest of three: other work may fill the machine for a moment.
        (0..3).map(|_| once()).min().unwrap()
    };
    for (arguments, lines) in [
        (&["list", "--limit", "10000"][..], 10_000),
        (&["list", "--limit", "10000", "--json", "--values"], 10_000),
        (&["list", "--limit", "10000", "--reason", "no_audience"], 3_334),
    ] {
        let took = quickest(arguments, lines);
        // 0.7 s unoptimised on a quiet machine of two cores; this one may be full of others' work.
        assert!(took < Duration::from_secs(4), "{arguments:?} took {took:?}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let store = Store::new();
    let value = [b'x'; 400];
    let parked = |offset| Parked { reason: "bad_json", offset, value: Some(&value), ..Parked::default() };
    store.park(&(0..2_000).map(parked).collect::<Vec<_>>());
    let mut child = store.command(None, &["list", "--limit", "2000"]).spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 10]).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn what_cannot_be_read_is_said_in_one_line() {
    let store = Store::new();
    let said = |command: &mut std::process::Command| complaint(command.output().unwrap());
    let list = || store.command(None, &["list"]);
    let elsewhere = store.path().with_file_name("elsewhere.sqlite");
    let url = format!("sqlite:{}", elsewhere.display());
    let missing = said(list().env("ALLIM_DATABASE_URL", &url));
    assert!(missing.contains(&format!("there is no timeline at {}", elsewhere.display())), "{missing}");
    assert!(!elsewhere.exists(), "a file was made");
    let postgres = list().env("ALLIM_DATABASE_URL", "postgres://allim:hunter2@db/allim").output().unwrap();
    let (code, postgres) = (postgres.status.code(), String::from_utf8(postgres.stderr).unwrap());
    assert!(
        code == Some(78) && postgres.lines().count() == 1 && postgres.contains("PostgreSQL"),
        "{code:?} {postgres}"
    );
    assert!(!postgres.contains("hunter2"), "{postgres}");
    let nowhere = said(list().env("ALLIM_DATABASE_URL", "none"));
    assert!(nowhere.contains("there is no timeline, and so no dead letter: ALLIM_DATABASE_URL is none"), "{nowhere}");
    fs::write(&elsewhere, "a text that is no database, and long enough to be seen as none".repeat(20)).unwrap();
    let none = said(list().env("ALLIM_DATABASE_URL", &url));
    assert!(none.contains("is damaged (file is not a database)"), "{none}");
    fs::write(&elsewhere, "").unwrap();
    let empty = said(list().env("ALLIM_DATABASE_URL", &url));
    assert!(empty.contains("is no timeline of this version of allim"), "{empty}");

    // One page of it is not what was written.
    let parked = |offset| Parked { reason: "bad_json", offset, value: Some(b"{"), ..Parked::default() };
    store.park(&(0..500).map(parked).collect::<Vec<_>>());
    store.open().pragma_update(None, "journal_mode", "DELETE").unwrap();
    let mut bytes = fs::read(store.path()).unwrap();
    let half = bytes.len() / 2;
    (&mut bytes[half..half + 8192]).write_all(&[0xa5; 8192]).unwrap();
    fs::write(&elsewhere, &bytes).unwrap();
    let damaged = said(list().args(["--limit", "500"]).env("ALLIM_DATABASE_URL", &url));
    assert!(damaged.contains("is damaged (database disk image is malformed)"), "{damaged}");
}
