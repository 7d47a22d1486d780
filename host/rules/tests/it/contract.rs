//! Compiled rules of earlier contracts against the present host, and components of every world against admission.

use crate::components::{engine, readings};
use davy_domain::policy::{PolicyOutcome, Trigger};
use davy_domain::{Condition, Priority, Quantity};
use davy_rules::world::{Billing, DeviceDriver, Notification};
use davy_rules::{RuleDigest, Stage, WorldKind};

/// Never rebuilt: see `tests/contract/README.md`.
const SINGLE_LEVEL: &[u8] = include_bytes!("../contract/single-level.wasm");

#[test]
fn a_rule_built_before_the_other_worlds_existed_still_works() {
    let engine = engine();
    let admitted = engine.admit(SINGLE_LEVEL).unwrap();
    assert_eq!(admitted.description().name, "single-level");
    assert_eq!(admitted.description().schema.properties.len(), 2);
    let rule = engine.load(&admitted);
    let settings = rule.encode_settings(r#"{"level": 12}"#).unwrap();

    let start = 1_800_000_000_000;
    let step = |state: &[u8], event| -> PolicyOutcome { rule.evaluate(&settings, state, &event).result.unwrap() };
    let rising = step(&[], readings(start, &[(Quantity::Gas, 15.0)]));
    assert!(rising.raise.is_empty());
    assert_eq!(rising.timers[0].at.as_millis(), start + 10_000);
    let mut due = readings(start + 10_000, &[]);
    due.trigger = Trigger::Timer(rising.timers[0].id);
    let raised = step(&rising.state, due);
    assert_eq!((raised.raise[0].condition, raised.raise[0].priority), (Condition::GasHigh, Priority::Urgent));
    assert!(raised.close_valve);
}

#[test]
fn it_is_the_very_component_that_was_built_then() {
    let digest = RuleDigest::of(SINGLE_LEVEL).to_string();
    assert_eq!(digest, "sha256:0ce4e25f57b7a979a919516a05bebec2c17a7de0cf9c26815febf1bb22c1db89");
}

#[test]
fn a_component_is_taken_for_the_world_that_it_is_and_for_no_other() {
    let engine = engine();
    assert_eq!(engine.admit_any(SINGLE_LEVEL).unwrap().world(), WorldKind::AlarmPolicy);
    let refusals = [
        engine.admit_as::<Billing>(SINGLE_LEVEL).map(drop),
        engine.admit_as::<Notification>(SINGLE_LEVEL).map(drop),
        engine.admit_as::<DeviceDriver>(SINGLE_LEVEL).map(drop),
    ];
    for (refusal, wanted) in refusals.into_iter().zip(["a billing policy", "a notification policy", "a device driver"])
    {
        let refusal = refusal.unwrap_err();
        assert_eq!(refusal.stage, Stage::World);
        let words = format!("expected {wanted} (davy:rules/");
        assert!(refusal.reason.starts_with(&words) && refusal.reason.contains("got an alarm policy"), "{refusal}");
    }
}
