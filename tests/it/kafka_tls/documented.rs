//! docs/kafka-tls.md: each of its settings opens a door of a real broker as it stands there, but for names and secrets.

use std::{fs, net::SocketAddr, path::Path};

use super::{
    secured::{KEY_PASSWORD, PASSWORD, Secured, Way, runs, secured},
    tokens,
};
use crate::harness::apache::there_is;

const PUBLISH: &[&str] = &["publish", "test.happened", "--to", "everyone", "--title", "as documented"];

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/kafka-tls.md")).unwrap()
}

/// What stands between ``` and ``` in this language.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// With the names of our machine.
fn here(block: &str, secured: &Secured, provider: SocketAddr) -> String {
    block
        .replace("/etc/allim/allim.key", &secured.file("allim.locked.key"))
        .replace("/etc/allim", &secured.folder.display().to_string())
        .replace("https://login.example.com/oauth2", &format!("http://{provider}"))
        .replace("\"ssl.key.password\" = \"…\"", &format!("\"ssl.key.password\" = \"{KEY_PASSWORD}\""))
        .replace("client.secret\" = \"…\"", &format!("client.secret\" = \"{}\"", tokens::SECRET))
        .replace('…', PASSWORD)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_on_the_page_opens_each_door() {
    if !there_is("what_stands_on_the_page_opens_each_door") {
        return;
    }
    let secured = secured().await;
    let (topic, provider) = (secured.topic().await, tokens::provider().await);
    let (page, doors) = (page(), secured.doors);
    let ports = [doors.users, doors.certificates, doors.tokens, doors.open];
    let tomls = blocks(&page, "toml");
    assert_eq!(tomls.len(), ports.len());
    for (block, port) in tomls.iter().zip(ports) {
        let mut settings: toml::Table = here(block, secured, provider).parse().unwrap();
        let kafka = settings["kafka"].as_table_mut().unwrap();
        assert_eq!(kafka["bootstrap_servers"].as_array().map(Vec::len), Some(2), "{block}");
        kafka.insert("bootstrap_servers".to_owned(), format!("127.0.0.1:{port}").into());
        kafka.insert("topic".to_owned(), topic.topic.into());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("allim.toml");
        fs::write(&file, settings.to_string()).unwrap();
        let published = runs(&[], &[&["--config", file.to_str().unwrap()], PUBLISH].concat()).await;
        assert!(published.status.success(), "{block}\n{}", String::from_utf8_lossy(&published.stderr));
    }
    let lines = blocks(&page, "text");
    assert_eq!(lines.len(), 1);
    let way = Way::new(doors.users, topic, &here(lines[0], secured, provider));
    let published = way.runs(PUBLISH).await;
    assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
}
