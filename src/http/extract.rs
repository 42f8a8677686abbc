//! What a request says: the token or the ticket, the place to go on from, the language, and the body.

use std::time::Duration;

use axum::{body::Body, extract::Query};
use bytes::Bytes;
use http::{HeaderMap, Uri, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use super::problem::Problem;
use crate::{deliver::Asked, identity::Token, notification::Lang};

/// What a browser's own reconnect sends; it wins over the URL, which stays as it was at the first connect.
const LAST_EVENT_ID: &str = "last-event-id";

/// The whole of a body takes no longer.
const BODY: Duration = Duration::from_secs(10);

/// All of it, of so many bytes at most.
pub async fn body(headers: &HeaderMap, body: Body, most: usize) -> Result<Bytes, Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > most) {
        return Err(Problem::TooLarge);
    }
    match timeout(BODY, Limited::new(body, most).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::TooLarge),
        Ok(Err(_)) => Err(Problem::BodyBroken),
        Err(_elapsed) => Err(Problem::BodyTooSlow),
    }
}

/// Whether the body says that it is JSON.
pub fn is_json(headers: &HeaderMap) -> bool {
    let named = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    named.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The token of a header or the cookie. A token in the URL is refused even when a good one stands beside it.
pub fn token(parts: &Parts, cookie: &str) -> Result<Token, Problem> {
    if query(&parts.uri, "token").is_some() || query(&parts.uri, "access_token").is_some() {
        return Err(Problem::TokenInUrl);
    }
    let text = match parts.headers.get(header::AUTHORIZATION) {
        Some(value) => bearer(value.to_str().map_err(|_| Problem::BadToken)?).ok_or(Problem::BadToken)?.to_owned(),
        None => cookie_of(&parts.headers, cookie).ok_or(Problem::NoToken)?.to_owned(),
    };
    Token::new(&text).map_err(|_| Problem::BadToken)
}

/// The key of a service that publishes: in the header and nowhere else.
pub fn key(parts: &Parts) -> Result<Token, Problem> {
    if query(&parts.uri, "token").is_some() || query(&parts.uri, "access_token").is_some() {
        return Err(Problem::TokenInUrl);
    }
    let value = parts.headers.get(header::AUTHORIZATION).ok_or(Problem::NoKey)?;
    let key = value.to_str().ok().and_then(bearer).ok_or(Problem::BadKey)?;
    Token::new(key).map_err(|_| Problem::BadKey)
}

/// Whether only to say what would happen. Somebody who mistypes that shall not publish instead.
pub fn dry_run(uri: &Uri) -> Result<bool, Problem> {
    let asked = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|_| Problem::BadDryRun)?;
    let asked: Vec<(&str, &str)> = asked.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    match asked.as_slice() {
        [] | [("dryRun", "false")] => Ok(false),
        [("dryRun", "true")] => Ok(true),
        _ => Err(Problem::BadDryRun),
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' ')).filter(|token| !token.is_empty())
}

fn cookie_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value.trim_matches('"'))
}

/// The ticket in the URL, which browsers can send with an `EventSource` too.
pub fn ticket(uri: &Uri) -> Option<String> {
    query(uri, "ticket")
}

/// Where to go on.
pub fn asked(parts: &Parts) -> Asked {
    let header = parts.headers.get(LAST_EVENT_ID).map(|value| Asked::named(value.to_str().unwrap_or("?")));
    let named = header.filter(|asked| *asked != Asked::Newcomer).or_else(|| asked_in_url(&parts.uri));
    named.unwrap_or(Asked::Newcomer)
}

/// Where the URL says to go on; nothing said is None.
pub fn asked_in_url(uri: &Uri) -> Option<Asked> {
    query(uri, "last_event_id").map(|text| Asked::named(&text))
}

/// The language named in the request.
pub fn lang(uri: &Uri) -> Result<Option<Lang>, Problem> {
    query(uri, "lang").map(|tag| Lang::from_tag(&tag).ok_or(Problem::BadLanguage)).transpose()
}

/// Whether a response that is no event stream would be understood better.
pub fn wants_events(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    // curl and most libraries say `*/*` or nothing: they came for the stream.
    accepted.peek().is_none() || accepted.any(|line| line.contains("text/event-stream") || line.contains("*/*"))
}

/// The first value of a query parameter.
fn query(uri: &Uri, name: &str) -> Option<String> {
    Query::<Vec<(String, String)>>::try_from_uri(uri)
        .ok()
        .and_then(|query| query.0.into_iter().find_map(|(key, value)| (key == name).then_some(value)))
}
