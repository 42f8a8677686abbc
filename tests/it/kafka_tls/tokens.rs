//! The provider of tokens, as OpenID Connect has it: client credentials go in, a token for a while comes out.

use std::{
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use super::secured::Secured;
use crate::harness::secrets;

const CLIENT: &str = "allim-client";
pub const SECRET: &str = "Secret-of-a-client";

/// A token of this user, unsigned: the broker is told to believe it.
fn token() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let part = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let token = format!(
        "{}.{}.",
        part(json!({"alg": "none", "typ": "JWT"})),
        part(json!({"sub": "allim", "iat": now, "exp": now + 300}))
    );
    secrets::text(&token);
    token
}

async fn give(head: HeaderMap, body: String) -> (StatusCode, Json<Value>) {
    let wanted = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{SECRET}")));
    let knows = head.get("authorization").is_some_and(|given| given.as_bytes() == wanted.as_bytes());
    if knows && body.contains("grant_type=client_credentials") {
        return (StatusCode::OK, Json(json!({"access_token": token(), "token_type": "Bearer", "expires_in": 300})));
    }
    (StatusCode::UNAUTHORIZED, Json(json!({"error": "invalid_client"})))
}

/// Answers until the test ends; its address.
pub async fn provider() -> SocketAddr {
    secrets::text(SECRET);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/token", post(give));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// The properties of a client of it.
pub fn properties(secured: &Secured, provider: SocketAddr, secret: &str) -> String {
    let tls = secured.tls("sasl_ssl");
    format!(
        "{tls}sasl.mechanism=OAUTHBEARER\nsasl.oauthbearer.method=oidc\nsasl.oauthbearer.client.id={CLIENT}\n\
         sasl.oauthbearer.client.secret={secret}\nsasl.oauthbearer.token.endpoint.url=http://{provider}/token\n"
    )
}
