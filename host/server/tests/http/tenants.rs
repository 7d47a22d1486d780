//! What becomes of a company: locked out, let in again, asked to be deleted; and what none of it does to its devices.

use crate::city::{Browser, PASSWORD, city};
use crate::imports::{add, find, measured};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use davy_coap::Code;
use serde_json::{Value, json};

async fn stand(browser: &mut Browser, company: &str, suspended: bool) -> crate::city::Answer {
    let path = format!("/api/v1/tenants/{company}/standing");
    let request = browser.request(Method::PUT, &path).header(header::CONTENT_TYPE, "application/json");
    browser.send(request.body(Body::from(json!({"suspended": suspended}).to_string())).unwrap()).await
}

async fn decide(browser: &mut Browser, company: &str, act: &str) -> (StatusCode, String) {
    let answer = browser.post(&format!("/api/v1/tenants/{company}/deletion"), &json!({"act": act})).await;
    let reason =
        serde_json::from_slice::<Value>(&answer.body).ok().and_then(|it| it["reason"].as_str().map(str::to_owned));
    (answer.status, reason.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_machines_of_a_suspended_company_are_locked_out_and_its_devices_stay_protected() {
    let city = city().await;
    let company = city.company.to_string();
    let mut platform = city.signed_in("platform@city.example").await;
    let mut operator = city.operator("a").await;
    let mut resident = city.resident("a").await;
    let csv = format!(
        "serial,kind,model,premises,address,lon,lat,division,links\nD3,detector,TC,{},,,,,V2\n",
        city.premises["a-flat"]
    );
    let import = add(&mut operator, &csv).await;
    let path = format!("/api/v1/device-imports/{}/credentials", import["id"].as_str().unwrap());
    let credential = find(&operator.post(&path, &Value::Null).await.json(), "D3").clone();
    let device = credential["device"].as_str().unwrap().to_owned();
    let wanted = json!({"name": "scada", "deeds": ["tokens:use"], "days": 1});
    let secret = operator.post("/api/v1/tokens", &wanted).await.json()["secret"].as_str().unwrap().to_owned();

    assert_eq!(stand(&mut platform, &company, true).await.status, StatusCode::NO_CONTENT);
    let suspended = |answer: &crate::city::Answer| {
        (answer.status, answer.problem()) == (StatusCode::FORBIDDEN, "suspended".to_owned())
    };
    for browser in [&mut operator, &mut resident] {
        for path in ["/api/v1/me", "/api/v1/alarms", "/api/v1/session"] {
            assert!(suspended(&browser.get(path).await), "{path}");
        }
        let page = browser.get("/devices").await;
        assert!(page.status.is_redirection() || page.status.is_client_error(), "{}", page.status);
    }
    let mut machine = city.browser();
    let request =
        machine.request(Method::GET, "/api/v1/tokens").header(header::AUTHORIZATION, format!("Bearer {secret}"));
    assert!(suspended(&machine.send(request.body(Body::empty()).unwrap()).await));
    let sign_in = json!({"email": "operator@a.example", "password": PASSWORD});
    assert!(suspended(&city.browser().post("/api/v1/session", &sign_in).await));
    // Who does not know the password is not told how the company stands.
    let guessed =
        city.browser().post("/api/v1/session", &json!({"email": "operator@a.example", "password": "wrong"})).await;
    assert_eq!(guessed.problem(), "credentials");
    let page = city.browser().form("/sign-in", &[("email", "operator@a.example"), ("password", PASSWORD)]).await;
    assert!(page.location().contains("error=suspended"), "{}", page.location());
    // The other company works on.
    assert_eq!(city.operator("b").await.get("/api/v1/alarms").await.status, StatusCode::OK);

    // A leak: alarm, close and notice come about as ever, and the regulator sees them.
    assert_eq!(measured(&city, &credential, 40).await, Ok(Code::CHANGED));
    let mut regulator = city.regulator().await;
    let alarms = regulator.get("/api/v1/alarms").await.json();
    assert!(alarms["items"].as_array().unwrap().iter().any(|alarm| alarm["device"] == device.as_str()), "{alarms}");
    let valve = regulator.get(&format!("/api/v1/devices/{}", city.devices["a-V2"])).await.json();
    assert_eq!(valve["commands"].as_array().map(Vec::len), Some(1), "{valve}");

    assert_eq!(stand(&mut platform, &company, false).await.status, StatusCode::NO_CONTENT);
    assert_eq!(operator.get("/api/v1/me").await.status, StatusCode::OK);
    let folder = city.stop().await;
    let url = format!("sqlite://{}", folder.path().join("davy.db").display());
    let mut on = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
    let id: davy_domain::DeviceId = device.parse().unwrap();
    let notices: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM outbox WHERE device_id = ?")
        .bind(id.raw())
        .fetch_one(&mut on)
        .await
        .unwrap();
    assert!(notices > 0, "the control room is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_takes_a_suspended_company_and_two_administrators_and_can_be_taken_back() {
    let city = city().await;
    let company = city.company.to_string();
    let mut anna = city.signed_in("platform@city.example").await;
    let mut ben = city.signed_in("deputy@city.example").await;
    let refused = |reason: &str| (StatusCode::CONFLICT, reason.to_owned());
    let done = (StatusCode::NO_CONTENT, String::new());
    assert_eq!(decide(&mut anna, &company, "ask").await, refused("not-suspended"));
    assert_eq!(decide(&mut anna, &company, "approve").await, refused("no-deletion"));
    assert_eq!(decide(&mut anna, &company, "at once").await.0, StatusCode::UNPROCESSABLE_ENTITY);
    stand(&mut anna, &company, true).await;
    assert_eq!(decide(&mut anna, &company, "ask").await, done);
    assert_eq!(decide(&mut ben, &company, "ask").await, refused("deletion-stands"));
    assert_eq!(decide(&mut anna, &company, "approve").await, refused("second-person"));
    let of = async |browser: &mut Browser| {
        let tenants = browser.get("/api/v1/tenants").await.json();
        tenants["items"].as_array().unwrap().iter().find(|it| it["id"] == company.as_str()).unwrap()["deletion"].clone()
    };
    assert_eq!(of(&mut anna).await["may"], json!(["withdraw"]));
    assert_eq!(of(&mut ben).await["may"], json!(["approve", "decline"]));
    assert_eq!(stand(&mut ben, &company, false).await.json()["reason"], "deletion-stands");
    let page = ben.get("/tenants").await.text();
    assert!(page.contains("data-testid=\"tenant-approve\"") && page.contains("platform"), "{page}");
    // By the page's form, as by the API.
    let csrf = ben.csrf.clone().unwrap();
    let form = [("csrf", csrf.as_str()), ("tenant", company.as_str()), ("act", "approve")];
    assert_eq!(ben.form("/actions/tenants/deletion", &form).await.location(), "/tenants?done=decided");
    let approved = of(&mut anna).await;
    assert_eq!((approved["stage"].as_str(), &approved["may"]), (Some("approved"), &json!(["withdraw"])));
    let month = 30 * 86_400_000;
    assert!(approved["due_at"].as_i64().unwrap() - approved["asked_at"].as_i64().unwrap() >= month, "{approved}");
    let request = city.store.deletions().await.unwrap().remove(0);
    let before = request.due_at.unwrap() - davy_domain::Span::from_millis(1);
    assert!(city.store.erase_company(request.request.id, before).await.unwrap().is_none());
    assert_eq!(decide(&mut ben, &company, "withdraw").await, done);
    assert!(city.store.erase_company(request.request.id, request.due_at.unwrap()).await.unwrap().is_none());
    assert_eq!(stand(&mut ben, &company, false).await.status, StatusCode::NO_CONTENT);
    assert_eq!(city.operator("a").await.get("/api/v1/me").await.status, StatusCode::OK);
    city.stop().await;
}
