//! The catalogue: the built-in one is sound, and every mistake in another shows when it is loaded.

use allim::notification::{Audience, Catalogue, MallNo};
use serde_json::json;

use super::example;

#[test]
fn the_built_in_one_is_sound() {
    if let Err(error) = Catalogue::parse(include_str!("../../../src/notification/catalogue.toml")) {
        panic!("{}", error.complaints.join("\n"));
    }
    for type_name in [
        "excel.export.queued",
        "excel.export.progress",
        "excel.export.completed",
        "excel.export.failed",
        "excel.export.expired",
        "order.created",
        "claim.requested",
        "claim.status_changed",
        "inquiry.created",
        "product.approval.requested",
        "product.approval.approved",
        "product.approval.rejected",
        "product.inquiry.created",
        "fds.detected",
        "fds.resolved",
        "notice.published",
        "legacy.text",
    ] {
        assert!(Catalogue::builtin().knows(type_name), "{type_name}");
    }
}

#[test]
fn examples_find_their_audience_by_rule() {
    for (type_name, audience) in [
        ("excel.export.queued", "operator:70001"),
        ("excel.export.progress", "operator:70001"),
        ("excel.export.completed", "operator:70001"),
        ("excel.export.failed", "operator:70001"),
        ("excel.export.expired", "operator:70001"),
        ("order.created", "mall:1001,mall:1001:partner:501,mall:1001:partner:502"),
        ("claim.requested", "mall:1001,mall:1001:partner:501"),
        ("claim.status_changed", "mall:1001,mall:1001:partner:501"),
        ("inquiry.created", "mall:1001"),
        ("product.inquiry.created", "mall:1001,mall:1001:partner:501"),
        ("product.approval.requested", "mall:1001"),
        ("product.approval.approved", "mall:1001:partner:502"),
        ("product.approval.rejected", "mall:1001:partner:501"),
        ("fds.detected", "mall:1001"),
        ("fds.resolved", "mall:1001"),
    ] {
        let data = example(type_name);
        let found = Catalogue::builtin()
            .audience(type_name, MallNo::new(1001).ok(), data.as_object().expect("an object"))
            .map(|audience: Audience| audience.to_string());
        assert_eq!(found.as_deref(), Ok(audience), "{type_name}");
    }
}

#[test]
fn rules_never_fall_back_to_more_people() {
    let catalogue = Catalogue::builtin();
    let mall = MallNo::new(1001).ok();
    for (type_name, mall, data) in [
        ("notice.published", mall, json!({"title": "전체"})),
        ("zzz", mall, json!({"mallNo": 1001})),
        ("order.created", None, json!({"orderProductOptions": [{"partnerNo": 501}]})),
        ("excel.export.completed", mall, json!({"exportNo": "EX-1"})),
        ("excel.export.completed", mall, json!({"requestedBy": {"adminNo": null}})),
        ("excel.export.completed", mall, json!({"requestedBy": {"adminNo": "70001,everyone"}})),
        ("excel.export.completed", mall, json!({"requestedBy": {"adminNo": 0}})),
        ("excel.export.completed", mall, json!({"requestedBy": 70001})),
        ("product.approval.approved", mall, json!({})),
        ("claim.requested", mall, json!({"partnerNo": "501:x"})),
    ] {
        let audience = catalogue.audience(type_name, mall, data.as_object().expect("an object"));
        assert!(audience.is_err(), "{type_name} {data}: {audience:?}");
    }
}

/// One type with the given lines.
fn with(lines: &str) -> String {
    let all = [
        ("category", "category = \"order\""),
        ("severity", "severity = \"info\""),
        ("title", "title = { ko = \"가\", en = \"a\" }"),
        ("fields", "fields = { plain = [\"a\", \"b\"], personal = { c = \"name\" } }"),
    ];
    let defaults: Vec<&str> = all
        .iter()
        .filter(|(name, _)| !lines.lines().any(|line| line.starts_with(name)))
        .map(|(_, text)| *text)
        .collect();
    format!("[types.\"x.y\"]\n{}\n{lines}", defaults.join("\n"))
}

#[test]
fn a_minimal_one_is_sound() {
    for lines in [
        "",
        "title = { ko = [\"{{a}} 신청\", \"신청[[ ({{b}})]]\"], en = \"a\" }",
        "body = { ko = [\"{{a|won}}\", \"{{a|이가}} {{b|number}}\"], en = \"{{c}}\" }",
        "audience = [\"mall:{mallNo}\", \"operator:{a}?\"]",
        "collapseKey = \"x:{a}:{b}\"",
        "job = true\nsilent = true",
    ] {
        let text = with(lines);
        assert!(Catalogue::parse(&text).is_ok(), "{text}\n{:?}", Catalogue::parse(&text).err());
    }
}

#[test]
fn every_mistake_shows_when_it_is_loaded() {
    for (lines, words) in [
        ("colour = \"red\"", "colour"),
        ("severity = \"loud\"", "loud"),
        ("title = { ko = \"{{a}}\", en = \"a\" }", "without any field"),
        ("title = { ko = [], en = \"a\" }", "without any field"),
        ("title = { ko = \"\", en = \"a\" }", "reads \"\""),
        ("title = { ko = \"[[{{a}}]]\", en = \"a\" }", "reads \"\""),
        ("title = { ko = \"가: [[{{a}}]]\", en = \"a\" }", "without its groups"),
        ("title = { ko = \"가 [[{{a}}]] 나\", en = \"a\" }", "without its groups"),
        ("title = { ko = \"가[[ ]]\", en = \"a\" }", "never vanishes"),
        ("title = { ko = \"가[[ [[{{a}}]]]]\", en = \"a\" }", "inside a group"),
        ("title = { ko = \"가 {{a\", en = \"a\" }", "not closed"),
        ("title = { ko = \"가 a}}\", en = \"a\" }", "not opened"),
        ("title = { ko = \"가\" }", "en"),
        ("body = { ko = [\"{{zzz}}\"], en = [\"a\"] }", "`zzz`, which has no class"),
        ("body = { ko = [\"{{a|shout}}\"], en = [\"a\"] }", "no formatter `shout`"),
        ("body = { ko = [\"{{a|label}}\"], en = [\"a\"] }", "no label table"),
        ("body = { ko = [\"{{a|이가|won}}\"], en = [\"a\"] }", "last formatter"),
        ("body = { ko = [\"{{}}\"], en = [\"a\"] }", "names no field"),
        ("body = { ko = [\"{{a}}:\"], en = [\"a\"] }", "reads \"x:\""),
        ("labels = { a = \"nowhere\" }", "does not exist"),
        ("audience = [\"all\"]", "audience"),
        ("audience = [\"mall:{a\"]", "not closed"),
        ("audience = [\"mall:{}\"]", "name a field"),
        ("audience = [\"mall:{lines[].partnerNo}\"]", "has none"),
        ("audience = [\"mall:{mallNo}:everyone\"]", "audience"),
        ("collapseKey = \"x:{zzz}\"", "not a plain field"),
        ("collapseKey = \"x:{c}\"", "not a plain field"),
        ("expires = \"zzz\"", "has no class"),
        ("job = true\nkept = true", "live only"),
        ("fields = { plain = [\"a\"], owner = [\"a\"] }", "two classes"),
        ("fields = { secret = [\"a\"] }", "secret"),
        ("fields = { personal = { a = \"shoe\" } }", "shoe"),
        ("example = \"{\"", "not JSON"),
        ("example = \"[1]\"", "not an object"),
        ("lines = { from = [\"l[]\"], name = \"l\", total = \"sum\", fields = {} }", "partnerNo"),
    ] {
        let error = Catalogue::parse(&with(lines)).expect_err(lines);
        let all = error.complaints.join("\n");
        assert!(all.contains(words), "{lines}\n{all}");
    }
}

#[test]
fn a_name_that_no_event_would_find_is_a_mistake() {
    let text = with("").replace("x.y", "x.y.v1");
    assert!(Catalogue::parse(&text).expect_err("a version").to_string().contains("short name"));
}

#[test]
fn a_team_adds_types_in_a_file_of_its_own() {
    let more = with("").replace("x.y", "order.created");
    let both = Catalogue::builtin().with(&more).expect("sound");
    assert!(both.knows("fds.detected"));
    assert!(both.example("order.created").expect("known").is_empty(), "the file of the team wins");
    assert!(!Catalogue::builtin().example("order.created").expect("known").is_empty());
}

#[test]
fn all_complaints_come_at_once() {
    let text = with("expires = \"zzz\"\ncollapseKey = \"x:{c}\"\naudience = [\"all\"]");
    assert_eq!(Catalogue::parse(&text).expect_err("three").complaints.len(), 3);
}
