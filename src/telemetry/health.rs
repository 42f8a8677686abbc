//! Asks a running server whether it is ready, as a container's health check does.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A container's check that waits longer is taken for ill anyway.
const DEADLINE: Duration = Duration::from_secs(3);
/// The answer is one line of JSON; more is not ours.
const LONGEST_ANSWER: u64 = 16 * 1024;

/// Why a server is not ready, in one line.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    #[error("nobody answers on {0}: {1}")]
    Nobody(SocketAddr, std::io::Error),
    #[error("{0} gave no answer within {DEADLINE:?}")]
    Late(SocketAddr),
    #[error("not ready: {0}")]
    Refused(String),
}

/// The body of `/readyz`, where the server says that it is ready.
pub async fn ask(listen: SocketAddr) -> Result<String, NotReady> {
    let mut address = listen;
    if address.ip().is_unspecified() {
        // What listens everywhere also listens here.
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    let answer = timeout(DEADLINE, get(address)).await.map_err(|_| NotReady::Late(address))?;
    let answer = answer.map_err(|error| NotReady::Nobody(address, error))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") {
        Ok(body.trim().to_owned())
    } else {
        Err(NotReady::Refused(format!("{status} {}", body.trim().replace('\n', " "))))
    }
}

async fn get(address: SocketAddr) -> std::io::Result<String> {
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
        let heard = ask(SocketAddr::from(([0, 0, 0, 0], address.port()))).await;
        assert!(server.await.unwrap().starts_with("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:"));
        heard
    }

    #[tokio::test]
    async fn ready_is_what_answers_200() {
        let ready = asked("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n{}\n").await;
        assert_eq!(ready.unwrap(), "{}");
        for answer in ["HTTP/1.1 503 Service Unavailable\r\n\r\n{\"ready\":\nfalse}", "", "220 mail.example.com 200"] {
            let error = asked(answer).await.unwrap_err().to_string();
            assert!(error.starts_with("not ready: ") && error.lines().count() == 1, "{error}");
        }
    }
}
