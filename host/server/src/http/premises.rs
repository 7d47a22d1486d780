//! `/api/v1/premises`: one premises.

use crate::http::App;
use crate::http::guard::On;
use crate::http::problem::{Refusal, Refusals};
use crate::roles::SeeDevices;
use axum::Json;
use axum::extract::State;
use davy_api::{Backend, PremisesDetail};
use davy_domain::PremisesId;
use std::sync::Arc;

/// One premises with its devices.
#[utoipa::path(get, path = "/api/v1/premises/{premises}", operation_id = "getPremises", tag = "premises", security(("session" = []), ("token" = [])),
    params(("premises" = String, Path, description = "The premises")),
    responses((status = 200, body = PremisesDetail), Refusals))]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    caller: On<SeeDevices, PremisesId>,
) -> Result<Json<PremisesDetail>, Refusal> {
    Ok(Json(app.service.premises(&caller.viewer, caller.id).await?))
}
