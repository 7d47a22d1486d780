//! `GET /api/v1/overview`

use crate::http::App;
use crate::http::guard::May;
use crate::http::problem::{Refusal, Refusals};
use crate::roles::SeeAlarms;
use axum::Json;
use axum::extract::State;
use davy_api::{Backend, Overview};
use std::sync::Arc;

/// Figures of everything that the signed-in person may see, in all and by division.
#[utoipa::path(get, path = "/api/v1/overview", operation_id = "getOverview", tag = "safety", security(("session" = []), ("token" = [])),
    responses((status = 200, body = Overview), Refusals))]
pub(super) async fn overview(State(app): State<Arc<App>>, caller: May<SeeAlarms>) -> Result<Json<Overview>, Refusal> {
    Ok(Json(app.service.overview(&caller.viewer).await?))
}
