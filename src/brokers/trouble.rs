//! From a line of librdkafka to one sentence that says what to change, without a secret.

use std::fmt;

use super::properties::value;

/// Why the log cannot be followed, in the word that listeners and `/readyz` are told.
pub const TLS: &str = "kafka_tls";
pub const AUTH: &str = "kafka_auth";

/// The kind of a trouble with the provider of tokens.
pub(super) const TOKEN: &str = "token";

/// Of what others wrote, so much is shown.
const LONGEST: usize = 200;

/// Why the brokers do not let us in. Its `Display` is the sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// One line a minute for each.
    pub kind: &'static str,
    /// None: it may as well be that the brokers are just starting.
    pub word: Option<&'static str>,
    pub sentence: String,
    /// The broker whose certificate is not good; a look at it tells why.
    pub(super) certificate_of: Option<String>,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

fn trouble(kind: &'static str, word: Option<&'static str>, sentence: String) -> Option<Trouble> {
    Some(Trouble { kind, word, sentence, certificate_of: None })
}

/// Alerts with which a broker ends a connection whose certificate it misses, or does not believe.
const OUR_CERTIFICATE: [&str; 6] = [
    "alert bad certificate",
    "alert certificate required",
    "alert unknown ca",
    "alert certificate unknown",
    "alert certificate expired",
    "unexpected message",
];

/// How a connection ends that the broker ended.
const ENDED: [&str; 3] = ["Disconnected", "Connection reset by peer", "Broken pipe"];

/// A connection that ends so soon after it was made was not wanted.
const SOON_MS: u64 = 2_000;

impl Trouble {
    /// None: the line is about something else, such as brokers that are away.
    pub(super) fn of(line: &str, properties: &[(String, String)]) -> Option<Trouble> {
        let line = line.split_once("]: ").filter(|_| line.starts_with("[thrd:")).map_or(line, |(_, rest)| rest);
        let (protocol, address) = broker(line);
        let kafka = if address.is_empty() { "Kafka".to_owned() } else { format!("Kafka at {address}") };
        certificates(line, &kafka, address)
            .or_else(|| ports(line, &kafka, protocol))
            .or_else(|| logins(line, &kafka, properties))
            .or_else(|| handshake(line, &kafka))
    }

    /// Whether nothing but a change of settings or of the brokers ends it.
    pub(super) fn is_certain(&self) -> bool {
        self.word.is_some()
    }

    /// What a look at the certificate has told.
    #[cfg(feature = "kafka-tls")]
    pub(super) fn with_certificate(
        self,
        at: &str,
        is: Option<super::certificate::Is>,
        ca_file: Option<&str>,
    ) -> Trouble {
        use super::certificate::Is;

        let (kind, sentence) = match is {
            Some(Is::ForOthers(names)) => (
                "host",
                format!(
                    "its certificate is not for that name, but for {names}: in kafka.bootstrap_servers, and in what the \
                     brokers advertise, has to stand a name that is in it"
                ),
            ),
            Some(Is::Expired) => ("expired", "its certificate has expired: the brokers need a new one".to_owned()),
            Some(Is::NotYetValid) => {
                ("not_yet", "its certificate is not valid yet: compare the clocks of both machines".to_owned())
            }
            Some(Is::OfAnUnknownCa) => match ca_file {
                Some(file) => {
                    ("ca", format!("its certificate is not of a CA in {file}: name the right one in ssl.ca.location"))
                }
                None => (
                    "ca",
                    "its certificate is of a CA that this system does not know: name its file in ssl.ca.location"
                        .to_owned(),
                ),
            },
            None => return self,
        };
        Trouble { kind, sentence: format!("Kafka at {at}: {sentence}"), ..self }
    }
}

/// The broker's certificate, and ours.
fn certificates(line: &str, kafka: &str, address: &str) -> Option<Trouble> {
    let theirs = ["certificate verify failed", "did not provide a certificate", "Failed to verify broker certificate"];
    if theirs.iter().any(|text| line.contains(text)) {
        let sentence = format!(
            "{kafka}: its certificate cannot be verified: see whether ssl.ca.location names its CA, its names have ours \
             in kafka.bootstrap_servers, and its time is not over"
        );
        let certificate_of = Some(address.to_owned()).filter(|address| !address.is_empty());
        return Some(Trouble { kind: "certificate", word: Some(TLS), sentence, certificate_of });
    }
    OUR_CERTIFICATE.iter().any(|text| line.contains(text)).then(|| {
        let sentence = format!(
            "{kafka} wants a certificate of ours, and one that its CA has signed: set ssl.certificate.location and \
             ssl.key.location"
        );
        Trouble { kind: "our_certificate", word: Some(TLS), sentence, certificate_of: None }
    })
}

/// Ports that expect something else. A connection that just ends may be a broker's that starts or stops as well.
fn ports(line: &str, kafka: &str, protocol: &str) -> Option<Trouble> {
    if line.contains("wrong version number") {
        let sentence = format!("{kafka} speaks no TLS on this port: take its TLS port, or another security.protocol");
        return trouble("no_tls", Some(TLS), sentence);
    }
    if !ENDED.iter().any(|text| line.contains(text)) {
        return None;
    }
    if line.contains("in state SSL_HANDSHAKE") {
        let sentence = format!(
            "{kafka} ends the TLS handshake: it is just starting, or this port speaks no TLS: then take its TLS port, or \
             another security.protocol"
        );
        return trouble("no_tls", None, sentence);
    }
    if line.contains("in state APIVERSION_QUERY") && !protocol.ends_with("ssl") {
        let sentence = format!(
            "{kafka} ends connections before it answers: it is just starting, or this port wants TLS: then set \
             security.protocol to ssl or sasl_ssl"
        );
        return trouble("tls_wanted", None, sentence);
    }
    if line.contains("in state UP") && !protocol.starts_with("sasl") && lasted(line)? < SOON_MS {
        let sentence = format!(
            "{kafka} ends connections at the first question: it is just stopping, or this port wants a login: then set \
             security.protocol to {}",
            if protocol.ends_with("ssl") { "sasl_ssl" } else { "sasl_ssl or sasl_plaintext" }
        );
        return trouble("login_wanted", None, sentence);
    }
    None
}

/// Who we say we are.
fn logins(line: &str, kafka: &str, properties: &[(String, String)]) -> Option<Trouble> {
    let mechanism = value(properties, "sasl.mechanism").or(value(properties, "sasl.mechanisms")).unwrap_or("SASL");
    if let Some((_, offered)) = line.split_once("broker's supported mechanisms: ") {
        let offered = offered.split(" (after").next().unwrap_or_default();
        let sentence = format!("{kafka} does not offer {mechanism}, but {offered}: set sasl.mechanism to one of them");
        return trouble("mechanism", Some(AUTH), sentence);
    }
    let of_provider =
        line.split_once("Failed to retrieve OIDC token from ").and_then(|(_, rest)| rest.split_once("\": "));
    if let Some((_, why)) = of_provider.or_else(|| line.split_once("Failed to acquire SASL OAUTHBEARER token: ")) {
        let sentence = format!("there is no token to log in to Kafka with; see sasl.oauthbearer.*: {}", shown(why));
        return trouble(TOKEN, Some(AUTH), sentence);
    }
    if line.contains("Fatal error: ") && line.contains("authorization failed") {
        let sentence =
            "Kafka lets this user write to no topic: what is published here, and dead letters, need the ACL \
                        Write; listening does not"
                .to_owned();
        return trouble("no_write", Some(AUTH), sentence);
    }
    if !line.contains("SASL authentication error") && !line.contains("Failed to initialize SASL authentication") {
        return None;
    }
    let sentence = match mechanism {
        "OAUTHBEARER" => {
            format!("{kafka} does not accept the token of sasl.oauthbearer.*: see its issuer, audience and claims")
        }
        "SASL" => format!("{kafka} does not accept the login: set sasl.mechanism to what its user was made for"),
        mechanism => format!(
            "{kafka} does not accept the login with {mechanism}: sasl.username or sasl.password is wrong, or the user was \
             not made for {mechanism}"
        ),
    };
    trouble("login", Some(AUTH), sentence)
}

/// Whatever else TLS stumbles over.
fn handshake(line: &str, kafka: &str) -> Option<Trouble> {
    let (_, why) = line.split_once("SSL handshake failed: ")?;
    trouble("handshake", Some(TLS), format!("{kafka}: the TLS handshake fails: {}", shown(why)))
}

/// `sasl_ssl://127.0.0.1:9093/bootstrap: …` or `GroupCoordinator: 127.0.0.1:9093: …`: protocol and address.
fn broker(line: &str) -> (&str, &str) {
    let mut parts = line.split(": ");
    let name = parts.next().unwrap_or_default();
    let (protocol, rest) = name.split_once("://").unwrap_or(("plaintext", name));
    let address = rest.split('/').next().unwrap_or_default();
    let is_one = |text: &&str| {
        text.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty()
                && !host.contains(' ')
                && !port.is_empty()
                && port.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let address = Some(address).filter(is_one).or_else(|| parts.next().filter(is_one));
    (protocol, address.unwrap_or_default())
}

/// How many milliseconds the state of `(after 4ms in state UP)` lasted.
fn lasted(line: &str) -> Option<u64> {
    line.rsplit_once("(after ")?.1.split_once("ms in state")?.0.parse().ok()
}

/// What others wrote, in one line and not all of it.
fn shown(text: &str) -> String {
    let text = text.split(" (after ").next().unwrap_or_default();
    text.chars().take(LONGEST).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of librdkafka 2.12 as they were seen over Apache Kafka 4.3, what they are taken for, and what is said.
    const LINES: &[(&str, &str, Option<&str>, &str)] = &[
        (
            "[thrd:sasl_ssl://k1:9093/bootstrap]: sasl_ssl://k1:9093/bootstrap: SASL authentication error: Authentication \
             failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256 (after 254ms in \
             state AUTH_REQ)",
            "login",
            Some(AUTH),
            "Kafka at k1:9093 does not accept the login with SCRAM-SHA-512: sasl.username or",
        ),
        (
            "GroupCoordinator: k1:9093: SASL authentication error: Authentication failed: Invalid username or password \
             (after 302ms in state AUTH_REQ)",
            "login",
            Some(AUTH),
            "Kafka at k1:9093 does not accept",
        ),
        (
            "sasl_ssl://[::1]:9093/1: SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Unsupported SASL mechanism: \
             broker's supported mechanisms: SCRAM-SHA-256,PLAIN (after 303ms in state AUTH_HANDSHAKE)",
            "mechanism",
            Some(AUTH),
            "Kafka at [::1]:9093 does not offer SCRAM-SHA-512, but SCRAM-SHA-256,PLAIN: set",
        ),
        (
            "[thrd:background]: Failed to retrieve OIDC token from \"http://p/token\": {\"error\":\"x\"} (401)",
            TOKEN,
            Some(AUTH),
            "sasl.oauthbearer.*: {\"error\":\"x\"} (401)",
        ),
        ("Failed to acquire SASL OAUTHBEARER token: no\nanswer", TOKEN, Some(AUTH), "sasl.oauthbearer.*: no answer"),
        (
            "[thrd:main]: Fatal error: Broker: Cluster authorization failed: Failed to acquire idempotence PID from broker \
             sasl_ssl://k1:9093/1: Broker: Cluster authorization failed",
            "no_write",
            Some(AUTH),
            "write to no topic",
        ),
        (
            "ssl://k1:9093/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker \
             certificate could not be verified, verify that ssl.ca.location is correctly configured (after 3ms in state \
             SSL_HANDSHAKE)",
            "certificate",
            Some(TLS),
            "Kafka at k1:9093: its certificate cannot be verified",
        ),
        (
            "ssl://k1:9093/bootstrap: Receive failed: error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert \
             number 42 (after 0ms in state APIVERSION_QUERY)",
            "our_certificate",
            Some(TLS),
            "wants a certificate of ours",
        ),
        (
            "ssl://k1:9093/bootstrap: SSL handshake failed: error:0A00042E:SSL routines::tlsv1 alert protocol version (after \
             1ms in state SSL_HANDSHAKE)",
            "handshake",
            Some(TLS),
            "Kafka at k1:9093: the TLS handshake fails: error:0A00042E:SSL routines::tlsv1 alert protocol version",
        ),
        (
            "ssl://k1:9093/bootstrap: SSL handshake failed: error:0A00010B:SSL routines::wrong version number (after 1ms in \
             state SSL_HANDSHAKE)",
            "no_tls",
            Some(TLS),
            "speaks no TLS on this port",
        ),
        (
            "ssl://k1:9092/bootstrap: SSL handshake failed: Disconnected: SSL connection closed by peer: connecting to a \
             PLAINTEXT broker listener? (after 1ms in state SSL_HANDSHAKE)",
            "no_tls",
            None,
            "Kafka at k1:9092 ends the TLS handshake",
        ),
        (
            "ssl://k1:9092/1: SSL handshake failed: SSL transport error: Connection reset by peer (after 2ms in state \
             SSL_HANDSHAKE)",
            "no_tls",
            None,
            "Kafka at k1:9092 ends the TLS handshake",
        ),
        (
            "[thrd:k1:9093/bootstrap]: k1:9093/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN \
             (after 1ms in state APIVERSION_QUERY)",
            "tls_wanted",
            None,
            "Kafka at k1:9093 ends connections before it answers",
        ),
        (
            "ssl://k1:9093/bootstrap: Disconnected: SSL connection closed by peer (after 4ms in state UP)",
            "login_wanted",
            None,
            "set security.protocol to sasl_ssl",
        ),
    ];

    /// What is no trouble of ours: brokers that are away, connections that were idle, or that were cut in the middle.
    const OTHERS: &[&str] = &[
        "sasl_ssl://k1:9093/1: Connect to ipv4#10.0.0.1:9093 failed: Connection refused (after 0ms in state CONNECT)",
        "ssl://k1:9093/1: Disconnected: SSL connection closed by peer (after 540000ms in state UP)",
        "sasl_ssl://k1:9093/1: Disconnected: SSL connection closed by peer (after 4ms in state UP)",
        "k1:9092/1: Failed to resolve 'k1:9092': Name or service not known (after 3ms in state CONNECT)",
        "1/1 brokers are down",
    ];

    #[test]
    fn each_line_is_one_sentence_that_says_what_to_change() {
        let properties = [("sasl.mechanism".to_owned(), "SCRAM-SHA-512".to_owned())];
        for (line, kind, word, part) in LINES {
            let trouble = Trouble::of(line, &properties).unwrap_or_else(|| panic!("not understood: {line}"));
            assert_eq!((trouble.kind, trouble.word), (*kind, *word), "{line}");
            assert!(trouble.sentence.contains(part), "{}\nlacks: {part}", trouble.sentence);
            assert!(!trouble.sentence.contains('\n') && trouble.sentence.len() < 400, "{}", trouble.sentence);
        }
        for line in OTHERS {
            assert_eq!(Trouble::of(line, &properties), None, "{line}");
        }
    }

    #[test]
    fn a_line_about_something_else_ends_the_trouble_and_an_answer_does_as_well() {
        let ear = super::super::Ear::new(&[]);
        for over in ["k1:9092/1: Connect to ipv4#10.0.0.1:9092 failed: Connection refused", ""] {
            assert!(ear.line("FAIL", LINES[0].0));
            assert_eq!(ear.trouble().map(|trouble| trouble.kind), Some("login"));
            ear.error("1/1 brokers are down");
            assert!(ear.trouble().is_some(), "that is what follows from it");
            if over.is_empty() {
                ear.answered()
            } else {
                assert!(!ear.line("FAIL", over))
            }
            assert_eq!(ear.trouble(), None);
        }
    }
}
