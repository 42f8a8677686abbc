//! The pages of `static/` and documents made at the start: what is asked for again and has not changed is not sent again.

use std::sync::Arc;

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;
use sha2::{Digest, Sha256};

struct Page {
    path: &'static str,
    kind: &'static str,
    body: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const JSON: &str = "application/json";

macro_rules! pages {
    ($($path:literal $file:literal $kind:ident),* $(,)?) => {
        &[$(Page { path: $path, kind: $kind, body: include_bytes!(concat!("../../static/", $file)) }),*]
    };
}

/// Nothing else of a disk can be had here: there is no folder to leave.
const PAGES: &[Page] = pages![
    "/" "index.html" HTML,
    "/sse.html" "sse.html" HTML,
    "/websocket.html" "websocket.html" HTML,
    "/index.js" "index.js" SCRIPT,
    "/sse.js" "sse.js" SCRIPT,
    "/websocket.js" "websocket.js" SCRIPT,
    "/one-pane.js" "one-pane.js" SCRIPT,
    "/allim.js" "allim.js" SCRIPT,
    "/timeline.js" "timeline.js" SCRIPT,
    "/bell.js" "bell.js" SCRIPT,
    "/operator-pane.js" "operator-pane.js" SCRIPT,
    "/publish-panel.js" "publish-panel.js" SCRIPT,
    "/guide.js" "guide.js" SCRIPT,
    "/page.js" "page.js" SCRIPT,
    "/dom.js" "dom.js" SCRIPT,
    "/code.js" "code.js" SCRIPT,
    "/texts.js" "texts.js" SCRIPT,
    "/style.css" "style.css" STYLE,
    "/icons.svg" "icons.svg" SVG,
    "/favicon.svg" "favicon.svg" SVG,
];

/// A route for each.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    PAGES
        .iter()
        .fold(Router::new(), |router, page| router.route(page.path, served(page.kind, Bytes::from_static(page.body))))
}

/// A document that is made once, at the start.
pub fn document<S: Clone + Send + Sync + 'static>(document: &Value) -> MethodRouter<S> {
    served(JSON, document.to_string().into())
}

fn served<S: Clone + Send + Sync + 'static>(kind: &'static str, body: Bytes) -> MethodRouter<S> {
    let tag: Arc<str> = tag(&body).into();
    get(async move |asked: HeaderMap| serve(kind, body, &tag, &asked))
}

fn serve(kind: &'static str, body: Bytes, tag: &str, asked: &HeaderMap) -> Response {
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|line| line.split(',')).any(|one| one.trim() == tag);
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { body.into_response() };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // Asked for each time, and seldom sent: a new version of the server brings new pages at once.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn tag(body: &[u8]) -> String {
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(&Sha256::digest(body)[..12]))
}
