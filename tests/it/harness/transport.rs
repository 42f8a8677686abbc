//! Over what people listen: an event stream, or with `TRANSPORT=websocket` a WebSocket. The chapters are the same.

use std::{io, net::SocketAddr};

use tokio::net::TcpStream;

use super::{
    apache,
    sse::{Event, Stream},
    websocket::Socket,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Sse,
    WebSocket,
}

/// One connection of somebody who listens.
pub enum Line {
    Sse(Stream),
    WebSocket(Socket),
}

impl From<Stream> for Line {
    fn from(stream: Stream) -> Line {
        Line::Sse(stream)
    }
}

/// What was chosen for this run.
pub fn chosen() -> Transport {
    match apache::word("TRANSPORT").as_deref() {
        None | Some("" | "sse") => Transport::Sse,
        Some("websocket") => Transport::WebSocket,
        Some(other) => panic!("TRANSPORT={other}: wanted is `sse` or `websocket`"),
    }
}

/// Notes that this test listens, and over what; `tests/all` counts.
pub fn noted() {
    let word = if chosen() == Transport::Sse { "sse" } else { "websocket" };
    apache::report_in("transports", word, "");
}

impl Line {
    /// With this token, from there on.
    pub async fn open(over: Transport, address: SocketAddr, token: &str, position: Option<&str>) -> io::Result<Line> {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("Authorization", bearer.as_str())];
        if over == Transport::WebSocket {
            let mut socket = Socket::open(address, "/ws", &headers).await?;
            socket.resume(position).await?;
            return Ok(Line::WebSocket(socket));
        }
        headers.push(("Accept", "text/event-stream"));
        headers.extend(position.map(|position| ("Last-Event-ID", position)));
        let stream = Stream::get(address, "/notifications", &headers).await?;
        if stream.status == 200 { Ok(Line::Sse(stream)) } else { Err(io::Error::other(stream.head)) }
    }

    pub async fn next(&mut self) -> io::Result<Option<Event>> {
        match self {
            Line::Sse(stream) => stream.next().await,
            Line::WebSocket(socket) => socket.next().await,
        }
    }

    pub fn socket(&self) -> &TcpStream {
        match self {
            Line::Sse(stream) => &stream.socket,
            Line::WebSocket(socket) => &socket.socket,
        }
    }

    /// Everything that came, as it came.
    pub fn said(&self) -> &[u8] {
        match self {
            Line::Sse(stream) => &stream.body,
            Line::WebSocket(socket) => &socket.body,
        }
    }

    /// Whether its end says what the goodbye said: an event stream whether and when to come back, a WebSocket its code.
    pub fn ends_as_told(&self, bye: &Event) {
        let told = bye.json();
        let reason = told["reason"].as_str().expect("a reason");
        match self {
            Line::Sse(_) => {
                let never = (reason == "replaced").then_some(86_400_000);
                assert_eq!(bye.retry, told["retryAfterMs"].as_u64().or(never), "{told}");
            }
            Line::WebSocket(socket) => {
                let code = match reason {
                    "restart" => 1012,
                    "overload" | "accounts" => 1013,
                    "slow" => 4008,
                    "expired" | "revoked" => 4401,
                    "replaced" => 4409,
                    other => panic!("a reason that nobody knows: {other}"),
                };
                assert_eq!(socket.code, Some(code), "{told}");
            }
        }
    }
}
