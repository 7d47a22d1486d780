//! Every file of `fixtures/`, natively, and what must hold whatever a well measures.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it found by panicking")]

use davy_rules_sdk::codes::{condition, quantity};
use davy_rules_sdk::fixtures::run_dir;
use davy_rules_sdk::harness::{Bench, Native};
use proptest::prelude::*;
use std::path::Path;
use well_methane::Policy;

#[test]
fn every_fixture_gives_the_expected_outcomes() {
    let reports = run_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), Native::<Policy>::new).unwrap();
    for report in &reports {
        assert!(report.passed(), "{}: {:#?}", report.name, report.mismatches);
    }
    assert!(reports.len() >= 6, "the fixtures were found");
}

proptest! {
    #[test]
    fn the_high_level_alarms_at_the_first_reading_whatever_came_before(
        past in prop::collection::vec((1..86_400_i64, 0.0..60.0_f64), 0..40), confirm in 1..=5_u32
    ) {
        let mut bench = Bench::native::<Policy>(&format!(r#"{{"confirm-readings": {confirm}}}"#)).unwrap();
        let mut now = 0;
        for (seconds, gas) in past {
            now += seconds * 1_000;
            bench.readings(now, &[(quantity::GAS, gas)]).unwrap();
        }
        bench.readings(now + 60_000, &[(quantity::GAS, 25.0)]).unwrap();
        prop_assert!(bench.context.active_conditions & 1 << condition::GAS_HIGH != 0);
    }

    #[test]
    fn the_state_stays_small(past in prop::collection::vec((1..86_400_i64, 0.0..60.0_f64), 0..200)) {
        let mut bench = Bench::native::<Policy>("{}").unwrap();
        let mut now = 1_700_000_000_000;
        for (seconds, gas) in past {
            now += seconds * 1_000;
            bench.readings(now, &[(quantity::GAS, gas)]).unwrap();
            prop_assert!(bench.state().len() < 300);
        }
    }
}
