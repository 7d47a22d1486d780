//! `/healthz`, `/readyz` and `/metrics`: for whoever runs the server.

use crate::http::App;
use crate::http::problem::Refusal;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::routing::get;
use davy_api::Problem;
use std::sync::Arc;
use std::time::Duration;

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", operation_id = "isAlive", tag = "operation", responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Whether uplinks and requests are served: every shard has rebuilt its state and the database answers.
#[utoipa::path(get, path = "/readyz", operation_id = "isReady", tag = "operation", responses(
    (status = 200, body = String, content_type = "text/plain"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Refusal> {
    if app.stopping.is_cancelled() {
        return Err(Problem::unavailable("The server is shutting down.").into());
    }
    if !app.operate.ready() {
        return Err(Problem::unavailable("The shards are still rebuilding their state.").into());
    }
    match tokio::time::timeout(PATIENCE, app.store.ping()).await {
        Ok(Ok(())) => Ok("ready\n"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the database does not answer the readiness check");
            Err(Problem::unavailable("The database does not answer.").into())
        }
        Err(_) => Err(Problem::unavailable("The database does not answer within 2 s.").into()),
    }
}

/// `/metrics` on the same listener, unless it has one of its own.
pub(super) fn metrics_route(app: &App) -> Router<Arc<App>> {
    match &app.metrics {
        Some(handle) => metrics_router(handle.clone()),
        None => Router::new(),
    }
}

/// `/metrics` alone.
pub(crate) fn metrics_router<S: Clone + Send + Sync + 'static>(
    handle: metrics_exporter_prometheus::PrometheusHandle,
) -> Router<S> {
    let render = move || async move {
        handle.run_upkeep();
        (StatusCode::OK, [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render())
    };
    Router::new().route("/metrics", get(render))
}
