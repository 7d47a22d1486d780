//! Every file of `fixtures/`, natively; the engine's own tests run the same files in the sandbox.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it found by panicking")]

use davy_rules_sdk::codes::{condition, quantity};
use davy_rules_sdk::fixtures::run_dir;
use davy_rules_sdk::harness::{Bench, Failure, Native};
use household_leak::Policy;
use std::path::Path;

#[test]
fn every_fixture_gives_the_expected_outcomes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let reports = run_dir(&folder, Native::<Policy>::new).unwrap();
    for report in &reports {
        assert!(report.passed(), "{}: {:#?}", report.name, report.mismatches);
    }
    assert!(reports.len() >= 10, "the fixtures were found");
}

#[test]
fn at_rest_the_state_is_always_the_same_bytes() {
    let mut bench = Bench::native::<Policy>("{}").unwrap();
    bench.readings(0, &[(quantity::GAS, 0.4), (quantity::CO, 1.0)]).unwrap();
    let at_rest = bench.state().to_vec();
    for minute in 1..600_i64 {
        let gas = f64::from((minute % 7) as i32) * 0.3;
        let outcome = bench.readings(minute * 60_000, &[(quantity::GAS, gas), (quantity::CO, 2.0)]).unwrap();
        assert!(outcome.wake.is_some(), "minute {minute}");
        assert_eq!(bench.state(), at_rest, "minute {minute}");
    }
}

#[test]
fn the_state_stays_far_below_its_limit_however_long_it_runs() {
    let mut bench = Bench::native::<Policy>("{}").unwrap();
    let mut largest = 0;
    for second in 0..20_000_i64 {
        let gas = f64::from((second * 7919 % 400) as i32) / 10.0;
        bench.readings(second * 1_000, &[(quantity::GAS, gas), (quantity::CO, gas * 9.0)]).unwrap();
        largest = largest.max(bench.state().len());
    }
    assert!(largest < 300, "{largest} bytes");
}

#[test]
fn whatever_the_settings_a_lasting_leak_raises_the_low_alarm() {
    for settings in [
        "{}",
        r#"{"gas-low-level": 25, "gas-high-level": 50, "gas-low-persistence-s": 30}"#,
        r#"{"close-at-low": false}"#,
    ] {
        let mut bench = Bench::native::<Policy>(settings).unwrap();
        let mut raised = false;
        for second in (0..120).step_by(5) {
            let outcome = bench.readings(second * 1_000, &[(quantity::GAS, 26.0)]).unwrap();
            raised |= outcome.raises.iter().any(|raise| raise.condition == condition::GAS_LOW);
        }
        assert!(raised, "{settings}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_named() {
    let mut bench = Bench::native::<Policy>(r#"{"gas-low-level": 20, "gas-high-level": 10}"#).unwrap();
    match bench.readings(0, &[(quantity::GAS, 1.0)]) {
        Err(Failure::Rule(fault)) => assert_eq!(fault.field, "gas-high-level"),
        other => panic!("{other:?}"),
    }
}
