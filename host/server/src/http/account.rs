//! `/api/v1/account`: one's own password, sessions and second factors.

use crate::http::App;
use crate::http::extract::{Body, Id};
use crate::http::guard::{Changer, Reader};
use crate::http::problem::{self, Refusal, Refusals};
use crate::http::sessions::SignedIn as Found;
use crate::http::sign_in::{Cookies, answer, cookies};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use davy_api::{Account, Backend, FactorCode, GeneratorOffer, PasswordChange, PasswordProof, Problem, SignedIn};
use davy_domain::SessionId;
use std::sync::Arc;

/// Refuses who guesses the password of somebody whose browser stands open.
pub(super) fn may_ask_again(app: &App, found: &Found) -> Result<(), Problem> {
    if app.desk.password_again(found.viewer.user, app.clock.now()) {
        Ok(())
    } else {
        Err(problem::too_many("The password was asked for too often; wait a few minutes and try again."))
    }
}

/// Changes the password; every other session ends, and this one goes on under another cookie.
pub(super) async fn change(app: &App, found: &Found, change: PasswordChange) -> Result<(Found, Cookies), Problem> {
    may_ask_again(app, found)?;
    app.accounts.change_password(&found.viewer, found.session.id, change.current, change.new).await?;
    let (renewed, cookie) = app.sessions.renew(&found.session).await?;
    Ok((renewed, cookies([cookie])))
}

/// One's own account.
#[utoipa::path(get, path = "/api/v1/account", operation_id = "getAccount", tag = "people", security(("session" = [])),
    responses((status = 200, body = Account), Refusals))]
pub(super) async fn account(State(app): State<Arc<App>>, Reader(found): Reader) -> Result<Json<Account>, Refusal> {
    Ok(Json(app.service.account(&found.viewer).await?))
}

/// Changes one's password. Every other session ends; this one goes on under another cookie and another CSRF token.
#[utoipa::path(put, path = "/api/v1/account/password", operation_id = "changePassword", tag = "people", request_body = PasswordChange,
    security(("session" = [], "csrf" = [])), responses((status = 200, body = SignedIn), Refusals))]
pub(super) async fn change_password(
    State(app): State<Arc<App>>,
    Changer(found): Changer,
    Body(asked): Body<PasswordChange>,
) -> Result<impl IntoResponse, Refusal> {
    let (renewed, cookies) = change(&app, &found, asked).await?;
    Ok((cookies, Json(answer(&app, &renewed)?)))
}

/// Ends all of one's sessions but this one.
#[utoipa::path(delete, path = "/api/v1/account/sessions", operation_id = "endOtherSessions", tag = "people",
    security(("session" = [], "csrf" = [])), responses((status = 204, description = "They have ended"), Refusals))]
pub(super) async fn end_other_sessions(
    State(app): State<Arc<App>>,
    Changer(found): Changer,
) -> Result<StatusCode, Refusal> {
    app.accounts.end_other_sessions(&found.viewer, found.session.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends one of one's own sessions.
#[utoipa::path(delete, path = "/api/v1/account/sessions/{session}", operation_id = "endSession", tag = "people",
    params(("session" = String, Path, description = "Its id, `ses_…`")),
    security(("session" = [], "csrf" = [])), responses((status = 204, description = "It has ended"), Refusals))]
pub(super) async fn end_session(
    State(app): State<Arc<App>>,
    Changer(found): Changer,
    Id(session): Id<SessionId>,
) -> Result<StatusCode, Refusal> {
    app.accounts.end_session(&found.viewer, session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Offers a generator of one-time passwords (RFC 6238). It counts once its first code has been given.
#[utoipa::path(post, path = "/api/v1/account/generator", operation_id = "offerGenerator", tag = "people", request_body = PasswordProof,
    security(("session" = [], "csrf" = [])), responses((status = 200, body = GeneratorOffer), Refusals))]
pub(super) async fn offer_generator(
    State(app): State<Arc<App>>,
    Changer(found): Changer,
    Body(PasswordProof { password }): Body<PasswordProof>,
) -> Result<Json<GeneratorOffer>, Refusal> {
    may_ask_again(&app, &found)?;
    Ok(Json(app.accounts.offer_generator(&found.viewer, password).await?))
}

/// Confirms the generator by its first code. The session counts as proven, and goes on under another cookie and another CSRF token.
#[utoipa::path(put, path = "/api/v1/account/generator", operation_id = "confirmGenerator", tag = "people", request_body = FactorCode,
    security(("session" = [], "csrf" = [])), responses((status = 200, body = SignedIn), Refusals))]
pub(super) async fn confirm_generator(
    State(app): State<Arc<App>>,
    Changer(found): Changer,
    Body(FactorCode { code }): Body<FactorCode>,
) -> Result<impl IntoResponse, Refusal> {
    let (proven, cookies) = confirm(&app, &found, &code).await?;
    Ok((cookies, Json(answer(&app, &proven)?)))
}

/// Confirms the generator that was offered.
pub(super) async fn confirm(app: &App, found: &Found, code: &str) -> Result<(Found, Cookies), Problem> {
    may_ask_again(app, found)?;
    app.accounts.confirm_generator(&found.viewer, code).await?;
    let (proven, cookie) = app.sessions.proven(&found.session).await?;
    Ok((proven, cookies([cookie])))
}

/// Removes the generator and its recovery codes. Needs the password, and a second factor proven lately.
#[utoipa::path(delete, path = "/api/v1/account/generator", operation_id = "removeGenerator", tag = "people", request_body = PasswordProof,
    security(("session" = [], "csrf" = [])), responses((status = 204, description = "It is gone"), Refusals))]
pub(super) async fn remove_generator(
    State(app): State<Arc<App>>,
    Changer(found): Changer,
    Body(PasswordProof { password }): Body<PasswordProof>,
) -> Result<StatusCode, Refusal> {
    may_ask_again(&app, &found)?;
    app.accounts.remove_generator(&found.viewer, password).await?;
    Ok(StatusCode::NO_CONTENT)
}
