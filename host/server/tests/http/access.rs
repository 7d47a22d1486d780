//! Who may call what: every operation of the OpenAPI document, by everybody who may not.

use crate::city::{Browser, City, city};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use davy_domain::{BackTestId, ImportId, InvitationId, RequestId, SessionId, TokenId, UserId};
use davy_server::http::openapi;
use davy_server::roles::{Access, OPERATIONS, STREAMS};
use serde_json::{Value, json};

/// An operation of the document.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: Method,
    /// As documented.
    pub(crate) path: String,
    /// With things of company `a`.
    pub(crate) filled: String,
    pub(crate) body: Value,
}

impl Operation {
    /// What the permission table says that it needs.
    pub(crate) fn access(&self) -> Access {
        let mut rows = OPERATIONS.iter().chain(STREAMS).filter(|(id, _)| *id == self.id);
        let row = rows.next().unwrap_or_else(|| panic!("`{}` has no row in roles/ways.rs", self.id));
        assert!(rows.next().is_none(), "`{}` has two rows in roles/ways.rs", self.id);
        row.1
    }

    /// Whether its path names a thing that lies in somebody's scope.
    pub(crate) fn names_a_thing(&self) -> bool {
        // A division's map, a digest and a signer's key are nobody's.
        let things = [
            "{device}",
            "{premises}",
            "{alarm}",
            "{rule}",
            "{test}",
            "{person}",
            "{token}",
            "{invitation}",
            "{request}",
            "{session}",
        ];
        things.iter().any(|it| self.path.contains(it))
    }
}

/// Real things of company `a`, beside those that the city begins with.
#[derive(Clone, Debug)]
pub(crate) struct Things {
    pub(crate) alarm: String,
    pub(crate) test: String,
    pub(crate) person: String,
    pub(crate) token: String,
    pub(crate) invitation: String,
    pub(crate) request: String,
    pub(crate) session: String,
}

impl Things {
    /// An alarm that is there, and else nothing.
    pub(crate) fn alarm(alarm: String) -> Self {
        Self {
            alarm,
            test: BackTestId::from_raw(404).to_string(),
            person: UserId::from_raw(404).to_string(),
            token: TokenId::from_raw(404).to_string(),
            invitation: InvitationId::from_raw(404).to_string(),
            request: RequestId::from_raw(404).to_string(),
            session: SessionId::from_raw(404).to_string(),
        }
    }
}

/// Every operation of the document.
pub(crate) fn operations(city: &City, things: &Things) -> Vec<Operation> {
    let document: Value = serde_json::from_str(&openapi::text().unwrap()).unwrap();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            assert!(operation["responses"].is_object(), "{method} {path}");
            let filled = path
                .replace("{tenant}", &city.company.to_string())
                .replace("{device}", &city.devices["a-D1"].to_string())
                .replace("{premises}", &city.premises["a-home"].to_string())
                .replace("{alarm}", &things.alarm)
                .replace("{rule}", &city.rule.to_string())
                .replace("{test}", &things.test)
                .replace("{person}", &things.person)
                .replace("{token}", &things.token)
                .replace("{invitation}", &things.invitation)
                .replace("{request}", &things.request)
                .replace("{import}", &ImportId::from_raw(404).to_string())
                .replace("{key}", &"0".repeat(64))
                .replace("{session}", &things.session)
                .replace("{digest}", &format!("sha256:{}", "0".repeat(64)))
                .replace("{z}/{x}/{y}", "3/6/3.mvt");
            assert!(!filled.contains('{'), "{filled}: tell this test what to put there");
            let filled = if path.ends_with("/series") { filled + "?quantity=gas" } else { filled };
            let id = operation["operationId"].as_str().unwrap().to_owned();
            // A body that would do, so that nothing but the right to it is refused.
            let body = match id.as_str() {
                "actOnRule" => json!({"act": "withdraw"}),
                "judgeAlarm" => json!({"finding": "leak"}),
                "changeRuleSettings" | "startBackTest" | "readQuarantine" => json!({}),
                "addPerson" => {
                    json!({"name": "n", "email": "new@a.example", "password": "correct horse", "roles": ["auditor"]})
                }
                "changeRoles" => json!({"roles": ["auditor"]}),
                "showContacts" => json!({"alarm": things.alarm}),
                "makeToken" => json!({"name": "t", "deeds": ["tokens:use"], "days": 1}),
                "acceptInvitation" => {
                    json!({"code": "0", "name": "n", "email": "n@a.example", "password": "correct horse"})
                }
                "askToCloseMany" => json!({"premises": [city.premises["a-home"]]}),
                "decideApproval" => json!({"act": "approve"}),
                "setTenantStanding" => json!({"suspended": false}),
                "actOnTenantDeletion" => json!({"act": "ask"}),
                "setRuleBounds" => json!({"bounds": {"faults-percent": 1}}),
                "setClosingLimit" => json!({"premises": 5}),
                "demandSecondFactor" => json!({"policy": "optional"}),
                _ => Value::Null,
            };
            all.push(Operation { id, method, path: path.clone(), filled, body });
        }
    }
    all
}

pub(crate) async fn call(browser: &Browser, operation: &Operation) -> (StatusCode, axum::http::HeaderMap) {
    let mut request = browser.request(operation.method.clone(), &operation.filled);
    let body = if operation.body.is_null() { String::new() } else { operation.body.to_string() };
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    let request = request.body(Body::from(body)).unwrap();
    let response = browser.raw(request).await;
    (response.status(), response.headers().clone())
}

pub(crate) async fn first_alarm(browser: &mut Browser) -> String {
    browser.get("/api/v1/alarms").await.json()["items"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_closed_to_who_is_not_signed_in() {
    let city = city().await;
    let alarm = first_alarm(&mut city.operator("a").await).await;
    let nobody = city.browser();
    let mut checked = 0;
    for operation in operations(&city, &Things::alarm(alarm.clone())) {
        let id = &operation.id;
        let (status, headers) = call(&nobody, &operation).await;
        if operation.access() == Access::Public {
            assert_ne!(status, StatusCode::UNAUTHORIZED, "{id}");
            continue;
        }
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{id}");
        assert_eq!(headers["content-type"], "application/problem+json", "{id}");
        checked += 1;
    }
    assert!(checked >= 14, "only {checked} operations were checked");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_show_only_what_is_in_scope() {
    let city = city().await;
    let see = async |mut browser: Browser| {
        let devices = browser.get("/api/v1/devices").await.json();
        let alarms = browser.get("/api/v1/alarms").await.json();
        let overview = browser.get("/api/v1/overview").await.json();
        let of = |page: &Value| page["items"].as_array().unwrap().len();
        assert_eq!(devices["total"], overview["devices"]);
        assert_eq!(alarms["items"].as_array().unwrap().len() as u64, overview["alarms"].as_u64().unwrap());
        (of(&devices), overview["leaks"].as_u64().unwrap())
    };
    assert_eq!(see(city.operator("a").await).await, (5, 1));
    assert_eq!(see(city.resident("a").await).await, (2, 1));
    assert_eq!(see(city.signed_in("flat@a.example").await).await, (2, 0));
    assert_eq!(see(city.signed_in("manager@a.example").await).await, (4, 1));
    assert_eq!(see(city.regulator().await).await, (10, 2));
    assert_eq!(see(city.signed_in("elsewhere@city.example").await).await, (0, 0));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_without_the_sessions_csrf_token_is_refused() {
    let city = city().await;
    let alarm = first_alarm(&mut city.operator("a").await).await;
    let mut operator = city.operator("a").await;
    let mut other = city.operator("a").await;
    for token in [None, Some("00".repeat(64)), other.csrf.take()] {
        operator.csrf = token;
        for operation in operations(&city, &Things::alarm(alarm.clone())) {
            if operation.method == Method::GET || operation.access() == Access::Public {
                continue;
            }
            let (status, _) = call(&operator, &operation).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{} with {:?}", operation.id, operator.csrf);
        }
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_that_may_not_act_are_told_so() {
    let city = city().await;
    let alarm = first_alarm(&mut city.operator("a").await).await;
    let device = city.devices["a-D1"];
    let mut regulator = city.regulator().await;
    let mut resident = city.resident("a").await;
    for path in [format!("/api/v1/alarms/{alarm}/acknowledge"), format!("/api/v1/alarms/{alarm}/reset")] {
        let answer = resident.post(&path, &Value::Null).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "forbidden"), "{path}");
    }
    let answer = regulator.post(&format!("/api/v1/devices/{device}/close"), &Value::Null).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "forbidden"));
    city.stop().await;
}
