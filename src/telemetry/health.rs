//! Asks a running server whether it is ready, as a container's health check does.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A container's check that waits longer is taken for ill anyway.
const DEADLINE: Duration = Duration::from_secs(3);
/// The answer is one line of JSON; more is not ours.
const LONGEST_ANSWER: u64 = 16 * 1024;

/// Of what somebody else answers, so much is shown.
const SHOWN: usize = 200;

/// Why a server is not ready, in one line.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    #[error("nobody answers on {0}: {1}")]
    Nobody(String, std::io::Error),
    #[error("{0} gave no answer within {DEADLINE:?}")]
    Late(String),
    #[error("not ready: {0}")]
    Refused(String),
    #[error("what answers on {0} is no server of ours: {1}")]
    Stranger(String, String),
}

/// Where a server that listens there is reached from here.
#[must_use]
pub fn here(mut listen: SocketAddr) -> String {
    if listen.ip().is_unspecified() {
        // What listens everywhere also listens here.
        listen.set_ip(if listen.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    listen.to_string()
}

/// The body of `/readyz`, where the server at `host:port` says that it is ready.
pub async fn ask(address: &str) -> Result<String, NotReady> {
    let answer = timeout(DEADLINE, get(address)).await.map_err(|_| NotReady::Late(address.to_owned()))?;
    let answer = answer.map_err(|error| NotReady::Nobody(address.to_owned(), error))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let (status, body) = (head.lines().next().unwrap_or_default(), body.trim());
    let said = serde_json::from_str::<Value>(body).ok().and_then(|said| said["ready"].as_bool());
    match (status.split(' ').nth(1), said) {
        (Some("200"), Some(true)) => Ok(body.to_owned()),
        (Some(_), Some(_)) => Err(NotReady::Refused(plain(&format!("{status} {body}")))),
        _ => Err(NotReady::Stranger(address.to_owned(), plain(&format!("{status} {body}")))),
    }
}

/// On one line, and nothing that a terminal would obey.
fn plain(text: &str) -> String {
    let text: String = text.trim().chars().take(SHOWN).map(|one| if one.is_control() { ' ' } else { one }).collect();
    if text.is_empty() { "it said nothing".to_owned() } else { text }
}

async fn get(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn asked(answer: &'static str) -> Result<String, NotReady> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 1024];
            let length = stream.read(&mut head).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(head[..length].to_vec()).unwrap()
        });
        let heard = ask(&here(SocketAddr::from(([0, 0, 0, 0], address.port())))).await;
        assert!(server.await.unwrap().starts_with("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:"));
        heard
    }

    #[tokio::test]
    async fn ready_is_what_says_so_and_a_stranger_is_not() {
        let ready = asked("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n{\"ready\":true,\"live\":false}\n").await;
        assert_eq!(ready.unwrap(), r#"{"ready":true,"live":false}"#);
        let draining =
            asked("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"ready\":\nfalse}").await.unwrap_err().to_string();
        assert_eq!(draining, r#"not ready: HTTP/1.1 503 Service Unavailable {"ready": false}"#);
        for answer in ["", "220 mail.example.com 200", "HTTP/1.1 200 OK\r\n\r\n\x1b[2J<html>", "\0\0\0\x1d"] {
            let error = asked(answer).await.unwrap_err().to_string();
            assert!(error.contains("is no server of ours: "), "{error}");
            assert!(!error.contains(char::is_control), "{error:?}");
        }
        assert!(matches!(ask("no-port").await, Err(NotReady::Nobody(..))));
    }
}
