//! What the pages read.

use crate::city::city;
use axum::http::StatusCode;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn a_leaking_home_is_shown_with_its_alarm_valve_readings_and_the_close_that_the_leak_ordered() {
    let city = city().await;
    let mut resident = city.resident("a").await;
    let detail = resident.get(&format!("/api/v1/premises/{}", city.premises["a-home"])).await.json();
    assert_eq!(detail["address"], "样板街ahome");
    assert_eq!(detail["tenant_name"], "示例燃气a");
    let leak = detail["alarms"].as_array().unwrap().iter().find(|alarm| alarm["condition"] == "gas-high").unwrap();
    assert_eq!(detail["commands"][0]["cause"], "leak");
    assert_eq!(detail["commands"][0]["alarm"], leak["id"]);
    let detector = city.devices["a-D1"];
    let detail = resident.get(&format!("/api/v1/devices/{detector}")).await.json();
    assert_eq!(detail["summary"]["worst"], "gas-high");
    assert_eq!(detail["may_close"], true);
    assert_eq!(detail["latest"][0]["value"], 60.0);
    assert_eq!(detail["linked"][0]["serial"], "V1");
    let series = resident.get(&format!("/api/v1/devices/{detector}/series?quantity=gas")).await.json();
    assert_eq!((series["unit"].as_str(), series["samples"][0]["value"].as_f64()), (Some("%LEL"), Some(60.0)));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_list_join_without_gap_or_repeat() {
    let city = city().await;
    let mut regulator = city.regulator().await;
    let whole = regulator.get("/api/v1/devices?limit=200").await.json();
    let ids = |page: &Value| -> Vec<Value> {
        page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect()
    };
    let mut joined = Vec::new();
    let mut next = String::new();
    loop {
        let page = regulator.get(&format!("/api/v1/devices?limit=3&after={next}")).await.json();
        joined.extend(ids(&page));
        match page["next"].as_str() {
            Some(after) => next = after.to_owned(),
            None => break,
        }
    }
    assert_eq!(joined, ids(&whole));
    assert_eq!(joined.len(), 10);
    let found = regulator.get("/api/v1/devices?q=W1&kind=well-monitor").await.json();
    assert_eq!((ids(&found).len(), found["total"].as_u64()), (2, Some(2)));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_counts_by_division() {
    let city = city().await;
    let overview = city.operator("a").await.get("/api/v1/overview").await.json();
    assert_eq!((overview["premises"].as_u64(), overview["devices"].as_u64()), (Some(2), Some(5)));
    assert_eq!(overview["divisions"][0]["name_zh"], "西湖区");
    assert_eq!(overview["divisions"][0]["leaks"], 1);
    assert_eq!(overview["bounds"][0], 120.1);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_a_valve_cannot_be_closed_and_says_so() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    let answer = operator.post(&format!("/api/v1/devices/{}/close", city.devices["a-W1"]), &Value::Null).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "no-valve"));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_twice_to_close_gives_the_same_command() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    let path = format!("/api/v1/devices/{}/close", city.devices["a-V2"]);
    let first = operator.post(&path, &Value::Null).await.json();
    let second = operator.post(&path, &Value::Null).await.json();
    assert_eq!(first["commands"].as_array().unwrap().len(), 1);
    assert_eq!(first["commands"][0]["id"], second["commands"][0]["id"]);
    let detail = operator.get(&format!("/api/v1/devices/{}", city.devices["a-V2"])).await.json();
    assert_eq!(detail["commands"].as_array().unwrap().len(), 1);
    city.stop().await;
}
