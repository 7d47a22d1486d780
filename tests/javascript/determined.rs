//! A script has a clock and dice within reach, and an instance that could remember: none of them may show in a decision.

use crate::{component, engine, household_leak_js, loaded};
use davy_domain::policy::{AlarmPolicy, PolicyEvent};
use davy_domain::{DeviceKind, Quantity, Reading, Span, Timestamp};
use std::time::Duration;

fn measured(minute: i64, gas: f64) -> PolicyEvent {
    let now = Timestamp::from_millis(1_800_000_000_000) + Span::from_secs(minute * 60);
    PolicyEvent::measured(DeviceKind::Detector, now, vec![Reading::new(Quantity::Gas, gas, now).unwrap()])
}

#[test]
#[ignore = "needs a component that Node makes: cargo xtask test --only javascript"]
fn the_clock_stands_still_and_the_dice_fall_the_same_in_every_call() {
    let (here, there) = (engine(), engine());
    let dice = component("javascript/dice.wasm");
    let (rule, other) = (loaded(&here, &dice), loaded(&there, &dice));
    let first = rule.evaluate(&[0xa0], &[], &measured(0, 1.0));
    std::thread::sleep(Duration::from_millis(20));
    let second = rule.evaluate(&[0xa0], &[], &measured(0, 1.0));
    assert_eq!(first, second, "the fuel too");
    assert_eq!(first, other.evaluate(&[0xa0], &[], &measured(0, 1.0)), "and in another engine");
    let state = first.result.unwrap().state;
    let found: serde_json::Value = serde_json::from_slice(&state).unwrap();
    assert_eq!(found["calls"], 1, "nothing is left of the call before");
    assert!(found["now"].is_number() && found["dice"][0] != found["dice"][1], "it did reach for them: {found}");
}

#[test]
#[ignore = "needs a component that Node makes: cargo xtask test --only javascript"]
fn asked_in_batches_it_decides_as_in_fresh_instances() {
    let engine = engine();
    let rule = loaded(&engine, &household_leak_js());
    let settings = rule.encode_settings("{}").unwrap();
    let bound = rule.bind(settings);
    let batched = bound.batched(50);
    let (mut kept, mut fresh) = (Vec::new(), Vec::new());
    for minute in 0..200 {
        let event = measured(minute, f64::from((minute * 37 % 101) as i32) / 4.0);
        let (by_batch, by_call) = (batched.evaluate(&kept, &event), bound.evaluate(&fresh, &event));
        assert_eq!(by_batch.result, by_call.result, "minute {minute}");
        (kept, fresh) = (by_batch.result.unwrap().state, by_call.result.unwrap().state);
    }
    assert_eq!(batched.difference(), None);
}
