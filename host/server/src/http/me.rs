//! `GET /api/v1/me`

use crate::http::App;
use crate::http::guard::Reader;
use crate::http::problem::{Refusal, Refusals};
use axum::Json;
use axum::extract::State;
use davy_api::{Backend, Person};
use std::sync::Arc;

/// Who is signed in.
#[utoipa::path(get, path = "/api/v1/me", operation_id = "getMe", tag = "people", security(("session" = [])),
    responses((status = 200, body = Person), Refusals))]
pub(super) async fn me(State(app): State<Arc<App>>, Reader(signed_in): Reader) -> Result<Json<Person>, Refusal> {
    Ok(Json(app.service.me(&signed_in.viewer).await?))
}
