//! Positions: every one has exactly one text, short and safe, and nothing else is read.

use allim::notification::{Epoch, Position, Vector};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;

fn position(epoch: u64, next: Vec<u64>) -> Position {
    Position { epoch: Epoch(epoch), next: Vector::new(next) }
}

proptest! {
    #[test]
    fn what_is_written_is_read(epoch: u64, next in prop::collection::vec(0..=i64::MAX.unsigned_abs(), 0..40)) {
        let position = position(epoch, next);
        prop_assert_eq!(Position::decode(&position.to_string()), Ok(position));
    }

    #[test]
    fn sixteen_partitions_need_no_preflight(epoch: u64, next in prop::collection::vec(0..1_u64 << 35, 0..=16)) {
        let text = position(epoch, next).to_string();
        prop_assert!(text.len() <= 128, "{} characters", text.len());
        prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[A-Za-z0-9_-]{0,60}|\\PC{0,40}") {
        if let Ok(position) = Position::decode(&text) {
            prop_assert_eq!(position.to_string(), text);
        }
    }
}

#[test]
fn what_is_no_position() {
    let good = position(7, vec![1, 300, 5]).to_string();
    let bytes = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let with = |numbers: &[u8]| bytes(&[&[1, 0, 0, 0, 0, 0, 0, 0, 7], numbers].concat());
    let bad = [
        String::new(),
        " ".to_owned(),
        "0".to_owned(),
        "12345".to_owned(),
        "earliest".to_owned(),
        "null".to_owned(),
        "../../etc/passwd".to_owned(),
        "가나다".to_owned(),
        format!("{good}="),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{good}\0"),
        good.replace('A', "+"),
        good[..good.len() - 1].to_owned(),
        // Another version, no version, half an epoch.
        bytes(&[2, 0, 0, 0, 0, 0, 0, 0, 7, 1]),
        bytes(&[1]),
        bytes(&[1, 0, 0, 0]),
        // A number that does not end, one padded with zeros, one beyond Kafka's 63 bits.
        with(&[0x80]),
        with(&[0x81, 0x00]),
        with(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        // More partitions than any topic has.
        with(&[0; 4097]),
        "A".repeat(1_000_000),
    ];
    for text in bad {
        assert!(Position::decode(&text).is_err(), "{:?} is taken for a position", text.get(..40).unwrap_or(&text));
    }
}

#[test]
fn a_missing_partition_stands_at_its_beginning() {
    let position = Position::decode(&position(7, vec![4]).to_string()).expect("a position");
    assert_eq!((position.next.get(0), position.next.get(1), position.next.get(4000)), (4, 0, 0));
}
