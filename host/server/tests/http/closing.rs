//! Closing every valve of a place, however many there are.

use crate::city::city_and;
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::collections::HashSet;

#[tokio::test(flavor = "multi_thread")]
async fn closing_a_premises_closes_its_last_valve_too_behind_hundreds_of_devices_and_valves() {
    let tower =
        json!({"key": "tower", "tenant": "a", "division": 330_106, "address": "样板街塔楼", "lon": 120.1, "lat": 30.2});
    let device = |serial: String, kind: &str| json!({"serial": serial, "tenant": "a", "kind": kind, "model": "X", "premises": "tower", "report_interval_s": 3600});
    // More of each than one read gives, and every valve after the detectors.
    let mut more: Vec<Value> = (0..201).map(|at| device(format!("XD{at}"), "detector")).collect();
    more.extend((0..201).map(|at| device(format!("XV{at}"), "valve")));
    more.push(device("XM".to_owned(), "meter"));
    let city = city_and(tower, more).await;
    let mut operator = city.operator("a").await;
    let place = format!("/api/v1/premises/{}", city.premises["tower"]);
    assert_eq!(operator.get(&place).await.json()["valve"], "unknown", "a place with valves has a state");
    let answer = operator.post(&format!("{place}/close"), &Value::Null).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let receipt = answer.json();
    let ordered: HashSet<&str> =
        receipt["commands"].as_array().unwrap().iter().map(|command| command["device"].as_str().unwrap()).collect();
    for serial in ["XM".to_owned()].into_iter().chain((0..201).map(|at| format!("XV{at}"))) {
        let id = city.devices[&format!("a-{serial}")].to_string();
        assert!(ordered.contains(id.as_str()), "{serial} was not ordered to close");
    }
    assert_eq!(ordered.len(), 202);
    city.stop().await;
}
