//! Every answer that any test gets from the public port is one that `/openapi.json` lists.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{sync::OnceCell, task::spawn_blocking};

use super::{PATIENCE, Server};

/// The document of a demo, which has every door there is.
static DOCUMENT: OnceCell<Value> = OnceCell::const_new();

/// Whether the answer to a request with this first line may have this status.
pub async fn holds(first_line: &str, status: u16, answer: &str) {
    // Neither hyper's own, for what is no HTTP or too much of it, nor those of the management port, which say no such thing.
    if !answer.contains("\r\ncontent-security-policy: ") {
        return;
    }
    let mut words = first_line.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return };
    let path = target.split('?').next().unwrap_or_default();
    let known = async || spawn_blocking(fetched).await.expect("a server shows its document");
    let paths = &DOCUMENT.get_or_init(known).await["paths"];
    let path = if path.starts_with("/demo/exports/") { "/demo/exports/{number}" } else { path };
    let operation = &paths[path][method.to_ascii_lowercase()];
    let has_no_demo = status == 404 && path.starts_with("/demo/");
    assert!(
        operation.is_null() || has_no_demo || operation["responses"][status.to_string()].is_object(),
        "{method} {path} is answered {status}, which is not in /openapi.json:\n{answer}"
    );
}

/// Not by our own client: that asks us.
fn fetched() -> Value {
    let server = Server::spawn(&[]);
    let give_up = Instant::now() + PATIENCE;
    loop {
        let mut answer = String::new();
        let asked = TcpStream::connect(server.address).and_then(|mut socket| {
            socket.write_all(b"GET /openapi.json HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")?;
            socket.read_to_string(&mut answer)
        });
        match (asked, answer.split_once("\r\n\r\n")) {
            (Ok(_), Some((_, body))) => return serde_json::from_str(body).expect("a document"),
            (asked, _) => assert!(Instant::now() < give_up, "{asked:?}: {}", server.log()),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
