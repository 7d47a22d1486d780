//! `/api/v1/devices/{device}/key`: how a device's key stands, revoking it at once, and another one in its place.

use crate::http::App;
use crate::http::device_imports::attachment;
use crate::http::guard::On;
use crate::http::problem::{Refusal, Refusals};
use crate::roles::AddDevices;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use davy_api::{Backend, DeviceKey, Problem};
use davy_domain::DeviceId;
use std::sync::Arc;
use utoipa::IntoResponses;

/// The refusal of a device that speaks through a gateway, for the OpenAPI document.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "only its documentation is used")]
enum NoOwnKey {
    /// The device speaks through a gateway
    #[response(status = 409, content_type = "application/problem+json")]
    Refused(Problem),
}

/// How a device's key stands; never the key.
#[utoipa::path(get, path = "/api/v1/devices/{device}/key", operation_id = "getDeviceKey", tag = "devices",
    security(("session" = [])),
    params(("device" = String, Path, description = "The device")),
    responses((status = 200, body = DeviceKey), NoOwnKey, Refusals))]
pub(super) async fn state(
    State(app): State<Arc<App>>,
    caller: On<AddDevices, DeviceId>,
) -> Result<Json<DeviceKey>, Refusal> {
    Ok(Json(app.service.device_key(&caller.viewer, caller.id).await?))
}

/// Revokes a device's key at once: what the device sends is refused from then on, and it protects nobody until it has another key.
#[utoipa::path(post, path = "/api/v1/devices/{device}/key/revoke", operation_id = "revokeDeviceKey", tag = "devices",
    security(("session" = [], "csrf" = [])),
    params(("device" = String, Path, description = "The device")),
    responses((status = 204, description = "Revoked"), NoOwnKey, Refusals))]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    caller: On<AddDevices, DeviceId>,
) -> Result<StatusCode, Refusal> {
    app.service.revoke_key(&caller.viewer, caller.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a device another key, which the answer holds, once; the one before is heard no longer.
#[utoipa::path(post, path = "/api/v1/devices/{device}/key/replace", operation_id = "replaceDeviceKey", tag = "devices",
    security(("session" = [], "csrf" = [])),
    params(("device" = String, Path, description = "The device")),
    responses((status = 200, body = Vec<u8>, content_type = "application/json",
        description = "A JSON list of one: the device's identity and keys, with the sequence number to begin with"), NoOwnKey, Refusals))]
pub(super) async fn replace(
    State(app): State<Arc<App>>,
    caller: On<AddDevices, DeviceId>,
) -> Result<Response, Refusal> {
    let key = app.service.replace_key(&caller.viewer, caller.id).await?;
    Ok(attachment(&caller.id.to_string(), &key))
}
