//! `/api/v1/tenants`: the companies of the platform, and what becomes of them; the same as plain forms.

use crate::http::App;
use crate::http::extract::{Body, Form, Id};
use crate::http::flash::{Outcome, back, word};
use crate::http::forms::sender;
use crate::http::guard::{May, Reader};
use crate::http::problem::{Refusal, Refusals};
use crate::roles::{DeleteTenants, SeeTenants, SuspendTenants};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::post;
use axum::{Json, Router};
use davy_api::{Backend, Decision, Problem, Standing, Tenants, Viewer};
use davy_domain::TenantId;
use serde::Deserialize;
use std::sync::Arc;

const PAGE: &str = "/tenants";

pub(super) fn forms() -> Router<Arc<App>> {
    Router::new()
        .route("/actions/tenants/standing", post(standing_form))
        .route("/actions/tenants/deletion", post(deletion_form))
}

/// The companies of the platform, in figures: nobody's data; and those that were deleted, with the proof.
#[utoipa::path(get, path = "/api/v1/tenants", operation_id = "listTenants", tag = "companies", security(("session" = []), ("token" = [])),
    responses((status = 200, body = Tenants), Refusals))]
pub(super) async fn list(State(app): State<Arc<App>>, caller: May<SeeTenants>) -> Result<Json<Tenants>, Refusal> {
    Ok(Json(app.service.tenants(&caller.viewer).await?))
}

/// Locks a company's people and machines out, or lets them in again. Its devices stay protected: leaks close valves, the regulator sees
/// and acts. By a person, not by a token.
#[utoipa::path(put, path = "/api/v1/tenants/{tenant}/standing", operation_id = "setTenantStanding", tag = "companies",
    security(("session" = [], "csrf" = [])),
    params(("tenant" = String, Path, description = "The company")),
    request_body = Standing, responses(
        (status = 204, description = "So it is"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "A deletion stands"),
        Refusals))]
pub(super) async fn standing(
    State(app): State<Arc<App>>,
    caller: May<SuspendTenants>,
    Id(tenant): Id<TenantId>,
    Body(wanted): Body<Standing>,
) -> Result<StatusCode, Refusal> {
    app.service.set_standing(&caller.viewer, tenant, wanted.suspended).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks for the deletion of a suspended company (`ask`), or decides about it: `approve` by another administrator within 30 minutes,
/// `decline`, `withdraw`. Approved, it waits (`tenants.deletion-wait`) and can be taken back by any of them until it is carried out.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/deletion", operation_id = "actOnTenantDeletion", tag = "companies",
    security(("session" = [], "csrf" = [])),
    params(("tenant" = String, Path, description = "The company")),
    request_body = Decision, responses(
        (status = 204, description = "So it is"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "Not now, or not by this person: `reason` says which"),
        Refusals))]
pub(super) async fn deletion(
    State(app): State<Arc<App>>,
    caller: May<DeleteTenants>,
    Id(tenant): Id<TenantId>,
    Body(decision): Body<Decision>,
) -> Result<StatusCode, Refusal> {
    app.service.act_on_deletion(&caller.viewer, tenant, &decision.act).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct TenantForm {
    csrf: Option<String>,
    tenant: TenantId,
    act: String,
}

async fn standing_form(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(form): Form<TenantForm>,
) -> Redirect {
    let suspended = form.act == "suspend";
    let act = async |viewer: Viewer| app.service.set_standing(&viewer, form.tenant, suspended).await;
    sent(reader, &form, if suspended { "suspended" } else { "resumed" }, act).await
}

async fn deletion_form(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(form): Form<TenantForm>,
) -> Redirect {
    let act = async |viewer: Viewer| app.service.act_on_deletion(&viewer, form.tenant, &form.act).await;
    sent(reader, &form, if form.act == "ask" { "asked" } else { "decided" }, act).await
}

async fn sent(
    reader: Result<Reader, Refusal>,
    form: &TenantForm,
    done: &str,
    act: impl AsyncFnOnce(Viewer) -> Result<(), Problem>,
) -> Redirect {
    match sender(reader, form.csrf.as_deref(), Some(PAGE)) {
        Ok(signed_in) => match act(signed_in.viewer).await {
            Ok(()) => back(Some(PAGE), Outcome::Done(done)),
            Err(refused) => back(Some(PAGE), Outcome::Failed(word(&refused))),
        },
        Err(elsewhere) => elsewhere,
    }
}
