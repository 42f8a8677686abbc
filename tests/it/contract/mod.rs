//! What publishers are promised: samples, schemas and the AsyncAPI document say what the decoder does.

mod asyncapi;
mod check;
mod samples;
mod schemas;
pub mod topics;

use std::path::{Path, PathBuf};

use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka").join(name)
}

/// As it stands in the repository.
fn written(document: &Value) -> String {
    format!("{document:#}\n")
}
