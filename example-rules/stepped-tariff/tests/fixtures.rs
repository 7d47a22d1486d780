//! Every file of `fixtures/`, natively, and what must hold whatever an account goes through.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it found by panicking")]

use davy_rules_sdk::billing::law;
use davy_rules_sdk::codes::notice;
use davy_rules_sdk::contract::billing::NoticeRequirement;
use davy_rules_sdk::fixtures::run_dir;
use davy_rules_sdk::harness::{Bench, Native};
use proptest::prelude::*;
use std::path::Path;
use stepped_tariff::Policy;

const DAY: i64 = 86_400_000;

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
    fn a_shut_off_is_never_asked_for_against_the_law(
        days in prop::collection::vec((0..8_u8, 0..4_i64, any::<bool>(), 0..3_u16), 1..160),
        exempt in 0..40_u32, tabled: bool, class in 1..7_u16
    ) {
        let mut bench = Bench::billing::<Policy>("{}").unwrap();
        bench.context.class = class;
        if tabled {
            bench.context.required = vec![
                NoticeRequirement { kind: notice::DEMAND, days: 30 },
                NoticeRequirement { kind: notice::WRITTEN, days: 3 },
            ];
        }
        let mut now = 1_767_225_600_000;
        for (happens, forward, proven, kind) in days {
            now += forward * DAY;
            bench.context.exemptions = if exempt < 3 && happens == 5 { 1 << exempt } else { 0 };
            let outcome = match happens {
                0 => bench.payment(now, 2_000),
                1 => bench.notice(now, [notice::DEMAND, notice::WRITTEN, notice::REMINDER][usize::from(kind)], proven),
                _ => {
                    bench.context.arrears_fen += 700;
                    bench.context.days_overdue += forward as u32;
                    bench.day(now)
                }
            };
            let outcome = outcome.unwrap();
            if outcome.shut_off.is_some() {
                // As it was when the rule asked.
                bench.context.supply = 0;
                prop_assert_eq!(law::obstacle(&bench.context), None);
                prop_assert!(bench.context.arrears_fen >= 5_000);
            }
        }
    }

    #[test]
    fn the_same_volume_costs_the_same_however_it_is_divided(
        parts in prop::collection::vec(1..200_000_u64, 1..12), used in 0..700_000_u64
    ) {
        let charged = |spans: &[(i64, i64, u64)]| {
            let mut bench = Bench::billing::<Policy>("{}").unwrap();
            bench.context.period_litres = used;
            let outcome = bench.usage(DAY, spans).unwrap();
            (outcome.charges.iter().map(|line| line.amount_fen).sum::<i64>(), outcome.charges.len() as i64)
        };
        let spans: Vec<_> = parts.iter().enumerate().map(|(at, litres)| (at as i64, at as i64 + 1, *litres)).collect();
        let (apart, lines) = charged(&spans);
        let (whole, _) = charged(&[(0, 1, parts.iter().sum())]);
        // Each line is rounded by half a fen at most.
        prop_assert!((apart - whole).abs() <= lines);
    }
}

#[test]
fn a_lawful_shut_off_is_asked_for_once_so_the_property_is_no_empty_one() {
    let mut bench = Bench::billing::<Policy>("{}").unwrap();
    bench.context.required = vec![NoticeRequirement { kind: notice::DEMAND, days: 30 }];
    (bench.context.arrears_fen, bench.context.days_overdue) = (9_000, 12);
    let mut asked = 0;
    for day in 0..60 {
        bench.context.days_overdue += 1;
        if day == 1 {
            bench.notice(day * DAY, notice::DEMAND, true).unwrap();
        }
        if day == 33 {
            bench.notice(day * DAY, notice::WRITTEN, true).unwrap();
        }
        asked += u32::from(bench.day(day * DAY).unwrap().shut_off.is_some());
    }
    assert_eq!(asked, 1);
}
