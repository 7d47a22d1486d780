//! `POST …/close`: closing the valves of a device or of a premises. There is no opposite.

use crate::http::App;
use crate::http::guard::On;
use crate::http::problem::{Refusal, Refusals};
use crate::roles::CloseValve;
use axum::Json;
use axum::extract::State;
use davy_api::{Backend, CloseReceipt, Problem, ValvesOf, Viewer};
use davy_domain::{DeviceId, PremisesId};
use std::sync::Arc;
use utoipa::IntoResponses;

/// What a close is answered with, for the OpenAPI document.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "only its documentation is used")]
enum Closed {
    /// The orders, also those that were under way
    #[response(status = 200)]
    Ordered(CloseReceipt),
    /// There is no valve to close from here
    #[response(status = 409, content_type = "application/problem+json")]
    NoValve(Problem),
}

async fn close(app: &App, viewer: &Viewer, of: ValvesOf) -> Result<Json<CloseReceipt>, Refusal> {
    Ok(Json(app.service.close(viewer, of).await?))
}

/// Orders the device's own valve, or the valves linked to it, to close.
#[utoipa::path(post, path = "/api/v1/devices/{device}/close", operation_id = "closeDevice", tag = "devices",
    security(("session" = [], "csrf" = []), ("token" = [])),
    params(("device" = String, Path, description = "The device")),
    responses(Closed, Refusals))]
pub(super) async fn device(
    State(app): State<Arc<App>>,
    caller: On<CloseValve, DeviceId>,
) -> Result<Json<CloseReceipt>, Refusal> {
    close(&app, &caller.viewer, ValvesOf::Device(caller.id)).await
}

/// Orders every valve of the premises to close.
#[utoipa::path(post, path = "/api/v1/premises/{premises}/close", operation_id = "closePremises", tag = "premises",
    security(("session" = [], "csrf" = []), ("token" = [])),
    params(("premises" = String, Path, description = "The premises")),
    responses(Closed, Refusals))]
pub(super) async fn premises(
    State(app): State<Arc<App>>,
    caller: On<CloseValve, PremisesId>,
) -> Result<Json<CloseReceipt>, Refusal> {
    close(&app, &caller.viewer, ValvesOf::Premises(caller.id)).await
}
