//! One identity: the same wherever and however often the event arrives, another for every other event.

use std::collections::HashSet;

use allim::notification::{Coordinates, Epoch, NotAnOrigin, NotificationId, ORIGIN_HEADER, Origin};
use serde_json::json;

use super::{coordinates, decode, decoder, raw, raw_with, with_legacy_text};

#[test]
fn a_repeat_is_the_same_wherever_it_stands() {
    let value = json!({"type": "zzz", "id": "1", "source": "/a", "mallNo": 1001, "audience": "everyone"}).to_string();
    let mut record = raw(value.as_bytes());
    let first = decoder().decode(&record).expect("a notification").id;
    record.coordinates = Coordinates { epoch: Epoch(8), partition: 0, offset: 0 };
    assert_eq!(decoder().decode(&record).expect("a notification").id, first);
}

#[test]
fn what_belongs_to_another_is_another() {
    let events = [
        json!({"type": "zzz", "id": "1", "source": "/a", "mallNo": 1001, "audience": "everyone"}),
        json!({"type": "zzz", "id": "1", "source": "/a", "mallNo": 1002, "audience": "everyone"}),
        json!({"type": "zzz", "id": "1", "source": "/a", "partnerNo": 1001, "audience": "everyone"}),
        json!({"type": "zzz", "id": "1", "source": "/a", "audience": "everyone"}),
        json!({"type": "zzz", "id": "1", "source": "/a", "audience": "mall:1003"}),
        json!({"type": "zzz", "id": "1", "source": "/a", "audience": "partner:1003"}),
        json!({"type": "zzz", "id": "1", "source": "/a1", "audience": "everyone"}),
        json!({"type": "zzz", "id": "11", "source": "/a", "audience": "everyone"}),
        json!({"type": "zzz", "id": "a1", "source": "/", "audience": "everyone"}),
        json!({"type": "zzz", "id": "1", "audience": "everyone"}),
        json!({"type": "zzz", "audience": "everyone"}),
    ];
    let ids: HashSet<NotificationId> = events.iter().map(|event| decode(event).expect("a notification").id).collect();
    assert_eq!(ids.len(), events.len());
}

#[test]
fn without_an_id_the_place_in_the_log_is_the_identity() {
    let id = NotificationId::of_coordinates;
    let ids = HashSet::from([
        id(coordinates(1)),
        id(coordinates(2)),
        id(Coordinates { epoch: Epoch(9), ..coordinates(1) }),
        id(Coordinates { partition: 4, ..coordinates(1) }),
        NotificationId::of_life(coordinates(1), 1),
    ]);
    assert_eq!(ids.len(), 5);
    assert_eq!(id(coordinates(1)), NotificationId::of_life(coordinates(1), 0));
}

#[test]
fn its_text_is_short_and_comes_back() {
    let id = NotificationId::of_coordinates(coordinates(1));
    let text = id.to_string();
    assert_eq!(text.len(), 22);
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
    assert_eq!(text.parse(), Ok(id));
    assert_eq!(serde_json::to_string(&id).expect("JSON"), format!("\"{text}\""));
    for bad in ["", "abc", &text[1..], &format!("{text}="), "!!!!!!!!!!!!!!!!!!!!!!"] {
        assert!(bad.parse::<NotificationId>().is_err(), "{bad}");
    }
}

/// The identity is stored: these must never change.
#[test]
fn it_stays_what_it_was() {
    let event = json!({"type": "zzz", "id": "1", "source": "/a", "mallNo": 1001, "audience": "everyone"});
    assert_eq!(decode(&event).expect("a notification").id.to_string(), "b0wuoPHkHQz4Om7WEAX9_w");
    assert_eq!(NotificationId::of_coordinates(coordinates(1)).to_string(), "E7h_7mJtGQgKI6v0-dRqAQ");
}

#[test]
fn a_redriven_record_is_what_it_was_where_it_stood_first() {
    let value = json!({"type": "zzz", "audience": "everyone"}).to_string();
    let id = |headers: &[(&str, &str)]| {
        decoder().decode(&raw_with(headers, Some(value.as_bytes()))).expect("a notification").id
    };
    let own = id(&[]);
    let first = Origin { at: coordinates(1), life: 2 };
    let said = first.to_string();
    assert_eq!((said.as_str(), said.parse()), ("0000000000000007/2/3/1", Ok(first)));
    assert_eq!(id(&[(ORIGIN_HEADER, &said)]), first.id());
    assert_eq!(id(&[("Allim-Origin", &said)]), first.id());
    // Plain text has no id of its own either.
    let text = raw_with(&[(ORIGIN_HEADER, &said)], Some(b"0:all:hello"));
    assert_eq!(with_legacy_text().decode(&text).expect("a notification").id, first.id());
    // What somebody else wrote there is nothing to go by.
    for bad in ["", "7/2/3/1", "0000000000000007/2/3", "0000000000000007/2/3/1/", "0000000000000007/02/3/1", " ", "/"] {
        assert_eq!(id(&[(ORIGIN_HEADER, bad)]), own, "{bad}");
        assert_eq!(bad.parse::<Origin>(), Err(NotAnOrigin), "{bad}");
    }
    for bad in ["0000000000000007/2/3/+1", "0000000000000007/2/-3/1", "000000000000000A/2/3/1"] {
        assert_eq!(bad.parse::<Origin>(), Err(NotAnOrigin), "{bad}");
    }
    assert_eq!(id(&[(ORIGIN_HEADER, &said), (ORIGIN_HEADER, &said)]), own, "twice is no answer");
    // The producer's own id is the same wherever the record stands.
    let value = json!({"type": "zzz", "id": "1", "source": "/a", "audience": "everyone"}).to_string();
    let with = decoder().decode(&raw_with(&[(ORIGIN_HEADER, &said)], Some(value.as_bytes())));
    assert_eq!(with.expect("a notification").id, decoder().decode(&raw(value.as_bytes())).expect("a notification").id);
}
