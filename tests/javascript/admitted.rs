//! Which tier lets it in, what it says of itself, and what a decision costs.

use crate::{admission, cache, engine, household_leak_js, loaded};
use davy_domain::policy::PolicyEvent;
use davy_domain::{Condition, DeviceKind, Quantity, Reading, Timestamp};
use davy_rules::{AdmissionError, Examined, Schema, Stage, Tier, cases};
use davy_rules_sdk::policy::describe;
use davy_tests::programs;
use household_leak::Policy;

#[test]
#[ignore = "needs a component that Node makes: cargo xtask test --only javascript"]
fn the_standard_tier_refuses_it_by_its_size_and_names_the_large_one() {
    let error = admission().examine(&engine(), &household_leak_js(), Tier::Standard, None).unwrap_err();
    let AdmissionError::Refused(refusal) = error else { panic!("expected a refusal, got {error}") };
    assert_eq!(refusal.stage, Stage::Size);
    assert!(refusal.reason.contains("at most 2097152 bytes in the standard tier"), "{refusal}");
    assert!(refusal.remedy.contains("large tier"), "{refusal}");
}

#[test]
#[ignore = "needs a component that Node makes: cargo xtask test --only javascript"]
fn the_large_tier_lets_it_in_with_the_rust_ones_cases_and_the_statutory_suite() {
    let (engine, component) = (engine(), household_leak_js());
    let Examined { admitted, report } =
        admission().examine(&engine, &component, Tier::Large, Some(&cache())).unwrap_or_else(|error| panic!("{error}"));
    let fixtures = cases::read_folder(&programs::root().join("example-rules/household-leak/fixtures")).unwrap();
    assert_eq!(cases::of(&component).unwrap(), fixtures, "the same files");
    let passed: Vec<_> = report.cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(passed, fixtures.iter().map(|case| case.0.as_str()).collect::<Vec<_>>());
    let suite = report.conformance.unwrap();
    assert!(suite.conforms() && suite.calls > 1_000, "{suite:?}");
    let detector = suite.claims.iter().find(|claim| claim.kind == DeviceKind::Detector).unwrap();
    assert_eq!(detector.alarms, [Quantity::Gas, Quantity::Co, Quantity::EndOfLife]);
    assert_eq!(detector.closes, [Quantity::Gas, Quantity::Co]);
    let most = report.cases.iter().map(|case| case.most_fuel).chain([suite.most_fuel]).max().unwrap();
    assert!(most < engine.config().fuel_of(Tier::Large) / 2, "a decision of {most} fuel leaves too little room");
    assert_eq!(admitted.size(), component.len());
}

#[test]
#[ignore = "needs a component that Node makes: cargo xtask test --only javascript"]
fn it_takes_the_settings_and_says_the_words_of_the_rust_one() {
    let engine = engine();
    let rule = loaded(&engine, &household_leak_js());
    let (ours, rust) = (rule.describe(), describe::<Policy>());
    assert_eq!(ours.schema, Schema::parse(&rust.settings_schema).unwrap());
    assert_eq!((&ours.summary.zh, &ours.summary.en), (&rust.summary.zh, &rust.summary.en));
    let texts = rust.texts.iter().map(|text| (text.code, (text.text.zh.as_str(), text.text.en.as_str())));
    assert!(texts.eq(ours.texts.iter().map(|(code, text)| (*code, (text.zh.as_str(), text.en.as_str())))));
}

#[test]
#[ignore = "needs a component that Node makes: cargo xtask test --only javascript"]
fn a_leak_is_raised_and_closed_within_the_fuel_of_its_tier_and_not_within_the_standard_ones() {
    let engine = engine();
    let rule = loaded(&engine, &household_leak_js());
    let now = Timestamp::from_millis(1_800_000_000_000);
    let event = PolicyEvent::measured(DeviceKind::Detector, now, vec![Reading::new(Quantity::Gas, 62.0, now).unwrap()]);
    let settings = rule.encode_settings("{}").unwrap();
    let evaluation = rule.evaluate(&settings, &[], &event);
    let outcome = evaluation.result.unwrap();
    assert!(outcome.raise.iter().any(|raise| raise.condition == Condition::GasHigh) && outcome.close_valve);
    let (standard, large) = (engine.config().fuel_of(Tier::Standard), rule.fuel_budget());
    assert_eq!(large, engine.config().fuel_of(Tier::Large));
    assert!(evaluation.fuel > standard && evaluation.fuel < large / 4, "{}", evaluation.fuel);
}
