//! Every file of `fixtures/`, natively, and what must hold until an alarm is handled.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it found by panicking")]

use davy_rules_sdk::codes::{channel, role};
use davy_rules_sdk::fixtures::run_dir;
use davy_rules_sdk::harness::{Bench, Native};
use escalation::Policy;
use std::path::Path;

const MINUTE: i64 = 60_000;

#[test]
fn every_fixture_gives_the_expected_outcomes() {
    let reports = run_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), Native::<Policy>::new).unwrap();
    for report in &reports {
        assert!(report.passed(), "{}: {:#?}", report.name, report.mismatches);
    }
    assert!(reports.len() >= 5, "the fixtures were found");
}

#[test]
fn an_alarm_that_nobody_takes_on_is_told_every_five_minutes_for_as_long_as_it_stands() {
    let mut bench = Bench::notification::<Policy>("{}").unwrap();
    bench.person(role::OWNER, 0, &[channel::SMS]);
    bench.person(role::TECHNICIAN, 0, &[channel::VOICE]);
    let mut next = bench.raised(0).unwrap().timers[0].at_ms;
    for attempt in 2..=600_i64 {
        assert_eq!(next, (attempt - 1) * 5 * MINUTE);
        let outcome = bench.timer(next, 1).unwrap();
        assert!(outcome.sends.len() >= 2, "attempt {attempt}");
        assert!(outcome.sends.iter().all(|send| i64::from(send.attempt) == attempt && send.break_quiet));
        next = outcome.timers[0].at_ms;
    }
}

#[test]
fn no_two_messages_of_an_alarm_have_the_same_number() {
    let mut bench = Bench::notification::<Policy>("{}").unwrap();
    for role in [role::OWNER, role::SAFETY_OFFICER, role::CONTROL_ROOM, role::DUTY_MANAGER] {
        bench.person(role, 0, &[channel::SMS, channel::VOICE]);
    }
    bench.person(role::TECHNICIAN, 0, &[channel::VOICE]);
    bench.person(role::TECHNICIAN, 1, &[channel::VOICE]);
    let mut seen = Vec::new();
    let mut outcome = bench.raised(0).unwrap();
    for _ in 0..20 {
        seen.extend(outcome.sends.iter().map(|send| send.id));
        outcome = bench.timer(outcome.timers[0].at_ms, 1).unwrap();
    }
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count);
}
