//! Ends a request line that does not end, so that it is refused for what it is.
//!
//! hyper answers any head that is larger than its buffer with 431, without our headers and our body. A line that is
//! longer than any address may be is therefore ended here: what has come of it goes through the doors as a request, whose
//! address is answered 414 there; and nothing more is read.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Longer addresses are answered 414.
pub const LONGEST_ADDRESS: usize = 8 * 1024;
/// The method and what else a line has.
const BESIDE_THE_ADDRESS: usize = 64;
/// What the line is ended with.
const END: &[u8] = b" HTTP/1.1\r\nhost: -\r\nconnection: close\r\n\r\n";
/// Behind it the body comes, and no request.
const CONTINUE: &[u8] = b"HTTP/1.1 100";

pub struct RequestLines<S> {
    pub socket: S,
    /// Bytes since our last answer, as long as no line of theirs has ended.
    unended: Option<usize>,
    /// What is left to say of the end that was made.
    end: Option<&'static [u8]>,
}

impl<S> RequestLines<S> {
    pub fn new(socket: S) -> RequestLines<S> {
        RequestLines { socket, unended: Some(0), end: None }
    }

    fn look(&mut self, came: &[u8]) {
        let Some(len) = self.unended else { return };
        self.unended = (!came.contains(&b'\n')).then_some(len + came.len());
        if self.unended.is_some_and(|len| len > LONGEST_ADDRESS + BESIDE_THE_ADDRESS) {
            self.end = Some(END);
        }
    }

    fn answered(&mut self, said: &[u8]) {
        if !said.starts_with(CONTINUE) {
            self.unended = Some(0);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for RequestLines<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(end) = self.end {
            // No end of the stream: that would be somebody who has left before his answer.
            if end.is_empty() {
                return Poll::Pending;
            }
            let (now, rest) = end.split_at(end.len().min(buf.remaining()));
            buf.put_slice(now);
            self.end = Some(rest);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buf);
        self.look(&buf.filled()[before..]);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for RequestLines<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.answered(buf);
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.answered(bufs.first().map_or(&[], |first| first));
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
