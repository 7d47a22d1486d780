//! The ledger over HTTP: who sees what of it, what people's doings leave in it, and exports and signatures that hold.

use crate::access::first_alarm;
use crate::city::{Browser, PASSWORD, city};
use axum::http::StatusCode;
use davy_api::{LedgerCheckpoints, LedgerLine};
use davy_domain::ledger::{Chain, Verification};
use davy_server::clock::{SharedClock, SystemClock, SystemRandom};
use davy_server::keys::KeyRing;
use davy_server::ledger::{Notary, NotaryError, is_genuine};
use serde_json::{Value, json};
use std::sync::Arc;

async fn items(browser: &mut Browser, query: &str) -> Vec<Value> {
    let page = browser.get(&format!("/api/v1/ledger{query}")).await.json();
    page["items"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
}

fn kinds(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["kind"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_sees_its_own_chain_a_regulator_what_is_safety_and_a_resident_nothing() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    let all = items(&mut operator, "?limit=200").await;
    assert!(all.iter().all(|item| item["company"] == "示例燃气a"), "{all:?}");
    assert!(kinds(&all).contains(&"provisioned") && kinds(&all).contains(&"alarm-moved"));
    assert_eq!((all[0]["kind"].as_str(), all[0]["name"].as_str()), (Some("signed-in"), Some("值班员")));
    let safety = items(&mut operator, "?kind=safety&limit=200").await;
    let mut regulator = city.regulator().await;
    let seen = items(&mut regulator, "?limit=200").await;
    // Two companies with the same leak each.
    assert_eq!(seen.len(), 2 * safety.len());
    assert!(kinds(&seen).iter().all(|kind| kind.starts_with("alarm-") || kind.starts_with("command-")));
    assert!(seen.iter().all(|item| item["name"].is_null()));
    assert!(items(&mut regulator, "?kind=people").await.is_empty());
    let mut elsewhere = city.signed_in("elsewhere@city.example").await;
    assert!(items(&mut elsewhere, "").await.is_empty());
    let mut resident = city.resident("a").await;
    assert_eq!(resident.get("/api/v1/ledger").await.status, StatusCode::FORBIDDEN);
    assert_eq!(regulator.get("/api/v1/ledger/export").await.status, StatusCode::FORBIDDEN);
    // Page by page, and by what is looked for.
    let all = items(&mut operator, "?limit=200").await;
    let first = operator.get("/api/v1/ledger?limit=2").await.json();
    let next = first["next"].as_str().unwrap().to_owned();
    assert_eq!(items(&mut operator, &format!("?limit=2&after={next}")).await, all[2..4]);
    let alarm = first_alarm(&mut operator).await;
    let about = items(&mut operator, &format!("?about={alarm}")).await;
    assert!(!about.is_empty() && about.iter().all(|item| item["act"]["alarm"] == alarm.as_str()), "{about:?}");
    let device = city.devices["a-W1"].to_string();
    assert!(items(&mut operator, &format!("?about={device}")).await.is_empty());
    for wrong in ["kind=nonsense", "about=x", "after=x", "limit=0", "from=x"] {
        let refused = operator.get(&format!("/api/v1/ledger?{wrong}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_and_out_and_failing_to_leave_their_entries_without_what_was_typed() {
    let city = city().await;
    let mut nobody = city.browser();
    let typed = "my secret password@green.example";
    for (email, password) in [("operator@a.example", "wrong password"), (typed, PASSWORD)] {
        let refused = nobody.post("/api/v1/session", &json!({"email": email, "password": password})).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
    let mut first = city.operator("a").await;
    first.delete("/api/v1/session").await;
    let mut operator = city.operator("a").await;
    let people = items(&mut operator, "?kind=people").await;
    assert_eq!(kinds(&people), ["signed-in", "signed-out", "signed-in", "sign-in-refused"]);
    assert_eq!(people[3]["act"]["why"], "wrong-password");
    let platform = city.store.platform_ledger(&davy_store::LedgerFilter::default(), None, 50).await.unwrap();
    assert!(platform.iter().any(|entry| entry.read().unwrap().1.name() == "sign-in-refused"));
    for entry in platform {
        assert!(!String::from_utf8_lossy(&entry.body).contains("secret"));
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_verifies_and_what_is_signed_for_holds() {
    let city = city().await;
    let clock: SharedClock = Arc::new(SystemClock);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("davy.key");
    KeyRing::create(&path, &SystemRandom).unwrap();
    let keys = KeyRing::open(&path).unwrap();
    let notary = Notary::open(city.store.clone(), &keys, Arc::clone(&clock), &SystemRandom).await.unwrap();
    let again = Notary::open(city.store.clone(), &keys, Arc::clone(&clock), &SystemRandom).await.unwrap();
    assert_eq!(notary.public_key(), again.public_key(), "the key is made once");
    notary.sign_all().await.unwrap();
    let mut operator = city.operator("a").await;
    let found: LedgerCheckpoints =
        serde_json::from_value(operator.get("/api/v1/ledger/checkpoints").await.json()).unwrap();
    assert_eq!((found.keys.as_slice(), found.items.len()), ([notary.public_key()].as_slice(), 1));
    let signed = found.items[0].signed().unwrap();
    assert!(is_genuine(&signed));
    let forged = davy_domain::ledger::Signed { signature: [1; 64], ..signed };
    assert!(!is_genuine(&forged));

    let export = operator.get("/api/v1/ledger/export").await;
    assert_eq!(export.headers["content-type"], "application/x-ndjson");
    let lines: Vec<LedgerLine> = export.text().lines().map(|line| LedgerLine::read(line).unwrap()).collect();
    let Some(LedgerLine::Head { chain, .. }) = lines.first() else { panic!("{:?}", lines.first()) };
    let mut verification = Verification::of(*chain);
    for line in &lines {
        if let LedgerLine::Checkpoint(signed) = line {
            verification.checkpoint(**signed, true, is_genuine(signed));
        }
    }
    for line in &lines {
        if let LedgerLine::Entry(entry) = line {
            verification.entry(entry);
        }
    }
    let report = verification.finish();
    assert_eq!((report.fault, report.covered), (None, Some(signed)));
    let Some(LedgerLine::End { seq, more: false }) = lines.last() else { panic!("{:?}", lines.last()) };
    assert_eq!(*seq, report.head.seq);
    // That it was taken along is the next entry.
    assert_eq!(
        items(&mut operator, "?kind=data").await[0]["act"],
        json!({"act": "exported", "what": "ledger", "from": 1, "to": seq})
    );

    // An entry of an alarm is shown with what covers it.
    let alarm = first_alarm(&mut operator).await;
    let ledger = operator.get(&format!("/api/v1/alarms/{alarm}/ledger")).await.json();
    assert_eq!(ledger["items"][0]["kind"], "alarm-moved");
    assert_eq!(ledger["items"][0]["covered_by"]["seq"], signed.checkpoint.seq);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_was_tampered_with_is_not_signed_for() {
    let city = city().await;
    let clock: SharedClock = Arc::new(SystemClock);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("davy.key");
    KeyRing::create(&path, &SystemRandom).unwrap();
    let keys = KeyRing::open(&path).unwrap();
    let notary = Notary::open(city.store.clone(), &keys, clock, &SystemRandom).await.unwrap();
    let first = notary.sign(Chain::Platform).await.unwrap();
    assert!(first.is_some());
    assert!(notary.sign(Chain::Platform).await.unwrap().is_none(), "nothing new");
    city.beneath(&["DROP TRIGGER ledger_no_delete", "DELETE FROM ledger WHERE tenant_id = 0 AND seq > 1"]).await;
    let refused = notary.sign(Chain::Platform).await.unwrap_err();
    assert!(matches!(refused, NotaryError::Fault { .. }), "{refused}");
    city.stop().await;
}
