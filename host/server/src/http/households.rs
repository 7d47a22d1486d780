//! `/api/v1/household` and `/api/v1/invitations`: who lives at a premises, inviting, joining, handing over.

use crate::backend::Code;
use crate::http::App;
use crate::http::extract::Body;
use crate::http::guard::{Client, May, On, SameSite};
use crate::http::people::password_hash;
use crate::http::problem::{Refusal, Refusals, too_many};
use crate::roles::{AdmitResidents, ChangeHousehold, EndHouseholds, SeeHousehold};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use davy_api::{Backend, Household, Invited, Joining, Problem};
use davy_domain::{InvitationId, PremisesId};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Characters of a code: Crockford's base 32, which people can read aloud.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// So many of them, five bits each.
const LENGTH: usize = 20;

/// A fresh code of 100 bits.
pub(super) fn fresh_code(app: &App) -> Result<Code, Problem> {
    let bytes = app.sessions.secret()?;
    let text: String = bytes.iter().take(LENGTH).map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect();
    let hash = hash_of(&text);
    Ok(Code { text, hash })
}

/// The hash of a code as a person writes it: in whatever case, with or without spaces and hyphens.
fn hash_of(text: &str) -> [u8; 32] {
    let plain: String = text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    Sha256::digest(plain).into()
}

/// The viewer's household.
#[utoipa::path(get, path = "/api/v1/household", operation_id = "getHousehold", tag = "people", security(("session" = [])),
    responses((status = 200, body = Household), Refusals))]
pub(super) async fn current(
    State(app): State<Arc<App>>,
    caller: May<SeeHousehold>,
) -> Result<Json<Household>, Refusal> {
    Ok(Json(app.service.household(&caller.viewer).await?))
}

/// Invites somebody to the viewer's household. The code is told in this answer and never again; it is good once, for seven days.
#[utoipa::path(post, path = "/api/v1/household/invitations", operation_id = "inviteToHousehold", tag = "people",
    security(("session" = [], "csrf" = [])), responses((status = 201, body = Invited), Refusals))]
pub(super) async fn invite(
    State(app): State<Arc<App>>,
    caller: May<ChangeHousehold>,
) -> Result<(StatusCode, Json<Invited>), Refusal> {
    let code = fresh_code(&app)?;
    Ok((StatusCode::CREATED, Json(app.service.invite(&caller.viewer, code).await?)))
}

/// Takes an invitation back.
#[utoipa::path(delete, path = "/api/v1/household/invitations/{invitation}", operation_id = "withdrawInvitation", tag = "people",
    security(("session" = [], "csrf" = [])),
    params(("invitation" = String, Path, description = "The invitation")),
    responses((status = 204, description = "Taken back"), Refusals))]
pub(super) async fn withdraw(
    State(app): State<Arc<App>>,
    caller: On<ChangeHousehold, InvitationId>,
) -> Result<StatusCode, Refusal> {
    app.service.withdraw_invitation(&caller.viewer, caller.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Moves out: everybody's access to the premises ends at once, the viewer's too. What happened there stays with the premises. The code
/// in the answer is for who comes next, good once for 60 days.
#[utoipa::path(post, path = "/api/v1/household/hand-over", operation_id = "handOver", tag = "people",
    security(("session" = [], "csrf" = [])), responses((status = 201, body = Invited), Refusals))]
pub(super) async fn hand_over(
    State(app): State<Arc<App>>,
    caller: May<ChangeHousehold>,
) -> Result<(StatusCode, Json<Invited>), Refusal> {
    let code = fresh_code(&app)?;
    Ok((StatusCode::CREATED, Json(app.service.hand_over(&caller.viewer, code).await?)))
}

/// As the company, invites the first of a household.
#[utoipa::path(post, path = "/api/v1/premises/{premises}/invitations", operation_id = "admitResident", tag = "people",
    security(("session" = [], "csrf" = [])),
    params(("premises" = String, Path, description = "The premises")),
    responses((status = 201, body = Invited), Refusals))]
pub(super) async fn admit(
    State(app): State<Arc<App>>,
    caller: On<AdmitResidents, PremisesId>,
) -> Result<(StatusCode, Json<Invited>), Refusal> {
    let code = fresh_code(&app)?;
    Ok((StatusCode::CREATED, Json(app.service.admit(&caller.viewer, caller.id, code).await?)))
}

/// As the company, ends a household whose people have moved out.
#[utoipa::path(post, path = "/api/v1/premises/{premises}/hand-over", operation_id = "endHousehold", tag = "people",
    security(("session" = [], "csrf" = [])),
    params(("premises" = String, Path, description = "The premises")),
    responses((status = 201, body = Invited), Refusals))]
pub(super) async fn end(
    State(app): State<Arc<App>>,
    caller: On<EndHouseholds, PremisesId>,
) -> Result<(StatusCode, Json<Invited>), Refusal> {
    let code = fresh_code(&app)?;
    Ok((StatusCode::CREATED, Json(app.service.clear_household(&caller.viewer, caller.id, code).await?)))
}

/// Joins, as often as one may try to sign in.
pub(super) async fn join_by(app: &App, client: Client, mut joining: Joining) -> Result<(), Problem> {
    if !app.desk.token(client.limit_key(), app.clock.now()) {
        return Err(too_many("Too many attempts from here; wait a few minutes and try again."));
    }
    let hash = hash_of(&joining.code);
    app.service.check_code(&joining, &hash).await?;
    let password_hash =
        password_hash(app, std::mem::take(&mut joining.password), &joining.email, &joining.name).await?;
    app.service.join(joining, &hash, password_hash).await
}

/// Joins a household with the code of an invitation; then one can sign in.
#[utoipa::path(post, path = "/api/v1/invitations", operation_id = "acceptInvitation", tag = "people",
    request_body = Joining, responses((status = 204, description = "Joined"), Refusals))]
pub(super) async fn join(
    State(app): State<Arc<App>>,
    _: SameSite,
    client: Client,
    Body(joining): Body<Joining>,
) -> Result<StatusCode, Refusal> {
    join_by(&app, client, joining).await?;
    Ok(StatusCode::NO_CONTENT)
}
