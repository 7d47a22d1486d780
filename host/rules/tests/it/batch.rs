//! Asked in batches, a rule answers as it does when each call has an instance of its own; one that does not is found out.

use crate::components::{engine, example, hostile, readings};
use davy_domain::policy::{AlarmPolicy, PolicyEvent, PolicyFault, Trigger};
use davy_domain::{Condition, ConditionSet, DeviceKind, Quantity, Reading, Timestamp, ValveState};
use davy_rules::batch::BATCH;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const START: i64 = 1_800_000_000_000;

fn value() -> impl Strategy<Value = (Quantity, f64)> {
    prop_oneof![
        6 => (0.0..3.0_f64).prop_map(|value| (Quantity::Gas, value)),
        3 => (2.0..60.0_f64).prop_map(|value| (Quantity::Gas, value)),
        4 => (0.0..320.0_f64).prop_map(|value| (Quantity::Co, value)),
        2 => (5.0..100.0_f64).prop_map(|value| (Quantity::Battery, value)),
        2 => (-15.0..60.0_f64).prop_map(|value| (Quantity::Temperature, value)),
        1 => any::<bool>().prop_map(|set| (Quantity::Tamper, f64::from(u8::from(set)))),
        1 => any::<bool>().prop_map(|set| (Quantity::EndOfLife, f64::from(u8::from(set)))),
        2 => (0.0..0.06_f64).prop_map(|value| (Quantity::Flow, value)),
        1 => (0.0..1e4_f64).prop_map(|value| (Quantity::Volume, value)),
    ]
}

/// Seconds since the event before, and what happens.
fn event(kind: DeviceKind) -> impl Strategy<Value = (i64, PolicyEvent)> {
    let trigger = prop_oneof![
        12 => Just(Trigger::Readings),
        1 => (0..4_u32).prop_map(Trigger::Timer),
        1 => Just(Trigger::ValveMoved),
    ];
    // Now and then a gateway's whole memory at once.
    let values = prop_oneof![30 => prop::collection::vec(value(), 1..6), 1 => prop::collection::vec(value(), 60..900)];
    let valve = prop_oneof![Just(ValveState::Open), Just(ValveState::Closed), Just(ValveState::Unknown)];
    (1..3_000_i64, trigger, values, valve, any::<u16>()).prop_map(move |(seconds, trigger, values, valve, active)| {
        let now = Timestamp::from_millis(START);
        let readings = values.into_iter().map(|(quantity, value)| Reading::new(quantity, value, now).unwrap());
        let event = PolicyEvent {
            trigger,
            now,
            device_kind: kind,
            valve,
            active: ConditionSet::from_bits(u32::from(active) & 0x3ffe),
            installed_at: Some(Timestamp::from_millis(START - 86_400_000)),
            readings: if trigger == Trigger::Readings { readings.collect() } else { Vec::new() },
            extensions: Vec::new(),
        };
        (seconds, event)
    })
}

fn answers_alike(name: &str, kind: DeviceKind) {
    let engine = engine();
    let rule = engine.load(&engine.admit(&example(name)).unwrap());
    let bound = rule.bind(rule.encode_settings("{}").unwrap());
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    let batched = bound.batched(BATCH);
    // One question in 256 is compared: a round of some 1,200 may hold none of them, twenty rounds do not.
    for _ in 0..20 {
        TestRunner::new(config.clone())
            .run(&prop::collection::vec(event(kind), 1..200), |events| {
                let (mut state, mut now) = (Vec::new(), START);
                for (seconds, mut event) in events {
                    now += seconds * 1_000;
                    event.now = Timestamp::from_millis(now);
                    for reading in &mut event.readings {
                        reading.at = event.now;
                    }
                    let alone = bound.evaluate(&state, &event);
                    prop_assert_eq!(&batched.evaluate(&state, &event), &alone);
                    if let Ok(outcome) = alone.result {
                        state = outcome.state;
                    }
                }
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        if batched.sampled().0 > 0 {
            break;
        }
    }
    assert_eq!(batched.difference(), None);
    let (sampled, other_fuel) = batched.sampled();
    assert!(sampled > 0 && other_fuel == 0, "{name}: {sampled} compared, {other_fuel} with another fuel");
}

#[test]
fn a_households_rule_answers_in_batches_as_it_does_alone() {
    answers_alike("household-leak", DeviceKind::Detector);
}

#[test]
fn a_kitchens_rule_answers_in_batches_as_it_does_alone() {
    answers_alike("commercial-kitchen", DeviceKind::Detector);
}

#[test]
fn a_wells_rule_answers_in_batches_as_it_does_alone() {
    answers_alike("well-methane", DeviceKind::WellMonitor);
}

#[test]
fn a_meters_rule_answers_in_batches_as_it_does_alone() {
    answers_alike("meter-micro-flow", DeviceKind::Meter);
}

/// Counts its calls in a global, and returns as many bytes of state when there were at least `from`.
pub(crate) fn counts_its_calls(from: u32) -> Vec<u8> {
    let items = "(global $calls (mut i32) (i32.const 0))";
    let body = format!(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (if (i32.ge_u (global.get $calls) (i32.const {from}))
            (then (i32.store (i32.const 4108) (global.get $calls))))
         (i32.const 4096)"
    );
    hostile(items, &body)
}

#[test]
fn a_rule_that_counts_its_calls_is_found_out_at_the_first() {
    let engine = engine();
    let rule = engine.load(&engine.admit(&counts_its_calls(1)).unwrap());
    let bound = rule.bind(rule.encode_settings("{}").unwrap());
    let batched = bound.batched(BATCH);
    let event = readings(START, &[(Quantity::Gas, 1.0)]);
    assert_eq!(batched.evaluate(&[], &event), bound.evaluate(&[], &event), "what it answers is a fresh instance's");
    let found = batched.difference().unwrap();
    assert_eq!(found.at, START);
    let words = found.to_string();
    assert!(words.contains("keeps state between calls") && words.contains("batches of 1"), "{words}");
    // Alone, each of its calls is the first one.
    let alone = bound.batched(1);
    for _ in 0..3 {
        assert_eq!(alone.evaluate(&[], &event), bound.evaluate(&[], &event));
    }
    assert_eq!(alone.difference(), None);
}

#[test]
fn a_rule_that_behaves_for_ten_calls_is_found_out_by_the_sample() {
    let engine = engine();
    let rule = engine.load(&engine.admit(&counts_its_calls(12)).unwrap());
    let bound = rule.bind(rule.encode_settings("{}").unwrap());
    let batched = bound.batched(BATCH);
    let mut asked = 0;
    while batched.difference().is_none() && asked < 5_000 {
        asked += 1;
        batched.evaluate(&[], &readings(START + asked * 1_000, &[(Quantity::Gas, 1.0)]));
    }
    let found = batched.difference().unwrap_or_else(|| panic!("not found out in {asked} calls"));
    assert!(found.calls >= 11, "{found}");
}

#[test]
fn a_fault_in_a_batch_is_the_one_of_a_fresh_instance_and_harms_no_later_call() {
    let engine = engine();
    // Traps whenever it has a state.
    let body = "(if (i32.load offset=12 (local.get $arguments)) (then unreachable))
        (i32.store16 (i32.const 8192) (i32.const 1)) (i32.store16 (i32.const 8194) (i32.const 3))
        (i32.store (i32.const 4112) (i32.const 8192)) (i32.store (i32.const 4116) (i32.const 1)) (i32.const 4096)";
    let rule = engine.load(&engine.admit(&hostile("", body)).unwrap());
    let bound = rule.bind(rule.encode_settings("{}").unwrap());
    let batched = bound.batched(BATCH);
    let event = readings(START, &[(Quantity::Gas, 1.0)]);
    for state in [&[][..], b"x", b"", b"xy", b""] {
        let evaluation = batched.evaluate(state, &event);
        assert_eq!(evaluation, bound.evaluate(state, &event));
        match evaluation.result {
            Ok(outcome) => assert!(state.is_empty() && outcome.raise[0].condition == Condition::GasLow),
            Err(fault) => assert!(!state.is_empty() && matches!(fault, PolicyFault::Trap { .. })),
        }
    }
    assert_eq!(batched.difference(), None);
}
