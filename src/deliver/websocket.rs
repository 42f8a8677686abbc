//! The coat of WebSockets: JSON in an envelope that says its type, as one whole text frame of RFC 6455.

use std::time::Duration;

use bytes::Bytes;

use crate::hub::{ByeReason, Coat, Frame, Kind, Wire};

/// The coat; it has nothing of its own.
#[derive(Debug, Clone, Copy)]
pub struct WebSocket;

/// For whoever needs a `&'static dyn Coat`.
pub static WEBSOCKET: WebSocket = WebSocket;

impl Coat for WebSocket {
    fn name(&self) -> &'static str {
        "websocket"
    }

    /// The envelope's end: a notification has a `type` of its own, so it stands inside.
    fn body(&self, kind: Kind, json: &[u8], _retry: Option<Duration>) -> Bytes {
        [b"\"", kind.name().as_bytes(), b"\":", json, b"}"].concat().into()
    }

    /// The frame's header and the envelope's beginning. Positions are base64url: nothing in them wants an escape.
    fn head(&self, kind: Kind, position: Option<&str>, body: &Bytes) -> Bytes {
        let place = position.map_or_else(String::new, |position| format!(r#""position":"{position}","#));
        let beginning = format!(r#"{{"type":"{}",{place}"#, kind.name());
        let mut head = header(Opcode::Text, beginning.len() + body.len());
        head.extend_from_slice(beginning.as_bytes());
        head.into()
    }

    /// The last message has the close frame behind it.
    fn dress(&self, frame: &Frame) -> Wire {
        let body = self.body(frame.kind, &frame.body, frame.retry);
        let mut all = self.head(frame.kind, frame.position.as_deref(), &body).to_vec();
        all.extend_from_slice(&body);
        if let Some(reason) = frame.bye() {
            all.extend_from_slice(&close(code(reason), reason.name()));
        }
        Wire { kind: frame.kind, head: Bytes::new(), body: all.into() }
    }
}

/// Who asks is not known, or not any more.
pub const UNAUTHORIZED: u16 = 4401;

/// What a client reads off the close frame: below 4400 it comes back by itself, above it only with something new.
#[must_use]
pub fn code(reason: ByeReason) -> u16 {
    match reason {
        ByeReason::Restart => 1012,
        ByeReason::Overload | ByeReason::Accounts => 1013,
        ByeReason::Slow => 4008,
        ByeReason::Expired | ByeReason::Revoked => UNAUTHORIZED,
        ByeReason::Replaced => 4409,
    }
}

/// The kinds of frame that a server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
}

/// A frame of its own: whole, and not masked, as a server's are.
#[must_use]
pub fn frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut frame = header(opcode, payload.len());
    frame.extend_from_slice(payload);
    frame.into()
}

/// The frame behind which nothing comes. A reason has 123 bytes at most.
#[must_use]
pub fn close(code: u16, reason: &str) -> Bytes {
    frame(Opcode::Close, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

fn header(opcode: Opcode, len: usize) -> Vec<u8> {
    const LAST: u8 = 0x80;
    let mut header = Vec::with_capacity(10 + len);
    header.push(LAST | opcode as u8);
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..126), _) => header.push(len),
        (_, Ok(len)) => {
            header.push(126);
            header.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            header.push(127);
            header.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (u8, usize, &[u8]) {
        let (len, rest) = match bytes[1] {
            126 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), &bytes[4..]),
            127 => (usize::try_from(u64::from_be_bytes(bytes[2..10].try_into().unwrap())).unwrap(), &bytes[10..]),
            len => (usize::from(len), &bytes[2..]),
        };
        (bytes[0], len, rest)
    }

    #[test]
    fn every_length_is_written_as_the_standard_has_it() {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 300_000] {
            let payload = vec![b'x'; len];
            assert_eq!(read(&frame(Opcode::Text, &payload)), (0x81, len, &payload[..]), "{len}");
        }
    }

    #[test]
    fn head_and_body_are_one_frame_wherever_they_are_joined() {
        for json in [r#"{"title":"새 주문"}"#.to_owned(), format!(r#"{{"title":"{}"}}"#, "가".repeat(30_000))] {
            let body = WEBSOCKET.body(Kind::Notification, json.as_bytes(), None);
            let whole = [WEBSOCKET.head(Kind::Notification, Some("abc"), &body), body].concat();
            let (first, len, text) = read(&whole);
            assert_eq!((first, len), (0x81, text.len()));
            let message: serde_json::Value = serde_json::from_slice(text).unwrap();
            let inner: serde_json::Value = serde_json::from_str(&json).unwrap();
            let expected = serde_json::json!({"type": "notification", "position": "abc", "notification": inner});
            assert_eq!(message, expected);
        }
    }

    #[test]
    fn behind_the_goodbye_comes_the_close_frame() {
        let bye = Frame { kind: Kind::Bye(ByeReason::Replaced), position: None, body: "{}".into(), retry: None };
        let wire = WEBSOCKET.dress(&bye);
        let text = br#"{"type":"bye","bye":{}}"#;
        assert_eq!(wire.body[..], [&frame(Opcode::Text, text)[..], &close(4409, "replaced")].concat());
    }
}
