//! What may stand on the topics, as an AsyncAPI 3 document: made of the catalogue and of what the decoder reads.

use serde_json::{Map, Value, json};

use super::{Decoder, Settings, members};
use crate::notification::{Catalogue, schema as words};

/// What our script gives the topics: the same as for [`super::topics`].
pub const PARTITIONS: i32 = 12;
pub const RETENTION_MS: i64 = 14 * DAY_MS;
const DAY_MS: i64 = 24 * 3_600_000;

/// The document for these topics and this catalogue, own types included.
#[must_use]
pub fn document(settings: &Settings, catalogue: &Catalogue) -> Value {
    let decoder = settings.decoder(catalogue.clone());
    let (topic, types) = (settings.topic.as_str(), catalogue.types());
    let named = |base: &str| -> Map<String, Value> {
        types.iter().map(|name| (name.to_string(), json!({ "$ref": format!("{base}{name}") }))).collect()
    };
    let in_channel: Vec<Value> = named("#/channels/notifications/messages/").into_iter().map(|(_, one)| one).collect();
    let messages: Map<String, Value> =
        types.iter().map(|name| (name.to_string(), message(name, &decoder))).chain(others(topic)).collect();
    let schemas: Map<String, Value> = types
        .iter()
        .filter_map(|name| Some((name.to_string(), embedded(catalogue.schema(name)?))))
        .chain([("_envelope".to_owned(), embedded(members::schema()))])
        .collect();
    json!({
        "asyncapi": "3.0.0",
        "id": "urn:allim",
        "info": {
            "title": "알림 Allim",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Events that operators and partners of shopping malls are told of. A value is a plain JSON object, or a \
                CloudEvent 1.0, structured or binary (`ce_*` headers, the event's fields as value). What cannot be understood \
                is shown to nobody and goes to the topic of dead letters.",
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": { "kafka": {
            "host": "{brokers}",
            "protocol": "kafka",
            "variables": { "brokers": { "default": "localhost:9092", "description": "Whichever brokers this server reads." } },
        } },
        "channels": channels(topic, named("#/components/messages/")),
        "operations": {
            "hearOfEvents": {
                "action": "receive",
                "summary": "Every node reads every event, and shows it to those whom it concerns.",
                "channel": { "$ref": "#/channels/notifications" },
                "messages": in_channel,
            },
            "hearOfRights": {
                "action": "receive",
                "summary": "Rights that end or change take effect on open streams at once.",
                "channel": { "$ref": "#/channels/signals" },
                "messages": [{ "$ref": "#/channels/signals/messages/signal" }],
            },
            "parkDeadLetters": {
                "action": "send",
                "summary": "What could not be understood, byte for byte, with the reason in Spring Kafka's headers.",
                "channel": { "$ref": "#/channels/deadLetters" },
                "messages": [{ "$ref": "#/channels/deadLetters/messages/deadLetter" }],
            },
        },
        "components": { "messages": messages, "schemas": schemas },
    })
}

fn channels(topic: &str, notifications: Map<String, Value>) -> Value {
    let kafka = |topic: String, partitions: i32, retention: i64| {
        json!({ "kafka": {
            "topic": topic,
            "partitions": partitions,
            "topicConfiguration": { "cleanup.policy": ["delete"], "retention.ms": retention },
            "bindingVersion": "0.5.0",
        } })
    };
    let of = |address: String, description: &str, messages: Value, partitions: i32, retention: i64| {
        json!({
            "address": address,
            "description": description,
            "servers": [{ "$ref": "#/servers/kafka" }],
            "messages": messages,
            "bindings": kafka(address.clone(), partitions, retention),
        })
    };
    json!({
        "notifications": of(
            topic.to_owned(),
            "Keyed `mall:N`, so that a mall's events keep their order; what has no mall `partner:N` or `operator:N`.",
            notifications.into(),
            PARTITIONS,
            RETENTION_MS,
        ),
        "signals": of(
            format!("{topic}-signals"),
            "Keyed by the operator's number. Whoever may write here can log people out: protect it.",
            json!({ "signal": { "$ref": "#/components/messages/_signal" } }),
            1,
            DAY_MS,
        ),
        "deadLetters": of(
            format!("{topic}-dlt"),
            "In the partition of the record that it was.",
            json!({ "deadLetter": { "$ref": "#/components/messages/_deadLetter" } }),
            PARTITIONS,
            90 * DAY_MS,
        ),
    })
}

/// Within the document the dialect is AsyncAPI's own, which is the same.
fn embedded(mut schema: Value) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.shift_remove("$schema");
    }
    schema
}

fn message(type_name: &str, decoder: &Decoder) -> Value {
    let (prefix, entry) = (&decoder.type_prefix, decoder.catalogue.entry(type_name));
    let escaped = |text: &str| text.replace('.', "[.]");
    let pattern = format!("^({})?{}([.]v[0-9]+)?$", escaped(prefix), escaped(type_name));
    let mut cloud_event = json!({
        "specversion": "1.0",
        "id": "5f0f6f0e-6f3a-4c1e-9c64-0d5f1d2b7a11",
        "source": "/shop/example",
        "type": format!("{prefix}{type_name}.v1"),
        "data": entry.example,
    });
    let mut plain = json!({ "type": type_name, "id": "7781", "data": entry.example });
    let mut payload = json!({ "allOf": [
        { "$ref": "#/components/schemas/_envelope" },
        { "type": "object", "properties": {
            "type": { "type": "string", "pattern": pattern },
            "data": { "$ref": format!("#/components/schemas/{type_name}") },
        } },
    ] });
    if entry.audience.is_empty() {
        payload["allOf"][1]["required"] = json!(["audience"]);
        payload["allOf"][1]["properties"]["audience"] = json!({ "type": "string" });
        cloud_event["audience"] = "mall:1001".into();
        plain["audience"] = "mall:1001".into();
    }
    json!({
        "name": type_name,
        "title": type_name,
        "contentType": "application/json",
        "headers": headers(),
        "payload": payload,
        "bindings": { "kafka": { "key": key(), "bindingVersion": "0.5.0" } },
        "examples": [
            { "name": "cloudEvent", "headers": { "content-type": "application/cloudevents+json; charset=utf-8" }, "payload": cloud_event },
            { "name": "plain", "payload": plain },
        ],
    })
}

fn key() -> Value {
    json!({
        "type": "string",
        "pattern": "^(mall|partner|operator):[1-9][0-9]*$",
        "description": "It decides the order and nothing else; placed as murmur2 does, like every Java client.",
    })
}

fn headers() -> Value {
    json!({ "type": "object", "properties": {
        "content-type": { "type": "string", "description": "application/cloudevents+json says that the value is a CloudEvent." },
        "audience": words::audience(),
        "ce_audience": words::audience(),
    } })
}

/// What no type of the catalogue is, and is called as none can be.
fn others(topic: &str) -> [(String, Value); 2] {
    let signal = json!({
        "name": "signal",
        "title": "Rights of an operator have ended or changed",
        "contentType": "application/json",
        "payload": {
            "type": "object",
            "required": ["type", "adminNo"],
            "properties": {
                "type": { "type": "string", "enum": ["token.revoked", "admin.changed", "read.changed"] },
                "adminNo": words::number(),
                "tokenSha256": {
                    "type": "string",
                    "pattern": "^[0-9A-Fa-f]{64}$",
                    "description": "With token.revoked: this token alone; without it all of the operator.",
                },
            },
        },
        "bindings": { "kafka": { "key": { "type": "string" }, "bindingVersion": "0.5.0" } },
        "examples": [{ "payload": { "type": "admin.changed", "adminNo": 70001 } }],
    });
    let dead_letter = json!({
        "name": "deadLetter",
        "title": format!("A record of {topic} that nobody could understand"),
        "headers": { "type": "object", "properties": {
            "kafka_dlt-original-topic": { "type": "string" },
            "kafka_dlt-exception-message": { "type": "string", "description": "The reason, and what to change." },
        } },
        "payload": { "description": "Any bytes: key, value and headers are those of the record." },
    });
    [("_signal".to_owned(), signal), ("_deadLetter".to_owned(), dead_letter)]
}
