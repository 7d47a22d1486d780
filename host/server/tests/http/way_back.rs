//! Guessing, and the way back in for who has forgotten the password.

use crate::city::{Browser, City, PASSWORD, city_with};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use davy_domain::Span;
use davy_server::accounts::{Channel, FileChannel};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

const EMAIL: &str = "operator@a.example";
const NEW: &str = "staple lantern meadow";

async fn from(browser: &mut Browser, address: &str, path: &str, body: &Value) -> crate::city::Answer {
    let request = browser
        .request(Method::POST, path)
        .header("x-forwarded-for", address)
        .header(header::CONTENT_TYPE, "application/json");
    browser.send(request.body(Body::from(body.to_string())).unwrap()).await
}

/// Has the mail sent until a letter is there, and gives all of them.
async fn letters(city: &City, folder: &std::path::Path, wanted: usize) -> Vec<Value> {
    let path = folder.join("letters.jsonl");
    let channel: Arc<dyn Channel> = Arc::new(FileChannel::new(&path));
    let begun = std::time::Instant::now();
    loop {
        city.accounts.send_due(&channel).await;
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let letters: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        if letters.len() >= wanted {
            return letters;
        }
        assert!(begun.elapsed() < std::time::Duration::from_mins(1), "{} of {wanted} letters came", letters.len());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn proxied() -> City {
    city_with(|settings| {
        settings.http_behind_proxy = true;
        settings.sign_in_person_attempts = 12;
        settings.http_public_url.0 = Some("https://gas.example".to_owned());
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_army_that_guesses_locks_out_nobody_who_has_been_here_before_or_has_their_mail() {
    let (city, mail) = (proxied().await, tempfile::tempdir().unwrap());
    let right = json!({"email": EMAIL, "password": PASSWORD});
    let mut own = city.browser();
    assert_eq!(from(&mut own, "192.0.2.1", "/api/v1/session", &right).await.status, StatusCode::OK);
    let mut tried = 0;
    for n in 0..40 {
        let guess = json!({"email": if n % 2 == 0 { EMAIL } else { "Operator@A.example" }, "password": "guess guess"});
        let answer = from(&mut city.browser(), &format!("198.51.100.{n}"), "/api/v1/session", &guess).await;
        tried += usize::from(answer.status == StatusCode::UNAUTHORIZED);
    }
    assert_eq!(tried, 12, "guesses that were checked, from forty addresses");
    let mut strange = city.browser();
    let answer = from(&mut strange, "203.0.113.9", "/api/v1/session", &right).await;
    assert_eq!(answer.problem(), "too-many", "a browser that nobody knows");
    own.cookies.remove("davy");
    assert_eq!(
        from(&mut own, "203.0.113.8", "/api/v1/session", &right).await.status,
        StatusCode::OK,
        "the owner's own"
    );
    let other = json!({"email": "operator@b.example", "password": PASSWORD});
    assert_eq!(from(&mut city.browser(), "203.0.113.9", "/api/v1/session", &other).await.status, StatusCode::OK);
    // In the strange browser the owner's mail leads in.
    for n in 0..40 {
        let guess = json!({"email": EMAIL, "password": "guess guess"});
        from(&mut city.browser(), &format!("198.51.100.{n}"), "/api/v1/session", &guess).await;
    }
    let asked = json!({"login": EMAIL});
    let answer = from(&mut strange, "203.0.113.9", "/api/v1/password-reset", &asked).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let letter = letters(&city, mail.path(), 1).await.remove(0);
    let redeemed = json!({"token": letter["secret"], "password": NEW});
    let answer = from(&mut strange, "203.0.113.9", "/api/v1/password-reset/redeem", &redeemed).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    let right = json!({"email": EMAIL, "password": NEW});
    assert_eq!(from(&mut strange, "203.0.113.9", "/api/v1/session", &right).await.status, StatusCode::OK);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browsers_mark_is_worth_nothing_for_anybody_elses_account() {
    let city = proxied().await;
    let mut thief = city.browser();
    let own = json!({"email": "operator@b.example", "password": PASSWORD});
    assert_eq!(from(&mut thief, "192.0.2.1", "/api/v1/session", &own).await.status, StatusCode::OK);
    let mut tried = 0;
    for n in 0..40 {
        let guess = json!({"email": EMAIL, "password": "guess guess"});
        let answer = from(&mut thief, &format!("198.51.100.{n}"), "/api/v1/session", &guess).await;
        tried += usize::from(answer.status == StatusCode::UNAUTHORIZED);
    }
    assert_eq!(tried, 12);
    // A mark that a thief has planted is exchanged when its new owner signs in.
    let mut victim = city.browser();
    victim.cookies.insert("davy-device".to_owned(), thief.cookies["davy-device"].clone());
    let home = json!({"email": "home@a.example", "password": PASSWORD});
    assert_eq!(from(&mut victim, "192.0.2.2", "/api/v1/session", &home).await.status, StatusCode::OK);
    assert_ne!(victim.cookies["davy-device"], thief.cookies["davy-device"]);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_takes_the_same_work_whether_or_not_anybody_has_the_name() {
    let city = proxied().await;
    let hashes = |city: &City| city.accounts.hashes();
    for (email, password) in [
        (EMAIL, "not this one"),
        ("nobody@a.example", "not this one"),
        ("+86 138 0000 0000", "not this one"),
        (EMAIL, PASSWORD),
        ("nobody@a.example", PASSWORD),
    ] {
        let before = hashes(&city);
        let body = json!({"email": email, "password": password});
        from(&mut city.browser(), "192.0.2.1", "/api/v1/session", &body).await;
        assert_eq!(hashes(&city) - before, 1, "{email}");
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_leads_back_in_once_and_ends_every_session_of_before() {
    let (city, mail) = (proxied().await, tempfile::tempdir().unwrap());
    let mut before = city.operator("a").await;
    let ask = "/api/v1/password-reset";
    let mut browser = city.browser();
    let unknown = browser.post(ask, &json!({"login": "nobody@a.example"})).await;
    let known = browser.post(ask, &json!({"login": " Operator@A.example"})).await;
    assert_eq!((known.status, &known.body), (StatusCode::ACCEPTED, &unknown.body));
    assert_eq!(unknown.status, StatusCode::ACCEPTED);
    let all = letters(&city, mail.path(), 1).await;
    assert_eq!(all.len(), 1);
    let mode = std::fs::metadata(mail.path().join("letters.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let letter = &all[0];
    let token = letter["secret"].as_str().unwrap();
    assert_eq!((letter["to"].as_str(), letter["kind"].as_str()), (Some(EMAIL), Some("password-reset")));
    assert_eq!(letter["link"], format!("https://gas.example/sign-in/reset?token={token}"));
    let redeem = "/api/v1/password-reset/redeem";
    let weak = browser.post(redeem, &json!({"token": token, "password": "password1"})).await;
    assert_eq!(weak.json()["reason"], "password-weak");
    for wrong in ["", "00", &"0".repeat(64)] {
        let answer = browser.post(redeem, &json!({"token": wrong, "password": NEW})).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "reset-expired"), "{wrong}");
    }
    let good = json!({"token": token, "password": NEW});
    assert_eq!(browser.post(redeem, &good).await.status, StatusCode::NO_CONTENT);
    assert_eq!(browser.post(redeem, &good).await.problem(), "reset-expired", "a second time");
    assert_eq!(before.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    let old = browser.post("/api/v1/session", &json!({"email": EMAIL, "password": PASSWORD})).await;
    assert_eq!(old.status, StatusCode::UNAUTHORIZED);
    let new = browser.post("/api/v1/session", &json!({"email": EMAIL, "password": NEW})).await;
    assert_eq!(new.status, StatusCode::OK);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_of_no_use_after_its_time_and_letters_are_few() {
    let (city, mail) = (proxied().await, tempfile::tempdir().unwrap());
    let mut browser = city.browser();
    for _ in 0..3 {
        let answer = browser.post("/api/v1/password-reset", &json!({"login": EMAIL})).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED);
    }
    let answer = browser.post("/api/v1/password-reset", &json!({"login": EMAIL})).await;
    assert_eq!(answer.problem(), "too-many");
    let letter = letters(&city, mail.path(), 3).await.remove(2);
    city.ahead.by(Span::from_minutes(31));
    let redeemed = json!({"token": letter["secret"], "password": NEW});
    let answer = browser.post("/api/v1/password-reset/redeem", &redeemed).await;
    assert_eq!(answer.problem(), "reset-expired");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_back_in_works_by_plain_forms_and_a_forged_host_is_in_no_letter() {
    let (city, mail) = (proxied().await, tempfile::tempdir().unwrap());
    let mut browser = city.browser();
    let request = browser
        .request(Method::POST, "/sign-in/forgot")
        .header(header::HOST, "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = browser.send(request.body(Body::from("login=operator%40a.example")).unwrap()).await;
    assert_eq!(answer.location(), "/sign-in/forgot?done=reset-sent");
    let letter = letters(&city, mail.path(), 1).await.remove(0);
    assert!(!letter.to_string().contains("evil.example"), "{letter}");
    let token = letter["secret"].as_str().unwrap();
    let answer = browser.form("/sign-in/reset", &[("token", token), ("password", "12345678")]).await;
    assert_eq!(answer.location(), format!("/sign-in/reset?token={token}&error=password-weak"));
    let answer = browser.form("/sign-in/reset", &[("token", token), ("password", NEW)]).await;
    assert_eq!(answer.location(), "/sign-in?done=password");
    let answer = browser.form("/sign-in", &[("email", EMAIL), ("password", NEW), ("next", "/devices")]).await;
    assert_eq!(answer.location(), "/devices");
    let answer = browser.form("/sign-in/reset", &[("token", "<script>\r\nset-cookie: a=b"), ("password", NEW)]).await;
    assert_eq!(answer.location(), "/sign-in/reset?token=ceceab&error=reset-expired");
    city.stop().await;
}
