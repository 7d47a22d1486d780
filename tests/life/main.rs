//! The life of a rule's version on the real server: two people, a company's own history, and what the platform does by itself.

// Test code outside of `#[test]` functions too: a failed expectation is how it speaks.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod command_line;
mod company;
mod drivers;
mod notifications;

use company::{Company, Engineer};
use davy_tests::hostile;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use sha2::Digest;
use std::fmt::Write as _;

#[test]
fn a_version_comes_into_force_by_two_people_and_is_taken_back_by_one() {
    let company = Company::new();
    let (anna, ben) = (company.engineer("anna"), company.engineer("ben"));
    let in_force = anna.in_force().expect("the version that the company began with");
    company.detector(0).says(&[(12.0, 40), (12.0, 0)]);
    let standing = anna.alarms();
    assert_eq!(standing.len(), 1, "{standing:?}");

    // Only the settings change: an engineer need not touch any code.
    let new = anna.post(&format!("/api/v1/rules/{in_force}/settings"), &json!({"gas-low-level": 8.0})).unwrap();
    let id = new["id"].as_str().unwrap().to_owned();
    anna.refused(
        &format!("/api/v1/rules/{in_force}/settings"),
        &json!({"gas-low-level": 80.0}),
        "settings.gas-low-level",
    );
    let rule = anna.until(&id, "checked");
    assert_eq!(rule["checks"]["passed"], true, "{rule}");
    assert!(rule["version"]["version"].as_str().is_some_and(|version| !version.is_empty()), "{rule}");

    // No stage is skipped.
    for act in ["start-shadow", "start-cohort", "propose", "approve", "roll-back"] {
        assert_eq!(anna.act_refused(&id, act), "not-now", "{act}");
    }
    let report = anna.back_tested(&id);
    assert!(report["readings"].as_u64().unwrap() >= 2, "{report}");
    assert_eq!(report["difference"]["lost"], 0, "{report}");
    anna.act(&id, "start-shadow");
    anna.act(&id, "start-cohort");
    anna.act(&id, "propose");
    assert_eq!(anna.act_refused(&id, "approve"), "second-person");
    // Whoever approves sees what it takes the place of, and with which settings.
    let asked = ben.rule(&id);
    let replaced = &asked["in_force"];
    assert_eq!(replaced["version"]["id"], in_force.as_str(), "{asked}");
    assert_eq!(replaced["version"]["digest"], asked["version"]["digest"]);
    assert_ne!(replaced["settings"]["gas-low-level"], asked["settings"]["gas-low-level"]);
    ben.act(&id, "approve");
    assert_eq!(anna.rule(&id)["in_force"], json!(null));
    assert_eq!(anna.in_force().as_deref(), Some(id.as_str()));
    assert_eq!(anna.rule(&in_force)["version"]["stage"], "retired");

    // It decides: 8.5 is below the old low level of 10, and above the new one of 8.
    company.detector(1).says(&[(8.5, 40), (8.5, 0)]);
    assert_eq!(anna.alarms().len(), 2);

    // One act, by anybody who has the right to it; the alarms stand as they stood.
    let before = anna.alarms();
    ben.act(&id, "roll-back");
    assert_eq!(anna.in_force().as_deref(), Some(in_force.as_str()));
    company.detector(2).says(&[(8.5, 40), (8.5, 0)]);
    assert_eq!(anna.alarms(), before, "the old level is back, and no alarm was lost");
    let acts: Vec<_> = anna.rule(&id)["acts"].as_array().unwrap().iter().map(|act| act["act"]["act"].clone()).collect();
    let expected = ["upload", "check", "back-test", "start-shadow", "start-cohort", "propose", "approve", "roll-back"];
    assert_eq!(acts, expected);
    let told = company.uplinks_told();
    company.stop();
    assert_eq!(told, 3, "every uplink was acknowledged");
}

/// A day, milliseconds.
const DAY_MS: i64 = 86_400_000;

/// Now, milliseconds.
fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

#[test]
fn a_version_that_misses_a_leak_which_a_person_confirmed_does_not_get_further() {
    let company = Company::new();
    let anna = company.engineer("anna");
    let in_force = anna.in_force().unwrap();
    company.detector(0).says(&[(12.0, 40), (12.0, 0)]);
    let alarm = anna.alarms()[0].clone();
    anna.put(&format!("/api/v1/alarms/{alarm}/finding"), &json!({"finding": "leak"}));
    let settings = json!({"gas-low-level": 20.0, "gas-high-level": 24.0, "rise-from": 10.0});
    let new = anna.post(&format!("/api/v1/rules/{in_force}/settings"), &settings).unwrap();
    let id = new["id"].as_str().unwrap();
    anna.until(id, "checked");
    let report = anna.back_tested(id);
    assert_eq!(report["blocking"], 1, "{report}");
    assert_eq!(anna.rule(id)["version"]["stage"], "checked", "it stays where it was");
    assert_eq!(anna.act_refused(id, "start-shadow"), "missed-leaks");

    // A minute of it, a share of it, a history that ends before: each finds nothing and changes nothing.
    let now = now_ms();
    for part in [
        json!({"from": now - 120_000, "to": now - 60_000}),
        json!({"permille": 1}),
        json!({"from": now - 100 * DAY_MS, "to": now - DAY_MS}),
        json!({"from": now - DAY_MS, "to": now - DAY_MS + 1}),
    ] {
        let (test, report) = anna.back_tested_over(id, &part);
        assert_eq!((&test["decisive"], &report["blocking"]), (&json!(false), &json!(0)), "{part}: {test}");
        let version = &anna.rule(id)["version"];
        assert_eq!((&version["stage"], &version["missed"]), (&json!("checked"), &json!(1)), "{part}");
    }
    assert_eq!(anna.act_refused(id, "start-shadow"), "missed-leaks");
    // Over more than before it is missed still.
    let (test, report) = anna.back_tested_over(id, &json!({"from": now - 200 * DAY_MS}));
    assert_eq!((&test["decisive"], &report["blocking"]), (&json!(true), &json!(1)), "{test}");
    // A person takes the finding back: then, and only over as much, it misses nothing.
    anna.put(&format!("/api/v1/alarms/{alarm}/finding"), &json!({"finding": "test"}));
    let (test, _) = anna.back_tested_over(id, &json!({}));
    assert_eq!(test["decisive"], true);
    assert_eq!(anna.rule(id)["version"]["stage"], "checked", "90 days are less than the history in which it missed it");
    anna.back_tested_over(id, &json!({"from": now - 200 * DAY_MS}));
    assert_eq!(anna.rule(id)["version"]["stage"], "back-tested");
    company.stop();
}

#[test]
fn a_version_that_faults_is_taken_back_by_the_platform() {
    let company = Company::new();
    let anna = company.engineer("anna");
    let in_force = anna.in_force().unwrap();
    let component = hostile::component(hostile::TRAPS).unwrap();
    let new = anna.upload("/api/v1/rules?tier=standard", &component).unwrap();
    let id = new["id"].as_str().unwrap();
    anna.until(id, "checked");
    anna.back_tested(id);
    anna.act(id, "start-shadow");
    // It decides nothing the first time and traps from then on.
    for round in 0..4_u64 {
        for number in 0..Company::HOMES {
            company.detector(number).at(1 + round).says(&[(0.5, 0)]);
        }
    }
    let rule = anna.until(id, "retired");
    let last = rule["acts"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["act"]["act"], "break-off", "{last}");
    assert!(last["by"].is_null() && last["act"]["reason"].as_str().unwrap().starts_with("faults"), "{last}");
    assert!(rule["health"]["faults"]["trap"].as_u64().unwrap() > 0, "{rule}");
    let metrics = company.metrics();
    let of_version = |name: &str, also: &str| {
        let mine = |line: &&str| line.starts_with(&format!("{name}{{")) && line.contains(&format!("version=\"{id}\""));
        let found = metrics.lines().filter(mine).find(|line| line.contains(also));
        let found = found.unwrap_or_else(|| panic!("no {name} of {id} with {also}"));
        found.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    assert!(of_version("davy_rule_faults_total", "kind=\"trap\"") >= 50.0);
    assert!(of_version("davy_rule_call_fuel", "quantile=\"0.99\"") > 0.0);
    assert!(of_version("davy_rule_call_seconds_count", "") >= 50.0);
    assert!(of_version("davy_rule_call_seconds_sum", "") > 0.0);
    assert!(rule["health"]["last_fault"]["event"]["readings"].is_array(), "the offending event is shown: {rule}");
    assert_eq!(anna.in_force().as_deref(), Some(in_force.as_str()), "what was in force never stopped");
    assert!(anna.alarms().is_empty(), "nothing of the trial is an alarm");
    company.stop();
}

#[test]
fn a_version_in_shadow_is_asked_when_its_own_timers_are_due() {
    let company = Company::new();
    let anna = company.engineer("anna");
    let id = &anna.in_shadow(&json!({"gas-low-level": 8.0}));
    // One reading and no more: only the version's own timer brings it to an alarm, ten seconds later.
    company.detector(0).says(&[(8.5, 0)]);
    let rule = anna.once(id, |rule| rule["health"]["alarms"] == 1);
    assert_eq!(rule["version"]["stage"], "shadow");
    assert!(anna.alarms().is_empty(), "and nobody else hears of it");
    company.stop();
}

#[test]
fn a_company_holds_its_trials_to_bounds_of_its_own() {
    // Held by the operator to bounds that nobody leaves here.
    let company =
        Company::with("DAVY_RULES_BOUNDS", "faults-percent=20 recent-faults-percent=40 faults-from-calls=500");
    let (anna, stranger) = (company.engineer("anna"), company.stranger());
    let bound = |who: &Engineer, name: &str| {
        let bounds = who.get("/api/v1/rule-bounds");
        bounds["items"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap().clone()
    };
    assert_eq!(bound(&anna, "faults-percent")["value"], 20);
    let component = hostile::component(hostile::TRAPS).unwrap();
    let new = anna.upload("/api/v1/rules?tier=standard", &component).unwrap();
    let id = new["id"].as_str().unwrap();
    anna.until(id, "checked");
    anna.back_tested(id);
    anna.act(id, "start-shadow");
    for round in 0..4_u64 {
        for number in 0..Company::HOMES {
            company.detector(number).at(1 + round).says(&[(0.5, 0)]);
        }
    }
    // It has failed over and over, and been looked at: it stays, because nobody has called that too much.
    let calls = |rule: &Value| rule["health"]["calls"].as_u64().unwrap();
    let faults = |rule: &Value| rule["health"]["faults"]["trap"].as_u64().unwrap_or(0);
    let rule = anna.once(id, |rule| calls(rule) >= 50 && faults(rule) > 25);
    assert!(calls(&rule) < 500, "{rule}");
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!(anna.rule(id)["version"]["stage"], "shadow", "wider bounds leave it alone");

    // Beyond what the platform allows, nothing is set, and each wrong bound is named.
    for (bounds, field) in [
        (json!({"faults-percent": 21}), "bounds.faults-percent"),
        (json!({"fuel-percent": 0}), "bounds.fuel-percent"),
        (json!({"faults-percent": 1, "alarms-times": 1_000}), "bounds.alarms-times"),
        (json!({"unheard-of": 1}), "bounds.unheard-of"),
    ] {
        let (status, problem) = anna.try_put("/api/v1/rule-bounds", &json!({"bounds": bounds}));
        assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!(field)), "{problem}");
    }
    assert_eq!(bound(&anna, "faults-percent")["own"], false);

    let (status, set) = anna.try_put("/api/v1/rule-bounds", &json!({"bounds": {"faults-from-calls": 20}}));
    assert_eq!(status, 200, "{set}");
    let mine = bound(&anna, "faults-from-calls");
    assert_eq!((&mine["value"], &mine["own"], &mine["default"]), (&json!(20), &json!(true), &json!(500)));
    assert_eq!(bound(&stranger, "faults-from-calls")["value"], 500, "another company's are its own");
    let rule = anna.until(id, "retired");
    let last = rule["acts"].as_array().unwrap().last().unwrap();
    assert_eq!(last["act"]["act"], "break-off", "{last}");
    assert!(last["act"]["reason"].as_str().unwrap().contains("at most 20 of 100"), "{last}");
    let ledger = anna.get("/api/v1/ledger?limit=50");
    assert!(ledger.to_string().contains("faults-from-calls=20"), "who set it is entered: {ledger}");
    company.stop();
}

#[test]
fn a_component_that_nothing_refers_to_makes_room_and_one_that_decided_stays() {
    let company = Company::with("DAVY_RULES_MOST_COMPONENTS", "3");
    let anna = company.engineer("anna");
    let in_force = anna.in_force().unwrap();
    let [first, second, third] =
        [hostile::LOOPS, hostile::TRAPS, hostile::HOGS].map(|harm| hostile::component(harm).unwrap());
    let id = |version: &Value| version["id"].as_str().unwrap().to_owned();
    let kept = id(&anna.upload("/api/v1/rules", &first).unwrap());
    let given_up = id(&anna.upload("/api/v1/rules", &second).unwrap());
    assert_eq!(anna.try_upload("/api/v1/rules", &third).1["reason"], "no-room");

    let path = |id: &str| format!("/api/v1/rules/{id}/component");
    let refused = |id: &str, why: &str| {
        let (status, problem) = anna.try_delete(&path(id));
        assert_eq!((status, &problem["reason"]), (409, &json!("referred-to")), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
    };
    anna.until(&given_up, "checked");
    refused(&given_up, &format!("version {given_up} of it is checked: withdraw it first"));
    refused(&in_force, "is active");
    assert_eq!(company.stranger().try_delete(&path(&given_up)).0, 404);
    anna.act(&given_up, "withdraw");
    assert!(anna.rule(&given_up)["may"].as_array().unwrap().contains(&json!("delete-component")));
    assert_eq!(anna.try_delete(&path(&given_up)).0, 204);
    assert_eq!(anna.status(&path(&given_up)), 404);
    let rule = anna.rule(&given_up);
    assert!(rule["component_deleted_at"].is_i64() && rule["acts"].as_array().unwrap().len() >= 3, "{rule}");
    assert!(!rule["may"].as_array().unwrap().contains(&json!("delete-component")));
    let problem = anna.post(&format!("/api/v1/rules/{given_up}/settings"), &json!({})).unwrap_err();
    assert_eq!(problem["reason"], "deleted", "{problem}");
    anna.upload("/api/v1/rules", &third).unwrap_or_else(|problem| panic!("its room is free: {problem}"));
    assert!(anna.get("/api/v1/ledger?limit=50").to_string().contains("component-deleted"));

    // What has decided, for however few, stays: its decisions are made again with it.
    anna.until(&kept, "checked");
    anna.back_tested(&kept);
    for act in ["start-shadow", "start-cohort", "withdraw"] {
        anna.act(&kept, act);
    }
    refused(&kept, &format!("version {kept} has decided"));
    company.stop();
}

/// Counts versions that were loaded, and compiled where no cache had them.
const LOADS: &str = "davy_rule_loads_total";

#[test]
fn a_version_in_a_cohort_is_held_against_what_is_in_force_and_left_alone_when_it_is_well() {
    let company = Company::new();
    let anna = company.engineer("anna");
    let id = &anna.in_shadow(&json!({"gas-low-level": 8.0}));
    let acts = format!("/api/v1/rules/{id}/acts");
    let problem = anna.post(&acts, &json!({"act": "start-cohort", "permille": 501})).unwrap_err();
    assert_eq!(problem["reason"], "share", "more than half is for two people: {problem}");
    anna.post(&acts, &json!({"act": "start-cohort", "permille": 500})).unwrap();
    // A leak for both in seven homes, and one that the version sees first in those of thirteen for which it decides.
    let (both, first) = (0..7, 7..20);
    both.clone().for_each(|number| company.detector(number).says(&[(12.0, 40), (12.0, 0)]));
    first.clone().for_each(|number| company.detector(number).says(&[(8.5, 40), (8.5, 0)]));
    let earlier = anna.alarms().len() - both.len();
    assert!((1..first.len()).contains(&earlier), "it decides for some of them: {earlier}");
    first.clone().for_each(|number| company.detector(number).at(1).says(&[(12.0, 0)]));
    // What is in force is asked beside it, its timers too.
    let rule = anna.once(id, |rule| rule["health"]["compared"]["earlier"] == earlier);
    let compared = &rule["health"]["compared"];
    assert_eq!((&compared["added"], &compared["lost"]), (&json!(0), &json!(0)), "{rule}");
    let same = compared["same"].as_u64().unwrap();
    assert!(same <= both.len() as u64 && compared["notices_same"].as_u64().unwrap() >= same, "{compared}");
    assert_eq!(compared["closes_added"], compared["closes_lost"], "{compared}");
    let rule = anna.once(id, |rule| rule["differences"].as_array().unwrap().len() == earlier);
    for row in rule["differences"].as_array().unwrap() {
        assert_eq!((&row["kind"], &row["condition"]), (&json!("alarm"), &json!("gas-low")));
        assert!(row["serial"].as_str().unwrap().starts_with("LZD"), "{row}");
        assert!(row["version_at"].as_i64() < row["active_at"].as_i64(), "{row}");
    }
    // It is well: nobody takes it back.
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!(anna.rule(id)["version"]["stage"], "cohort");
    company.stop();
}

#[test]
fn what_was_counted_of_a_version_goes_on_after_a_restart() {
    let mut company = Company::new();
    let anna = company.engineer("anna");
    let id = &anna.in_shadow(&json!({"gas-low-level": 8.0}));
    for number in 0..4 {
        company.detector(number).says(&[(12.0, 40), (12.0, 0)]);
    }
    let before = anna.once(id, |rule| rule["health"]["compared"]["same"] == 4)["health"].clone();
    // The counters are stored every other second.
    std::thread::sleep(std::time::Duration::from_secs(5));
    company.restart();
    let anna = company.engineer("anna");
    let after = anna.rule(id)["health"].clone();
    assert_eq!((&after["since"], &after["fuel"]), (&before["since"], &before["fuel"]), "{after}");
    assert!(after["calls"].as_u64() >= before["calls"].as_u64() && after["alarms"] == before["alarms"], "{after}");
    assert_eq!(after["compared"], before["compared"]);
    company.detector(5).says(&[(12.0, 40), (12.0, 0)]);
    anna.once(id, |rule| rule["health"]["compared"]["same"] == 5);
    company.stop();
}

#[test]
fn a_roll_back_to_another_component_compiles_nothing_and_keeps_the_alarm() {
    let mut company = Company::new();
    let (anna, ben) = (company.engineer("anna"), company.engineer("ben"));
    let before = anna.in_force().unwrap();
    company.detector(0).says(&[(12.0, 40), (12.0, 0)]);
    let standing = anna.alarms();
    assert_eq!(standing.len(), 1);
    // Another component, which decides nothing.
    let component = hostile::component("").unwrap();
    let replaced = || {
        let (anna, ben) = (company.engineer("anna"), company.engineer("ben"));
        let new = anna.upload("/api/v1/rules?tier=standard", &component).unwrap();
        let id = new["id"].as_str().unwrap().to_owned();
        anna.brings_into_force(&ben, &id);
        id
    };
    let id = replaced();
    company.detector(1).says(&[(12.0, 40), (12.0, 0)]);
    assert_eq!(anna.alarms(), standing, "it decides");
    company.lose_compiled_rules();
    let loads = company.counter(LOADS);
    ben.act(&id, "roll-back");
    assert_eq!(anna.in_force().as_deref(), Some(before.as_str()));
    assert_eq!(anna.alarms(), standing, "the alarm stands as it stood");
    company.detector(2).says(&[(12.0, 40), (12.0, 0)]);
    assert_eq!(anna.alarms().len(), 2, "the version before decides");
    assert_eq!(company.counter(LOADS).to_bits(), loads.to_bits(), "it was ready");

    // The same in a process that never ran the version before: it is made ready while nobody waits for it.
    let id = replaced();
    company.restart();
    let begun = std::time::Instant::now();
    let wanted = company.companies() as f64 + 1.0;
    while company.counter(LOADS) < wanted {
        assert!(begun.elapsed() < std::time::Duration::from_mins(1), "the version before is not made ready");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    // Counted when it begins: a company that loads nothing else has it when its versions are looked at once more.
    std::thread::sleep(std::time::Duration::from_secs(5));
    company.lose_compiled_rules();
    let loads = company.counter(LOADS);
    let ben = company.engineer("ben");
    ben.act(&id, "roll-back");
    company.detector(3).says(&[(12.0, 40), (12.0, 0)]);
    assert_eq!(ben.alarms().len(), 3, "the version before decides");
    assert_eq!(company.counter(LOADS).to_bits(), loads.to_bits(), "it was ready");
    company.stop();
}

#[test]
fn what_is_refused_says_at_which_stage_and_what_to_do() {
    let company = Company::new();
    let anna = company.engineer("anna");
    let new = anna.upload("/api/v1/rules", b"not a component").unwrap();
    let rule = anna.until(new["id"].as_str().unwrap(), "refused");
    assert_eq!((&rule["checks"]["passed"], &rule["checks"]["stage"]), (&json!(false), &json!("structure")), "{rule}");
    assert!(rule["checks"]["remedy"].as_str().unwrap().contains("davyctl rule build"), "{rule}");
    assert_eq!(rule["may"], json!(["delete-component"]), "and nothing more comes of it");
    let (status, problem) = anna.try_upload("/api/v1/rules?tier=huge", b"x");
    assert_eq!((status, problem["errors"][0]["field"].as_str()), (422, Some("tier")), "{problem}");
    company.stop();
}

#[test]
fn settings_that_fit_the_schema_and_not_the_law_are_refused_by_their_name() {
    let company = Company::new();
    let anna = company.engineer("anna");
    let in_force = anna.in_force().unwrap();
    let settings = json!({"gas-low-level": 8.0, "gas-high-level": 50.0});
    let new = anna.post(&format!("/api/v1/rules/{in_force}/settings"), &settings).unwrap();
    let rule = anna.until(new["id"].as_str().unwrap(), "refused");
    let checks = &rule["checks"];
    assert_eq!(checks["stage"], "settings", "{rule}");
    assert!(checks["place"].as_str().unwrap().contains("gas-high-level"), "{checks}");
    assert!(checks["remedy"].as_str().unwrap().contains("stricter"), "{checks}");
    assert_eq!(checks["stages"].as_array().unwrap().last().unwrap(), "conformance", "the component itself is well");
    company.stop();
}

#[test]
fn a_company_that_uploads_faster_than_is_checked_is_told_to_wait() {
    let company = Company::new();
    let anna = company.engineer("anna");
    let component = std::fs::read(davy_tests::programs::household_leak().unwrap()).unwrap();
    // Its checks take far longer than its upload: the statutory suite alone asks it thousands of times.
    let mut taken = Vec::new();
    let problem = loop {
        match anna.try_upload("/api/v1/rules", &component) {
            (201, version) => taken.push(version["id"].as_str().unwrap().to_owned()),
            (409, problem) => break problem,
            (status, answer) => panic!("{status}: {answer}"),
        }
        assert!(taken.len() < 500, "so many versions wait, and nobody is told to");
    };
    assert_eq!(problem["reason"], "too-many-checks", "{problem}");
    assert!(taken.len() >= 16, "as many as are promised: {}", taken.len());
    // It is this company's own queue.
    let (status, _) = company.stranger().try_upload("/api/v1/rules", &component);
    assert_eq!(status, 201);
    // One that was taken has been checked meanwhile: there is room again.
    anna.until(&taken[0], "checked");
    anna.until(&taken[1], "checked");
    anna.upload("/api/v1/rules", &component).unwrap();
    company.stop();
}

#[test]
fn a_company_stores_no_more_components_than_it_has_room_for() {
    let company = Company::with("DAVY_RULES_MOST_COMPONENTS", "3");
    let anna = company.engineer("anna");
    let [first, second, third] =
        [hostile::LOOPS, hostile::TRAPS, hostile::HOGS].map(|harm| hostile::component(harm).unwrap());
    anna.upload("/api/v1/rules", &first).unwrap();
    anna.upload("/api/v1/rules", &second).unwrap();
    let (status, problem) = anna.try_upload("/api/v1/rules", &third);
    assert_eq!((status, &problem["reason"]), (409, &json!("no-room")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("operator"), "it says who can help: {problem}");
    anna.upload("/api/v1/rules", &first).unwrap_or_else(|problem| panic!("what is there takes no room: {problem}"));
    let in_force = anna.in_force().unwrap();
    anna.post(&format!("/api/v1/rules/{in_force}/settings"), &json!({"gas-low-level": 9.0})).unwrap();
    company.stop();
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Somebody's key, and what they sign.
struct Key(SigningKey);

impl Key {
    fn new(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }

    fn public(&self) -> String {
        hex(self.0.verifying_key().as_bytes())
    }

    fn accepted_by(&self, anna: &Engineer) {
        anna.post("/api/v1/rule-signers", &json!({"public_key": self.public(), "name": "works"})).unwrap();
    }

    fn refused_by(&self, anna: &Engineer) {
        assert_eq!(anna.try_delete(&format!("/api/v1/rule-signers/{}", self.public())).0, 204);
    }

    fn signature(&self, component: &[u8]) -> String {
        let message = [b"davy-rule/1:".as_slice(), &sha2::Sha256::digest(component)].concat();
        hex(&self.0.sign(&message).to_bytes())
    }

    /// Where its owner uploads a component.
    fn upload(&self, component: &[u8]) -> String {
        format!("/api/v1/rules?signer={}&signature={}", self.public(), self.signature(component))
    }
}

#[test]
fn a_company_that_asks_for_signatures_takes_no_component_without() {
    let company = Company::new();
    let anna = company.engineer("anna");
    let component = hostile::component(hostile::LOOPS).unwrap();
    let (key, other) = (Key::new(7), Key::new(8));
    key.accepted_by(&anna);
    let (status, problem) = anna.try_upload("/api/v1/rules", &component);
    assert_eq!((status, problem["errors"][0]["field"].as_str()), (422, Some("signature")), "{problem}");

    let forged = format!("/api/v1/rules?signer={}&signature={}", key.public(), other.signature(&component));
    assert_eq!(anna.try_upload(&forged, &component).0, 422, "another's signature");
    assert_eq!(anna.try_upload(&other.upload(&component), &component).0, 422, "another's key");
    let mut changed = component.clone();
    changed.push(0);
    assert_eq!(anna.try_upload(&key.upload(&component), &changed).0, 422, "another component");
    let new = anna.upload(&key.upload(&component), &component).unwrap();
    anna.until(new["id"].as_str().unwrap(), "checked");
    company.stop();
}

#[test]
fn a_version_that_is_not_signed_by_a_key_accepted_now_goes_no_further_and_can_be_taken_back() {
    let company = Company::new();
    let (anna, ben) = (company.engineer("anna"), company.engineer("ben"));
    let component = std::fs::read(davy_tests::programs::household_leak().unwrap()).unwrap();
    let in_force = anna.in_force().unwrap();
    let settings = format!("/api/v1/rules/{in_force}/settings");
    let tried = |level: f64| {
        let new = anna.post(&settings, &json!({"gas-low-level": level})).unwrap();
        let id = new["id"].as_str().unwrap().to_owned();
        anna.until(&id, "checked");
        anna.back_tested(&id);
        id
    };
    let (id, given_up) = (&tried(8.0), &tried(9.0));

    // Nobody asked for a signature when it was uploaded.
    let (works, office) = (Key::new(7), Key::new(8));
    works.accepted_by(&anna);
    assert_eq!(anna.act_refused(id, "start-shadow"), "signature-missing");
    let problem = anna.post(&settings, &json!({"gas-low-level": 7.0})).unwrap_err();
    assert_eq!(problem["reason"], "signature-missing", "{problem}");
    anna.act(given_up, "withdraw");

    // The same component, signed: its versions go on where they were.
    anna.upload(&works.upload(&component), &component).unwrap();
    anna.act(id, "start-shadow");
    works.refused_by(&anna);
    office.accepted_by(&anna);
    assert_eq!(anna.act_refused(id, "start-cohort"), "signature-missing", "its signer is accepted no more");
    anna.upload(&office.upload(&component), &component).unwrap();
    anna.act(id, "start-cohort");
    works.accepted_by(&anna);
    office.refused_by(&anna);
    assert_eq!(anna.act_refused(id, "propose"), "signature-missing");
    office.accepted_by(&anna);
    anna.act(id, "propose");
    office.refused_by(&anna);
    assert_eq!(ben.act_refused(id, "approve"), "signature-missing");
    anna.upload(&works.upload(&component), &component).unwrap();
    ben.act(id, "approve");
    assert_eq!(anna.in_force().as_deref(), Some(id.as_str()));

    // Back is always possible, and so is what comes back.
    works.refused_by(&anna);
    office.accepted_by(&anna);
    anna.act(id, "roll-back");
    assert_eq!(anna.in_force(), Some(in_force));
    company.stop();
}

#[test]
fn a_leak_that_is_confirmed_after_the_back_test_makes_it_stale() {
    let company = Company::new();
    let (anna, ben) = (company.engineer("anna"), company.engineer("ben"));
    company.detector(0).says(&[(12.0, 40), (12.0, 0)]);
    let alarm = anna.alarms()[0].clone();
    let judge = |finding: &str| anna.put(&format!("/api/v1/alarms/{alarm}/finding"), &json!({"finding": finding}));
    let id = &anna.in_shadow(&json!({"gas-low-level": 8.0}));
    anna.act(id, "start-cohort");
    anna.act(id, "propose");
    judge("leak");
    assert_eq!(ben.act_refused(id, "approve"), "back-test-stale");
    // A part of the devices says nothing about the leak.
    anna.back_tested_over(id, &json!({"permille": 999}));
    assert_eq!(ben.act_refused(id, "approve"), "back-test-stale");
    let report = anna.back_tested(id);
    assert_eq!(report["blocking"], 0, "{report}");
    // What somebody takes back is no leak, and what is said again is a new one.
    judge("test");
    judge("leak");
    assert_eq!(ben.act_refused(id, "approve"), "back-test-stale");
    anna.back_tested(id);
    ben.act(id, "approve");
    assert_eq!(anna.in_force().as_deref(), Some(id.as_str()));
    company.stop();
}

#[test]
fn another_company_sees_nothing_of_it() {
    let company = Company::new();
    let anna = company.engineer("anna");
    let in_force = anna.in_force().unwrap();
    let stranger = company.stranger();
    assert_eq!(stranger.status(&format!("/api/v1/rules/{in_force}")), 404);
    assert_eq!(stranger.status(&format!("/api/v1/rules/{in_force}/component")), 404);
    let theirs = stranger.rules();
    assert!(theirs.iter().all(|rule| rule["id"] != in_force.as_str()), "{theirs:?}");
    company.stop();
}
