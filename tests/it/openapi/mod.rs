//! `/openapi.json`: it lists what there is and nothing else, its examples are true, and other people's tools agree.

mod shapes;
mod tools;

use std::{fs, path::Path};

use serde_json::Value;

use crate::harness::{
    Accounts, Kafka, Server, Service,
    inbox::Inbox,
    posts::{Answer, post},
    sse::Stream,
};

const METHODS: [&str; 6] = ["get", "post", "put", "patch", "delete", "trace"];

async fn document(server: &Server) -> Value {
    let answer = Answer::of(Stream::get(server.address, "/openapi.json", &[]).await.unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.head);
    answer.json()
}

fn paths(document: &Value) -> Vec<&String> {
    document["paths"].as_object().unwrap().keys().collect()
}

/// What a method of a path is answered, without proof of anything.
async fn knock(server: &Server, method: &str, path: &str) -> Answer {
    let path = path.replace("{number}", "EX-1");
    let (method, address) = (method.to_uppercase(), server.address);
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n");
    Answer::of(Stream::raw(address, &request).await.unwrap()).await
}

/// Each documented method is taken, and each other is refused with a list of those that are.
async fn knock_at_all(server: &Server, document: &Value) {
    for path in paths(document) {
        let documented: Vec<&str> =
            METHODS.into_iter().filter(|method| !document["paths"][path][method].is_null()).collect();
        for method in METHODS {
            let answer = knock(server, method, path).await;
            let code = if answer.body.is_empty() { Value::Null } else { answer.json()["code"].clone() };
            if documented.contains(&method) {
                let operation = &document["paths"][path][method];
                let known = &operation["responses"][answer.status.to_string()];
                assert!(known.is_object(), "{method} {path}: {} is not in the document", answer.status);
                assert_ne!(answer.status, 405, "{method} {path}");
                assert_ne!(code, "not_found", "{method} {path}");
                let codes =
                    known["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]["code"]["enum"]
                        .as_array();
                assert!(codes.is_none_or(|codes| codes.contains(&code)), "{method} {path}: {code}");
                continue;
            }
            assert_eq!((answer.status, code.as_str()), (405, Some("method_not_allowed")), "{method} {path}");
            let head = answer.head.to_ascii_lowercase();
            let allowed = head.lines().find_map(|line| line.strip_prefix("allow: ")).expect("Allow");
            let mut allowed: Vec<&str> = allowed.split(',').map(str::trim).filter(|method| *method != "head").collect();
            allowed.sort_unstable();
            assert_eq!(allowed, documented, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_lists_what_can_be_asked_and_nothing_else() {
    let demo = Server::demo(&[]).await;
    let of_demo = document(&demo).await;
    knock_at_all(&demo, &of_demo).await;

    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let real = Server::start(&kafka, &accounts, &[("ALLIM_TOKEN_COOKIE", "backoffice")]).await;
    let of_real = document(&real).await;
    knock_at_all(&real, &of_real).await;
    let (more, all): (Vec<&String>, Vec<&String>) =
        paths(&of_demo).into_iter().partition(|path| path.starts_with("/demo/"));
    assert_eq!(all, paths(&of_real), "the demo differs by its own doors alone");
    for path in more {
        assert_eq!(knock(&real, "get", path).await.status, 404, "{path}");
    }
    assert!(!of_real.to_string().contains("/demo"), "where nothing is one, nothing speaks of it");
    assert_eq!(of_real["components"]["securitySchemes"]["operatorCookie"]["name"], "backoffice");
    for wanted in ["/notifications", "/ws", "/tickets", "/timeline/read", "/readyz", "/openapi.json", "/asyncapi.json"]
    {
        assert!(of_real["paths"][wanted].is_object(), "{wanted}");
    }
}

/// Files that may give a path away without the document knowing: files of `static/`, what nobody deploys, another port.
const UNDESCRIBED: [&str; 3] = ["pages.rs", "echo.rs", "management.rs"];

#[test]
fn no_route_comes_to_be_beside_the_document() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    let (mut described, mut files) = (0, 0);
    for folder in [folder.clone(), folder.join("openapi")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let name = path.file_name().unwrap().to_str().unwrap();
            for way in [".route(", ".route_service(", ".nest(", ".nest_service(", ".fallback_service("] {
                assert!(!code.contains(way) || UNDESCRIBED.contains(&name), "{name}: {way} is not in /openapi.json");
            }
            described += code.matches("routes!(").count();
            files += 1;
        }
    }
    assert!(described > 10 && files > 30, "the rule looks at nothing");
    let management = fs::read_to_string(folder.join("management.rs")).unwrap();
    assert_eq!(management.matches(".route(").count(), 1, "the metrics alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_made_once_and_seldom_sent() {
    let ours = "https://admin.example.com";
    let server = Server::demo(&[("ALLIM_ALLOWED_ORIGINS", ours)]).await;
    for path in ["/openapi.json", "/asyncapi.json"] {
        let first = Stream::get(server.address, path, &[("Origin", ours)]).await.unwrap();
        assert_eq!((first.status, first.header("content-type")), (200, Some("application/json")));
        assert_eq!(first.header("cache-control"), Some("no-cache"));
        assert_eq!(first.header("access-control-allow-origin"), Some(ours));
        let tag = first.header("etag").unwrap().to_owned();
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}")] {
            let again = Stream::get(server.address, path, &[("If-None-Match", &known)]).await.unwrap();
            assert_eq!((again.status, again.header("etag")), (304, Some(tag.as_str())), "{known}");
        }
        let other = Stream::get(server.address, path, &[("If-None-Match", "\"other\"")]).await.unwrap();
        assert_eq!(other.status, 200);
    }
}

/// What the document shows of a request is taken, and what it shows of an answer is what comes of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_examples_are_true() {
    let server = Server::demo(&[]).await;
    let document = document(&server).await;
    let contents = document["paths"]["/notifications"]["post"]["requestBody"]["content"].as_object().unwrap();
    let mut taken = 0;
    for (kind, content) in contents {
        for (name, example) in content["examples"].as_object().unwrap() {
            let headers = [("Authorization", "Bearer demo-publisher"), ("Content-Type", kind.as_str())];
            let body = example["value"].to_string();
            let answer = post(server.address, "/notifications?dryRun=true", &headers, body.as_bytes()).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.body);
            assert_eq!(answer.json()["audience"][0], "mall:1001", "{name}");
            taken += 1;
        }
    }
    assert_eq!(taken, 3);

    let known = &contents["application/json"]["examples"]["known"]["value"];
    let answer = Service::new(server.address, "demo-publisher").publish(known).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let page = &document["paths"]["/timeline"]["get"]["responses"]["200"]["content"]["application/json"]["example"];
    let mut shown = page["items"][0]["notification"].clone();
    let inbox = Inbox::of(&server, "demo-70001");
    inbox.has(1).await;
    let mut there = inbox.page("").await["items"][0]["notification"].clone();
    // The source is part of the identity, and the time is that of now.
    for moment in ["id", "at", "expiresAt"] {
        assert!(shown[moment].take().is_string() && there[moment].take().is_string(), "{moment}");
    }
    assert_eq!(shown, there);
    let stream = &document["paths"]["/notifications"]["get"]["responses"]["200"]["content"]["text/event-stream"];
    let event = stream["example"].as_str().unwrap();
    assert!(event.ends_with("}\n\n") && event.contains(&page["items"][0]["notification"].to_string()), "{event}");
}
