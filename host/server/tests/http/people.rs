//! People, tokens and households: who gets access, how much, and how it ends.

use crate::city::{Browser, PASSWORD, city};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};

/// Sends with a machine's token, as a machine does: without cookies.
pub(crate) async fn machine(
    browser: &Browser,
    secret: &str,
    method: Method,
    path: &str,
    body: &Value,
) -> (StatusCode, Value) {
    let mut bare = browser.clone();
    bare.cookies.clear();
    bare.csrf = None;
    let request = bare.request(method, path).header(header::AUTHORIZATION, format!("Bearer {secret}"));
    let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())).unwrap();
    let answer = bare.send(request).await;
    let json = serde_json::from_slice(&answer.body).unwrap_or_default();
    (answer.status, json)
}

async fn send(browser: &mut Browser, method: Method, path: &str, body: &Value) -> StatusCode {
    let request = browser.request(method, path).header(header::CONTENT_TYPE, "application/json");
    browser.send(request.body(Body::from(body.to_string())).unwrap()).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_what_it_was_given_and_never_more_than_its_maker() {
    let city = city().await;
    let mut engineer = city.signed_in("rule-engineer@a.example").await;
    // No scope that its maker does not have, none that is none, and no end beyond a year.
    for (deeds, days) in
        [(json!(["valves:close"]), 1), (json!(["everything"]), 1), (json!([]), 1), (json!(["rules:see"]), 367)]
    {
        let answer = engineer.post("/api/v1/tokens", &json!({"name": "x", "deeds": deeds, "days": days})).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{deeds}");
    }
    let wanted = json!({"name": "ci", "deeds": ["rules:see", "alarms:see", "tokens:use"], "days": 30});
    let made = engineer.post("/api/v1/tokens", &wanted).await.json();
    let (secret, id) = (made["secret"].as_str().unwrap().to_owned(), made["token"]["id"].as_str().unwrap().to_owned());
    assert!(secret.starts_with("davy_") && secret.len() == 69);
    let page = city.browser();
    let ask = async |method: Method, path: &str, body: Value| machine(&page, &secret, method, path, &body).await;
    assert_eq!(ask(Method::GET, "/api/v1/rules", json!(null)).await.0, StatusCode::OK);
    // Its maker may see devices and change rules; it was not given that.
    assert_eq!(ask(Method::GET, "/api/v1/devices", json!(null)).await.0, StatusCode::FORBIDDEN);
    let act = format!("/api/v1/rules/{}/acts", city.rule);
    assert_eq!(ask(Method::POST, &act, json!({"act": "withdraw"})).await.0, StatusCode::FORBIDDEN);
    // Nor does it make tokens that would outlive it, or meet another company.
    assert_eq!(ask(Method::POST, "/api/v1/tokens", wanted.clone()).await.0, StatusCode::FORBIDDEN);
    let other = format!("/api/v1/devices/{}", city.devices["b-D1"]);
    assert_eq!(ask(Method::GET, &other, json!(null)).await.0, StatusCode::NOT_FOUND);
    let listed = engineer.get("/api/v1/tokens").await;
    assert!(!listed.text().contains(&secret[5..]), "the secret is told once");
    assert_eq!(listed.json()["items"][0]["good"], true);
    assert!(listed.json()["items"][0]["last_used_at"].is_i64());
    // With other roles its maker may no longer see rules: then neither may it.
    let mut administrator = city.signed_in("administrator@a.example").await;
    let maker = made["token"]["by"].as_str().unwrap();
    let path = format!("/api/v1/people/{maker}/roles");
    assert_eq!(send(&mut administrator, Method::PUT, &path, &json!({"roles": ["technician"]})).await, StatusCode::OK);
    assert_eq!(ask(Method::GET, "/api/v1/rules", json!(null)).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask(Method::GET, "/api/v1/alarms", json!(null)).await.0, StatusCode::OK);
    // An administrator ends it, whoever made it.
    let path = format!("/api/v1/tokens/{id}");
    assert_eq!(send(&mut administrator, Method::DELETE, &path, &json!(null)).await, StatusCode::NO_CONTENT);
    assert_eq!(ask(Method::GET, "/api/v1/alarms", json!(null)).await.0, StatusCode::UNAUTHORIZED);
    let folder = city.stop().await;
    let database = std::fs::read(folder.path().join("davy.db")).unwrap();
    assert!(!database.windows(64).any(|window| window == &secret.as_bytes()[5..]), "only its hash is stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_roles_and_the_end_of_access_count_at_once() {
    let city = city().await;
    let mut administrator = city.signed_in("administrator@a.example").await;
    let people = administrator.get("/api/v1/people").await.json();
    let id_of = |email: &str| {
        let found = people["items"].as_array().unwrap().iter().find(|it| it["email"] == email);
        found.unwrap_or_else(|| panic!("{email} in {people}"))["id"].as_str().unwrap().to_owned()
    };
    assert!(!people.to_string().contains("home@a.example"), "who lives there is no business of this page");
    let mut dispatcher = city.signed_in("dispatcher@a.example").await;
    let path = format!("/api/v1/people/{}/roles", id_of("dispatcher@a.example"));
    for refused in [json!({"roles": []}), json!({"roles": ["regulator"]}), json!({"roles": ["resident", "auditor"]})] {
        assert_eq!(send(&mut administrator, Method::PUT, &path, &refused).await, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(send(&mut administrator, Method::PUT, &path, &json!({"roles": ["auditor"]})).await, StatusCode::OK);
    assert_eq!(
        dispatcher.get("/api/v1/me").await.status,
        StatusCode::UNAUTHORIZED,
        "a session of other rights goes on"
    );
    let mut auditor = city.signed_in("dispatcher@a.example").await;
    assert_eq!(auditor.get("/api/v1/me").await.json()["roles"], json!(["auditor"]));
    // Nobody their own: there always is an administrator, and nobody becomes a second person for themself.
    let own = format!("/api/v1/people/{}", id_of("administrator@a.example"));
    let body = json!({"roles": ["administrator", "dispatcher"]});
    assert_eq!(send(&mut administrator, Method::PUT, &format!("{own}/roles"), &body).await, StatusCode::CONFLICT);
    assert_eq!(send(&mut administrator, Method::DELETE, &own, &json!(null)).await, StatusCode::CONFLICT);
    let path = format!("/api/v1/people/{}", id_of("dispatcher@a.example"));
    assert_eq!(send(&mut administrator, Method::DELETE, &path, &json!(null)).await, StatusCode::NO_CONTENT);
    assert_eq!(auditor.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    let again =
        city.browser().post("/api/v1/session", &json!({"email": "dispatcher@a.example", "password": PASSWORD})).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    // Fields that nobody offered are refused, and so is a scope that is not the company's to give.
    let sneaky = json!({"name": "x", "email": "x@a.example", "password": "correct horse", "roles": ["auditor"], "tenant": "ten_1"});
    assert_eq!(
        send(&mut administrator, Method::POST, "/api/v1/people", &sneaky).await,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let regulator = json!({"name": "x", "email": "x@a.example", "password": "correct horse", "roles": ["regulator"]});
    assert_eq!(
        send(&mut administrator, Method::POST, "/api/v1/people", &regulator).await,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resident_invites_the_household_and_moving_out_ends_everybodys_access_at_once() {
    let city = city().await;
    let home = format!("/api/v1/premises/{}", city.premises["a-home"]);
    let mut holder = city.resident("a").await;
    let invited = holder.post("/api/v1/household/invitations", &json!(null)).await.json();
    let code = invited["code"].as_str().unwrap().to_owned();
    let join = |code: &str, email: &str| json!({"code": code, "name": "家人", "email": email, "password": PASSWORD});
    let mut other = city.browser();
    let wrong = other.post("/api/v1/invitations", &join("00000000000000000000", "kin@home.example")).await;
    assert_eq!((wrong.status, wrong.problem().as_str()), (StatusCode::NOT_FOUND, "code"));
    // As a person copies it: in small letters and with spaces.
    let spoken = code
        .to_lowercase()
        .as_bytes()
        .chunks(5)
        .map(|it| String::from_utf8_lossy(it).into_owned())
        .collect::<Vec<_>>()
        .join(" ");
    let joined = other.post("/api/v1/invitations", &join(&spoken, "kin@home.example")).await;
    assert_eq!(joined.status, StatusCode::NO_CONTENT, "{}", joined.text());
    let twice = other.post("/api/v1/invitations", &join(&code, "third@home.example")).await;
    assert_eq!(twice.status, StatusCode::NOT_FOUND, "a code is good once");
    let mut kin = city.signed_in("kin@home.example").await;
    assert_eq!(kin.get(&home).await.status, StatusCode::OK);
    assert_eq!(kin.get("/api/v1/household").await.json()["members"].as_array().unwrap().len(), 2);
    // Who joined later does not turn the others out.
    let refused = kin.post("/api/v1/household/hand-over", &json!(null)).await;
    assert_eq!((refused.status, refused.json()["reason"].as_str()), (StatusCode::CONFLICT, Some("not-yours")));
    // An invitation that is still open ends with the household.
    let open =
        holder.post("/api/v1/household/invitations", &json!(null)).await.json()["code"].as_str().unwrap().to_owned();
    let next = holder.post("/api/v1/household/hand-over", &json!(null)).await;
    assert_eq!(next.status, StatusCode::CREATED, "{}", next.text());
    let next = next.json()["code"].as_str().unwrap().to_owned();
    for gone in [&mut holder, &mut kin] {
        assert_eq!(gone.get(&home).await.status, StatusCode::UNAUTHORIZED);
    }
    let late = other.post("/api/v1/invitations", &join(&open, "late@home.example")).await;
    assert_eq!(late.status, StatusCode::NOT_FOUND);
    let back = other.post("/api/v1/session", &json!({"email": "kin@home.example", "password": PASSWORD})).await;
    assert_eq!(back.status, StatusCode::UNAUTHORIZED);
    // Who comes next begins anew at the same premises; even the same address is free again.
    assert_eq!(other.post("/api/v1/invitations", &join(&next, "home@a.example")).await.status, StatusCode::NO_CONTENT);
    let mut new = city.signed_in("home@a.example").await;
    assert_eq!(new.get("/api/v1/household").await.json()["members"].as_array().unwrap().len(), 1);
    // What happened stays with the premises.
    let history = new.get("/api/v1/alarms?history=true").await.json();
    assert_eq!(history["items"].as_array().unwrap().len(), 1);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_company_admits_the_first_of_a_household_and_ends_one_that_has_left() {
    let city = city().await;
    let mut dispatcher = city.signed_in("dispatcher@a.example").await;
    let mut administrator = city.signed_in("administrator@a.example").await;
    let flat = format!("/api/v1/premises/{}", city.premises["a-flat"]);
    let end = format!("{flat}/hand-over");
    assert_eq!(dispatcher.post(&end, &json!(null)).await.status, StatusCode::FORBIDDEN);
    let mut resident = city.signed_in("flat@a.example").await;
    assert_eq!(administrator.post(&end, &json!(null)).await.status, StatusCode::CREATED);
    assert_eq!(resident.get(&flat).await.status, StatusCode::UNAUTHORIZED);
    let code = dispatcher.post(&format!("{flat}/invitations"), &json!(null)).await.json()["code"].clone();
    let first = json!({"code": code, "name": "新住户", "email": "first@flat.example", "password": PASSWORD});
    assert_eq!(city.browser().post("/api/v1/invitations", &first).await.status, StatusCode::NO_CONTENT);
    assert_eq!(city.signed_in("first@flat.example").await.get(&flat).await.status, StatusCode::OK);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platforms_administrator_sees_companies_in_figures_and_nobodys_data() {
    let city = city().await;
    let mut platform = city.signed_in("platform@city.example").await;
    let tenants = platform.get("/api/v1/tenants").await;
    assert_eq!(tenants.json()["items"].as_array().unwrap().len(), 2);
    assert_eq!(tenants.json()["items"][0]["devices"], 5);
    for personal in ["样板街", "住户", "@a.example"] {
        assert!(!tenants.text().contains(personal), "{personal}");
    }
    for path in [
        "/api/v1/overview",
        "/api/v1/alarms",
        "/api/v1/devices",
        "/api/v1/people",
        "/api/v1/household",
        "/api/v1/events",
    ] {
        assert_eq!(platform.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    city.stop().await;
}
