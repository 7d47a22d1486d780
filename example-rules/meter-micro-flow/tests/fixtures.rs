//! Every file of `fixtures/`, natively, and what must hold whatever a household burns.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it found by panicking")]

use davy_rules_sdk::codes::quantity;
use davy_rules_sdk::fixtures::run_dir;
use davy_rules_sdk::harness::{Bench, Native};
use meter_micro_flow::Policy;
use proptest::prelude::*;
use std::path::Path;

const HOUR: i64 = 3_600_000;

#[test]
fn every_fixture_gives_the_expected_outcomes() {
    let reports = run_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), Native::<Policy>::new).unwrap();
    for report in &reports {
        assert!(report.passed(), "{}: {:#?}", report.name, report.mismatches);
    }
    assert!(reports.len() >= 5, "the fixtures were found");
}

proptest! {
    #[test]
    fn a_household_that_pauses_every_night_is_never_accused(
        flows in prop::collection::vec(0.0..0.06_f64, 24 * 2 * 10), pause in 0..3_i64
    ) {
        let mut bench = Bench::native::<Policy>("{}").unwrap();
        for (index, flow) in flows.into_iter().enumerate() {
            let at = index as i64 * HOUR / 2;
            let hour = (at / HOUR + 8) % 24;
            let flow = if (pause..=pause + 2).contains(&hour) { 0.0 } else { flow };
            let outcome = bench.readings(at, &[(quantity::FLOW, flow)]).unwrap();
            prop_assert!(outcome.raises.is_empty());
        }
    }

    #[test]
    fn a_leak_is_told_within_four_nights_whatever_is_burned_by_day(
        leak in 0.004..0.05_f64, burned in prop::collection::vec(0.0..2.0_f64, 24 * 5)
    ) {
        let mut bench = Bench::native::<Policy>("{}").unwrap();
        let mut raised = false;
        for (index, burned) in burned.into_iter().enumerate() {
            let at = index as i64 * HOUR;
            let hour = (at / HOUR + 8) % 24;
            let flow = leak + if (6..23).contains(&hour) { burned } else { 0.0 };
            raised |= !bench.readings(at, &[(quantity::FLOW, flow)]).unwrap().raises.is_empty();
        }
        prop_assert!(raised);
    }
}
