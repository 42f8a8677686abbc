//! The management port: metrics for a scrape, health for whoever starts and stops us.

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{header_always, openapi::refusals, problem::Problem};
use crate::telemetry::{Metrics, Readiness, metrics, readiness::Ready};

/// Where health is asked for.
pub const HEALTH: [&str; 2] = ["/livez", "/readyz"];

/// Metrics and health are open also off loopback: they show nothing of anybody.
pub fn router(metrics: Metrics, readiness: Readiness) -> Router {
    Router::new()
        .route("/metrics", get(scrape).with_state(metrics))
        .merge(Router::from(health(readiness)))
        .fallback(|| async { Problem::NotFound })
        .method_not_allowed_fallback(|| async { Problem::MethodNotAllowed })
        .layer(header_always(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
}

/// On both ports.
pub fn health<S: Clone + Send + Sync + 'static>(readiness: Readiness) -> OpenApiRouter<S> {
    OpenApiRouter::new().routes(routes!(alive)).routes(routes!(ready)).with_state(readiness)
}

#[derive(Serialize, ToSchema)]
struct Alive {
    alive: bool,
}

/// Whether the process is alive
///
/// One that can answer this is. It asks for nothing, so nothing makes anybody restart it.
#[utoipa::path(
    get, path = "/livez", operation_id = "alive", tag = "health", security(()),
    responses((status = 200, description = "It is.", body = Alive), refusals::Health),
)]
async fn alive() -> Response {
    no_store(Json(Alive { alive: true }))
}

/// Whether new listeners may come
///
/// Kafka being away is no reason against it: who listens is told, and no other node would be better off.
#[utoipa::path(
    get, path = "/readyz", operation_id = "ready", tag = "health", security(()),
    responses(
        (status = 200, description = "They may.", body = Ready),
        (status = 503, description = "It starts, or ends: they shall go elsewhere.", body = Ready),
        refusals::Health,
    ),
)]
async fn ready(State(readiness): State<Readiness>) -> Response {
    let ready = readiness.answer();
    let status = if ready.is() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    no_store((status, Json(ready)))
}

fn no_store(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn scrape(State(metrics): State<Metrics>) -> Response {
    let mut response = metrics.encode().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
    response
}
