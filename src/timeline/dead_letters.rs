//! A dead letter: a record that nobody could understand, as it is kept for people to read and to send once more.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;

use super::Answer;
use crate::notification::{ORIGIN_HEADER, Origin};

/// Letters of a value that a list shows.
const BEGINNING: usize = 80;

/// Name and value of each, in order; also those that stand there twice.
pub type AllHeaders = Vec<(String, Option<Vec<u8>>)>;

/// What is known of one besides its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// What people type.
    pub number: i64,
    /// Where this record stands; not where it stood first, if it has been redriven before.
    pub place: Origin,
    /// Kafka's timestamp.
    pub at: Timestamp,
    /// When it was parked.
    pub parked: Timestamp,
    /// The stable code.
    pub reason: String,
    /// For whoever mends the producer; never payload.
    pub detail: String,
    pub key: Option<Vec<u8>>,
    /// Whether it stands on the topic of dead letters.
    pub sent: bool,
    /// When it was taken to be sent once more.
    pub redriven: Option<Timestamp>,
}

/// One in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub parked: Parked,
    /// The first bytes of the value; None: it has none.
    pub beginning: Option<Vec<u8>>,
    /// Of the whole value.
    pub bytes: u64,
}

/// One whole.
#[derive(Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub parked: Parked,
    pub headers: AllHeaders,
    pub value: Option<Vec<u8>>,
}

/// Its measures only: a log line must not spill what customers wrote.
impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.value.as_ref().map(Vec::len);
        write!(f, "DeadLetter({}, {} headers, {bytes:?} bytes)", self.parked.number, self.headers.len())
    }
}

impl DeadLetter {
    /// Where it stood first.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
        Origin::said_in(headers).unwrap_or(self.parked.place)
    }

    /// Its headers for the next try: all of them, and where it stood first. A header of that name which says something else
    /// would be the second one, and make the first unreadable.
    #[must_use]
    pub fn headers_with_origin(&self) -> AllHeaders {
        let theirs = self.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(ORIGIN_HEADER)).cloned();
        let origin = (ORIGIN_HEADER.to_owned(), Some(self.origin().to_string().into_bytes()));
        theirs.chain([origin]).collect()
    }
}

/// How many of one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    pub reason: String,
    pub all: u64,
    /// Of them not redriven.
    pub waiting: u64,
}

/// Where dead letters are kept, for who brings them to their topic and counts them. A part of what an engine promises.
pub trait DeadLetters: Send + Sync {
    /// Those that do not stand on the topic yet and have a higher number, the oldest first.
    fn unsent(&self, after: i64, limit: usize) -> Answer<'_, Vec<DeadLetter>>;

    /// They stand there now.
    fn sent(&self, numbers: Vec<i64>) -> Answer<'_, ()>;

    /// Takes away those that were parked before, the oldest first, and so many at most; returns how many that were.
    fn forget(&self, before: Timestamp, at_most: usize) -> Answer<'_, usize>;

    /// How many were never redriven.
    fn waiting(&self) -> Answer<'_, u64>;
}

/// The headers as they are kept: a JSON array of `[name, base64 or null]`.
#[must_use]
pub fn write_headers<'h>(headers: impl IntoIterator<Item = (&'h str, Option<&'h [u8]>)>) -> Vec<u8> {
    let pairs: Vec<(&str, Option<String>)> =
        headers.into_iter().map(|(name, value)| (name, value.map(|value| STANDARD.encode(value)))).collect();
    serde_json::to_vec(&pairs).expect("texts are JSON")
}

/// None: not what [`write_headers`] writes.
#[must_use]
pub fn read_headers(kept: &[u8]) -> Option<AllHeaders> {
    let pairs: Vec<(String, Option<String>)> = serde_json::from_slice(kept).ok()?;
    let read = |(name, value): (String, Option<String>)| match value.map(|value| STANDARD.decode(value)) {
        None => Some((name, None)),
        Some(value) => Some((name, Some(value.ok()?))),
    };
    pairs.into_iter().map(read).collect()
}

/// What a reason means, for people; the code itself where a newer version has parked it.
#[must_use]
pub fn in_words(reason: &str) -> &str {
    match reason {
        "tombstone" => "it has no value",
        "empty" => "its value is blank",
        "too_big" => "it is larger than is read",
        "bad_header" => "one of its headers stands there twice",
        "bad_cloudevent" => "it is no CloudEvent 1.0 with JSON in it",
        "no_type" => "it does not say of which type it is",
        "bad_type" => "its type is no name",
        "bad_id" => "its id is no name",
        "bad_mall" => "its mall is no number of a mall",
        "no_audience" => "nobody can tell whom it is for",
        "bad_audience" => "whom it is for cannot be read",
        "legacy_unaddressed" => "it is plain text that says in no known way whom it is for",
        "not_utf8" => "it is not UTF-8",
        "nul" => "it holds U+0000",
        "too_deep" => "it is nested too deep",
        "duplicate_key" => "an object in it names a member twice",
        "number_range" => "it holds a number that is too large",
        "bad_member" => "one of its members is not of the kind it has to be",
        "bad_json" => "it is no JSON object",
        "refused_by_store" => "the store cannot hold it",
        newer => newer,
    }
}

/// Text of strangers in one line of a terminal: nothing in it steers that, or turns the direction of writing.
#[must_use]
pub fn harmless(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().map(|letter| if steers(letter) { '·' } else { letter }).collect()
}

/// Control characters, and those that have no width or change the direction.
pub(super) fn steers(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl Listed {
    /// As many bytes as eighty letters can have.
    pub const BYTES: usize = BEGINNING * 4;

    /// The first eighty letters of the value. Nobody can say which of them are personal, since nobody understood it; so
    /// they are shown to who asks for them, and otherwise only how it is built.
    #[must_use]
    pub fn preview(&self, whole: bool) -> String {
        let Some(beginning) = &self.beginning else { return "(no value)".to_owned() };
        let letters: Vec<char> = harmless(beginning).chars().take(BEGINNING).collect();
        let built = |letter: char| letter.is_ascii_punctuation() || letter == ' ' || letter == '·';
        letters.into_iter().map(|letter| if whole || built(letter) { letter } else { '*' }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(value: Option<&[u8]>) -> Listed {
        let place = Origin {
            at: crate::notification::Coordinates { epoch: crate::notification::Epoch(1), partition: 0, offset: 0 },
            life: 0,
        };
        let (reason, detail) = (String::new(), String::new());
        let (at, sent) = (Timestamp::UNIX_EPOCH, false);
        let parked = Parked { number: 1, place, at, parked: at, reason, detail, key: None, sent, redriven: None };
        Listed { parked, beginning: value.map(<[u8]>::to_vec), bytes: 0 }
    }

    #[test]
    fn a_preview_shows_how_it_is_built_and_only_who_asks_sees_more() {
        let value = "{\"이름\":\"Kim 1\"}\n\u{1b}[31m\u{202e}x".as_bytes();
        assert_eq!(listed(Some(value)).preview(false), "{\"**\":\"*** *\"}··[***·*");
        assert_eq!(listed(Some(value)).preview(true), "{\"이름\":\"Kim 1\"}··[31m·x");
        assert_eq!(listed(Some(b"\xff\xfe")).preview(true), "\u{fffd}\u{fffd}");
        assert_eq!(listed(None).preview(true), "(no value)");
        let long = "가".repeat(100);
        let cut = &long.as_bytes()[..Listed::BYTES.min(long.len())];
        assert_eq!(listed(Some(cut)).preview(true), "가".repeat(80));
    }

    #[test]
    fn headers_come_back_as_they_were() {
        let headers = [("a", Some(&b"\xff\x00"[..])), ("a", None), ("이", Some(&b""[..]))];
        let kept = write_headers(headers);
        assert_eq!(std::str::from_utf8(&kept), Ok(r#"[["a","/wA="],["a",null],["이",""]]"#));
        let owned = |(name, value): (&str, Option<&[u8]>)| (name.to_owned(), value.map(<[u8]>::to_vec));
        assert_eq!(read_headers(&kept), Some(headers.map(owned).to_vec()));
        for bad in ["", "{}", "[[1,null]]", r#"[["a","?"]]"#] {
            assert_eq!(read_headers(bad.as_bytes()), None, "{bad}");
        }
    }
}
