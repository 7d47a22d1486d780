//! The example rule's fixtures in the sandbox, beside the same rule as a native function.

use crate::components::{engine, example_folder, good_rule};
use davy_domain::{Condition, DeviceKind, Priority, Quantity, ValveState};
use davy_rules::fixtures::Sandbox;
use davy_rules_sdk::codes;
use davy_rules_sdk::fixtures::run_dir;
use davy_rules_sdk::harness::Native;

#[test]
fn every_fixture_passes_in_the_sandbox_and_decides_exactly_as_natively() {
    let rule = good_rule(&engine());
    let folder = example_folder().join("fixtures");
    let sandboxed = run_dir(&folder, || Sandbox::new(&rule)).unwrap();
    for report in &sandboxed {
        assert!(report.passed(), "{}: {:#?}", report.name, report.mismatches);
    }
    // Equal decisions include the state's bytes after every event.
    assert_eq!(sandboxed, run_dir(&folder, Native::<household_leak::Policy>::new).unwrap());
}

#[test]
fn the_sdks_code_tables_are_the_domains() {
    let table = |ours: &[(u16, &str)], domain: Vec<(u16, &'static str)>| assert_eq!(ours, domain);
    table(codes::quantity::ALL, Quantity::ALL.iter().map(|q| (q.code(), q.senml_name())).collect());
    table(codes::condition::ALL, Condition::ALL.iter().map(|c| (c.code(), c.name())).collect());
    table(codes::priority::ALL, Priority::ALL.iter().map(|p| (p.code(), p.name())).collect());
    table(codes::device_kind::ALL, DeviceKind::ALL.iter().map(|k| (k.code(), k.name())).collect());
    table(codes::valve_state::ALL, ValveState::ALL.iter().map(|v| (v.code(), v.name())).collect());
    for condition in Condition::ALL {
        assert_eq!(davy_rules_sdk::policy::may_raise(condition.code()), condition.for_rules(), "{condition}");
    }
}
