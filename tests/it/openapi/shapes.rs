//! A notification of every type, in lists and live, has the members that the document lists, and no other.

use std::collections::BTreeSet;

use allim::notification::Catalogue;
use serde_json::{Value, json};

use super::document;
use crate::harness::{Listener, Server, Service, inbox::Inbox};

/// What a value lacks of what its schema says; a member that the schema does not list is one too many.
struct Shape<'d> {
    document: &'d Value,
    /// Every member that was there, by the path of its schema.
    seen: BTreeSet<String>,
}

impl Shape<'_> {
    fn check(&mut self, value: &Value, schema: &Value, at: &str) {
        if let Some(name) = schema["$ref"].as_str() {
            let schema = self.document.pointer(name.trim_start_matches('#')).expect("it is there").clone();
            return self.check(value, &schema, name.rsplit('/').next().unwrap());
        }
        let is = match schema["type"].as_str().unwrap_or_else(|| panic!("{at}: {schema}")) {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "boolean" => value.is_boolean(),
            "object" => value.is_object(),
            "array" => value.is_array(),
            other => panic!("{at}: {other}"),
        };
        assert!(is, "{at}: {value} is no {}", schema["type"]);
        if let Some(known) = schema["enum"].as_array() {
            assert!(known.contains(value), "{at}: {value}");
        }
        if schema["format"] == "date-time" {
            value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap_or_else(|error| panic!("{at}: {error}"));
        }
        if let Some(least) = schema["minimum"].as_i64() {
            assert!(value.as_i64().unwrap() >= least, "{at}: {value}");
        }
        for required in schema["required"].as_array().into_iter().flatten() {
            assert!(!value[required.as_str().unwrap()].is_null(), "{at}: {required} is missing in {value}");
        }
        for (n, item) in value.as_array().into_iter().flatten().enumerate() {
            self.check(item, &schema["items"], &format!("{at}/{n}"));
        }
        // Those of the event are its own.
        let Some(properties) = schema["properties"].as_object() else { return };
        for (name, member) in value.as_object().unwrap() {
            let Some(schema) = properties.get(name) else { panic!("{at}: {name} is not in the document: {value}") };
            self.seen.insert(format!("{at}/{name}"));
            self.check(member, schema, &format!("{at}/{name}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_of_every_type_look_as_the_document_says() {
    let server = Server::demo(&[]).await;
    let document = document(&server).await;
    let catalogue = Catalogue::builtin();
    let service = Service::new(server.address, "demo-publisher");
    // One who sees everything, and one who sees the least.
    let tokens = ["demo-70001", "demo-80501"];
    let mut listeners = Vec::new();
    for token in tokens {
        let mut listener = Listener::open(server.address, token, None).await;
        listener.live().await;
        listeners.push(listener);
    }
    let (mut kept, types) = (0, catalogue.types());
    for name in types.iter().map(|name| &**name).chain(["of.nobody"]) {
        let data = catalogue.example(name).cloned().unwrap_or_default();
        let event = json!({ "type": name, "audience": "everyone", "correlationId": "c-1", "data": data });
        let answer = service.publish(&event).await;
        assert_eq!(answer.status, 202, "{name}: {}", answer.body);
        kept += usize::from(catalogue.keeps(name));
    }
    let last = json!({ "type": "notice.published", "audience": "everyone", "title": "끝", "mallNo": 1001, "mallName": "온달몰" });
    assert_eq!(service.publish(&last).await.status, 202);
    kept += 1;

    let notification = json!({ "$ref": "#/components/schemas/Notification" });
    let mut shape = Shape { document: &document, seen: BTreeSet::new() };
    for listener in &mut listeners {
        let (mut live, mut ended) = (BTreeSet::new(), false);
        while live.len() < types.len() + 1 || !ended {
            let event = listener.next().await.expect("the stream goes on");
            if ["message", "job"].contains(&event.name.as_str()) {
                let value = event.json();
                shape.check(&value, &notification, "");
                ended |= value["title"] == "끝";
                live.insert(value["type"].as_str().unwrap().to_owned());
            }
        }
    }
    let page =
        document["paths"]["/timeline"]["get"]["responses"]["200"]["content"]["application/json"]["schema"].clone();
    for token in tokens {
        let inbox = Inbox::of(&server, token);
        inbox.has(kept).await;
        let mut next = String::new();
        loop {
            let one = inbox.page(&format!("limit=20{next}")).await;
            shape.check(&one, &page, "");
            let Some(cursor) = one["next"].as_str() else { break };
            next = format!("&cursor={cursor}");
        }
    }
    // And no member is there on paper alone.
    for schema in ["Notification", "HandledBy", "Page", "Item"] {
        for name in document["components"]["schemas"][schema]["properties"].as_object().unwrap().keys() {
            assert!(shape.seen.contains(&format!("{schema}/{name}")), "{schema}: no {name} was ever seen");
        }
    }
}
