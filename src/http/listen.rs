//! `GET /notifications`: a token or a ticket, a place to go on from, and from there on a stream of events.

use std::sync::Arc;

use axum::{body::Body, extract::State, response::Response};
use http::{HeaderValue, Method, header, request::Parts};

use super::{
    Doors,
    cut::{self, CutOff},
    extract,
    origin::Page,
    problem::Problem,
    proof::Proof,
    recheck::Watched,
};
use crate::{
    deliver::{Arrival, Goodbye, QueueBody, queue, sse::SSE},
    hub::{Coat, Command, Outlet},
};

/// Opens a stream.
pub async fn sse(State(doors): State<Doors>, parts: Parts) -> Result<Response, Problem> {
    let page = Page::of(&parts.headers, &doors.settings.allowed_origins)?;
    let lang = extract::lang(&parts.uri)?;
    let proof = Proof::of(&parts, &page, &doors)?;
    if doors.streams.is_draining() {
        let window = doors.streams.settings().drain_window;
        return Ok(farewell(&doors, Goodbye::Restart { window }));
    }
    let asked = doors.identity.now();
    let viewer = match proof.viewer(&doors).await {
        Ok(viewer) => viewer,
        Err(problem) => return refuse(problem, &parts, &doors),
    };
    let line = match doors.demo.as_ref().map(|demo| demo.cuts.line(viewer.admin)).transpose() {
        Ok(line) => line,
        Err(CutOff) => return Ok(events(cut::broken())),
    };
    // Whoever asks for the head alone shall have it, and no seat.
    if parts.method == Method::HEAD {
        return Ok(events(Body::empty()));
    }
    if let Err(problem) = proof.spend(&viewer, &doors) {
        return refuse(problem, &parts, &doors);
    }
    let (id, shard) = doors.streams.place();
    let tell_gone = shard.clone();
    let gone = move || {
        // A full inbox loses this word; the next beat finds out.
        let _ = tell_gone.tell(Command::Gone(id));
    };
    let settings = doors.streams.settings();
    let (outlet, body, progress) = queue(settings.queue_frames, settings.queue_bytes, gone);
    let watched =
        doors.recheck.watch(Watched { id, shard: shard.clone(), token: proof.token, viewer: Arc::clone(&viewer) });
    let arrival = Arrival {
        id,
        viewer,
        lang,
        coat: &SSE,
        outlet: Box::new(outlet),
        asked: extract::asked(&parts),
        guard: Box::new(watched),
    };
    match doors.streams.open(arrival, &shard, progress) {
        Ok(()) => {
            doors.recheck.opened(id, asked);
            Ok(match line {
                None => stream(body),
                Some(line) => events(cut::cuttable(body, line)),
            })
        }
        Err(_) => refuse(Problem::Overload, &parts, &doors),
    }
}

/// Never a 5xx to an EventSource: it would close for good, although what it shows may be fine in a minute.
fn refuse(problem: Problem, parts: &Parts, doors: &Doors) -> Result<Response, Problem> {
    match problem {
        Problem::AccountsUnavailable if extract::wants_events(&parts.headers) => Ok(farewell(doors, Goodbye::Accounts)),
        Problem::Overload if extract::wants_events(&parts.headers) => Ok(farewell(doors, Goodbye::Overload)),
        problem => Err(problem),
    }
}

/// A stream that says goodbye at once.
fn farewell(doors: &Doors, goodbye: Goodbye) -> Response {
    let settings = doors.streams.settings();
    let (mut outlet, body, _) = queue(settings.queue_frames, settings.queue_bytes, || ());
    let bye = goodbye.frame(settings);
    doors.metrics.streams_ended.with(goodbye.reason().name()).inc();
    outlet.finish(SSE.dress(&bye));
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
