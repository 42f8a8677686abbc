//! One identity: the same wherever and however often the event arrives, another for every other event.

use std::collections::HashSet;

use allim::notification::{Coordinates, Epoch, NotificationId};
use serde_json::json;

use super::{coordinates, decode, decoder, raw};

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
