//! A body that is made once and asked for again and again: what has not changed is not sent again.

use axum::response::{IntoResponse, Response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

/// A cheap clone.
#[derive(Clone)]
pub struct MadeOnce {
    kind: &'static str,
    body: Bytes,
    tag: HeaderValue,
}

impl MadeOnce {
    pub fn new(kind: &'static str, body: impl Into<Bytes>) -> MadeOnce {
        let body = body.into();
        let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&Sha256::digest(&body)[..12]));
        MadeOnce { kind, body, tag: HeaderValue::try_from(tag).expect("base64 is fit for a header") }
    }

    pub fn answer(&self, asked: &HeaderMap) -> Response {
        let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        // A proxy that compresses makes a tag weak.
        let mut known = known.flat_map(|line| line.split(',')).map(str::trim);
        let is_known = known.any(|one| one == "*" || self.tag == one.trim_start_matches("W/"));
        let mut response =
            if is_known { StatusCode::NOT_MODIFIED.into_response() } else { self.body.clone().into_response() };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        // Asked for each time, and seldom sent: a new version of the server brings a new one at once.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::ETAG, self.tag.clone());
        response
    }
}
