//! The first frame of a stream: where it begins, whether a position was taken up, and what the client may expect.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    hub::{Frame, Kind},
    notification::Viewer,
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Hello<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<&'a str>,
    /// Null for a newcomer, and while it is not yet known.
    recovered: Option<bool>,
    scope: String,
    /// Where there is a timeline, and it answers at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<usize>,
    heartbeat_seconds: f64,
}

/// `position`: where the replay starts; none when it was refused or cannot be judged yet.
pub fn frame(
    viewer: &Viewer,
    position: Option<String>,
    recovered: Option<bool>,
    unread: Option<usize>,
    heartbeat: Duration,
    retry: Duration,
) -> Frame {
    let hello = Hello {
        position: position.as_deref(),
        recovered,
        scope: scope(viewer),
        unread,
        heartbeat_seconds: heartbeat.as_secs_f64(),
    };
    let body = serde_json::to_vec(&hello).expect("strings and numbers always serialize").into();
    Frame { kind: Kind::Hello, position, body, retry: Some(retry) }
}

/// Another scope than last time: what is on the screen may be too much or too little, and the list wants reloading.
fn scope(viewer: &Viewer) -> String {
    let mut hash = Sha256::new();
    for term in viewer.terms() {
        hash.update(term.to_string());
        hash.update(",");
    }
    hash.update([u8::from(viewer.sees_personal)]);
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..9])
}
