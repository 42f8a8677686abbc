//! HTTP/2 without TLS, for proxies that speak it: many requests on one connection, each as bounded as one over HTTP/1.1.

use std::{
    convert::Infallible,
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body::{Frame, SizeHint};
use hyper::{body::Incoming, rt::Executor, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};
use tower::ServiceExt;

use super::{Settings, caller::Caller, guarded::Guarded};

/// What tells the two versions apart: no method of HTTP/1.1 begins like this.
const PREFACE: &[u8] = b"PRI";
/// Before looking again where not even that has come: there is nothing that wakes us for a second byte.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Requests at once on one connection.
const STREAMS: u32 = 200;
/// Bytes of a head; more are answered 431.
const HEAD: u32 = 16 * 1024;
/// What a peer may send before somebody has read it, of one request and of all.
const AHEAD: u32 = 64 * 1024;
const AHEAD_IN_ALL: u32 = 256 * 1024;
/// What we keep of one answer for a peer that does not take it.
const BEHIND: usize = 64 * 1024;
const PING: Duration = Duration::from_secs(25);
/// A peer that has not answered a ping for so long is dead.
const PONG: Duration = Duration::from_secs(10);

/// Whether a connection begins as one of HTTP/2. Takes nothing from it.
pub async fn is_spoken(socket: &TcpStream) -> io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    loop {
        match socket.peek(&mut first).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            came if first[..came] != PREFACE[..came] => return Ok(false),
            came if came == PREFACE.len() => return Ok(true),
            _ => sleep(LOOK_AGAIN).await,
        }
    }
}

/// One connection from its first byte to its last.
pub async fn converse(socket: TcpStream, caller: Caller, router: Router, settings: &Settings) {
    let (requests, mut seen) = watch::channel(Requests::default());
    let answers = Answers { requests, patience: settings.write_deadline };
    let (held, surplus) = (caller.held.clone(), caller.surplus);
    let service = service_fn(move |mut request: Request<Incoming>| {
        name_the_host(&mut request);
        request.extensions_mut().insert(caller.clone());
        let answer = router.clone().oneshot(request);
        async move { Ok::<_, Infallible>(answer.await?.map(|body| Watched { body, taking: TAKING.get() })) }
    });
    let io = TokioIo::new(Guarded::new(socket, settings.write_deadline));
    let mut connection = pin!(builder(answers).serve_connection(io, service));
    let mut first = seen.clone();
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = are_none(&mut seen, settings.head_deadline) => None,
        // Who is too many has one answer, and makes room.
        Ok(()) = first.changed(), if surplus => None,
        () = held.closing() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        // Before a first request there is nobody to whom the last one could be named.
        None if seen.borrow().ever == 0 => return,
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                // What it has not been given until then, it does not take.
                () = are_none(&mut seen, settings.write_deadline) => Ok(()),
                () = sleep(settings.head_deadline), if surplus => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

fn builder(answers: Answers) -> http2::Builder<Answers> {
    let mut http2 = http2::Builder::new(answers);
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD)
        .initial_stream_window_size(AHEAD)
        .initial_connection_window_size(AHEAD_IN_ALL)
        .max_send_buf_size(BEHIND)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG);
    http2
}

/// Everything behind knows the host by its header. Where both are there and differ, there are two.
fn name_the_host<B>(request: &mut Request<B>) {
    let Some(authority) = request.uri().authority().map(|authority| authority.as_str().to_owned()) else { return };
    let host = request.headers().get(header::HOST);
    if host.is_none_or(|host| host.as_bytes() != authority.as_bytes())
        && let Ok(authority) = HeaderValue::try_from(authority)
    {
        request.headers_mut().append(header::HOST, authority);
    }
}

/// On one connection.
#[derive(Debug, Clone, Copy, Default)]
struct Requests {
    under_way: usize,
    ever: u64,
}

/// Waits until there was no request for so long.
async fn are_none(requests: &mut watch::Receiver<Requests>, patience: Duration) {
    while requests.wait_for(|requests| requests.under_way == 0).await.is_ok() {
        if timeout(patience, requests.changed()).await.is_err() {
            return;
        }
    }
}

/// Runs the requests of one connection, each as a task: counted, and given up when its peer takes nothing of the answer.
/// The socket's own deadline does not see that: others on it go on, and a window of one's own may stay shut for ever.
#[derive(Clone)]
struct Answers {
    requests: watch::Sender<Requests>,
    patience: Duration,
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Answers {
    fn execute(&self, answer: F) {
        let under_way = UnderWay::new(self.requests.clone());
        let (taking, patience) = (Taking::default(), self.patience);
        tokio::spawn(TAKING.scope(taking.clone(), async move {
            let _under_way = under_way;
            tokio::select! {
                _ = answer => {}
                () = taking.stops(patience) => {}
            }
        }));
    }
}

struct UnderWay(watch::Sender<Requests>);

impl UnderWay {
    fn new(requests: watch::Sender<Requests>) -> UnderWay {
        requests.send_modify(|requests| {
            requests.under_way += 1;
            requests.ever += 1;
        });
        UnderWay(requests)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|requests| requests.under_way -= 1);
    }
}

tokio::task_local! {
    /// Of the request that this task is about: hyper makes the task, and the service inside it the answer.
    static TAKING: Taking;
}

/// Since when a piece of an answer waits for its peer to take it.
#[derive(Clone, Default)]
struct Taking(Arc<Mutex<Option<Instant>>>);

impl Taking {
    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until one piece has waited for so long; it may be noticed as much later.
    async fn stops(&self, patience: Duration) {
        loop {
            let since = *self.since();
            sleep_until(since.unwrap_or_else(Instant::now) + patience).await;
            if since.is_some() && since == *self.since() {
                return;
            }
        }
    }
}

/// An answer's body: who asks for its next piece has been able to place the last one.
struct Watched {
    body: Body,
    taking: Taking,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        *self.taking.since() = matches!(polled, Poll::Ready(Some(Ok(_)))).then(Instant::now);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
