//! A socket that waits for its peer as long as is right: for one that takes nothing not for hours, and for one that still
//! talks when all is said a moment longer.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

/// What comes after our last word is read and forgotten for so long: a socket that is closed over it is reset, and the
/// reset may overtake the word, which was a refusal mostly.
const LINGER: Duration = Duration::from_secs(1);
/// And so much of it: whoever floods us costs no more for it.
const LINGER_BYTES: usize = 8 << 20;

pub struct Guarded {
    socket: TcpStream,
    patience: Duration,
    /// Runs while a write waits, or while we linger.
    deadline: Option<Pin<Box<Sleep>>>,
    /// All is said; so much of what comes then is still heard out.
    lingers: Option<usize>,
}

impl Guarded {
    pub fn new(socket: TcpStream, patience: Duration) -> Guarded {
        Guarded { socket, patience, deadline: None, lingers: None }
    }

    fn judge<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let until = Instant::now() + self.patience;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep_until(until)));
        match deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingers.is_none() {
            ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
            self.lingers = Some(LINGER_BYTES);
            self.deadline = Some(Box::pin(sleep_until(Instant::now() + LINGER)));
        }
        if self.deadline.as_mut().is_none_or(|deadline| deadline.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Ok(()));
        }
        let mut piece = [MaybeUninit::uninit(); 4096];
        loop {
            let mut piece = ReadBuf::uninit(&mut piece);
            match ready!(Pin::new(&mut self.socket).poll_read(cx, &mut piece)) {
                Ok(()) if !piece.filled().is_empty() => {
                    let left = self.lingers.and_then(|left| left.checked_sub(piece.filled().len()));
                    if left.is_none() {
                        return Poll::Ready(Ok(()));
                    }
                    self.lingers = left;
                }
                _ => return Poll::Ready(Ok(())),
            }
        }
    }
}
