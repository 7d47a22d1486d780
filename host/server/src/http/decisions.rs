//! `/api/v1/alarms/{alarm}/decisions`: why an alarm moved, and the components with which that can be made again.

use crate::http::App;
use crate::http::guard::On;
use crate::http::problem::{Refusal, Refusals, invalid, malformed};
use crate::roles::ExplainAlarm;
use axum::Json;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, State};
use axum::http::header;
use axum::response::IntoResponse;
use davy_api::{AlarmDecisions, Backend};
use davy_domain::AlarmId;
use davy_rules::{DigestError, RuleDigest};
use std::sync::Arc;

/// The decisions that moved an alarm, first to last: what was known, which rule was asked with which settings and memory,
/// what it answered and what the statutory floor found.
#[utoipa::path(get, path = "/api/v1/alarms/{alarm}/decisions", operation_id = "listDecisions", tag = "safety",
    security(("session" = []), ("token" = [])),
    params(("alarm" = String, Path, description = "The alarm")),
    responses((status = 200, body = AlarmDecisions), Refusals))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: On<ExplainAlarm, AlarmId>,
) -> Result<Json<AlarmDecisions>, Refusal> {
    Ok(Json(app.service.decisions(&caller.viewer, caller.id).await?))
}

/// The component of a rule that decided about an alarm, to the byte.
#[utoipa::path(get, path = "/api/v1/alarms/{alarm}/rules/{digest}", operation_id = "getDecidingRule", tag = "safety",
    security(("session" = []), ("token" = [])),
    params(
        ("alarm" = String, Path, description = "The alarm"),
        ("digest" = String, Path, description = "The rule's digest from a decision of the alarm: `sha256:` and 64 digits"),
    ),
    responses((status = 200, body = Vec<u8>, content_type = "application/wasm"), Refusals))]
pub(super) async fn component(
    State(app): State<Arc<App>>,
    caller: On<ExplainAlarm, AlarmId>,
    params: Result<RawPathParams, RawPathParamsRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let params = params.map_err(|_| malformed("The path is not UTF-8 once its %-escapes are decoded."))?;
    let text = params.iter().find(|(name, _)| *name == "digest").map_or("", |(_, value)| value);
    let digest: RuleDigest = text.parse().map_err(|error: DigestError| invalid("digest", error.to_string()))?;
    let component = app.service.deciding_component(&caller.viewer, caller.id, digest).await?;
    Ok(([(header::CONTENT_TYPE, "application/wasm")], component))
}
