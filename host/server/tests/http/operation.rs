//! Health, the OpenAPI document, headers, and what is answered to paths and methods that do not exist.

use crate::city::{city, city_with};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use davy_server::http::openapi;

#[test]
fn the_openapi_document_is_the_committed_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let text = openapi::text().unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        golden == text,
        "the API has changed: look at the difference after UPDATE_GOLDEN=1 cargo test -p davy-server"
    );
    assert!(text.contains("\"openapi\": \"3.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_is_alive_and_ready_and_not_ready_once_it_stops() {
    let city = city().await;
    let mut nobody = city.browser();
    assert_eq!(nobody.get("/healthz").await.text(), "ok\n");
    assert_eq!(nobody.get("/readyz").await.text(), "ready\n");
    city.stopping.cancel();
    let answer = nobody.get("/readyz").await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_of_the_api_are_problems() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    let answer = operator.get("/api/v1/nothing/here").await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::NOT_FOUND, "no-such-path"));
    let request = operator.request(Method::PUT, "/api/v1/devices").body(Body::empty()).unwrap();
    let answer = operator.send(request).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_its_request_id_and_the_headers_that_keep_browsers_safe() {
    let city = city().await;
    let mut nobody = city.browser();
    let mut ids = std::collections::HashSet::new();
    for path in ["/api/v1/me", "/healthz", "/openapi.json", "/sign-in", "/no-such-page"] {
        let answer = nobody.get(path).await;
        let header =
            |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        assert!(ids.insert(header("x-request-id")), "{path}");
        assert!(header("content-security-policy").starts_with("default-src 'none'"), "{path}: {:?}", answer.headers);
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
    }
    let page = nobody.get("/sign-in").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.headers["content-security-policy"].to_str().unwrap().contains("'nonce-"), "{:?}", page.headers);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_asks_too_much_is_slowed_down() {
    let city = city_with(|settings| {
        settings.http_rate = 1;
        settings.http_burst = 5;
    })
    .await;
    let mut nobody = city.browser();
    let mut last = StatusCode::OK;
    for _ in 0..6 {
        last = nobody.get("/api/v1/me").await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(nobody.get("/healthz").await.status, StatusCode::OK);
    city.stop().await;
}

#[test]
fn words_that_a_stranger_makes_up_are_no_labels_of_metrics() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let page = metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let city = city().await;
            let nobody = city.browser();
            for word in 0..20 {
                for path in [format!("/madeup{word}"), format!("/api/v1/devices/madeup{word}"), "/healthz".to_owned()] {
                    for method in [format!("MADEUP{word}"), "GET".to_owned()] {
                        let method = Method::from_bytes(method.as_bytes()).unwrap();
                        nobody.raw(nobody.request(method, &path).body(Body::empty()).unwrap()).await;
                    }
                }
            }
            city.stop().await;
        });
        recorder.handle().render()
    });
    assert!(page.contains("davy_http_requests_total{method=\"other\""), "{page}");
    assert!(page.contains("davy_http_requests_total{method=\"GET\""), "{page}");
    assert!(!page.to_lowercase().contains("madeup"), "{page}");
}
