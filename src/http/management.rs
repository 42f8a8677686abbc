//! The management port: metrics for a scrape, health for whoever starts and stops us.

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderValue, StatusCode, header};

use super::{header_always, problem::Problem};
use crate::telemetry::{Metrics, Readiness, metrics, readiness};

/// Where health is asked for.
pub const HEALTH: [&str; 2] = ["/livez", "/readyz"];

/// Metrics and health are open also off loopback: they show nothing of anybody.
pub fn router(metrics: Metrics, readiness: Readiness) -> Router {
    Router::new()
        .route("/metrics", get(scrape).with_state(metrics))
        .merge(health(readiness))
        .fallback(|| async { Problem::NotFound })
        .method_not_allowed_fallback(|| async { Problem::MethodNotAllowed })
        .layer(header_always(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
}

/// On both ports.
pub fn health<S: Clone + Send + Sync + 'static>(readiness: Readiness) -> Router<S> {
    let ready = get(|State(readiness): State<Readiness>| async move {
        let (status, body) = readiness.answer();
        json(StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE), body)
    });
    Router::new()
        .route("/livez", get(|| async { json(StatusCode::OK, readiness::LIVEZ.to_owned()) }))
        .route("/readyz", ready.with_state(readiness))
}

fn json(status: StatusCode, body: String) -> Response {
    let mut response = (status, body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn scrape(State(metrics): State<Metrics>) -> Response {
    let mut response = metrics.encode().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
    response
}
