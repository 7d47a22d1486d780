//! Whom a company is told of: everyone while no policy decides, then those whom its policy names; its life, its back-test, its record.

use crate::company::{Company, Engineer};
use davy_tests::hostile;
use davy_tests::platform::PASSWORD;
use davy_tests::programs;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

/// A day, seconds.
const DAY: i64 = 86_400;

fn packaged(name: &str) -> Vec<u8> {
    let file = programs::rules().unwrap().join(format!("{name}.wasm"));
    std::fs::read(&file).unwrap_or_else(|_| panic!("{} is not packaged: `cargo xtask rules build`", file.display()))
}

/// The leak of one home, and the alarm that it is.
fn leak(company: &Company, engineer: &Engineer, number: usize) -> String {
    let before = engineer.alarms();
    company.detector(number).says(&[(12.0, 40), (12.0, 0)]);
    let alarm = engineer.alarms().into_iter().find(|alarm| !before.contains(alarm));
    alarm.expect("an alarm")
}

/// Who was told of an alarm, once somebody was.
fn told(engineer: &Engineer, alarm: &str) -> (Vec<Value>, Value) {
    let begun = Instant::now();
    loop {
        let decisions = engineer.get(&format!("/api/v1/alarms/{alarm}/decisions"));
        let messages = decisions["messages"].as_array().unwrap().clone();
        if !messages.is_empty() {
            return (messages, decisions);
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "nobody is told of {alarm}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn by(messages: &[Value]) -> Vec<&str> {
    let mut by: Vec<_> = messages.iter().map(|message| message["by"].as_str().unwrap()).collect();
    by.sort_unstable();
    by.dedup();
    by
}

#[test]
fn everyone_is_told_of_a_leak_until_a_policy_of_two_people_decides_and_again_after_its_roll_back() {
    let company = Company::new();
    let (anna, ben) = (company.engineer("anna"), company.engineer("ben"));
    let first = leak(&company, &anna, 0);
    let (messages, decisions) = told(&anna, &first);
    assert_eq!(by(&messages), ["default-list"]);
    let rooms = messages.iter().filter(|it| it["role"] == "control-room").map(|it| it["rank"].as_u64().unwrap());
    let rooms: BTreeSet<u64> = rooms.collect();
    let dispatchers = company.dispatchers();
    assert!(dispatchers > 1, "with a single one, telling only the first would not be seen");
    assert_eq!(rooms, (0..dispatchers as u64).collect(), "each dispatcher, by rank: {messages:?}");
    assert_eq!(decisions["notifications"], json!([]), "no policy was asked");

    let new = anna.upload("/api/v1/rules?tier=standard", &packaged("escalation")).unwrap();
    let id = new["id"].as_str().unwrap().to_owned();
    anna.until(&id, "checked");
    let report = anna.back_tested(&id);
    assert_eq!((&report["world"], &report["alarms"]), (&json!("notification-policy"), &json!(1)), "{report}");
    assert_eq!((&report["blocking"], &report["candidate"]["nobody"]), (&json!(0), &json!(0)), "{report}");
    assert!(report["active"]["by-default"].as_u64() > Some(0), "the default list is in force: {report}");
    for act in ["start-shadow", "start-cohort", "propose"] {
        anna.act(&id, act);
    }
    assert_eq!(anna.act_refused(&id, "approve"), "second-person");
    ben.act(&id, "approve");

    let second = leak(&company, &anna, 1);
    let (messages, decisions) = told(&anna, &second);
    assert_eq!(by(&messages), ["policy"], "{messages:?}");
    let decision = &decisions["notifications"][0];
    assert_eq!((&decision["version"], &decision["event"]["trigger"]), (&json!(id), &json!(1)), "{decision}");
    assert!(decision["asked"]["fuel"].as_u64() > Some(0) && decision["asked"]["result"]["decided"].is_object());
    anna.once(&id, |rule| rule["health"]["calls"].as_u64() >= Some(1));

    // Made again on the caller's machine it comes out the same, fuel included.
    let mut explain = Command::new(programs::program("davyctl").unwrap());
    explain.args(["explain", &second, "--json", "--server", &company.server(), "--email", "anna@example.com"]);
    let explained = explain.env("DAVY_PASSWORD", PASSWORD).output().unwrap();
    assert_eq!(explained.status.code(), Some(0), "{}", String::from_utf8_lossy(&explained.stderr));
    let explained: Value = serde_json::from_slice(&explained.stdout).unwrap();
    let again = &explained["notifications"][0];
    assert_eq!((&again["identical"], &again["rule"]["name"]), (&json!(true), &json!("escalation")), "{again}");
    assert_eq!(again["fuel"]["stored"], again["fuel"]["now"]);

    // So it does without a server, out of a file, in another engine too.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("told.json");
    let mut export = Command::new(programs::program("davyctl").unwrap());
    export.args([
        "explain",
        &second,
        "--json",
        "--server",
        &company.server(),
        "--email",
        "anna@example.com",
        "--export",
    ]);
    assert!(export.arg(&file).env("DAVY_PASSWORD", PASSWORD).output().unwrap().status.success());
    for engine in [&[][..], &["--interpreter"]] {
        let mut replay = Command::new(programs::program("davyctl").unwrap());
        let replayed = replay.arg("replay").arg(&file).arg("--json").args(engine).output().unwrap();
        let replayed: Value = serde_json::from_slice(&replayed.stdout).unwrap();
        assert_eq!(replayed["equal"], true, "{replayed}");
        assert_eq!(replayed["notifications"][0]["rule"]["name"], "escalation", "{replayed}");
    }

    ben.act(&id, "roll-back");
    let third = leak(&company, &anna, 2);
    assert_eq!(by(&told(&anna, &third).0), ["default-list"]);
    company.stop();
}

#[test]
fn a_notification_policy_in_shadow_tells_nobody_and_is_held_against_what_is_in_force() {
    let company = Company::new();
    let anna = company.engineer("anna");
    let new = anna.upload("/api/v1/rules?tier=standard", &packaged("escalation")).unwrap();
    let id = new["id"].as_str().unwrap().to_owned();
    anna.until(&id, "checked");
    anna.back_tested(&id);
    anna.act(&id, "start-shadow");
    let alarm = leak(&company, &anna, 0);
    let (messages, _) = told(&anna, &alarm);
    assert_eq!(by(&messages), ["default-list"]);
    // It is over: then both are compared.
    anna.post(&format!("/api/v1/alarms/{alarm}/acknowledge"), &json!({})).unwrap();
    let begun = Instant::now();
    for life in 1.. {
        company.detector(0).at(life).says(&[(0.1, 0)]);
        if !anna.alarms().contains(&alarm) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_mins(2), "the leak does not end");
        std::thread::sleep(Duration::from_secs(2));
    }
    let rule = anna.once(&id, |rule| rule["health"]["compared"]["same"] == 1);
    let compared = &rule["health"]["compared"];
    assert!(compared["notices_lost"].as_u64() > Some(0), "fewer than everyone over everything: {rule}");
    let rule = anna.once(&id, |rule| !rule["differences"].as_array().unwrap().is_empty());
    let row = &rule["differences"][0];
    assert_eq!((&row["kind"], &row["alarm"]), (&json!("message"), &json!(alarm)), "{row}");
    assert!(row["role"].is_string() && row["channel"].is_string(), "{row}");
    company.stop();
}

#[test]
fn a_policy_that_never_ends_is_rationed_and_holds_back_nobodys_notices() {
    let company = Company::new();
    let (anna, ben, stranger) = (company.engineer("anna"), company.engineer("ben"), company.stranger());
    let endless = hostile::notification("endless", hostile::LOOPS).unwrap();
    let new = anna.upload("/api/v1/rules?tier=standard", &endless).unwrap();
    let id = new["id"].as_str().unwrap().to_owned();
    anna.brings_into_force(&ben, &id);
    // Every home of the company leaks at once, twice as high a little later, and then one of its neighbour's.
    for gas in [12.0, 40.0] {
        for number in 0..Company::HOMES {
            let life = if gas > 20.0 { 2 } else { 1 };
            company.detector(number).at(life).says(&[(gas, 40), (gas, 0)]);
        }
    }
    company.detector(0).of_the_stranger_says(&[(12.0, 40), (12.0, 0)]);
    let theirs = stranger.alarms().remove(0);
    assert_eq!(by(&told(&stranger, &theirs).0), ["default-list"]);
    // Everybody is told of every leak: by the default list, whether the policy was asked in vain or not at all.
    for alarm in anna.alarms() {
        assert_eq!(by(&told(&anna, &alarm).0), ["default-list"], "{alarm}");
    }
    let count = |rule: &Value, kind: &str| rule["health"]["faults"][kind].as_u64().unwrap_or(0);
    let rule = anna.once(&id, |rule| count(rule, "suspended") > 0);
    assert!(count(&rule, "out-of-fuel") > 0, "{rule}");
    let metrics = company.metrics();
    let suspended = metrics.lines().find(|line| line.starts_with("davy_rule_suspended_total") && line.contains(&id));
    assert!(suspended.is_some_and(|line| !line.ends_with(" 0")), "{suspended:?}");
    company.stop();
}

#[test]
fn a_restart_doubles_no_message_and_the_policy_goes_on_where_it_was() {
    let mut company = Company::new();
    let (anna, ben) = (company.engineer("anna"), company.engineer("ben"));
    let new = anna.upload("/api/v1/rules?tier=standard", &packaged("escalation")).unwrap();
    let id = new["id"].as_str().unwrap().to_owned();
    anna.brings_into_force(&ben, &id);
    let alarm = leak(&company, &anna, 0);
    let (before, _) = told(&anna, &alarm);
    company.restart();
    let anna = company.engineer("anna");
    std::thread::sleep(Duration::from_secs(3));
    let (after, decisions) = told(&anna, &alarm);
    assert_eq!(after, before);
    assert_eq!(decisions["notifications"].as_array().unwrap().len(), 1);
    anna.post(&format!("/api/v1/alarms/{alarm}/acknowledge"), &json!({})).unwrap();
    let begun = Instant::now();
    loop {
        let (_, decisions) = told(&anna, &alarm);
        let all = decisions["notifications"].as_array().unwrap();
        if all.len() == 2 {
            assert_eq!(all[1]["event"]["trigger"], 3, "acknowledged");
            assert_ne!(all[1]["asked"]["state_before"], "", "what it remembered is what it gets");
            break;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{decisions}");
        std::thread::sleep(Duration::from_millis(100));
    }
    company.stop();
}

#[test]
fn a_billing_policy_is_back_tested_on_the_companys_meters_and_goes_no_further() {
    let company = Company::new();
    let anna = company.engineer("anna");
    // 10.5 m³ of one meter at 3 yuan, days ago.
    company.detector(0).counts(&[(100.0, 5 * DAY), (110.5, 4 * DAY), (110.5, 3 * DAY)]);
    let new = anna.upload("/api/v1/rules?tier=standard", &packaged("stepped-tariff")).unwrap();
    let id = new["id"].as_str().unwrap().to_owned();
    anna.until(&id, "checked");
    let report = anna.back_tested(&id);
    assert_eq!((&report["accounts"], &report["litres"]), (&json!(1), &json!(10_500)), "{report}");
    assert_eq!((&report["candidate"]["fen"], &report["active"]), (&json!(3_150), &json!(null)), "{report}");

    // Other prices make another version, which is held against the one before it.
    let dearer = json!({"tariff": {"first-price": 310_000}});
    let next = anna.post(&format!("/api/v1/rules/{id}/settings"), &dearer).unwrap();
    let next = next["id"].as_str().unwrap().to_owned();
    anna.until(&next, "checked");
    let report = anna.back_tested(&next);
    let sums = (&report["active"]["fen"], &report["candidate"]["fen"], &report["difference-fen"]);
    assert_eq!(sums, (&json!(3_150), &json!(3_255), &json!(105)), "{report}");

    let rule = anna.rule(&next);
    assert_eq!((&rule["version"]["stage"], &rule["may"]), (&json!("back-tested"), &json!(["back-test", "withdraw"])));
    for act in ["start-shadow", "start-cohort", "propose", "approve"] {
        assert_eq!(anna.act_refused(&next, act), "billing-not-in-service", "{act}");
    }
    anna.act(&next, "withdraw");
    company.stop();
}
