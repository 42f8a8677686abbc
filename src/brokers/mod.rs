//! What every client of the brokers has in common: which properties it may be given, and what it hears when it is not let in.
//!
//! librdkafka says why a connection fails in a line of its own log, and then tries again for ever; whoever waits is told only
//! that nobody answers. An [`Ear`] listens to those lines and keeps the last reason, in one sentence that says what to change.

#[cfg(feature = "kafka-tls")]
mod certificate;
mod properties;
mod trouble;

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::error::KafkaError;

pub use properties::{Wrong, wrong};
use trouble::TOKEN;
pub use trouble::{AUTH, TLS, Trouble};

/// librdkafka repeats an error every 30 s for each broker and client; people need it once.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// The settings cannot be made into a client; the value, which may be a secret, is not shown.
#[must_use]
pub fn refused(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, said, key, value) => {
            let said = if value.is_empty() { said.clone() } else { said.replace(value.as_str(), "…") };
            format!("{key}: {said}")
        }
        // OpenSSL says of both mistakes no more than that it cannot read it.
        error if error.to_string().contains("ssl.key.location failed") => {
            format!("{error}; it has to be a key in PEM, and ssl.key.password its password")
        }
        error => error.to_string(),
    }
}

/// One client's. It never waits for anybody but, once in a while, for the certificate of a broker that was refused.
#[derive(Debug)]
pub struct Ear {
    properties: Vec<(String, String)>,
    last: Mutex<Option<Trouble>>,
    #[cfg(feature = "kafka-tls")]
    looks: certificate::Looks,
}

impl Ear {
    #[must_use]
    pub fn new(properties: &[(String, String)]) -> Ear {
        Ear {
            properties: properties.to_vec(),
            last: Mutex::new(None),
            #[cfg(feature = "kafka-tls")]
            looks: certificate::Looks::default(),
        }
    }

    /// A line of librdkafka's log. `FAIL` is the end of a connection, whatever the reason; `FATAL` of a producer; `OIDC` is
    /// about tokens. Whether it is understood, so that nobody else has to show it.
    pub fn line(&self, facility: &str, message: &str) -> bool {
        match facility {
            "FAIL" => self.hear(message, true),
            "FATAL" | "OIDC" => self.hear(message, false),
            _ => false,
        }
    }

    /// What librdkafka reports as an error beside its log.
    pub fn error(&self, message: &str) {
        self.hear(message, false);
    }

    /// `ends`: what is no trouble of ours ends the last one, for then the brokers are away like any other.
    fn hear(&self, message: &str, ends: bool) -> bool {
        let trouble = Trouble::of(message, &self.properties);
        let understood = trouble.is_some();
        if !understood && !ends {
            return false;
        }
        // Of a token that is not given librdkafka tells twice, and first with the provider's status.
        if trouble
            .as_ref()
            .is_some_and(|new| new.kind == TOKEN && self.trouble().is_some_and(|last| last.kind == TOKEN))
        {
            return true;
        }
        let trouble = trouble.map(|trouble| self.exactly(trouble));
        if let Some(certain) = trouble.as_ref().filter(|trouble| trouble.is_certain()) {
            say(certain);
        }
        self.keep(trouble);
        understood
    }

    /// OpenSSL says of a certificate only that it is not good.
    #[cfg(feature = "kafka-tls")]
    fn exactly(&self, trouble: Trouble) -> Trouble {
        let Some(at) = trouble.certificate_of.clone() else { return trouble };
        let ca_file = properties::value(&self.properties, "ssl.ca.location");
        trouble.with_certificate(&at, self.looks.what_is_wrong(&at, ca_file), ca_file)
    }

    #[cfg(not(feature = "kafka-tls"))]
    fn exactly(&self, trouble: Trouble) -> Trouble {
        trouble
    }

    fn keep(&self, trouble: Option<Trouble>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// A question was answered: whatever was wrong is over.
    pub fn answered(&self) {
        self.keep(None);
    }

    /// Why nobody answers, as far as it is known.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// In the log, once a minute in the whole process: its clients all meet the same.
pub fn say(trouble: &Trouble) {
    static SAID: Mutex<BTreeMap<&'static str, Instant>> = Mutex::new(BTreeMap::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.get(trouble.kind).is_none_or(|said| said.elapsed() >= SAID_EVERY) {
        said.insert(trouble.kind, Instant::now());
        tracing::warn!("{trouble}");
    }
}
