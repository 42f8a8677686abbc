//! Reads event streams in two ways: by the letter of the standard, and as readers do that end lines wherever Unicode may.

use crate::strict::blocks::{Event, parse, take_block};

/// By the letter; what is no whole block at the end is a finding.
#[must_use]
pub fn by_the_letter(stream: &[u8]) -> Vec<Event> {
    let mut rest = stream.to_vec();
    let mut events = Vec::new();
    while let Some(block) = take_block(&mut rest) {
        events.push(parse(&block).unwrap_or_else(|| panic!("a block that says nothing: {block:?}")));
    }
    assert!(rest.is_empty(), "half a block: {rest:?}");
    events
}

/// How many lines there are for readers that know more line ends than the standard: Python's `str.splitlines`, which
/// several clients use, ends a line at each of these. Where it finds more lines than we wrote, a text could bring fields
/// of its own.
#[must_use]
pub fn lines_as_unicode_has_them(stream: &str) -> usize {
    const ENDS: [char; 10] =
        ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];
    stream.matches(ENDS).count()
}
