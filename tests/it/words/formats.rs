//! Dates, particles, money and masks, as tables.

use allim::notification::{
    Lang, dates,
    format::{Particle, grouped, money, whole},
    mask::Mask,
};
use serde_json::json;

#[test]
fn dates_are_read_in_every_form_that_producers_use() {
    for (text, wire) in [
        ("2026-04-09 09:54:09", "2026-04-09T09:54:09+09:00"),
        ("2020-02-27T11:39:29", "2020-02-27T11:39:29+09:00"),
        ("2026-06-10T05:37:59.533767143", "2026-06-10T05:37:59.533767143+09:00"),
        ("2026-06-10T05:37:59.5", "2026-06-10T05:37:59.5+09:00"),
        ("2026-06-10 05:37:59.533", "2026-06-10T05:37:59.533+09:00"),
        ("2026-11-20T14:05:01.000+09:00", "2026-11-20T14:05:01+09:00"),
        ("2026-11-20T05:05:01Z", "2026-11-20T14:05:01+09:00"),
        ("2026-11-20T00:05:01-05:00", "2026-11-20T14:05:01+09:00"),
        ("2024-02-29T23:59:59", "2024-02-29T23:59:59+09:00"),
        ("2026-12-31T23:59:59.999999999Z", "2027-01-01T08:59:59.999999999+09:00"),
        // Never.
        ("9999-12-31T23:59:59Z", "9999-12-31T07:00:00.999999999+09:00"),
        ("9999-12-31 23:59:59", "9999-12-31T07:00:00.999999999+09:00"),
    ] {
        assert_eq!(dates::read(text).map(dates::rfc3339).as_deref(), Some(wire), "{text}");
    }
}

#[test]
fn what_is_no_date() {
    for text in [
        "9999-12-31T24:00:00Z",
        "9999-12-32T00:00:00Z",
        "9999-12-31",
        "",
        "오늘",
        "2026-11-20",
        "14:05:01",
        "2026-02-30 00:00:00",
        "2026-11-20 25:00:00",
        "1763615101",
        "20261120140501",
        "2026-11-20T14:05",
        "2026/11/20 14:05:01",
        "2026-11-20T14:05:01+0900x",
        "2026-11-20T14:05:01[Asia/Seoul]",
        "+002026-11-20T14:05:01",
        "2026-11-20T14:05:01.1234567890",
        "２０２６-11-20 14:05:01",
        "2026-11-20 가14:05:0",
    ] {
        assert_eq!(dates::read(text), None, "{text:?} is taken for a date");
    }
}

#[test]
fn dates_for_people() {
    let friday = dates::read("2026-11-20 14:05:01").expect("a date");
    let new_year = dates::read("2026-12-31T15:07:00Z").expect("a date");
    assert_eq!(dates::long(friday, Lang::Ko), "2026. 11. 20. (금) 14:05");
    assert_eq!(dates::long(new_year, Lang::Ko), "2027. 1. 1. (금) 00:07");
    assert_eq!(dates::long(friday, Lang::En), "Fri, 20 Nov 2026 14:05");
    assert_eq!(dates::short(friday, Lang::Ko), "11월 20일 14:05");
    assert_eq!(dates::short(new_year, Lang::En), "1 Jan 00:07");
}

#[test]
fn particles_follow_the_last_sound() {
    use Particle::{Object, Subject, Topic, Towards, With};
    for (word, topic, subject, object, with, towards) in [
        ("주문", "은", "이", "을", "과", "으로"),
        ("취소", "는", "가", "를", "와", "로"),
        ("환불", "은", "이", "을", "과", "로"),
        ("상품", "은", "이", "을", "과", "으로"),
        ("서울", "은", "이", "을", "과", "로"),
        ("클레임", "은", "이", "을", "과", "으로"),
        ("가", "는", "가", "를", "와", "로"),
        ("힣", "은", "이", "을", "과", "으로"),
        ("버전 0", "은", "이", "을", "과", "으로"),
        ("버전 1", "은", "이", "을", "과", "로"),
        ("버전 2", "는", "가", "를", "와", "로"),
        ("버전 3", "은", "이", "을", "과", "으로"),
        ("버전 4", "는", "가", "를", "와", "로"),
        ("버전 5", "는", "가", "를", "와", "로"),
        ("버전 6", "은", "이", "을", "과", "으로"),
        ("버전 7", "은", "이", "을", "과", "로"),
        ("버전 8", "은", "이", "을", "과", "로"),
        ("버전 9", "는", "가", "를", "와", "로"),
        ("취소(환불)", "은", "이", "을", "과", "로"),
        ("Excel", "은(는)", "이(가)", "을(를)", "과(와)", "(으)로"),
        ("", "은(는)", "이(가)", "을(를)", "과(와)", "(으)로"),
    ] {
        let forms = [Topic, Subject, Object, With, Towards].map(|particle| particle.after(word));
        assert_eq!(forms, [topic, subject, object, with, towards], "{word}");
    }
}

#[test]
fn numbers_and_money() {
    for (number, text) in [
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (1_000, "1,000"),
        (1_234_000, "1,234,000"),
        (-1_234, "-1,234"),
        (-999, "-999"),
    ] {
        assert_eq!(grouped(number), text);
    }
    assert_eq!(money(1_234_000, None, Lang::Ko), "1,234,000원");
    assert_eq!(money(1_234_000, Some("KRW"), Lang::En), "₩1,234,000");
    assert_eq!(money(-5_000, None, Lang::Ko), "-5,000원");
    assert_eq!(money(-5_000, None, Lang::En), "-₩5,000");
    assert_eq!(money(1_200, Some("USD"), Lang::Ko), "1,200 USD");
}

#[test]
fn amounts_as_producers_write_them() {
    for (value, amount) in [
        (json!(39000), Some(39_000)),
        (json!(39000.0), Some(39_000)),
        (json!(-1), Some(-1)),
        (json!(u64::MAX), Some(i128::from(u64::MAX))),
        (json!("39000"), Some(39_000)),
        (json!("39000.00"), Some(39_000)),
        (json!("39000.5"), None),
        (json!(1e300), None),
        (json!("39,000"), None),
        (json!("."), None),
        (json!(""), None),
        (json!("99999999999999999999999"), None),
        (json!(null), None),
        (json!(true), None),
        (json!([1]), None),
    ] {
        assert_eq!(whole(&value), amount, "{value}");
    }
}

#[test]
fn masks() {
    for (mask, text, left) in [
        (Mask::Name, "홍길동", Some("홍*동")),
        (Mask::Name, "김영", Some("김*")),
        (Mask::Name, "남궁민수", Some("남**수")),
        (Mask::Name, "김", Some("*")),
        (Mask::Name, " ", None),
        (Mask::Name, "김*영", Some("김*영")),
        (Mask::Phone, "010-1234-5678", Some("010-****-5678")),
        (Mask::Phone, "01012345678", Some("010-****-5678")),
        (Mask::Phone, "+82 10-1234-5678", Some("010-****-5678")),
        (Mask::Phone, "011-123-4567", Some("011-***-4567")),
        (Mask::Phone, "02-123-4567", Some("02-***-4567")),
        (Mask::Phone, "02-1234-5678", Some("02-****-5678")),
        (Mask::Phone, "050412345678", Some("0504-****-5678")),
        (Mask::Phone, "010-****-5678", Some("010-****-5678")),
        (Mask::Phone, "1234", None),
        (Mask::Phone, "홍길동 010-1234-5678", None),
        (Mask::Email, "hong@example.com", Some("ho***@example.com")),
        (Mask::Email, "kim@example.com", Some("ki***@example.com")),
        (Mask::Email, "ab@example.com", Some("a***@example.com")),
        (Mask::Email, "a@example.com", Some("a***@example.com")),
        (Mask::Email, "@example.com", None),
        (Mask::Email, "hong", None),
        (Mask::Email, "연락처 a@b.kr 홍길동", None),
        (Mask::Address, "서울특별시 강남구 역삼동 123-4 101동 1001호", Some("서울특별시 강남구 역삼동")),
        (Mask::Address, "경기도 성남시 분당구 대왕판교로 645", Some("경기도 성남시 분당구")),
        (Mask::Address, "제주특별자치도 서귀포시 성산읍 일출로 1", Some("제주특별자치도 서귀포시 성산읍")),
        (Mask::Address, "홍길동네 1층", None),
        (Mask::Address, "101동 502호", None),
        (Mask::Account, "110-123-456789", Some("****6789")),
        (Mask::Account, "1234-5678-9012-3456", Some("****3456")),
        (Mask::Account, "1234", None),
        (Mask::Ip, "203.0.113.15", Some("203.0.*.15")),
        (Mask::Ip, "203.0.*.15", Some("203.0.*.15")),
        (Mask::Ip, "2001:db8::1", None),
        (Mask::Ip, "1.2.3.999", None),
        (Mask::Hidden, "무엇이든", None),
    ] {
        assert_eq!(mask.apply(text).as_deref(), left, "{mask:?} of {text}");
    }
}
