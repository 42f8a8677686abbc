//! The bad records themselves, each with the reason for which it is refused.

use serde_json::{Value, json};

use super::{Bad, MARK, bad, binary, with};

/// For everyone, with a text before its last brace.
fn event(text: &str) -> String {
    format!(r#"{{"type":"test.happened","audience":"everyone","title":"{MARK}",{text}}}"#)
}

/// The same, of bytes.
fn event_of(bytes: &[u8]) -> Vec<u8> {
    let around = event(r#""body":"HERE""#);
    let (before, behind) = around.split_once("HERE").unwrap();
    [before.as_bytes(), bytes, behind.as_bytes()].concat()
}

pub fn not_utf8() -> Vec<Bad> {
    let patterns: [&[u8]; 12] = [
        b"\x80",
        b"\xff",
        b"\xfe\xff",
        // Cut off: the first bytes of letters of two, three and four.
        b"\xc3",
        b"\xea\xb0",
        b"\xf0\x9f\x9b",
        // Overlong: a slash, and a NUL that looks for no NUL.
        b"\xc0\xaf",
        b"\xc0\x80",
        // A surrogate, and a pair of them (CESU-8).
        b"\xed\xa0\x80",
        b"\xed\xa0\xbd\xed\xbb\x92",
        // Beyond the last letter there is; a form of six bytes.
        b"\xf4\x90\x80\x80",
        b"\xfc\x80\x80\x80\x80\xaf",
    ];
    let mut all: Vec<Bad> = patterns.iter().map(|bytes| bad("not_utf8", event_of(bytes))).collect();
    // 주문 in EUC-KR, é in Latin-1, an event in UTF-16, and something compressed.
    all.push(bad("not_utf8", event_of(b"\xc1\xd6\xb9\xae")));
    all.push(bad("not_utf8", event_of(b"caf\xe9")));
    all.push(bad(
        "not_utf8",
        event("\"a\":1").encode_utf16().flat_map(u16::to_le_bytes).chain([0xff]).collect::<Vec<_>>(),
    ));
    all.push(bad("not_utf8", b"\x1f\x8b\x08\x00\x00\x00\x00\x00".as_slice()));
    // In the name of a member, and in headers.
    let name = event("\"NAME\":1");
    let (before, behind) = name.split_once("NAME").unwrap();
    all.push(bad("not_utf8", [before.as_bytes(), b"\xff", behind.as_bytes()].concat()));
    all.push(binary("not_utf8", &[("ce_subject", Some(b"\xff"))]));
    all.push(binary("not_utf8", &[("ce_audience", Some(b"everyone\xed\xa0\x80"))]));
    all
}

pub fn broken_json() -> Vec<Bad> {
    let mut all = broken_as_a_whole();
    all.extend(broken_within());
    all
}

fn broken_as_a_whole() -> Vec<Bad> {
    vec![
        bad("bad_json", format!(r#"{{"type":"test.happened","audience":"everyone","title":"{MARK}""#)),
        bad("bad_json", event(r#""body":1"#) + "garbage"),
        bad("bad_json", event(r#""body":1"#) + &event(r#""body":2"#)),
        bad("bad_json", format!(r#"[{}]"#, event(r#""body":"in an array""#))),
        bad("bad_json", format!("\"{MARK}\"")),
        bad("bad_json", format!("\u{feff}{}", event(r#""body":"behind a BOM""#))),
        bad("bad_json", format!("all, everyone, mall:1001: {MARK}")),
        bad("nul", event(r#""body":"a\u0000b""#)),
        bad("nul", event(r#""a\u0000b":1"#)),
        bad("too_deep", event(&format!(r#""body":{}{}"#, "[".repeat(100_000), "]".repeat(100_000)))),
        bad("too_deep", event(&format!(r#""data":{}1{}"#, r#"{"a":"#.repeat(30_000), "}".repeat(30_000)))),
        bad("too_deep", "{\"a\":".to_owned() + &"[".repeat(100_000)),
        bad("too_deep", event(&format!(r#""body":{}1{}"#, r#"[{"":"#.repeat(20_000), "}]".repeat(20_000)))),
        bad("duplicate_key", event(r#""audience":"mall:1001""#)),
        bad("duplicate_key", event(r#""\u0061udience":"mall:1001""#)),
        bad("duplicate_key", event(r#""data":{"a":1,"a":2}"#)),
        bad("duplicate_key", event(r#""data":[{"a":{"b":1,"c":2,"b":1}}]"#)),
        bad("duplicate_key", event(r#""":1,"":1"#)),
    ]
}

/// One value within an event that is otherwise good.
fn broken_within() -> Vec<Bad> {
    let mut all = Vec::new();
    let numbers = ["1e999", "-1e999", "123456789e400", "-1.5E+9999"];
    all.extend(numbers.map(|number| bad("number_range", event(&format!("\"amount\":{number}")))));
    let huge = format!("1{}", "0".repeat(400));
    all.push(bad("number_range", event(&format!("\"amount\":{huge}"))));
    let lone = [r"\ud800", r"\udfff", r"\ud800\ud800", r"\udc00\ud800", r"\ud800A", r"\ud83d\n", r"\uD8 00", r"\u12"];
    all.extend(lone.map(|text| bad("bad_json", event(&format!("\"body\":\"{text}\"")))));
    let no_texts = ["'a'", "\"a\nb\"", "\"a\tb\"", r#""\x41""#, r#""\a""#, "\"a", r#""a""b""#, "`a`", "a", "\"\\"];
    all.extend(no_texts.map(|text| bad("bad_json", event(&format!("\"body\":{text}")))));
    let no_values = [
        "01",
        "-01",
        "+1",
        ".5",
        "1.",
        "-",
        "0x1f",
        "1e",
        "1e+",
        "1_000",
        "１",
        "NaN",
        "Infinity",
        "-Infinity",
        "True",
        "nul",
        "undefined",
        "",
        "1,",
        ",1",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1]",
        "/* a */1",
        "1//a",
        "#1",
        "(1)",
        "1;",
        "\u{a0}1",
        "\u{2028}1",
        "\u{c}1",
    ];
    all.extend(no_values.map(|value| bad("bad_json", event(&format!("\"body\":{value}")))));
    all
}

/// No tenant at all, one that there cannot be, or one that only looks like one; plain text is on.
pub fn for_nobody() -> Vec<Bad> {
    let mut all = all_somewhere();
    all.extend(without_a_tenant());
    all.extend(malicious_tenants());
    all
}

fn all_somewhere() -> Vec<Bad> {
    // What the system of before showed to everybody: `all:` somewhere in it.
    let texts = [
        "all:",
        "call: ",
        "0:ALL:",
        "0:All:",
        "all: all: ",
        "everyone:",
        "mall:1001:",
        "mall:1001,all:",
        "1:all",
        "all::",
        "x:me:",
        "0:me:",
        "-1:me:",
        "1 1:all:",
    ];
    texts.iter().map(|text| bad("legacy_unaddressed", format!("{text}{MARK}"))).collect()
}

fn without_a_tenant() -> Vec<Bad> {
    // No audience, and no rule that finds one.
    let events = [
        json!({"type": "test.happened"}),
        json!({"type": "test.happened", "mallNo": 1001}),
        json!({"type": "test.happened", "data": {"mallNo": 1001, "audience": "everyone"}}),
        json!({"type": "test.happened", "data": {"text": "all:everyone"}}),
        json!({"type": "notice.published", "mallNo": 1001}),
        json!({"type": "ops.error_burst", "service": "order-api"}),
        json!({"type": "order.created", "data": {"orderNo": "1"}}),
        json!({"type": "order.created", "data": {"orderNo": "1", "orderProductOptions": [{"partnerNo": 501}]}}),
        json!({"type": "excel.export.completed", "mallNo": 1001}),
        json!({"type": "excel.export.completed", "requestedBy": 1}),
        json!({"type": "task_message.added", "mallNo": 1001, "toTargetType": "ALL"}),
        json!({"type": "task_message.added", "mallNo": 1001, "toTargetType": "PARTNER"}),
        json!({"type": "inquiry.created", "mallno ": 1001}),
        json!({"type": "legacy.text"}),
        json!({"type": "fds.detected", "Audience": "everyone", "mallName": "온달몰"}),
    ];
    let marked = events.into_iter().map(|mut event| {
        event["title"] = json!(MARK);
        bad("no_audience", event.to_string())
    });
    marked.collect()
}

fn malicious_tenants() -> Vec<Bad> {
    let mut all = Vec::new();
    let wide = [
        "all",
        "*",
        "any",
        "everybody",
        "EVERYONE",
        "everyone!",
        "mall:*",
        "mall:all",
        "mall",
        "mall:",
        ":",
        ",",
        "mall:0",
    ];
    let odd = [
        "mall:-1",
        "mall:1001:all",
        "mall:1001:operators:all",
        "mall:1001 or everyone",
        "mall:1001;everyone",
        "operator:*",
        "partner:0",
        "mall:0x3e9",
        "mall:１００１",
        "mall:1001\u{200b}",
        "role:MASTER",
        "everyone,",
    ];
    for audience in wide.into_iter().chain(odd) {
        all.push(with("bad_audience", "audience", json!(audience)));
    }
    for mall in [
        json!(0),
        json!(-1),
        json!("all"),
        json!(""),
        json!("0"),
        json!(1.5),
        json!(true),
        json!([1001]),
        json!(u64::MAX),
    ] {
        let data = json!({"mallNo": mall, "orderNo": "1", "ordererName": MARK});
        all.push(bad("bad_mall", json!({"type": "order.created", "data": data}).to_string()));
    }
    for partner in [json!(0), json!("501,everyone"), json!("all"), json!("501:x"), json!([501])] {
        let data = json!({"mallNo": 1001, "claimNo": 7, "partnerNo": partner, "ordererName": MARK});
        all.push(bad("bad_audience", json!({"type": "claim.requested", "data": data}).to_string()));
    }
    all.push(binary("bad_audience", &[("ce_audience", Some(b"all"))]));
    all.push(binary("bad_audience", &[("audience", Some(b"mall:1001"))]));
    all.push(binary("bad_audience", &[("ce_audience", Some(b""))]));
    all
}

/// Neither the bytes nor the JSON are wrong.
pub fn against_a_rule() -> Vec<Bad> {
    let many_terms = (1..=65).map(|n| format!("mall:{n}")).collect::<Vec<_>>().join(",");
    vec![
        bad("too_big", event(&format!(r#""body":"{}""#, "x".repeat(10_000_000)))),
        bad("empty", b"".as_slice()),
        bad("empty", b" \r\n\t".as_slice()),
        with("bad_audience", "audience", json!("mall:01")),
        with("bad_audience", "audience", json!("mall:+1")),
        with("bad_audience", "audience", json!("mall:9223372036854775808")),
        with("bad_audience", "audience", json!("mall:1001\nmall:1002")),
        with("bad_audience", "audience", json!("")),
        with("bad_audience", "audience", json!(many_terms)),
        with("bad_member", "audience", json!(["everyone"])),
        with("bad_member", "type", json!({"everyone": 1})),
        with("bad_member", "title", json!({"text": MARK})),
        with("bad_member", "data", json!("all")),
        with("no_audience", "audience", Value::Null),
        with("no_type", "type", Value::Null),
        with("bad_type", "type", json!("test.happened\r\ndata: {}")),
        with("bad_type", "type", json!("t".repeat(600))),
        with("bad_id", "id", json!("1\r\nevent: bye")),
        with("bad_mall", "mallNo", json!(0)),
        with("bad_mall", "mallNo", json!("01001")),
        binary("bad_id", &[("ce_id", Some(b"1\r\nid: x"))]),
        binary("bad_type", &[("ce_type", Some(b"test\nevent: bye"))]),
        binary("bad_audience", &[("ce_audience", Some(b"mall:1001\r\n"))]),
        binary("nul", &[("ce_title", Some(b"KEEP-OUT\0"))]),
        binary("bad_cloudevent", &[("ce_id", None)]),
        binary("bad_cloudevent", &[("ce_specversion", None)]),
        binary("bad_cloudevent", &[("content-type", Some(b"text/plain"))]),
        binary("bad_header", &[("ce_type", Some(b"test.happened")), ("CE_Type", Some(b"test.happened"))]),
        Bad { value: None, ..bad("tombstone", "") },
        Bad { value: None, key: None, ..bad("tombstone", "") },
        Bad { value: None, ..binary("tombstone", &[]) },
        Bad { key: Some("k".repeat(70_000)), ..with("too_big", "body", json!("a huge key")) },
    ]
}
