//! The pages of `static/`, carried in the executable.

use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, header};

/// The start page.
pub async fn index() -> Response {
    let mut page = Html(include_str!("../../static/index.html")).into_response();
    page.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    page
}

/// Its script: a module of its own, for the content security policy forbids scripts within pages.
pub async fn script() -> Response {
    let mut script = include_str!("../../static/index.js").into_response();
    let headers = script.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    script
}
