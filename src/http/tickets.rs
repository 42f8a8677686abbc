//! `POST /tickets`: for browsers, which cannot send a token with an `EventSource` or a WebSocket.

use axum::{Json, extract::State, response::IntoResponse, response::Response};
use http::{HeaderValue, header, request::Parts};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Doors, asker::Asker, openapi::refusals, problem::Problem};

/// What opens one stream.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Ticket {
    ticket: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

/// Get a ticket
///
/// For browsers, which cannot send a token with an `EventSource` or a WebSocket: `?ticket=` opens one stream, soon, and only
/// for the page and the operator it was given to.
#[utoipa::path(
    post, path = "/tickets", operation_id = "getTicket", tag = "listen",
    security(("operatorToken" = []), ("operatorCookie" = [])),
    responses((status = 200, description = "A new one.", body = Ticket), refusals::Tickets),
)]
pub async fn issue(State(doors): State<Doors>, parts: Parts) -> Result<Response, Problem> {
    let Asker { page, token, viewer } = Asker::of(&parts, &doors).await?;
    let ticket = doors.tickets.issue(viewer.admin, &page.name, &token, Timestamp::now());
    doors.metrics.tickets.with("issued").inc();
    let expires_at = format!("{:.3}", ticket.expires_at);
    let mut response = Json(Ticket { ticket: ticket.text, expires_at }).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
