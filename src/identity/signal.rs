//! What the signals topic says: whose rights have ended or changed. Whoever may write there can log people out.

use serde::Deserialize;
use serde_json::Value;

use super::token::TokenHash;
use crate::notification::AdminNo;

/// One signal, as far as we act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// This token opens nothing any more.
    TokenRevoked(TokenHash),
    /// No token of this operator does that was given out so far.
    TokensRevoked(AdminNo),
    /// Name, malls, status or rights of this operator are others now: ask again.
    AdminChanged(AdminNo),
    /// What this operator has read changed elsewhere.
    ReadChanged(AdminNo),
    /// Of a later version of the contract.
    Unknown,
}

/// Whether signals reach us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalsAre {
    /// There is no such topic: nobody promised any.
    Absent,
    /// There is one, and it cannot be read: what was promised does not arrive.
    Unreadable,
    /// Each arrives at once.
    Heard,
}

/// Whoever acts on signals. Called on the thread that reads them, so it does not wait.
pub trait Hears: Send + Sync {
    fn signal(&self, signal: Signal);
    /// Some may have come that we never saw.
    fn missed_some(&self);
    fn signals_are(&self, state: SignalsAre);
}

/// Not an object with the fields of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signal is {{\"type\",\"adminNo\",\"tokenSha256\"?}}")]
pub struct NotASignal;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    r#type: String,
    admin_no: Option<AdminNo>,
    token_sha256: Option<Value>,
}

impl Signal {
    /// Reads the value of a record. Members that we do not know are let be.
    pub fn decode(value: &[u8]) -> Result<Signal, NotASignal> {
        // Derived readers take the fields' values in an array as well, by their order in our code.
        if !value.trim_ascii_start().starts_with(b"{") {
            return Err(NotASignal);
        }
        let written: Written = serde_json::from_slice(value).map_err(|_| NotASignal)?;
        let admin = written.admin_no.ok_or(NotASignal);
        match written.r#type.as_str() {
            "token.revoked" => {
                let hash = written.token_sha256.as_ref().and_then(Value::as_str).map(TokenHash::from_hex);
                match hash {
                    Some(Ok(hash)) => Ok(Signal::TokenRevoked(hash)),
                    // Of no token, or of one that we cannot make out: rather all of them than none.
                    _ => admin.map(Signal::TokensRevoked),
                }
            }
            "admin.changed" => admin.map(Signal::AdminChanged),
            "read.changed" => admin.map(Signal::ReadChanged),
            _ => Ok(Signal::Unknown),
        }
    }

    /// Its type, for the metric.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Signal::TokenRevoked(_) | Signal::TokensRevoked(_) => "token.revoked",
            Signal::AdminChanged(_) => "admin.changed",
            Signal::ReadChanged(_) => "read.changed",
            Signal::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Token;

    #[test]
    fn signals_are_read_and_in_doubt_end_more_rather_than_less() {
        let admin: AdminNo = serde_json::from_str("70001").unwrap();
        let hex = "0617e92eea2e85e8a737c096d9132cca93d9fe39550043a56eb27bb046f1d345";
        let one = Token::new("demo-70001").unwrap().hash();
        let good = [
            (format!(r#"{{"type":"token.revoked","adminNo":70001,"tokenSha256":"{hex}"}}"#), Signal::TokenRevoked(one)),
            (format!(r#"{{"type":"token.revoked","tokenSha256":"{hex}"}}"#), Signal::TokenRevoked(one)),
            (r#"{"type":"token.revoked","adminNo":70001}"#.into(), Signal::TokensRevoked(admin)),
            (r#"{"type":"token.revoked","adminNo":70001,"tokenSha256":null}"#.into(), Signal::TokensRevoked(admin)),
            (r#"{"type":"token.revoked","adminNo":70001,"tokenSha256":"odd"}"#.into(), Signal::TokensRevoked(admin)),
            (r#"{"type":"token.revoked","adminNo":70001,"tokenSha256":7}"#.into(), Signal::TokensRevoked(admin)),
            (r#"{"type":"admin.changed","adminNo":70001,"more":[1]}"#.into(), Signal::AdminChanged(admin)),
            (r#"{"type":"read.changed","adminNo":70001}"#.into(), Signal::ReadChanged(admin)),
            (r#"{"type":"mall.closed","mallNo":1}"#.into(), Signal::Unknown),
        ];
        for (text, signal) in good {
            assert_eq!(Signal::decode(text.as_bytes()), Ok(signal), "{text}");
        }
        for text in [
            "",
            "x",
            "[]",
            "{}",
            r#"{"type":"token.revoked"}"#,
            r#"{"type":"token.revoked","tokenSha256":"odd"}"#,
            r#"{"type":"admin.changed"}"#,
            r#"{"type":"admin.changed","adminNo":0}"#,
            r#"{"type":"admin.changed","adminNo":-1}"#,
            r#"{"type":7,"adminNo":1}"#,
            r#"["admin.changed",70001,null]"#,
        ] {
            assert_eq!(Signal::decode(text.as_bytes()), Err(NotASignal), "{text}");
        }
    }
}
