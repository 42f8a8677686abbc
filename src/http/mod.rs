//! The doors: all routes on one page, and the accept loop before them.

mod accept;
mod asker;
mod caller;
mod cut;
mod demo;
mod descriptors;
#[cfg(feature = "protocol-echo")]
mod echo;
mod extract;
mod first_line;
mod gate;
mod guarded;
mod guest;
mod h2c;
mod limits;
mod listen;
mod made_once;
mod management;
mod openapi;
mod origin;
mod pages;
mod problem;
mod proof;
mod proxies;
mod publish;
mod rate;
mod recheck;
mod refusal;
mod socket;
mod tickets;
mod timeline;
mod upgrade;
mod websocket;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Method, header, uri::Authority};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowCredentials, AllowOrigin, CorsLayer},
    set_header::SetResponseHeaderLayer,
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub use accept::{Connections, bind, serve};
pub use demo::{Demo, DemoDoors, File, Pace};
pub use descriptors::connections;
pub use limits::Limits;
pub use management::router as management;
pub use proxies::Network;
pub use publish::Publishing;
pub use recheck::Recheck;
pub use timeline::Turns;

use crate::{
    deliver::Streams,
    identity::{Identity, Tickets},
    notification::Catalogue,
    telemetry::{Metrics, Readiness},
};
use caller::Caller;
use first_line::LONGEST_ADDRESS;
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
    pub new_connections_per_second: usize,
    /// New streams a second, of one operator, and of one address where proxies are trusted that name it.
    pub new_streams_per_operator: usize,
    pub new_streams_per_address: usize,
    pub trusted_proxies: Vec<Network>,
    /// HTTP/2 without TLS beside HTTP/1.1.
    pub h2c: bool,
    /// How often the rights of an open stream are asked again.
    pub recheck: Duration,
}

impl Settings {
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits::new(self.new_streams_per_operator, self.new_streams_per_address, self.trusted_proxies.clone())
    }
}

/// What handlers receive. A cheap clone.
#[derive(Clone)]
pub struct Doors {
    pub settings: Arc<Settings>,
    /// The cookie that browsers send.
    pub cookie: Arc<str>,
    pub identity: Identity,
    pub streams: Streams,
    pub catalogue: Catalogue,
    /// What may stand on the topics, for whoever publishes: AsyncAPI.
    pub contract: Arc<serde_json::Value>,
    pub marking: Turns,
    pub recheck: Recheck,
    pub limits: Limits,
    pub tickets: Tickets,
    pub publishing: Publishing,
    /// Where nothing is real.
    pub demo: Option<DemoDoors>,
    pub metrics: Metrics,
}

/// Every route of the public port. All but files and the echo are in the document that shows them.
pub fn routes(doors: Doors, readiness: Readiness) -> Router {
    let cors = cors(&doors.settings.allowed_origins);
    let described = OpenApiRouter::with_openapi(openapi::beginning(&doors.cookie, doors.demo.is_some()))
        .routes(routes!(listen::sse, publish::publish))
        .routes(routes!(websocket::open))
        .routes(routes!(tickets::issue))
        .merge(timeline::routes())
        .merge(management::health(readiness))
        .merge(doors.demo.clone().map(demo::routes).unwrap_or_default());
    let router = openapi::described(described, &doors);
    #[cfg(feature = "protocol-echo")]
    let router = router.merge(echo::routes());
    let router = router
        .merge(pages::routes())
        .fallback(|| async { Problem::NotFound })
        .method_not_allowed_fallback(|| async { Problem::MethodNotAllowed })
        .with_state(doors);
    behind_the_doors(router, cors)
}

/// What every request comes through, and every answer.
fn behind_the_doors(router: Router, cors: CorsLayer) -> Router {
    router
        .layer(CatchPanicLayer::custom(|_| Problem::Internal.into_response()))
        .layer(from_fn(is_in_order))
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
        .allow_headers([
            header::AUTHORIZATION,
            header::CACHE_CONTROL,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            HeaderName::from_static("last-event-id"),
        ])
        .expose_headers([header::ETAG, header::RETRY_AFTER])
        .max_age(Duration::from_secs(600))
}

/// What says two things at once may be one of them to us and the other to a proxy; and who is too many is told so, but
/// for those who ask how we are, and those who would listen: they are told so in their own way.
async fn is_in_order(request: Request, next: Next) -> Response {
    let (headers, path) = (request.headers(), request.uri().path());
    let surplus = request.extensions().get::<Caller>().is_some_and(|caller| caller.surplus);
    let listens = request.method() == Method::GET && ["/notifications", "/ws"].contains(&path);
    let (hosts, named) = (headers.get_all(header::HOST), request.uri().authority());
    let is_a_host =
        |host: &HeaderValue| Authority::try_from(host.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'));
    let one_host = hosts.iter().count() == 1
        && hosts.iter().all(is_a_host)
        && named.is_none_or(|named| {
            hosts.iter().all(|host| host.as_bytes().eq_ignore_ascii_case(named.as_str().as_bytes()))
        });
    let behind_the_host = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
    if named.map_or(0, |named| named.as_str().len()) + behind_the_host > LONGEST_ADDRESS {
        Problem::AddressTooLong.into_response()
    } else if !one_host {
        Problem::HostRequired.into_response()
    } else if surplus && !listens && !management::HEALTH.contains(&path) {
        Problem::Overload.into_response()
    } else {
        next.run(request).await
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::get};
    use http::StatusCode;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    #[expect(clippy::panic, reason = "it is what this is about")]
    async fn breaks() {
        panic!("the secret of mall 1001");
    }

    #[tokio::test]
    async fn fault_55_a_panic_ends_its_own_request_and_says_nothing_of_why() {
        let fine = || async { "fine" };
        let router = Router::new().route("/breaks", get(breaks)).route("/fine", get(fine));
        let router = behind_the_doors(router, cors(&[]));
        for (path, status) in [("/breaks", StatusCode::INTERNAL_SERVER_ERROR), ("/fine", StatusCode::OK)] {
            let request = Request::builder().uri(path).header(header::HOST, "here").body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), status);
            assert_eq!(answer.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert!(!String::from_utf8_lossy(&body).contains("secret"), "{body:?}");
        }
    }
}
