//! Connections: frames in, answers out in the same order, each bounded in size and time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader};
use kafka_protocol::protocol::Decodable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::dispatch::{self, Hangup, Peer, Request};
use super::shared::Shared;

/// One request. Anything larger is a stranger's bytes read as a length, or a batch nobody wants in one piece.
pub(super) const MAX_FRAME: usize = 16 * 1024 * 1024;

/// What a produce request has beside one batch: names, client id, numbers.
pub(super) const FRAME_OVERHEAD: u64 = 64 * 1024;

/// Connections at the same time: a client has two or three, and each open partition needs a file descriptor too.
const MAX_CONNECTIONS: usize = 512;

/// A connection on which nothing is asked for so long is closed; clients open a new one when they need it. It is
/// Kafka's own value, so clients close first.
const IDLE: Duration = Duration::from_mins(10);

/// A request that has begun must end, and an answer must be taken, within this time.
const FRAME_TIME: Duration = Duration::from_secs(30);

/// Room made in the buffer at once: memory is taken as bytes come, not as a length announces them.
const READ_SIZE: usize = 64 * 1024;

/// Room while nothing is asked: enough for every request but a producer's.
const FIRST_READ: usize = 4 * 1024;

/// After a failed accept (no file descriptors left) others must close before another try makes sense.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
enum End {
    #[error(transparent)]
    Hangup(#[from] Hangup),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("a frame of {0} bytes")]
    Frame(i32),
    #[error("a request header that cannot be read")]
    Header,
    #[error("no progress in time")]
    Slow,
    #[error("the client went away while it waited")]
    Gone,
}

/// Accepts connections until told to stop; returns when all of them are closed.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: watch::Receiver<bool>) {
    let mut stopping = stop.clone();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok(_) if connections.len() >= MAX_CONNECTIONS => {
                    tracing::warn!(bound = MAX_CONNECTIONS, "a connection to the demo broker was refused: too many");
                }
                Ok((stream, from)) => {
                    connections.spawn(serve(Arc::clone(&shared), stream, from, stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the demo broker could not accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Returns when the broker stops, also by being dropped.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the broker is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn serve(shared: Arc<Shared>, stream: TcpStream, from: SocketAddr, mut stop: watch::Receiver<bool>) {
    let ended = tokio::select! {
        () = stopped(&mut stop) => return,
        ended = talk(&shared, stream, from) => ended,
    };
    if let Err(why) = ended {
        tracing::debug!(%from, %why, "connection closed");
    }
}

async fn talk(shared: &Arc<Shared>, mut stream: TcpStream, from: SocketAddr) -> Result<(), End> {
    stream.set_nodelay(true)?;
    let (number, reached) = (shared.faults.connected(), stream.local_addr()?);
    let peer = Peer { number, reached, from, waiter: Arc::new(Notify::new()) };
    let mut buffer = BytesMut::new();
    while let Some(frame) = read_frame(&mut stream, &mut buffer).await? {
        let request = parse(frame)?;
        shared.faults.unpaused().await;
        let waits = matches!(request.key, ApiKey::Fetch | ApiKey::JoinGroup | ApiKey::SyncGroup);
        let answer = if waits && buffer.is_empty() {
            tokio::select! {
                answer = dispatch::answer(shared, &peer, request) => answer?,
                () = gone(&stream) => return Err(End::Gone),
            }
        } else {
            dispatch::answer(shared, &peer, request).await?
        };
        shared.faults.unpaused().await;
        if let Some(answer) = answer {
            timeout(FRAME_TIME, stream.write_all(&answer)).await.map_err(|_| End::Slow)??;
        }
    }
    Ok(())
}

/// Returns when the client has hung up; never when it has sent its next request already.
async fn gone(stream: &TcpStream) {
    let mut next = [0];
    if stream.peek(&mut next).await.is_ok_and(|bytes| bytes > 0) {
        std::future::pending().await
    }
}

/// The next frame without its length; `None` when the client has closed between two of them.
async fn read_frame(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<Option<Bytes>, End> {
    if buffer.is_empty() {
        // A large request must not leave its memory behind for the life of the connection.
        *buffer = BytesMut::with_capacity(FIRST_READ);
        let read = timeout(IDLE, stream.read_buf(buffer)).await.map_err(|_| End::Slow)??;
        if read == 0 {
            return Ok(None);
        }
    }
    timeout(FRAME_TIME, rest_of_frame(stream, buffer)).await.map_err(|_| End::Slow)?.map(Some)
}

async fn rest_of_frame(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<Bytes, End> {
    fill(stream, buffer, size_of::<i32>()).await?;
    let length = buffer.get_i32();
    let size = usize::try_from(length).ok().filter(|size| *size <= MAX_FRAME).ok_or(End::Frame(length))?;
    fill(stream, buffer, size).await?;
    Ok(buffer.split_to(size).freeze())
}

async fn fill(stream: &mut TcpStream, buffer: &mut BytesMut, size: usize) -> io::Result<()> {
    while buffer.len() < size {
        buffer.reserve((size - buffer.len()).min(READ_SIZE));
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

fn parse(mut frame: Bytes) -> Result<Request, End> {
    let mut peek = frame.as_ref();
    let key = peek.try_get_i16().map_err(|_| End::Header)?;
    let version = peek.try_get_i16().map_err(|_| End::Header)?;
    let key = ApiKey::try_from(key).map_err(|()| End::Header)?;
    let header = RequestHeader::decode(&mut frame, key.request_header_version(version)).map_err(|_| End::Header)?;
    Ok(Request {
        key,
        version,
        correlation_id: header.correlation_id,
        client_id: header.client_id.unwrap_or_default(),
        body: frame,
    })
}
