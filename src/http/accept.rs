//! The accept loop: bounded connections, a deadline for each request head, bounded buffers, and an end that can be waited for.
//!
//! `axum::serve` is not used: it has no deadline for a head, no bound for what a slow reader makes it keep, and its
//! graceful end waits for open streams for ever.

use std::{io, net::SocketAddr, time::Duration};

use axum::Router;
use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use super::{Settings, caller::Caller, first_line::FirstLine, gate::Gate, guarded::Guarded, h2c};
use crate::telemetry::Metrics;

/// Waiting for the kernel's queue; a storm of reconnects is longer than the usual 128.
const BACKLOG: i32 = 4096;
/// More of them are answered 431.
const HEADERS: usize = 100;
/// After an accept that failed for want of descriptors or memory: spinning would make it worse.
const OUT_OF_RESOURCES: Duration = Duration::from_millis(100);

/// Binds with a bounded send buffer, which accepted sockets inherit.
pub fn bind(address: SocketAddr, send_buffer: usize) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(cfg!(unix))?;
    socket.set_send_buffer_size(send_buffer)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

/// Connections that are open, and how they end.
#[derive(Clone)]
pub struct Connections {
    tracker: TaskTracker,
    /// No more requests; what is being answered goes on to its end.
    closing: CancellationToken,
}

impl Default for Connections {
    fn default() -> Self {
        Self::new()
    }
}

impl Connections {
    pub fn new() -> Connections {
        Connections { tracker: TaskTracker::new(), closing: CancellationToken::new() }
    }

    /// Waits until every connection has ended, at most so long; the rest is cut off with the process.
    pub async fn end(&self, at_most: Duration) {
        self.closing.cancel();
        self.tracker.close();
        let _ = timeout(at_most, self.tracker.wait()).await;
    }
}

/// Accepts until `stop`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: Settings,
    connections: Connections,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let gate = Gate::new(&settings, connections.tracker.clone(), connections.closing.clone(), metrics.clone());
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            // Who is dropped has not even been read.
            Ok((socket, peer)) => {
                if let Some(caller) = gate.admit(peer) {
                    tokio::spawn(converse(socket, caller, router.clone(), settings.clone()));
                }
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted for now");
                metrics.connections_refused.with("resources").inc();
                tokio::time::sleep(OUT_OF_RESOURCES).await;
            }
        }
    }
}

/// One connection from its first byte to its last, or until it goes on as something else than HTTP.
async fn converse(socket: TcpStream, caller: Caller, router: Router, settings: Settings) {
    prepare(&socket, &settings);
    if settings.h2c {
        let asked = tokio::select! {
            asked = timeout(settings.head_deadline, h2c::is_spoken(&socket)) => asked,
            () = caller.held.closing() => return,
        };
        match asked {
            Ok(Ok(true)) => return Box::pin(h2c::converse(socket, caller, router, &settings)).await,
            Ok(Ok(false)) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
    let mut http1 = hyper::server::conn::http1::Builder::new();
    http1
        .timer(TokioTimer::new())
        .header_read_timeout(settings.head_deadline)
        .max_buf_size(settings.head_bytes)
        .max_headers(HEADERS)
        // Who is too many has one answer, and makes room.
        .keep_alive(!caller.surplus);
    let io = TokioIo::new(FirstLine::new(Guarded::new(socket, settings.write_deadline)));
    let held = caller.held.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(caller.clone());
        router.clone().oneshot(request)
    });
    let mut connection = std::pin::pin!(http1.serve_connection(io, service).with_upgrades());
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = held.closing() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

/// What a socket can be told is told; where a system does not know it, the deadlines of our own are left.
fn prepare(socket: &TcpStream, settings: &Settings) {
    // A frame is written whole; nothing is gained by waiting for more.
    let _ = socket.set_nodelay(true);
    // A peer that vanished without a word is noticed by what it does not acknowledge.
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(socket).set_tcp_user_timeout(Some(settings.write_deadline));
    #[cfg(not(target_os = "linux"))]
    let _ = settings;
}

/// The peer was gone before we came to it; the next one may be fine.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
