//! The example rule's fixtures in the sandbox, beside the same rule as a native function.

use crate::components::{engine, example, example_folder};
use davy_domain::command::DeviceOutcome;
use davy_domain::{Action, Condition, DeviceKind, Priority, Quantity, ValveState};
use davy_rules::fixtures::Sandbox;
use davy_rules::world::{Alarm, Billing, DeviceDriver, Notification, World};
use davy_rules_sdk::codes;
use davy_rules_sdk::fixtures::{Fixed, run_dir};
use davy_rules_sdk::harness::{Evaluator, Native, NativeDriver};

/// Runs an example's fixtures in the sandbox and natively. The decisions must be the same, which includes the state's bytes after
/// every event.
fn passes_alike<W, N>(name: &str, natively: impl FnMut() -> N)
where
    W: World + Fixed,
    N: Evaluator<World = W>,
    Sandbox<W>: Evaluator<World = W>,
{
    let engine = engine();
    let component = example(name);
    assert!(component.len() <= 100_000, "{name}: {} bytes", component.len());
    let rule = engine.load(&engine.admit_as::<W>(&component).unwrap());
    assert_eq!(rule.describe().name, name);
    let folder = example_folder(name).join("fixtures");
    let sandboxed = run_dir(&folder, || Sandbox::new(&rule)).unwrap();
    let natively = run_dir(&folder, natively).unwrap();
    assert_eq!(sandboxed.len(), natively.len());
    let mut most = 0;
    for (sandboxed, natively) in sandboxed.iter().zip(&natively) {
        assert!(sandboxed.passed(), "{name}, {}: {:#?}", sandboxed.name, sandboxed.mismatches);
        assert_eq!(sandboxed.decisions, natively.decisions, "{name}, {}", natively.name);
        assert_eq!(sandboxed.fuel.len(), sandboxed.decisions.len(), "what each decision cost is known");
        most = most.max(sandboxed.fuel.iter().max().copied().unwrap_or(0));
    }
    assert!(most < engine.config().fuel / 4, "{name}: a decision of {most} fuel leaves too little room");
}

#[test]
fn the_alarm_policies_decide_in_the_sandbox_as_natively() {
    passes_alike::<Alarm, _>("household-leak", Native::<household_leak::Policy>::new);
    passes_alike::<Alarm, _>("commercial-kitchen", Native::<commercial_kitchen::Policy>::new);
    passes_alike::<Alarm, _>("well-methane", Native::<well_methane::Policy>::new);
    passes_alike::<Alarm, _>("meter-micro-flow", Native::<meter_micro_flow::Policy>::new);
}

#[test]
fn the_billing_policy_decides_in_the_sandbox_as_natively() {
    passes_alike::<Billing, _>("stepped-tariff", Native::<stepped_tariff::Policy>::new);
}

#[test]
fn the_notification_policy_decides_in_the_sandbox_as_natively() {
    passes_alike::<Notification, _>("escalation", Native::<escalation::Policy>::new);
}

#[test]
fn the_drivers_read_and_write_in_the_sandbox_as_natively() {
    passes_alike::<DeviceDriver, _>("vendor-meter", NativeDriver::<vendor_meter::Meter>::new);
    passes_alike::<DeviceDriver, _>("lf-g55v", NativeDriver::<lf_g55v::Alarm>::new);
}

#[test]
fn the_sdks_code_tables_are_the_domains() {
    let table = |ours: &[(u16, &str)], domain: Vec<(u16, &'static str)>| assert_eq!(ours, domain);
    table(codes::quantity::ALL, Quantity::ALL.iter().map(|q| (q.code(), q.senml_name())).collect());
    table(codes::condition::ALL, Condition::ALL.iter().map(|c| (c.code(), c.name())).collect());
    table(codes::priority::ALL, Priority::ALL.iter().map(|p| (p.code(), p.name())).collect());
    table(codes::device_kind::ALL, DeviceKind::ALL.iter().map(|k| (k.code(), k.name())).collect());
    table(codes::action::ALL, Action::ALL.iter().map(|a| (a.code(), a.name())).collect());
    table(codes::order_outcome::ALL, DeviceOutcome::ALL.iter().map(|o| (o.code(), o.name())).collect());
    table(codes::valve_state::ALL, ValveState::ALL.iter().map(|v| (v.code(), v.name())).collect());
    for condition in Condition::ALL {
        assert_eq!(davy_rules_sdk::alarm::may_raise(condition.code()), condition.for_rules(), "{condition}");
    }
}
