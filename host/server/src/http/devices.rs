//! `/api/v1/devices`: the list, one device, its series.

use crate::http::App;
use crate::http::extract::Query;
use crate::http::guard::{May, On};
use crate::http::problem::{Refusal, Refusals};
use crate::roles::SeeDevices;
use axum::Json;
use axum::extract::State;
use davy_api::{Backend, DeviceDetail, DevicePage, DeviceQuery, Series, SeriesQuery};
use davy_domain::DeviceId;
use std::sync::Arc;

/// Devices.
#[utoipa::path(get, path = "/api/v1/devices", operation_id = "listDevices", tag = "devices", security(("session" = []), ("token" = [])),
    params(
        ("kind" = Option<String>, Query, description = "Only devices of this kind, such as `detector`"),
        ("q" = Option<String>, Query, description = "Part of a serial number, an address or a community"),
        ("after" = Option<String>, Query, description = "The `next` of the page before"),
        ("limit" = Option<u32>, Query, description = "At most so many, 1 to 200; 50 unless told"),
    ),
    responses((status = 200, body = DevicePage), Refusals))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: May<SeeDevices>,
    Query(query): Query<DeviceQuery>,
) -> Result<Json<DevicePage>, Refusal> {
    Ok(Json(app.service.devices(&caller.viewer, query).await?))
}

/// One device with its newest values, alarms and commands.
#[utoipa::path(get, path = "/api/v1/devices/{device}", operation_id = "getDevice", tag = "devices", security(("session" = []), ("token" = [])),
    params(("device" = String, Path, description = "The device")),
    responses((status = 200, body = DeviceDetail), Refusals))]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    caller: On<SeeDevices, DeviceId>,
) -> Result<Json<DeviceDetail>, Refusal> {
    Ok(Json(app.service.device(&caller.viewer, caller.id).await?))
}

/// Readings of one quantity in the order of time.
#[utoipa::path(get, path = "/api/v1/devices/{device}/series", operation_id = "getSeries", tag = "devices", security(("session" = []), ("token" = [])),
    params(
        ("device" = String, Path, description = "The device"),
        ("quantity" = String, Query, description = "What, such as `gas` or `temperature`"),
        ("from" = Option<i64>, Query, description = "From, milliseconds; 24 h before `to` unless told"),
        ("to" = Option<i64>, Query, description = "To (exclusive), milliseconds; now unless told"),
        ("limit" = Option<u32>, Query, description = "At most so many samples, 2 to 10,000; 2,000 unless told"),
    ),
    responses((status = 200, body = Series), Refusals))]
pub(super) async fn series(
    State(app): State<Arc<App>>,
    caller: On<SeeDevices, DeviceId>,
    Query(query): Query<SeriesQuery>,
) -> Result<Json<Series>, Refusal> {
    Ok(Json(app.service.series(&caller.viewer, caller.id, query).await?))
}
