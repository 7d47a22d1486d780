//! Compiled rules of earlier contracts against the present host, and components of every world against admission.

use crate::components::{engine, readings, root};
use davy_domain::policy::{PolicyOutcome, Trigger};
use davy_domain::{Condition, Priority, Quantity};
use davy_rules::fixtures::Sandbox;
use davy_rules::world::{Billing, DeviceDriver, Notification, World};
use davy_rules::{RuleDigest, Stage, WorldKind};
use davy_rules_sdk::fixtures::{Fixed, run_dir};
use davy_rules_sdk::harness::Evaluator;

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

/// The cases that an old component passed when it was built, against the present host.
fn still_passes<W: World + Fixed>(name: &str, component: &[u8], digest: &str, cases: usize)
where
    Sandbox<W>: Evaluator<World = W>,
{
    assert_eq!(RuleDigest::of(component).to_string(), format!("sha256:{digest}"), "never rebuilt");
    let engine = engine();
    let rule = engine.load(&engine.admit_as::<W>(component).unwrap());
    let folder = root().join("host/rules/tests/contract").join(name);
    let reports = run_dir(&folder, || Sandbox::new(&rule)).unwrap();
    assert_eq!(reports.len(), cases);
    for report in reports {
        assert!(report.passed(), "{name}, {}: {:#?}", report.name, report.mismatches);
    }
}

#[test]
fn a_billing_policy_of_before_charges_as_it_did() {
    let digest = "4c8b58b2f46f2f32dbe6126b99693168cbdb6d7cf3cd12528404b421f02171ee";
    let component = include_bytes!("../contract/stepped-tariff.wasm");
    still_passes::<Billing>("stepped-tariff", component, digest, 8);
}

#[test]
fn a_notification_policy_of_before_tells_whom_it_told() {
    let digest = "6e08f3ba64108d3bebffc06f7067a2c12b5256b96da12043f2c2ef62b23a40ac";
    still_passes::<Notification>("escalation", include_bytes!("../contract/escalation.wasm"), digest, 5);
}

#[test]
fn a_driver_of_before_reads_and_writes_as_it_did() {
    let digest = "20241f2ce38ea8f06b1907101d43f45a09ea41133f64469953cc3150e5f4160f";
    still_passes::<DeviceDriver>("vendor-meter", include_bytes!("../contract/vendor-meter.wasm"), digest, 6);
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
