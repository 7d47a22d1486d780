//! One's own account: password, sessions, second factors, and what a company demands them for.

use crate::city::{Browser, City, PASSWORD, city, city_with};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use davy_domain::Span;
use davy_domain::ledger::Actor;
use davy_domain::proof::SecondFactorPolicy;
use davy_server::clock::Clock;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

const NEW: &str = "staple lantern meadow";

impl Browser {
    async fn with(&mut self, method: Method, path: &str, body: &Value) -> crate::city::Answer {
        let request = self.request(method, path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// Takes over the CSRF token of an answer that gave the session another one.
    fn goes_on_with(&mut self, answer: &crate::city::Answer) {
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        self.csrf = Some(answer.json()["csrf"].as_str().unwrap().to_owned());
    }
}

async fn with_password(city: &City, email: &str, password: &str) -> (Browser, crate::city::Answer) {
    let mut browser = city.browser();
    let answer = browser.post("/api/v1/session", &json!({"email": email, "password": password})).await;
    if answer.status == StatusCode::OK {
        browser.csrf = Some(answer.json()["csrf"].as_str().unwrap().to_owned());
    }
    (browser, answer)
}

/// The code that an authenticator with this secret shows now.
fn code(city: &City, secret: &str) -> String {
    let generator =
        Builder::new().with_secret(Secret::try_from_base32(secret).unwrap()).with_account_name("x").build().unwrap();
    generator.generate(city.ahead.now().as_millis() as u64 / 1_000).to_string()
}

/// Sets a generator up, and gives its secret and recovery codes.
async fn set_up(city: &City, browser: &mut Browser) -> (String, Vec<String>) {
    let offer = browser.post("/api/v1/account/generator", &json!({"password": PASSWORD})).await;
    assert_eq!(offer.status, StatusCode::OK, "{offer:?}");
    let offer = offer.json();
    let secret = offer["secret"].as_str().unwrap().to_owned();
    let confirmed = browser.with(Method::PUT, "/api/v1/account/generator", &json!({"code": code(city, &secret)})).await;
    browser.goes_on_with(&confirmed);
    let codes = offer["recovery_codes"].as_array().unwrap();
    (secret, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
}

async fn prove(browser: &mut Browser, code: &str) -> crate::city::Answer {
    browser.post("/api/v1/session/second-factor", &json!({"code": code})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_ends_every_other_session_and_gives_this_one_another_token() {
    let city = city().await;
    let (mut browser, mut other) = (city.operator("a").await, city.operator("a").await);
    let before = browser.clone();
    let wrong = json!({"current": "not this one", "new": NEW});
    let answer = browser.with(Method::PUT, "/api/v1/account/password", &wrong).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "password"));
    for (weak, reason) in
        [("short", "password-length"), ("password1", "password-weak"), ("operator@a", "password-weak")]
    {
        let asked = json!({"current": PASSWORD, "new": weak});
        let answer = browser.with(Method::PUT, "/api/v1/account/password", &asked).await;
        assert_eq!((answer.status, answer.json()["reason"].as_str()), (StatusCode::UNPROCESSABLE_ENTITY, Some(reason)));
    }
    assert_eq!(other.get("/api/v1/me").await.status, StatusCode::OK, "nothing has changed so far");
    let asked = json!({"current": PASSWORD, "new": NEW});
    let answer = browser.with(Method::PUT, "/api/v1/account/password", &asked).await;
    browser.goes_on_with(&answer);
    assert_ne!(browser.cookies["davy"], before.cookies["davy"]);
    assert_eq!(browser.get("/api/v1/me").await.status, StatusCode::OK);
    for mut dead in [other, before] {
        assert_eq!(dead.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    }
    let email = "operator@a.example";
    assert_eq!(with_password(&city, email, PASSWORD).await.1.status, StatusCode::UNAUTHORIZED);
    assert_eq!(with_password(&city, email, NEW).await.1.status, StatusCode::OK);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_where_they_are_signed_in_and_ends_it_one_by_one_and_all_at_once() {
    let city = city_with(|settings| settings.http_behind_proxy = true).await;
    let mut phone = city.browser();
    let body = json!({"email": "operator@a.example", "password": PASSWORD}).to_string();
    let request = phone
        .request(Method::POST, "/api/v1/session")
        .header("x-forwarded-for", "192.0.2.7")
        .header(header::USER_AGENT, "Phone <b>1</b>")
        .header(header::CONTENT_TYPE, "application/json");
    assert_eq!(phone.send(request.body(Body::from(body)).unwrap()).await.status, StatusCode::OK);
    let (mut desk, mut stranger) = (city.operator("a").await, city.operator("b").await);
    let account = desk.get("/api/v1/account").await.json();
    let sessions = account["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2, "{account}");
    let of = |current: bool| sessions.iter().find(|session| session["current"] == current).unwrap();
    assert_eq!(
        (of(false)["agent"].as_str(), of(false)["address"].as_str()),
        (Some("Phone <b>1</b>"), Some("192.0.2.7"))
    );
    let page = desk.get("/account").await.text();
    assert!(page.contains("Phone &lt;b&gt;1&lt;/b&gt;") && !page.contains("Phone <b>"), "{page}");
    let path = format!("/api/v1/account/sessions/{}", of(false)["id"].as_str().unwrap());
    assert_eq!(stranger.with(Method::DELETE, &path, &Value::Null).await.status, StatusCode::NOT_FOUND);
    assert_eq!(phone.get("/api/v1/me").await.status, StatusCode::OK);
    assert_eq!(desk.with(Method::DELETE, &path, &Value::Null).await.status, StatusCode::NO_CONTENT);
    assert_eq!(phone.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    let (mut second, mut third) = (city.operator("a").await, city.operator("a").await);
    assert_eq!(
        desk.with(Method::DELETE, "/api/v1/account/sessions", &Value::Null).await.status,
        StatusCode::NO_CONTENT
    );
    for gone in [&mut second, &mut third] {
        assert_eq!(gone.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(desk.get("/api/v1/account").await.json()["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(stranger.get("/api/v1/me").await.status, StatusCode::OK);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_nobody_uses_it_and_at_last_also_when_somebody_does() {
    let city = city().await;
    let (mut used, mut unused) = (city.operator("a").await, city.operator("a").await);
    for _ in 0..6 {
        city.ahead.by(Span::from_minutes(110));
        assert_eq!(used.get("/api/v1/me").await.status, StatusCode::OK);
    }
    assert_eq!(unused.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    city.ahead.by(Span::from_minutes(65));
    assert_eq!(used.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED, "twelve hours are over");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_generator_comes_in_with_its_code_and_with_each_code_once() {
    let city = city().await;
    let mut browser = city.operator("a").await;
    let (secret, recovery) = set_up(&city, &mut browser).await;
    assert_eq!(recovery.len(), 10);
    let email = "operator@a.example";
    let (mut waiting, answer) = with_password(&city, email, PASSWORD).await;
    assert_eq!(answer.json()["second_factor_needed"], true);
    for path in ["/api/v1/me", "/api/v1/account", "/api/v1/session", "/api/v1/alarms", "/api/v1/events"] {
        assert_eq!(waiting.get(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let close = format!("/api/v1/devices/{}/close", city.devices["a-D1"]);
    assert_eq!(waiting.post(&close, &Value::Null).await.status, StatusCode::UNAUTHORIZED);
    assert!(waiting.get("/").await.status.is_redirection(), "the pages are closed, too");
    let used = code(&city, &secret);
    for wrong in [used.as_str(), "000000", "", "abcd-efgh-ijkl-mnop"] {
        let answer = prove(&mut waiting, wrong).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "factor-code"),
            "{wrong}"
        );
    }
    city.ahead.by(Span::from_secs(30));
    let before = waiting.clone();
    let fresh = code(&city, &secret);
    let answer = prove(&mut waiting, &fresh).await;
    waiting.goes_on_with(&answer);
    assert_ne!(waiting.cookies["davy"], before.cookies["davy"]);
    assert_eq!(waiting.get("/api/v1/me").await.status, StatusCode::OK);
    let mut planted = before;
    assert_eq!(prove(&mut planted, &fresh).await.status, StatusCode::UNAUTHORIZED, "its token was given up");
    let (mut second, _) = with_password(&city, email, PASSWORD).await;
    assert_eq!(prove(&mut second, &fresh).await.problem(), "factor-code", "the same code for another session");
    let answer = prove(&mut second, &recovery[4].to_uppercase()).await;
    second.goes_on_with(&answer);
    assert_eq!(second.get("/api/v1/account").await.json()["recovery_codes"], 9);
    let (mut third, _) = with_password(&city, email, PASSWORD).await;
    assert_eq!(prove(&mut third, &recovery[4]).await.problem(), "factor-code", "a recovery code a second time");
    let folder = city.stop().await;
    for file in ["davy.db", "davy.db-wal"] {
        let Ok(database) = std::fs::read(folder.path().join(file)) else { continue };
        let raw = Secret::try_from_base32(&secret).unwrap();
        let plain = recovery[0].replace('-', "").to_uppercase();
        for hidden in [secret.as_bytes(), raw.as_bytes(), plain.as_bytes()] {
            assert!(!database.windows(hidden.len()).any(|window| window == hidden), "{file} has a secret");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_cannot_be_guessed_for_long() {
    let city = city().await;
    let mut browser = city.operator("a").await;
    let (secret, _) = set_up(&city, &mut browser).await;
    city.ahead.by(Span::from_secs(30));
    // A browser of somebody who has the password: not one of the owner's.
    let (mut thief, _) = with_password(&city, "operator@a.example", PASSWORD).await;
    for _ in 0..5 {
        assert_eq!(prove(&mut thief, "000000").await.problem(), "factor-code");
    }
    let right = code(&city, &secret);
    assert_eq!(prove(&mut thief, &right).await.problem(), "too-many", "also the right one");
    // The owner's browser has its own allowance.
    assert_eq!(prove(&mut browser, &right).await.status, StatusCode::OK);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generator_is_set_up_and_removed_only_with_the_password_and_a_factor_that_is_there() {
    let city = city().await;
    let mut browser = city.operator("a").await;
    let answer = browser.post("/api/v1/account/generator", &json!({"password": "not this one"})).await;
    assert_eq!(answer.problem(), "password");
    let answer = browser.with(Method::PUT, "/api/v1/account/generator", &json!({"code": "000000"})).await;
    assert_eq!(answer.json()["reason"], "nothing-offered");
    let (secret, _) = set_up(&city, &mut browser).await;
    assert!(browser.get("/api/v1/account").await.json()["generator_offer"].is_null(), "never shown again");
    city.ahead.by(Span::from_minutes(61));
    let answer = browser.with(Method::DELETE, "/api/v1/account/generator", &json!({"password": PASSWORD})).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "second-factor"));
    let answer = browser.post("/api/v1/account/generator", &json!({"password": PASSWORD})).await;
    assert_eq!(answer.problem(), "second-factor");
    let answer = prove(&mut browser, &code(&city, &secret)).await;
    browser.goes_on_with(&answer);
    let answer = browser.post("/api/v1/account/generator", &json!({"password": PASSWORD})).await;
    assert_eq!(answer.json()["reason"], "generator-there");
    let answer = browser.with(Method::DELETE, "/api/v1/account/generator", &json!({"password": PASSWORD})).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    let (_, answer) = with_password(&city, "operator@a.example", PASSWORD).await;
    assert_eq!(answer.json()["second_factor_needed"], false);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_company_demands_a_second_factor_for_is_refused_until_a_fresh_one_is_proven() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    let (device, rule) = (city.devices["a-D2"], city.rule);
    let tenant = city.store.user_by_email("operator@a.example").await.unwrap().unwrap().scope.tenant().unwrap();
    let company = city.store.tenant(tenant);
    let demand = async |policy| {
        company.set_second_factor_policy(policy, Actor::CommandLine, city.ahead.now()).await.unwrap();
    };
    let (close, act) = (format!("/api/v1/devices/{device}/close"), format!("/api/v1/rules/{rule}/acts"));
    let withdraw = json!({"act": "withdraw"});
    demand(SecondFactorPolicy::Rules).await;
    let answer = operator.post(&act, &withdraw).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "second-factor"));
    demand(SecondFactorPolicy::Commands).await;
    let answer = operator.post(&close, &Value::Null).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "second-factor"));
    let csrf = operator.csrf.clone().unwrap();
    let fields = [("csrf", csrf.as_str()), ("device", &device.to_string()), ("next", "/devices?q=1")];
    let answer = operator.form("/actions/close", &fields).await;
    assert_eq!(answer.location(), "/sign-in/code?next=%2Fdevices%3Fq%3D1&error=second-factor");
    // A resident's own valve, and another company, are not what this company's staff may do.
    let mut resident = city.signed_in("flat@a.example").await;
    let own = format!("/api/v1/premises/{}/close", city.premises["a-flat"]);
    assert_eq!(resident.post(&own, &Value::Null).await.status, StatusCode::OK);
    let other = format!("/api/v1/devices/{}/close", city.devices["b-D2"]);
    assert_eq!(city.operator("b").await.post(&other, &Value::Null).await.status, StatusCode::OK);
    let (secret, _) = set_up(&city, &mut operator).await;
    assert_eq!(operator.post(&close, &Value::Null).await.status, StatusCode::OK);
    assert_eq!(operator.post(&act, &withdraw).await.status, StatusCode::OK);
    city.ahead.by(Span::from_minutes(61));
    assert_eq!(operator.post(&close, &Value::Null).await.problem(), "second-factor");
    let fields = [("code", code(&city, &secret)), ("next", "/devices".to_owned())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = operator.form("/sign-in/code", &fields).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/devices"));
    operator.csrf = Some(operator.get("/api/v1/session").await.json()["csrf"].as_str().unwrap().to_owned());
    assert_eq!(operator.post(&close, &Value::Null).await.status, StatusCode::OK);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_themself_more_than_a_form_has_fields() {
    let city = city().await;
    let mut browser = city.operator("a").await;
    let bodies = [
        (Method::PUT, "/api/v1/account/password", json!({"current": PASSWORD, "new": NEW, "role": "regulator"})),
        (Method::POST, "/api/v1/session/second-factor", json!({"code": "1", "user": "usr_2"})),
        (
            Method::POST,
            "/api/v1/session",
            json!({"email": "operator@a.example", "password": PASSWORD, "role": "regulator"}),
        ),
        (Method::POST, "/api/v1/password-reset", json!({"login": "operator@a.example", "to": "me@evil.example"})),
    ];
    for (method, path, body) in bodies {
        let answer = browser.with(method, path, &body).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid"), "{path}");
    }
    assert!(!browser.get("/api/v1/me").await.json()["roles"].to_string().contains("regulator"));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_demands_of_others_what_they_have_proven_themself_and_the_ledger_has_it_all() {
    let city = city().await;
    let mut administrator = city.signed_in("administrator@a.example").await;
    let path = "/api/v1/people/second-factor";
    let demand = |policy: &str| json!({"policy": policy});
    let answer = administrator.with(Method::PUT, path, &demand("commands")).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "second-factor"));
    let answer = administrator.with(Method::PUT, path, &demand("sometimes")).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let csrf = administrator.csrf.clone().unwrap();
    let answer = administrator.form("/actions/people/second-factor", &[("csrf", &csrf), ("policy", "rules")]).await;
    assert_eq!(answer.location(), "/sign-in/code?next=%2Fpeople&error=second-factor", "led to where one is set up");
    let (secret, codes) = set_up(&city, &mut administrator).await;
    assert_eq!(administrator.with(Method::PUT, path, &demand("commands")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(administrator.get("/api/v1/people").await.json()["second_factor"], "commands");
    // Who commands valves or changes people is held up; who looks, or is of another company, is not.
    let mut dispatcher = city.signed_in("dispatcher@a.example").await;
    let close = format!("/api/v1/devices/{}/close", city.devices["a-D2"]);
    assert_eq!(dispatcher.post(&close, &Value::Null).await.problem(), "second-factor");
    assert_eq!(dispatcher.get("/api/v1/devices").await.status, StatusCode::OK);
    let close = format!("/api/v1/devices/{}/close", city.devices["b-D2"]);
    assert_eq!(city.signed_in("dispatcher@b.example").await.post(&close, &Value::Null).await.status, StatusCode::OK);
    // Nor does a machine get what its maker may not do now, or a stolen session lift the demand.
    let (mut thief, _) = with_password(&city, "safety-officer@a.example", PASSWORD).await;
    let token = json!({"name": "t", "deeds": ["valves:close"], "days": 1});
    assert_eq!(thief.post("/api/v1/tokens", &token).await.problem(), "second-factor");
    city.ahead.by(Span::from_minutes(61));
    assert_eq!(administrator.with(Method::PUT, path, &demand("optional")).await.problem(), "second-factor");
    assert_eq!(prove(&mut administrator, "000000").await.problem(), "factor-code");
    let proven = prove(&mut administrator, &codes[0]).await;
    administrator.goes_on_with(&proven);
    assert_eq!(administrator.with(Method::PUT, path, &demand("optional")).await.status, StatusCode::NO_CONTENT);
    let removed = json!({"password": PASSWORD});
    let answer = administrator.with(Method::DELETE, "/api/v1/account/generator", &removed).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(!secret.is_empty());
    let entries = administrator.get("/api/v1/ledger?topic=people&limit=100").await.json();
    let acts: Vec<&str> = entries["items"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect();
    for (kind, times) in
        [("second-factor-set", 1), ("second-factor-demanded", 2), ("sign-in-refused", 1), ("second-factor-removed", 1)]
    {
        assert_eq!(acts.iter().filter(|act| **act == kind).count(), times, "{kind}: {acts:?}");
    }
    city.stop().await;
}
