//! What the pages read.

use crate::city::{Browser, City, city};
use axum::http::StatusCode;
use davy_domain::alarm::{AlarmEffect, AlarmEvent, Origin};
use davy_domain::interlock::{AlarmChange, Decision, Effects, RuleRef};
use davy_domain::policy::{Evaluation, PolicyEvent, PolicyOutcome, Text, Trigger, Words};
use davy_domain::{Condition, ConditionSet, DeviceKind, Priority, ValveState};
use davy_store::Batch;
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
    let gas = detail["floor"].as_array().unwrap().iter().filter(|level| level["quantity"] == "gas").collect::<Vec<_>>();
    assert_eq!(gas.len(), 1, "the well's level is not the home's: {gas:?}");
    assert_eq!((gas[0]["at_or_above"].as_f64(), gas[0]["clear_below"].as_f64()), (Some(25.0), Some(5.0)));
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

/// What a rule says to the leak of company `a`, committed as ingest would.
async fn say(city: &City, words: Words) {
    let store = &city.store;
    let device = city.devices["a-D1"];
    let tenant = store.tenants().await.unwrap().into_iter().find(|tenant| tenant.name.ends_with('a')).unwrap().id;
    let mut active = store.tenant(tenant).active_alarms(10).await.unwrap();
    active.retain(|stored| stored.alarm.device == device && stored.alarm.condition == Condition::GasHigh);
    let stored = active.remove(0);
    let input = PolicyEvent {
        trigger: Trigger::Readings,
        now: stored.alarm.raised_at,
        device_kind: DeviceKind::Detector,
        valve: ValveState::Unknown,
        active: ConditionSet::EMPTY,
        installed_at: None,
        readings: Vec::new(),
        extensions: Vec::new(),
    };
    let decision = Decision {
        device,
        at: stored.alarm.raised_at,
        rule: Some(RuleRef { digest: [7; 32], settings_version: 1 }),
        input,
        state_before: Vec::new(),
        evaluation: Some(Evaluation { result: Ok(PolicyOutcome { words, ..PolicyOutcome::default() }), fuel: 1 }),
        floor: Vec::new(),
        alarms: vec![stored.alarm.id],
        commands: Vec::new(),
    };
    let change = AlarmChange {
        before: stored.alarm.state,
        alarm: stored.alarm,
        event: AlarmEvent::Raise { priority: Priority::Urgent, origin: Origin::Rule },
        effect: AlarmEffect::Note,
    };
    let effects = Effects { alarms: vec![change], decisions: vec![decision], ..Effects::default() };
    store.commit(&Batch { effects: vec![(tenant, stored.interlock, effects)], ..Batch::default() }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_says_is_shown_with_the_alarm_and_its_notes_to_no_resident() {
    let city = city().await;
    let text =
        Text { zh: "厨房燃气达到高报警值".to_owned(), en: "Gas in the kitchen at the high level".to_owned() };
    say(&city, Words { texts: vec![(Condition::GasHigh, text)], notes: vec!["61.7 over 3 readings".to_owned()] }).await;
    let path = format!("/api/v1/devices/{}", city.devices["a-D1"]);
    for (mut browser, notes) in
        [(city.operator("a").await, 1), (city.regulator().await, 1), (city.resident("a").await, 0)]
    {
        let detail = browser.get(&path).await.json();
        let said = &detail["alarms"][0]["said"];
        assert_eq!(said["en"], "Gas in the kitchen at the high level", "{detail}");
        assert_eq!(said["notes"].as_array().unwrap().len(), notes, "{detail}");
        let page = browser.get(&format!("/devices/{}", city.devices["a-D1"])).await.text();
        assert!(page.contains("厨房燃气达到高报警值"), "{page}");
        assert_eq!(page.contains("61.7 over 3 readings"), notes == 1, "{page}");
    }
    let other = city.operator("b").await.get("/api/v1/alarms").await.json();
    assert!(other["items"].as_array().unwrap().iter().all(|alarm| alarm["said"].is_null()), "{other}");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_counts_as_closing_from_its_order_until_it_is_proven() {
    let city = city().await;
    let closing =
        async |mut browser: Browser| browser.get("/api/v1/overview").await.json()["closing"].as_u64().unwrap();
    // The leaks have ordered a close of V1 each, and no valve has heard of it yet.
    assert_eq!(closing(city.operator("a").await).await, 1);
    assert_eq!(closing(city.regulator().await).await, 2);
    assert_eq!(closing(city.resident("b").await).await, 1);
    assert_eq!(closing(city.signed_in("flat@a.example").await).await, 0);
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
