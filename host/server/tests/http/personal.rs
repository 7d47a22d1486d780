//! Personal data: who sees how much of it, and who is told.

use crate::access::first_alarm;
use crate::city::{Browser, City, city};
use axum::http::StatusCode;
use davy_domain::{Role, ScopeKind};
use serde_json::{Value, json};

/// What the resident of company `a`'s first home is called and how they are reached.
const NAME: &str = "欧阳<b>小明";
const PHONE: &str = "138-0000-5678";
const EMAIL: &str = "home@a.example";

async fn lived_in() -> City {
    let city = city().await;
    city.beneath(&["UPDATE users SET name = '欧阳<b>小明', phone = '138-0000-5678' WHERE email = 'home@a.example'"])
        .await;
    city
}

async fn of_role(city: &City, role: Role) -> Browser {
    match role.scope() {
        ScopeKind::Platform => city.signed_in("platform@city.example").await,
        ScopeKind::Jurisdiction => city.regulator().await,
        ScopeKind::Tenant => city.signed_in(&format!("{}@a.example", role.name())).await,
        ScopeKind::Community => city.signed_in("manager@a.example").await,
        // Who lives elsewhere in the same community.
        ScopeKind::Premises => city.signed_in("flat@a.example").await,
    }
}

fn tells(text: &str) -> Vec<&'static str> {
    [NAME, "小明", PHONE, "13800005678", EMAIL].into_iter().filter(|it| text.contains(it)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_and_no_answer_tells_a_role_how_a_resident_is_reached_whole() {
    let city = lived_in().await;
    let device = city.devices["a-D1"];
    let (home, alarm) = (city.premises["a-home"], first_alarm(&mut city.operator("a").await).await);
    let paths = [
        format!("/api/v1/devices/{device}/contacts"),
        format!("/api/v1/devices/{device}"),
        format!("/api/v1/premises/{home}"),
        format!("/api/v1/alarms/{alarm}/decisions"),
        format!("/api/v1/alarms/{alarm}/ledger"),
        format!("/devices/{device}"),
        format!("/alarms/{alarm}/why"),
        "/api/v1/alarms".to_owned(),
        "/api/v1/devices".to_owned(),
        "/api/v1/people".to_owned(),
        "/api/v1/ledger".to_owned(),
        "/api/v1/personal-data".to_owned(),
        "/api/v1/account/personal-data".to_owned(),
        "/api/v1/account/personal-data/export".to_owned(),
        "/api/v1/household".to_owned(),
        "/api/v1/tenants".to_owned(),
        "/personal-data".to_owned(),
        "/people".to_owned(),
        "/ledger".to_owned(),
        "/".to_owned(),
    ];
    let mut masked = Vec::new();
    for role in Role::ALL {
        let mut browser = of_role(&city, *role).await;
        for path in &paths {
            let answer = browser.get(path).await;
            assert_eq!(tells(&answer.text()), [""; 0], "{role}: {path}");
        }
        let contacts = browser.get(&paths[0]).await;
        if contacts.status == StatusCode::OK {
            let person = &contacts.json()["people"][0];
            let shown = [&person["name"], &person["phone"], &person["email"]];
            assert_eq!(shown, ["欧**", "138****5678", "h***@a.example"], "{role}");
            masked.push(role.name());
        }
        // Whole only for two of them; of what anybody else asks, nothing is entered.
        let look = json!({"alarm": alarm});
        let answer = browser.post(&paths[0], &look).await;
        let whole = matches!(role, Role::Administrator | Role::Dispatcher);
        assert_eq!(answer.status == StatusCode::OK, whole, "{role}: {}", answer.text());
        assert_eq!(tells(&answer.text()).contains(&EMAIL), whole, "{role}");
    }
    let see = ["regulator", "administrator", "safety-officer", "dispatcher", "technician", "inspector", "auditor"];
    assert_eq!(masked[..7], see);
    assert_eq!(masked[7..], ["property-manager"]);
    let acts = city.signed_in("administrator@a.example").await.get("/api/v1/personal-data").await.json();
    let seen = acts["items"].as_array().unwrap().iter().filter(|act| act["what"] == "seen").count();
    assert_eq!(seen, 2, "{acts}");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_look_is_told_to_the_resident_and_to_their_companys_administrators() {
    let city = lived_in().await;
    let (device, alarm) = (city.devices["a-D1"], first_alarm(&mut city.operator("a").await).await);
    let mut resident = city.resident("a").await;
    let own = resident.get("/api/v1/account/personal-data").await.json();
    assert_eq!((own["name"].as_str(), own["acts"].as_array().map(Vec::len)), (Some(NAME), Some(0)));
    assert!(resident.get("/account/personal-data").await.text().contains(PHONE));
    // By the API, and by the form.
    let mut dispatcher = city.signed_in("dispatcher@a.example").await;
    let path = format!("/api/v1/devices/{device}/contacts");
    let whole = dispatcher.post(&path, &json!({"alarm": alarm})).await.json();
    assert_eq!((&whole["people"][0]["name"], &whole["people"][0]["phone"]), (&json!(NAME), &json!(PHONE)));
    let csrf = dispatcher.csrf.clone().unwrap();
    let fields = [("csrf", csrf.as_str()), ("device", &device.to_string())];
    let page = dispatcher.form("/actions/contacts/show", &fields).await;
    assert_eq!((page.status, page.headers["cache-control"].to_str().unwrap()), (StatusCode::OK, "no-store"));
    assert!(page.text().contains("欧阳&lt;b&gt;小明") && page.text().contains(EMAIL), "{}", page.text());
    let acts = |list: &Value| {
        let each = list.as_array().unwrap().iter().map(|act| {
            let of = |name: &str| act[name].as_str().unwrap_or_default().to_owned();
            (of("what"), of("by_name"), of("device"), of("alarm"))
        });
        each.collect::<Vec<_>>()
    };
    let expected = [
        ("seen".to_owned(), "dispatcher".to_owned(), device.to_string(), String::new()),
        ("seen".to_owned(), "dispatcher".to_owned(), device.to_string(), alarm.clone()),
    ];
    let own = resident.get("/api/v1/account/personal-data").await.json();
    assert_eq!(acts(&own["acts"]), expected);
    assert!(resident.get("/account/personal-data").await.text().contains("dispatcher"));
    let mut administrator = city.signed_in("administrator@a.example").await;
    assert_eq!(acts(&administrator.get("/api/v1/personal-data").await.json()["items"]), expected);
    assert!(administrator.get("/personal-data").await.text().contains("dispatcher"));
    // Neither a neighbour nor another company is told.
    let neighbour = city.signed_in("flat@a.example").await.get("/api/v1/account/personal-data").await.json();
    assert_eq!(neighbour["acts"], json!([]));
    let other = city.signed_in("administrator@b.example").await.get("/api/v1/personal-data").await.json();
    assert_eq!(other["items"], json!([]));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_with_an_alarm_of_elsewhere_or_by_a_machine_is_refused_and_shows_nothing() {
    let city = lived_in().await;
    let (device, foreign) = (city.devices["a-D1"], first_alarm(&mut city.operator("b").await).await);
    let mut administrator = city.signed_in("administrator@a.example").await;
    let path = format!("/api/v1/devices/{device}/contacts");
    let answer = administrator.post(&path, &json!({"alarm": foreign})).await;
    assert_eq!((answer.status, tells(&answer.text()).len()), (StatusCode::UNPROCESSABLE_ENTITY, 0));
    // Its valve is another device than the detector that raised the alarm.
    let own = first_alarm(&mut administrator).await;
    let valve = format!("/api/v1/devices/{}/contacts", city.devices["a-V1"]);
    assert_eq!(administrator.post(&valve, &json!({"alarm": own})).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let wanted = json!({"name": "scada", "deeds": ["contacts:see", "contacts:show"], "days": 1});
    let made = administrator.post("/api/v1/tokens", &wanted).await.json();
    let secret = made["secret"].as_str().unwrap();
    let page = city.browser();
    let get = crate::people::machine(&page, secret, axum::http::Method::GET, &path, &json!(null)).await;
    assert_eq!((get.0, &get.1["may_show"]), (StatusCode::OK, &json!(false)));
    let post = crate::people::machine(&page, secret, axum::http::Method::POST, &path, &json!({})).await;
    assert_eq!(post.0, StatusCode::FORBIDDEN);
    // A device without premises has nobody.
    let well = format!("/api/v1/devices/{}/contacts", city.devices["a-W1"]);
    assert_eq!(administrator.post(&well, &json!({})).await.json()["people"], json!([]));
    assert_eq!(administrator.get("/api/v1/personal-data").await.json()["items"], json!([]));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resident_takes_along_everything_that_is_held_of_them_and_it_is_on_record() {
    let city = lived_in().await;
    let mut resident = city.resident("a").await;
    let file = resident.get("/api/v1/account/personal-data/export").await;
    assert_eq!(file.status, StatusCode::OK);
    assert!(file.headers["content-disposition"].to_str().unwrap().starts_with("attachment; filename=\"usr_"));
    let (text, file) = (file.text(), file.json());
    assert_eq!(file["format"], "davy-person/1");
    let held = file["held"].as_array().unwrap();
    let of = |table: &str, column: &str| {
        held.iter().find(|it| it["table"] == table && it["column"] == column).unwrap()["values"].clone()
    };
    assert_eq!((of("users", "name"), of("users", "phone")), (json!([NAME]), json!([PHONE])));
    assert_eq!(of("premises", "address"), json!(["样板街ahome"]));
    assert_eq!(of("devices", "serial").as_array().unwrap().len(), 2);
    assert!(!text.contains("argon2") && !text.contains("flat@a.example"), "{text}");
    let own = resident.get("/api/v1/account/personal-data").await.json();
    assert_eq!(own["acts"][0]["what"], "exported");
    let acts = city.signed_in("auditor@a.example").await.get("/api/v1/personal-data").await.json();
    assert_eq!((&acts["items"][0]["what"], &acts["items"][0]["person_name"]), (&json!("exported"), &json!("欧**")));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_sees_the_companys_people_without_their_whole_addresses() {
    let city = city().await;
    let of = async |email: &str| city.signed_in(email).await.get("/api/v1/people").await.text();
    assert!(of("administrator@a.example").await.contains("dispatcher@a.example"));
    let audited = of("auditor@a.example").await;
    assert!(audited.contains("d***@a.example") && !audited.contains("dispatcher@a.example"), "{audited}");
    city.stop().await;
}
