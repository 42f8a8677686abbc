//! A refusal as it is told (RFC 9457), with the headers that its status wants.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::ingest::wrong::Wrong;

/// A problem and what else there is to say of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub problem: Problem,
    errors: Option<Vec<Mistake>>,
    id: Option<String>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        Refusal { problem, errors: None, id: None }
    }
}

/// One thing that is wrong with a body or a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Mistake)]
pub struct Mistake {
    /// Where in the body (RFC 6901); the whole body is the empty text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Of a question to the timeline: which of its parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
    /// What is wrong, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// The same for people.
    pub detail: String,
}

impl From<Wrong> for Mistake {
    fn from(Wrong { pointer, code, detail }: Wrong) -> Mistake {
        Mistake { pointer: Some(pointer), field: None, code: Some(code), detail }
    }
}

/// A refusal as it is told (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Told {
    /// `about:blank`: it is `code` that says which.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    status: u16,
    /// What is wrong, for programs: it stays as it is.
    code: &'static str,
    /// What is wrong and what to do about it, for people.
    detail: &'static str,
    /// Everything that is wrong, where it is more than one thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<Mistake>>,
    /// The id to send the same event with again.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

impl Problem {
    pub fn with_errors(self, errors: impl IntoIterator<Item = Mistake>) -> Refusal {
        Refusal { errors: Some(errors.into_iter().collect()), ..self.into() }
    }

    /// That of an event, so that it can be sent again as the same.
    pub fn with_id(self, id: String) -> Refusal {
        Refusal { id: Some(id), ..self.into() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        Refusal::from(self).into_response()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, detail) = self.problem.row();
        let title = status.canonical_reason().unwrap_or("error");
        let (errors, id) = (self.errors, self.id);
        let told = Told { kind: "about:blank", title, status: status.as_u16(), code, detail, errors, id };
        let mut response = (status, Json(told)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::UPGRADE_REQUIRED => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            // Whoever repeats with an id may do so soon, and a list harms nobody.
            StatusCode::SERVICE_UNAVAILABLE
                if matches!(self.problem, Problem::KafkaUnavailable | Problem::TimelineUnavailable) =>
            {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(fastrand::u16(1..=5)));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(fastrand::u16(10..=60)));
            }
            _ => {}
        }
        response
    }
}
