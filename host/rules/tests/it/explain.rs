//! Stored decisions made again.

use crate::components::{OutcomeCode, engine, good_rule, hostile, household_leak, readings};
use davy_domain::Quantity;
use davy_domain::policy::PolicyFault;
use davy_rules::explain::{DecisionRecord, ExplainError, Hex, ResultRecord};
use davy_rules::{Engine, EngineConfig, RuleDigest};

fn record() -> DecisionRecord {
    let rule = good_rule(&engine());
    let settings = rule.encode_settings("{}").unwrap();
    let event = readings(1_800_000_000_000, &[(Quantity::Gas, 0.1 + 0.2), (Quantity::Gas, 61.7)]);
    let evaluation = rule.evaluate(&settings, &[], &event);
    assert!(evaluation.result.as_ref().unwrap().close_valve);
    DecisionRecord::new(rule.digest(), 3, &settings, &[], &event, &evaluation)
}

#[test]
fn a_stored_decision_comes_out_the_same_through_its_file() {
    let text = serde_json::to_string(&record().with_component(household_leak())).unwrap();
    assert!(text.contains("3fd3333333333334:0.30000000000000004"), "floats are kept by their bits");
    let record: DecisionRecord = serde_json::from_str(&text).unwrap();
    let replay = record.replay(&engine(), None).unwrap();
    assert_eq!(replay.differences, []);
    assert_eq!(replay.evaluation.fuel, record.fuel);
    assert_eq!(replay.settings.unwrap()["gas-low-level"], 10.0);
}

#[test]
fn a_decision_that_was_altered_shows_where() {
    let mut record = record();
    let ResultRecord::Decided(outcome) = &mut record.result else { panic!() };
    outcome.close_valve = false;
    outcome.raise.clear();
    let parts: Vec<_> =
        record.replay(&engine(), Some(household_leak())).unwrap().differences.iter().map(|found| found.part).collect();
    assert_eq!(parts, ["raise", "close-valve"]);
}

#[test]
fn a_decision_that_costs_another_fuel_is_not_the_same() {
    let mut record = record();
    record.fuel += 1;
    let replay = record.replay(&engine(), Some(household_leak())).unwrap();
    let found: Vec<_> = replay.differences.iter().map(|found| (found.part, found.stored.clone())).collect();
    assert_eq!(found, [("fuel", record.fuel.to_string())]);
    // What the machine's load decided, and not the rule, has no price to compare.
    record.result = ResultRecord::Failed(PolicyFault::Deadline);
    assert_eq!(record.replay(&engine(), Some(household_leak())).unwrap().differences, []);
}

#[test]
fn an_answer_that_the_platform_refused_comes_out_as_the_same_fault() {
    // An engine whose limits are wider than the fold's: what it lets pass, the fold refuses.
    let config = EngineConfig { pool_size: 4, max_state: 8_192, ..EngineConfig::default() };
    let engine = Engine::new(&config).unwrap();
    let component = hostile("", &OutcomeCode::new().state(0, 5_000).done());
    let rule = engine.load(&engine.admit(&component).unwrap());
    let event = readings(1_800_000_000_000, &[(Quantity::Gas, 1.0)]);
    let mut evaluation = rule.evaluate(&[0xa0], &[], &event);
    // As the fold does with a state that is too large, before the decision is stored.
    let what = evaluation.result.as_ref().unwrap().check(event.now).unwrap_err();
    evaluation.result = Err(PolicyFault::Nonsense { what });
    let record = DecisionRecord::new(RuleDigest::of(&component), 1, &[0xa0], &[], &event, &evaluation);
    assert_eq!(record.replay(&engine, Some(&component)).unwrap().differences, []);
}

#[test]
fn an_altered_input_shows_in_the_outcome() {
    let mut record = record();
    record.event.readings[1].value.0 = 0.5;
    let replay = record.replay(&engine(), Some(household_leak())).unwrap();
    assert!(!replay.differences.is_empty());
}

#[test]
fn a_decimal_that_contradicts_its_bits_is_refused() {
    let text = serde_json::to_string(&record()).unwrap().replace(":61.7", ":0.7");
    let error = serde_json::from_str::<DecisionRecord>(&text).unwrap_err().to_string();
    assert!(error.contains("must be 61.7"), "{error}");
}

#[test]
fn without_its_component_or_with_another_it_is_not_tried() {
    let record = record();
    assert!(matches!(record.replay(&engine(), None), Err(ExplainError::NoComponent(_))));
    let mut other = household_leak().to_vec();
    other.push(0);
    match record.replay(&engine(), Some(&other)) {
        Err(ExplainError::OtherComponent { got, .. }) => assert_eq!(got, RuleDigest::of(&other)),
        unexpected => panic!("{unexpected:?}"),
    }
    let mut old = record.clone();
    old.format = "davy-decision/0".into();
    assert!(matches!(old.replay(&engine(), Some(household_leak())), Err(ExplainError::Format(_))));
    let mut impossible = record;
    impossible.event.readings[0].value.0 = f64::NAN;
    impossible.settings = Hex(Vec::new());
    assert!(matches!(impossible.replay(&engine(), Some(household_leak())), Err(ExplainError::Event(_))));
}
