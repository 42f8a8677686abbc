//! Somebody's timeline as a page reads it, and somebody's hand on the file that it is kept in.

use std::{net::SocketAddr, path::Path, time::Duration};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{
    Server,
    posts::{Answer, post},
    sse::Stream,
    until,
};

/// One operator and one server.
pub struct Inbox {
    pub address: SocketAddr,
    bearer: String,
}

impl Inbox {
    pub fn of(server: &Server, token: &str) -> Inbox {
        Inbox { address: server.address, bearer: format!("Bearer {token}") }
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut all = vec![("Authorization", self.bearer.as_str())];
        all.extend_from_slice(headers);
        Answer::of(Stream::get(self.address, path, &all).await.expect("an answer")).await
    }

    /// One page; `query` is what stands behind the `?`.
    pub async fn page(&self, query: &str) -> Value {
        let answer = self.get(&format!("/timeline?{query}"), &[]).await;
        assert_eq!(answer.status, 200, "{} {}", answer.head, answer.body);
        answer.json()
    }

    /// All pages, newest first.
    pub async fn all(&self, query: &str) -> Vec<Value> {
        let (mut items, mut next) = (Vec::new(), String::new());
        loop {
            let page = self.page(&format!("{query}{next}")).await;
            items.extend(page["items"].as_array().expect("items").iter().cloned());
            let Some(cursor) = page["next"].as_str() else { return items };
            next = format!("&cursor={cursor}");
        }
    }

    /// What all pages show, oldest first.
    pub async fn titles(&self) -> Vec<String> {
        let title = |item: &Value| item["notification"]["title"].as_str().expect("a title").to_owned();
        let mut titles: Vec<String> = self.all("limit=100").await.iter().map(title).collect();
        titles.reverse();
        titles
    }

    pub async fn unread(&self) -> u64 {
        let answer = self.get("/timeline/unread-count", &[]).await;
        assert_eq!(answer.status, 200, "{} {}", answer.head, answer.body);
        answer.json()["unread"].as_u64().expect("a number")
    }

    pub async fn post(&self, body: &Value) -> Answer {
        let headers = [("Authorization", self.bearer.as_str()), ("Content-Type", "application/json")];
        post(self.address, "/timeline/read", &headers, body.to_string().as_bytes()).await
    }

    pub async fn reads(&self, ids: &[&str]) {
        let answer = self.post(&json!({ "ids": ids })).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{}", answer.head);
    }

    /// Waits until so many rows are there.
    pub async fn has(&self, rows: usize) {
        until(&format!("{rows} rows"), async || self.all("limit=100").await.len() >= rows).await;
    }
}

/// Where a server keeps its timeline.
pub fn file(server: &Server) -> std::path::PathBuf {
    server.data.join("timeline.sqlite")
}

/// Somebody's own tool on the file.
pub fn tool(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("the file opens");
    connection.busy_timeout(Duration::from_secs(30)).expect("a timeout");
    connection
}

/// Keeps the recorder from writing for as long as it is held; who reads goes on.
pub struct Held(Connection);

impl Held {
    pub fn on(server: &Server) -> Held {
        let connection = tool(&file(server));
        connection.execute_batch("BEGIN IMMEDIATE").expect("the lock");
        Held(connection)
    }

    pub fn let_go(self) {
        self.0.execute_batch("ROLLBACK").expect("the end of it");
    }
}
