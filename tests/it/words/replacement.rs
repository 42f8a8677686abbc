//! What replaces what: the table of `tests/replacement.json`, which a client in another language can be held to as well.

use allim::notification::{Catalogue, MallNo, State, Verdict, dates, event::Severity};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{example, plain, prepared};

const TABLE: &str = include_str!("../../replacement.json");

/// From a frame as a client has it: its kind, and the object in it.
fn state(frame: &Value) -> State {
    let object = &frame["data"];
    let date = |name: &str| object[name].as_str().map(|text| dates::read(text).expect("a date"));
    State {
        mall: object["mallNo"].as_u64().map(|number| MallNo::new(number).expect("a mall")),
        key: object["collapseKey"].as_str().map(str::to_owned),
        running: frame["event"] == "job",
        version: object["data"]["version"].as_u64(),
        occurred: date("occurredAt"),
        at: date("at").expect("every notification says `at`"),
        severity: serde_json::from_value(object["severity"].clone()).expect("a severity"),
    }
}

#[test]
fn the_table_holds() {
    let table: Value = serde_json::from_str(TABLE).expect("JSON");
    let rows = table["rows"].as_array().expect("rows");
    assert!(rows.len() >= 20);
    for row in rows {
        let expected = match (row["verdict"].as_str().expect("a verdict"), &row["unread"]) {
            ("another", Value::Null) => Verdict::Another,
            ("late", Value::Null) => Verdict::Late,
            ("replaces", Value::Bool(unread)) => Verdict::Replaces { unread: *unread },
            other => panic!("{other:?} in {}", row["why"]),
        };
        assert_eq!(state(&row["came"]).meets(&state(&row["shown"])), expected, "{}", row["why"]);
    }
}

/// What the server itself decides by is what a client has: of every type, rendered and read back.
#[test]
fn the_wire_says_all_that_the_rule_needs() {
    for type_name in Catalogue::builtin().types() {
        let prepared = prepared(&plain(&type_name, "everyone", &example(&type_name)));
        for sight in [super::operator(false, super::Lang::Ko), super::partner(501, false, super::Lang::En)] {
            let object: Value = serde_json::from_str(&prepared.json(sight)).expect("JSON");
            let event = if prepared.is_job() { "job" } else { "message" };
            let of_wire = state(&json!({"event": event, "data": object}));
            assert_eq!(of_wire, prepared.state(), "{type_name}");
        }
    }
}

fn any_state() -> impl Strategy<Value = State> {
    let second = |n: i64| dates::read("2026-11-20T05:00:00Z").expect("a date") + jiff::SignedDuration::from_secs(n);
    let severities = vec![Severity::Info, Severity::Notice, Severity::Critical];
    let fields = (any::<bool>(), prop::option::of(0..4_u64), prop::option::of(0..4_i64), 0..4_i64);
    (fields, prop::sample::select(severities)).prop_map(move |((running, version, occurred, at), severity)| State {
        mall: None,
        key: Some("job:1".to_owned()),
        running,
        version,
        occurred: occurred.map(second),
        at: second(at),
        severity,
    })
}

proptest! {
    /// Whatever order two states come in, the same one is shown in the end, unless they are of one moment.
    #[test]
    fn two_states_end_in_the_same(one in any_state(), other in any_state()) {
        match (one.meets(&other), other.meets(&one)) {
            (Verdict::Late, Verdict::Replaces { .. }) | (Verdict::Replaces { .. }, Verdict::Late) => {}
            (Verdict::Replaces { .. }, Verdict::Replaces { .. }) => {
                prop_assert_eq!(one.running, other.running);
                prop_assert!(one.version.is_none() || other.version.is_none() || one.version == other.version);
            }
            verdicts => prop_assert!(false, "{:?}", verdicts),
        }
    }

    #[test]
    fn no_running_state_comes_after_the_end(mut running in any_state(), mut end in any_state()) {
        (running.running, end.running) = (true, false);
        prop_assert_eq!(running.meets(&end), Verdict::Late);
        let replaces = matches!(end.meets(&running), Verdict::Replaces { .. });
        prop_assert!(replaces);
    }
}
