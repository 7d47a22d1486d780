//! Each company has its share: one that asks too much keeps neither others nor its own people's urgent acts out.

use crate::city::{Browser, City, city_with};
use crate::people::machine;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

async fn token_of(owner: &mut Browser, deed: &str) -> String {
    let made = owner.post("/api/v1/tokens", &json!({"name": "machine", "deeds": [deed], "days": 1})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    made.json()["secret"].as_str().unwrap().to_owned()
}

/// A token of company `a` that has used up its company's share.
async fn used_up(city: &City) -> (Browser, String) {
    let mut officer = city.signed_in("safety-officer@a.example").await;
    let token = token_of(&mut officer, "alarms:see").await;
    let page = city.browser();
    for _ in 0..40 {
        let (status, told) = machine(&page, &token, Method::GET, "/api/v1/alarms", &Value::Null).await;
        if status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(told["reason"], "companys-share", "{told}");
            return (officer, token);
        }
    }
    panic!("a company with 20 requests at once and one a second sent 40 and none was turned away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_uses_up_its_companys_share_stops_no_other_company_and_no_close() {
    let city = city_with(|settings| {
        settings.http_rate = 0;
        settings.http_company_rate = 1;
        settings.http_company_burst = 20;
    })
    .await;
    let (mut officer, _) = used_up(&city).await;
    assert_eq!(officer.get("/api/v1/rules").await.status, StatusCode::TOO_MANY_REQUESTS);
    // What is urgent goes on.
    assert_eq!(officer.get("/api/v1/alarms").await.status, StatusCode::OK, "people see their alarms");
    let path = format!("/api/v1/devices/{}/close", city.devices["a-V1"]);
    let closed = officer.post(&path, &json!({})).await;
    assert!(closed.status.is_success(), "{} {}", closed.status, closed.text());
    // And so does everybody else.
    let mut other = city.signed_in("rule-engineer@b.example").await;
    assert_eq!(other.get("/api/v1/rules").await.status, StatusCode::OK);
    let mut regulator = city.regulator().await;
    assert_eq!(regulator.get("/api/v1/devices").await.status, StatusCode::OK);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_sees_what_it_uses_and_where_its_shares_end() {
    let city = city_with(|settings| settings.http_company_rate = 700).await;
    let mut administrator = city.signed_in("administrator@a.example").await;
    let before = administrator.get("/api/v1/usage").await.json();
    assert_eq!(before["requests"]["per_second"], 700);
    assert_eq!(before["components"], json!({"used": 1, "most": 50}), "the city's company has one component");
    assert!(before["component_bytes"]["used"].as_u64() > Some(0));
    assert_eq!((&before["unchecked_versions"]["most"], &before["back_tests"]["most"]), (&json!(16), &json!(8)));
    let after = administrator.get("/api/v1/usage").await.json();
    assert_eq!(
        after["requests"]["taken"].as_u64().unwrap(),
        before["requests"]["taken"].as_u64().unwrap() + 1,
        "each request counts"
    );
    let mut other = city.signed_in("administrator@b.example").await;
    let theirs = other.get("/api/v1/usage").await.json();
    assert_eq!(theirs["requests"]["taken"], 1, "nobody else's are in it");
    assert!(administrator.get("/usage").await.text().contains("用量与配额"));
    city.stop().await;
}
