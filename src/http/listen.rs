//! `GET /notifications`: a place to go on from, and from there on a stream of events.

use axum::{body::Body, extract::State, response::Response};
use http::{HeaderValue, Method, header, request::Parts};

use super::{
    Doors, cut, extract,
    guest::{Guest, Turned},
    openapi::refusals,
    problem::Problem,
};
use crate::{
    deliver::{Goodbye, QueueBody, queue, sse::SSE},
    hub::{Coat, Outlet},
};

/// Listen
///
/// A stream of events, each once and in order: `hello`, what was missed since the position, `status`, and from there on
/// what comes, until a `bye`. An event without a name is a notification, whose data are a `Notification`; its `id:` is the
/// position to come back with. Who accepts `text/event-stream` is told of overload, a restart or an ill account service by
/// a `bye` in a stream, as an `EventSource` would stay away for good after a 503.
#[utoipa::path(
    get, path = "/notifications", operation_id = "listen", tag = "listen",
    security(("operatorToken" = []), ("operatorCookie" = []), ("ticket" = [])),
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "The last `id:`: go on behind it. `earliest` is what memory has. It wins over the URL's."),
        ("last_event_id" = Option<String>, Query, description = "The same, for who can send no header."),
        ("lang" = Option<String>, Query, description = "`ko` or `en`; else the viewer's own, else Korean.", pattern = "^([Kk][Oo]|[Ee][Nn])([-_].*)?$"),
    ),
    responses(
        (status = 200, description = "The stream.", body = String, content_type = "text/event-stream"),
        refusals::Listening,
    ),
)]
pub async fn sse(State(doors): State<Doors>, parts: Parts) -> Result<Response, Problem> {
    let guest = match Guest::of(&parts, &doors).await {
        Ok(guest) => guest,
        Err(turned) => return turn(turned, &parts, &doors),
    };
    // Whoever asks for the head alone shall have it, and no seat.
    if parts.method == Method::HEAD {
        return Ok(events(Body::empty()));
    }
    let line = guest.line.clone();
    let begun = guest.enter(&SSE, &doors).and_then(|(coming, body)| {
        coming.begin(extract::asked(&parts), &doors)?;
        Ok(body)
    });
    match (begun, line) {
        (Ok(body), None) => Ok(stream(body)),
        (Ok(body), Some(line)) => Ok(events(cut::cuttable(body, line))),
        (Err(turned), _) => turn(turned, &parts, &doors),
    }
}

/// Never a 5xx to an EventSource: it would close for good, although what it shows may be fine in a minute.
fn turn(turned: Turned, parts: &Parts, doors: &Doors) -> Result<Response, Problem> {
    let wants_events = extract::wants_events(&parts.headers);
    match turned {
        Turned::Away(problem) => Err(problem),
        Turned::Later(Goodbye::Accounts) if !wants_events => Err(Problem::AccountsUnavailable),
        Turned::Later(Goodbye::Overload) if !wants_events => Err(Problem::Overload),
        Turned::Later(goodbye) => Ok(farewell(doors, goodbye)),
        Turned::Cut => Ok(events(cut::broken())),
    }
}

/// A stream that says goodbye at once.
fn farewell(doors: &Doors, goodbye: Goodbye) -> Response {
    let settings = doors.streams.settings();
    let (mut outlet, body, _) = queue(settings.queue_frames, settings.queue_bytes, || ());
    doors.metrics.streams_ended.with(goodbye.reason().name()).inc();
    outlet.finish(SSE.dress(&goodbye.frame(settings)));
    stream(body)
}

fn stream(body: QueueBody) -> Response {
    events(Body::new(body))
}

fn events(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    // No cache may keep it, no proxy may compress or collect it.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
