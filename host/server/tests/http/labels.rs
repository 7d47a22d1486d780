//! Labels of devices: who may print which, and where the code of one leads.

use crate::city::{Browser, City, city_with};
use axum::http::StatusCode;
use davy_api::Viewer;
use davy_domain::{PersonScope, Role, Roles, UserId};
use davy_server::backend::labels::LabelOrder;
use davy_server::config::Optional;
use serde_json::Value;

async fn own_city() -> City {
    city_with(|settings| settings.http_public_url = Optional(Some("https://gas.example".to_owned()))).await
}

/// Adds devices by a file and gives the import's id.
async fn import(browser: &mut Browser, csv: &str) -> String {
    let request =
        browser.request(axum::http::Method::POST, "/api/v1/device-imports").header("content-type", "text/csv");
    let begun = browser.send(request.body(csv.to_owned().into()).unwrap()).await.json();
    let path = format!("/api/v1/device-imports/{}", begun["id"].as_str().unwrap());
    for _ in 0..600 {
        let now = browser.get(&path).await.json();
        if now["state"] == "entered" {
            return now["id"].as_str().unwrap().to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the import does not end");
}

fn title(svg: &str) -> &str {
    svg.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_prints_the_labels_of_its_own_devices_and_of_a_file_that_it_added() {
    let city = own_city().await;
    let mut operator = city.operator("a").await;
    let sheet = operator.get("/api/v1/device-labels?format=svg&serials=V1%0AD1,W1").await;
    assert_eq!(sheet.headers["content-type"], "image/svg+xml");
    assert_eq!(title(&sheet.text()), "V1, D1, W1");
    let import =
        import(&mut operator, "serial,kind,model,lon,lat\nL2,detector,TC,120,30\nL1,detector,TC,120,30\n").await;
    let sheet = operator.get(&format!("/api/v1/device-labels?format=svg&size=large&import={import}")).await;
    assert_eq!(title(&sheet.text()), "L2, L1");
    let pdf = operator.get(&format!("/api/v1/device-labels?import={import}")).await;
    assert_eq!(
        (pdf.headers["content-type"].as_bytes(), &pdf.body[..5]),
        (b"application/pdf".as_slice(), b"%PDF-".as_slice())
    );
    // The other company has devices with the same numbers, and never this file's.
    let mut other = city.operator("b").await;
    assert_eq!(other.get("/api/v1/device-labels?serials=L1").await.problem(), "invalid");
    assert_eq!(other.get(&format!("/api/v1/device-labels?import={import}")).await.problem(), "not-found");
    for (query, problem) in [
        ("", "invalid"),
        ("?serials=V1,NOBODYS", "invalid"),
        ("?serials=V1&size=huge", "invalid"),
        ("?serials=V1&format=png", "invalid"),
        ("?serials=V1&format=svg&page=2", "invalid"),
        ("?serials=V1&page=minus", "invalid"),
    ] {
        assert_eq!(operator.get(&format!("/api/v1/device-labels{query}")).await.problem(), problem, "{query}");
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_of_the_page_gives_the_ticked_devices_and_says_what_is_wrong_in_words() {
    let city = own_city().await;
    let mut operator = city.operator("a").await;
    let page = operator.get("/devices/labels?serial=D1").await.text();
    assert!(page.contains("data-testid=\"labels\"") && page.contains("value=\"D1\" checked"), "{page}");
    let csrf = operator.csrf.clone().unwrap();
    let fields = [
        ("csrf", csrf.as_str()),
        ("serial", "V1"),
        ("serial", "D1"),
        ("serials", "W1\r\n"),
        ("size", "small"),
        ("format", "svg"),
        ("import", ""),
        ("page", "1"),
    ];
    let sheet = operator.form("/actions/devices/labels", &fields).await;
    assert_eq!(title(&sheet.text()), "V1, D1, W1");
    let answer = operator.form("/actions/devices/labels", &[("csrf", csrf.as_str()), ("serials", "X")]).await;
    assert_eq!(answer.location(), "/devices/labels?error=invalid");
    city.stop().await;
    let city = crate::city::city().await;
    let mut operator = city.operator("a").await;
    let answer = operator.get("/api/v1/device-labels?serials=V1").await;
    assert_eq!((answer.status, answer.json()["reason"].clone()), (StatusCode::CONFLICT, Value::from("no-public-url")));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_labels_code_leads_to_the_device_whoever_may_see_it_and_a_guessed_one_nowhere() {
    let city = own_city().await;
    let device = city.devices["a-D1"];
    let code = {
        // The code stands in the QR code alone: the service is asked for it as the printer is.
        let tenants = city.store.tenants().await.unwrap();
        let tenant = tenants.iter().find(|it| it.name == "示例燃气a").unwrap().id;
        let viewer = Viewer {
            user: UserId::from_raw(1),
            scope: PersonScope::Tenant { tenant },
            roles: Roles::one(Role::Administrator),
            only: None,
            name: String::new(),
            session: None,
            proof: davy_domain::proof::Proof::default(),
        };
        let order = LabelOrder { import: None, serials: vec!["D1".to_owned()] };
        let labels = city.service.labels(&viewer, &order, Some("https://gas.example")).await.unwrap();
        labels[0].link.strip_prefix("https://gas.example").unwrap().to_owned()
    };
    assert!(code.starts_with(&format!("/bind?device={device}&serial=D1&code=")), "{code}");
    let mut nobody = city.browser();
    let to = nobody.get(&code).await;
    assert!(to.location().starts_with("/sign-in?next=%2Fbind%3Fdevice%3D"), "{}", to.location());
    let own = format!("/devices/{device}");
    assert_eq!(city.operator("a").await.get(&code).await.location(), own);
    assert_eq!(city.resident("a").await.get(&code).await.location(), own);
    assert_eq!(city.operator("b").await.get(&code).await.location(), "/?error=not-found");
    let other = city.devices["a-V1"].to_string();
    for wrong in [
        format!("/bind?device={device}&code=0000000000000000"),
        format!("/bind?device={device}"),
        "/bind".to_owned(),
        "/bind?device=x&code=y".to_owned(),
        code.replace(&device.to_string(), &other),
    ] {
        for browser in [&mut nobody, &mut city.operator("a").await] {
            assert_eq!(browser.get(&wrong).await.location(), "/?error=not-found", "{wrong}");
        }
    }
    city.stop().await;
}
