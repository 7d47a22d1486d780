//! Whatever happens to a device, both rules decide the same. What they remember they write each in its own way.

use crate::{engine, household_leak_js, loaded};
use davy_rules::fixtures::Sandbox;
use davy_rules_sdk::codes::{quantity, trigger};
use davy_rules_sdk::contract::{DeviceContext, Event, Outcome, Reading};
use davy_rules_sdk::harness::{Evaluator, Failure, Native};
use davy_rules_sdk::schema::Schema;
use household_leak::Policy;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const START_MS: i64 = 1_800_000_000_000;
const DAY_MS: i64 = 86_400_000;

/// Defaults, each property set, one that the rule itself refuses.
const SETTINGS: &[&str] = &[
    "{}",
    r#"{"gas-low-persistence-s": 0, "gas-high-persistence-s": 10, "gas-recovery-s": 0, "close-at-low": false}"#,
    r#"{"gas-low-level": 5.5, "gas-high-level": 12.25, "gas-hysteresis": 0.7, "rise-per-minute": 0.1, "rise-from": 1.3, "rise-window-minutes": 3}"#,
    r#"{"co-low-level": 33.3, "co-low-minutes": 1, "co-high-level": 77.7, "co-high-minutes": 2, "co-extreme-level": 150.5}"#,
    r#"{"service-life-years": 1, "battery-low-level": 49.9, "rest-minutes": 1440}"#,
    r#"{"co-low-level": 50, "co-high-level": 100, "co-extreme-level": 100, "gas-low-level": 20, "gas-high-level": 10}"#,
];

/// What happens next.
#[derive(Clone, Debug)]
enum Happens {
    /// Readings: (quantity, value), seconds before the event.
    Measures(Vec<(u16, f64, i64)>),
    Timer(u32),
    Valve(u16),
}

fn reading() -> impl Strategy<Value = (u16, f64, i64)> {
    let value = prop_oneof![
        6 => (0.0..4.0_f64).prop_map(|value| (quantity::GAS, value)),
        5 => (2.0..30.0_f64).prop_map(|value| (quantity::GAS, value)),
        2 => prop::sample::select(&[3.0, 8.0, 10.0, 18.0, 20.0][..]).prop_map(|value| (quantity::GAS, value)),
        3 => (0.0..60.0_f64).prop_map(|value| (quantity::CO, value)),
        3 => (40.0..400.0_f64).prop_map(|value| (quantity::CO, value)),
        2 => (5.0..100.0_f64).prop_map(|value| (quantity::BATTERY, value)),
        1 => prop::sample::select(&[15.0, 20.0][..]).prop_map(|value| (quantity::BATTERY, value)),
        2 => any::<bool>().prop_map(|set| (quantity::TAMPER, f64::from(u8::from(set)))),
        2 => any::<bool>().prop_map(|set| (quantity::END_OF_LIFE, f64::from(u8::from(set)))),
        1 => (-15.0..60.0_f64).prop_map(|value| (quantity::TEMPERATURE, value)),
    ];
    // Most are new; a device that was out of reach sends old ones.
    (value, prop_oneof![5 => 0..20_i64, 1 => 0..8_000_i64]).prop_map(|((code, value), ago)| (code, value, ago))
}

fn life() -> impl Strategy<Value = Vec<(i64, Happens)>> {
    let happens = prop_oneof![
        10 => prop::collection::vec(reading(), 1..6).prop_map(Happens::Measures),
        3 => prop::sample::select(&[1_u32, 1, 1, 2][..]).prop_map(Happens::Timer),
        2 => (0..5_u16).prop_map(Happens::Valve),
    ];
    let seconds = prop_oneof![4 => 1..90_i64, 2 => 60..3_600_i64, 1 => 3_600..400_000_i64];
    prop::collection::vec((seconds, happens), 1..60)
}

fn event(now_ms: i64, installed_at_ms: Option<i64>, valve: u16, happens: &Happens) -> Event {
    let (why, timer_id, readings) = match happens {
        Happens::Measures(values) => {
            let mut readings: Vec<_> = values
                .iter()
                .map(|(quantity, value, ago)| Reading {
                    at_ms: now_ms - ago * 1_000,
                    value: *value,
                    quantity: *quantity,
                    channel: 0,
                })
                .collect();
            readings.sort_by_key(|reading| reading.at_ms);
            (trigger::READINGS, 0, readings)
        }
        Happens::Timer(id) => (trigger::TIMER, *id, Vec::new()),
        Happens::Valve(_) => (trigger::VALVE_MOVED, 0, Vec::new()),
    };
    Event {
        context: DeviceContext {
            now_ms,
            installed_at_ms,
            last_maintained_at_ms: None,
            active_conditions: 0,
            device_kind: 1,
            valve_state: valve,
        },
        trigger: why,
        timer_id,
        readings,
        extensions: Vec::new(),
    }
}

/// The decision, and the state that goes into the next call.
fn apart(decided: Result<Outcome, Failure>, state: &mut Vec<u8>) -> Result<Outcome, Failure> {
    decided.map(|mut outcome| {
        *state = std::mem::take(&mut outcome.state);
        outcome
    })
}

#[test]
#[ignore = "needs a component that Node makes: cargo xtask test --only javascript"]
fn whatever_happens_both_decide_the_same() {
    let engine = engine();
    let rule = loaded(&engine, &household_leak_js());
    let schema = Schema::parse(&rule.describe().settings_schema).unwrap();
    let config = Config { cases: 96, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let installed = prop::option::of(0..2_000_i64);
    let (mut decisions, mut deeds) = (0_u32, 0_u32);
    let counted = std::cell::RefCell::new((&mut decisions, &mut deeds));
    TestRunner::new(config)
        .run(&(life(), installed, prop::sample::select(SETTINGS)), |(life, installed, settings)| {
            let (mut script, mut rust) = (Sandbox::new(&rule), Native::<Policy>::new());
            let settings = schema.encode(settings).unwrap();
            let (mut script_state, mut rust_state) = (Vec::new(), Vec::new());
            let installed = installed.map(|days| START_MS - days * DAY_MS);
            let (mut now, mut valve) = (START_MS, 1);
            for (seconds, happens) in life {
                now += seconds * 1_000;
                if let Happens::Valve(state) = happens {
                    valve = state;
                }
                let event = event(now, installed, valve, &happens);
                let by_script = apart(script.evaluate(&settings, &script_state, &event), &mut script_state);
                let by_rust = apart(rust.evaluate(&settings, &rust_state, &event), &mut rust_state);
                prop_assert_eq!(&by_script, &by_rust, "{:?} at {} s", happens, (now - START_MS) / 1_000);
                prop_assert!(script_state.len() < 2_048, "{} bytes of state", script_state.len());
                let mut counted = counted.borrow_mut();
                *counted.0 += 1;
                *counted.1 +=
                    u32::from(by_rust.is_ok_and(|outcome| !outcome.raises.is_empty() || !outcome.clears.is_empty()));
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(deeds * 10 > decisions, "only {deeds} of {decisions} decisions did something");
}

#[test]
#[ignore = "needs a component that Node makes: cargo xtask test --only javascript"]
fn what_it_did_not_write_is_a_fault_or_a_new_beginning_as_in_the_rust_one() {
    let engine = engine();
    let rule = loaded(&engine, &household_leak_js());
    let settings = Schema::parse(&rule.describe().settings_schema).unwrap().encode("{}").unwrap();
    let quiet = event(START_MS, None, 1, &Happens::Measures(vec![(quantity::GAS, 0.5, 0)]));
    let mut script = Sandbox::new(&rule);
    let fault = script.evaluate(&settings, b"\xff\xff", &quiet).unwrap_err();
    assert!(matches!(&fault, Failure::Rule(fault) if fault.code == 2), "{fault:?}");
    let anew = script.evaluate(&settings, br#"{"layout":0}"#, &quiet).unwrap();
    assert_eq!(anew.notes, ["state of another layout: started anew"]);
    let cut = script.evaluate(&settings[..settings.len() - 3], &[], &quiet).unwrap_err();
    assert!(matches!(&cut, Failure::Rule(fault) if fault.code == 1), "{cut:?}");
}
