//! The pages as a browser gets them: small, from here alone, sent once.

use std::{fs, path::Path};

use crate::harness::{Server, sse::Stream};

/// What a phone on a bad line loads before it sees anything. It was 80 KB before there was a timeline to look at.
const MOST_BYTES: u64 = 104 * 1024;

fn files() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("static");
    fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("static").join(file)).unwrap()
}

#[test]
fn all_of_them_are_small_and_load_nothing_from_elsewhere() {
    let all: u64 = files().iter().map(|file| u64::try_from(read(file).len()).unwrap()).sum();
    assert!(all <= MOST_BYTES, "{all} bytes");
    for file in files() {
        let text = read(&file);
        for outside in text.split("://").skip(1) {
            let host = outside.split(['/', '"', '\'', '`', ' ', '<', '$']).next().unwrap_or_default();
            let is_name = ["www.w3.org", "allim.example.com", ""].contains(&host);
            assert!(is_name, "{file} names {host}");
        }
        assert!(!text.contains("innerHTML") && !text.contains("insertAdjacentHTML"), "{file} makes elements of texts");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_served_with_its_type_and_not_sent_again() {
    let server = Server::demo(&[]).await;
    let get = async |path: &str, headers: &[(&str, &str)]| Stream::get(server.address, path, headers).await.unwrap();
    for file in files() {
        let path = if file == "index.html" { "/".to_owned() } else { format!("/{file}") };
        let mut answer = get(&path, &[]).await;
        let kind = match file.rsplit('.').next().unwrap() {
            "html" => "text/html; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "{path}");
        let tag = answer.header("etag").expect("a tag").to_owned();
        assert_eq!(answer.rest().await.unwrap(), read(&file), "{path}");
        let again = get(&path, &[("If-None-Match", &format!("\"other\", {tag}"))]).await;
        assert_eq!((again.status, again.header("etag")), (304, Some(&*tag)), "{path}");
    }
    for path in ["/static/", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "/index.html/", "/allim.js/.."] {
        assert_eq!(get(path, &[]).await.status, 404, "{path}");
    }
}
