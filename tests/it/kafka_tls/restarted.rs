//! A broker that is restarted, also with another certificate or other passwords: it is said, and all goes on where it was.

use std::fs;

use super::secured::{PASSWORD, Secured, Way, properties};
use crate::harness::{Accounts, Listener, Publisher, accounts::token, apache::there_is, until};

/// Written anew while the broker is away.
fn with_password(secured: &Secured, password: &str) {
    let file = secured.folder.join("properties");
    let old = fs::read_to_string(&file).unwrap();
    let controller = old.split("CONTROLLER://127.0.0.1:").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    fs::write(file, properties(&secured.folder, secured.doors, controller.parse().unwrap(), password)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_goes_on_and_what_has_changed_is_said() {
    if !there_is("all_goes_on_and_what_has_changed_is_said") {
        return;
    }
    let mut secured = Secured::start().await;
    let topic = secured.topic().await;
    let way = Way::new(secured.doors.users, topic, &secured.user("PLAIN", "allim", PASSWORD));
    let accounts = Accounts::start().await;
    let mut server = way.server(&accounts, &[]);
    server.ready().await;
    until("it is live", async || server.get("/readyz").await.1.contains(r#""live":true"#)).await;
    let mut listener = Listener::open(server.address, &token(1, &[7], None, true), None).await;
    listener.live().await;
    let outside = Publisher::new(topic);
    outside.tell("mall:7", "mall:7", "before").await;
    listener.hears("before").await;

    let certificate = secured.folder.join("broker.pem");
    let good = fs::read(&certificate).unwrap();
    let is = async |reason: &str| {
        let wanted = if reason.is_empty() {
            r#"{"ready":true,"live":true}"#.to_owned()
        } else {
            format!(r#"{{"ready":true,"live":false,"reason":"{reason}"}}"#)
        };
        until(&wanted, async || server.get("/readyz").await.1 == wanted).await;
    };
    secured.cluster.nodes[0].end("TERM").await;
    is("kafka").await;
    for (reason, said) in [
        ("kafka_tls", "its certificate is not for that name, but for kafka.elsewhere.test"),
        ("kafka_auth", "does not accept the login with PLAIN: sasl.username or sasl.password is wrong"),
        ("", "Kafka answers again"),
    ] {
        match reason {
            "kafka_tls" => drop(fs::copy(secured.folder.join("elsewhere.pem"), &certificate).unwrap()),
            "kafka_auth" => with_password(&secured, "Another-password"),
            _ => with_password(&secured, PASSWORD),
        }
        secured.cluster.nodes[0].again().await;
        // Whoever reaches it another way goes on publishing.
        outside.tell("mall:7", "mall:7", &format!("during {reason}")).await;
        is(reason).await;
        assert!(server.log().contains(said), "{}", server.log());
        if !reason.is_empty() {
            fs::write(&certificate, &good).unwrap();
            secured.cluster.nodes[0].end("TERM").await;
        }
    }
    for reason in ["kafka_tls", "kafka_auth", ""] {
        listener.hears(&format!("during {reason}")).await;
    }
    assert_eq!(listener.story.gaps, Vec::<String>::new(), "nothing was missed");
}
