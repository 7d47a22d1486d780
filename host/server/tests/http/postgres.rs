//! The same city on PostgreSQL: reached through `DAVY_TEST_POSTGRES_URL`, reported as skipped without it.

use crate::access::first_alarm;
use crate::city::{city_in, manifest};
use axum::http::StatusCode;
use serde_json::Value;
use sqlx::{Connection, Executor, PgConnection};

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_reading_closing_and_acknowledging_work_on_postgresql_as_on_sqlite() {
    let Ok(url) = std::env::var("DAVY_TEST_POSTGRES_URL") else {
        let required = std::env::var_os("DAVY_TEST_REQUIRE_POSTGRES").is_some();
        assert!(!required, "DAVY_TEST_REQUIRE_POSTGRES asks for PostgreSQL: set DAVY_TEST_POSTGRES_URL too");
        eprintln!("SKIPPED on PostgreSQL: DAVY_TEST_POSTGRES_URL is not set");
        return;
    };
    let schema = format!("davy_http_{}", std::process::id());
    let mut admin = PgConnection::connect(&url).await.unwrap();
    admin.execute(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
    let separator = if url.contains('?') { '&' } else { '?' };
    let own = format!("{url}{separator}options=-csearch_path%3D{schema}");
    let city = city_in(tempfile::tempdir().unwrap(), &own, &manifest(), |_| {}).await;

    let mut operator = city.operator("a").await;
    let alarm = first_alarm(&mut operator).await;
    assert_eq!(operator.get("/api/v1/devices").await.json()["total"], 5);
    assert_eq!(operator.get("/api/v1/devices?q=d1").await.json()["total"], 1);
    let detector = city.devices["a-D1"];
    let series = operator.get(&format!("/api/v1/devices/{detector}/series?quantity=gas")).await.json();
    assert_eq!(series["samples"][0]["value"], 60.0);
    let close = format!("/api/v1/devices/{}/close", city.devices["a-V2"]);
    let first = operator.post(&close, &Value::Null).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.text());
    assert_eq!(
        first.json()["commands"][0]["id"],
        operator.post(&close, &Value::Null).await.json()["commands"][0]["id"]
    );
    let acknowledged = operator.post(&format!("/api/v1/alarms/{alarm}/acknowledge"), &Value::Null).await;
    assert_eq!(acknowledged.status, StatusCode::NO_CONTENT, "{}", acknowledged.text());
    let mut stranger = city.operator("b").await;
    assert_eq!(stranger.get(&format!("/api/v1/devices/{detector}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(city.regulator().await.get("/api/v1/overview").await.json()["leaks"], 2);

    city.stop().await;
    admin.execute(sqlx::AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"))).await.unwrap();
}
