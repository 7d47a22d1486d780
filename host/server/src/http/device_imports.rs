//! `/api/v1/device-imports`: devices from a CSV file, how far it is, why it was refused, and the keys, once.

use crate::http::App;
use crate::http::extract::{Csv, Id, Query};
use crate::http::guard::May;
use crate::http::problem::{Refusal, Refusals};
use crate::roles::AddDevices;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use davy_api::{Backend, DeviceImportItem, DeviceImports, Problem};
use davy_domain::ImportId;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoResponses;
use zeroize::Zeroizing;

/// What taking keys is answered with, for the OpenAPI document.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "only its documentation is used")]
enum Taken {
    /// A JSON list: each device's identity and keys
    #[response(status = 200, content_type = "application/json")]
    Keys(Vec<u8>),
    /// They have been taken, or given up
    #[response(status = 410, content_type = "application/problem+json")]
    Gone(Problem),
}

/// The company's files of devices, newest first.
#[utoipa::path(get, path = "/api/v1/device-imports", operation_id = "listDeviceImports", tag = "devices",
    security(("session" = [])),
    responses((status = 200, body = DeviceImports), Refusals))]
pub(super) async fn list(State(app): State<Arc<App>>, caller: May<AddDevices>) -> Result<Json<DeviceImports>, Refusal> {
    Ok(Json(app.service.device_imports(&caller.viewer).await?))
}

#[derive(Deserialize)]
pub(super) struct StartQuery {
    name: Option<String>,
}

/// Adds the devices of a CSV file, all of them or none, in the background; one line below the heading adds one device. The columns are
/// those of `docs/provisioning.md`.
#[utoipa::path(post, path = "/api/v1/device-imports", operation_id = "startDeviceImport", tag = "devices",
    security(("session" = [], "csrf" = [])),
    params(("name" = Option<String>, Query, description = "The file's name")),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 202, body = DeviceImportItem), (status = 409, body = Problem, content_type = "application/problem+json",
        description = "Another file of the company is under way"), Refusals))]
pub(super) async fn start(
    State(app): State<Arc<App>>,
    caller: May<AddDevices>,
    Query(query): Query<StartQuery>,
    Csv(text): Csv,
) -> Result<(StatusCode, Json<DeviceImportItem>), Refusal> {
    let name = query.name.unwrap_or_default();
    Ok((StatusCode::ACCEPTED, Json(app.service.start_import(&caller.viewer, &name, text).await?)))
}

/// How far a file is, with its first faults.
#[utoipa::path(get, path = "/api/v1/device-imports/{import}", operation_id = "getDeviceImport", tag = "devices",
    security(("session" = [])),
    params(("import" = String, Path, description = "The import")),
    responses((status = 200, body = DeviceImportItem), Refusals))]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    caller: May<AddDevices>,
    Id(import): Id<ImportId>,
) -> Result<Json<DeviceImportItem>, Refusal> {
    Ok(Json(app.service.import_of(&caller.viewer, import).await?))
}

/// Every fault of a file, as CSV.
#[utoipa::path(get, path = "/api/v1/device-imports/{import}/report", operation_id = "getDeviceImportReport", tag = "devices",
    security(("session" = [])),
    params(("import" = String, Path, description = "The import")),
    responses((status = 200, body = String, content_type = "text/csv"), Refusals))]
pub(super) async fn report(
    State(app): State<Arc<App>>,
    caller: May<AddDevices>,
    Id(import): Id<ImportId>,
) -> Result<impl IntoResponse, Refusal> {
    let report = app.service.import_report(&caller.viewer, import).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{import}.csv\"")),
    ];
    // Spreadsheets take a file without the mark for one of the system's own encoding.
    Ok((headers, format!("\u{feff}{report}")))
}

/// Takes the keys of a file's devices: once. Nothing gives them again.
#[utoipa::path(post, path = "/api/v1/device-imports/{import}/credentials", operation_id = "takeDeviceCredentials",
    tag = "devices", security(("session" = [], "csrf" = [])),
    params(("import" = String, Path, description = "The import")),
    responses(Taken, Refusals))]
pub(super) async fn credentials(
    State(app): State<Arc<App>>,
    caller: May<AddDevices>,
    Id(import): Id<ImportId>,
) -> Result<Response, Refusal> {
    let keys = app.service.take_credentials(&caller.viewer, import).await?;
    Ok(attachment(&import.to_string(), &keys))
}

/// Keys on their way to a file, kept by nobody else.
pub(super) fn attachment(name: &str, keys: &Zeroizing<Vec<u8>>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}-keys.json\"")),
    ];
    (headers, keys.to_vec()).into_response()
}
