//! `/api/v1/session`: signing in, asking who is signed in, signing out; and the session of a page's request.

use crate::config::Settings;
use crate::http::App;
use crate::http::extract::Body;
use crate::http::guard::{Changer, Client, Reader, SameSite};
use crate::http::passwords::{Checked, LONGEST, Passwords};
use crate::http::problem::{self, Refusal, Refusals};
use crate::http::rate::RateLimit;
use crate::http::sessions;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use davy_api::{Problem, SignIn, SignedIn};
use std::net::IpAddr;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Longest e-mail address (RFC 5321).
const LONGEST_EMAIL: usize = 254;

/// Who checks passwords, and how often one may try.
pub(crate) struct Desk {
    passwords: Passwords,
    /// By e-mail and address together: guessing from elsewhere locks nobody out of their own account.
    account: RateLimit<(String, IpAddr)>,
    address: RateLimit<IpAddr>,
}

impl Desk {
    pub(crate) fn new(settings: &Settings, passwords: Passwords) -> Self {
        let window = settings.sign_in_window.millis();
        let (account, address) = (settings.sign_in_attempts, settings.sign_in_address_attempts);
        Self {
            passwords,
            account: RateLimit::new(account, account, window),
            address: RateLimit::new(address, address, window),
        }
    }
}

/// Signs in and gives the session's cookie.
pub(super) async fn enter(
    app: &App,
    client: Client,
    headers: &HeaderMap,
    credentials: SignIn,
) -> Result<(sessions::SignedIn, HeaderValue), Problem> {
    let password = Zeroizing::new(credentials.password);
    let email = credentials.email.trim().to_lowercase();
    if email.is_empty() || email.len() > LONGEST_EMAIL {
        return Err(problem::invalid("email", format!("expected 1 to {LONGEST_EMAIL} bytes, got {}", email.len())));
    }
    if password.is_empty() || password.chars().count() > LONGEST {
        return Err(problem::invalid("password", format!("expected 1 to {LONGEST} characters")));
    }
    let (now, from) = (app.clock.now(), client.limit_key());
    if !app.desk.address.pass(from, now) || !app.desk.account.pass((email.clone(), from), now) {
        metrics::counter!("davy_sign_ins_total", "outcome" => "refused").increment(1);
        return Err(problem::too_many("Too many attempts to sign in from here; wait a few minutes and try again."));
    }
    let user = app.store.user_by_email(&email).await.map_err(crate::backend::stored)?;
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let checked = app.desk.passwords.check(password, hash).await.map_err(|error| {
        tracing::error!(%error, "a password could not be checked");
        problem::internal()
    })?;
    let (Some(user), Checked::Right { rehashed }) = (user, checked) else {
        metrics::counter!("davy_sign_ins_total", "outcome" => "wrong").increment(1);
        tracing::info!(client = %from, "a sign-in failed");
        return Err(Problem::new("credentials", 401, "Wrong e-mail or password", "E-mail and password do not match."));
    };
    app.desk.account.forget((email, from));
    if let Some(hash) = rehashed {
        app.store.set_password_hash(user.id, &hash).await.map_err(crate::backend::stored)?;
    }
    metrics::counter!("davy_sign_ins_total", "outcome" => "right").increment(1);
    tracing::info!(user.id = %user.id, role = user.role.name(), "signed in");
    app.sessions.open(&user, headers).await
}

fn answer(app: &App, signed_in: &sessions::SignedIn) -> Result<SignedIn, Problem> {
    let csrf = app.sessions.csrf_token(&signed_in.session)?;
    Ok(SignedIn { person: app.service.person(&signed_in.viewer), csrf })
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
    let (signed_in, cookie) = enter(&app, client, &headers, credentials).await?;
    Ok(([(header::SET_COOKIE, cookie)], Json(answer(&app, &signed_in)?)))
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
                Ok(SignedIn { person, csrf }) => {
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
