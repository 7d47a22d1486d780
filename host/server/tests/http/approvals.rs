//! What is dangerous takes two people: chosen first, approved by another in time, carried out once.

use crate::city::{Browser, City, city};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn put(browser: &mut Browser, path: &str, body: &Value) -> StatusCode {
    let request = browser.request(Method::PUT, path).header(header::CONTENT_TYPE, "application/json");
    browser.send(request.body(Body::from(body.to_string())).unwrap()).await.status
}

async fn ask(browser: &mut Browser, body: &Value) -> Value {
    let answer = browser.post("/api/v1/approvals/close-many", body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    answer.json()
}

async fn decide(browser: &mut Browser, request: &Value, act: &str) -> (StatusCode, String) {
    let path = format!("/api/v1/approvals/{}/decision", request["id"].as_str().unwrap());
    let answer = browser.post(&path, &json!({"act": act})).await;
    let json = answer.json();
    let said = if answer.status == StatusCode::OK { &json["stage"] } else { &json["reason"] };
    (answer.status, said.as_str().unwrap_or_default().to_owned())
}

async fn done(browser: &mut Browser, request: &Value) -> Value {
    let path = format!("/api/v1/approvals/{}", request["id"].as_str().unwrap());
    let begun = Instant::now();
    loop {
        let now = browser.get(&path).await.json();
        if now["stage"] == "done" {
            return now;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{now}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn community(browser: &mut Browser) -> Value {
    browser.get("/api/v1/approvals").await.json()["communities"][0]["id"].clone()
}

/// Two dispatchers, and a company where one person may close one premises alone.
async fn pair(city: &City) -> (Browser, Browser) {
    let mut officer = city.signed_in("safety-officer@a.example").await;
    assert_eq!(put(&mut officer, "/api/v1/closing-limit", &json!({"premises": 1})).await, StatusCode::NO_CONTENT);
    (city.signed_in("dispatcher@a.example").await, officer)
}

#[tokio::test(flavor = "multi_thread")]
async fn many_premises_are_closed_once_and_only_after_a_second_person_approves() {
    let city = city().await;
    let (mut asker, mut second) = pair(&city).await;
    let community = community(&mut asker).await;
    let request = ask(&mut asker, &json!({"community": community})).await;
    assert_eq!((request["premises"].as_u64(), request["second"].as_bool()), (Some(2), Some(true)));
    assert_eq!(request["may"], json!(["withdraw"]), "who asked is not offered to approve");
    let flat = format!("/api/v1/premises/{}", city.premises["a-flat"]);
    assert_eq!(asker.get(&flat).await.json()["commands"], json!([]), "nothing is closed before it is approved");
    let own = decide(&mut asker, &request, "approve").await;
    assert_eq!(own, (StatusCode::CONFLICT, "second-person".to_owned()));
    // Two approvals at once: one of them carries it out.
    let mut twin = second.clone();
    let (one, two) = tokio::join!(decide(&mut second, &request, "approve"), decide(&mut twin, &request, "approve"));
    let both = [one.0, two.0];
    assert!(both.contains(&StatusCode::OK) && both.contains(&StatusCode::CONFLICT), "{one:?} {two:?}");
    let after = done(&mut second, &request).await;
    assert_eq!((after["ordered"].as_u64(), after["failed"].as_u64()), (Some(2), Some(0)), "{after}");
    let commands = asker.get(&flat).await.json()["commands"].clone();
    assert_eq!(commands.as_array().unwrap().len(), 1, "{commands}");
    assert_eq!(commands[0]["action"], "close");
    assert_eq!(decide(&mut second, &request, "approve").await, (StatusCode::CONFLICT, "not-now".to_owned()));
    assert_eq!(asker.get(&flat).await.json()["commands"].as_array().unwrap().len(), 1, "it is carried out once");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_person_may_close_alone_is_still_chosen_first() {
    let city = city().await;
    let (mut asker, _) = pair(&city).await;
    let request = ask(&mut asker, &json!({"premises": [city.premises["a-flat"]]})).await;
    assert_eq!(request["second"], false);
    assert_eq!(decide(&mut asker, &request, "approve").await.0, StatusCode::OK);
    assert_eq!(done(&mut asker, &request).await["ordered"], 1);
    // One premises of another company makes the whole choice one of things that are not there.
    let mixed = json!({"premises": [city.premises["a-flat"], city.premises["b-flat"]]});
    assert_eq!(asker.post("/api/v1/approvals/close-many", &mixed).await.status, StatusCode::NOT_FOUND);
    let nothing = json!({"premises": []});
    let answer = asker.post("/api/v1/approvals/close-many", &nothing).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_asker_has_lost_the_role_or_that_was_declined_is_never_carried_out() {
    let city = city().await;
    let (mut asker, mut second) = pair(&city).await;
    let community = community(&mut asker).await;
    let body = json!({"community": community});
    let (lost, declined, withdrawn) =
        (ask(&mut asker, &body).await, ask(&mut asker, &body).await, ask(&mut asker, &body).await);
    assert_eq!(decide(&mut second, &declined, "decline").await.1, "declined");
    assert_eq!(decide(&mut second, &withdrawn, "withdraw").await.1, "not-yours");
    assert_eq!(decide(&mut asker, &withdrawn, "withdraw").await.1, "withdrawn");
    for ended in [&declined, &withdrawn] {
        assert_eq!(decide(&mut second, ended, "approve").await, (StatusCode::CONFLICT, "not-now".to_owned()));
    }
    let mut administrator = city.signed_in("administrator@a.example").await;
    let id = asker.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/people/{id}/roles");
    assert_eq!(put(&mut administrator, &path, &json!({"roles": ["technician"]})).await, StatusCode::OK);
    assert_eq!(decide(&mut second, &lost, "approve").await, (StatusCode::CONFLICT, "asker".to_owned()));
    // Nor does it help who approves to have lost theirs.
    let own = second.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/people/{own}/roles");
    assert_eq!(put(&mut administrator, &path, &json!({"roles": ["auditor"]})).await, StatusCode::OK);
    let mut demoted = city.signed_in("safety-officer@a.example").await;
    assert_eq!(decide(&mut demoted, &lost, "approve").await.0, StatusCode::FORBIDDEN);
    let flat = format!("/api/v1/premises/{}", city.premises["a-flat"]);
    assert_eq!(demoted.get(&flat).await.json()["commands"], json!([]));
    city.stop().await;
}
