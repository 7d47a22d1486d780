//! `/api/v1/approvals`: dangerous acts, asked for by one person and approved by another.

use crate::http::App;
use crate::http::extract::Body;
use crate::http::guard::{May, On};
use crate::http::problem::{Refusal, Refusals};
use crate::roles::{CloseMany, LimitClosing, SeeRequests};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use davy_api::{Backend, ClosingLimit, Decision, Problem, RequestItem, Requests};
use davy_domain::RequestId;
use std::sync::Arc;
use utoipa::IntoResponses;

/// What a decision is answered with, for the OpenAPI document.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "only its documentation is used")]
enum Decided {
    /// The request as it is now
    #[response(status = 200)]
    Done(RequestItem),
    /// Not now, or not by this person: `reason` says which
    #[response(status = 409, content_type = "application/problem+json")]
    Refused(Problem),
}

/// What was asked for, newest first.
#[utoipa::path(get, path = "/api/v1/approvals", operation_id = "listApprovals", tag = "approvals",
    security(("session" = []), ("token" = [])), responses((status = 200, body = Requests), Refusals))]
pub(super) async fn list(State(app): State<Arc<App>>, caller: May<SeeRequests>) -> Result<Json<Requests>, Refusal> {
    Ok(Json(app.service.requests(&caller.viewer).await?))
}

/// One request, and how far it has been carried out.
#[utoipa::path(get, path = "/api/v1/approvals/{request}", operation_id = "getApproval", tag = "approvals",
    security(("session" = []), ("token" = [])),
    params(("request" = String, Path, description = "The request")),
    responses((status = 200, body = RequestItem), Refusals))]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    caller: On<SeeRequests, RequestId>,
) -> Result<Json<RequestItem>, Refusal> {
    Ok(Json(app.service.request(&caller.viewer, caller.id).await?))
}

/// Chooses premises whose valves are to be closed together. Nothing is closed before somebody approves; above the company's number
/// of premises that is another person.
#[utoipa::path(post, path = "/api/v1/approvals/close-many", operation_id = "askToCloseMany", tag = "approvals",
    security(("session" = [], "csrf" = [])),
    request_body = davy_api::CloseMany, responses((status = 201, body = RequestItem), Refusals))]
pub(super) async fn close_many(
    State(app): State<Arc<App>>,
    caller: May<CloseMany>,
    Body(asked): Body<davy_api::CloseMany>,
) -> Result<(StatusCode, Json<RequestItem>), Refusal> {
    Ok((StatusCode::CREATED, Json(app.service.ask_to_close(&caller.viewer, &asked).await?)))
}

/// Approves, declines or withdraws a request. An approved one is carried out once, in stages.
#[utoipa::path(post, path = "/api/v1/approvals/{request}/decision", operation_id = "decideApproval", tag = "approvals",
    security(("session" = [], "csrf" = [])),
    params(("request" = String, Path, description = "The request")),
    request_body = Decision, responses(Decided, Refusals))]
pub(super) async fn decide(
    State(app): State<Arc<App>>,
    caller: On<CloseMany, RequestId>,
    Body(decision): Body<Decision>,
) -> Result<Json<RequestItem>, Refusal> {
    Ok(Json(app.service.decide(&caller.viewer, caller.id, &decision).await?))
}

/// Sets how many premises one person may close alone.
#[utoipa::path(put, path = "/api/v1/closing-limit", operation_id = "setClosingLimit", tag = "approvals",
    security(("session" = [], "csrf" = [])),
    request_body = ClosingLimit, responses((status = 204, description = "Set"), Refusals))]
pub(super) async fn limit(
    State(app): State<Arc<App>>,
    caller: May<LimitClosing>,
    Body(limit): Body<ClosingLimit>,
) -> Result<StatusCode, Refusal> {
    app.service.set_closing_limit(&caller.viewer, limit).await?;
    Ok(StatusCode::NO_CONTENT)
}
