//! The doors: all routes on one page, and the accept loop before them.

mod accept;
mod caller;
mod cut;
mod demo;
#[cfg(feature = "protocol-echo")]
mod echo;
mod extract;
mod guarded;
mod guest;
mod listen;
mod management;
mod origin;
mod pages;
mod problem;
mod proof;
mod publish;
mod recheck;
mod socket;
mod tickets;
mod upgrade;
mod websocket;
mod wrong;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderName, HeaderValue, Method, header};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowCredentials, AllowOrigin, CorsLayer},
    set_header::SetResponseHeaderLayer,
};

pub use accept::{Connections, bind, serve};
pub use demo::{Demo, DemoDoors, File, Pace};
pub use management::router as management;
pub use publish::Publishing;
pub use recheck::Recheck;

use crate::{
    deliver::Streams,
    identity::{Identity, Tickets},
    telemetry::{Metrics, Readiness},
};
use problem::Problem;

/// What the station needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    pub listen: SocketAddr,
    /// Metrics and health; off loopback everything else on it wants the token.
    pub management_listen: SocketAddr,
    pub management_token: Option<String>,
    /// Exact origins whose scripts may read our answers (`https://admin.example.com`).
    pub allowed_origins: Vec<String>,
    /// From accepting a connection, or the end of the last answer on it, to the end of the request head.
    pub head_deadline: Duration,
    /// Larger heads are answered 431.
    pub head_bytes: usize,
    /// A peer that takes nothing for so long is cut off.
    pub write_deadline: Duration,
    /// The kernel's send buffer of one connection; left alone it grows to megabytes for a peer that does not read.
    pub send_buffer: usize,
    /// Connections at once.
    pub connections: usize,
    /// How often the rights of an open stream are asked again.
    pub recheck: Duration,
}

/// What handlers receive. A cheap clone.
#[derive(Clone)]
pub struct Doors {
    pub settings: Arc<Settings>,
    /// The cookie that browsers send.
    pub cookie: Arc<str>,
    pub identity: Identity,
    pub streams: Streams,
    pub recheck: Recheck,
    pub tickets: Tickets,
    pub publishing: Publishing,
    /// Where nothing is real.
    pub demo: Option<DemoDoors>,
    pub metrics: Metrics,
}

/// Every route of the public port.
pub fn routes(doors: Doors, readiness: Readiness) -> Router {
    let cors = cors(&doors.settings.allowed_origins);
    let demo = doors.demo.clone().map(demo::routes).unwrap_or_default();
    let router = Router::new();
    #[cfg(feature = "protocol-echo")]
    let router = router.merge(echo::routes());
    router
        .merge(pages::routes())
        .route("/notifications", get(listen::sse).post(publish::publish))
        .route("/ws", get(websocket::open))
        .route("/tickets", post(tickets::issue))
        .merge(management::health(readiness))
        .merge(demo)
        .fallback(|| async { Problem::NotFound })
        .method_not_allowed_fallback(|| async { Problem::MethodNotAllowed })
        .with_state(doors)
        .layer(CatchPanicLayer::custom(|_| Problem::Internal.into_response()))
        .layer(from_fn(one_host))
        // Outermost, so that refusals carry these as well: a script that may not read a 401 sees only "failed".
        .layer(cors)
        .layer(header_always(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header_always(header::REFERRER_POLICY, "no-referrer"))
        .layer(header_always(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ))
}

fn header_always(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}

/// Exact origins, with credentials; never a wildcard.
fn cors(allowed: &[String]) -> CorsLayer {
    let origins: Vec<HeaderValue> = allowed.iter().filter_map(|origin| origin.parse().ok()).collect();
    let listed = origins.clone();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(AllowCredentials::predicate(move |origin, _| listed.contains(origin)))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CACHE_CONTROL, HeaderName::from_static("last-event-id")])
        .max_age(Duration::from_secs(600))
}

/// A request names exactly one host: two of them may be two different things to us and to a proxy.
async fn one_host(request: axum::extract::Request, next: Next) -> Response {
    if request.headers().get_all(header::HOST).iter().count() == 1 {
        next.run(request).await
    } else {
        Problem::HostRequired.into_response()
    }
}
