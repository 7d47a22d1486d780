//! Who may call what: every operation of the OpenAPI document, by everybody who may not.

use crate::city::{Browser, City, city};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use davy_domain::BackTestId;
use davy_server::http::openapi;
use serde_json::Value;

/// Operations that need nobody.
const PUBLIC: [(&str, &str); 3] = [("POST", "/api/v1/session"), ("GET", "/healthz"), ("GET", "/readyz")];

/// Every operation of the document, with its path filled in with things of company `a`.
fn operations(city: &City, alarm: &str) -> Vec<(Method, String, String)> {
    let document: Value = serde_json::from_str(&openapi::text().unwrap()).unwrap();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            assert!(operation["responses"].is_object(), "{method} {path}");
            let filled = path
                .replace("{device}", &city.devices["a-D1"].to_string())
                .replace("{premises}", &city.premises["a-home"].to_string())
                .replace("{alarm}", alarm)
                .replace("{rule}", &city.rule.to_string())
                .replace("{test}", &BackTestId::from_raw(404).to_string())
                .replace("{key}", &"0".repeat(64))
                .replace("{digest}", &format!("sha256:{}", "0".repeat(64)))
                .replace("{z}/{x}/{y}", "3/6/3.mvt");
            assert!(!filled.contains('{'), "{filled}: tell this test what to put there");
            let filled = if path.ends_with("/series") { filled + "?quantity=gas" } else { filled };
            all.push((method, path.clone(), filled));
        }
    }
    all
}

async fn call(browser: &Browser, method: &Method, path: &str) -> (StatusCode, axum::http::HeaderMap) {
    // A body that would do, so that nothing but the right to it is refused.
    let body = match path.rsplit('/').next() {
        Some("acts") => r#"{"act":"withdraw"}"#,
        Some("finding") => r#"{"finding":"leak"}"#,
        Some("settings" | "back-tests") if *method == Method::POST => "{}",
        _ => "",
    };
    let mut request = browser.request(method.clone(), path);
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
    for (method, path, filled) in operations(&city, &alarm) {
        if PUBLIC.contains(&(method.as_str(), path.as_str())) {
            continue;
        }
        let (status, headers) = call(&nobody, &method, &filled).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
        assert_eq!(headers["content-type"], "application/problem+json", "{method} {path}");
        checked += 1;
    }
    assert!(checked >= 14, "only {checked} operations were checked");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn things_of_another_company_do_not_exist_for_anybody_of_this_one() {
    let city = city().await;
    let alarm = first_alarm(&mut city.operator("a").await).await;
    let strangers = [
        ("operator", city.operator("b").await),
        ("resident", city.resident("b").await),
        ("regulator of elsewhere", city.signed_in("elsewhere@city.example").await),
        ("neighbour", city.signed_in("flat@a.example").await),
    ];
    let mut checked = 0;
    for (method, path, filled) in operations(&city, &alarm) {
        if !["{device}", "{premises}", "{alarm}", "{rule}"].iter().any(|it| path.contains(it)) {
            continue;
        }
        for (who, stranger) in &strangers {
            let (status, _) = call(stranger, &method, &filled).await;
            let closed = status == StatusCode::NOT_FOUND
                || (status == StatusCode::FORBIDDEN && method != Method::GET)
                || (status == StatusCode::FORBIDDEN && path.contains("/rules/{rule}") && *who != "operator");
            assert!(closed, "{who}: {method} {path} gave {status}");
            checked += 1;
        }
    }
    assert!(checked >= 4 * 12, "only {checked} calls were checked");
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
        for (method, path, filled) in operations(&city, &alarm) {
            if method == Method::GET || path == "/api/v1/session" && method == Method::POST {
                continue;
            }
            let (status, _) = call(&operator, &method, &filled).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path} with {:?}", operator.csrf);
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
