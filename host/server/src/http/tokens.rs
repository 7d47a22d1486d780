//! `/api/v1/tokens`: what machines prove themselves with.

use crate::http::App;
use crate::http::extract::Body;
use crate::http::guard::{May, On};
use crate::http::problem::{Refusal, Refusals};
use crate::roles::UseTokens;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use davy_api::{Backend, MadeToken, NewToken, Problem, Tokens, Viewer};
use davy_domain::TokenId;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// What every token begins with, so that people and scanners know one when they see it.
const PREFIX: &str = "davy_";

/// The hash of the token that a request carries, if it carries one.
pub(super) fn hash_of(headers: &HeaderMap) -> Option<[u8; 32]> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("bearer") && token.starts_with(PREFIX) && token.len() == PREFIX.len() + 64;
    known.then(|| Sha256::digest(token).into())
}

/// One's own tokens, and for an administrator all of the company.
#[utoipa::path(get, path = "/api/v1/tokens", operation_id = "listTokens", tag = "people", security(("session" = []), ("token" = [])),
    responses((status = 200, body = Tokens), Refusals))]
pub(super) async fn list(State(app): State<Arc<App>>, caller: May<UseTokens>) -> Result<Json<Tokens>, Refusal> {
    Ok(Json(app.service.tokens(&caller.viewer).await?))
}

/// Makes a token out of fresh randomness.
pub(super) async fn make_of(app: &App, viewer: &Viewer, new: NewToken) -> Result<MadeToken, Problem> {
    let secret = format!("{PREFIX}{}", crate::keys::to_hex(&app.sessions.secret()?));
    let hash = Sha256::digest(&secret).into();
    app.service.make_token(viewer, new, secret, hash).await
}

/// Makes a token. It may do what it is given, as far as its maker still may; its secret is told in this answer and never again.
#[utoipa::path(post, path = "/api/v1/tokens", operation_id = "makeToken", tag = "people", security(("session" = [], "csrf" = [])),
    request_body = NewToken, responses((status = 201, body = MadeToken), Refusals))]
pub(super) async fn make(
    State(app): State<Arc<App>>,
    caller: May<UseTokens>,
    Body(new): Body<NewToken>,
) -> Result<(StatusCode, Json<MadeToken>), Refusal> {
    Ok((StatusCode::CREATED, Json(make_of(&app, &caller.viewer, new).await?)))
}

/// Ends a token for good.
#[utoipa::path(delete, path = "/api/v1/tokens/{token}", operation_id = "revokeToken", tag = "people",
    security(("session" = [], "csrf" = []), ("token" = [])),
    params(("token" = String, Path, description = "The token")),
    responses((status = 204, description = "Ended"), Refusals))]
pub(super) async fn revoke(State(app): State<Arc<App>>, caller: On<UseTokens, TokenId>) -> Result<StatusCode, Refusal> {
    app.service.revoke_token(&caller.viewer, caller.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
