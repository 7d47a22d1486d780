//! The same input gives the same bytes and the same fuel: in one engine, across engines, on many threads.

use crate::components::{engine, good_rule, readings};
use davy_domain::Quantity;
use davy_domain::policy::Evaluation;
use davy_rules::AlarmRule;

fn a_day(rule: &AlarmRule) -> Vec<Evaluation> {
    let settings = rule.encode_settings(r#"{"gas-low-persistence-s": 5}"#).unwrap();
    let mut state = Vec::new();
    (0..200_i64)
        .map(|step| {
            let gas = f64::from((step * 37 % 101) as i32) / 3.0;
            let event = readings(1_800_000_000_000 + step * 30_000, &[(Quantity::Gas, gas), (Quantity::Co, gas * 4.0)]);
            let evaluation = rule.evaluate(&settings, &state, &event);
            state.clone_from(&evaluation.result.as_ref().unwrap().state);
            evaluation
        })
        .collect()
}

#[test]
fn two_engines_agree_to_the_byte_and_to_the_unit_of_fuel() {
    let first = a_day(&good_rule(&engine()));
    let second = a_day(&good_rule(&engine()));
    assert_eq!(first, second);
    assert!(first.iter().any(|evaluation| evaluation.result.as_ref().unwrap().close_valve), "something happened");
    assert!(
        first.iter().all(|evaluation| evaluation.fuel > 0 && evaluation.fuel < 200_000),
        "within a tenth of the budget"
    );
}

#[test]
fn more_threads_than_places_wait_their_turn_and_agree() {
    let rule = good_rule(&engine());
    let expected = a_day(&rule);
    std::thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| assert_eq!(a_day(&rule), expected));
        }
    });
}
