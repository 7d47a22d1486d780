//! Plain forms about people, tokens, households and approvals: the same operations as the REST routes, answered by a redirect. What is
//! told only once, a token or a code, is answered by a page of its own that nothing keeps.

use crate::http::App;
use crate::http::extract::Form;
use crate::http::flash::{Outcome, back, word};
use crate::http::forms::sender;
use crate::http::guard::{Client, Reader, SameSite};
use crate::http::households::{fresh_code, join_by};
use crate::http::people::password_hash;
use crate::http::problem::{Refusal, invalid};
use crate::http::tokens::make_of;
use axum::Router;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::post;
use davy_api::{CloseMany, ClosingLimit, Decision, Joining, NewPerson, NewToken, Problem, RolesChange};
use davy_domain::proof::SecondFactorPolicy;
use davy_domain::{CommunityId, InvitationId, RequestId, Role, TokenId, UserId};
use std::str::FromStr;
use std::sync::Arc;

/// A form's fields, some of them several times.
type Fields = Vec<(String, String)>;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/actions/people/add", post(add_person))
        .route("/actions/people/roles", post(change_roles))
        .route("/actions/people/end", post(end_access))
        .route("/actions/people/second-factor", post(demand))
        .route("/actions/tokens/make", post(make_token))
        .route("/actions/tokens/revoke", post(revoke_token))
        .route("/actions/household/invite", post(invite))
        .route("/actions/household/withdraw", post(withdraw_invitation))
        .route("/actions/household/hand-over", post(hand_over))
        .route("/actions/approvals/close-many", post(close_many))
        .route("/actions/approvals/decide", post(decide))
        .route("/actions/closing-limit", post(limit))
        .route("/join", post(join))
}

fn one<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.trim())
}

fn all(fields: &Fields, name: &str) -> Vec<String> {
    fields.iter().filter(|(field, value)| field == name && !value.is_empty()).map(|(_, value)| value.clone()).collect()
}

fn parsed<T: FromStr>(fields: &Fields, name: &str) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    one(fields, name).parse().map_err(|error: T::Err| invalid(name, error.to_string()))
}

fn roles(fields: &Fields) -> Result<Vec<Role>, Problem> {
    let each =
        |text: &String| text.parse().map_err(|error: davy_domain::RoleError| invalid("roles", error.to_string()));
    all(fields, "roles").iter().map(each).collect()
}

fn answered(page: &str, done: &str, outcome: Result<(), Problem>) -> Response {
    match outcome {
        Ok(()) => back(Some(page), Outcome::Done(done)).into_response(),
        Err(refused) => back(Some(page), Outcome::Failed(word(&refused))).into_response(),
    }
}

/// A page that says something once. Only what the platform made itself stands on it.
fn told_once(locale: &str, what: &str, secret: &str, page: &str) -> Response {
    let (lang, title, once, on) = match (locale, what) {
        ("en", "token") => ("en", "The token", "Copy it now: it is told this once and kept nowhere.", "Back"),
        ("en", _) => ("en", "The code", "Pass it on now: it is told this once and is good once.", "Back"),
        (_, "token") => ("zh-CN", "访问令牌", "请立即复制：仅显示这一次，平台不保存原文。", "返回"),
        (_, _) => ("zh-CN", "邀请码", "请立即转交：仅显示这一次，且只能使用一次。", "返回"),
    };
    Html(format!(
        "<!DOCTYPE html><html lang=\"{lang}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>{title}</title></head><body><main><h1>{title}</h1><p>{once}</p>\
         <p><code data-testid=\"secret\">{secret}</code></p><p><a href=\"{page}\">{on}</a></p></main></body></html>"
    ))
    .into_response()
}

/// What came of a form that makes a secret.
fn told(locale: &str, what: &str, page: &str, outcome: Result<String, Problem>) -> Response {
    match outcome {
        Ok(secret) => told_once(locale, what, &secret, page),
        Err(refused) => answered(page, "", Err(refused)),
    }
}

macro_rules! sent {
    ($reader:expr, $fields:expr, $page:expr) => {
        match sender($reader, Some(one(&$fields, "csrf")), Some($page)) {
            Ok(signed_in) => signed_in,
            Err(elsewhere) => return elsewhere.into_response(),
        }
    };
}

const PEOPLE: &str = "/people";
const TOKENS: &str = "/tokens";
const HOUSEHOLD: &str = "/household";
const APPROVALS: &str = "/approvals";

async fn add_person(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(fields): Form<Fields>,
) -> Response {
    let viewer = sent!(reader, fields, PEOPLE).viewer;
    let outcome = async {
        crate::roles::require(&viewer, crate::roles::Deed::ChangePeople)?;
        let community = match one(&fields, "community") {
            "" => None,
            _ => Some(parsed::<CommunityId>(&fields, "community")?),
        };
        let new = NewPerson {
            name: one(&fields, "name").to_owned(),
            email: one(&fields, "email").to_owned(),
            password: String::new(),
            roles: roles(&fields)?,
            community,
        };
        let hash = password_hash(&app, one(&fields, "password").to_owned(), &new.email, &new.name).await?;
        app.service.add_person(&viewer, new, hash).await.map(drop)
    };
    answered(PEOPLE, "person-added", outcome.await)
}

async fn change_roles(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(fields): Form<Fields>,
) -> Response {
    let viewer = sent!(reader, fields, PEOPLE).viewer;
    let outcome = async {
        let change = RolesChange { roles: roles(&fields)? };
        app.service.change_roles(&viewer, parsed::<UserId>(&fields, "person")?, &change).await.map(drop)
    };
    answered(PEOPLE, "roles-changed", outcome.await)
}

async fn end_access(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(fields): Form<Fields>,
) -> Response {
    let viewer = sent!(reader, fields, PEOPLE).viewer;
    let outcome = async { app.service.end_access(&viewer, parsed::<UserId>(&fields, "person")?).await };
    answered(PEOPLE, "access-ended", outcome.await)
}

async fn demand(State(app): State<Arc<App>>, reader: Result<Reader, Refusal>, Form(fields): Form<Fields>) -> Response {
    let viewer = sent!(reader, fields, PEOPLE).viewer;
    let outcome = async { app.accounts.demand(&viewer, parsed::<SecondFactorPolicy>(&fields, "policy")?).await };
    answered(PEOPLE, "factor-demanded", outcome.await)
}

async fn make_token(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(fields): Form<Fields>,
) -> Response {
    let signed_in = sent!(reader, fields, TOKENS);
    let outcome = async {
        let new = NewToken {
            name: one(&fields, "name").to_owned(),
            deeds: all(&fields, "deeds"),
            days: parsed(&fields, "days")?,
        };
        Ok(make_of(&app, &signed_in.viewer, new).await?.secret)
    };
    told(&signed_in.locale, "token", TOKENS, outcome.await)
}

async fn revoke_token(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(fields): Form<Fields>,
) -> Response {
    let viewer = sent!(reader, fields, TOKENS).viewer;
    let outcome = async { app.service.revoke_token(&viewer, parsed::<TokenId>(&fields, "token")?).await };
    answered(TOKENS, "token-ended", outcome.await)
}

async fn invite(State(app): State<Arc<App>>, reader: Result<Reader, Refusal>, Form(fields): Form<Fields>) -> Response {
    let signed_in = sent!(reader, fields, HOUSEHOLD);
    let outcome = async { Ok(app.service.invite(&signed_in.viewer, fresh_code(&app)?).await?.code) };
    told(&signed_in.locale, "code", HOUSEHOLD, outcome.await)
}

async fn withdraw_invitation(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(fields): Form<Fields>,
) -> Response {
    let viewer = sent!(reader, fields, HOUSEHOLD).viewer;
    let outcome =
        async { app.service.withdraw_invitation(&viewer, parsed::<InvitationId>(&fields, "invitation")?).await };
    answered(HOUSEHOLD, "invitation-withdrawn", outcome.await)
}

async fn hand_over(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(fields): Form<Fields>,
) -> Response {
    let signed_in = sent!(reader, fields, HOUSEHOLD);
    if one(&fields, "sure") != "yes" {
        return answered(HOUSEHOLD, "", Err(invalid("sure", "expected `yes`: everybody's access ends at once")));
    }
    let outcome = async { Ok(app.service.hand_over(&signed_in.viewer, fresh_code(&app)?).await?.code) };
    // Their session has just ended: what is left is to sign in as somebody else.
    let page = "/sign-in";
    match outcome.await {
        Ok(code) => told_once(&signed_in.locale, "code", &code, page),
        Err(refused) => answered(HOUSEHOLD, "", Err(refused)),
    }
}

async fn close_many(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(fields): Form<Fields>,
) -> Response {
    let viewer = sent!(reader, fields, APPROVALS).viewer;
    let outcome = async {
        let asked = CloseMany {
            community: Some(parsed::<CommunityId>(&fields, "community")?),
            building: Some(one(&fields, "building").to_owned()).filter(|text| !text.is_empty()),
            premises: Vec::new(),
        };
        app.service.ask_to_close(&viewer, &asked).await.map(drop)
    };
    answered(APPROVALS, "asked", outcome.await)
}

async fn decide(State(app): State<Arc<App>>, reader: Result<Reader, Refusal>, Form(fields): Form<Fields>) -> Response {
    let viewer = sent!(reader, fields, APPROVALS).viewer;
    let decision = Decision { act: one(&fields, "act").to_owned() };
    let outcome =
        async { app.service.decide(&viewer, parsed::<RequestId>(&fields, "request")?, &decision).await.map(drop) };
    answered(APPROVALS, "decided", outcome.await)
}

async fn limit(State(app): State<Arc<App>>, reader: Result<Reader, Refusal>, Form(fields): Form<Fields>) -> Response {
    let viewer = sent!(reader, fields, APPROVALS).viewer;
    let outcome = async {
        let limit = ClosingLimit { premises: parsed(&fields, "premises")? };
        app.service.set_closing_limit(&viewer, limit).await
    };
    answered(APPROVALS, "limit-set", outcome.await)
}

async fn join(State(app): State<Arc<App>>, _: SameSite, client: Client, Form(fields): Form<Fields>) -> Redirect {
    let joining = Joining {
        code: one(&fields, "code").to_owned(),
        name: one(&fields, "name").to_owned(),
        email: one(&fields, "email").to_owned(),
        password: fields.iter().find(|(name, _)| name == "password").map(|(_, text)| text.clone()).unwrap_or_default(),
    };
    match join_by(&app, client, joining).await {
        Ok(()) => back(Some("/sign-in"), Outcome::Done("joined")),
        Err(refused) => back(Some("/join"), Outcome::Failed(word(&refused))),
    }
}
