//! The statutory floor as data.

use davy_domain::floor::{Floor, FloorError};
use davy_domain::{Condition, DeviceKind, Quantity, Reading, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn reading(quantity: Quantity, value: f64) -> Reading {
    Reading::new(quantity, value, NOW).unwrap()
}

#[test]
fn the_level_itself_is_a_hit_and_just_below_is_none() {
    let floor = Floor::china_default().for_jurisdiction("CN").unwrap();
    let judge = |quantity, value| floor.judge(DeviceKind::Detector, &[reading(quantity, value)], NOW);
    assert!(judge(Quantity::Gas, 24.999).is_none());
    let hits = judge(Quantity::Gas, 25.0).unwrap();
    assert_eq!((hits[0].condition, hits[0].close), (Condition::GasHigh, true));
    assert!(judge(Quantity::Co, 299.0).is_none());
    assert_eq!(judge(Quantity::Co, 300.0).unwrap()[0].condition, Condition::CoHigh);
    let well = floor.judge(DeviceKind::WellMonitor, &[reading(Quantity::Gas, 25.0)], NOW).unwrap();
    assert!(!well[0].close);
}

#[test]
fn a_later_version_takes_the_place_of_the_earlier_one_on_its_day() {
    let mut floor = Floor::china_default();
    let day = Timestamp::from_millis(1_900_000_000_000);
    let mut stricter = floor.rules[0].clone();
    stricter.effective_from = day;
    stricter.at_or_above = 20.0;
    floor.rules.push(stricter);
    let local = floor.for_jurisdiction("CN").unwrap();
    let gas = [reading(Quantity::Gas, 21.0)];
    assert!(local.judge(DeviceKind::Detector, &gas, Timestamp::from_millis(1_899_999_999_999)).is_none());
    assert_eq!(local.judge(DeviceKind::Detector, &gas, day).unwrap().len(), 1);
    assert_eq!(local.for_kind(DeviceKind::Detector, day).filter(|rule| rule.quantity == Quantity::Gas).count(), 1);
}

#[test]
fn a_division_inherits_and_adds_and_a_name_that_only_begins_alike_is_another_place() {
    let mut floor = Floor::china_default();
    let mut local = floor.rules[0].clone();
    local.id = "shanghai-household-gas".to_owned();
    local.jurisdiction = "CN-31".to_owned();
    local.at_or_above = 15.0;
    floor.rules.push(local);
    let gas = [reading(Quantity::Gas, 30.0)];
    let hits = |place| floor.for_jurisdiction(place).unwrap().judge(DeviceKind::Meter, &gas, NOW).unwrap().len();
    assert_eq!((hits("CN"), hits("CN-31"), hits("CN-31-0115"), hits("CN-310")), (1, 2, 2, 1));
}

#[test]
fn nothing_runs_without_a_floor() {
    let floor = Floor::china_default();
    assert_eq!(floor.for_jurisdiction("FR"), Err(FloorError::NoRules { jurisdiction: "FR".to_owned() }));
    let mut broken = Floor::china_default();
    broken.rules[0].clear_below = f64::NAN;
    assert!(matches!(broken.for_jurisdiction("CN"), Err(FloorError::Levels { .. })));
    let mut platform = Floor::china_default();
    platform.rules[0].condition = Condition::Silent;
    assert!(matches!(platform.for_jurisdiction("CN"), Err(FloorError::Condition { .. })));
}

#[test]
fn every_default_rule_names_its_source_and_that_nobody_has_checked_it() {
    for rule in Floor::china_default().rules {
        assert!(!rule.source.is_empty() && !rule.verified, "{}", rule.id);
    }
}

#[test]
fn a_table_whose_rules_on_gas_have_ended_or_not_begun_is_no_floor_to_run_on() {
    let start = NOW - davy_domain::Span::from_days(1);
    let end = NOW + davy_domain::Span::from_days(1);
    let mut floor = Floor::china_default();
    for rule in &mut floor.rules {
        rule.effective_from = start;
        rule.effective_until = Some(end);
    }
    assert!(floor.in_force_at("CN-310115", NOW).unwrap().judges_gas(NOW));
    let ended = floor.in_force_at("CN-310115", end).unwrap_err().to_string();
    assert!(ended.contains("`CN-310115` (all have ended): correct `effective_from` and `effective_until`"), "{ended}");
    let early = floor.in_force_at("CN", start - davy_domain::Span::from_millis(1)).unwrap_err();
    assert!(matches!(early, FloorError::NotInForce { next, .. } if next.0 == Some(start)), "{early}");

    // What is left judges gas in wells, and carbon monoxide: not what leaks at home.
    floor.rules.retain(|rule| rule.id != "cn-household-gas");
    assert!(floor.for_jurisdiction("CN").is_ok() && floor.in_force_at("CN", NOW).is_err());
}
