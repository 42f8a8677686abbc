//! What a document shows as a file is one: settings that load, a catalogue that is sound, JSON, YAML, scripts.

use std::{fs, process::Command};

use allim::{
    config::{self, Environment, Purpose, Settings},
    notification::Catalogue,
};
use serde_json::Value;
use tempfile::TempDir;

use super::{Block, Document, names, ours};
use crate::harness::{
    browser::beside_its_packages,
    program::{self, Program, Runner},
};

/// Every block of a language, of every page.
fn blocks(language: &str) -> Vec<(Document, Block)> {
    let of = |page: Document| {
        let blocks = page.blocks_of(&[language]);
        blocks.into_iter().map(move |block| (Document::new(&page.path, ""), block))
    };
    ours().into_iter().flat_map(of).collect()
}

fn load(file: &str, variables: &Environment) -> Result<Settings, String> {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("allim.toml"), file).unwrap();
    config::load(Purpose::Serve, None, folder.path(), variables).map_err(|complaints| complaints.to_string())
}

#[test]
fn settings_that_a_page_shows_are_good() {
    let mut seen = 0;
    for (page, block) in blocks("toml") {
        // With these a real broker is reached: kafka_tls/documented.rs.
        if page.path == "docs/kafka-tls.md" {
            continue;
        }
        if block.text.contains("[types.") {
            Catalogue::builtin()
                .with(&block.text)
                .unwrap_or_else(|error| panic!("{}:{}: {error}", page.path, block.line));
            continue;
        }
        // What the reader puts in.
        let file = block.text.replace("\"…\"", &format!("{:?}", "0".repeat(64)));
        if let Err(complaints) = load(&file, &Environment::new()) {
            panic!("{}:{}: {complaints}", page.path, block.line);
        }
        seen += 1;
    }
    assert!(seen >= 5, "only {seen} files of settings were looked at");
    load("listn = \"0.0.0.0:8080\"\n", &Environment::new()).map(|_| ()).expect_err("a wrong one");
}

/// The manifest's variables are settings, its probes are ours, and it leaves time for the drain.
#[tokio::test]
async fn the_manifest_starts_a_server() {
    let manifests = blocks("yaml");
    let [(_, block)] = &manifests[..] else { panic!("{} manifests", manifests.len()) };
    let Some(reader) = Program::start(Runner::Python, "yaml_read.py", "ruamel.yaml", &[&block.text]) else { return };
    let manifest: Value = serde_json::from_str(&reader.ends_well().await).unwrap();
    let pod = &manifest["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let folder = TempDir::new().unwrap();
    let mut variables = Environment::new();
    for variable in container["env"].as_array().unwrap() {
        let (name, mut value) = (variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap().to_owned());
        if let Some(file) = value.strip_prefix("/secrets/") {
            let file = folder.path().join(file);
            fs::write(&file, "0123456789abcdef0123456789abcdef").unwrap();
            value = file.display().to_string();
        }
        variables.insert(name.to_owned(), value);
    }
    let settings = load("", &variables).unwrap();
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(grace >= settings.deliver.drain_window.as_secs() + 10, "killed in the middle of its drain");
    assert_eq!(settings.data_dir.to_str(), Some("/data"));
    let mounts = container["volumeMounts"].as_array().unwrap();
    assert!(mounts.iter().any(|mount| mount["mountPath"] == "/data"));
    let ports = container["ports"].as_array().unwrap();
    let port = |name: &str| ports.iter().find(|port| port["name"] == name).unwrap()["containerPort"].as_u64().unwrap();
    assert_eq!(port("people"), u64::from(settings.http.listen.port()));
    assert_eq!(port("management"), u64::from(settings.http.management_listen.port()));
    let probe = |name: &str| container[name]["httpGet"]["path"].as_str().unwrap();
    assert_eq!(
        [probe("startupProbe"), probe("readinessProbe"), probe("livenessProbe")],
        ["/readyz", "/readyz", "/livez"]
    );
    // A start may take a minute.
    let startup = &container["startupProbe"];
    assert!(startup["periodSeconds"].as_u64().unwrap() * startup["failureThreshold"].as_u64().unwrap() > 60);
}

#[test]
fn scripts_and_json_of_a_page_can_be_read() {
    for (page, block) in blocks("json") {
        if let Err(error) = serde_json::from_str::<Value>(&block.text) {
            panic!("{}:{}: {error}", page.path, block.line);
        }
    }
    if let Err(missing) = program::runs("node", "--version") {
        return program::skip("the scripts of the documents", &missing);
    }
    let folder = TempDir::new().unwrap();
    let check = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        let ended = Command::new("node").arg("--check").arg(&file).output().unwrap();
        ended.status.success().then_some(()).ok_or(String::from_utf8_lossy(&ended.stderr).into_owned())
    };
    let scripts = blocks("js");
    assert!(scripts.len() >= 4, "only {} scripts", scripts.len());
    for (n, (page, block)) in scripts.iter().enumerate() {
        if let Err(complaint) = check(&format!("{n}.mjs"), &block.text) {
            panic!("{}:{}: {complaint}", page.path, block.line);
        }
    }
    check("wrong.mjs", "const x = ;").expect_err("a wrong one");
}

/// The scripts that an editor would look at: what they ask of our modules is there, with these types.
#[test]
fn the_scripts_of_embedding_use_the_client_as_it_is() {
    let Ok(driver) = beside_its_packages("driver.mjs") else {
        return program::skip("the types of the documents' scripts", "target/browser is not there");
    };
    let compiler = driver.with_file_name("node_modules/.bin/tsc");
    if let Err(missing) = program::is_there(&compiler) {
        return program::skip("the types of the documents' scripts", &missing);
    }
    let folder = TempDir::new().unwrap();
    let modules = super::package().join("static").display().to_string();
    let block = names::page("docs/embed.md").blocks_of(&["js"]).swap_remove(0);
    let check = |text: &str| {
        let file = folder.path().join("bell.mjs");
        fs::write(&file, text.replace("https://allim.example.com/", &format!("{modules}/"))).unwrap();
        let options = ["--allowJs", "--checkJs", "--noEmit", "--target", "es2023", "--module", "esnext"];
        let more =
            ["--moduleResolution", "bundler", "--lib", "es2023,dom,dom.iterable", "--types", "", "--strict", "false"];
        let ended = Command::new(&compiler).args(options).args(more).arg(&file).output().unwrap();
        ended.status.success().then_some(()).ok_or(String::from_utf8_lossy(&ended.stdout).into_owned())
    };
    check(&block.text).unwrap_or_else(|complaint| panic!("{complaint}"));
    check(&block.text.replace("list.isRead(", "list.isRaed(")).expect_err("a method that there is not");
}
