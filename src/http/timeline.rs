//! `/timeline`: what was kept for somebody, how much of it is unread, and what he says he has read.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header, request::Parts};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Doors,
    asker::Asker,
    extract,
    openapi::refusals,
    problem::Problem,
    refusal::{Mistake, Refusal},
};
use crate::{
    hub::Frame,
    notification::{
        AdminNo, Catalogue, NotificationId, Position, Prepared, Sight, Viewer, Wire, event::Severity, json::read_object,
    },
    timeline::{Filter, List, Listed, Mark, Place, Timeline, Trouble, Types},
};

const LIMIT: usize = 50;
const LONGEST: usize = 100;
/// Ids in one request, and the bytes that they take.
const MOST_IDS: usize = 500;
const MOST_BYTES: usize = 64 * 1024;

/// One mark of an operator after the other, so that the last count that is told is the last one. A cheap clone.
#[derive(Clone)]
pub struct Turns(Arc<[Mutex<()>; 64]>);

impl Default for Turns {
    fn default() -> Turns {
        Turns(Arc::new(std::array::from_fn(|_| Mutex::default())))
    }
}

impl Turns {
    /// Some share one with others, which costs them milliseconds.
    fn of(&self, admin: AdminNo) -> &Mutex<()> {
        &self.0[usize::try_from(admin.get() % 64).unwrap_or(0)]
    }
}

pub fn routes() -> OpenApiRouter<Doors> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(unread_count)).routes(routes!(read))
}

/// A page of what was kept
///
/// Newest first: what the viewer may see now, whoever it was when it came. A stream that begins at `position` misses nothing
/// that the page does not have.
#[utoipa::path(
    get, path = "/timeline", operation_id = "listTimeline", tag = "timeline",
    security(("operatorToken" = []), ("operatorCookie" = [])),
    params(
        ("limit" = Option<i32>, Query, description = "So many at most, else 50.", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "Go on behind the page that had it as `next`.", pattern = "^[A-Za-z0-9_-]{53}[AQgw]$"),
        ("mall" = Option<i64>, Query, description = "Of this mall alone.", minimum = 1, maximum = 9223372036854775807_isize),
        ("type" = Option<String>, Query, description = "Of these types alone, with commas between."),
        ("category" = Option<String>, Query, description = "Of this category alone."),
        ("severity" = Option<Severity>, Query, description = "Of this severity alone."),
        ("unread" = Option<bool>, Query, description = "What is not read yet alone."),
        ("lang" = Option<String>, Query, description = "`ko` or `en`; else the viewer's own, else Korean.", pattern = "^([Kk][Oo]|[Ee][Nn])([-_].*)?$"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of the page that is there."),
    ),
    responses(
        (status = 200, description = "A page.", body = Page, headers(("ETag" = String, description = "Of what is shown, not of the place."))),
        (status = 304, description = "It is still the page whose `ETag` came."),
        refusals::List,
    ),
)]
async fn list(State(doors): State<Doors>, parts: Parts) -> Result<Response, Refusal> {
    let Asker { viewer, .. } = Asker::of(&parts, &doors).await?;
    let timeline = timeline(&doors)?;
    let lang = extract::lang(&parts.uri)?;
    let Asked { filter, before, limit } = Asked::of(&parts.uri, &doors.catalogue)?;
    doors.streams.past().meet(&viewer).await.map_err(ill)?;
    let found = timeline.list(&viewer, filter, before, limit).await.map_err(ill)?;
    let sight = Sight::of(&viewer, lang);
    let position = found.position.clone().or_else(|| doors.streams.past().recorded());
    let body = Page {
        items: found.items.iter().filter_map(|listed| Item::of(listed, sight, &doors.catalogue)).collect(),
        next: found.next.map(cursor),
        position: position.as_ref().map(Position::to_string),
    };
    Ok(answer(&parts.headers, &viewer, &body, &found))
}

#[derive(Serialize, ToSchema)]
struct Page {
    items: Vec<Item>,
    /// The `cursor` of the page behind it; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Where a stream begins that misses nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Item {
    #[schema(value_type = Wire<'static>)]
    notification: Box<RawValue>,
    read: bool,
}

impl Item {
    /// None: it cannot be read any more, which the recorder would not have stored.
    fn of(listed: &Listed, sight: Sight, catalogue: &Catalogue) -> Option<Item> {
        let prepared = Prepared::new(&listed.stored.notification, catalogue).ok()?;
        let notification = RawValue::from_string(prepared.json(prepared.reduce(sight))).ok()?;
        Some(Item { notification, read: listed.read })
    }
}

/// Its tag is about what is shown, not about the place, which moves with what others see.
fn answer(asked: &HeaderMap, viewer: &Viewer, page: &Page, found: &List) -> Response {
    let items = serde_json::to_vec(&page.items).expect("texts and booleans have a JSON text");
    let mut hash = Sha256::new();
    hash.update(viewer.admin.get().to_be_bytes());
    hash.update(&items);
    hash.update(page.next.as_deref().unwrap_or_default());
    hash.update([u8::from(found.position.is_some())]);
    let tag = format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(&hash.finalize()[..12]));
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let is_known = known.flat_map(|line| line.split(',')).any(|one| one.trim() == tag || one.trim() == "*");
    let mut response = if is_known { StatusCode::NOT_MODIFIED.into_response() } else { Json(page).into_response() };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("Authorization, Cookie"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Of more than so many there is no count.
#[derive(Serialize, ToSchema)]
struct Unread {
    /// 100 is more than 99.
    #[schema(maximum = 100)]
    unread: usize,
}

/// How much is unread
#[utoipa::path(
    get, path = "/timeline/unread-count", operation_id = "countUnread", tag = "timeline",
    security(("operatorToken" = []), ("operatorCookie" = [])),
    responses((status = 200, description = "So much.", body = Unread), refusals::UnreadCount),
)]
async fn unread_count(State(doors): State<Doors>, parts: Parts) -> Result<Response, Refusal> {
    let Asker { viewer, .. } = Asker::of(&parts, &doors).await?;
    timeline(&doors)?;
    let unread = doors.streams.past().count(&viewer).await.map_err(ill)?;
    let mut response = Json(Unread { unread }).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What a mark looks like, for who sends one.
pub fn mark_schema() -> Value {
    let ids = json!({
        "type": "array",
        "items": { "type": "string", "pattern": "^[A-Za-z0-9_-]{21}[AQgw]$" },
        "minItems": 1,
        "maxItems": MOST_IDS,
    });
    json!({
        "title": "What is read",
        "oneOf": [
            {
                "title": "These",
                "type": "object",
                "required": ["ids"],
                "properties": {
                    "ids": ids,
                    "read": { "type": "boolean", "default": true, "description": "`false` takes it back." },
                },
                "additionalProperties": false,
            },
            {
                "title": "All up to here",
                "type": "object",
                "required": ["upTo"],
                "properties": {
                    "upTo": { "type": "string", "format": "position", "pattern": "^[A-Za-z0-9_-]+$", "description": "The position of a list or of a stream." },
                    "read": { "enum": [true] },
                },
                "additionalProperties": false,
            },
        ],
    })
}

/// Say what is read
///
/// Also what has only just come and is not recorded yet. All streams of the same operator are told.
#[utoipa::path(
    post, path = "/timeline/read", operation_id = "markRead", tag = "timeline",
    security(("operatorToken" = []), ("operatorCookie" = [])),
    request_body(content = ref("#/components/schemas/Mark"), content_type = "application/json"),
    responses((status = 204, description = "So it is."), refusals::Read),
)]
async fn read(State(doors): State<Doors>, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let Asker { viewer, .. } = Asker::of(&parts, &doors).await?;
    let timeline = timeline(&doors)?;
    if !extract::is_json(&parts.headers) {
        return Err(Problem::NotJson.into());
    }
    let body = extract::body(&parts.headers, body, MOST_BYTES).await?;
    let mark = marked(&body)?;
    doors.streams.past().meet(&viewer).await.map_err(ill)?;
    // Nobody has read what is not there yet.
    let mark = match mark {
        Mark::UpTo(position) => match doors.streams.past().no_further_than_here(&position).await.map_err(ill)? {
            Some(position) => Mark::UpTo(position),
            None => return Ok(StatusCode::NO_CONTENT.into_response()),
        },
        mark => mark,
    };
    let _turn = doors.marking.of(viewer.admin).lock().await;
    timeline.mark(&viewer, mark.clone()).await.map_err(ill)?;
    tell(&doors, &viewer, &mark).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The same rows grey on every device.
async fn tell(doors: &Doors, viewer: &Arc<Viewer>, mark: &Mark) {
    let mut word = match mark {
        Mark::Read(ids) => json!({ "ids": ids, "read": true }),
        Mark::Unread(ids) => json!({ "ids": ids, "read": false }),
        Mark::UpTo(position) => json!({ "upTo": position.to_string() }),
    };
    if let Some(unread) = doors.streams.past().unread(viewer).await {
        word["unread"] = unread.into();
    }
    doors.streams.tell(viewer.admin, Frame::read(word.to_string().into())).await;
}

fn timeline(doors: &Doors) -> Result<&Timeline, Refusal> {
    doors.streams.past().timeline().ok_or_else(|| Problem::NotFound.into())
}

fn ill(trouble: Trouble) -> Refusal {
    match trouble {
        Trouble::Damaged(_) => Problem::TimelineDamaged.into(),
        _ => Problem::TimelineUnavailable.into(),
    }
}

fn wrong(field: &'static str, wanted: &str) -> Refusal {
    let detail = format!("wanted is {wanted}");
    Problem::BadQuestion.with_errors([Mistake { pointer: None, field: Some(field), code: None, detail }])
}

/// What a list is asked for.
struct Asked {
    filter: Filter,
    before: Option<Place>,
    limit: usize,
}

impl Asked {
    fn of(uri: &Uri, catalogue: &Catalogue) -> Result<Asked, Refusal> {
        let pairs: Vec<(String, String)> =
            axum::extract::Query::try_from_uri(uri).map(|query| query.0).map_err(|_| Problem::BadQuestion)?;
        let mut asked = Asked { filter: Filter::default(), before: None, limit: LIMIT };
        let mut types: Vec<Types> = Vec::new();
        let mut seen: HashMap<String, String> = HashMap::new();
        for (name, value) in pairs {
            match name.as_str() {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=LONGEST).contains(limit));
                    asked.limit = limit.ok_or_else(|| wrong("limit", "a number from 1 to 100"))?;
                }
                "cursor" => asked.before = Some(place(&value).ok_or_else(|| wrong("cursor", "the `next` of a page"))?),
                "mall" => {
                    asked.filter.mall = Some(value.parse().map_err(|_| wrong("mall", "the number of a mall"))?);
                }
                "type" => types.push(Types::These(value.split(',').map(Arc::from).collect())),
                "category" => types.push(of_category(&value, catalogue)),
                "severity" => {
                    let severity = Severity::from_text(&value);
                    asked.filter.severity =
                        Some(severity.ok_or_else(|| wrong("severity", "info, notice, warning, error or critical"))?);
                }
                "unread" => {
                    asked.filter.unread = value.parse().map_err(|_| wrong("unread", "true or false"))?;
                }
                "lang" => {}
                _ => return Err(wrong("query", "limit, cursor, mall, type, category, severity, unread, lang")),
            }
            if seen.insert(name, value).is_some() {
                return Err(wrong("query", "each parameter once"));
            }
        }
        asked.filter.types = both(types);
        Ok(asked)
    }
}

/// What nobody knows has a category as well.
fn of_category(category: &str, catalogue: &Catalogue) -> Types {
    let is_of_it = |name: &Arc<str>| catalogue.entry(name).category == category;
    let (these, others): (Vec<Arc<str>>, Vec<Arc<str>>) = catalogue.types().into_iter().partition(is_of_it);
    if is_of_it(&Arc::from("")) { Types::AllBut(others) } else { Types::These(these) }
}

/// A type and a category: what is in both.
fn both(types: Vec<Types>) -> Option<Types> {
    types.into_iter().reduce(|a, b| match (a, b) {
        (Types::These(names), other) | (other, Types::These(names)) => {
            Types::These(names.into_iter().filter(|name| other.has(name)).collect())
        }
        (Types::AllBut(a), Types::AllBut(b)) => Types::AllBut(a.into_iter().chain(b).collect()),
    })
}

fn cursor(place: Place) -> String {
    let numbers = [place.at, place.epoch, place.partition, place.offset, place.life];
    URL_SAFE_NO_PAD.encode(numbers.map(i64::to_be_bytes).concat())
}

fn place(text: &str) -> Option<Place> {
    let bytes: [u8; 40] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    let (numbers, _) = bytes.as_chunks::<8>();
    let &[at, epoch, partition, offset, life] = numbers else { return None };
    let number = i64::from_be_bytes;
    Some(Place {
        at: number(at),
        epoch: number(epoch),
        partition: number(partition),
        offset: number(offset),
        life: number(life),
    })
}

/// `{"ids":[…],"read":false?}` or `{"upTo":"…"}`.
fn marked(body: &Bytes) -> Result<Mark, Refusal> {
    let mut object = read_object(body).map_err(|_| Problem::Unreadable)?;
    let (ids, up_to, read) = (object.remove("ids"), object.remove("upTo"), object.remove("read"));
    if !object.is_empty() {
        return Err(wrong("body", "ids or upTo, and read"));
    }
    let read = match read {
        None => true,
        Some(read) => read.as_bool().ok_or_else(|| wrong("read", "true or false"))?,
    };
    match (ids, up_to) {
        (Some(ids), None) => {
            let id = |id: &serde_json::Value| id.as_str().and_then(|id| id.parse::<NotificationId>().ok());
            let ids: Option<Vec<NotificationId>> = ids.as_array().and_then(|ids| ids.iter().map(id).collect());
            let ids = ids.filter(|ids| (1..=MOST_IDS).contains(&ids.len()));
            let ids = ids.ok_or_else(|| wrong("ids", "1 to 500 ids of notifications"))?;
            Ok(if read { Mark::Read(ids) } else { Mark::Unread(ids) })
        }
        (None, Some(position)) if read => {
            let position = position.as_str().and_then(|text| Position::decode(text).ok());
            Ok(Mark::UpTo(position.ok_or_else(|| wrong("upTo", "a position of a list or a stream"))?))
        }
        (None, Some(_)) => Err(wrong("read", "true, or nothing, with upTo")),
        _ => Err(wrong("body", "either ids or upTo")),
    }
}
