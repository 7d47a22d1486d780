//! `/api/v1/session`: signing in, asking who is signed in, signing out; and the session of a page's request.

use crate::accounts::{Proven, wrong_code};
use crate::http::App;
use crate::http::desk::{Source, Who};
use crate::http::extract::Body;
use crate::http::guard::{Changer, Claimant, Client, Reader, SameSite};
use crate::http::passwords::{Checked, LONGEST};
use crate::http::problem::{self, Refusal, Refusals};
use crate::http::sessions::{self, Shown};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{AppendHeaders, IntoResponse, Response};
use davy_api::{FactorCode, Problem, SignIn, SignedIn};
use davy_domain::ledger::{self, Chain};
use davy_domain::{TenantId, UserId};
use davy_store::Session;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Longest e-mail address (RFC 5321).
const LONGEST_EMAIL: usize = 254;

/// Who has come in, and what the browser is to keep.
pub(super) struct Entered {
    pub(super) signed_in: sessions::SignedIn,
    pub(super) cookies: Cookies,
}

/// Cookies to set.
pub(super) type Cookies = AppendHeaders<Vec<(HeaderName, HeaderValue)>>;

pub(super) fn cookies(values: impl IntoIterator<Item = HeaderValue>) -> Cookies {
    AppendHeaders(values.into_iter().map(|value| (header::SET_COOKIE, value)).collect())
}

/// Signs in and gives the session's cookie. Whether anybody has the name that was given, neither the answer nor what it takes tells.
pub(super) async fn enter(
    app: &App,
    client: Client,
    headers: &HeaderMap,
    credentials: SignIn,
) -> Result<Entered, Problem> {
    let password = Zeroizing::new(credentials.password);
    let login = credentials.email.trim().to_lowercase();
    if login.is_empty() || login.len() > LONGEST_EMAIL {
        return Err(problem::invalid("email", format!("expected 1 to {LONGEST_EMAIL} bytes, got {}", login.len())));
    }
    if password.is_empty() || password.chars().count() > LONGEST {
        return Err(problem::invalid("password", format!("expected 1 to {LONGEST} characters")));
    }
    let (now, from) = (app.clock.now(), client.limit_key());
    let user = app.store.user_by_login(&login).await.map_err(crate::backend::stored)?;
    let nobody = UserId::from_raw(0);
    let source = source(app, headers, client, user.as_ref().map_or(nobody, |user| user.id)).await?;
    let who = user.as_ref().map_or_else(|| Who::Name(login), |user| Who::Person(user.id));
    if !app.desk.password(&who, source, now) {
        metrics::counter!("davy_sign_ins_total", "outcome" => "refused").increment(1);
        return Err(problem::too_many(
            "Too many attempts to sign in. Wait a few minutes, use a browser that you have signed in with before, or set a new password.",
        ));
    }
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let known = user.as_ref().map(|user| (user.id, user.scope.tenant()));
    let checked = app.accounts.passwords.check(password, hash).await.map_err(|error| {
        tracing::error!(%error, "a password could not be checked");
        problem::internal()
    })?;
    let (Some(user), Checked::Right { rehashed }) = (user, checked) else {
        metrics::counter!("davy_sign_ins_total", "outcome" => "wrong").increment(1);
        tracing::info!(client = %from, "a sign-in failed");
        refused(app, known).await?;
        return Err(Problem::new("credentials", 401, "Wrong e-mail or password", "E-mail and password do not match."));
    };
    app.desk.signed_in(&who, source);
    if let Some(hash) = rehashed {
        app.store.set_password_hash(user.id, &hash).await.map_err(crate::backend::stored)?;
    }
    let has_factor = app.store.has_second_factor(user.id).await.map_err(crate::backend::stored)?;
    let shown = if has_factor { Shown::PasswordOfTwo } else { Shown::Password };
    let (signed_in, cookie) = app.sessions.open(&user, shown, client.0, headers).await?;
    if has_factor {
        return Ok(Entered { signed_in, cookies: cookies([cookie]) });
    }
    metrics::counter!("davy_sign_ins_total", "outcome" => "right").increment(1);
    tracing::info!(user.id = %user.id, roles = %user.roles, "signed in");
    let known = app.sessions.remember(user.id, headers).await?;
    Ok(Entered { signed_in, cookies: cookies([cookie, known]) })
}

/// Enters that a sign-in was refused: in the chain of the account's company, or in the platform's when there is no such account. What
/// was typed is not kept: it may be a password in the wrong field.
async fn refused(app: &App, account: Option<(UserId, Option<TenantId>)>) -> Result<(), Problem> {
    let (account, tenant) = account.unzip();
    let why = if account.is_some() { ledger::Refusal::WrongPassword } else { ledger::Refusal::NobodyKnown };
    let (chain, act) = (Chain::from(tenant.flatten()), ledger::Act::SignInRefused { account, why });
    let entered = app.store.enter(chain, app.clock.now(), ledger::Actor::Unknown, &act).await;
    entered.map(drop).map_err(crate::backend::stored)
}

/// Where somebody tries from.
async fn source(app: &App, headers: &HeaderMap, client: Client, user: UserId) -> Result<Source, Problem> {
    let address = Source::Address(client.limit_key());
    let Some(device) = app.sessions.device(headers) else { return Ok(address) };
    let known = app.store.knows_device(&device, user).await.map_err(crate::backend::stored)?;
    Ok(if known { Source::Known(device) } else { address })
}

/// Proves a second factor in a session, whole or waiting for it. The session gets another token.
pub(super) async fn prove(
    app: &App,
    client: Client,
    headers: &HeaderMap,
    session: &Session,
    code: &str,
) -> Result<Entered, Problem> {
    let source = source(app, headers, client, session.user).await?;
    if !app.desk.code(session.user, source, app.clock.now()) {
        return Err(problem::too_many("Too many codes were tried; wait a few minutes and try again."));
    }
    if app.accounts.prove(session.user, code).await? == Proven::Nothing {
        tracing::info!(client = %client.limit_key(), user.id = %session.user, "a second factor was not proven");
        return Err(wrong_code());
    }
    app.desk.proven(session.user, source);
    let (signed_in, cookie) = app.sessions.proven(session).await?;
    if session.waits_for_factor {
        metrics::counter!("davy_sign_ins_total", "outcome" => "right").increment(1);
        tracing::info!(user.id = %session.user, "signed in with a second factor");
    }
    let known = app.sessions.remember(session.user, headers).await?;
    Ok(Entered { signed_in, cookies: cookies([cookie, known]) })
}

pub(super) fn answer(app: &App, signed_in: &sessions::SignedIn) -> Result<SignedIn, Problem> {
    let csrf = app.sessions.csrf_token(&signed_in.session)?;
    let second_factor_needed = signed_in.session.waits_for_factor;
    Ok(SignedIn { person: app.service.person(&signed_in.viewer), csrf, second_factor_needed })
}

/// Signs in. The answer carries the CSRF token; the session itself is in a cookie that scripts cannot read.
#[utoipa::path(post, path = "/api/v1/session", operation_id = "signIn", tag = "people", request_body = SignIn,
    responses(
        (status = 200, body = SignedIn),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "The body is too large"),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "The body is not JSON"),
        Refusals,
    ))]
pub(super) async fn open(
    State(app): State<Arc<App>>,
    _: SameSite,
    client: Client,
    headers: HeaderMap,
    Body(credentials): Body<SignIn>,
) -> Result<impl IntoResponse, Refusal> {
    let entered = enter(&app, client, &headers, credentials).await?;
    Ok((entered.cookies, Json(answer(&app, &entered.signed_in)?)))
}

/// Proves a second factor: after the password when the answer to it said that one is needed, or later, before what the company demands a
/// fresh one for. The session goes on under another cookie and another CSRF token.
#[utoipa::path(post, path = "/api/v1/session/second-factor", operation_id = "proveSecondFactor", tag = "people", request_body = FactorCode,
    security(("session" = [], "csrf" = [])), responses((status = 200, body = SignedIn), Refusals))]
pub(super) async fn second_factor(
    State(app): State<Arc<App>>,
    Claimant(claimant): Claimant,
    client: Client,
    headers: HeaderMap,
    Body(FactorCode { code }): Body<FactorCode>,
) -> Result<impl IntoResponse, Refusal> {
    let entered = prove(&app, client, &headers, &claimant.session, &code).await?;
    Ok((entered.cookies, Json(answer(&app, &entered.signed_in)?)))
}

/// Who is signed in, with a CSRF token.
#[utoipa::path(get, path = "/api/v1/session", operation_id = "getSession", tag = "people", security(("session" = [])),
    responses((status = 200, body = SignedIn), Refusals))]
pub(super) async fn current(State(app): State<Arc<App>>, Reader(signed_in): Reader) -> Result<Json<SignedIn>, Refusal> {
    Ok(Json(answer(&app, &signed_in)?))
}

/// Signs out.
#[utoipa::path(delete, path = "/api/v1/session", operation_id = "signOut", tag = "people", security(("session" = [], "csrf" = [])),
    responses((status = 204, description = "Signed out"), Refusals))]
pub(super) async fn close(
    State(app): State<Arc<App>>,
    Changer(signed_in): Changer,
) -> Result<impl IntoResponse, Refusal> {
    let cookie = app.sessions.close(&signed_in.session).await.map_err(crate::backend::stored)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]))
}

/// Tells the pages who is signed in.
pub(super) async fn for_pages(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/static/") {
        let context = match app.sessions.find(request.headers()).await {
            Ok(Some(signed_in)) => match answer(&app, &signed_in) {
                Ok(SignedIn { person, csrf, .. }) => {
                    let viewer = signed_in.viewer.clone();
                    request.extensions_mut().insert(signed_in);
                    Some(davy_web::SignedInContext { viewer, person, csrf })
                }
                Err(refused) => return Refusal(refused).into_response(),
            },
            Ok(None) => None,
            Err(error) => return Refusal(crate::backend::stored(error)).into_response(),
        };
        request.extensions_mut().insert(context);
    }
    next.run(request).await
}
