//! `/echo`, for other people's protocol suites: what comes in goes back, through the upgrade and the limits of the real
//! doors. Only in a build with the feature `protocol-echo`, which nobody deploys.

use axum::{
    Router,
    body::Body,
    response::Response,
    routing::{get, post},
};
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, request::Parts};

use super::{
    Doors, extract,
    problem::Problem,
    socket::{Ending, Hearing, Limits, Said, converse},
    upgrade::Upgrade,
};
use crate::deliver::websocket::Opcode;

/// The suites send up to 16 MB in one message, as fast as they can.
const LIMITS: Limits = Limits { message: 64 << 20, messages_per_second: usize::MAX, bytes_per_second: usize::MAX };
const BODY: usize = 16 << 20;

pub fn routes() -> Router<Doors> {
    Router::new().route("/echo", get(socket)).route("/echo", post(body))
}

async fn body(headers: HeaderMap, body: Body) -> Result<Bytes, Problem> {
    extract::body(&headers, body, BODY).await
}

async fn socket(mut parts: Parts) -> Result<Response, Problem> {
    let upgrade = Upgrade::of(&mut parts, None)?;
    Ok(upgrade.accept(async |socket| {
        converse(socket, LIMITS, stream::pending(), repeat).await;
    }))
}

async fn repeat(hearing: &mut Hearing<'_>) -> Ending {
    loop {
        let answered = match hearing.next().await {
            Ok(Said::Text(text)) => hearing.answer(Opcode::Text, text.as_bytes()).await,
            Ok(Said::Binary(bytes)) => hearing.answer(Opcode::Binary, &bytes).await,
            Err(ending) => return ending,
        };
        if let Err(ending) = answered {
            return ending;
        }
    }
}
