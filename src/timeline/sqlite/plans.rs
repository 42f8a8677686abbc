//! How SQLite goes about what we ask of it: by the named index, never through everything, never sorting.

use rusqlite::Connection;

use super::{list, purge, read_state, replay, rows};

/// What is asked, and by which index.
const ASKED: [(&str, &[&str]); 16] = [
    (list::OF_A_TERM, &["SEARCH entry USING PRIMARY KEY (term=? AND"]),
    (
        replay::OF_A_PARTITION,
        &[
            "SEARCH entry USING COVERING INDEX entry_by_offset (term=? AND epoch=? AND partition=? AND offset>? AND offset<?)",
        ],
    ),
    (
        read_state::UNREAD_OF_A_PARTITION,
        &["SEARCH entry USING COVERING INDEX entry_by_offset (term=? AND epoch=? AND partition=? AND offset>?)"],
    ),
    (replay::PURGED, &["SEARCH horizon USING PRIMARY KEY (epoch=? AND partition=?)"]),
    (replay::LOST, &["SEARCH hole USING PRIMARY KEY (epoch=? AND partition=? AND start<?)"]),
    (rows::BY_NUMBER, &["SEARCH notification USING INTEGER PRIMARY KEY (rowid=?)"]),
    (read_state::BY_ID, &["SEARCH notification USING COVERING INDEX sqlite_autoindex_notification_1 (id=?)"]),
    (read_state::EXCEPTION, &["SEARCH exception USING PRIMARY KEY (operator=? AND id=?)"]),
    (read_state::EARLY, &["SEARCH exception USING COVERING INDEX exception_early_of (operator=?)"]),
    (
        read_state::MARKED_UNREAD,
        &[
            "SEARCH e USING COVERING INDEX exception_unread (operator=?)",
            "SEARCH n USING COVERING INDEX sqlite_autoindex_notification_1 (id=?)",
        ],
    ),
    (
        read_state::MARKED,
        &["SEARCH e USING PRIMARY KEY (operator=?)", "SEARCH n USING INDEX sqlite_autoindex_notification_1 (id=?)"],
    ),
    (purge::DUE, &["SEARCH notification USING INDEX notification_by_end (keep_until<?)"]),
    (
        purge::ENTRY,
        &["SEARCH entry USING PRIMARY KEY (term=? AND at=? AND epoch=? AND partition=? AND offset=? AND life=?)"],
    ),
    (purge::MARKS, &["SEARCH exception USING INDEX exception_by_id (id=?)"]),
    (purge::CAME, &["SEARCH exception USING PRIMARY KEY (operator=? AND id=?)", "exception_early (marked<?)"]),
    (purge::NEVER_CAME, &["SEARCH exception USING PRIMARY KEY (operator=? AND id=?)", "exception_early (marked<?)"]),
];
/// Those that SQLite must not go through from end to end: they grow for ever.
const LONG: [&str; 4] = ["entry", "notification", "exception", "dead_letter"];

fn plan(connection: &Connection, statement: &str) -> Vec<String> {
    let mut question = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
    // Unbound they are NULL, which the plan does not look at.
    let steps = question.raw_query().mapped(|row| row.get("detail"));
    steps.collect::<Result<_, _>>().unwrap()
}

fn is_long_way(step: &str) -> bool {
    step.contains("TEMP B-TREE") || LONG.iter().any(|table| step.starts_with(&format!("SCAN {table}")))
}

#[test]
fn every_question_goes_by_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let connection = super::open(&folder.path().join("timeline.db")).unwrap();
    for (statement, steps) in ASKED {
        let plan = plan(&connection, statement);
        for wanted in steps {
            assert!(plan.iter().any(|step| step.contains(wanted)), "{statement}\n{wanted}\n{plan:#?}");
        }
        assert!(!plan.iter().any(|step| is_long_way(step)), "{statement}\n{plan:#?}");
    }
    assert!(plan(&connection, "SELECT number FROM entry WHERE mall = 1").iter().any(|step| is_long_way(step)));
    assert!(plan(&connection, "SELECT number FROM notification ORDER BY type").iter().any(|step| is_long_way(step)));
}
