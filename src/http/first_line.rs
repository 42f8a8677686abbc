//! Ends a first line that does not end, so that it is refused for what it is.
//!
//! hyper answers any head that is larger than its buffer with 431, without our headers and our body. A line that is
//! longer than any address may be is therefore ended here: what has come of it goes through the doors as a request, whose
//! address is answered 414 there; and nothing more is read. Only the first line of a connection is looked at: where
//! later ones begin nobody knows but hyper, whose 431 is good enough for them.

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

pub struct FirstLine<S> {
    pub socket: S,
    line: Line,
}

enum Line {
    /// So many bytes of it have come.
    Goes(usize),
    /// This is left to say of the end that was made.
    IsEnded(&'static [u8]),
    Ended,
}

impl<S> FirstLine<S> {
    pub fn new(socket: S) -> FirstLine<S> {
        FirstLine { socket, line: Line::Goes(0) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstLine<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.line {
            Line::Ended => Pin::new(&mut self.socket).poll_read(cx, buf),
            // No end of the stream: that would be somebody who has left before his answer.
            Line::IsEnded([]) => Poll::Pending,
            Line::IsEnded(end) => {
                let (now, rest) = end.split_at(end.len().min(buf.remaining()));
                buf.put_slice(now);
                self.line = Line::IsEnded(rest);
                Poll::Ready(Ok(()))
            }
            Line::Goes(len) => {
                let before = buf.filled().len();
                let read = Pin::new(&mut self.socket).poll_read(cx, buf);
                let came = &buf.filled()[before..];
                self.line = match len + came.len() {
                    _ if came.contains(&b'\n') => Line::Ended,
                    len if len > LONGEST_ADDRESS + BESIDE_THE_ADDRESS => Line::IsEnded(END),
                    len => Line::Goes(len),
                };
                read
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstLine<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
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
