//! HTTP/2 by the letter of its standard, frame for frame over a plain socket, as no well-behaved client would let one.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{PATIENCE, secrets};

pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

#[derive(Debug, Clone)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn new(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Frame {
        Frame { kind, flags, stream, payload: payload.to_vec() }
    }

    fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("a short one").to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], self.kind, self.flags];
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }
}

/// One connection.
pub struct Peer {
    socket: TcpStream,
    address: SocketAddr,
    /// It was told that no more is answered here.
    pub goes_away: bool,
    streams: u32,
}

impl Peer {
    pub async fn connect(address: SocketAddr) -> Peer {
        let socket = TcpStream::connect(address).await.expect("it is let in");
        socket.set_nodelay(true).expect("a socket");
        Peer { socket, address, goes_away: false, streams: 0 }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.expect("it is taken");
    }

    /// The preface, with these settings.
    pub async fn begin(&mut self, settings: &[(u16, u32)]) {
        self.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        self.write(Frame::new(kind::SETTINGS, 0, 0, &payload)).await;
    }

    /// Waits until it has taken our settings, so that nothing has to be answered between what is written next.
    pub async fn is_settled(&mut self) {
        self.until("it takes our settings", |frame| (frame.kind, frame.flags) == (kind::SETTINGS, ACK)).await;
    }

    pub async fn try_write(&mut self, frame: Frame) -> io::Result<()> {
        self.socket.write_all(&frame.bytes()).await
    }

    pub async fn write(&mut self, frame: Frame) {
        self.try_write(frame).await.expect("it is taken");
    }

    fn head(&self, method: u8, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
        // The method and `http` are rows of the static table; the rest is written out, and nothing compressed.
        let mut head = vec![method, 0x86];
        let address = self.address.to_string();
        for (name, value) in [(":path", path), (":authority", &address)].iter().chain(headers) {
            head.push(0);
            for text in [name, value] {
                head.push(u8::try_from(text.len()).ok().filter(|len| *len < 127).expect("a short one"));
                head.extend(text.bytes());
            }
        }
        head
    }

    pub async fn try_ask(&mut self, stream: u32, path: &str, headers: &[(&str, &str)]) -> io::Result<()> {
        let head = self.head(0x82, path, headers);
        self.try_write(Frame::new(kind::HEADERS, END_STREAM | END_HEADERS, stream, &head)).await
    }

    /// The number of its next stream.
    pub fn next_stream(&mut self) -> u32 {
        self.streams += 1;
        2 * self.streams - 1
    }

    pub async fn ask(&mut self, stream: u32, path: &str, headers: &[(&str, &str)]) {
        self.try_ask(stream, path, headers).await.expect("it is taken");
    }

    /// A POST whose body has yet to come.
    pub async fn ask_with_a_body(&mut self, stream: u32, path: &str) -> io::Result<()> {
        let head = self.head(0x83, path, &[]);
        self.try_write(Frame::new(kind::HEADERS, END_HEADERS, stream, &head)).await
    }

    pub async fn listen(&mut self, stream: u32, token: &str) {
        secrets::token(token);
        let bearer = format!("Bearer {token}");
        self.ask(stream, "/notifications", &[("authorization", &bearer), ("accept", "text/event-stream")]).await;
    }

    /// The next frame; None at the end. What has to be answered is.
    async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.socket.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("24 bits")];
        self.socket.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let frame = Frame { kind: head[3], flags: head[4], stream, payload };
        self.goes_away |= frame.kind == kind::GOAWAY;
        if [kind::SETTINGS, kind::PING].contains(&frame.kind) && frame.flags & ACK == 0 {
            let payload: &[u8] = if frame.kind == kind::PING { &frame.payload } else { &[] };
            // Who closes at once has no use for it.
            let _ = self.try_write(Frame::new(frame.kind, ACK, 0, payload)).await;
        }
        Some(frame)
    }

    /// Everything that is left; its pings alone do not make us wait for ever.
    pub async fn frames_to_the_end(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        let to_the_end = async {
            while let Some(frame) = self.read().await {
                frames.push(frame);
            }
        };
        assert!(timeout(PATIENCE, to_the_end).await.is_ok(), "it does not end: {frames:?}");
        frames
    }

    /// Reads until this holds of a frame.
    pub async fn until(&mut self, what: &str, mut holds: impl FnMut(&Frame) -> bool) {
        let comes = async {
            loop {
                let frame = self.read().await.unwrap_or_else(|| panic!("it ended before {what}"));
                if holds(&frame) {
                    break;
                }
            }
        };
        assert!(timeout(PATIENCE, comes).await.is_ok(), "not in {PATIENCE:?}: {what}");
    }

    /// Reads until this text is in the body of that stream.
    pub async fn hears(&mut self, stream: u32, text: &str) {
        let mut body = Vec::new();
        let is_heard = |frame: &Frame| {
            if (frame.kind, frame.stream) == (kind::DATA, stream) {
                body.extend(&frame.payload);
            }
            String::from_utf8_lossy(&body).contains(text)
        };
        self.until(text, is_heard).await;
    }
}
