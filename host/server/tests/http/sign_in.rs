//! Signing in and out.

use crate::city::{PASSWORD, city, city_with};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_session_lasts_from_sign_in_to_sign_out_and_its_token_is_stored_only_as_a_hash() {
    let city = city().await;
    let mut browser = city.operator("a").await;
    let me = browser.get("/api/v1/me").await.json();
    assert_eq!(me["roles"], json!(["administrator", "safety-officer", "dispatcher", "rule-engineer"]));
    assert_eq!((me["scope"].as_str(), me["tenant_name"].as_str()), (Some("tenant"), Some("示例燃气a")));
    let token = browser.cookies["davy"].clone();
    assert_eq!(token.len(), 64);
    let before = browser.clone();
    let request = browser.request(Method::DELETE, "/api/v1/session").body(Body::empty()).unwrap();
    assert_eq!(browser.send(request).await.status, StatusCode::NO_CONTENT);
    assert_eq!(browser.cookies.keys().collect::<Vec<_>>(), ["davy-device"], "only that it was here");
    let mut stolen = before;
    assert_eq!(stolen.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    let folder = city.stop().await;
    let database = std::fs::read(folder.path().join("davy.db")).unwrap();
    assert!(!database.windows(64).any(|window| window == token.as_bytes()));
    assert!(!database.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_out_of_reach_for_scripts_other_sites_and_plain_http() {
    let city = city_with(|settings| settings.http_secure_cookies = true).await;
    let mut browser = city.browser();
    let answer = browser.post("/api/v1/session", &json!({"email": "operator@a.example", "password": PASSWORD})).await;
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-davy="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=43200; Secure"), "{cookie}");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(answer.headers.contains_key("strict-transport-security"));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_ends_the_session_that_the_browser_came_with() {
    let city = city().await;
    let mut browser = city.operator("a").await;
    let mut planted = browser.clone();
    browser.post("/api/v1/session", &json!({"email": "home@a.example", "password": PASSWORD})).await;
    assert_ne!(browser.cookies["davy"], planted.cookies["davy"]);
    assert_eq!(planted.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get("/api/v1/me").await.json()["roles"], json!(["resident"]));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_unknown_person_get_the_same_answer() {
    let city = city().await;
    let mut browser = city.browser();
    let wrong =
        browser.post("/api/v1/session", &json!({"email": "operator@a.example", "password": "not this one"})).await;
    let unknown =
        browser.post("/api/v1/session", &json!({"email": "nobody@a.example", "password": "not this one"})).await;
    assert_eq!((wrong.status, wrong.problem().as_str()), (StatusCode::UNAUTHORIZED, "credentials"));
    assert_eq!((wrong.status, wrong.body), (unknown.status, unknown.body));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down_for_the_guesser_and_locks_nobody_else_out() {
    let city = city_with(|settings| {
        settings.sign_in_attempts = 3;
        settings.http_behind_proxy = true;
    })
    .await;
    let attempt = async |from: &str, email: &str, password: &str| {
        let mut browser = city.browser();
        let body = json!({"email": email, "password": password}).to_string();
        let request = browser
            .request(Method::POST, "/api/v1/session")
            .header("x-forwarded-for", from)
            .header(header::CONTENT_TYPE, "application/json");
        browser.send(request.body(Body::from(body)).unwrap()).await
    };
    for _ in 0..3 {
        assert_eq!(attempt("9.9.9.9", "operator@a.example", "guess guess").await.status, StatusCode::UNAUTHORIZED);
    }
    let slowed = attempt("9.9.9.9", "Operator@A.example ", PASSWORD).await;
    assert_eq!((slowed.status, slowed.problem().as_str()), (StatusCode::TOO_MANY_REQUESTS, "too-many"));
    assert!(slowed.headers.contains_key("retry-after"));
    assert_eq!(attempt("1.2.3.4", "operator@a.example", PASSWORD).await.status, StatusCode::OK);
    assert_eq!(attempt("9.9.9.9", "operator@b.example", PASSWORD).await.status, StatusCode::OK);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_planted_is_never_taken_over() {
    let city = city().await;
    let mut browser = city.browser();
    let planted = "ab".repeat(32);
    browser.cookies.insert("davy".to_owned(), planted.clone());
    browser.cookies.insert("davy-device".to_owned(), planted.clone());
    assert_eq!(browser.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    browser.post("/api/v1/session", &json!({"email": "operator@a.example", "password": PASSWORD})).await;
    assert_ne!(browser.cookies["davy"], planted);
    assert_ne!(browser.cookies["davy-device"], planted);
    let mut thief = city.browser();
    thief.cookies.insert("davy".to_owned(), planted);
    assert_eq!(thief.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn line_breaks_in_what_is_sent_make_no_header_of_the_answer() {
    let city = city().await;
    let evil = "x\r\nset-cookie: davy=evil\r\n\r\n<script>";
    let mut browser = city.browser();
    let answers = [
        browser.post("/api/v1/session", &json!({"email": evil, "password": evil})).await,
        browser.form("/sign-in", &[("email", evil), ("password", evil), ("next", evil)]).await,
        browser.form("/sign-in/code", &[("code", evil), ("next", evil)]).await,
        browser.form("/sign-in/forgot", &[("login", evil)]).await,
        browser.form("/sign-in/reset", &[("token", evil), ("password", evil)]).await,
        browser.form("/language", &[("language", "en"), ("next", evil)]).await,
    ];
    for answer in answers {
        let headers = format!("{:?}", answer.headers);
        assert!(!headers.contains("evil") && !headers.contains("script>"), "{headers}");
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_cannot_sign_somebody_in() {
    let city = city().await;
    let mut browser = city.browser();
    let body = json!({"email": "operator@a.example", "password": PASSWORD}).to_string();
    let request = browser
        .request(Method::POST, "/api/v1/session")
        .header("sec-fetch-site", "cross-site")
        .header(header::CONTENT_TYPE, "application/json");
    let answer = browser.send(request.body(Body::from(body)).unwrap()).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "csrf"));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_session_is_no_session() {
    let city = city_with(|settings| {
        settings.session_lifetime = davy_server::config::Setting::parse("50 ms").unwrap();
    })
    .await;
    let mut browser = city.operator("a").await;
    tokio::time::sleep(std::time::Duration::from_millis(80)).await;
    assert_eq!(browser.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    city.stop().await;
}
