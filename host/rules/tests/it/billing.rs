//! Billing policies over what meters counted: to the fen, and in batches as one by one.

use crate::components::{engine, example};
use davy_domain::calendar::PlaceClock;
use davy_domain::{DeviceId, Span, Timestamp};
use davy_rules::Tier;
use davy_rules::batch::BATCH;
use davy_rules::billing::BoundBilling;
use davy_rules::billing::backtest::{BackTest, Meter};
use davy_rules::world::Billing;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// 2026-01-01 00:00 in China.
const NEW_YEAR: i64 = 1_767_196_800_000;

fn bound(settings: &str) -> BoundBilling {
    let engine = engine();
    let rule = engine.load(&engine.admit_in::<Billing>(&example("stepped-tariff"), Tier::Standard).unwrap());
    rule.bind(rule.encode_settings(settings).unwrap())
}

/// Noon, so many days after the new year.
fn noon(day: i64) -> Timestamp {
    Timestamp::from_millis(NEW_YEAR) + Span::from_days(day) + Span::from_hours(12)
}

fn midnight(day: i64) -> Timestamp {
    Timestamp::from_millis(NEW_YEAR) + Span::from_days(day)
}

fn meter(number: i64, index: &[(i64, f64)]) -> Meter {
    let index = index.iter().map(|(day, m3)| (noon(*day), *m3)).collect();
    Meter { device: DeviceId::from_raw(number), premises: None, index }
}

#[test]
fn the_stepped_tariff_charges_each_meter_to_the_fen() {
    let bound = bound("{}");
    let test = BackTest::new(None, &bound, (midnight(0), midnight(10)));
    assert_eq!(PlaceClock::CHINA.day(test.from).month, 1);
    // Steps from 0, 360 and 540 m³ at 3.00, 3.60 and 4.50 yuan.
    // 1: 100.5 m³ all in the first step: 100.500 × 300 = 30,150 fen.
    // 2: 350 m³ on the first day: 105,000; then 300: 10 in step 1 = 3,000, 180 in step 2 = 64,800, 110 in step 3 = 49,500.
    // 3: an index that falls: nothing is billed of that day, 2 m³ of the next = 600.
    let meters = [
        meter(1, &[(0, 1_000.0), (1, 1_050.25), (3, 1_100.5)]),
        meter(2, &[(0, 0.0), (1, 350.0), (2, 650.0)]),
        meter(3, &[(0, 500.0), (1, 7.0), (2, 9.0)]),
        meter(4, &[]),
    ];
    let report = test.of(&meters).unwrap();
    assert_eq!((report.accounts, report.without_index, report.index_breaks), (3, 1, 1), "{report:?}");
    let billed: Vec<_> = report.rows.iter().map(|row| (row.device.raw(), row.litres, row.candidate_fen)).collect();
    assert_eq!(billed, [(2, 650_000, 222_300), (1, 100_500, 30_150), (3, 2_000, 600)]);
    assert_eq!((report.candidate.fen, report.litres), (253_050, 752_500));
    let steps: Vec<_> = report.candidate.steps.iter().map(|(step, sum)| (*step, *sum)).collect();
    assert_eq!(steps, [(1, (462_500, 138_750)), (2, (180_000, 64_800)), (3, (110_000, 49_500))]);
    assert_eq!((report.active, report.difference_fen, report.candidate.shut_offs), (None, 0, 0));
    assert!(report.candidate.calls.faults.is_empty());
}

#[test]
fn what_was_used_before_in_the_year_counts_for_the_steps_and_a_new_year_begins_anew() {
    let bound = bound("{}");
    // 355 m³ before the billed span, then 10: 5 in step 1 = 1,500, 5 in step 2 = 1,800.
    let used = meter(1, &[(0, 0.0), (20, 355.0), (31, 365.0)]);
    let report = BackTest::new(None, &bound, (midnight(31), midnight(33))).of(std::slice::from_ref(&used)).unwrap();
    assert_eq!((report.candidate.fen, report.litres), (3_300, 10_000), "{report:?}");
    // The same from one year into the next: the 10 m³ are the first of the year.
    let late = meter(1, &[(300, 0.0), (364, 600.0), (365, 610.0)]);
    let report = BackTest::new(None, &bound, (midnight(365), midnight(367))).of(&[late]).unwrap();
    assert_eq!(report.candidate.fen, 3_000, "{report:?}");
}

#[test]
fn arrears_bring_reminders_and_a_demand_and_never_a_shut_off() {
    let bound = bound("{\"standing-fen\": 0}");
    let report =
        BackTest::new(None, &bound, (midnight(0), midnight(80))).of(&[meter(1, &[(0, 0.0), (1, 100.0)])]).unwrap();
    let notices: Vec<_> = report.candidate.notices.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    assert_eq!(notices, [("demand", 1), ("reminder", 1)], "nothing is proven, so nothing follows: {report:?}");
    assert_eq!((report.candidate.shut_offs, report.candidate.arms), (0, 0));
}

#[test]
fn two_versions_differ_account_by_account() {
    let (old, new) = (bound("{}"), bound("{\"tariff\": {\"first-price\": 310000}}"));
    let test = BackTest::new(Some(&old), &new, (midnight(0), midnight(10)));
    let meters = [meter(1, &[(0, 0.0), (1, 100.0)]), meter(2, &[(0, 0.0), (1, 5.0)]), meter(3, &[(0, 3.0), (1, 3.0)])];
    let report = test.of(&meters).unwrap();
    let active = report.active.unwrap();
    assert_eq!((active.fen, report.candidate.fen, report.difference_fen), (31_500, 32_550, 1_050));
    let rows: Vec<_> = report.rows.iter().map(|row| (row.device.raw(), row.active_fen, row.difference_fen)).collect();
    assert_eq!(rows, [(1, Some(30_000), 1_000), (2, Some(1_500), 50)]);
    let groups: Vec<_> = report.groups.iter().map(|it| (it.above_fen, it.up_to_fen, it.accounts, it.fen)).collect();
    assert_eq!(groups, [(Some(0), Some(0), 1, 0), (Some(0), Some(100), 1, 50), (Some(100), Some(1_000), 1, 1_000)]);
}

#[test]
fn in_batches_every_bill_is_what_it_is_one_by_one() {
    let (old, new) = (bound("{\"standing-fen\": 700}"), bound("{\"tariff\": {\"second-from-m3\": 20}}"));
    let steps = prop::collection::vec((1..9_i64, 0.0..60.0_f64), 1..30);
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(steps, 1..6), |all| {
            let meters: Vec<_> = all
                .iter()
                .enumerate()
                .map(|(number, steps)| {
                    let (mut day, mut m3) = (0, 10.0);
                    let index: Vec<_> = steps
                        .iter()
                        .map(|(days, used)| {
                            day += days;
                            m3 += used;
                            (day, m3)
                        })
                        .collect();
                    meter(number as i64, &index)
                })
                .collect();
            let test = BackTest::new(Some(&old), &new, (midnight(2), midnight(120)));
            let mut batched = BackTest { batch: BATCH, ..test }.of(&meters).unwrap();
            let one_by_one = BackTest { batch: 1, ..test }.of(&meters).unwrap();
            batched.sampled = one_by_one.sampled;
            prop_assert_eq!(batched, one_by_one);
            Ok(())
        })
        .unwrap();
}
