//! Positions: a text that is read is the one text of its position, and every position is read as it was written.
//!
//! A seed is a text as clients send it; the same bytes are also taken as epoch and offsets, eight bytes each.
#![no_main]

use allim_fuzz::notification::{Epoch, Position, Vector};
use libfuzzer_sys::fuzz_target;

/// Kafka's offsets have 63 bits.
const LARGEST: u64 = i64::MAX.unsigned_abs();

fn numbers(seed: &[u8]) -> Vec<u64> {
    let (whole, _) = seed.as_chunks::<8>();
    whole.iter().copied().map(u64::from_le_bytes).collect()
}

fn vectors_have_an_order_or_none(one: &Vector, other: &Vector) {
    let mut both = one.clone();
    both.raise(other);
    assert!(one.within(&both) && other.within(&both), "raised, and not ahead of what it was raised by");
    assert_eq!(one.within(other), *one <= *other);
    assert_eq!(one.within(other) && other.within(one), one.partial_cmp(other) == Some(std::cmp::Ordering::Equal));
}

fuzz_target!(|seed: &[u8]| {
    if let Ok(text) = std::str::from_utf8(seed)
        && let Ok(position) = Position::decode(text)
    {
        assert_eq!(position.to_string(), text, "two texts of one position");
        assert!(position.next.iter().all(|(_, next)| next <= LARGEST));
    }
    let Some((epoch, next)) = numbers(seed).split_first().map(|(epoch, next)| (*epoch, next.to_vec())) else { return };
    let next: Vec<u64> = next.into_iter().map(|next| next & LARGEST).collect();
    let halves = next.split_at(next.len() / 2);
    vectors_have_an_order_or_none(&Vector::new(halves.0.to_vec()), &Vector::new(halves.1.to_vec()));
    let position = Position { epoch: Epoch(epoch), next: Vector::new(next) };
    let text = position.to_string();
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
    assert_eq!(Position::decode(&text), Ok(position));
});
