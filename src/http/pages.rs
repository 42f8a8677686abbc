//! The pages of `static/`, carried in the executable: what is asked for again and has not changed is not sent again.

use axum::{Router, routing::get};
use http::HeaderMap;

use super::made_once::MadeOnce;

struct Page {
    path: &'static str,
    kind: &'static str,
    body: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

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
    PAGES.iter().fold(Router::new(), |router, page| {
        let file = MadeOnce::new(page.kind, page.body);
        router.route(page.path, get(async move |asked: HeaderMap| file.answer(&asked)))
    })
}
