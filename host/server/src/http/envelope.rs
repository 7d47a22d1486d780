//! What surrounds every request: its id, its span in the log, its count, its time limit, its rate limit, and the headers
//! that keep browsers safe.

use crate::http::App;
use crate::http::guard::Client;
use crate::http::problem::{self, Refusal, RefusalKind};
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use davy_api::Problem;
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tracing::Instrument;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What answers that are no pages may do in a browser: nothing.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";

static SERIAL: AtomicU64 = AtomicU64::new(1);

/// Wraps all routes, the outermost layer last.
pub(super) fn wrap(routes: Router, app: &Arc<App>) -> Router {
    routes
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::clone(app), limited))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(Arc::clone(app), surrounded))
}

/// 404 as a problem.
pub(super) async fn no_route(uri: Uri) -> Refusal {
    Refusal(problem::no_route(uri.path()))
}

/// 405 as a problem.
pub(super) async fn method_not_allowed(method: Method) -> Refusal {
    Refusal(problem::method_not_allowed(method.as_str()))
}

#[allow(clippy::needless_pass_by_value, reason = "the signature that the layer asks for")]
fn panicked(cause: Box<dyn Any + Send + 'static>) -> Response {
    let words = cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied());
    tracing::error!(panic = words.unwrap_or("not a text"), "a handler panicked");
    metrics::counter!("davy_http_panics_total").increment(1);
    Refusal(problem::internal()).into_response()
}

/// Whether requests to the path are counted against the rate limit: all that cost a query.
fn is_rated(path: &str) -> bool {
    ["/api/", "/tiles/", "/actions/", "/account", "/sign-in", "/language"].iter().any(|prefix| path.starts_with(prefix))
}

async fn limited(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    // What is small on the way and huge once unpacked is neither unpacked nor taken for what it says it holds.
    let packed = request.headers().get(header::CONTENT_ENCODING).filter(|coding| *coding != "identity");
    if let Some(coding) = packed {
        return Refusal(problem::packed(coding.to_str().unwrap_or("?"))).into_response();
    }
    if is_rated(request.uri().path()) {
        let client = Client::of(request.headers(), request.extensions(), app.settings.http_behind_proxy);
        if !app.rate.pass(client.limit_key(), app.clock.now()) {
            let detail = "This address sends more requests than it may; slow down and try again.";
            return Refusal(problem::too_many(detail)).into_response();
        }
    }
    // An event stream answers at once and then goes on for as long as it likes: only the answer's head is timed.
    let answered = tokio::time::timeout(app.settings.http_timeout.duration(), next.run(request)).await;
    answered.unwrap_or_else(|_| {
        let seconds = app.settings.http_timeout.millis() as f64 / 1_000.0;
        let detail = format!("The request took longer than {seconds} s and was given up; try again.");
        Refusal(Problem::unavailable(detail)).into_response()
    })
}

async fn surrounded(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let id = format!("{}-{}", app.request_prefix, SERIAL.fetch_add(1, Ordering::Relaxed));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!(
        "request",
        request.id = %id, method = %method, route = %route,
        tenant.id = tracing::field::Empty, user.id = tracing::field::Empty, device.id = tracing::field::Empty,
    );
    let started = std::time::Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let (took, status) = (started.elapsed(), response.status());
    let labels = [("method", label_of(&method).to_owned()), ("route", route), ("status", status.as_u16().to_string())];
    metrics::counter!("davy_http_requests_total", &labels).increment(1);
    metrics::histogram!("davy_http_request_seconds", "route" => labels[1].1.clone()).record(took.as_secs_f64());
    let refused = response.extensions().get::<RefusalKind>().map(|kind| kind.0.clone());
    if let Some(kind) = &refused {
        metrics::counter!("davy_http_refused_total", "type" => kind.clone()).increment(1);
    }
    let _in_span = span.enter();
    if status.is_server_error() {
        tracing::error!(status = status.as_u16(), problem = refused, ms = took.as_millis() as u64, "answered");
    } else {
        tracing::debug!(status = status.as_u16(), problem = refused, ms = took.as_millis() as u64, "answered");
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    guard_browser(response.headers_mut(), app.settings.http_secure_cookies);
    response
}

/// The method as a label: anybody may send any word as a method, and each new label is a series that is kept for ever.
fn label_of(method: &Method) -> &'static str {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::CONNECT,
        Method::TRACE,
    ];
    const NAMES: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
    KNOWN.iter().position(|known| known == method).map_or("other", |at| NAMES[at])
}

/// Sets the headers that the answer does not have: pages bring their own policy with a nonce.
fn guard_browser(headers: &mut HeaderMap, secure: bool) {
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, NOTHING);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "same-origin");
    set(HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(header::CACHE_CONTROL, "no-store");
    if secure {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}
