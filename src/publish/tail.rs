//! `allim tail`: listens as an operator and writes one line per event, for as long as somebody reads them.

use std::{
    io::{self, Write},
    time::Duration,
};

use clap::Args;
use jiff::{Timestamp, tz::TimeZone};
use reqwest::{Certificate, Client, StatusCode, Url};
use serde_json::Value;
use tokio::time::sleep;

use super::sse::{Event, Reader};

/// What can be said behind `allim tail`.
#[derive(Debug, Clone, Args)]
pub struct Order {
    /// Whose notifications.
    #[arg(long, default_value = "demo-70001")]
    pub token: String,
    /// The server; else the one of the settings.
    #[arg(long)]
    pub url: Option<String>,
    /// Go on behind this position; `earliest` for all that memory has.
    #[arg(long, value_name = "POSITION")]
    pub last_event_id: Option<String>,
}

/// The server beats every 15 s; who is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(50);
const CONNECT: Duration = Duration::from_secs(5);
/// Where the server does not say how long to wait.
const WAIT: Duration = Duration::from_secs(3);

/// Why it listens no longer, in one line.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    #[error("{0} is no address of a server, such as http://127.0.0.1:8080")]
    BadUrl(String),
    #[error("the server does not know this token (401)")]
    Unknown,
    #[error("the server answered {0}")]
    Status(StatusCode),
    #[error("the server said goodbye ({0}) and wants no return")]
    Bye(String),
    #[error("no client: {0}")]
    NoClient(String),
    #[error("nobody reads the lines: {0}")]
    Output(#[from] io::Error),
}

/// Where the stream stands, and when to come back.
struct Place {
    last: Option<String>,
    wait: Duration,
}

/// Listens, comes back where it was after every break, and returns only with a reason.
pub async fn run(order: &Order, usual_url: &str, out: &mut impl Write) -> Result<(), Ended> {
    let base = order.url.as_deref().unwrap_or(usual_url);
    let url = format!("{}/notifications", base.trim_end_matches('/'));
    let url: Url = url.parse().map_err(|_| Ended::BadUrl(base.to_owned()))?;
    let client = client(&url)?;
    let mut place = Place { last: order.last_event_id.clone(), wait: WAIT };
    loop {
        let broken = listen(&client, &url, &order.token, &mut place, out).await?;
        eprintln!("{broken}; again in {:.1} s", place.wait.as_secs_f64());
        sleep(place.wait).await;
    }
}

fn client(url: &Url) -> Result<Client, Ended> {
    // Fails only where one was installed before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client = Client::builder().connect_timeout(CONNECT).read_timeout(SILENCE).no_proxy();
    if url.scheme() == "http" {
        client = client.tls_certs_only(Vec::<Certificate>::new());
    }
    client.build().map_err(|error| Ended::NoClient(format!("{error:?}")))
}

/// One stream until it breaks, for the reason returned; ends for good with an error.
async fn listen(
    client: &Client,
    url: &Url,
    token: &str,
    place: &mut Place,
    out: &mut impl Write,
) -> Result<String, Ended> {
    let mut url = url.clone();
    if let Some(last) = &place.last {
        // In the query, since `earliest` is no id of an event.
        url.query_pairs_mut().append_pair("last_event_id", last);
    }
    let request = client.get(url).bearer_auth(token).header("accept", "text/event-stream");
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_builder() => return Err(Ended::BadUrl(error.to_string())),
        Err(_) => return Ok("nobody answers".to_owned()),
    };
    match response.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED => return Err(Ended::Unknown),
        busy if busy.is_server_error() || busy == StatusCode::TOO_MANY_REQUESTS => {
            return Ok(format!("answered {busy}"));
        }
        status => return Err(Ended::Status(status)),
    }
    let mut reader = Reader::default();
    loop {
        let events = match response.chunk().await {
            Ok(Some(bytes)) => match reader.read(&bytes) {
                Ok(events) => events,
                Err(error) => return Ok(error.to_string()),
            },
            Ok(None) => return Ok("the stream ended".to_owned()),
            Err(_) => return Ok("the stream broke off".to_owned()),
        };
        for event in events {
            hear(event, place, out)?;
        }
    }
}

fn hear(event: Event, place: &mut Place, out: &mut impl Write) -> Result<(), Ended> {
    if let Some(id) = event.id {
        place.last = Some(id).filter(|id| !id.is_empty());
    }
    if let Some(retry_ms) = event.retry_ms {
        place.wait = Duration::from_millis(retry_ms);
    }
    let data: Value = serde_json::from_str(&event.data).unwrap_or(Value::Null);
    if let Some(line) = line(&event.name, &data) {
        writeln!(out, "{line}")?;
        out.flush()?;
    }
    if event.name == "bye" && data["reconnect"] == Value::Bool(false) {
        return Err(Ended::Bye(plain(data["reason"].as_str().unwrap_or("no reason"))));
    }
    Ok(())
}

/// Nothing for a beat: it only moves the place.
fn line(name: &str, data: &Value) -> Option<String> {
    let text = |field: &str| data[field].as_str().map(plain).unwrap_or_default();
    let at = data["at"].as_str().and_then(|at| at.parse().ok()).unwrap_or_else(Timestamp::now);
    let time = at.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string();
    match name {
        "beat" => None,
        "" | "message" | "notification" | "job" => {
            let parts = [time, text("type"), text("title"), text("body")];
            let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            Some(parts.join("  "))
        }
        _ => Some(format!("{time}  ({name})  {}", plain(&data.to_string()))),
    }
}

/// In one line, and without what could steer a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_one_line_whatever_the_text_holds() {
        let data =
            json!({"at": "2026-11-20T05:05:33Z", "type": "order.created", "title": "a\nb", "body": "\u{1b}[31mred"});
        let line = line("", &data).unwrap();
        assert!(line.ends_with(":33  order.created  a b   [31mred"), "{line}");
        assert_eq!(super::line("beat", &json!({})), None);
        assert!(super::line("gap", &json!({"reason": "epoch"})).unwrap().ends_with("(gap)  {\"reason\":\"epoch\"}"));
    }
}
