//! Every file of `fixtures/`, natively, and what must hold whatever the text.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it found by panicking")]

use davy_rules_sdk::codes::device_kind;
use davy_rules_sdk::fixtures::run_dir;
use davy_rules_sdk::harness::{Bench, NativeDriver};
use lf_g55v::Alarm;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::path::Path;

#[test]
fn every_fixture_gives_the_expected_outcomes() {
    let reports = run_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), NativeDriver::<Alarm>::new).unwrap();
    for report in &reports {
        assert!(report.passed(), "{}: {:#?}", report.name, report.mismatches);
    }
    assert!(reports.len() >= 4, "the fixtures were found");
}

fn line(body: &str) -> String {
    format!("${body}*{:02X}\n", body.bytes().fold(0, |sum, byte| sum ^ byte))
}

#[test]
fn a_safety_terminal_speaks_for_five_hundred_households_in_one_message() {
    let mut text = String::new();
    for household in 0..500 {
        write!(text, "{}", line(&format!("G55,H{household:03},{household},,20,O"))).unwrap();
    }
    let mut bench = Bench::driver::<Alarm>("{}").unwrap();
    bench.context = device_kind::GATEWAY;
    let decoded = bench.decode(0, text.as_bytes()).unwrap();
    assert_eq!((decoded.children.len(), decoded.readings.len()), (500, 2_500));
    assert_eq!(decoded.children[499], "H499");
}

proptest! {
    #[test]
    fn whatever_the_text_it_answers(text in "\\PC{0,120}", gateway: bool) {
        let mut bench = Bench::driver::<Alarm>("{}").unwrap();
        bench.context = if gateway { device_kind::GATEWAY } else { device_kind::DETECTOR };
        let _ = bench.decode(0, text.as_bytes());
        let _ = bench.decode(0, line(&text.replace(['\n', '*'], "")).as_bytes());
    }

    #[test]
    fn every_gas_count_is_read_as_it_is_scaled(counts in 0..2_000_u32, zero in -5.0..5.0_f64) {
        let mut bench = Bench::driver::<Alarm>(&format!(r#"{{"gas-zero": {zero}}}"#)).unwrap();
        bench.context = device_kind::DETECTOR;
        let decoded = bench.decode(0, line(&format!("G55,A1,{counts},,20,")).as_bytes()).unwrap();
        prop_assert!((decoded.readings[0].reading.value - (f64::from(counts) / 10.0 + zero)).abs() < 1e-9);
    }
}
