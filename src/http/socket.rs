//! A WebSocket after its handshake: whole messages in, ready-made frames out, each way bounded and with a deadline.
//!
//! What comes in is read by a library, which knows all that a peer can do wrong. What goes out is made elsewhere, once
//! for many, so the library's own answers (pongs, the reply to a close) are not written by it but queued between ours.

use std::{
    io,
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures::{
    Stream, StreamExt,
    future::{Either, select},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf, split},
    sync::mpsc,
    time::{Instant, Interval, MissedTickBehavior, interval_at, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
        protocol::{Role, WebSocketConfig},
    },
};
use tokio_util::sync::PollSender;

use super::{guarded::Guarded, rate::Allowance, upgrade::Socket};
use crate::deliver::websocket::{Opcode, close, frame};

/// Nobody sends us much: this is enough for any command, and ten thousand of them are little.
const READ_BUFFER: usize = 4096;
/// Pongs, errors and closes that wait to be written; whoever makes more of them waits.
const ANSWERS: usize = 4;
/// Proxies close what is silent for 30 s.
const PING: Duration = Duration::from_secs(25);
/// A peer from whom nothing came for so long after a ping is dead.
const PONG: Duration = Duration::from_secs(10);
/// How long we wait for the other side of a close, and for our own last words to be taken.
const CLOSING: Duration = Duration::from_secs(5);

/// What one peer may do.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a message, in however many frames.
    pub message: usize,
    /// Messages a second, pings included.
    pub messages_per_second: usize,
    /// Bytes a second: frames that are no whole message are work as well.
    pub bytes_per_second: usize,
}

/// How a conversation ends on our side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The peer has said goodbye, and gets this answer.
    Answered(Bytes),
    /// Nobody is there any more.
    Gone,
    /// We say goodbye: these frames, of which the last one closes with this code.
    Last { code: u16, frames: Bytes },
}

impl Ending {
    /// With a code and a word alone.
    pub fn close(code: u16, word: &str) -> Ending {
        Ending::Last { code, frames: close(code, word) }
    }
}

/// What a peer says.
#[derive(Debug)]
pub enum Said {
    Text(String),
    #[cfg_attr(
        not(feature = "protocol-echo"),
        expect(dead_code, reason = "nobody may send us bytes, but to get them back")
    )]
    Binary(Bytes),
}

enum Answer {
    Frame(Bytes),
    /// Nothing comes behind it.
    Last(Bytes),
}

/// Talks until one side is done. `frames` are written as they come and end with a close frame of their own; `talk` hears
/// what the peer says, and answers.
pub async fn converse(
    socket: Socket,
    limits: Limits,
    frames: impl Stream<Item = Bytes>,
    talk: impl AsyncFnOnce(&mut Hearing<'_>) -> Ending,
) -> Ending {
    let (read, write) = split(socket.io);
    let (answers, queue) = mpsc::channel(ANSWERS);
    let writing = AtomicBool::new(false);
    let mut hearing = Hearing::new(read, &socket.early, limits, answers.clone(), &writing).await;
    let mut writer = Writer { write, queue, busy: &writing };
    let ending = {
        let (written, talked) = (pin!(writer.run(frames)), pin!(talk(&mut hearing)));
        match select(written, talked).await {
            Either::Left((Ok(()), talked)) => {
                let _ = timeout(CLOSING, talked).await;
                Ending::Answered(Bytes::new())
            }
            Either::Left((Err(_), _)) => Ending::Gone,
            Either::Right((ending, written)) => {
                let last = match &ending {
                    Ending::Last { frames, .. } | Ending::Answered(frames) => frames.clone(),
                    Ending::Gone => Bytes::new(),
                };
                if ending != Ending::Gone {
                    // At once: the word waits for room that only writing makes.
                    let told = async { tokio::join!(answers.send(Answer::Last(last)), written) };
                    let _ = timeout(CLOSING, told).await;
                }
                ending
            }
        }
    };
    if ending != Ending::Gone {
        let _ = timeout(CLOSING, writer.write.shutdown()).await;
    }
    ending
}

struct Writer<'a> {
    write: WriteHalf<Guarded>,
    queue: mpsc::Receiver<Answer>,
    busy: &'a AtomicBool,
}

impl Writer<'_> {
    /// Until the last frame, or the last answer, has left.
    async fn run(&mut self, frames: impl Stream<Item = Bytes>) -> io::Result<()> {
        let mut frames = pin!(frames);
        loop {
            let (bytes, is_last) = tokio::select! {
                biased;
                Some(answer) = self.queue.recv() => match answer {
                    Answer::Frame(bytes) => (bytes, false),
                    Answer::Last(bytes) => (bytes, true),
                },
                bytes = frames.next() => match bytes {
                    Some(bytes) => (bytes, false),
                    None => return Ok(()),
                },
            };
            self.busy.store(true, Ordering::Relaxed);
            self.write.write_all(&bytes).await?;
            self.busy.store(false, Ordering::Relaxed);
            if is_last {
                return Ok(());
            }
        }
    }
}

/// What comes from the peer.
pub struct Hearing<'a> {
    messages: WebSocketStream<Inlet>,
    answers: mpsc::Sender<Answer>,
    rate: Allowance,
    ping: Interval,
    /// When a peer that is still silent is dead.
    dead_at: Option<Instant>,
    writing: &'a AtomicBool,
}

impl<'a> Hearing<'a> {
    async fn new(
        read: ReadHalf<Guarded>,
        early: &[u8],
        limits: Limits,
        answers: mpsc::Sender<Answer>,
        writing: &'a AtomicBool,
    ) -> Hearing<'a> {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_message_size(Some(limits.message))
            .max_frame_size(Some(limits.message))
            .write_buffer_size(0);
        let bytes = Allowance::new(limits.bytes_per_second);
        let inlet = Inlet { read, answers: PollSender::new(answers.clone()), bytes, is_flooded: false };
        let messages = WebSocketStream::from_partially_read(inlet, early.to_vec(), Role::Server, Some(config)).await;
        let mut ping = interval_at(Instant::now() + PING, PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let rate = Allowance::new(limits.messages_per_second);
        Hearing { messages, answers, rate, ping, dead_at: None, writing }
    }

    /// The next message; meanwhile pings are sent and answered. May be dropped and asked for again.
    pub async fn next(&mut self) -> Result<Said, Ending> {
        loop {
            let dead_at = self.dead_at;
            let message = tokio::select! {
                message = self.messages.next() => message,
                _ = self.ping.tick() => {
                    let _ = self.answers.try_send(Answer::Frame(frame(Opcode::Ping, b"")));
                    self.dead_at = Some(Instant::now() + PONG);
                    continue;
                }
                () = sleep_until(dead_at) => {
                    // What a slow reader is still being sent stands in the ping's way.
                    if !self.writing.load(Ordering::Relaxed) {
                        return Err(Ending::Gone);
                    }
                    self.dead_at = Some(Instant::now() + PONG);
                    continue;
                }
            };
            if self.messages.get_ref().is_flooded {
                return Err(Ending::close(1008, "too many bytes"));
            }
            let message = message.ok_or(Ending::Gone)?.map_err(|error| judge(&error))?;
            self.dead_at = None;
            // Answered by us: whoever waits here may be called away, and must not lose it.
            if let Message::Close(said) = message {
                let answer = said.map_or_else(|| frame(Opcode::Close, b""), |said| close(said.code.into(), ""));
                return Err(Ending::Answered(answer));
            }
            if !self.rate.allows(1) {
                return Err(Ending::close(1008, "too many messages"));
            }
            match message {
                Message::Text(text) => return Ok(Said::Text(text.to_string())),
                Message::Binary(bytes) => return Ok(Said::Binary(bytes)),
                Message::Close(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Says something of our own between the frames.
    pub async fn answer(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), Ending> {
        self.answers.send(Answer::Frame(frame(opcode, payload))).await.map_err(|_| Ending::Gone)
    }
}

async fn sleep_until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// What a peer is told that did something wrong.
fn judge(error: &Error) -> Ending {
    match error {
        Error::Capacity(_) => Ending::close(1009, "too big"),
        Error::Utf8(_) => Ending::close(1007, "not UTF-8"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Ending::Gone,
        Error::Protocol(_) => Ending::close(1002, "protocol error"),
        _ => Ending::Gone,
    }
}

/// What the library takes for a stream: it reads the socket, and what it writes is queued.
struct Inlet {
    read: ReadHalf<Guarded>,
    answers: PollSender<Answer>,
    bytes: Allowance,
    is_flooded: bool,
}

impl AsyncRead for Inlet {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.read).poll_read(cx, buf))?;
        self.is_flooded = self.is_flooded || !self.bytes.allows(buf.filled().len() - before);
        if self.is_flooded { Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into())) } else { Poll::Ready(Ok(())) }
    }
}

impl AsyncWrite for Inlet {
    /// Takes all or nothing, so that no frame is torn.
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        ready!(self.answers.poll_reserve(cx)).map_err(gone)?;
        self.answers.send_item(Answer::Frame(Bytes::copy_from_slice(buf))).map_err(gone)?;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
