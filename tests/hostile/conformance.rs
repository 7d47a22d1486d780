//! The statutory suite against the shipped rules, natively and in the sandbox: they conform, and what they claim is what they are for.

use crate::{admission, engine};
use davy_domain::policy::{PolicyEvent, Trigger};
use davy_domain::{ConditionSet, DeviceKind, Quantity, Reading, Timestamp, ValveState};
use davy_rules::conformance::{Report, statutory};
use davy_rules::world::Alarm;
use davy_rules::{Tier, package};
use davy_tests::programs;
use std::path::Path;

pub(crate) fn leak() -> PolicyEvent {
    let now = Timestamp::from_millis(1_800_000_000_000);
    PolicyEvent {
        trigger: Trigger::Readings,
        now,
        device_kind: DeviceKind::Detector,
        valve: ValveState::Open,
        active: ConditionSet::EMPTY,
        installed_at: None,
        readings: vec![Reading::new(Quantity::Gas, 60.0, now).unwrap()],
        extensions: Vec::new(),
    }
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
