//! What somebody sends who means harm, and what they get for it.

use crate::city::{Answer, Browser, city, city_with};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use davy_server::config::Setting;
use serde_json::json;
use std::io::Write;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Texts that mean something to SQL, and what a statement made of them would do.
const SQL: [&str; 6] = [
    "' OR '1'='1",
    "'; DROP TABLE users; --",
    "\" OR \"\"=\"",
    "%' OR 1=1 --",
    "x' UNION SELECT password_hash FROM users --",
    "$1); DELETE FROM devices; --",
];

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_mean_something_to_sql_are_looked_for_as_they_are() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    let all = operator.get("/api/v1/devices").await.json()["items"].as_array().unwrap().len();
    assert!(all > 1);
    for text in SQL {
        let asked: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let answer = operator.get(&format!("/api/v1/devices?q={asked}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{text}: {}", answer.text());
        assert_eq!(answer.json()["items"], json!([]), "{text}");
        let refused = city.browser().post("/api/v1/session", &json!({"email": text, "password": text})).await;
        assert!(refused.status.is_client_error(), "{text}: {}", refused.status);
    }
    let after = operator.get("/api/v1/devices").await.json()["items"].as_array().unwrap().len();
    assert_eq!(after, all, "nothing was lost");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_means_something_to_sql_is_a_name() {
    let city = city().await;
    let mut administrator = city.signed_in("administrator@a.example").await;
    for (at, text) in SQL.into_iter().enumerate() {
        let new = json!({"name": text, "email": format!("p{at}@a.example"), "password": "a long password 42 牛", "roles": ["auditor"]});
        let made = administrator.post("/api/v1/people", &new).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    }
    let people = administrator.get("/api/v1/people").await.json();
    let names: Vec<_> = people["items"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert!(SQL.iter().all(|text| names.contains(text)), "{names:?}");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_headers_or_leads_elsewhere_by_what_they_send() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    for next in [
        "/\r\nset-cookie: davy=stolen",
        "/%0d%0aset-cookie:%20davy=stolen",
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example/",
        "javascript:alert(1)",
    ] {
        let answer = operator.form("/language", &[("language", "en"), ("next", next)]).await;
        assert!(answer.status.is_redirection(), "{next}: {}", answer.status);
        let to = answer.location();
        let beginning = to.as_bytes().get(1);
        assert!(to.starts_with('/') && beginning != Some(&b'/') && beginning != Some(&b'\\'), "{next} leads to {to}");
        let cookies = answer.headers.get_all(header::SET_COOKIE).iter();
        assert!(cookies.map(|it| it.to_str().unwrap()).all(|it| !it.contains("stolen")), "{next}");
    }
    city.stop().await;
}

/// Sends bytes that say they are packed.
async fn packed(browser: &mut Browser, path: &str, kind: &str, coding: &str, body: Vec<u8>) -> Answer {
    let request = browser.request(Method::POST, path).header(header::CONTENT_TYPE, kind);
    let request = request.header(header::CONTENT_ENCODING, coding);
    browser.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_packed_is_never_unpacked() {
    let city = city().await;
    let mut engineer = city.signed_in("rule-engineer@a.example").await;
    // 40 MB of blanks around a good request, in some 40 kB.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(br#"{"email":"operator@a.example","password":"x""#).unwrap();
    bomb.write_all(&vec![b' '; 40 << 20]).unwrap();
    bomb.write_all(b"}").unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 60_000);
    for (path, kind) in [("/api/v1/session", "application/json"), ("/api/v1/rules?tier=standard", "application/wasm")] {
        let answer = packed(&mut engineer, path, kind, "gzip", bomb.clone()).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path}: {}", answer.text());
        assert!(answer.text().contains("content-encoding"), "{path}: {}", answer.text());
    }
    let rules = engineer.get("/api/v1/rules").await.json();
    assert_eq!(rules["items"].as_array().unwrap().len(), 1, "nothing was taken: {rules}");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_out_of_the_site() {
    let city = city().await;
    let mut browser = city.operator("a").await;
    for path in [
        "/static/../Cargo.toml",
        "/static/%2e%2e/%2e%2e/Cargo.toml",
        "/static/..%2f..%2f..%2fetc%2fpasswd",
        "/static//etc/passwd",
        "/static/%00",
        "/tiles/../../../etc/passwd",
        "/api/v1/rules/..%2f..%2fetc%2fpasswd",
        "/api/v1/devices/%2e%2e%2fpremises",
    ] {
        let answer = browser.get(path).await;
        assert!(answer.status.is_client_error(), "{path}: {} {}", answer.status, answer.text());
        assert!(!answer.text().contains("root:") && !answer.text().contains("[workspace]"), "{path}");
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_are_nobodys_to_set_are_refused_by_name() {
    let city = city().await;
    let mut administrator = city.signed_in("administrator@a.example").await;
    let good =
        json!({"name": "Anna", "email": "anna@a.example", "password": "a long password 42 牛", "roles": ["auditor"]});
    for (field, value) in [
        ("tenant", json!("1")),
        ("tenant_id", json!(1)),
        ("scope", json!("platform")),
        ("id", json!("u1")),
        ("password_hash", json!("x")),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let answer = administrator.post("/api/v1/people", &body).await;
        assert!(answer.status.is_client_error() && answer.text().contains(field), "{field}: {}", answer.text());
    }
    let mut resident = city.resident("a").await;
    let me = resident.get("/api/v1/me").await.json();
    let path = format!("/api/v1/people/{}/roles", me["id"].as_str().unwrap());
    let request = resident.request(Method::PUT, &path).header(header::CONTENT_TYPE, "application/json");
    let body = json!({"roles": ["administrator"]}).to_string();
    let answer = resident.send(request.body(Body::from(body)).unwrap()).await;
    assert!([StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&answer.status), "{}", answer.text());
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_trickles_in_is_given_up_and_the_next_request_is_served() {
    let city = city_with(|settings| settings.http_timeout = Setting::parse("300 ms").unwrap()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving =
        davy_server::http::serve(listener, None, city.router.clone(), Duration::from_secs(30), city.stopping.clone());
    tokio::spawn(serving);
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = "POST /api/v1/session HTTP/1.1\r\nhost: davy\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(b"{\"email\"").await.unwrap();
    let mut told = vec![0; 4_096];
    let read = tokio::time::timeout(Duration::from_mins(1), connection.read(&mut told)).await;
    let length = read.expect("the server waits for a body for ever").unwrap();
    let told = String::from_utf8_lossy(&told[..length]).into_owned();
    assert!(told.starts_with("HTTP/1.1 503") && told.contains("took longer than 0.3 s"), "{told}");
    let mut next = TcpStream::connect(address).await.unwrap();
    next.write_all(b"GET /healthz HTTP/1.1\r\nhost: davy\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut told = String::new();
    next.read_to_string(&mut told).await.unwrap();
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");
    city.stop().await;
}
