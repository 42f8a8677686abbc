//! `POST /notifications`: one notification from a service that has a key, and where it came to lie in Kafka.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};
use utoipa::ToSchema;

use super::{
    Doors, extract,
    openapi::refusals,
    origin::Page,
    problem::Problem,
    refusal::{Mistake, Refusal},
};
use crate::{
    identity::{NotAllowed, Publisher, Publishers},
    ingest::{
        Decoder, RawRecord,
        wrong::{self, Wrong},
    },
    notification::{AdminNo, Coordinates, Epoch, Notification, NotificationId, Shape, Term, Viewer, json::read_object},
    publish::{
        Failed, Outgoing, Producer,
        event::{fresh_id, key_for},
    },
};

/// Requests that are being read and sent at once: each holds a body of some hundred KB at most.
const AT_ONCE: usize = 256;
/// How long one waits for its turn; then it is overload.
const TURN: Duration = Duration::from_secs(2);
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const STRUCTURED: &str = "application/cloudevents+json";

/// What publishing needs. A cheap clone.
#[derive(Clone)]
pub struct Publishing {
    producer: Producer,
    decoder: Arc<Decoder>,
    publishers: Publishers,
    /// Whom a dry run asks about one by one: the people of the demo, and nobody else.
    cast: Arc<[Viewer]>,
    turns: Arc<Semaphore>,
}

impl Publishing {
    pub fn new(producer: Producer, decoder: Decoder, publishers: Publishers, cast: Vec<Viewer>) -> Publishing {
        let (decoder, turns) = (Arc::new(decoder), Arc::new(Semaphore::new(AT_ONCE)));
        Publishing { producer, decoder, publishers, cast: cast.into(), turns }
    }

    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        match timeout(TURN, self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(Problem::Overload),
        }
    }
}

/// A notification that is fit to be sent.
struct Ready {
    /// What its producer has to send again to mean this very event.
    event_id: String,
    notification: Notification,
    record: Outgoing,
}

/// Where it came to lie.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    /// What listeners see.
    #[schema(value_type = String)]
    id: NotificationId,
    /// The id of the event: sent again with it, it is the same notification.
    event_id: String,
    partition: i32,
    offset: i64,
}

/// Who would get it.
#[derive(Serialize, ToSchema)]
struct Would {
    #[schema(value_type = String)]
    id: NotificationId,
    /// Terms such as `mall:1001`.
    audience: Vec<String>,
    /// In the demo each of its people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    viewers: Vec<Person>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Looker)]
#[serde(rename_all = "camelCase")]
struct Person {
    #[schema(value_type = i64)]
    admin_no: AdminNo,
    name: String,
    sees: bool,
    /// Why not: `other_mall`, `other_partner`, `not_a_partner`, `not_an_operator`, `other_person`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// Publish
///
/// One event, as it would be written to Kafka. The answer comes when every replica in sync has it. The same event id is the
/// same notification, however often it is sent.
#[utoipa::path(
    post, path = "/notifications", operation_id = "publish", tag = "publish",
    security(("publisherKey" = [])),
    params(
        ("dryRun" = Option<bool>, Query, description = "Publish nothing, and say who would get it."),
        ("Idempotency-Key" = Option<String>, Header, description = "The event's id, where the body has none.", pattern = "^[!-~]+$"),
    ),
    request_body(content(
        (ref("#/components/schemas/Event") = "application/json"),
        (ref("#/components/schemas/CloudEvent") = "application/cloudevents+json"),
    )),
    responses(
        (status = 200, description = "With `dryRun`: who would get it.", body = Would),
        (status = 202, description = "It lies in Kafka.", body = Accepted),
        refusals::Publishing,
    ),
)]
// Counts how it went.
pub async fn publish(State(doors): State<Doors>, request: Request) -> Response {
    let answer = answer(&doors, request).await;
    let outcome = match &answer {
        Ok(response) if response.status() == StatusCode::ACCEPTED => "accepted",
        Ok(_) => "dry_run",
        Err(refusal) => match refusal.problem {
            Problem::NoKey | Problem::BadKey | Problem::TokenInUrl => "unauthorized",
            Problem::MayNotAddress | Problem::PageMayNotPublish => "forbidden",
            Problem::TooLarge => "too_large",
            Problem::KafkaUnavailable | Problem::Overload => "unavailable",
            _ => "invalid",
        },
    };
    doors.metrics.published.with(outcome).inc();
    answer.unwrap_or_else(IntoResponse::into_response)
}

async fn answer(doors: &Doors, request: Request) -> Result<Response, Refusal> {
    let publishing = &doors.publishing;
    let (parts, body) = request.into_parts();
    // Pages of other origins have no business here, also not those that may listen.
    Page::of(&parts.headers, &[]).map_err(|_| Problem::PageMayNotPublish)?;
    let key = extract::key(&parts)?;
    let publisher = publishing.publishers.whose(&key).ok_or(Problem::BadKey)?;
    let dry_run = extract::dry_run(&parts.uri)?;
    let shape = shape(&parts.headers)?;
    let _turn = publishing.turn().await?;
    let body = extract::body(&parts.headers, body, publishing.decoder.max_record_bytes).await?;
    let ready = ready(&body, shape, &parts, publisher, publishing)?;
    allowed(&ready.notification, publisher)?;
    if dry_run {
        return Ok(Json(who(&ready.notification, &publishing.cast)).into_response());
    }
    match publishing.producer.send(&ready.record).await {
        Ok(published) => {
            let (id, event_id) = (ready.notification.id, ready.event_id);
            let accepted = Accepted { id, event_id, partition: published.partition, offset: published.offset };
            Ok((StatusCode::ACCEPTED, Json(accepted)).into_response())
        }
        Err(Failed::TooLarge) => Err(Problem::TooLarge.into()),
        Err(failed) => {
            tracing::debug!(%failed, publisher = publisher.name, "a notification was not acknowledged");
            Err(Problem::KafkaUnavailable.with_id(ready.event_id))
        }
    }
}

/// By what the request says of its body. A plain one may still turn out to be a CloudEvent.
fn shape(headers: &HeaderMap) -> Result<Shape, Problem> {
    let content_type = headers.get(header::CONTENT_TYPE).map_or(Ok("application/json"), HeaderValue::to_str);
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => Ok(Shape::Plain),
        STRUCTURED => Ok(Shape::Structured),
        _ => Err(Problem::NotJson),
    }
}

/// Everything that is wrong with it at once; else what goes to Kafka, understood by the decoder of every reader.
fn ready(
    body: &[u8],
    shape: Shape,
    parts: &Parts,
    publisher: &Publisher,
    publishing: &Publishing,
) -> Result<Ready, Refusal> {
    let unreadable = |why: crate::notification::Unreadable| vec![Wrong::new("", why.code(), why.to_string())];
    let mut object = read_object(body).map_err(|why| invalid(Problem::Unreadable, unreadable(why)))?;
    let structured = shape == Shape::Structured || object.contains_key("specversion");
    let shape = if structured { Shape::Structured } else { Shape::Plain };
    let named = name(&mut object, &parts.headers, shape);
    if shape == Shape::Plain {
        name_source(&mut object, publisher);
    }
    let mut wrong = wrong::all(&object, shape, &publishing.decoder);
    if !wrong.iter().any(|one| one.pointer == "/source") {
        wrong.extend(foreign_source(&object, publisher));
    }
    let event_id = named.unwrap_or_else(|complaint| {
        wrong.push(complaint);
        String::new()
    });
    if !wrong.is_empty() {
        return Err(invalid(Problem::Invalid, wrong));
    }
    let content_type = if structured { STRUCTURED } else { "application/json" };
    let value = Value::Object(object).to_string().into_bytes();
    let coordinates = Coordinates { epoch: Epoch(0), partition: 0, offset: 0 };
    let headers = vec![("content-type", Some(content_type.as_bytes()))];
    // The place is not known yet and means nothing: the identity comes of the id.
    let raw = RawRecord { coordinates, timestamp: Timestamp::now(), key: None, headers, value: Some(&value) };
    let notification = publishing.decoder.decode(&raw).map_err(|rejected| match rejected.reason.as_str() {
        "too_big" => Problem::TooLarge.into(),
        code => invalid(Problem::Invalid, [Wrong::new("", code, rejected.detail)]),
    })?;
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    let record = Outgoing { key: key_for(notification.mall, &notification.audience), headers, value };
    Ok(Ready { event_id, notification, record })
}

/// Where an event of this publisher says that it is from; behind a `/` the publisher may say more.
fn source_of(publisher: &Publisher) -> String {
    format!("/publishers/{}", publisher.name)
}

/// Gives an event without a source its publisher's, so that two publishers with the same ids do not meet. What the
/// decoder takes for absent is absent here.
fn name_source(object: &mut Map<String, Value>, publisher: &Publisher) {
    let absent = |source: &Value| source.is_null() || source.as_str().is_some_and(|text| text.trim().is_empty());
    if object.get("source").is_none_or(absent) {
        object.insert("source".to_owned(), source_of(publisher).into());
    }
}

/// A source is half of an identity: under another's an event could pass for a repeat of that one's, which would then
/// be shown to nobody.
fn foreign_source(object: &Map<String, Value>, publisher: &Publisher) -> Option<Wrong> {
    let (source, own) = (object.get("source")?, source_of(publisher));
    let is_own = |text: &str| text.strip_prefix(&own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if source.as_str().is_some_and(is_own) {
        return None;
    }
    Some(Wrong::new("/source", "not_allowed", format!("the source of what this key publishes is {own}, or below it")))
}

/// Sees to it that the event has an id, so that the same request again is the same notification.
fn name(object: &mut Map<String, Value>, headers: &HeaderMap, shape: Shape) -> Result<String, Wrong> {
    let idempotency_key = match headers.get(IDEMPOTENCY_KEY).map(HeaderValue::to_str) {
        None => None,
        Some(Ok(key)) if !key.trim().is_empty() => Some(key.trim().to_owned()),
        Some(_) => {
            return Err(Wrong::new("/id", "bad_id", "the header Idempotency-Key is a text of ASCII, and not empty"));
        }
    };
    let own = match object.get("id") {
        Some(Value::String(id)) if !id.trim().is_empty() => Some(id.clone()),
        Some(Value::Number(id)) => Some(id.to_string()),
        _ => None,
    };
    match (own, idempotency_key) {
        (Some(own), Some(key)) if own != key => {
            Err(Wrong::new("/id", "differs", "the header Idempotency-Key says something else"))
        }
        (Some(own), _) => Ok(own),
        // What stands there and is no id is complained about, and not replaced in silence.
        (None, _) if object.get("id").is_some_and(|id| !id.is_null() && !id.is_string()) => Ok(String::new()),
        (None, Some(key)) => {
            object.insert("id".to_owned(), key.as_str().into());
            Ok(key)
        }
        // A CloudEvent without an id is none, and is complained about as well.
        (None, None) if shape == Shape::Structured => Ok(String::new()),
        (None, None) => {
            let id = fresh_id();
            object.insert("id".to_owned(), id.as_str().into());
            Ok(id)
        }
    }
}

fn invalid(problem: Problem, wrong: impl IntoIterator<Item = Wrong>) -> Refusal {
    problem.with_errors(wrong.into_iter().map(Mistake::from))
}

fn allowed(notification: &Notification, publisher: &Publisher) -> Result<(), Refusal> {
    let not = publisher.may_not(&notification.audience, notification.mall);
    if not.is_empty() {
        return Ok(());
    }
    let wrong = not.into_iter().map(|not| match not {
        NotAllowed::Mall(mall) => {
            Wrong::new("/mallNo", "not_allowed", format!("this key may publish nothing about mall {mall}"))
        }
        NotAllowed::Term(term) => Wrong::new("/audience", "not_allowed", format!("this key may not address {term}")),
    });
    Err(invalid(Problem::MayNotAddress, wrong))
}

fn who(notification: &Notification, cast: &[Viewer]) -> Would {
    let person = |viewer: &Viewer| {
        let why_not = notification.audience.why_not(viewer, notification.mall);
        let (sees, reason) = (why_not.is_none(), why_not.map(|why| why.code()));
        Person { admin_no: viewer.admin, name: viewer.name.clone(), sees, reason }
    };
    Would {
        id: notification.id,
        audience: notification.audience.terms().iter().map(Term::to_string).collect(),
        viewers: cast.iter().map(person).collect(),
    }
}
