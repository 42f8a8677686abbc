//! Dates as producers write them, and as people and programs read them.

use jiff::{
    Timestamp, Zoned,
    civil::DateTime,
    tz::{TimeZone, offset},
};

use super::Lang;

/// Korea has had no summer time since 1988: the offset is the zone, and no zone data is needed.
fn korea() -> TimeZone {
    TimeZone::fixed(offset(9))
}

/// Reads `2026-04-09 09:54:09`, the same with `T` and up to nine digits of a second's fraction (both Korean time),
/// and RFC 3339 with its offset. Anything else is nothing.
#[must_use]
pub fn read(text: &str) -> Option<Timestamp> {
    // "Never", as people write it: the last two days there are lie beyond what can be counted in every zone.
    if let Some(rest) = text.strip_prefix("9999-12-3") {
        return in_zone(&format!("9998-12-3{rest}")).map(|_| Timestamp::MAX);
    }
    in_zone(text)
}

fn in_zone(text: &str) -> Option<Timestamp> {
    // From seconds without zone to nanoseconds with offset: years of another length, and dates alone, are none of ours.
    let bytes = text.as_bytes();
    if !(19..=35).contains(&bytes.len()) || !bytes[..4].iter().all(u8::is_ascii_digit) || text.contains('[') {
        return None;
    }
    if !matches!(bytes[10], b'T' | b't' | b' ') || bytes[13] != b':' || bytes[16] != b':' {
        return None;
    }
    // Behind the seconds there is a fraction at most, or there is an offset.
    if bytes[19..].iter().any(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-')) {
        return text.parse().ok();
    }
    let civil: DateTime = text.parse().ok()?;
    korea().to_zoned(civil).ok().map(|zoned| zoned.timestamp())
}

/// RFC 3339 with Korea's offset: what goes on the wire.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    at.to_zoned(korea()).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()
}

/// `2026. 11. 20. (금) 14:05`, `Fri, 20 Nov 2026 14:05`.
#[must_use]
pub fn long(at: Timestamp, lang: Lang) -> String {
    let at = at.to_zoned(korea());
    match lang {
        Lang::Ko => format!("{}. {}. {}. ({}) {}", at.year(), at.month(), at.day(), weekday(&at), clock(&at)),
        Lang::En => at.strftime("%a, %-d %b %Y %H:%M").to_string(),
    }
}

/// `11월 20일 14:05`, `20 Nov 14:05`.
#[must_use]
pub fn short(at: Timestamp, lang: Lang) -> String {
    let at = at.to_zoned(korea());
    match lang {
        Lang::Ko => format!("{}월 {}일 {}", at.month(), at.day(), clock(&at)),
        Lang::En => at.strftime("%-d %b %H:%M").to_string(),
    }
}

fn clock(at: &Zoned) -> String {
    format!("{:02}:{:02}", at.hour(), at.minute())
}

fn weekday(at: &Zoned) -> char {
    const NAMES: [char; 7] = ['월', '화', '수', '목', '금', '토', '일'];
    let monday_is_zero = at.weekday().to_monday_zero_offset();
    NAMES[usize::try_from(monday_is_zero).expect("a weekday is 0 to 6")]
}
