//! What librdkafka may be given: what this build cannot do, what it does not know, and files that are not there.

use std::fs::File;

use rdkafka::ClientConfig;

/// What is wrong with one property; its value is shown only where it is a file's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub found: String,
    pub wanted: String,
}

/// Each names a file that librdkafka reads.
const FILES: [&str; 9] = [
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.keystore.location",
    "ssl.crl.location",
    "https.ca.location",
    "sasl.oauthbearer.assertion.file",
    "sasl.oauthbearer.assertion.private.key.file",
    "sasl.oauthbearer.assertion.jwt.template.file",
];

/// The value of a key.
pub fn value<'p>(properties: &'p [(String, String)], key: &str) -> Option<&'p str> {
    properties.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
}

/// What only a build with TLS knows.
fn wants_tls(key: &str) -> bool {
    ["ssl.", "sasl.", "https.", "enable.ssl.", "enable.sasl."].iter().any(|prefix| key.starts_with(prefix))
}

/// All that is wrong, before any client is made of them.
#[must_use]
pub fn wrong(properties: &[(String, String)]) -> Vec<Wrong> {
    let protocol = value(properties, "security.protocol").unwrap_or("plaintext");
    let in_plain = protocol.eq_ignore_ascii_case("plaintext");
    let about_tls = properties.iter().map(|(key, _)| key.as_str()).find(|key| wants_tls(key));
    match (about_tls.or_else(|| Some("security.protocol").filter(|_| !in_plain)), cfg!(feature = "kafka-tls")) {
        (Some(key), false) => {
            let found = format!("{key} is about TLS or SASL");
            let wanted = "this build speaks no TLS: build with `--features kafka-tls`, or use the container".to_owned();
            return vec![Wrong { found, wanted }];
        }
        (Some(key), true) if in_plain => {
            let found = format!("{key} has no effect while security.protocol is plaintext");
            let wanted = "wanted is a security.protocol of ssl, sasl_ssl or sasl_plaintext".to_owned();
            return vec![Wrong { found, wanted }];
        }
        _ => {}
    }
    properties.iter().filter_map(|(key, value)| one(key, value)).collect()
}

fn one(key: &str, value: &str) -> Option<Wrong> {
    if let Err(error) = ClientConfig::new().set(key, value).create_native_config() {
        let wanted = "wanted is a property as librdkafka's CONFIGURATION.md has it".to_owned();
        return Some(Wrong { found: super::refused(&error), wanted });
    }
    // A word of librdkafka's own: look where the system has them.
    if !FILES.contains(&key) || value == "probe" {
        return None;
    }
    let error = File::open(value).err()?;
    Some(Wrong { found: format!("{key}: {value}: {error}"), wanted: "wanted is a file that can be read".to_owned() })
}
