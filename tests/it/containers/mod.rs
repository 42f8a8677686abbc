//! In containers: what the Dockerfile and docker-compose.yml say is true of the program, as far as no engine is needed.
//!
//! Nothing here pulls an image, builds one or starts one. `tests/image/build` plays the commands that build it, and
//! `apache::set_up` what the files say to Kafka.

mod accounts;
pub mod compose;
mod image;
mod played;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use allim::config::{self, Complaints, Environment, Purpose, Settings};
use serde_json::Value;

use crate::harness::program::{is_there, skip};

pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(package().join(file)).unwrap()
}

/// docker-compose.yml, read by somebody else's reader of YAML; None where that is missing, which is said.
pub fn compose() -> Option<Value> {
    let python = package().join("target/interop/venv/bin/python3");
    if let Err(missing) = is_there(&python) {
        skip("what docker-compose.yml says", &missing);
        return None;
    }
    let script = "import json, sys; from ruamel.yaml import YAML; print(json.dumps(YAML(typ='safe').load(sys.stdin)))";
    let file = fs::File::open(package().join("docker-compose.yml")).unwrap();
    let output = Command::new(python).arg("-c").arg(script).stdin(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The texts of a list, or of a text's words.
pub fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}")).iter().map(|one| one.as_str().unwrap()).collect()
}

/// An instruction of the Dockerfile: `RUN`, and what stands behind it, in one line.
struct Instruction {
    name: String,
    rest: String,
}

/// The Dockerfile's stages, each with its instructions.
fn stages() -> Vec<Vec<Instruction>> {
    let text = read("Dockerfile");
    let code: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let joined = code.join("\n").replace("\\\n", " ");
    let mut stages: Vec<Vec<Instruction>> = Vec::new();
    for line in joined.lines().filter(|line| !line.trim().is_empty()) {
        let (name, rest) = line.split_once(' ').unwrap();
        if name == "FROM" {
            stages.push(Vec::new());
        }
        let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
        stages.last_mut().unwrap().push(Instruction { name: name.to_owned(), rest });
    }
    stages
}

/// The only instruction of this name in the stage that is the image.
fn of_the_image(name: &str) -> String {
    let stage = stages().pop().unwrap();
    let mut found = stage.into_iter().filter(|one| one.name == name);
    let first = found.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(found.next().is_none(), "{name} stands there twice");
    first.rest
}

/// What the image has in its environment.
fn environment() -> Environment {
    let rest = of_the_image("ENV");
    let pairs = rest.split(' ').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The settings of a server with this environment, started in this folder.
fn settings(folder: &Path, environment: &Environment) -> Result<Settings, Complaints> {
    config::load(Purpose::Serve, None, folder, environment)
}

/// What `tests/image/build` made of the Dockerfile.
fn built() -> PathBuf {
    package().join("target/image/image/usr/local/bin/allim")
}
