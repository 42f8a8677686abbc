//! Every refusal as status, stable code and JSON (RFC 9457): one table, no internals.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::identity::Refused;

/// Why a request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    NoToken,
    BadToken,
    TokenInUrl,
    BadTicket,
    LateTicket,
    UsedTicket,
    TicketOfOtherPage,
    TicketOfOtherOperator,
    OriginRefused,
    BadLanguage,
    HostRequired,
    NotFound,
    MethodNotAllowed,
    Overload,
    AccountsUnavailable,
    Internal,
}

impl Problem {
    fn row(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Problem::NoToken => (
                StatusCode::UNAUTHORIZED,
                "no_token",
                "Send a token: `Authorization: Bearer …`, the cookie of the back office, or a ticket that you got with one of them.",
            ),
            Problem::BadToken => (StatusCode::UNAUTHORIZED, "bad_token", "The token is not known, or has ended."),
            Problem::TokenInUrl => (
                StatusCode::BAD_REQUEST,
                "token_in_url",
                "A token in a URL ends up in logs and histories. Send it as `Authorization: Bearer …` or as a cookie, or get a ticket for it: `POST /tickets`.",
            ),
            Problem::BadTicket => {
                ticket("bad_ticket", "The ticket is none of this server, or was changed. Get a new one.")
            }
            Problem::LateTicket => {
                ticket("late_ticket", "The ticket's time is over. Get a new one and use it at once.")
            }
            Problem::UsedTicket => {
                ticket("used_ticket", "The ticket was used before. Get a new one for each connection.")
            }
            Problem::TicketOfOtherPage => {
                ticket("ticket_of_other_page", "The ticket was given to a page of another origin. Get one from here.")
            }
            Problem::TicketOfOtherOperator => {
                ticket("ticket_of_other_operator", "The ticket is not for who the token or the cookie beside it is.")
            }
            Problem::OriginRefused => (
                StatusCode::FORBIDDEN,
                "origin_refused",
                "Pages of this origin may not come in here. The server's setting is ALLIM_ALLOWED_ORIGINS.",
            ),
            Problem::BadLanguage => (StatusCode::BAD_REQUEST, "bad_language", "`lang` is `ko` or `en`."),
            Problem::HostRequired => (StatusCode::BAD_REQUEST, "host_required", "A request names exactly one host."),
            Problem::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is nothing here."),
            Problem::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This path does not take this method.")
            }
            Problem::Overload => (StatusCode::SERVICE_UNAVAILABLE, "overload", "Too much to do. Come back later."),
            Problem::AccountsUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "accounts_unavailable",
                "The account service gives no answer. Come back later with the same token.",
            ),
            Problem::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong here."),
        }
    }
}

/// None of these is a secret: the exact ones are told only of tickets that are ours.
const fn ticket(code: &'static str, detail: &'static str) -> (StatusCode, &'static str, &'static str) {
    (StatusCode::UNAUTHORIZED, code, detail)
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        match refused {
            Refused::Unknown => Problem::BadToken,
            Refused::Unavailable => Problem::AccountsUnavailable,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, detail) = self.row();
        let title = status.canonical_reason().unwrap_or("error");
        let body =
            json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "code": code, "detail": detail });
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(fastrand::u16(10..=60)));
            }
            _ => {}
        }
        response
    }
}
