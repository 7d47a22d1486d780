//! The statutory suite against the shipped rules, natively and in the sandbox: they conform, and what they claim is what they are for.

use crate::{admission, engine};
use davy_domain::policy::PolicyEvent;
use davy_domain::{DeviceKind, Quantity, Reading, Timestamp};
use davy_rules::conformance::{Report, statutory};
use davy_rules::world::Alarm;
use davy_rules::{AdmissionError, Stage, Tier, package};
use davy_tests::programs;
use std::path::Path;

pub(crate) fn leak() -> PolicyEvent {
    let now = Timestamp::from_millis(1_800_000_000_000);
    PolicyEvent::measured(DeviceKind::Detector, now, vec![Reading::new(Quantity::Gas, 60.0, now).unwrap()])
}

fn report(name: &str) -> Report {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rules");
    let folder = programs::root().join("example-rules").join(name);
    let component = package::build_crate(&folder, Some(&target)).unwrap().component;
    let examined = admission().examine_as::<Alarm>(&engine(), &component, Tier::Standard, None);
    let (_, report) = examined.unwrap_or_else(|error| panic!("{name}: {error}"));
    report.conformance.unwrap()
}

fn claims(report: &Report, kind: DeviceKind) -> (&[Quantity], &[Quantity]) {
    let claim = report.claims.iter().find(|claim| claim.kind == kind);
    claim.map_or((&[], &[]), |claim| (&claim.alarms, &claim.closes))
}

#[test]
fn the_shipped_alarm_policies_conform_for_the_devices_that_they_are_for() {
    use Quantity::{Co, EndOfLife, Gas};
    let household = report("household-leak");
    assert_eq!(claims(&household, DeviceKind::Detector), (&[Gas, Co, EndOfLife][..], &[Gas, Co][..]));
    let kitchen = report("commercial-kitchen");
    assert_eq!(claims(&kitchen, DeviceKind::Detector), (&[Gas, Co][..], &[Gas, Co][..]));
    let well = report("well-methane");
    assert_eq!(claims(&well, DeviceKind::WellMonitor), (&[Gas, EndOfLife][..], &[][..]));
    let flow = report("meter-micro-flow");
    assert_eq!(claims(&flow, DeviceKind::Meter), (&[][..], &[][..]));
    for report in [household, kitchen, well, flow] {
        assert!(report.conforms() && report.calls > 1_000 && report.most_fuel < 100_000, "{report:?}");
        assert!(report.runs as usize > statutory().unwrap().len(), "several kinds of device");
    }
}

#[test]
fn settings_that_make_a_shipped_rule_weaker_than_the_law_are_refused_and_named() {
    let component = std::fs::read(programs::household_leak().unwrap()).unwrap();
    let with = |settings: &str| {
        admission().examine_with(&engine(), &component, Tier::Standard, Some(settings), None, &mut |_| {})
    };
    for fine in ["{}", r#"{"gas-low-level": 8.0, "gas-low-persistence-s": 30}"#, r#"{"gas-high-level": 24.0}"#] {
        with(fine).unwrap_or_else(|error| panic!("{fine}: {error}"));
    }
    let refused = |settings: &str| match with(settings) {
        Err(AdmissionError::Refused(refusal)) => refusal,
        other => panic!("{settings}: {other:?}"),
    };
    // Each fits the schema; at 25 %LEL the law alarms, and the rule would not.
    for (settings, named) in [
        (r#"{"gas-low-level": 8.0, "gas-high-level": 50.0}"#, "gas-high-level"),
        (r#"{"gas-high-persistence-s": 10, "rest-minutes": 5}"#, "gas-high-persistence-s"),
    ] {
        let refusal = refused(settings);
        assert_eq!(refusal.stage, Stage::Settings, "{refusal}");
        let place = &refusal.place;
        assert!(place.contains(named), "{place}");
        assert!(refusal.remedy.contains(named) && refusal.reason.contains("curve"), "{refusal}");
    }
    // Two that are both at fault are both named.
    let both = refused(r#"{"gas-high-level": 50.0, "gas-high-persistence-s": 10}"#);
    let place = both.place;
    assert!(place.contains("gas-high-level") && place.contains("gas-high-persistence-s"), "{place}");
    let unfit = refused(r#"{"gas-low-level": 80.0}"#);
    assert_eq!((unfit.stage, unfit.place.as_str()), (Stage::Settings, "setting `gas-low-level`"), "{unfit}");
}
