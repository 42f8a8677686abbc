//! `GET /ws`: the same stream over a WebSocket, whose client says in its first message where it goes on.

use std::{convert::Infallible, time::Duration};

use axum::{extract::State, response::Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::{header, request::Parts};
use http_body_util::BodyDataStream;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    Doors,
    caller::Held,
    cut, extract,
    guest::{Coming, Guest, Turned},
    openapi::refusals,
    origin::Page,
    problem::Problem,
    socket::{Ending, Hearing, Limits, Said, converse},
    upgrade::{Socket, Upgrade},
};
use crate::{
    deliver::{
        Asked, Goodbye, Overloaded, QueueBody,
        websocket::{Opcode, UNAUTHORIZED, WEBSOCKET, close, code, frame},
    },
    hub::Coat,
};

/// The sub-protocol of `docs`; who offers none is taken to mean it.
const PROTOCOL: &str = "allim.v1";
/// Who is silent for so long is a newcomer.
const FIRST_WORD: Duration = Duration::from_secs(5);
/// Commands are short and rare.
const LIMITS: Limits = Limits { message: 64 * 1024, messages_per_second: 20, bytes_per_second: 512 * 1024 };
/// With the third mistake it is no mistake any more.
const MISTAKES: u32 = 3;

/// Listen over a WebSocket
///
/// The same stream with the same positions, as sub-protocol `allim.v1`: each event in an envelope
/// (`{"type":"notification","position":"…","notification":{…}}`). The client says first where it goes on:
/// `{"type":"resume","position":"…"}`. Who is not let in learns why from an `error` and a close code behind the
/// handshake: a script sees no status.
#[utoipa::path(
    get, path = "/ws", operation_id = "listenOverWebSocket", tag = "listen",
    security(("operatorToken" = []), ("operatorCookie" = []), ("ticket" = [])),
    params(
        ("Upgrade" = String, Header, description = "`websocket`."),
        ("Sec-WebSocket-Version" = String, Header, description = "`13`."),
        ("Sec-WebSocket-Key" = String, Header, description = "16 random bytes in base64."),
        ("Sec-WebSocket-Protocol" = Option<String>, Header, description = "`allim.v1`, or nothing."),
        ("last_event_id" = Option<String>, Query, description = "Where to go on, for who will not say it in a message."),
        ("lang" = Option<String>, Query, description = "`ko` or `en`; else the viewer's own, else Korean.", pattern = "^([Kk][Oo]|[Ee][Nn])([-_].*)?$"),
    ),
    responses(
        (status = 101, description = "From here on it is a WebSocket."),
        refusals::WebSocket,
    ),
)]
pub async fn open(State(doors): State<Doors>, mut parts: Parts) -> Result<Response, Problem> {
    let upgrade = Upgrade::of(&mut parts, Some(PROTOCOL))?;
    // Every browser says from which page a WebSocket comes; what says nothing and has somebody's cookie is none.
    if parts.headers.contains_key(header::COOKIE) && !parts.headers.contains_key(header::AUTHORIZATION) {
        Page::of(&parts.headers, &doors.settings.allowed_origins)?.may_act_with_a_cookie()?;
    }
    let come = Guest::of(&parts, &doors).await.and_then(|guest| {
        let line = guest.line.clone();
        let (coming, body) = guest.enter(&WEBSOCKET, &doors)?;
        Ok((coming, body, line))
    });
    match come {
        Ok((coming, body, line)) => {
            let asked = extract::asked_in_url(&parts.uri);
            let visit = Visit { coming: Some(coming), asked, line, mistakes: 0, doors };
            Ok(upgrade.accept(|socket| visit.go(socket, body)))
        }
        Err(Turned::Away(problem)) if problem.is_about_who_asks() => {
            Ok(upgrade.accept(move |socket| only(socket, refusal(problem), doors)))
        }
        Err(Turned::Away(problem)) => Err(problem),
        Err(Turned::Later(goodbye)) => Ok(upgrade.accept(move |socket| {
            let ending = last_words(goodbye, &doors);
            only(socket, ending, doors)
        })),
        Err(Turned::Cut) => Ok(Response::new(cut::broken())),
    }
}

/// Somebody who listens over a WebSocket.
struct Visit {
    /// Until it is known where he goes on.
    coming: Option<Coming>,
    /// Where the URL says that he does.
    asked: Option<Asked>,
    line: Option<CancellationToken>,
    mistakes: u32,
    doors: Doors,
}

impl Visit {
    async fn go(mut self, socket: Socket, body: QueueBody) {
        let held = socket.held.clone();
        let ending = converse(socket, LIMITS, frames(body), async |hearing| self.talk(hearing, &held).await).await;
        count(&ending, &self.doors);
    }

    async fn talk(&mut self, hearing: &mut Hearing<'_>, held: &Held) -> Ending {
        match self.take_turns(hearing, held).await {
            Ok(never) => match never {},
            Err(ending) => ending,
        }
    }

    async fn take_turns(&mut self, hearing: &mut Hearing<'_>, held: &Held) -> Result<Infallible, Ending> {
        let first_word = Instant::now() + FIRST_WORD;
        if let Some(asked) = self.asked.take() {
            self.begin(asked).await?;
        }
        loop {
            let waits = self.coming.is_some();
            tokio::select! {
                said = hearing.next() => self.hear(said?, hearing).await?,
                () = sleep_until(first_word), if waits => self.begin(Asked::Newcomer).await?,
                // Who listens already has been told in his stream.
                () = held.closing(), if waits => return Err(self.turn(Goodbye::Restart { window: Duration::ZERO })),
                () = is_cut(self.line.as_ref()) => return Err(Ending::Gone),
            }
        }
    }

    /// His rights are those of now, and not those of his handshake.
    async fn begin(&mut self, asked: Asked) -> Result<(), Ending> {
        let Some(mut coming) = self.coming.take() else { return Ok(()) };
        match coming.look_again(&self.doors).await {
            Ok(()) => coming.begin(asked, &self.doors).map_err(|Overloaded| self.turn(Goodbye::Overload)),
            Err(Turned::Later(goodbye)) => Err(self.turn(goodbye)),
            Err(Turned::Away(problem)) => Err(refusal(problem)),
            Err(Turned::Cut) => Err(Ending::Gone),
        }
    }

    fn turn(&self, goodbye: Goodbye) -> Ending {
        last_words(goodbye, &self.doors)
    }

    /// Does what is asked, or says what is wrong with it.
    async fn hear(&mut self, said: Said, hearing: &mut Hearing<'_>) -> Result<(), Ending> {
        let mistake = match Command::read(&said) {
            Ok(Command::Ping) => return hearing.answer(Opcode::Text, br#"{"type":"pong"}"#).await,
            Ok(Command::Resume(asked)) if self.coming.is_some() => return self.begin(asked).await,
            Ok(Command::Resume(_)) => Mistake::LateResume,
            Err(mistake) => mistake,
        };
        let (code, detail) = mistake.said();
        hearing.answer(Opcode::Text, error(code, detail).as_bytes()).await?;
        self.mistakes += 1;
        if self.mistakes < MISTAKES { Ok(()) } else { Err(Ending::close(1008, "too many mistakes")) }
    }
}

/// What a client may say.
enum Command {
    Resume(Asked),
    Ping,
}

impl Command {
    fn read(said: &Said) -> Result<Command, Mistake> {
        let Said::Text(text) = said else { return Err(Mistake::Binary) };
        let command: Map<String, Value> = serde_json::from_str(text).map_err(|_| Mistake::Unreadable)?;
        match (command.get("type").and_then(Value::as_str), command.get("position")) {
            (Some("ping"), _) => Ok(Command::Ping),
            (Some("resume"), None | Some(Value::Null)) => Ok(Command::Resume(Asked::Newcomer)),
            (Some("resume"), Some(Value::String(text))) => Ok(Command::Resume(Asked::named(text))),
            (Some("resume"), _) => Err(Mistake::BadPosition),
            (Some(_), _) => Err(Mistake::UnknownType),
            (None, _) => Err(Mistake::Unreadable),
        }
    }
}

/// What can be wrong with what a client says.
#[derive(Debug, Clone, Copy)]
enum Mistake {
    Binary,
    Unreadable,
    UnknownType,
    BadPosition,
    LateResume,
}

impl Mistake {
    fn said(self) -> (&'static str, &'static str) {
        match self {
            Mistake::Binary => ("binary", "Send text messages: JSON objects with a `type`."),
            Mistake::Unreadable => ("unreadable", "Send a JSON object with a `type`, such as {\"type\":\"ping\"}."),
            Mistake::UnknownType => ("unknown_type", "`type` is `resume` or `ping`. Events are published over HTTP."),
            Mistake::BadPosition => ("bad_position", "`position` is a text: the last one that you got."),
            Mistake::LateResume => (
                "late_resume",
                "`resume` is the first thing to say, within 5 seconds; the stream has begun. Connect anew.",
            ),
        }
    }
}

fn error(code: &str, detail: &str) -> String {
    json!({ "type": "error", "error": { "code": code, "detail": detail } }).to_string()
}

fn frames(body: QueueBody) -> impl Stream<Item = Bytes> {
    BodyDataStream::new(body).filter_map(async |bytes| bytes.ok())
}

/// The goodbye to somebody who is not let in now.
fn last_words(goodbye: Goodbye, doors: &Doors) -> Ending {
    let bye = WEBSOCKET.dress(&goodbye.frame(doors.streams.settings()));
    doors.metrics.streams_ended.with(goodbye.reason().name()).inc();
    Ending::Last { code: code(goodbye.reason()), frames: bye.body }
}

/// What a browser's script can know of a refusal: it sees no status.
fn refusal(problem: Problem) -> Ending {
    let (word, detail) = problem.said();
    let told = frame(Opcode::Text, error(word, detail).as_bytes());
    Ending::Last { code: UNAUTHORIZED, frames: [told, close(UNAUTHORIZED, word)].concat().into() }
}

fn count(ending: &Ending, doors: &Doors) {
    if let Ending::Last { code, .. } = ending {
        doors.metrics.websockets_closed.with(code.to_string()).inc();
    }
}

/// Says it and ends.
async fn only(socket: Socket, ending: Ending, doors: Doors) {
    let ending = converse(socket, LIMITS, stream::pending(), async move |_| ending).await;
    count(&ending, &doors);
}

async fn is_cut(line: Option<&CancellationToken>) {
    match line {
        Some(line) => line.cancelled().await,
        None => std::future::pending().await,
    }
}
