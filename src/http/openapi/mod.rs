//! `GET /openapi.json`: what can be asked of the public port, made once at start of what stands beside the handlers.

mod examples;
pub mod refusals;

use axum::{Extension, Router, response::Response};
use http::HeaderMap;
use serde_json::{Map, Value, json};
use utoipa::{
    OpenApi,
    openapi::{
        self, LicenseBuilder, ServerBuilder,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
        tag::TagBuilder,
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Doors,
    made_once::MadeOnce,
    refusal::{Mistake, Told},
};
use crate::{ingest::members, notification::Wire};

/// What there is to say before any operation.
const ABOUT: &str = "Notifications of a shopping mall's back office: published by services, heard by exactly those operators whom they concern, and kept.

Every refusal is an `application/problem+json` whose `code` says what is wrong. A path that is not here is answered 404 \
`not_found`, a method that a path does not take 405 `method_not_allowed` with `Allow`. What is no HTTP at all is answered \
400, and a head of more than 32 KB or 100 headers 431, both without a body. What is absent is left out, never `null`. \
New members may come: ignore what you do not know.

Of a body is wanted that it names no member twice, has no U+0000 in a text, is nested 64 levels deep at most, and writes whole \
numbers without a fraction.";

const TAGS: &[(&str, &str)] = &[
    ("listen", "What comes, as it comes."),
    ("publish", "From services that have a key."),
    ("timeline", "What was kept for somebody, and what of it is read."),
    ("health", "For whoever starts and stops it."),
    ("about", "What can be asked here."),
    ("demo", "Only where broker and accounts are embedded: people, a shop, a cut."),
];

/// The document before its operations.
pub fn beginning(cookie: &str, demo: bool) -> openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(components(schemas(Told, Mistake, Wire)))]
    struct Beginning;

    let mut api = Beginning::openapi();
    api.info.title = "Allim".to_owned();
    api.info.description = Some(ABOUT.to_owned());
    api.info.license = Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build());
    api.info.contact = None;
    // Wherever it was fetched from.
    api.servers = Some(vec![ServerBuilder::new().url("/").build()]);
    let tags = TAGS.iter().filter(|(name, _)| demo || *name != "demo");
    api.tags = Some(tags.map(|(name, said)| TagBuilder::new().name(*name).description(Some(*said)).build()).collect());
    let bearer = |said: &str| HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(said)).build();
    let components = api.components.get_or_insert_default();
    for (name, scheme) in [
        (
            "operatorToken",
            SecurityScheme::Http(bearer("The token of an operator's or a partner's admin, as the back office has it.")),
        ),
        (
            "operatorCookie",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                cookie,
                "The same token in the back office's cookie: from our own pages and listed ones.",
            ))),
        ),
        (
            "ticket",
            SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::with_description(
                "ticket",
                "From `POST /tickets`, for one stream of the page that asked.",
            ))),
        ),
        (
            "publisherKey",
            SecurityScheme::Http(bearer("The key of a service that publishes; the server's settings have its hash.")),
        ),
    ] {
        components.add_security_scheme(name, scheme);
    }
    api
}

/// The routes with one more, which shows the document of them all.
pub fn described(routes: OpenApiRouter<Doors>, doors: &Doors) -> Router<Doors> {
    let (router, mut api) = routes.split_for_parts();
    let (shows, own) = OpenApiRouter::new().routes(routes!(document)).split_for_parts();
    let (contract, its) = OpenApiRouter::new().routes(routes!(contract)).split_for_parts();
    api.merge(own);
    api.merge(its);
    let mut document = serde_json::to_value(&api).expect("a document of texts has a JSON text");
    finish(&mut document, doors);
    let made = |document: &Value| Extension(MadeOnce::new("application/json", format!("{document:#}\n")));
    router.merge(shows.layer(made(&document))).merge(contract.layer(made(&doors.contract)))
}

/// What can be asked here
///
/// This document, as it was made when the server started: with an `ETag`, for those who ask again.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "describe", tag = "about", security(()),
    responses(
        (status = 200, description = "OpenAPI 3.1.", body = Object, content_type = "application/json", headers(("ETag" = String))),
        (status = 304, description = "It is still the one whose `ETag` came as `If-None-Match`."),
        refusals::Open,
    ),
)]
async fn document(Extension(document): Extension<MadeOnce>, asked: HeaderMap) -> Response {
    document.answer(&asked)
}

/// What the attributes cannot say.
fn finish(document: &mut Value, doors: &Doors) {
    without_null(document);
    for path in document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        for operation in path.as_object_mut().into_iter().flat_map(Map::values_mut) {
            if let Some(body) = operation.get_mut("requestBody") {
                body["required"] = true.into();
            }
        }
    }
    let schemas = &mut document["components"]["schemas"];
    schemas["Event"] = event(doors);
    schemas["CloudEvent"] =
        json!({ "allOf": [{ "$ref": "#/components/schemas/Event" }, { "required": ["specversion"] }] });
    schemas["Mark"] = super::timeline::mark_schema();
    if doors.demo.is_some() {
        for (name, schema) in super::demo::schemas() {
            schemas[name] = schema;
        }
    }
    examples::put_into(document, doors);
}

/// What may stand on the topics
///
/// For who publishes with a Kafka client: each type of event with its fields, and the rule that decides who sees it.
#[utoipa::path(
    get, path = "/asyncapi.json", operation_id = "describeTopics", tag = "about", security(()),
    responses(
        (status = 200, description = "AsyncAPI 3.", body = Object, content_type = "application/json", headers(("ETag" = String))),
        (status = 304, description = "It is still the one whose `ETag` came as `If-None-Match`."),
        refusals::Open,
    ),
)]
async fn contract(Extension(contract): Extension<MadeOnce>, asked: HeaderMap) -> Response {
    contract.answer(&asked)
}

/// As who publishes here writes one: it says whom it is for, or its type has a rule.
fn event(doors: &Doors) -> Value {
    let types = doors.catalogue.types();
    let ruled: Vec<&str> =
        types.iter().map(|name| &**name).filter(|name| !doors.catalogue.entry(name).audience.is_empty()).collect();
    let mut event = members::schema();
    if let Some(members) = event.as_object_mut() {
        members.shift_remove("$schema");
    }
    event["title"] = "An event".into();
    event["anyOf"] = json!([
        {
            "title": "It says whom it is for",
            "required": ["audience"],
            "properties": { "audience": { "type": "string" } },
        },
        {
            "title": "A rule of its type finds them by its fields",
            "description": "Which fields those are says `/asyncapi.json` of each type.",
            "properties": { "type": { "enum": ruled } },
        },
    ]);
    event
}

/// What is absent is left out: a member that may be missing is never null.
fn without_null(value: &mut Value) {
    let is_null = |schema: &Value| schema == "null" || schema == &json!({ "type": "null" });
    match value {
        Value::Object(members) => {
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|one| !is_null(one));
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    members.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = members.get_mut("oneOf") {
                choices.retain(|one| !is_null(one));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    members.shift_remove("oneOf");
                    members.extend(only);
                }
            }
            members.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}
