//! `POST /tickets`: for browsers, which cannot send a token with an `EventSource` or a WebSocket.

use axum::{Json, extract::State, response::IntoResponse, response::Response};
use http::{HeaderValue, header, request::Parts};
use jiff::Timestamp;
use serde_json::json;

use super::{Doors, asker::Asker, problem::Problem};

/// Gives one out, to whom a stream would be opened.
pub async fn issue(State(doors): State<Doors>, parts: Parts) -> Result<Response, Problem> {
    let Asker { page, token, viewer } = Asker::of(&parts, &doors).await?;
    let ticket = doors.tickets.issue(viewer.admin, &page.name, &token, Timestamp::now());
    doors.metrics.tickets.with("issued").inc();
    let mut response =
        Json(json!({ "ticket": ticket.text, "expiresAt": format!("{:.3}", ticket.expires_at) })).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
