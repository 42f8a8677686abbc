//! The four ways in, and of the users' one each mechanism: everything that goes to Kafka or comes from it goes that way.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    secured::{KEY_PASSWORD, PASSWORD, Way, secured},
    tokens,
};
use crate::harness::{
    Accounts, Listener, Publisher, Service, accounts::token, apache::there_is, inbox::Inbox, kafka::Place, topics,
    until,
};

const KEY: &str = "key-of-a-service-behind-tls";

/// The readers of notifications, of signals and of the kept way, the producer of the HTTP door and of dead letters, and
/// the commands that speak to Kafka.
async fn carries_everything(way: Way) {
    let accounts = Accounts::start().await;
    let hash: String = Sha256::digest(KEY.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let publishers = format!("name=all key_sha256={hash} malls=* everyone=on");
    let mut server = way.server(&accounts, &[("ALLIM_PUBLISHERS", &publishers)]);
    server.ready().await;
    until("it is live", async || server.get("/readyz").await.1.contains(r#""live":true"#)).await;
    let operator = token(1, &[7], None, true);
    let mut listener = Listener::open(server.address, &operator, None).await;
    listener.live().await;

    let outside = Publisher::new(way.topic);
    outside.tell("mall:7", "mall:7", "from a service").await;
    listener.hears("from a service").await;
    let notice = json!({"type": "test.happened", "audience": "mall:7", "mallNo": 7, "title": "over HTTP"});
    let answer = Service::new(server.address, KEY).publish(&notice).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    listener.hears("over HTTP").await;
    let published = way.runs(&["publish", "test.happened", "--to", "mall:7", "--title", "from a terminal"]).await;
    assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    listener.hears("from a terminal").await;
    let inbox = Inbox::of(&server, &operator);
    inbox.has(3).await;

    outside.json("mall:7", &json!({"type": "test.happened", "audience": "mall:seven", "title": "for nobody"})).await;
    let letters = Place::new(way.topic.to_string(), format!("{}-dlt", way.topic.topic));
    until("the dead letter is on its topic", async || topics::appended(letters, 3).await == 1).await;
    let data = server.data.display().to_string();
    let redriven = way.runs_in(&data, &["dead-letters", "redrive", "--all"]).await;
    assert!(redriven.status.success(), "{}", String::from_utf8_lossy(&redriven.stderr));
    until("it is a dead letter again", async || topics::appended(letters, 3).await == 2).await;

    outside.signal(&json!({"type": "token.revoked", "adminNo": 1})).await;
    assert_eq!(listener.event("bye").await.json()["reason"], "revoked");

    let checked = way.runs_with(&[("ALLIM_ACCOUNTS_URL", &accounts.url())], &["check-config"]).await;
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

async fn with_user(test: &str, mechanism: &str) {
    if !there_is(test) {
        return;
    }
    let secured = secured().await;
    let properties = secured.user(mechanism, "allim", PASSWORD);
    carries_everything(Way::new(secured.doors.users, secured.topic().await, &properties)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_scram_sha_256() {
    with_user("a_user_with_scram_sha_256", "SCRAM-SHA-256").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_scram_sha_512() {
    with_user("a_user_with_scram_sha_512", "SCRAM-SHA-512").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_plain() {
    with_user("a_user_with_plain", "PLAIN").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_whose_key_is_locked() {
    if !there_is("a_certificate_whose_key_is_locked") {
        return;
    }
    let secured = secured().await;
    let (certificate, key) = (secured.file("allim.crt"), secured.file("allim.locked.key"));
    let properties = format!(
        "{}ssl.certificate.location={certificate}\nssl.key.location={key}\nssl.key.password={KEY_PASSWORD}\n",
        secured.tls("ssl")
    );
    carries_everything(Way::new(secured.doors.certificates, secured.topic().await, &properties)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_provider() {
    if !there_is("a_token_of_a_provider") {
        return;
    }
    let secured = secured().await;
    let properties = tokens::properties(secured, tokens::provider().await, tokens::SECRET);
    carries_everything(Way::new(secured.doors.tokens, secured.topic().await, &properties)).await;
}
