//! A round of the demo's shop, without waiting for it: what happens when, and who hears of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use allim::{
    demo::{
        accounts,
        mall::{
            events,
            exports::Export,
            timeline::{MOST_EXPORTS, ROUND, Timeline, What},
        },
    },
    http::Pace,
    ingest::{Decoder, RawRecord},
    notification::{Catalogue, Coordinates, Epoch, Notification, Prepared, Sight, Viewer},
};
use jiff::Timestamp;

const BIRTH: i64 = 1_795_000_000;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// All that happens until then, and when.
fn play(timeline: &mut Timeline, until: Duration) -> Vec<(Duration, What)> {
    let mut played = Vec::new();
    while let Some(at) = timeline.next().filter(|at| *at <= until) {
        played.extend(timeline.due(at).into_iter().map(|what| (at, what)));
    }
    played
}

/// As a node would understand the record.
fn published(what: &What, at: Duration) -> Notification {
    let now = Timestamp::from_second(BIRTH + i64::try_from(at.as_secs()).unwrap()).unwrap();
    let record = events::of(what, now).record("id", now);
    let decoder = Decoder {
        catalogue: Catalogue::builtin(),
        legacy_text: true,
        type_prefix: "kr.co.shopby.".into(),
        max_record_bytes: 262_144,
    };
    let headers = record.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes()))).collect();
    let coordinates = Coordinates { epoch: Epoch(0), partition: 0, offset: 0 };
    let key = record.key.as_deref().map(str::as_bytes);
    decoder.decode(&RawRecord { coordinates, timestamp: now, key, headers, value: Some(&record.value) }).unwrap()
}

fn who(notification: &Notification) -> BTreeSet<u64> {
    let sees = |viewer: &Viewer| notification.audience.includes(viewer, notification.mall);
    accounts::viewers().iter().filter(|viewer| sees(viewer)).map(|viewer| viewer.admin.get()).collect()
}

fn set(numbers: &[u64]) -> BTreeSet<u64> {
    numbers.iter().copied().collect()
}

#[test]
fn a_calm_round_tells_each_thing_to_whom_it_concerns() {
    let mut timeline = Timeline::new(BIRTH);
    timeline.go(Pace::Calm, seconds(7));
    let played = play(&mut timeline, seconds(7) + ROUND - Duration::from_millis(1));
    assert!(
        matches!(played[0], (at, What::Order { mall: 1001, .. }) if at == seconds(7)),
        "the first order comes at once"
    );

    let operators = set(&[70_001, 70_002, 70_010]);
    let and = |partner: u64| operators.iter().copied().chain([partner]).collect::<BTreeSet<u64>>();
    let everybody: BTreeSet<u64> = accounts::viewers().iter().map(|viewer| viewer.admin.get()).collect();
    let mut count = BTreeMap::new();
    for (at, what) in &played {
        let notification = published(what, *at);
        let kind = notification.type_name.to_string();
        let sees = who(&notification);
        let expected = match kind.as_str() {
            "order.created" => None,
            "claim.requested" | "claim.status_changed" | "product.approval.approved" => Some(and(80_501)),
            "product.inquiry.created" => Some(and(80_502)),
            "notice.published" => Some(everybody.clone()),
            excel if excel.starts_with("excel.") => Some(set(&[70_001])),
            _ => Some(operators.clone()),
        };
        match expected {
            Some(expected) => assert_eq!(sees, expected, "{kind}"),
            None if sees.contains(&70_001) => assert!(sees.is_superset(&operators) && !sees.contains(&70_003)),
            None => assert!(sees.is_superset(&set(&[70_003, 70_010])) && !sees.contains(&70_002)),
        }
        let catalogue = Catalogue::builtin();
        assert_eq!(catalogue.knows(&kind), kind != "stock.recounted", "{kind}");
        let prepared = Prepared::new(&notification, &catalogue).unwrap();
        for viewer in accounts::viewers().iter().filter(|viewer| sees.contains(&viewer.admin.get())) {
            let wire = prepared.json(Sight::of(viewer, None));
            let wire: serde_json::Value = serde_json::from_str(&wire).unwrap();
            assert!(!wire["title"].as_str().unwrap().contains(&kind), "it has words of its own: {wire}");
        }
        *count.entry(kind).or_insert(0) += 1;
    }
    let orders = count.remove("order.created").unwrap();
    assert!((34..=38).contains(&orders), "{orders}");
    assert_eq!(count.remove("excel.export.progress"), Some(5));
    assert_eq!(count.len(), 12, "{count:?}");
    assert!(count.values().all(|times| *times == 1), "{count:?}");
    for partner in [80_501, 80_502] {
        let of_orders = played.iter().filter(|(_, what)| matches!(what, What::Order { .. }));
        let seen = of_orders.filter(|(at, what)| who(&published(what, *at)).contains(&partner)).count();
        assert!((5..orders).contains(&seen), "{partner} sees {seen} of {orders}");
    }
}

#[test]
fn every_run_is_the_same_and_every_third_export_fails() {
    let run = || {
        let mut timeline = Timeline::new(BIRTH);
        timeline.go(Pace::Calm, Duration::ZERO);
        play(&mut timeline, ROUND * 3)
    };
    assert_eq!(run(), run());
    let mut ends: Vec<String> = Vec::new();
    for (at, what) in run() {
        let notification = published(&what, at);
        let kind = &*notification.type_name;
        if ["excel.export.completed", "excel.export.failed"].contains(&kind) {
            ends.push(kind.rsplit('.').next().unwrap().to_owned());
        }
        if let (What::Export { export, .. }, "excel.export.completed") = (&what, kind) {
            assert!(Export::file(&export.name(), 70_001).is_some());
        }
    }
    assert_eq!(ends, ["completed", "completed", "failed"]);
}

#[test]
fn so_many_exports_of_one_operator_are_under_way_and_no_more() {
    let mut timeline = Timeline::new(BIRTH);
    for _ in 0..MOST_EXPORTS {
        assert!(timeline.export(70_001, 1001, Duration::ZERO).is_some());
    }
    assert!(timeline.export(70_001, 1001, Duration::ZERO).is_none());
    assert!(timeline.export(70_003, 1002, Duration::ZERO).is_some(), "another has not asked yet");
    let said = play(&mut timeline, seconds(1_000));
    assert_eq!(said.len(), (MOST_EXPORTS + 1) * 7);
    assert!(timeline.export(70_001, 1001, seconds(1_000)).is_some(), "they have ended");
}

#[test]
fn a_rush_is_five_hundred_orders_in_ten_seconds_beside_what_goes_on() {
    let mut timeline = Timeline::new(BIRTH);
    timeline.go(Pace::Busy, Duration::ZERO);
    let rush =
        |played: &[(Duration, What)]| played.iter().filter(|(_, what)| matches!(what, What::Rush { .. })).count();
    let first = play(&mut timeline, Duration::from_millis(999));
    assert_eq!(rush(&first), 50);
    let played = play(&mut timeline, seconds(20));
    assert_eq!((rush(&played), timeline.pace()), (450, Pace::Calm));
    assert!(played.iter().any(|(_, what)| matches!(what, What::Export { .. })), "the export goes on");

    // Off: nothing but what an export still has to say.
    let mut timeline = Timeline::new(BIRTH);
    timeline.go(Pace::Busy, Duration::ZERO);
    play(&mut timeline, seconds(6));
    timeline.go(Pace::Off, seconds(6));
    let rest = play(&mut timeline, seconds(1_000));
    assert_eq!(rest.len(), 1 + 5 + 1 - 1, "queued was said: {rest:?}");
    assert!(rest.iter().all(|(_, what)| matches!(what, What::Export { .. })));
    timeline.go(Pace::Calm, seconds(1_000));
    assert_eq!(timeline.next(), Some(seconds(1_000)), "again at once");
}
