//! What nuisance immunity may do, and what it must never do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it found by panicking")]

use commercial_kitchen::Policy;
use davy_rules_sdk::codes::{condition, quantity};
use davy_rules_sdk::fixtures::run_dir;
use davy_rules_sdk::harness::{Bench, Native};
use proptest::prelude::*;
use std::path::Path;

#[test]
fn every_fixture_gives_the_expected_outcomes() {
    let reports = run_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), Native::<Policy>::new).unwrap();
    for report in &reports {
        assert!(report.passed(), "{}: {:#?}", report.name, report.mismatches);
    }
    assert!(reports.len() >= 6, "the fixtures were found");
}

/// A kitchen in any state: any settings, any past of gas, heat and carbon monoxide.
fn past() -> impl Strategy<Value = (String, Vec<(i64, f64, f64)>)> {
    let settings = (5.0..25.0_f64, 0.0..25.0_f64, 0..30_u32, 0..90_u32, 1..20_u32).prop_map(
        |(low, above, idle, longer, peaks)| {
            format!(
                r#"{{"gas-low-level": {low}, "gas-high-level": {}, "idle-persistence-s": {idle},
                     "cooking-persistence-s": {}, "peaks": {peaks}}}"#,
                (low + above).max(10.0),
                idle + longer
            )
        },
    );
    (settings, prop::collection::vec((1..600_i64, 0.0..60.0_f64, 15.0..70.0_f64), 0..60))
}

proptest! {
    #[test]
    fn the_high_alarm_comes_with_the_first_reading_whatever_was_cooked((settings, past) in past()) {
        let mut bench = Bench::native::<Policy>(&settings).unwrap();
        let mut now = 0;
        for (seconds, gas, heat) in past {
            now += seconds * 1_000;
            bench.readings(now, &[(quantity::TEMPERATURE, heat), (quantity::GAS, gas)]).unwrap();
        }
        now += 5_000;
        let was_active = bench.context.active_conditions & 1 << condition::GAS_HIGH != 0;
        let outcome = bench.readings(now, &[(quantity::TEMPERATURE, 70.0), (quantity::GAS, 51.0)]).unwrap();
        let raised = outcome.raises.iter().any(|raise| raise.condition == condition::GAS_HIGH);
        prop_assert!(was_active || raised && outcome.close_valve);
        prop_assert!(bench.context.active_conditions & 1 << condition::GAS_HIGH != 0);
    }

    #[test]
    fn the_low_alarm_of_a_lasting_leak_waits_two_minutes_at_most((settings, past) in past()) {
        let mut bench = Bench::native::<Policy>(&settings).unwrap();
        let mut now = 0;
        for (seconds, gas, heat) in past {
            now += seconds * 1_000;
            bench.readings(now, &[(quantity::TEMPERATURE, heat), (quantity::GAS, gas)]).unwrap();
        }
        now += 5_000;
        bench.readings(now, &[(quantity::TEMPERATURE, 70.0), (quantity::GAS, 25.5)]).unwrap();
        bench.timer(now + 120_000, 1).unwrap();
        prop_assert!(bench.context.active_conditions & 1 << condition::GAS_LOW != 0);
    }
}
