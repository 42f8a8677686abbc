//! Signals: who may write there can log people out, so what is said plainly is done exactly, and doubt ends more.
//!
//! A seed is the value of a record.
#![no_main]

use allim_fuzz::{
    identity::{NotASignal, Signal, TokenHash},
    notification::{AdminNo, json::read_object},
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// What an object means that even the strict reader takes; None: nothing that is a signal.
fn meant(value: &[u8]) -> Option<Result<Signal, NotASignal>> {
    let object = read_object(value).ok()?;
    let member = |name: &str| object.get(name).filter(|value| !value.is_null());
    let admin = member("adminNo").map(|number| serde_json::from_value::<AdminNo>(number.clone()));
    let (Some(Value::String(name)), None | Some(Ok(_))) = (object.get("type"), &admin) else {
        return Some(Err(NotASignal));
    };
    let admin = admin.and_then(Result::ok).ok_or(NotASignal);
    let token = member("tokenSha256").and_then(Value::as_str).and_then(|hex| TokenHash::from_hex(hex).ok());
    Some(match (name.as_str(), token) {
        ("token.revoked", Some(token)) => Ok(Signal::TokenRevoked(token)),
        ("token.revoked", None) => admin.map(Signal::TokensRevoked),
        ("admin.changed", _) => admin.map(Signal::AdminChanged),
        ("read.changed", _) => admin.map(Signal::ReadChanged),
        _ => Ok(Signal::Unknown),
    })
}

fuzz_target!(|value: &[u8]| {
    let decoded = Signal::decode(value);
    if let Some(meant) = meant(value) {
        assert_eq!(decoded, meant);
    }
    if let Ok(signal) = decoded {
        assert!(!signal.name().is_empty());
        assert!(value.trim_ascii_start().starts_with(b"{"), "a signal is an object");
    }
});
