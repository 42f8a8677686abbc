//! The coat of Server-Sent Events: `id:`, `event:`, `retry:`, and one `data:` line of JSON.

use std::{fmt::Write as _, time::Duration};

use bytes::Bytes;

use crate::hub::{Coat, Kind};

/// The coat; it has nothing of its own.
#[derive(Debug, Clone, Copy)]
pub struct Sse;

/// For whoever needs a `&'static dyn Coat`.
pub static SSE: Sse = Sse;

impl Coat for Sse {
    fn name(&self) -> &'static str {
        "sse"
    }

    /// `json` is one line, as `serde_json` writes it; a line end in it would break the frame, so none is let through. Nor
    /// what is one for readers that know more line ends than the standard: a text could bring them a field of its own.
    fn body(&self, kind: Kind, json: &[u8], retry: Option<Duration>) -> Bytes {
        let mut lines = String::new();
        if kind != Kind::Notification {
            let _ = writeln!(lines, "event: {}", kind.name());
        }
        if let Some(retry) = retry {
            let _ = writeln!(lines, "retry: {}", retry.as_millis());
        }
        lines.push_str("data: ");
        let mut body = Vec::with_capacity(lines.len() + json.len() + 2);
        body.extend_from_slice(lines.as_bytes());
        put_on_one_line(&mut body, json);
        body.extend_from_slice(b"\n\n");
        body.into()
    }

    /// Positions are base64url: nothing in them can end a line.
    fn head(&self, _kind: Kind, position: Option<&str>, _body: &Bytes) -> Bytes {
        position.map_or_else(Bytes::new, |position| format!("id: {position}\n").into())
    }
}

/// U+0085, U+2028 and U+2029 end a line in Python's `str.splitlines`, which clients read streams with. In JSON they stand
/// in texts only, where they can be written as escapes; all below U+0020 are so already.
const LINE_ENDS_ELSEWHERE: [(&[u8], &[u8]); 3] =
    [("\u{85}".as_bytes(), br"\u0085"), ("\u{2028}".as_bytes(), br"\u2028"), ("\u{2029}".as_bytes(), br"\u2029")];

fn put_on_one_line(body: &mut Vec<u8>, json: &[u8]) {
    let mut rest = json;
    while let Some((&byte, behind)) = rest.split_first() {
        let elsewhere = || LINE_ENDS_ELSEWHERE.iter().find(|(end, _)| rest.starts_with(end));
        rest = match byte {
            b'\n' | b'\r' => {
                body.push(b' ');
                behind
            }
            // What these begin with; all other bytes are as they are.
            0xc2 | 0xe2 if let Some((end, escape)) = elsewhere() => {
                body.extend_from_slice(escape);
                &rest[end.len()..]
            }
            byte => {
                body.push(byte);
                behind
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_a_line_for_anybody() {
        let text = "a\r\nb\rc\u{b}\u{c}\u{1c}\u{1d}\u{1e}\u{85}id: 7\u{2028}event: bye\u{2029}\u{2027}\u{202a}\u{84}\u{a9} 한글";
        let json = serde_json::json!({"title": text, text: 1}).to_string();
        let body = SSE.body(Kind::Notification, json.as_bytes(), None);
        let line = std::str::from_utf8(&body).unwrap().strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap();
        let ends = ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];
        assert!(!line.contains(ends), "{line:?}");
        assert_eq!(line.parse::<serde_json::Value>().unwrap(), json.parse::<serde_json::Value>().unwrap());
        assert_eq!(SSE.body(Kind::Beat, b"{\r\n}", None), "event: beat\ndata: {  }\n\n".as_bytes());
    }
}
