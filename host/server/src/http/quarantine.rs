//! `/api/v1/quarantine`: messages that no driver could read, and reading them again.

use crate::http::App;
use crate::http::extract::Body;
use crate::http::guard::May;
use crate::http::problem::{Refusal, Refusals};
use crate::roles::{ChangeRules, SeeRules};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use davy_api::{Backend, Problem, Quarantine, QuarantineRequest};
use std::sync::Arc;

/// How many messages of the company's devices wait for a driver that can read them, and the oldest of them.
#[utoipa::path(get, path = "/api/v1/quarantine", operation_id = "listQuarantine", tag = "rules",
    security(("session" = [])),
    responses((status = 200, body = Quarantine), Refusals))]
pub(super) async fn list(State(app): State<Arc<App>>, caller: May<SeeRules>) -> Result<Json<Quarantine>, Refusal> {
    Ok(Json(app.service.quarantine(&caller.viewer).await?))
}

/// Reads them again with the drivers that are in force, in the background. What can be read counts from then on, as late readings; the rest
/// stays.
#[utoipa::path(post, path = "/api/v1/quarantine/read", operation_id = "readQuarantine", tag = "rules",
    security(("session" = [], "csrf" = [])),
    request_body = QuarantineRequest,
    responses(
        (status = 202, body = Quarantine, description = "It has begun"),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "They are being read already"),
        Refusals,
    ))]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    caller: May<ChangeRules>,
    Body(request): Body<QuarantineRequest>,
) -> Result<(StatusCode, Json<Quarantine>), Refusal> {
    Ok((StatusCode::ACCEPTED, Json(app.service.read_quarantine(&caller.viewer, &request).await?)))
}
