//! Whatever is sent, the answer is a clear refusal and never a failure of the server.

use crate::access::first_alarm;
use crate::city::{Browser, city};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let name = prop_oneof![Just("email".to_owned()), Just("password".to_owned()), ".{0,10}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

async fn send(browser: &mut Browser, path: &str, kind: &str, body: Vec<u8>) -> crate::city::Answer {
    let request = browser.request(Method::POST, path).header(header::CONTENT_TYPE, kind);
    browser.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_json_and_no_form_makes_any_post_route_fail() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    let alarm = first_alarm(&mut operator).await;
    let (device, premises) = (city.devices["a-D2"], city.premises["a-flat"]);
    let posts = [
        "/api/v1/session".to_owned(),
        format!("/api/v1/alarms/{alarm}/acknowledge"),
        format!("/api/v1/alarms/{alarm}/reset"),
        format!("/api/v1/devices/{device}/close"),
        format!("/api/v1/premises/{premises}/close"),
        "/api/v1/alarms/alm_zzzzzzzzzzzzzzzz/reset".to_owned(),
        "/api/v1/devices/%00%ff/close".to_owned(),
        "/api/v1/session/second-factor".to_owned(),
        "/api/v1/password-reset/redeem".to_owned(),
        "/api/v1/account/generator".to_owned(),
        "/sign-in".to_owned(),
        "/sign-in/code".to_owned(),
        "/sign-in/forgot".to_owned(),
        "/sign-in/reset".to_owned(),
        "/account/password".to_owned(),
        "/account/sessions/end".to_owned(),
        "/account/generator/offer".to_owned(),
        "/account/generator/confirm".to_owned(),
        "/account/generator/remove".to_owned(),
        "/sign-out".to_owned(),
        "/actions/close".to_owned(),
        "/actions/acknowledge".to_owned(),
        "/actions/reset".to_owned(),
        "/language".to_owned(),
    ];
    let mut runner = TestRunner::deterministic();
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    for _ in 0..60 {
        let json = arbitrary_json().new_tree(&mut runner).unwrap().current();
        let noise = bytes.new_tree(&mut runner).unwrap().current();
        for path in &posts {
            let mut browser = operator.clone();
            for (kind, body) in [
                ("application/json", json.to_string().into_bytes()),
                ("application/json", noise.clone()),
                ("application/x-www-form-urlencoded", noise.clone()),
            ] {
                let answer = send(&mut browser, path, kind, body).await;
                assert!(!answer.status.is_server_error(), "{path} with {json} or {noise:?}: {}", answer.text());
            }
        }
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_field_is_named_with_the_reason() {
    let city = city().await;
    let mut browser = city.browser();
    let answer = browser.post("/api/v1/session", &json!({"email": 7, "password": "x"})).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid"));
    assert_eq!(answer.json()["errors"][0]["field"], "email");
    let answer = browser.post("/api/v1/session", &json!({"email": "a@b.example"})).await;
    assert_eq!(answer.json()["errors"][0]["field"], "password");
    let mut operator = city.operator("a").await;
    for (query, field) in [
        ("/api/v1/alarms?limit=0", "limit"),
        ("/api/v1/alarms?limit=many", "limit"),
        ("/api/v1/alarms?device=alm_1", "device"),
        ("/api/v1/alarms?after=x", "after"),
        ("/api/v1/alarms?history=perhaps", "history"),
        ("/api/v1/devices?kind=toaster", "kind"),
        ("/api/v1/devices/alm_1", "device"),
        ("/api/v1/premises/home", "premises"),
    ] {
        let answer = operator.get(query).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            "{query}"
        );
        assert_eq!(answer.json()["errors"][0]["field"], field, "{query}: {}", answer.text());
    }
    let device = city.devices["a-D1"];
    for (query, field) in [
        ("", "quantity"),
        ("?quantity=smell", "quantity"),
        ("?quantity=gas&from=9&to=9", "from"),
        ("?quantity=gas&limit=1", "limit"),
        ("?quantity=gas&from=0&to=9000000000000", "from"),
    ] {
        let answer = operator.get(&format!("/api/v1/devices/{device}/series{query}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}: {}", answer.text());
        assert_eq!(answer.json()["errors"][0]["field"], field, "{query}: {}", answer.text());
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_broken_too_large_or_of_another_type_are_told_apart() {
    let city = city().await;
    let mut browser = city.browser();
    let path = "/api/v1/session";
    let answer = send(&mut browser, path, "application/json", b"{\"email\": ".to_vec()).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "malformed"));
    let answer =
        send(&mut browser, path, "application/json", b"{\"email\":\"a@b\",\"password\":\"x\"} more".to_vec()).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "malformed"));
    let answer = send(&mut browser, path, "text/plain", b"{}".to_vec()).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type")
    );
    for path in [path, "/api/v1/password-reset", "/api/v1/password-reset/redeem"] {
        let answer = send(&mut browser, path, "application/json", vec![b' '; 70_000]).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "too-large"), "{path}");
    }
    for path in ["/sign-in", "/sign-in/code", "/sign-in/forgot", "/sign-in/reset"] {
        let answer = send(&mut browser, path, "application/x-www-form-urlencoded", vec![b'a'; 70_000]).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
    city.stop().await;
}
