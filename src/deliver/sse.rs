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

    /// `json` is one line, as `serde_json` writes it; a line end in it would break the frame, so none is let through.
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
        body.extend(json.iter().map(|&byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
        body.extend_from_slice(b"\n\n");
        body.into()
    }

    /// Positions are base64url: nothing in them can end a line.
    fn head(&self, _kind: Kind, position: Option<&str>, _body: &Bytes) -> Bytes {
        position.map_or_else(Bytes::new, |position| format!("id: {position}\n").into())
    }
}
