//! Event streams: exactly the frames that went in come out, whatever their texts, places and numbers are, for the tests'
//! strict reader and for that of `allim tail`.
//!
//! A seed is frames with `---` on a line between them; the first line of each names its kind and may have
//! `retry=milliseconds`, `raw` and offsets, which make its position; the rest is its text.
#![no_main]

use std::time::Duration;

use allim_fuzz::{
    deliver::sse::SSE,
    hub::{ByeReason, Coat, Frame, Kind},
    notification::{Epoch, Position, Vector},
    publish::{self, sse::Reader},
    reading::{by_the_letter, lines_as_unicode_has_them},
    strict::blocks::Event,
};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

const KINDS: [Kind; 8] = [
    Kind::Hello,
    Kind::Notification,
    Kind::Job,
    Kind::Gap,
    Kind::Status,
    Kind::Read,
    Kind::Beat,
    Kind::Bye(ByeReason::Restart),
];

struct Asked {
    frame: Frame,
    /// Given as it is, and not within JSON: no caller does that, and it may break no frame either.
    raw: bool,
}

fn asked(block: &str) -> Asked {
    let (first, text) = block.split_once('\n').unwrap_or((block, ""));
    let mut words = first.split(' ');
    let name = words.next().unwrap_or_default();
    let kind = KINDS.into_iter().find(|kind| kind.name() == name).unwrap_or(Kind::Notification);
    let (mut offsets, mut retry, mut raw) = (Vec::new(), None, false);
    for word in words {
        if let Some(number) = word.strip_prefix("retry=") {
            retry = number.parse().ok().map(Duration::from_millis);
        } else if word == "raw" {
            raw = true;
        } else if let Ok(offset) = word.parse() {
            offsets.push(offset);
        }
    }
    let next = Vector::new(offsets);
    let position = (next.partitions() > 0).then(|| Position { epoch: Epoch(7), next }.to_string());
    let body = if raw { text.to_owned() } else { json!({"title": text, text: [text]}).to_string() };
    Asked { frame: Frame { kind, position, body: body.into(), retry }, raw }
}

fn expected(frame: &Frame) -> Event {
    let data = std::str::from_utf8(&frame.body).expect("UTF-8").replace(['\n', '\r'], " ");
    let data = data.replace('\u{85}', "\\u0085").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    Event {
        name: if frame.kind == Kind::Notification { "message" } else { frame.kind.name() }.to_owned(),
        data,
        id: frame.position.clone(),
        retry: frame.retry.and_then(|retry| u64::try_from(retry.as_millis()).ok()),
    }
}

/// The reader of `allim tail` hears the same, in whatever pieces the bytes come.
fn heard_by_our_client(stream: &[u8], pieces_of: usize) -> Vec<Event> {
    let mut reader = Reader::default();
    let heard = stream.chunks(pieces_of).flat_map(|piece| reader.read(piece).expect("no line is too long"));
    let event = |event: publish::sse::Event| Event {
        name: if event.name.is_empty() { "message".to_owned() } else { event.name },
        data: event.data,
        id: event.id,
        retry: event.retry_ms,
    };
    heard.map(event).collect()
}

/// The same event; for who reads JSON the same JSON, however it is written.
fn is(event: &Event, expected: &Event, raw: bool) -> bool {
    let data = if raw { event.data == expected.data } else { event.json() == expected.json() };
    data && (&event.name, &event.id, event.retry) == (&expected.name, &expected.id, expected.retry)
}

fuzz_target!(|seed: &[u8]| {
    let seed = String::from_utf8_lossy(seed);
    let asked: Vec<Asked> = seed.split("\n---\n").map(asked).collect();
    let mut stream = Vec::new();
    for Asked { frame, raw } in &asked {
        let dressed = SSE.dress(frame).body;
        let body = SSE.body(frame.kind, &frame.body, frame.retry);
        let head = SSE.head(frame.kind, frame.position.as_deref(), &body);
        assert_eq!([head, body].concat(), dressed, "live and catching up differ");
        let fields = [frame.position.is_some(), frame.kind != Kind::Notification, frame.retry.is_some()];
        let lines = 2 + fields.into_iter().filter(|there| *there).count();
        let text = std::str::from_utf8(&dressed).expect("UTF-8");
        assert!(*raw || lines_as_unicode_has_them(text) == lines, "a text ends a line: {text:?}");
        stream.extend_from_slice(&dressed);
    }
    let events = by_the_letter(&stream);
    assert_eq!(events.len(), asked.len(), "{events:?}");
    assert_eq!(heard_by_our_client(&stream, 1 + seed.len() % 64), events);
    for (event, Asked { frame, raw }) in events.iter().zip(&asked) {
        assert!(is(event, &expected(frame), *raw), "{event:?} instead of {:?}", expected(frame));
    }
});
