//! `/api/v1/people`: a company's people and their roles.

use crate::accounts::refuse_weak;
use crate::http::App;
use crate::http::extract::Body;
use crate::http::guard::{May, On};
use crate::http::problem::{Refusal, Refusals, internal};
use crate::roles::{ChangePeople, DemandFactor, SeePeople};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use davy_api::{Backend, FactorDemand, NewPerson, People, PersonItem, Problem, RolesChange};
use davy_domain::UserId;
use std::sync::Arc;
use utoipa::IntoResponses;
use zeroize::Zeroizing;

/// What a change that may be refused is answered with, for the OpenAPI document.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "only its documentation is used")]
pub(super) enum Changed {
    /// As it is now
    #[response(status = 200)]
    Done(PersonItem),
    /// Not now, or not by this person: `reason` says which
    #[response(status = 409, content_type = "application/problem+json")]
    Refused(Problem),
}

/// The company's people and property managers, with the communities there are.
#[utoipa::path(get, path = "/api/v1/people", operation_id = "listPeople", tag = "people", security(("session" = []), ("token" = [])),
    responses((status = 200, body = People), Refusals))]
pub(super) async fn list(State(app): State<Arc<App>>, caller: May<SeePeople>) -> Result<Json<People>, Refusal> {
    Ok(Json(app.service.people(&caller.viewer).await?))
}

/// Hashes a password that was chosen for somebody, unless it is one that is tried first.
pub(super) async fn password_hash(app: &App, password: String, email: &str, name: &str) -> Result<String, Problem> {
    let password = Zeroizing::new(password);
    refuse_weak(&password, email, name)?;
    app.accounts.passwords.hash(password).await.map_err(|error| {
        tracing::error!(%error, "a password could not be hashed");
        internal()
    })
}

/// Enters somebody.
#[utoipa::path(post, path = "/api/v1/people", operation_id = "addPerson", tag = "people",
    security(("session" = [], "csrf" = []), ("token" = [])),
    request_body = NewPerson, responses((status = 201, body = PersonItem), Refusals))]
pub(super) async fn add(
    State(app): State<Arc<App>>,
    caller: May<ChangePeople>,
    Body(mut new): Body<NewPerson>,
) -> Result<(StatusCode, Json<PersonItem>), Refusal> {
    let hash = password_hash(&app, std::mem::take(&mut new.password), &new.email, &new.name).await?;
    Ok((StatusCode::CREATED, Json(app.service.add_person(&caller.viewer, new, hash).await?)))
}

/// Gives somebody other roles; their sessions end. Nobody changes their own.
#[utoipa::path(put, path = "/api/v1/people/{person}/roles", operation_id = "changeRoles", tag = "people",
    security(("session" = [], "csrf" = []), ("token" = [])),
    params(("person" = String, Path, description = "Who")),
    request_body = RolesChange, responses(Changed, Refusals))]
pub(super) async fn roles(
    State(app): State<Arc<App>>,
    caller: On<ChangePeople, UserId>,
    Body(change): Body<RolesChange>,
) -> Result<Json<PersonItem>, Refusal> {
    Ok(Json(app.service.change_roles(&caller.viewer, caller.id, &change).await?))
}

/// Ends somebody's access at once: sessions, tokens, everything. What they did stays.
#[utoipa::path(delete, path = "/api/v1/people/{person}", operation_id = "endAccess", tag = "people",
    security(("session" = [], "csrf" = []), ("token" = [])),
    params(("person" = String, Path, description = "Who")),
    responses((status = 204, description = "Ended"), Refusals))]
pub(super) async fn end(State(app): State<Arc<App>>, caller: On<ChangePeople, UserId>) -> Result<StatusCode, Refusal> {
    app.service.end_access(&caller.viewer, caller.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says what the company's staff may not do without a second factor, from their next request on. Who demands one has proven one.
#[utoipa::path(put, path = "/api/v1/people/second-factor", operation_id = "demandSecondFactor", tag = "people",
    security(("session" = [], "csrf" = [])),
    request_body = FactorDemand, responses((status = 204, description = "Set"), Refusals))]
pub(super) async fn demand(
    State(app): State<Arc<App>>,
    caller: May<DemandFactor>,
    Body(FactorDemand { policy }): Body<FactorDemand>,
) -> Result<StatusCode, Refusal> {
    app.accounts.demand(&caller.viewer, policy).await?;
    Ok(StatusCode::NO_CONTENT)
}
