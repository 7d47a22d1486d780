//! `/api/v1/premises`: one premises, and closing every valve of it.

use crate::http::App;
use crate::http::extract::Id;
use crate::http::guard::{May, Reader};
use crate::http::problem::{Refusal, Refusals};
use crate::roles::CloseValve;
use axum::Json;
use axum::extract::State;
use davy_api::{Backend, CloseReceipt, PremisesDetail, Problem};
use davy_domain::PremisesId;
use std::sync::Arc;

/// One premises with its devices.
#[utoipa::path(get, path = "/api/v1/premises/{premises}", operation_id = "getPremises", tag = "premises", security(("session" = [])),
    params(("premises" = String, Path, description = "The premises")),
    responses((status = 200, body = PremisesDetail), Refusals))]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Reader(signed_in): Reader,
    Id(premises): Id<PremisesId>,
) -> Result<Json<PremisesDetail>, Refusal> {
    Ok(Json(app.service.premises(&signed_in.viewer, premises).await?))
}

/// Orders every valve of the premises to close.
#[utoipa::path(post, path = "/api/v1/premises/{premises}/close", operation_id = "closePremises", tag = "premises",
    security(("session" = [], "csrf" = [])),
    params(("premises" = String, Path, description = "The premises")),
    responses(
        (status = 200, body = CloseReceipt),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "There is no valve to close from here"),
        Refusals,
    ))]
pub(super) async fn close(
    State(app): State<Arc<App>>,
    caller: May<CloseValve>,
    Id(premises): Id<PremisesId>,
) -> Result<Json<CloseReceipt>, Refusal> {
    Ok(Json(app.service.close_premises(&caller.viewer, premises).await?))
}
