//! `/api/v1/rules`: upload, versions and their lives, back-tests; what alarms really were; whose signatures are accepted.

use crate::backend::rules::Upload;
use crate::http::App;
use crate::http::extract::{Body, Component, Query};
use crate::http::guard::{May, On};
use crate::http::problem::{Refusal, Refusals, malformed};
use crate::roles::{BoundRules, ChangeRules, ChangeSigners, JudgeAlarm, SeeRules};
use axum::Json;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use davy_api::{
    AlarmFinding, BackTestItem, BackTestRequest, Backend, Problem, RuleActRequest, RuleBounds, RuleBoundsRequest,
    RuleDetail, RuleSignerItem, RuleSigners, RuleVersion, RuleVersions,
};
use davy_domain::{AlarmId, BackTestId, ReleaseId};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoResponses;

/// What a step of a version's life is answered with, for the OpenAPI document.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "only its documentation is used")]
enum Acted {
    /// The version as it is now
    #[response(status = 200)]
    Done(RuleVersion),
    /// Not now, or not by this person: `reason` says which
    #[response(status = 409, content_type = "application/problem+json")]
    Refused(Problem),
}

/// The versions of the company's rules, newest first.
#[utoipa::path(get, path = "/api/v1/rules", operation_id = "listRules", tag = "rules", security(("session" = []), ("token" = [])),
    responses((status = 200, body = RuleVersions), Refusals))]
pub(super) async fn list(State(app): State<Arc<App>>, caller: May<SeeRules>) -> Result<Json<RuleVersions>, Refusal> {
    Ok(Json(app.service.rules(&caller.viewer).await?))
}

#[derive(Deserialize)]
pub(super) struct UploadQuery {
    tier: Option<String>,
    settings: Option<String>,
    signer: Option<String>,
    signature: Option<String>,
}

/// Stores a component as a new version. Its checks begin at once; `GET /api/v1/rules/{rule}` tells what they say.
#[utoipa::path(post, path = "/api/v1/rules", operation_id = "uploadRule", tag = "rules",
    security(("session" = [], "csrf" = []), ("token" = [])),
    params(
        ("tier" = Option<String>, Query, description = "The limits that it is for: `standard` unless told, or `large`"),
        ("settings" = Option<String>, Query, description = "Its settings, a JSON object; the rule's defaults unless told"),
        ("signer" = Option<String>, Query, description = "The Ed25519 public key that has signed it, 64 hexadecimal digits"),
        ("signature" = Option<String>, Query,
            description = "Over `davy-rule/1:` and the 32 bytes of its SHA-256; 128 hexadecimal digits"),
    ),
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses((status = 201, body = RuleVersion), Refusals))]
pub(super) async fn upload(
    State(app): State<Arc<App>>,
    caller: May<ChangeRules>,
    Query(query): Query<UploadQuery>,
    Component(component): Component,
) -> Result<(StatusCode, Json<RuleVersion>), Refusal> {
    let UploadQuery { tier, settings, signer, signature } = query;
    let signed = match (signer, signature) {
        (Some(signer), Some(signature)) => Some((signer, signature)),
        (None, None) => None,
        _ => return Err(malformed("Expected `signer` and `signature` together, or neither.").into()),
    };
    let upload = Upload { component, tier: tier.unwrap_or_else(|| "standard".into()), settings, signed };
    Ok((StatusCode::CREATED, Json(app.service.upload_rule(&caller.viewer, upload).await?)))
}

/// One version with everything about it.
#[utoipa::path(get, path = "/api/v1/rules/{rule}", operation_id = "getRule", tag = "rules", security(("session" = []), ("token" = [])),
    params(("rule" = String, Path, description = "The version")),
    responses((status = 200, body = RuleDetail), Refusals))]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    caller: On<SeeRules, ReleaseId>,
) -> Result<Json<RuleDetail>, Refusal> {
    Ok(Json(app.service.rule(&caller.viewer, caller.id).await?))
}

/// The component of a version, to the byte.
#[utoipa::path(get, path = "/api/v1/rules/{rule}/component", operation_id = "getRuleComponent", tag = "rules",
    security(("session" = []), ("token" = [])),
    params(("rule" = String, Path, description = "The version")),
    responses((status = 200, body = Vec<u8>, content_type = "application/wasm"), Refusals))]
pub(super) async fn component(
    State(app): State<Arc<App>>,
    caller: On<SeeRules, ReleaseId>,
) -> Result<impl IntoResponse, Refusal> {
    let component = app.service.rule_component(&caller.viewer, caller.id).await?;
    Ok(([(header::CONTENT_TYPE, "application/wasm")], component))
}

/// Deletes the component of a version, which makes room for others. What was done with it stays; a component that an unended version or a
/// decision refers to is not deleted.
#[utoipa::path(delete, path = "/api/v1/rules/{rule}/component", operation_id = "deleteRuleComponent", tag = "rules",
    security(("session" = [], "csrf" = []), ("token" = [])),
    params(("rule" = String, Path, description = "The version")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "Something refers to it: `detail` says what"),
        Refusals,
    ))]
pub(super) async fn delete_component(
    State(app): State<Arc<App>>,
    caller: On<ChangeRules, ReleaseId>,
) -> Result<StatusCode, Refusal> {
    app.service.delete_component(&caller.viewer, caller.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The bounds of versions that are being tried: beyond them the platform takes a version in shadow or in a cohort back.
#[utoipa::path(get, path = "/api/v1/rule-bounds", operation_id = "getRuleBounds", tag = "rules",
    security(("session" = []), ("token" = [])),
    responses((status = 200, body = RuleBounds), Refusals))]
pub(super) async fn bounds(State(app): State<Arc<App>>, caller: May<SeeRules>) -> Result<Json<RuleBounds>, Refusal> {
    Ok(Json(app.service.rule_bounds(&caller.viewer).await?))
}

/// Sets the company's own bounds, within what the platform allows; those that are not named are the operator's again.
#[utoipa::path(put, path = "/api/v1/rule-bounds", operation_id = "setRuleBounds", tag = "rules",
    security(("session" = [], "csrf" = []), ("token" = [])),
    request_body = RuleBoundsRequest,
    responses((status = 200, body = RuleBounds), Refusals))]
pub(super) async fn set_bounds(
    State(app): State<Arc<App>>,
    caller: May<BoundRules>,
    Body(request): Body<RuleBoundsRequest>,
) -> Result<Json<RuleBounds>, Refusal> {
    Ok(Json(app.service.set_rule_bounds(&caller.viewer, &request).await?))
}

/// Makes a new version of the same component with other settings; it begins its life at the beginning.
#[utoipa::path(post, path = "/api/v1/rules/{rule}/settings", operation_id = "changeRuleSettings", tag = "rules",
    security(("session" = [], "csrf" = []), ("token" = [])),
    params(("rule" = String, Path, description = "The version to begin from")),
    request_body(content = serde_json::Value, description = "The settings, by the rule's schema"),
    responses((status = 201, body = RuleVersion), Refusals))]
pub(super) async fn settings(
    State(app): State<Arc<App>>,
    caller: On<ChangeRules, ReleaseId>,
    Body(settings): Body<serde_json::Value>,
) -> Result<(StatusCode, Json<RuleVersion>), Refusal> {
    let version = app.service.change_settings(&caller.viewer, caller.id, &settings.to_string()).await?;
    Ok((StatusCode::CREATED, Json(version)))
}

/// One step of a version's life. Putting it in force takes a proposal and another person's approval; taking it back is one act, and the
/// version before it is in force again.
#[utoipa::path(post, path = "/api/v1/rules/{rule}/acts", operation_id = "actOnRule", tag = "rules",
    security(("session" = [], "csrf" = []), ("token" = [])),
    params(("rule" = String, Path, description = "The version")),
    request_body = RuleActRequest,
    responses(Acted, Refusals))]
pub(super) async fn act(
    State(app): State<Arc<App>>,
    caller: On<SeeRules, ReleaseId>,
    Body(request): Body<RuleActRequest>,
) -> Result<Json<RuleVersion>, Refusal> {
    Ok(Json(app.service.act_on_rule(&caller.viewer, caller.id, &request).await?))
}

/// Has a version folded over the company's history, beside what is in force.
#[utoipa::path(post, path = "/api/v1/rules/{rule}/back-tests", operation_id = "startBackTest", tag = "rules",
    security(("session" = [], "csrf" = []), ("token" = [])),
    params(("rule" = String, Path, description = "The version")),
    request_body = BackTestRequest,
    responses((status = 201, body = BackTestItem), Refusals))]
pub(super) async fn start_back_test(
    State(app): State<Arc<App>>,
    caller: On<ChangeRules, ReleaseId>,
    Body(request): Body<BackTestRequest>,
) -> Result<(StatusCode, Json<BackTestItem>), Refusal> {
    Ok((StatusCode::CREATED, Json(app.service.start_back_test(&caller.viewer, caller.id, &request).await?)))
}

/// How far a back-test is, and what it found.
#[utoipa::path(get, path = "/api/v1/back-tests/{test}", operation_id = "getBackTest", tag = "rules",
    security(("session" = []), ("token" = [])),
    params(("test" = String, Path, description = "The back-test")),
    responses((status = 200, body = BackTestItem), Refusals))]
pub(super) async fn back_test(
    State(app): State<Arc<App>>,
    caller: On<SeeRules, BackTestId>,
) -> Result<Json<BackTestItem>, Refusal> {
    Ok(Json(app.service.back_test(&caller.viewer, caller.id).await?))
}

/// Stops a back-test; one that has ended stays as it is.
#[utoipa::path(post, path = "/api/v1/back-tests/{test}/cancel", operation_id = "cancelBackTest", tag = "rules",
    security(("session" = [], "csrf" = []), ("token" = [])),
    params(("test" = String, Path, description = "The back-test")),
    responses((status = 200, body = BackTestItem), Refusals))]
pub(super) async fn cancel_back_test(
    State(app): State<Arc<App>>,
    caller: On<ChangeRules, BackTestId>,
) -> Result<Json<BackTestItem>, Refusal> {
    Ok(Json(app.service.cancel_back_test(&caller.viewer, caller.id).await?))
}

/// A person's word on what an alarm really was. A version that would have missed a confirmed leak cannot come into force.
#[utoipa::path(put, path = "/api/v1/alarms/{alarm}/finding", operation_id = "judgeAlarm", tag = "safety",
    security(("session" = [], "csrf" = []), ("token" = [])),
    params(("alarm" = String, Path, description = "The alarm")),
    request_body = AlarmFinding,
    responses((status = 204, description = "Stored"), Refusals))]
pub(super) async fn finding(
    State(app): State<Arc<App>>,
    caller: On<JudgeAlarm, AlarmId>,
    Body(finding): Body<AlarmFinding>,
) -> Result<StatusCode, Refusal> {
    app.service.judge_alarm(&caller.viewer, caller.id, &finding).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The keys whose signatures the company accepts. With at least one, a component without a signature is refused.
#[utoipa::path(get, path = "/api/v1/rule-signers", operation_id = "listRuleSigners", tag = "rules",
    security(("session" = []), ("token" = [])),
    responses((status = 200, body = RuleSigners), Refusals))]
pub(super) async fn signers(State(app): State<Arc<App>>, caller: May<SeeRules>) -> Result<Json<RuleSigners>, Refusal> {
    Ok(Json(app.service.rule_signers(&caller.viewer).await?))
}

/// Accepts a key.
#[utoipa::path(post, path = "/api/v1/rule-signers", operation_id = "acceptRuleSigner", tag = "rules",
    security(("session" = [], "csrf" = []), ("token" = [])),
    request_body = RuleSignerItem,
    responses((status = 204, description = "Accepted"), Refusals))]
pub(super) async fn accept_signer(
    State(app): State<Arc<App>>,
    caller: May<ChangeSigners>,
    Body(signer): Body<RuleSignerItem>,
) -> Result<StatusCode, Refusal> {
    app.service.accept_signer(&caller.viewer, &signer).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// No longer accepts a key.
#[utoipa::path(delete, path = "/api/v1/rule-signers/{key}", operation_id = "refuseRuleSigner", tag = "rules",
    security(("session" = [], "csrf" = []), ("token" = [])),
    params(("key" = String, Path, description = "The public key, 64 hexadecimal digits")),
    responses((status = 204, description = "No longer accepted"), Refusals))]
pub(super) async fn refuse_signer(
    State(app): State<Arc<App>>,
    caller: May<ChangeSigners>,
    params: Result<RawPathParams, RawPathParamsRejection>,
) -> Result<StatusCode, Refusal> {
    let params = params.map_err(|_| malformed("The path is not UTF-8 once its %-escapes are decoded."))?;
    let key = params.iter().next().map_or("", |(_, value)| value);
    app.service.refuse_signer(&caller.viewer, key).await?;
    Ok(StatusCode::NO_CONTENT)
}
