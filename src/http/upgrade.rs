//! From a request to a WebSocket: the handshake of RFC 6455, and the socket behind it.
//!
//! Our own instead of the framework's: that one never gives the socket away, which a shard shall have one day.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header, request::Parts};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{
    caller::{Caller, Held},
    first_line::FirstLine,
    guarded::Guarded,
    problem::Problem,
};
use axum::{body::Body, response::Response};

/// The only version there is of the protocol.
const VERSION: &str = "13";

/// A handshake that is in order.
pub struct Upgrade {
    socket: OnUpgrade,
    held: Held,
    key: String,
    protocol: Option<&'static str>,
}

/// What is behind it: a socket, and what its peer has said already.
pub struct Socket {
    pub io: Guarded,
    pub early: Bytes,
    pub held: Held,
}

impl Upgrade {
    /// Of a request that is one for a WebSocket. Without a sub-protocol it is for `protocol`; with others alone it is for
    /// somebody else.
    pub fn of(parts: &mut Parts, protocol: Option<&'static str>) -> Result<Upgrade, Problem> {
        let headers = &parts.headers;
        let asks = parts.method == Method::GET
            && parts.version == Version::HTTP_11
            && has(headers, header::CONNECTION, "upgrade")
            && has(headers, header::UPGRADE, "websocket");
        let (version, key) = (one(headers, header::SEC_WEBSOCKET_VERSION), one(headers, header::SEC_WEBSOCKET_KEY));
        if !asks || version != Some(VERSION) {
            return Err(Problem::UpgradeRequired);
        }
        let key = key.filter(|key| STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16));
        let key = key.ok_or(Problem::BadHandshake)?.to_owned();
        let offered = headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL);
        let protocol =
            protocol.filter(|protocol| words(headers, header::SEC_WEBSOCKET_PROTOCOL).any(|word| word == *protocol));
        if offered && protocol.is_none() {
            return Err(Problem::UnknownProtocol);
        }
        let held = parts.extensions.get::<Caller>().map(|caller| caller.held.clone());
        let socket = parts.extensions.remove::<OnUpgrade>();
        // Neither is there behind a connection that is not ours to take apart.
        let (Some(socket), Some(held)) = (socket, held) else { return Err(Problem::UpgradeRequired) };
        Ok(Upgrade { socket, held, key, protocol })
    }

    /// The answer; `work` begins when it has left and the socket is free.
    pub fn accept<W>(self, work: impl FnOnce(Socket) -> W + Send + 'static) -> Response
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let Upgrade { socket, held, key, protocol } = self;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept.expect("base64 is fit for a header"));
        if let Some(protocol) = protocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        }
        tokio::spawn(async move {
            // The peer may be gone before the answer has left.
            let Ok(upgraded) = socket.await else { return };
            match upgraded.downcast::<TokioIo<FirstLine<Guarded>>>() {
                Ok(parts) => work(Socket { io: parts.io.into_inner().socket, early: parts.read_buf, held }).await,
                Err(_) => tracing::error!("a connection that is none of the accept loop's was upgraded"),
            }
        });
        response
    }
}

/// The value of a header that comes once.
fn one(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// The words of a header that is a list.
fn words(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

fn has(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    words(headers, name).any(|one| one.eq_ignore_ascii_case(word))
}
