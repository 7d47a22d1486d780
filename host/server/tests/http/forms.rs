//! Plain forms, as a page without scripts sends them.

use crate::access::first_alarm;
use crate::city::{PASSWORD, city};
use axum::http::{StatusCode, header};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn a_resident_signs_in_closes_the_valve_and_signs_out_without_scripts() {
    let city = city().await;
    let mut browser = city.browser();
    let fields = [("email", "flat@a.example"), ("password", PASSWORD), ("next", "/home")];
    let answer = browser.form("/sign-in", &fields).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/home"));
    let csrf = browser.get("/api/v1/session").await.json()["csrf"].as_str().unwrap().to_owned();
    let premises = city.premises["a-flat"].to_string();
    let close = [("csrf", csrf.as_str()), ("premises", &premises), ("next", "/home?tab=1")];
    let answer = browser.form("/actions/close", &close).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/home?tab=1&done=close"));
    let detail = browser.get(&format!("/api/v1/premises/{premises}")).await.json();
    assert_eq!(detail["commands"][0]["action"], "close");
    assert_eq!(detail["commands"][0]["cause"], "resident");
    let answer = browser.form("/sign-out", &[("csrf", &csrf)]).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/sign-in"));
    assert_eq!(browser.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_cannot_be_carried_out_leads_back_with_one_word() {
    let city = city().await;
    let alarm = first_alarm(&mut city.operator("a").await).await;
    let mut nobody = city.browser();
    let answer = nobody.form("/actions/acknowledge", &[("csrf", "x"), ("alarm", &alarm), ("next", "/")]).await;
    assert_eq!(answer.location(), "/sign-in?next=%2F&error=signed-out");
    let answer = nobody.form("/sign-in", &[("email", "operator@a.example"), ("password", "wrong wrong")]).await;
    assert_eq!(answer.location(), "/sign-in?next=%2F&error=credentials");
    let mut resident = city.resident("a").await;
    let csrf = resident.csrf.clone().unwrap();
    let answer = resident.form("/actions/acknowledge", &[("csrf", "x"), ("alarm", &alarm), ("next", "/home")]).await;
    assert_eq!(answer.location(), "/home?error=csrf");
    let answer = resident.form("/actions/acknowledge", &[("csrf", &csrf), ("alarm", &alarm), ("next", "/home")]).await;
    assert_eq!(answer.location(), "/home?error=forbidden");
    let mut stranger = city.operator("b").await;
    let csrf = stranger.csrf.clone().unwrap();
    let answer =
        stranger.form("/actions/acknowledge", &[("csrf", &csrf), ("alarm", &alarm), ("next", "//evil.example")]).await;
    assert_eq!(answer.location(), "/?error=not-found");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_acknowledges_by_form() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    let (csrf, alarm) = (operator.csrf.clone().unwrap(), first_alarm(&mut operator).await);
    let answer = operator.form("/actions/acknowledge", &[("csrf", &csrf), ("alarm", &alarm), ("next", "/")]).await;
    assert_eq!(answer.location(), "/?done=acknowledge");
    let item = operator.get("/api/v1/alarms").await.json()["items"][0].clone();
    assert_eq!((item["id"].as_str(), item["state"].as_str()), (Some(alarm.as_str()), Some("acknowledged")));
    let answer = operator.form("/actions/reset", &[("csrf", &csrf), ("alarm", &alarm), ("next", "/")]).await;
    assert_eq!(answer.location(), "/?error=readings-high");
    let answer = operator.post(&format!("/api/v1/alarms/{alarm}/reset"), &Value::Null).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "refused"));
    assert_eq!(answer.json()["reason"], "readings-high");
    let page = operator.get("/?error=readings-high").await.text();
    assert!(page.contains("最新读数还不够低"), "{page}");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_language_is_remembered_in_a_cookie_also_before_signing_in() {
    let city = city().await;
    let mut browser = city.browser();
    let answer = browser.form("/language", &[("language", "en"), ("next", "/sign-in")]).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/sign-in"));
    assert!(answer.headers[header::SET_COOKIE].to_str().unwrap().starts_with("davy_lang=en; Path=/; SameSite=Lax"));
    let answer = browser.form("/language", &[("language", "<script>")]).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid"));
    let mut resident = city.resident("a").await;
    let answer = resident.form("/language", &[("language", "en"), ("next", "/home")]).await;
    assert_eq!(answer.location(), "/home?error=csrf");
    let csrf = resident.csrf.clone().unwrap();
    resident.form("/language", &[("language", "en"), ("csrf", &csrf)]).await;
    let user = city.store.user_by_email("home@a.example").await.unwrap().unwrap();
    assert_eq!(user.locale, "en");
    city.stop().await;
}
