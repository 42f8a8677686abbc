//! `POST /tickets`: for browsers, which cannot send a token with an `EventSource` or a WebSocket.

use axum::{Json, extract::State, response::IntoResponse, response::Response};
use http::{HeaderValue, header, request::Parts};
use jiff::Timestamp;
use serde_json::json;

use super::{Doors, extract, origin::Page, problem::Problem};

/// Gives one out, to whom a stream would be opened.
pub async fn issue(State(doors): State<Doors>, parts: Parts) -> Result<Response, Problem> {
    let page = Page::of(&parts.headers, &doors.settings.allowed_origins)?;
    let token = extract::token(&parts, &doors.cookie)?;
    if !parts.headers.contains_key(header::AUTHORIZATION) {
        page.may_act_with_a_cookie()?;
    }
    // A script reads the answer, so an ill account service is a 503 here.
    let viewer = doors.identity.who(&token).await?;
    let ticket = doors.tickets.issue(viewer.admin, &page.name, &token, Timestamp::now());
    doors.metrics.tickets.with("issued").inc();
    let mut response =
        Json(json!({ "ticket": ticket.text, "expiresAt": format!("{:.3}", ticket.expires_at) })).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
