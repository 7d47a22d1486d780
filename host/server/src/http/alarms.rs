//! `/api/v1/alarms`: the list, acknowledging and resetting.

use crate::http::App;
use crate::http::extract::Query;
use crate::http::guard::{May, On};
use crate::http::problem::{Refusal, Refusals};
use crate::roles::{AcknowledgeAlarm, ResetAlarm, SeeAlarms};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use davy_api::{AlarmPage, AlarmQuery, Backend, Problem};
use davy_domain::AlarmId;
use std::sync::Arc;

/// Alarms, newest first: the active ones unless the history is asked for.
#[utoipa::path(get, path = "/api/v1/alarms", operation_id = "listAlarms", tag = "safety", security(("session" = []), ("token" = [])),
    params(
        ("history" = Option<bool>, Query, description = "Whether past alarms are listed too; false unless told"),
        ("device" = Option<String>, Query, description = "Only alarms of this device"),
        ("after" = Option<String>, Query, description = "The `next` of the page before"),
        ("limit" = Option<u32>, Query, description = "At most so many, 1 to 200; 50 unless told"),
    ),
    responses((status = 200, body = AlarmPage), Refusals))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: May<SeeAlarms>,
    Query(query): Query<AlarmQuery>,
) -> Result<Json<AlarmPage>, Refusal> {
    Ok(Json(app.service.alarms(&caller.viewer, query).await?))
}

/// Says that a person has seen the alarm.
#[utoipa::path(post, path = "/api/v1/alarms/{alarm}/acknowledge", operation_id = "acknowledgeAlarm", tag = "safety",
    security(("session" = [], "csrf" = []), ("token" = [])),
    params(("alarm" = String, Path, description = "The alarm")),
    responses(
        (status = 204, description = "Acknowledged"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The alarm's state does not allow it"),
        Refusals,
    ))]
pub(super) async fn acknowledge(
    State(app): State<Arc<App>>,
    caller: On<AcknowledgeAlarm, AlarmId>,
) -> Result<StatusCode, Refusal> {
    app.service.acknowledge(&caller.viewer, caller.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Resets a latched alarm; refused while readings are not low and fresh.
#[utoipa::path(post, path = "/api/v1/alarms/{alarm}/reset", operation_id = "resetAlarm", tag = "safety",
    security(("session" = [], "csrf" = []), ("token" = [])),
    params(("alarm" = String, Path, description = "The alarm")),
    responses(
        (status = 204, description = "Reset"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "Readings are not low and fresh, or nothing is latched"),
        Refusals,
    ))]
pub(super) async fn reset(State(app): State<Arc<App>>, caller: On<ResetAlarm, AlarmId>) -> Result<StatusCode, Refusal> {
    app.service.reset(&caller.viewer, caller.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
