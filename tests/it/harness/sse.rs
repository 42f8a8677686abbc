//! An event stream read by the letter of the standard, over a plain socket: nothing of the server's own code is trusted.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub use super::blocks::{Event, parse};
use super::{blocks::take_block, documented, secrets};

/// The head of an answer, and what came behind it.
pub async fn head_of_answer(socket: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut raw = Vec::new();
    let end = loop {
        if let Some(end) = raw.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
        if socket.read_buf(&mut raw).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head = String::from_utf8_lossy(&raw[..end]).into_owned();
    Ok((head, raw.split_off(end + 4)))
}

pub struct Stream {
    pub socket: TcpStream,
    pub status: u16,
    pub head: String,
    chunked: bool,
    /// As read from the socket.
    raw: Vec<u8>,
    /// Decoded, not yet parsed.
    text: Vec<u8>,
    /// Every byte of the body.
    pub body: Vec<u8>,
    ended: bool,
}

impl Stream {
    /// Sends a GET and reads the head.
    pub async fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> io::Result<Stream> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        Stream::on(socket, &request).await
    }

    /// Sends these very bytes on a connection of their own.
    pub async fn raw(address: SocketAddr, request: &str) -> io::Result<Stream> {
        Stream::on(TcpStream::connect(address).await?, request).await
    }

    /// The same, also with what is no text.
    pub async fn bytes(address: SocketAddr, request: &[u8]) -> io::Result<Stream> {
        Stream::send(TcpStream::connect(address).await?, request).await
    }

    /// The next request on the same connection, once the answer is read to its end.
    pub async fn again(self, request: &str) -> io::Result<Stream> {
        Stream::on(self.socket, request).await
    }

    async fn on(socket: TcpStream, request: &str) -> io::Result<Stream> {
        Stream::send(socket, request.as_bytes()).await
    }

    async fn send(mut socket: TcpStream, request: &[u8]) -> io::Result<Stream> {
        let head = request.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(request.len());
        secrets::request(&String::from_utf8_lossy(&request[..head]));
        // Who is refused before the end of the body may find the door shut, and the answer there all the same.
        let _ = socket.write_all(request).await;
        let (head, raw) = head_of_answer(&mut socket).await?;
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        if status >= 400 {
            secrets::none_in(&[("the head of a refusal", &head)]);
        }
        let first_line = request.split(|&byte| byte == b'\r').next().unwrap_or_default();
        documented::holds(&String::from_utf8_lossy(first_line), status, &head).await;
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        Ok(Stream { socket, status, head, chunked, raw, text: Vec::new(), body: Vec::new(), ended: false })
    }

    /// The value of a header of the answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    }

    /// The next event; None at the end of the body.
    pub async fn next(&mut self) -> io::Result<Option<Event>> {
        loop {
            while let Some(block) = take_block(&mut self.text) {
                if let Some(event) = parse(&block) {
                    return Ok(Some(event));
                }
            }
            if self.ended || !self.more().await? {
                return Ok(None);
            }
        }
    }

    /// The whole of a body that is no stream.
    pub async fn rest(&mut self) -> io::Result<String> {
        let length = self
            .head
            .to_ascii_lowercase()
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ").and_then(|n| n.trim().parse::<usize>().ok()));
        while !self.ended && length.is_none_or(|length| self.body.len() < length) {
            if !self.more().await? {
                break;
            }
        }
        let body = String::from_utf8_lossy(&self.body).into_owned();
        if self.status >= 400 {
            secrets::none_in(&[("a refusal", &body)]);
        }
        Ok(body)
    }

    async fn more(&mut self) -> io::Result<bool> {
        if self.raw.is_empty() || self.chunked && !self.decode()? {
            if self.socket.read_buf(&mut self.raw).await? == 0 {
                return Ok(false);
            }
            if self.chunked {
                self.decode()?;
            }
        }
        if !self.chunked {
            self.body.extend_from_slice(&self.raw);
            self.text.append(&mut self.raw);
        }
        Ok(true)
    }

    /// Takes whole chunks; whether there was one.
    fn decode(&mut self) -> io::Result<bool> {
        let mut any = false;
        loop {
            let Some(line) = self.raw.windows(2).position(|w| w == b"\r\n") else { return Ok(any) };
            let size = std::str::from_utf8(&self.raw[..line]).ok().and_then(|s| usize::from_str_radix(s, 16).ok());
            let size = size.ok_or(io::ErrorKind::InvalidData)?;
            if self.raw.len() < line + 2 + size + 2 {
                return Ok(any);
            }
            let chunk = &self.raw[line + 2..line + 2 + size];
            self.text.extend_from_slice(chunk);
            self.body.extend_from_slice(chunk);
            self.raw.drain(..line + 2 + size + 2);
            any = true;
            if size == 0 {
                self.ended = true;
                return Ok(true);
            }
        }
    }
}
