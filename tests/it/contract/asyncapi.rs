//! `kafka/asyncapi.json` and `GET /asyncapi.json`: the document of this catalogue, as AsyncAPI's own parser reads it.

use std::{fs, path::Path};

use allim::{
    config::{self, Environment, Purpose},
    ingest::asyncapi,
};
use serde_json::Value;

use super::{folder, written};
use crate::{
    harness::{
        Server,
        program::{Program, Runner},
        sse::Stream,
    },
    tidy::is_up_to_date,
};

const OWN_TYPE: &str = r#"
[types."stock.low"]
category = "stock"
severity = "warning"
audience = ["mall:{mallNo}"]
title = { ko = "재고 부족", en = "Stock low" }
example = '{"mallNo": 1001, "productNo": 7}'
[types."stock.low".fields]
plain = ["productNo"]
"#;

#[test]
fn it_is_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let settings = config::load(Purpose::Serve, None, folder.path(), &Environment::default()).unwrap();
    let document = asyncapi::document(&settings.ingest, &settings.catalogue);
    is_up_to_date("kafka/asyncapi.json", &written(&document));
}

async fn is_read_well(file: &Path, channels: &str) {
    let file = file.display().to_string();
    let Some(program) = Program::start(Runner::Node, "contract_asyncapi.mjs", "@asyncapi/parser", &[&file]) else {
        return;
    };
    let said = program.ends_well().await;
    assert!(said.contains(channels), "{said}");
    assert!(said.contains("receive hearOfEvents, receive hearOfRights, send parkDeadLetters"), "{said}");
}

#[tokio::test]
async fn asyncapis_own_parser_finds_nothing_wrong() {
    is_read_well(&folder("asyncapi.json"), "3 channels").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_shows_the_document_of_its_own_catalogue() {
    let own = tempfile::tempdir().unwrap();
    let types = own.path().join("types.toml");
    fs::write(&types, OWN_TYPE).unwrap();
    let server = Server::demo(&[("ALLIM_CATALOGUE", types.to_str().unwrap()), ("ALLIM_KAFKA_TOPIC", "OTHER")]).await;
    let mut answer = Stream::get(server.address, "/asyncapi.json", &[]).await.unwrap();
    assert_eq!(answer.status, 200);
    let head = answer.head.to_ascii_lowercase();
    assert!(head.contains("content-type: application/json"), "{head}");
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag").trim().to_owned();
    let body = answer.rest().await.unwrap();
    let document: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(document["channels"]["notifications"]["address"], "OTHER");
    assert_eq!(document["channels"]["deadLetters"]["address"], "OTHER-dlt");
    let own_type = &document["components"]["schemas"]["stock.low"];
    assert_eq!(own_type["required"], serde_json::json!(["mallNo"]));
    assert_eq!(own_type["examples"][0]["productNo"], 7);
    // With the tag's letters as they were sent.
    let tag =
        answer.head.lines().find(|line| line.to_ascii_lowercase().contains(&tag)).unwrap().split_once(": ").unwrap().1;
    let again = Stream::get(server.address, "/asyncapi.json", &[("If-None-Match", tag.trim())]).await.unwrap();
    assert_eq!(again.status, 304);
    let file = own.path().join("asyncapi.json");
    fs::write(&file, &body).unwrap();
    is_read_well(&file, "3 channels").await;
}
