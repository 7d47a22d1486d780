//! `/api/v1/usage`: what a company uses of what all companies share.

use crate::http::App;
use crate::http::guard::May;
use crate::http::problem::{Refusal, Refusals};
use crate::roles::SeeUsage;
use axum::Json;
use axum::extract::State;
use davy_api::{Backend, Usage};
use std::sync::Arc;

/// What the company uses, and where its shares end.
#[utoipa::path(get, path = "/api/v1/usage", operation_id = "getUsage", tag = "people", security(("session" = []), ("token" = [])),
    responses((status = 200, body = Usage), Refusals))]
pub(super) async fn usage(State(app): State<Arc<App>>, caller: May<SeeUsage>) -> Result<Json<Usage>, Refusal> {
    Ok(Json(app.service.usage(&caller.viewer).await?))
}
