//! The demo's own doors: its people, its shop's pace, its exports, and the cut. They exist only where nothing is real.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, Request, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, oneshot};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Doors, cut::Cuts, extract, openapi::refusals, origin::Page, problem::Problem, proof::Proof, refusal::Refusal,
};
use crate::{
    ingest::wrong::Wrong,
    notification::{AdminNo, Viewer, json::read_object},
};

/// How much goes on in the demo's shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pace {
    Off,
    Calm,
    Busy,
}

/// A file to be downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub name: String,
    pub content: Vec<u8>,
}

/// What these doors ask of the demo, which they do not know.
pub trait Demo: Send + Sync {
    /// False: too much is asked of it already.
    fn go(&self, pace: Pace, ends_after: Duration) -> bool;
    /// How much goes on now.
    fn pace(&self) -> Pace;
    /// Writes a line as the old console producer did. False: too much is asked of it already.
    fn say(&self, line: String) -> bool;
    /// Begins an export for somebody, and tells its number, unless enough of theirs are under way.
    fn export(&self, viewer: &Viewer) -> Option<oneshot::Receiver<String>>;
    /// The file of an export, for who asked for it and nobody else.
    fn file(&self, number: &str, admin: AdminNo) -> Option<File>;
    fn cast(&self) -> Value;
}

/// What only the demo has. A cheap clone.
#[derive(Clone)]
pub struct DemoDoors {
    demo: Arc<dyn Demo>,
    pub cuts: Cuts,
}

impl DemoDoors {
    pub fn new(demo: Arc<dyn Demo>) -> DemoDoors {
        DemoDoors { demo, cuts: Cuts::default() }
    }
}

/// The shop stands still so long after the last page has left; a request may ask for less.
const ENDS_AFTER: u64 = 60;
const LONGEST_CUT: u64 = 60;
const CUT: u64 = 5;
/// Of a body of these doors.
const BODY_BYTES: usize = 4 * 1024;

/// The routes below `/demo`.
pub fn routes(demo: DemoDoors) -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .routes(routes!(cast))
        .routes(routes!(pace, traffic))
        .routes(routes!(cut))
        .routes(routes!(text))
        .routes(routes!(export))
        .routes(routes!(download))
        .layer(Extension(demo))
}

/// What these doors are sent, by the names in the document.
pub fn schemas() -> [(&'static str, Value); 4] {
    let whole =
        |most: u64, usual: u64| json!({ "type": ["integer", "null"], "minimum": 1, "maximum": most, "default": usual });
    let object = |required: &[&str], properties: Value| json!({ "type": "object", "required": required, "properties": properties });
    let traffic =
        json!({ "pace": { "$ref": "#/components/schemas/Pace" }, "endsAfterSeconds": whole(ENDS_AFTER, ENDS_AFTER) });
    let text = json!({ "text": { "type": "string", "pattern": "[^\\s\\u0085]" }, "all": { "type": "boolean" } });
    [
        ("DemoTraffic", object(&["pace"], traffic)),
        ("DemoCut", object(&[], json!({ "seconds": whole(LONGEST_CUT, CUT) }))),
        ("DemoText", object(&["text", "all"], text)),
        ("DemoExport", object(&[], json!({}))),
    ]
}

#[derive(Serialize, ToSchema)]
struct Cast {
    /// Each as the account service tells of it, with its token.
    #[schema(value_type = Vec<Object>)]
    people: Value,
}

/// The demo's people
#[utoipa::path(
    get, path = "/demo/cast", operation_id = "demoCast", tag = "demo", security(()),
    responses((status = 200, description = "Everybody, with their tokens.", body = Cast), refusals::Open),
)]
async fn cast(Extension(demo): Extension<DemoDoors>) -> Response {
    no_store(Json(Cast { people: demo.demo.cast() }).into_response())
}

#[derive(Serialize, ToSchema)]
struct Goes {
    pace: Pace,
}

/// How much goes on in the demo's shop
#[utoipa::path(
    get, path = "/demo/traffic", operation_id = "demoPace", tag = "demo", security(()),
    responses((status = 200, description = "So much.", body = Goes), refusals::Open),
)]
async fn pace(Extension(demo): Extension<DemoDoors>) -> Response {
    no_store(Json(Goes { pace: demo.demo.pace() }).into_response())
}

fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn wrong(pointer: &str, wanted: &str) -> Refusal {
    Problem::Invalid.with_errors([Wrong::new(pointer, "unknown_value", wanted).into()])
}

/// A whole number of the body within bounds, or this one where there is none.
fn seconds(body: &Value, name: &str, most: u64, usual: u64) -> Result<Duration, Refusal> {
    let found = match &body[name] {
        Value::Null => Some(usual),
        value => value.as_u64().filter(|seconds| (1..=most).contains(seconds)),
    };
    found.map(Duration::from_secs).ok_or_else(|| wrong(&format!("/{name}"), &format!("1 to {most} is wanted")))
}

async fn object(parts: &Parts, body: Body) -> Result<Value, Refusal> {
    let body = extract::body(&parts.headers, body, BODY_BYTES).await?;
    Ok(Value::Object(read_object(&body).map_err(|_| Problem::Unreadable)?))
}

/// Open or close the demo's shop
///
/// `calm`, `busy` (50 orders a second for 10 s) or `off`; it closes by itself so long after the last listener has left.
#[utoipa::path(
    post, path = "/demo/traffic", operation_id = "demoTraffic", tag = "demo", security(()),
    request_body(content = ref("#/components/schemas/DemoTraffic"), content_type = "application/json"),
    responses((status = 204, description = "So it is."), refusals::DemoTraffic),
)]
async fn traffic(Extension(demo): Extension<DemoDoors>, request: Request) -> Result<StatusCode, Refusal> {
    let (parts, body) = request.into_parts();
    Page::of(&parts.headers, &[])?;
    let body = object(&parts, body).await?;
    let pace = Pace::deserialize(&body["pace"]).map_err(|_| wrong("/pace", "off, calm or busy is wanted"))?;
    let ends_after = seconds(&body, "endsAfterSeconds", ENDS_AFTER, ENDS_AFTER)?;
    if demo.demo.go(pace, ends_after) { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::Overload.into()) }
}

/// Who asks with a token or a cookie, from a page of ours.
async fn caller(doors: &Doors, parts: &Parts) -> Result<Arc<Viewer>, Problem> {
    let page = Page::of(&parts.headers, &[])?;
    let token = extract::token(parts, &doors.cookie)?;
    if !parts.headers.contains_key(header::AUTHORIZATION) {
        page.may_act_with_a_cookie()?;
    }
    Ok(doors.identity.who(&token).await?)
}

/// Say a line of plain text
///
/// As the page of the old system did: to everyone or to oneself.
#[utoipa::path(
    post, path = "/demo/text", operation_id = "demoText", tag = "demo",
    security(("operatorToken" = []), ("operatorCookie" = [])),
    request_body(content = ref("#/components/schemas/DemoText"), content_type = "application/json"),
    responses((status = 204, description = "It is on its way."), refusals::DemoAct),
)]
async fn text(
    Extension(demo): Extension<DemoDoors>,
    State(doors): State<Doors>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let (parts, body) = request.into_parts();
    let viewer = caller(&doors, &parts).await?;
    let body = object(&parts, body).await?;
    let text = body["text"].as_str().map(str::trim).filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| wrong("/text", "a text is wanted"))?;
    let all = body["all"].as_bool().ok_or_else(|| wrong("/all", "true or false is wanted"))?;
    let line = format!("{}:{}:{text}", viewer.admin, if all { "all" } else { "me" });
    if demo.demo.say(line) { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::Overload.into()) }
}

/// Cut the line
///
/// The caller's own streams break off without a `bye`, and for so long nobody gets through in its name.
#[utoipa::path(
    post, path = "/demo/cut", operation_id = "demoCut", tag = "demo",
    security(("operatorToken" = []), ("operatorCookie" = [])),
    request_body(content = ref("#/components/schemas/DemoCut"), content_type = "application/json"),
    responses((status = 204, description = "It is cut."), refusals::DemoAct),
)]
async fn cut(
    Extension(demo): Extension<DemoDoors>,
    State(doors): State<Doors>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let (parts, body) = request.into_parts();
    let viewer = caller(&doors, &parts).await?;
    demo.cuts.cut(viewer.admin, seconds(&object(&parts, body).await?, "seconds", LONGEST_CUT, CUT)?);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Begun {
    export_no: String,
}

/// Begin an export for the caller
///
/// Every third fails.
#[utoipa::path(
    post, path = "/demo/exports", operation_id = "demoExport", tag = "demo",
    security(("operatorToken" = []), ("operatorCookie" = [])),
    request_body(content = ref("#/components/schemas/DemoExport"), content_type = "application/json"),
    responses((status = 202, description = "It is under way.", body = Begun), refusals::DemoExport),
)]
async fn export(
    Extension(demo): Extension<DemoDoors>,
    State(doors): State<Doors>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let viewer = caller(&doors, &parts).await?;
    object(&parts, body).await?;
    let told = demo.demo.export(&viewer).ok_or(Problem::Overload)?;
    let number = told.await.map_err(|_| Problem::EnoughUnderWay)?;
    Ok(no_store((StatusCode::ACCEPTED, Json(Begun { export_no: number })).into_response()))
}

/// The file of an export
///
/// For who asked for it, and nobody else. A link can carry no header, so a ticket is as good as a token.
#[utoipa::path(
    get, path = "/demo/exports/{number}", operation_id = "demoFile", tag = "demo",
    security(("operatorToken" = []), ("operatorCookie" = []), ("ticket" = [])),
    params(("number" = String, Path, description = "Its `exportNo`.")),
    responses(
        (status = 200, description = "The file.", body = String, content_type = "text/csv"),
        refusals::DemoFile,
    ),
)]
async fn download(
    Extension(demo): Extension<DemoDoors>,
    State(doors): State<Doors>,
    number: Result<Path<String>, PathRejection>,
    parts: Parts,
) -> Result<Response, Problem> {
    let page = Page::of(&parts.headers, &[])?;
    let proof = Proof::of(&parts, &page, &doors)?;
    let viewer = proof.viewer(&doors).await?;
    proof.spend(&viewer, &doors)?;
    // What is no text is no number either.
    let Path(number) = number.map_err(|_| Problem::NotFound)?;
    // One after the other, and not where streams are served: writing a file takes a moment of a whole core.
    static TURN: Semaphore = Semaphore::const_new(1);
    let _turn = TURN.acquire().await.map_err(|_| Problem::Internal)?;
    let making = tokio::task::spawn_blocking(move || demo.demo.file(&number, viewer.admin));
    let file = making.await.map_err(|_| Problem::Internal)?.ok_or(Problem::NotFound)?;
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{}\"", file.name));
    let mut response = file.content.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(header::CONTENT_DISPOSITION, disposition.map_err(|_| Problem::Internal)?);
    Ok(no_store(response))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_as_usual_and_nothing_is_out_of_bounds() {
        let ends_after = |body: Value| seconds(&body, "endsAfterSeconds", ENDS_AFTER, ENDS_AFTER);
        assert_eq!(ends_after(json!({"pace": "calm"})), Ok(Duration::from_secs(60)));
        assert_eq!(ends_after(json!({"endsAfterSeconds": 1})), Ok(Duration::from_secs(1)));
        for bad in [json!(0), json!(61), json!(-1), json!(1.5), json!("1"), json!([1]), json!(u64::MAX)] {
            assert!(ends_after(json!({"endsAfterSeconds": bad})).is_err(), "{bad}");
        }
    }
}
