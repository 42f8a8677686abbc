//! A WebSocket read by the letter of the standard, over a plain socket: nothing of the server's own code is trusted.

use std::{io, net::SocketAddr};

use tokio::io::AsyncReadExt;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{blocks::Event, secrets, sse::head_of_answer};

/// What the server may send: whole messages that are not masked, and nothing that was not agreed on.
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

pub struct Socket {
    pub socket: TcpStream,
    raw: Vec<u8>,
    /// Every text that came, one behind the other.
    pub body: Vec<u8>,
    /// Of the close frame.
    pub code: Option<u16>,
    /// It has said where it goes on, and waits for the answer.
    resumes: bool,
}

impl Socket {
    pub async fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> io::Result<Socket> {
        let mut socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: allim.v1\r\n"
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        secrets::request(&request);
        socket.write_all(request.as_bytes()).await?;
        let (head, raw) = head_of_answer(&mut socket).await?;
        let lower = head.to_ascii_lowercase();
        if !lower.starts_with("http/1.1 101 ") {
            return Err(io::Error::other(head));
        }
        // The sample of RFC 6455.
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "another answer to the key: {head}");
        assert!(lower.contains("\r\nsec-websocket-protocol: allim.v1"), "{head}");
        assert!(!lower.contains("sec-websocket-extensions"), "{head}");
        Ok(Socket { socket, raw, body: Vec::new(), code: None, resumes: false })
    }

    /// Says where it goes on.
    pub async fn resume(&mut self, position: Option<&str>) -> io::Result<()> {
        self.resumes = position.is_some_and(|position| position != "earliest");
        let place = position.map_or_else(String::new, |position| format!(r#","position":"{position}""#));
        self.say(&format!(r#"{{"type":"resume"{place}}}"#)).await
    }

    /// Says something, masked as a client has to.
    pub async fn say(&mut self, text: &str) -> io::Result<()> {
        self.send(TEXT, text.as_bytes()).await
    }

    async fn send(&mut self, first: u8, payload: &[u8]) -> io::Result<()> {
        const MASK: [u8; 4] = [0x12, 0xf3, 0x56, 0x9a];
        let mut frame = vec![first];
        match u16::try_from(payload.len()).expect("commands are short") {
            len @ ..126 => frame.push(0x80 | u8::try_from(len).unwrap()),
            len => {
                frame.push(0x80 | 126);
                frame.extend(len.to_be_bytes());
            }
        }
        frame.extend(MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.socket.write_all(&frame).await
    }

    /// The next message as the event that it would be in an event stream; None behind a close, or at the end.
    pub async fn next(&mut self) -> io::Result<Option<Event>> {
        while let Some((first, payload)) = self.frame().await? {
            match first {
                TEXT => {
                    self.body.extend_from_slice(&payload);
                    let event = event(std::str::from_utf8(&payload).expect("UTF-8"));
                    // On a machine with much to do the word may come after its five seconds; then this stream has begun
                    // where nobody asked for, and whoever takes his position from it has lost what is between.
                    let is_newcomers =
                        event.name == "hello" && event.id.is_some() && event.json()["recovered"].is_null();
                    if std::mem::take(&mut self.resumes) && is_newcomers {
                        return Err(io::Error::new(io::ErrorKind::TimedOut, "the first word came too late"));
                    }
                    return Ok(Some(event));
                }
                PING => self.send(PONG, &payload).await?,
                PONG => {}
                CLOSE => {
                    self.code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    // It may be gone by now.
                    let _ = self.send(CLOSE, &payload).await;
                    assert!(self.frame().await?.is_none(), "something behind the close");
                    return Ok(None);
                }
                other => panic!("a frame that begins with {other:#x}"),
            }
        }
        Ok(None)
    }

    async fn frame(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        loop {
            if let Some(frame) = self.take() {
                return Ok(Some(frame));
            }
            if self.socket.read_buf(&mut self.raw).await? == 0 {
                return Ok(None);
            }
        }
    }

    fn take(&mut self) -> Option<(u8, Vec<u8>)> {
        let (first, short) = (*self.raw.first()?, *self.raw.get(1)?);
        let (len, from) = match short {
            126 => (usize::from(u16::from_be_bytes(*self.raw[2..].first_chunk()?)), 4),
            127 => (usize::try_from(u64::from_be_bytes(*self.raw[2..].first_chunk()?)).unwrap(), 10),
            len => (usize::from(len), 2),
        };
        assert!(len < 1 << 24, "a mask, or a frame of {len} bytes");
        let payload = self.raw.get(from..from + len)?.to_vec();
        self.raw.drain(..from + len);
        Some((first, payload))
    }
}

/// What the envelope holds, byte for byte.
fn event(text: &str) -> Event {
    let envelope: serde_json::Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("not JSON ({e}): {text}"));
    let kind = envelope["type"].as_str().expect("a type");
    let id = envelope.get("position").map(|position| position.as_str().expect("a text").to_owned());
    let place = id.as_ref().map_or_else(String::new, |id| format!(r#""position":"{id}","#));
    let before = format!(r#"{{"type":"{kind}",{place}"{kind}":"#);
    let data = text.strip_prefix(&before).and_then(|rest| rest.strip_suffix('}'));
    let data = data.unwrap_or_else(|| panic!("another envelope: {text}")).to_owned();
    let name = if kind == "notification" { "message" } else { kind }.to_owned();
    let retry = envelope[kind]["retryAfterMs"].as_u64();
    Event { name, data, id, retry }
}
