//! Users without rights: each is told which right is missing, and is let in the moment that it is given.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::secured::{DESCRIBE, LITERAL, PASSWORD_OF_NOBODY, READ, WRITE, Way, secured};
use crate::harness::{Accounts, Listener, Publisher, Service, accounts::token, apache::there_is, until};

const KEY: &str = "key-of-a-service-without-rights";

/// The setting for who may publish anything with this key.
fn everybodys_publisher() -> String {
    let hash: String = Sha256::digest(KEY.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("name=all key_sha256={hash} malls=* everyone=on")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_or_write_is_told_so_until_he_may() {
    if !there_is("who_may_not_read_or_write_is_told_so_until_he_may") {
        return;
    }
    let secured = secured().await;
    let topic = secured.topic().await;
    let properties = secured.user("SCRAM-SHA-256", "nobody", PASSWORD_OF_NOBODY);
    let way = Way::new(secured.doors.users, topic, &properties);
    let accounts = Accounts::start().await;
    let mut server = way.server(&accounts, &[("ALLIM_PUBLISHERS", &everybodys_publisher())]);

    let may_not_read = "does not let this user read the topic: it needs the ACLs Read and Describe on it";
    let lines = |server: &crate::harness::Server| {
        let ours = format!("kafka.topic=\"{}\"", topic.topic);
        server.log().lines().filter(|line| line.contains(may_not_read) && line.contains(&ours)).count()
    };
    until("it is said that the topic may not be read", async || lines(&server) == 1).await;
    let said = way.fails(&["publish", "test.happened", "--to", "everyone", "--title", "x"]).await;
    assert!(
        said.contains(&format!("write to the topic {}: it needs the ACLs Write and Describe", topic.topic)),
        "{said}"
    );

    let url = accounts.url();
    let checked = async || {
        let checked = way.runs_with(&[("ALLIM_ACCOUNTS_URL", &url)], &["check-config"]).await;
        (checked.status.code(), String::from_utf8(checked.stdout).unwrap())
    };
    let hidden = format!("{}: may not be seen by this user, who needs ACLs on it: Read, Describe", topic.topic);
    let (code, said) = checked().await;
    assert!(code == Some(1) && said.contains(&hidden) && !said.contains("is not there"), "{said}");

    // It may see it, and still not read it.
    secured.allow("nobody", DESCRIBE, topic.topic, LITERAL).await;
    let said = way.fails(&["publish", "test.happened", "--to", "everyone", "--title", "x"]).await;
    assert!(said.contains("it needs the ACLs Write and Describe on it"), "{said}");

    until("it is said that it may not be read either", async || lines(&server) == 2).await;
    let (code, said) = checked().await;
    let unread = format!("{}: its settings may not be read by this user; with the ACL DescribeConfigs", topic.topic);
    assert!(
        code == Some(0) && said.contains(&unread) && !said.contains(&hidden) && !said.contains("wanted is"),
        "{said}"
    );

    for beside in ["", "-signals"] {
        secured.allow("nobody", READ, &format!("{}{beside}", topic.topic), LITERAL).await;
    }
    server.ready().await;
    until("it is live", async || server.get("/readyz").await.1.contains(r#""live":true"#)).await;
    let mut listener = Listener::open(server.address, &token(1, &[7], None, true), None).await;
    listener.live().await;
    let outside = Publisher::new(topic);
    outside.tell("mall:7", "mall:7", "may be read").await;
    listener.hears("may be read").await;

    let notice = json!({"type": "test.happened", "audience": "mall:7", "mallNo": 7, "title": "may be written"});
    let service = Service::new(server.address, KEY);
    assert_eq!(service.publish(&notice).await.status, 503);
    until("it is said that nothing may be written", async || {
        server.log().contains("Kafka lets this user write to no topic")
            || server.log().contains("does not let this user write to the topic")
    })
    .await;
    secured.allow("nobody", WRITE, topic.topic, LITERAL).await;
    until("it may be written", async || service.publish(&notice).await.status == 202).await;
    listener.hears("may be written").await;

    for operation in [READ, DESCRIBE, WRITE] {
        secured.forbid("nobody", operation, topic.topic, LITERAL).await;
    }
    until("it is said that it may not be read any more", async || {
        server.get("/readyz").await.1 == r#"{"ready":true,"live":false,"reason":"kafka_rights"}"#
    })
    .await;
    assert_eq!(lines(&server), 3, "{}", server.log());
    secured.allow("nobody", READ, topic.topic, LITERAL).await;
    outside.tell("mall:7", "mall:7", "may be read again").await;
    listener.hears("may be read again").await;
}
