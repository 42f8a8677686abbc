//! Records: whatever lies in the topic becomes a notification with an audience, or a reason; and what is shown is one frame.
//!
//! A seed is written as a message: lines `name: text` are headers, but for `key:`, `value: none` and `legacy: on`; a blank
//! line; the value. `\n` in a header is a line end.
#![no_main]

use std::sync::LazyLock;

use allim_fuzz::{
    deliver::sse::SSE,
    hub::{Coat, Frame, Kind},
    ingest::{Decoder, RawRecord, Rejected},
    notification::{
        Audience, Catalogue, Coordinates, Epoch, Lang, Notification, PartnerNo, Position, Prepared, Shape, Sight,
        Vector, json::DEEPEST,
    },
    reading::{by_the_letter, lines_as_unicode_has_them},
};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

/// Part 5 of the design; no audience, which would tell one partner of another.
const ON_THE_WIRE: [&str; 19] = [
    "id",
    "type",
    "category",
    "severity",
    "title",
    "body",
    "link",
    "mallNo",
    "mallName",
    "partnerNo",
    "at",
    "occurredAt",
    "expiresAt",
    "collapseKey",
    "silent",
    "correlationId",
    "actorNo",
    "handledBy",
    "data",
];

/// With plain text, and without.
static DECODERS: LazyLock<[Decoder; 2]> = LazyLock::new(|| {
    [true, false].map(|legacy_text| Decoder {
        catalogue: Catalogue::builtin(),
        legacy_text,
        type_prefix: "kr.co.shopby.".to_owned(),
        max_record_bytes: 256 * 1024,
    })
});

#[derive(Default)]
struct Written {
    key: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    value: Option<Vec<u8>>,
    legacy: bool,
}

fn split<'b>(bytes: &'b [u8], mark: &[u8]) -> (&'b [u8], Option<&'b [u8]>) {
    let at = bytes.windows(mark.len()).position(|part| part == mark);
    at.map_or((bytes, None), |at| (&bytes[..at], Some(&bytes[at + mark.len()..])))
}

fn with_line_ends(text: &[u8]) -> Vec<u8> {
    let mut rest = text;
    let mut whole = Vec::new();
    while let (line, Some(more)) = split(rest, b"\\n") {
        whole.extend([line, b"\n"].concat());
        rest = more;
    }
    [&whole, rest].concat()
}

fn written(seed: &[u8]) -> Written {
    let (head, value) = match seed.strip_prefix(b"\n") {
        Some(value) => (&[][..], Some(value)),
        None => split(seed, b"\n\n"),
    };
    let mut written = Written { value: value.map(<[u8]>::to_vec), ..Written::default() };
    for line in head.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match split(line, b": ") {
            (b"key", Some(key)) => written.key = Some(key.to_vec()),
            (b"value", Some(b"none")) => written.value = None,
            (b"legacy", Some(b"on")) => written.legacy = true,
            (name, text) => {
                written.headers.push((String::from_utf8_lossy(name).into_owned(), text.map(with_line_ends)));
            }
        }
    }
    written
}

impl Written {
    fn decode(&self, legacy: bool) -> Result<Notification, Rejected> {
        let decoder = &DECODERS[usize::from(!legacy)];
        decoder.decode(&RawRecord {
            coordinates: Coordinates { epoch: Epoch(7), partition: 3, offset: 41 },
            timestamp: Timestamp::UNIX_EPOCH,
            key: self.key.as_deref(),
            headers: self.headers.iter().map(|(name, text)| (name.as_str(), text.as_deref())).collect(),
            value: self.value.as_deref(),
        })
    }

    /// What the producer said in a header, which counts more than all else.
    fn audience_in_a_header(&self) -> Option<&str> {
        let said = |(name, text): &'_ (String, Option<Vec<u8>>)| {
            text.is_some() && ["ce_audience", "audience"].contains(&name.to_ascii_lowercase().as_str())
        };
        self.headers.iter().find(|header| said(header)).and_then(|(_, text)| std::str::from_utf8(text.as_ref()?).ok())
    }
}

/// All that routing goes by.
fn same(one: &Result<Notification, Rejected>, other: &Result<Notification, Rejected>) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => {
            (one.id, &one.type_name, one.mall, &one.audience)
                == (other.id, &other.type_name, other.mall, &other.audience)
        }
        (Err(one), Err(other)) => one == other,
        _ => false,
    }
}

fn refused(why: &Rejected) {
    assert!(!why.detail.is_empty() && why.detail.len() < 300, "{why}");
    assert!(why.detail.is_ascii() && !why.detail.contains(char::is_control), "payload in {why}");
}

fn understood(notification: &Notification, written: &Written) {
    let audience = &notification.audience;
    assert!((1..=64).contains(&audience.terms().len()));
    assert_eq!(audience.to_string().parse::<Audience>().as_ref(), Ok(audience));
    let type_name = &notification.type_name;
    assert!(!type_name.contains(char::is_control) && (1..=512).contains(&type_name.len()), "{type_name:?} is no name");
    if let Some(said) = written.audience_in_a_header() {
        assert_eq!(said.parse::<Audience>().as_ref(), Ok(audience), "another audience than the producer's");
    }
    match Prepared::new(notification, &DECODERS[0].catalogue) {
        Ok(prepared) => {
            shown(&prepared);
            if notification.record().shape != Shape::Legacy {
                one_partner_learns_nothing_of_another(written);
            }
            strangers_to_the_catalogue_stay_hidden(notification, &prepared);
        }
        // Where headers said all, nobody has looked at the body before.
        Err(why) => assert_eq!(notification.record().shape, Shape::Binary, "{why}, and yet it was read before"),
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn shown(prepared: &Prepared) {
    let position = Position { epoch: Epoch(7), next: Vector::new(vec![0, 0, 0, 42]) }.to_string();
    let partner = |number: u64| PartnerNo::new(number).ok();
    for partner in [None, partner(501), partner(12034)] {
        for (personal, lang) in [(true, Lang::Ko), (false, Lang::Ko), (true, Lang::En), (false, Lang::En)] {
            let sight = Sight { partner, personal, lang };
            let json = prepared.json(sight);
            assert_eq!(json, prepared.json(prepared.reduce(sight)), "the reduction of {sight:?} changes what is seen");
            let object: Value = serde_json::from_str(&json).expect("JSON");
            assert!(
                object.as_object().is_some_and(|object| object.keys().all(|name| ON_THE_WIRE.contains(&name.as_str())))
            );
            // As deep as a store and other readers take it, and `data` around it.
            assert!(depth(&object) <= DEEPEST + 1, "nested too deep: {json}");
            assert!(object["title"].as_str().is_some_and(|title| !title.trim().is_empty()), "no title: {json}");
            let body = json.clone().into_bytes().into();
            let frame = Frame { kind: Kind::Notification, position: Some(position.clone()), body, retry: None };
            let wire = SSE.dress(&frame).body;
            let events = by_the_letter(&wire);
            assert_eq!(events.len(), 1);
            assert_eq!((events[0].id.as_ref(), events[0].name.as_str()), (Some(&position), "message"));
            assert_eq!(events[0].json(), object);
            let text = std::str::from_utf8(&wire).expect("UTF-8");
            assert_eq!(lines_as_unicode_has_them(text), 3, "a text ends a line: {text:?}");
        }
    }
}

/// Of a type that nobody described nobody can say what in it is personal.
fn strangers_to_the_catalogue_stay_hidden(notification: &Notification, prepared: &Prepared) {
    if !DECODERS[0].catalogue.knows(&notification.type_name) {
        let sight = Sight { partner: None, personal: false, lang: Lang::Ko };
        let object: Value = serde_json::from_str(&prepared.json(sight)).expect("JSON");
        let names = object["data"].as_object().into_iter().flat_map(Map::keys);
        let known: Vec<&String> =
            names.filter(|name| !["mallNo", "mallName", "link"].contains(&name.as_str())).collect();
        assert!(known.is_empty(), "fields of an unknown type: {known:?}");
    }
}

fn partner_of(object: &Map<String, Value>) -> Option<u64> {
    serde_json::from_value(object.get("partnerNo")?.clone()).ok().map(PartnerNo::get)
}

/// Writes something else over all that stands in the part of an event that is another partner's.
fn overwrite(value: &mut Value, others: bool, me: u64) {
    match value {
        Value::String(text) if others => "쉿".clone_into(text),
        Value::Number(number) if others => *number = 4.into(),
        Value::Array(items) => items.iter_mut().for_each(|item| {
            let whose = item.as_object().and_then(partner_of);
            overwrite(item, whose.map_or(others, |partner| partner != me), me);
        }),
        Value::Object(members) => {
            let kept = members.iter_mut().filter(|(name, _)| *name != "partnerNo");
            kept.for_each(|(_, member)| overwrite(member, others, me));
        }
        _ => {}
    }
}

/// What a partner sees does not depend on what stands in the lines of others.
fn one_partner_learns_nothing_of_another(written: &Written) {
    let Some(Ok(event)) = written.value.as_deref().map(serde_json::from_slice::<Value>) else { return };
    // Both are written anew: JSON's numbers may lose their last digit by it.
    let prepared = |event: &Value| {
        let value = Some(event.to_string().into_bytes());
        let written = Written { value, headers: written.headers.clone(), ..Written::default() };
        Prepared::new(&written.decode(false).ok()?, &DECODERS[0].catalogue).ok()
    };
    for me in [501, 12034] {
        let mut other = event.clone();
        overwrite(&mut other, false, me);
        let (Some(one), Some(other)) = (prepared(&event), prepared(&other)) else { continue };
        for personal in [true, false] {
            let sight = Sight { partner: PartnerNo::new(me).ok(), personal, lang: Lang::Ko };
            assert_eq!(one.json(sight), other.json(sight), "partner {me} sees a line of another");
        }
    }
}

fuzz_target!(|seed: &[u8]| {
    let written = written(seed);
    let decoded = written.decode(written.legacy);
    match &decoded {
        Ok(notification) => understood(notification, &written),
        Err(why) => refused(why),
    }
    // A key decides the order and nothing else, and headers of others nothing at all.
    let mut more = Written { key: None, headers: written.headers.clone(), value: written.value.clone(), legacy: false };
    more.headers.push(("traceparent".to_owned(), Some(b"\xff\0".to_vec())));
    let too_much = matches!(&decoded, Err(why) if why.reason.as_str() == "too_big");
    assert!(too_much || same(&decoded, &more.decode(written.legacy)), "a key or a strange header counts");
    // Plain text is the one thing that the setting lets in.
    if let Ok(with) = &decoded
        && with.record().shape != Shape::Legacy
    {
        assert!(same(&decoded, &written.decode(!written.legacy)), "the setting for plain text counts elsewhere");
    }
});
