//! Components that mean harm once they run: each is contained with its own typed reason, and leaves its neighbour alone.

use crate::components::{OutcomeCode, engine, good_rule, hostile, readings};
use davy_domain::policy::PolicyFault;
use davy_domain::{Condition, Quantity};
use davy_rules::{AlarmRule, Engine};

const NOW: i64 = 1_800_000_000_000;

fn load(engine: &Engine, component: &[u8]) -> AlarmRule {
    engine.load(&engine.admit(component).unwrap())
}

/// Runs a hostile component among calls of a good one, and gives the fault.
fn fault_of(component: &[u8]) -> PolicyFault {
    let engine = engine();
    let good = good_rule(&engine);
    let settings = good.encode_settings("{}").unwrap();
    let leak = readings(NOW, &[(Quantity::Gas, 60.0)]);
    let before = good.evaluate(&settings, &[], &leak);
    assert!(before.result.as_ref().unwrap().close_valve);

    let bad = load(&engine, component);
    let first = bad.evaluate(&[0xa0], &[], &leak);
    assert_eq!(good.evaluate(&settings, &[], &leak), before, "the neighbour decides as before");
    let second = bad.evaluate(&[0xa0], &[], &leak);
    assert_eq!(first.result, second.result, "and the fault is the same again");
    first.result.unwrap_err()
}

fn nonsense(outcome: OutcomeCode, expected: &str) {
    match fault_of(&hostile("", &outcome.done())) {
        PolicyFault::Nonsense { what } => assert!(what.contains(expected), "expected {expected:?} in {what:?}"),
        other => panic!("expected nonsense about {expected:?}, got {other:?}"),
    }
}

#[test]
fn an_empty_outcome_of_the_hand_written_module_is_a_decision() {
    let engine = engine();
    let rule = load(&engine, &hostile("", &OutcomeCode::new().raises(&[(1, 3, 0)]).close(1, 1).done()));
    let outcome = rule.evaluate(&[0xa0], &[], &readings(NOW, &[(Quantity::Gas, 1.0)])).result.unwrap();
    assert_eq!(outcome.raise[0].condition, Condition::GasLow);
    assert!(outcome.close_valve);
}

#[test]
fn a_trap_is_a_trap() {
    assert!(
        matches!(fault_of(&hostile("", "unreachable")), PolicyFault::Trap { reason } if reason.contains("unreachable"))
    );
    let division = "(i32.div_u (i32.const 1) (i32.const 0))";
    assert!(
        matches!(fault_of(&hostile("", division)), PolicyFault::Trap { reason } if reason.contains("divide by zero"))
    );
}

#[test]
fn reading_outside_of_its_memory_is_a_trap() {
    let outside = "(i32.load (i32.const 0x7ffffff0))";
    assert!(
        matches!(fault_of(&hostile("", outside)), PolicyFault::Trap { reason } if reason.contains("out of bounds"))
    );
}

#[test]
fn an_endless_loop_uses_up_its_fuel() {
    let endless = "(loop $again (br $again)) unreachable";
    assert_eq!(fault_of(&hostile("", endless)), PolicyFault::OutOfFuel { limit: 2_000_000 });
}

#[test]
fn endless_recursion_ends_at_the_stack() {
    let items = "(func $deeper (param i64 i64 i64 i64) (result i64)
        (call $deeper (i64.const 1) (local.get 0) (local.get 1) (local.get 2)) (local.get 3) (i64.add))";
    let body = "(drop (call $deeper (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4))) unreachable";
    assert!(matches!(fault_of(&hostile(items, body)), PolicyFault::Trap { reason } if reason.contains("stack")));
}

#[test]
fn work_that_fuel_does_not_count_ends_at_the_deadline() {
    // One fill of 16 MiB costs hardly any fuel but milliseconds.
    let body = "(drop (memory.grow (i32.const 254)))
        (loop $again (memory.fill (i32.const 0) (i32.const 1) (i32.const 16777216)) (br $again)) unreachable";
    assert!(matches!(fault_of(&hostile("", body)), PolicyFault::Deadline | PolicyFault::OutOfFuel { .. }));
}

#[test]
fn hogging_memory_ends_at_the_cap_and_the_process_does_not_grow() {
    let body = "(loop $more
        (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    let component = hostile("", body);
    assert!(matches!(fault_of(&component), PolicyFault::Limit { what } if what.contains("memory")));

    let engine = engine();
    let rule = load(&engine, &component);
    let event = readings(NOW, &[]);
    for _ in 0..20 {
        rule.evaluate(&[0xa0], &[], &event).result.unwrap_err();
    }
    let settled = resident_kib();
    for _ in 0..300 {
        rule.evaluate(&[0xa0], &[], &event).result.unwrap_err();
    }
    let grown = resident_kib().saturating_sub(settled);
    assert!(grown < 32 << 10, "300 calls that touch 16 MiB each grew the process by {grown} KiB");
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn growing_a_table_without_end_ends_at_the_cap() {
    let items = "(table $t 1 funcref)";
    let body = "(loop $more
        (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 5000)) (i32.const -1)))) unreachable";
    assert!(matches!(fault_of(&hostile(items, body)), PolicyFault::Limit { what } if what.contains("table")));
}

#[test]
fn a_giant_return_is_not_lifted() {
    // Fifteen megabytes of the guest's own memory, offered as state.
    let body = format!("(drop (memory.grow (i32.const 254))) {}", OutcomeCode::new().state(0, 15 << 20).done());
    assert!(matches!(fault_of(&hostile("", &body)), PolicyFault::Limit { what } if what.contains("handed over")));
    // A list whose items would fill the host's memory.
    let body =
        format!("(drop (memory.grow (i32.const 254))) {}", OutcomeCode::new().clears_of_length(2_000_000).done());
    assert!(matches!(fault_of(&hostile("", &body)), PolicyFault::Limit { .. } | PolicyFault::Nonsense { .. }));
}

#[test]
fn a_return_from_outside_of_its_memory_is_refused() {
    nonsense(OutcomeCode::new().state(0x7fff_0000, 64), "out of bounds");
    nonsense(OutcomeCode::new().clears_of_length(0x7fff_ffff), "out of bounds");
}

#[test]
fn a_state_over_its_limit_is_refused_and_one_at_its_limit_is_kept() {
    let over = hostile("", &OutcomeCode::new().state(0, 4097).done());
    assert!(matches!(fault_of(&over), PolicyFault::Limit { what } if what.contains("4096") && what.contains("4097")));
    let engine = engine();
    let rule = load(&engine, &hostile("", &OutcomeCode::new().state(0, 4096).done()));
    assert_eq!(rule.evaluate(&[0xa0], &[], &readings(NOW, &[])).result.unwrap().state.len(), 4096);
}

#[test]
fn codes_that_nobody_knows_are_nonsense() {
    nonsense(OutcomeCode::new().raises(&[(99, 1, 0)]), "raises: expected known condition codes, got 99");
    nonsense(OutcomeCode::new().raises(&[(1, 9, 0)]), "priority");
    nonsense(OutcomeCode::new().raises(&[(1, 1, 7)]), "text");
    nonsense(OutcomeCode::new().clears(&[0]), "clears: expected known condition codes, got 0");
    nonsense(OutcomeCode::new().close(1, 77), "close-reason");
    nonsense(OutcomeCode::new().wake(1, NOW, 999, 1.0), "quantity");
}

#[test]
fn conditions_of_the_platform_are_not_for_rules() {
    for condition in Condition::ALL.iter().filter(|condition| !condition.for_rules()) {
        nonsense(OutcomeCode::new().raises(&[(condition.code(), 1, 0)]), "that a rule may raise");
        nonsense(OutcomeCode::new().clears(&[condition.code()]), "that a rule may raise");
    }
}

#[test]
fn an_outcome_that_contradicts_itself_is_nonsense() {
    nonsense(OutcomeCode::new().raises(&[(1, 1, 0), (1, 2, 0)]), "once");
    nonsense(OutcomeCode::new().clears(&[1, 1]), "once");
    nonsense(OutcomeCode::new().raises(&[(1, 1, 0)]).clears(&[1]), "none that is raised too");
    nonsense(OutcomeCode::new().close(0, 2), "close-reason");
}

#[test]
fn more_than_the_published_number_of_anything_is_nonsense() {
    nonsense(OutcomeCode::new().raises(&[(1, 1, 0); 33]), "raises: expected at most 32, got 33");
    nonsense(OutcomeCode::new().clears(&[1; 33]), "clears: expected at most 32, got 33");
}

#[test]
fn times_and_thresholds_that_make_no_sense_are_nonsense() {
    nonsense(OutcomeCode::new().timer(1, NOW - 1), "timers: at-ms");
    nonsense(OutcomeCode::new().timer(1, i64::MAX), "timers: at-ms");
    nonsense(OutcomeCode::new().wake(1, NOW + 25 * 3_600_000, 1, 1.0), "wake: not-before-ms");
    nonsense(OutcomeCode::new().wake(1, NOW, 1, f64::NAN), "finite");
    nonsense(OutcomeCode::new().wake(1, NOW, 1, f64::INFINITY), "finite");
}

#[test]
fn bytes_that_are_not_of_the_contracts_types_are_nonsense() {
    nonsense(OutcomeCode::new().wake(7, NOW, 1, 1.0), "discriminant");
    // Addresses 8192.. hold what `raises` wrote: 0xdcdc is no UTF-8.
    nonsense(OutcomeCode::new().raises(&[(0xdcdc, 1, 0)]).note(8192, 2), "utf-8");
}
