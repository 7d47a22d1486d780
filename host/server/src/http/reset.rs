//! `/api/v1/password-reset`: the way back in for who has forgotten the password.

use crate::http::App;
use crate::http::extract::Body;
use crate::http::guard::{Client, SameSite};
use crate::http::problem::{self, Refusal, Refusals};
use crate::http::sign_in::{Cookies, cookies};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use davy_api::{Problem, ResetRedemption, ResetRequest};
use std::sync::Arc;

/// Longest name that somebody signs in with.
const LONGEST_LOGIN: usize = 254;

/// Has a letter sent, if anybody has the name. The answer comes before that is looked up, so that it tells nothing.
pub(super) fn send(app: &Arc<App>, client: Client, login: String) -> Result<(), Problem> {
    if login.trim().is_empty() || login.len() > LONGEST_LOGIN {
        return Err(problem::invalid("login", format!("expected 1 to {LONGEST_LOGIN} bytes, got {}", login.len())));
    }
    if !app.desk.letter(&login, client.limit_key(), app.clock.now()) {
        return Err(problem::too_many(
            "Too many letters were asked for; wait for the last one, or try again in an hour.",
        ));
    }
    let accounts = Arc::clone(&app.accounts);
    tokio::spawn(async move {
        if let Err(problem) = accounts.send_reset(&login).await {
            tracing::warn!(problem = problem.kind, "a way back in could not be sent");
        }
    });
    Ok(())
}

/// Sets a new password by a token.
/// Whoever holds the token has the person's mail: this browser is then one of theirs.
pub(super) async fn set(
    app: &App,
    client: Client,
    headers: &HeaderMap,
    token: &str,
    password: String,
) -> Result<Cookies, Problem> {
    if !app.desk.token(client.limit_key(), app.clock.now()) {
        return Err(problem::too_many("Too many attempts from here; wait a few minutes and try again."));
    }
    let user = app.accounts.redeem_reset(token, password).await?;
    Ok(cookies([app.sessions.remember(user.id, headers).await?]))
}

/// Asks for a letter with a way back in. The answer is the same whether or not anybody has that name.
#[utoipa::path(post, path = "/api/v1/password-reset", operation_id = "askForPasswordReset", tag = "people", request_body = ResetRequest,
    responses((status = 202, description = "If somebody has that name, a letter is on its way"), Refusals))]
pub(super) async fn ask(
    State(app): State<Arc<App>>,
    _: SameSite,
    client: Client,
    Body(ResetRequest { login }): Body<ResetRequest>,
) -> Result<StatusCode, Refusal> {
    send(&app, client, login)?;
    Ok(StatusCode::ACCEPTED)
}

/// Sets a new password by the token of a letter. It is good once; every session of the person ends.
#[utoipa::path(post, path = "/api/v1/password-reset/redeem", operation_id = "resetPassword", tag = "people", request_body = ResetRedemption,
    responses((status = 204, description = "The new password holds"), Refusals))]
pub(super) async fn redeem(
    State(app): State<Arc<App>>,
    _: SameSite,
    client: Client,
    headers: HeaderMap,
    Body(ResetRedemption { token, password }): Body<ResetRedemption>,
) -> Result<impl IntoResponse, Refusal> {
    let cookies = set(&app, client, &headers, &token, password).await?;
    Ok((StatusCode::NO_CONTENT, cookies))
}
