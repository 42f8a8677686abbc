//! `/timeline`: what was kept for somebody, how much of it is unread, and what he says he has read.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header, request::Parts};
use serde::Serialize;
use serde_json::{json, value::RawValue};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use super::{
    Doors,
    asker::Asker,
    extract,
    problem::{Problem, Refusal},
};
use crate::{
    hub::Frame,
    notification::{
        AdminNo, Catalogue, NotificationId, Position, Prepared, Sight, Viewer, event::Severity, json::read_object,
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

pub fn routes() -> Router<Doors> {
    Router::new()
        .route("/timeline", get(list))
        .route("/timeline/unread-count", get(unread_count))
        .route("/timeline/read", post(read))
}

/// A page of it, newest first.
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

#[derive(Serialize)]
struct Page {
    items: Vec<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<String>,
}

#[derive(Serialize)]
struct Item {
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

async fn unread_count(State(doors): State<Doors>, parts: Parts) -> Result<Response, Refusal> {
    let Asker { viewer, .. } = Asker::of(&parts, &doors).await?;
    timeline(&doors)?;
    let unread = doors.streams.past().count(&viewer).await.map_err(ill)?;
    let mut response = Json(json!({ "unread": unread })).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Marks, also what is not recorded yet; and says so on all streams of this operator.
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
    Problem::BadQuestion.with([("errors", json!([{ "field": field, "detail": format!("wanted is {wanted}") }]))])
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
