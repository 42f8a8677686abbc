//! Who is not let in: what a server and a command say of it, each in one line that names what to change.

use std::net::SocketAddr;

use super::{
    secured::{PASSWORD, Secured, Way, secured},
    tokens,
};
use crate::harness::{Accounts, apache::there_is, secrets, until};

/// What is wrong, the door, the properties, and what the sentence has to hold.
type Case = (&'static str, u16, String, &'static [&'static str]);

fn cases(secured: &Secured, provider: SocketAddr) -> Vec<Case> {
    let doors = secured.doors;
    let user = |name: &str, password: &str| secured.user("SCRAM-SHA-256", name, password);
    let of_another_ca = secured.tls("ssl").replace("/ca.pem", "/another-ca.pem");
    let (stranger, its_key) = (secured.file("stranger.crt"), secured.file("stranger.key"));
    let of_a_stranger = format!("ssl.certificate.location={stranger}\nssl.key.location={its_key}\n");
    vec![
        ("another host", doors.elsewhere, secured.tls("ssl"), &["is not for that name, but for kafka.elsewhere.test"]),
        ("expired", doors.expired, secured.tls("ssl"), &["its certificate has expired"]),
        (
            "another CA",
            doors.certificates,
            of_another_ca,
            &["is not of a CA in ", "/another-ca.pem", "ssl.ca.location"],
        ),
        (
            "a CA that the system does not know",
            doors.certificates,
            "security.protocol=ssl\n".to_owned(),
            &["of a CA that this system does not know", "ssl.ca.location"],
        ),
        (
            "no certificate",
            doors.certificates,
            secured.tls("ssl"),
            &["wants a certificate of ours", "ssl.key.location"],
        ),
        (
            "a certificate of a stranger",
            doors.certificates,
            secured.tls("ssl") + &of_a_stranger,
            &["wants a certificate of ours, and one that its CA has signed"],
        ),
        (
            "a wrong password",
            doors.users,
            user("allim", "wrong-password"),
            &["SCRAM-SHA-256", "sasl.password is wrong"],
        ),
        ("an unknown user", doors.users, user("whoever", PASSWORD), &["sasl.username or", "the user was not made for"]),
        (
            "a mechanism that is not offered",
            doors.tokens,
            user("allim", PASSWORD),
            &["does not offer SCRAM-SHA-256, but OAUTHBEARER: set sasl.mechanism"],
        ),
        (
            "a wrong secret at the provider",
            doors.tokens,
            tokens::properties(secured, provider, "another-secret"),
            &["there is no token", "sasl.oauthbearer.*", "401"],
        ),
        ("TLS where there is none", doors.plaintext, secured.tls("ssl"), &["ends the TLS handshake", "speaks no TLS"]),
        ("none where TLS is wanted", doors.certificates, String::new(), &["wants TLS: then set security.protocol"]),
        (
            "no login where one is wanted",
            doors.users,
            secured.tls("ssl"),
            &["wants a login", "security.protocol to sasl"],
        ),
    ]
}

/// Everybody who meets it in one process is several clients, and each of them again and again; the line is one.
async fn is_said_once(what: &str, way: Way, parts: &[&str]) {
    let accounts = Accounts::start().await;
    let server = way.server(&accounts, &[]);
    let lines = || {
        let log = server.log();
        let of_kafka = |line: &&str| line.contains("WARN") && line.to_lowercase().contains("kafka");
        log.lines().filter(of_kafka).map(str::to_owned).collect::<Vec<_>>()
    };
    until(&format!("{what}: something is said"), async || !lines().is_empty()).await;
    let said = way.fails(&["publish", "test.happened", "--to", "everyone", "--title", "x"]).await;
    for part in parts {
        assert!(said.contains(part), "{what}: {said}\nlacks: {part}");
    }
    let url = accounts.url();
    let checked = way.runs_with(&[("ALLIM_ACCOUNTS_URL", &url)], &["check-config"]).await;
    assert_eq!(String::from_utf8(checked.stderr).unwrap(), said, "{what}: check-config says another thing");
    // Neither does any other of its clients take what one refuses.
    let (_, ready) = server.get("/readyz").await;
    assert!(ready.contains(r#""live":false"#), "{what}: {ready}");
    let lines = lines();
    assert_eq!(lines.len(), 1, "{what}: {lines:#?}");
    let sentence = said.trim_end().strip_prefix("allim: ").unwrap();
    assert!(lines[0].contains(sentence), "{what}: {}\nis not: {sentence}", lines[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_let_in_learns_why_in_one_line() {
    if !there_is("whoever_is_not_let_in_learns_why_in_one_line") {
        return;
    }
    secrets::text("another-secret");
    secrets::text("wrong-password");
    let secured = secured().await;
    let provider = tokens::provider().await;
    let topic = secured.topic().await;
    let cases = cases(secured, provider);
    assert!(cases.len() >= 13);
    let locked = format!(
        "{}ssl.certificate.location={}\nssl.key.location={}\n",
        secured.tls("ssl"),
        secured.file("allim.crt"),
        secured.file("allim.locked.key")
    );
    for password in ["", "ssl.key.password=wrong-password\n"] {
        let way = Way::new(secured.doors.certificates, topic, &format!("{locked}{password}"));
        let said = way.fails(&["publish", "test.happened", "--to", "everyone", "--title", "x"]).await;
        assert!(said.contains("ssl.key.location failed") && said.contains("ssl.key.password"), "{said}");
    }
    // A few at a time: each is a server of its own.
    for some in cases.chunks(5) {
        let all = some
            .iter()
            .map(|(what, port, properties, parts)| is_said_once(what, Way::new(*port, topic, properties), parts));
        futures::future::join_all(all).await;
    }
}
