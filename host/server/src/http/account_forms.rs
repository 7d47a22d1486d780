//! Plain forms for one's own account, and for the second step and the way back in: the same operations as the REST routes, answered by a
//! redirect.

use crate::http::App;
use crate::http::account::{change, confirm, may_ask_again};
use crate::http::extract::Form;
use crate::http::flash::{Outcome, back, to_second_factor, to_sign_in, word};
use crate::http::forms::sender;
use crate::http::guard::{Client, Reader, SameSite};
use crate::http::problem::Refusal;
use crate::http::reset;
use crate::http::sessions::SignedIn;
use crate::http::sign_in::prove;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use davy_api::{PasswordChange, Problem};
use davy_domain::SessionId;
use serde::Deserialize;
use std::sync::Arc;

/// The page of one's own account.
const ACCOUNT: &str = "/account";

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/sign-in/code", post(code))
        .route("/sign-in/forgot", post(forgot))
        .route("/sign-in/reset", post(set_password))
        .route("/account/password", post(password))
        .route("/account/sessions/end", post(end_session))
        .route("/account/sessions/end-others", post(end_others))
        .route("/account/generator/offer", post(offer))
        .route("/account/generator/confirm", post(confirm_generator))
        .route("/account/generator/remove", post(remove))
}

#[derive(Deserialize)]
struct CodeForm {
    #[serde(default)]
    code: String,
    next: Option<String>,
}

async fn code(
    State(app): State<Arc<App>>,
    _: SameSite,
    client: Client,
    headers: HeaderMap,
    Form(form): Form<CodeForm>,
) -> Result<Response, Refusal> {
    let next = form.next.as_deref();
    let found = app.sessions.find_any(&headers).await.map_err(crate::backend::stored)?;
    let Some(found) = found else {
        return Ok(to_sign_in(next, "signed-out").into_response());
    };
    Ok(match prove(&app, client, &headers, &found.session, &form.code).await {
        Ok(entered) => (entered.cookies, back(next, Outcome::Silent)).into_response(),
        Err(refused) => to_second_factor(next, Some(word(&refused))).into_response(),
    })
}

#[derive(Deserialize)]
struct ForgotForm {
    #[serde(default)]
    login: String,
}

async fn forgot(State(app): State<Arc<App>>, _: SameSite, client: Client, Form(form): Form<ForgotForm>) -> Redirect {
    match reset::send(&app, client, form.login) {
        Ok(()) => back(Some("/sign-in/forgot"), Outcome::Done("reset-sent")),
        Err(refused) => back(Some("/sign-in/forgot"), Outcome::Failed(word(&refused))),
    }
}

#[derive(Deserialize)]
struct ResetForm {
    #[serde(default)]
    token: String,
    #[serde(default)]
    password: String,
}

async fn set_password(
    State(app): State<Arc<App>>,
    _: SameSite,
    client: Client,
    headers: HeaderMap,
    Form(form): Form<ResetForm>,
) -> Response {
    match reset::set(&app, client, &headers, &form.token, form.password).await {
        Ok(cookies) => (cookies, back(Some("/sign-in"), Outcome::Done("password"))).into_response(),
        Err(refused) => {
            // Only what a token can be goes back into the address.
            let token: String = form.token.chars().filter(char::is_ascii_hexdigit).take(64).collect();
            back(Some(&format!("/sign-in/reset?token={token}")), Outcome::Failed(word(&refused))).into_response()
        }
    }
}

#[derive(Deserialize)]
struct PasswordForm {
    csrf: Option<String>,
    #[serde(default)]
    current: String,
    #[serde(default)]
    new: String,
}

async fn password(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(form): Form<PasswordForm>,
) -> Response {
    let found = match account_holder(reader, form.csrf.as_deref()) {
        Ok(found) => found,
        Err(elsewhere) => return elsewhere.into_response(),
    };
    let asked = PasswordChange { current: form.current, new: form.new };
    match change(&app, &found, asked).await {
        Ok((_, cookies)) => (cookies, back(Some(ACCOUNT), Outcome::Done("password"))).into_response(),
        Err(refused) => back(Some(ACCOUNT), Outcome::Failed(word(&refused))).into_response(),
    }
}

fn account_holder(reader: Result<Reader, Refusal>, csrf: Option<&str>) -> Result<SignedIn, Redirect> {
    sender(reader, csrf, Some(ACCOUNT))
}

fn told(outcome: Result<(), Problem>, done: &str) -> Redirect {
    match outcome {
        Ok(()) => back(Some(ACCOUNT), Outcome::Done(done)),
        Err(refused) => back(Some(ACCOUNT), Outcome::Failed(word(&refused))),
    }
}

#[derive(Deserialize)]
struct SessionForm {
    csrf: Option<String>,
    session: SessionId,
}

async fn end_session(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(form): Form<SessionForm>,
) -> Redirect {
    match account_holder(reader, form.csrf.as_deref()) {
        Ok(found) => told(app.accounts.end_session(&found.viewer, form.session).await, "session-ended"),
        Err(elsewhere) => elsewhere,
    }
}

#[derive(Deserialize)]
struct CsrfForm {
    csrf: Option<String>,
}

async fn end_others(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(form): Form<CsrfForm>,
) -> Redirect {
    match account_holder(reader, form.csrf.as_deref()) {
        Ok(found) => {
            let ended = app.accounts.end_other_sessions(&found.viewer, found.session.id).await;
            told(ended.map(drop), "session-ended")
        }
        Err(elsewhere) => elsewhere,
    }
}

#[derive(Deserialize)]
struct ProofForm {
    csrf: Option<String>,
    #[serde(default)]
    password: String,
}

async fn offer(State(app): State<Arc<App>>, reader: Result<Reader, Refusal>, Form(form): Form<ProofForm>) -> Redirect {
    let found = match account_holder(reader, form.csrf.as_deref()) {
        Ok(found) => found,
        Err(elsewhere) => return elsewhere,
    };
    let offered = match may_ask_again(&app, &found) {
        Ok(()) => app.accounts.offer_generator(&found.viewer, form.password).await.map(drop),
        Err(refused) => Err(refused),
    };
    match offered {
        Ok(()) => back(Some(ACCOUNT), Outcome::Silent),
        Err(refused) => told(Err(refused), ""),
    }
}

#[derive(Deserialize)]
struct ConfirmForm {
    csrf: Option<String>,
    #[serde(default)]
    code: String,
}

async fn confirm_generator(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(form): Form<ConfirmForm>,
) -> Response {
    let found = match account_holder(reader, form.csrf.as_deref()) {
        Ok(found) => found,
        Err(elsewhere) => return elsewhere.into_response(),
    };
    match confirm(&app, &found, &form.code).await {
        Ok((_, cookies)) => (cookies, told(Ok(()), "generator")).into_response(),
        Err(refused) => told(Err(refused), "").into_response(),
    }
}

async fn remove(State(app): State<Arc<App>>, reader: Result<Reader, Refusal>, Form(form): Form<ProofForm>) -> Redirect {
    let found = match account_holder(reader, form.csrf.as_deref()) {
        Ok(found) => found,
        Err(elsewhere) => return elsewhere,
    };
    let removed = match may_ask_again(&app, &found) {
        Ok(()) => app.accounts.remove_generator(&found.viewer, form.password).await,
        Err(refused) => Err(refused),
    };
    told(removed, "generator-removed")
}
