//! The catalogue: the built-in one is sound, and every mistake in another shows when it is loaded.

use allim::notification::{Audience, Catalogue, MallNo};
use serde_json::json;

use super::example;

/// The table of the domain, the answers that close a question, and the old console's texts.
const KNOWN: [&str; 32] = [
    "admin.session.revoked",
    "claim.requested",
    "claim.status_changed",
    "claim.withdrawn",
    "excel.export.completed",
    "excel.export.expired",
    "excel.export.failed",
    "excel.export.progress",
    "excel.export.queued",
    "fds.detected",
    "fds.resolved",
    "inquiry.answered",
    "inquiry.created",
    "inquiry.delayed",
    "job.completed",
    "job.failed",
    "job.progress",
    "job.queued",
    "legacy.text",
    "maintenance.scheduled",
    "notice.published",
    "ops.error_burst",
    "order.created",
    "order.status_changed",
    "product.approval.approved",
    "product.approval.rejected",
    "product.approval.requested",
    "product.inquiry.answered",
    "product.inquiry.created",
    "product.review.created",
    "push.test",
    "task_message.added",
];

#[test]
fn the_built_in_one_is_sound() {
    if let Err(error) = Catalogue::parse(include_str!("../../../src/notification/catalogue.toml")) {
        panic!("{}", error.complaints.join("\n"));
    }
    let types = Catalogue::builtin().types();
    assert_eq!(types.iter().map(|name| &**name).collect::<Vec<_>>(), KNOWN);
}

#[test]
fn examples_find_their_audience_by_rule() {
    let mine = "operator:70001";
    let of_its_partner = "mall:1001,mall:1001:partner:501";
    for (type_name, audience) in [
        ("admin.session.revoked", mine),
        ("claim.requested", of_its_partner),
        ("claim.status_changed", of_its_partner),
        ("claim.withdrawn", of_its_partner),
        ("excel.export.queued", mine),
        ("excel.export.progress", mine),
        ("excel.export.completed", mine),
        ("excel.export.failed", mine),
        ("excel.export.expired", mine),
        ("fds.detected", "mall:1001"),
        ("fds.resolved", "mall:1001"),
        ("inquiry.created", "mall:1001"),
        ("inquiry.delayed", "mall:1001"),
        ("inquiry.answered", "mall:1001"),
        ("job.queued", mine),
        ("job.progress", mine),
        ("job.completed", mine),
        ("job.failed", mine),
        ("maintenance.scheduled", "everyone"),
        ("order.created", "mall:1001,mall:1001:partner:501,mall:1001:partner:502"),
        ("order.status_changed", of_its_partner),
        ("product.approval.requested", "mall:1001"),
        ("product.approval.approved", "mall:1001:partner:502,mall:1001"),
        ("product.approval.rejected", "mall:1001:partner:501,mall:1001"),
        ("product.inquiry.created", of_its_partner),
        ("product.inquiry.answered", of_its_partner),
        ("product.review.created", of_its_partner),
        ("push.test", mine),
        ("task_message.added", "mall:1001:partner:501"),
        ("legacy.text", "nobody"),
        ("notice.published", "nobody"),
        ("ops.error_burst", "nobody"),
    ] {
        let data = example(type_name);
        let found = Catalogue::builtin()
            .audience(type_name, MallNo::new(1001).ok(), data.as_object().expect("an object"))
            .map_or_else(|_| "nobody".to_owned(), |audience: Audience| audience.to_string());
        assert_eq!(found, audience, "{type_name}");
    }
}

#[test]
fn a_message_goes_to_the_other_side() {
    let audience = |side: serde_json::Value, number: serde_json::Value| {
        let data = json!({"toTargetType": side, "toTargetNo": number});
        let found = Catalogue::builtin().audience(
            "task_message.added",
            MallNo::new(1001).ok(),
            data.as_object().expect("an object"),
        );
        found.map_or_else(|_| "nobody".to_owned(), |audience| audience.to_string())
    };
    assert_eq!(audience(json!("SERVICE"), json!(null)), "mall:1001");
    // A number of the operators' own is no partner's.
    assert_eq!(audience(json!("SERVICE"), json!(501)), "mall:1001");
    assert_eq!(audience(json!("PARTNER"), json!("501")), "mall:1001:partner:501");
    for (side, number) in [
        (json!("PARTNER"), json!(null)),
        (json!("PARTNER"), json!(0)),
        (json!("PARTNER"), json!("501,everyone")),
        (json!("partner"), json!(501)),
        (json!(["PARTNER"]), json!(501)),
        (json!(null), json!(501)),
        (json!("EVERYBODY"), json!(501)),
    ] {
        assert_eq!(audience(side.clone(), number.clone()), "nobody", "{side} {number}");
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
        "body = { ko = [[\"{{a}}: {{b|excerpt}}\", \"{{b}}\"], \"{{a}}\"], en = \"a\" }",
        "collapseKey = \"x:{a}\"\ncloses = { b = [\"DONE\", \"OVER\"] }\nhandledBy = \"c\"\nlifetime = \"30d\"",
        "audience = [\"everyone\", { to = \"operator:{a}\", when = { b = [\"A\"] } }]",
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
        ("lifetime = \"0d\"", "such as 10m"),
        ("retention = \"for ever\"", "`retention` is \"for ever\"; it has to be such as 10m"),
        ("lifetime = \"10\"", "such as 10m"),
        ("lifetime = \"10 d\"", "such as 10m"),
        ("lifetime = \"\"", "such as 10m"),
        ("lifetime = \"가\"", "such as 10m"),
        ("closes = true", "without a `collapseKey`"),
        ("closes = \"yes\"", "closes"),
        ("collapseKey = \"x:{a}\"\ncloses = {}", "has to name fields"),
        ("collapseKey = \"x:{a}\"\ncloses = { a = [] }", "codes of each"),
        ("collapseKey = \"x:{a}\"\ncloses = { c = [\"DONE\"] }", "not a plain field"),
        ("handledBy = \"a\"", "without `closes`"),
        ("collapseKey = \"x:{a}\"\ncloses = true\nhandledBy = \"zzz\"", "has no class"),
        ("audience = [{ to = \"mall:{mallNo}\", when = { zzz = [\"A\"] } }]", "`zzz`, which has no class"),
        ("audience = [{ to = \"mall:{mallNo}\" }]", "audience"),
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
    // Documents are made under these names.
    for odd in [" ", "a/b", "재고.부족", "a\\\"b", "#", "$ref", "_envelope"] {
        let text = with("").replace("x.y", odd);
        let complaint = Catalogue::parse(&text).expect_err(odd).to_string();
        assert!(complaint.contains("made of letters, digits"), "{odd}: {complaint}");
    }
}

#[test]
fn a_team_adds_types_in_a_file_of_its_own() {
    let more = with("").replace("x.y", "order.created");
    let both = Catalogue::builtin().with(&more).expect("sound");
    assert!(both.knows("fds.detected"));
    assert!(both.example("order.created").expect("known").is_empty(), "the file of the team wins");
    assert!(!Catalogue::builtin().example("order.created").expect("known").is_empty());
}

/// The page that shows how to add a type is read by the same eyes as such a file.
#[test]
fn the_types_on_the_page_are_sound_and_work() {
    let page = include_str!("../../../docs/events.md");
    let toml = page.split_once("```toml\n").and_then(|(_, rest)| rest.split_once("```")).expect("an example").0;
    let both = Catalogue::builtin().with(toml).unwrap_or_else(|error| panic!("{error}"));
    let decided =
        json!({"couponNo": 7, "decision": "REFUSED", "decidedByAdminNo": 70002, "decidedByAdminName": "이바다"});
    let event = super::plain("coupon.decided", "mall:1001", &decided);
    let prepared = allim::notification::Prepared::new(&event, &both).expect("readable");
    let seen: serde_json::Value =
        serde_json::from_str(&prepared.json(super::operator(false, super::Lang::Ko))).expect("JSON");
    assert_eq!(seen["handledBy"], json!({"adminNo": 70002, "adminName": "이바다"}));
    assert_eq!((&seen["title"], &seen["collapseKey"]), (&json!("쿠폰 처리 완료"), &json!("coupon:7")));
    let asked = json!({"mallNo": 1001, "partnerNo": 501, "side": "PARTNER"});
    let audience = both.audience("coupon.requested", MallNo::new(1001).ok(), asked.as_object().expect("an object"));
    assert_eq!(audience.map(|audience| audience.to_string()), Ok("mall:1001,mall:1001:partner:501".to_owned()));
    // Every built-in type that the page names exists.
    let names =
        page.split('`').skip(1).step_by(2).filter(|word| word.contains('.') && !word.contains([' ', '{', '/', '"']));
    for name in names.filter(|name| !["data.version", "coupon.requested", "allim.js"].contains(name)) {
        assert!(both.knows(name), "{name}");
    }
}

#[test]
fn all_complaints_come_at_once() {
    let text = with("expires = \"zzz\"\ncollapseKey = \"x:{c}\"\naudience = [\"all\"]");
    assert_eq!(Catalogue::parse(&text).expect_err("three").complaints.len(), 3);
}
