//! Plain forms, for pages without scripts: the same operations as the REST routes, answered by a redirect.

use crate::http::App;
use crate::http::extract::Form;
use crate::http::flash::{Outcome, back, to_second_factor, to_sign_in, word};
use crate::http::guard::{Client, Reader, SameSite};
use crate::http::problem::{self, Refusal};
use crate::http::sessions::{SignedIn, check_csrf};
use crate::http::sign_in::enter;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use davy_api::{Backend, Problem, SignIn, ValvesOf, Viewer};
use davy_domain::{AlarmId, DeviceId, PremisesId};
use serde::Deserialize;
use std::sync::Arc;

/// The languages that pages are written in.
const LANGUAGES: [&str; 2] = ["zh-CN", "en"];

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/actions/close", post(close))
        .route("/actions/acknowledge", post(acknowledge))
        .route("/actions/reset", post(reset))
        .route("/language", post(language))
}

#[derive(Deserialize)]
struct SignInForm {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    next: Option<String>,
}

async fn sign_in(
    State(app): State<Arc<App>>,
    _: SameSite,
    client: Client,
    headers: HeaderMap,
    Form(form): Form<SignInForm>,
) -> Response {
    let next = form.next.as_deref();
    match enter(&app, client, &headers, SignIn { email: form.email, password: form.password }).await {
        Ok(entered) if entered.signed_in.session.waits_for_factor => {
            (entered.cookies, to_second_factor(next, None)).into_response()
        }
        Ok(entered) => (entered.cookies, back(next, Outcome::Silent)).into_response(),
        Err(refused) => {
            // An empty or overlong field is, to the person, the wrong password.
            let error = if refused.status == 422 { "credentials" } else { word(&refused) };
            to_sign_in(next, error).into_response()
        }
    }
}

#[derive(Deserialize)]
struct SignOutForm {
    csrf: Option<String>,
}

async fn sign_out(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(form): Form<SignOutForm>,
) -> Result<Response, Refusal> {
    let Ok(Reader(signed_in)) = reader else { return Ok(Redirect::to("/sign-in").into_response()) };
    if check_csrf(&signed_in.session, form.csrf.as_deref()).is_err() {
        return Ok(back(None, Outcome::Failed("csrf")).into_response());
    }
    let cookie = app.sessions.close(&signed_in.session).await.map_err(crate::backend::stored)?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/sign-in")).into_response())
}

/// Who sent the form, or where to send them instead.
pub(super) fn sender(
    reader: Result<Reader, Refusal>,
    csrf: Option<&str>,
    next: Option<&str>,
) -> Result<SignedIn, Redirect> {
    let signed_in = match reader {
        Ok(Reader(signed_in)) => signed_in,
        Err(Refusal(refused)) if refused.status == 401 => return Err(to_sign_in(next, "signed-out")),
        Err(Refusal(refused)) => return Err(back(next, Outcome::Failed(word(&refused)))),
    };
    match check_csrf(&signed_in.session, csrf) {
        Ok(()) => Ok(signed_in),
        Err(refused) => Err(back(next, Outcome::Failed(word(&refused)))),
    }
}

#[derive(Deserialize)]
struct CloseForm {
    csrf: Option<String>,
    device: Option<DeviceId>,
    premises: Option<PremisesId>,
    next: Option<String>,
}

async fn close(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(form): Form<CloseForm>,
) -> Result<Redirect, Refusal> {
    let next = form.next.as_deref();
    let viewer = match sender(reader, form.csrf.as_deref(), next) {
        Ok(signed_in) => signed_in.viewer,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let of = match (form.device, form.premises) {
        (Some(device), None) => ValvesOf::Device(device),
        (None, Some(premises)) => ValvesOf::Premises(premises),
        _ => return Err(problem::invalid("device", "expected either `device` or `premises`, and one of them").into()),
    };
    Ok(match app.service.close(&viewer, of).await {
        Ok(receipt) if receipt.already_closed => back(next, Outcome::Done("already-closed")),
        Ok(_) => back(next, Outcome::Done("close")),
        Err(refused) => back(next, Outcome::Failed(word(&refused))),
    })
}

#[derive(Deserialize)]
struct AlarmForm {
    csrf: Option<String>,
    alarm: AlarmId,
    next: Option<String>,
}

async fn acknowledge(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(form): Form<AlarmForm>,
) -> Redirect {
    let act = async |viewer: Viewer| app.service.acknowledge(&viewer, form.alarm).await;
    on_alarm(reader, &form, "acknowledge", act).await
}

async fn reset(State(app): State<Arc<App>>, reader: Result<Reader, Refusal>, Form(form): Form<AlarmForm>) -> Redirect {
    let act = async |viewer: Viewer| app.service.reset(&viewer, form.alarm).await;
    on_alarm(reader, &form, "reset", act).await
}

async fn on_alarm(
    reader: Result<Reader, Refusal>,
    form: &AlarmForm,
    done: &str,
    act: impl AsyncFnOnce(Viewer) -> Result<(), Problem>,
) -> Redirect {
    let next = form.next.as_deref();
    match sender(reader, form.csrf.as_deref(), next) {
        Ok(signed_in) => match act(signed_in.viewer).await {
            Ok(()) => back(next, Outcome::Done(done)),
            Err(refused) => back(next, Outcome::Failed(word(&refused))),
        },
        Err(elsewhere) => elsewhere,
    }
}

#[derive(Deserialize)]
struct LanguageForm {
    csrf: Option<String>,
    language: String,
    next: Option<String>,
}

async fn language(
    State(app): State<Arc<App>>,
    _: SameSite,
    reader: Result<Reader, Refusal>,
    Form(form): Form<LanguageForm>,
) -> Result<Response, Refusal> {
    let language = LANGUAGES.into_iter().find(|known| *known == form.language);
    let language = language.ok_or_else(|| problem::invalid("language", "expected `zh-CN` or `en`"))?;
    if let Ok(Reader(signed_in)) = reader {
        if let Err(refused) = check_csrf(&signed_in.session, form.csrf.as_deref()) {
            return Ok(back(form.next.as_deref(), Outcome::Failed(word(&refused))).into_response());
        }
        app.store.set_locale(signed_in.viewer.user, language).await.map_err(crate::backend::stored)?;
    }
    let secure = if app.settings.http_secure_cookies { "; Secure" } else { "" };
    let cookie = format!("{}={language}; Path=/; SameSite=Lax; Max-Age=31536000{secure}", davy_web::LANGUAGE_COOKIE);
    let cookie = HeaderValue::from_str(&cookie).map_err(|_| problem::internal())?;
    Ok(([(header::SET_COOKIE, cookie)], back(form.next.as_deref(), Outcome::Silent)).into_response())
}
