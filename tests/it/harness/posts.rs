//! A service that publishes over HTTP, or a page of the demo: one request, and its answer read to the end.

use std::net::SocketAddr;

use serde_json::Value;

use super::{answers::problem, secrets, sse::Stream};

/// What came back.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub async fn of(mut stream: Stream) -> Answer {
        // These have no body, and their connection stays open.
        let has_none = [204, 304].contains(&stream.status);
        let body = if has_none { String::new() } else { stream.rest().await.expect("a body") };
        Answer { status: stream.status, head: stream.head.clone(), body }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.head, self.body))
    }

    /// A refusal's wrong fields, as `pointer code`.
    pub fn errors(&self) -> Vec<String> {
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        let text = |error: &Value, name: &str| error[name].as_str().expect("a text").to_owned();
        for error in &errors {
            assert!(!text(error, "detail").is_empty());
        }
        errors.iter().map(|error| format!("{} {}", text(error, "pointer"), text(error, "code"))).collect()
    }
}

/// The bytes of a request.
pub fn request(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

pub async fn post(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let request = request(address, path, headers, body);
    let stream = Stream::bytes(address, &request).await.expect("an answer");
    Answer::of(stream).await
}

/// The answer has to be a refusal in the form that all refusals have; returns its code.
pub async fn refused(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &[u8], status: u16) -> String {
    let request = request(address, path, headers, body);
    problem(Stream::bytes(address, &request).await.expect("an answer"), status).await
}

/// A service with a key.
pub struct Service {
    pub address: SocketAddr,
    bearer: String,
}

impl Service {
    pub fn new(address: SocketAddr, key: &str) -> Service {
        secrets::token(key);
        Service { address, bearer: format!("Bearer {key}") }
    }

    pub async fn post(&self, path: &str, body: &[u8]) -> Answer {
        let headers = [("Authorization", self.bearer.as_str()), ("Content-Type", "application/json")];
        post(self.address, path, &headers, body).await
    }

    pub async fn publish(&self, notification: &Value) -> Answer {
        secrets::event(notification.to_string().as_bytes());
        self.post("/notifications", notification.to_string().as_bytes()).await
    }

    pub async fn dry_run(&self, notification: &Value) -> Answer {
        self.post("/notifications?dryRun=true", notification.to_string().as_bytes()).await
    }
}
