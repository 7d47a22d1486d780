//! A wake condition saves calls and changes nothing else: for each shipped alarm policy, folding with it and without it gives the same
//! effects and leaves the same state.

use crate::components::{engine, example};
use davy_domain::floor::Floor;
use davy_domain::interlock::{BoundPolicy, Limits};
use davy_domain::policy::{AlarmPolicy, Evaluation, PolicyEvent};
use davy_domain::senml::Part;
use davy_domain::{
    DeviceConfig, DeviceId, DeviceKind, Effects, IdSource, Input, Interlock, InterlockId, Quantity, Reading, Span,
    TenantId, Timestamp, World,
};
use davy_rules::BoundRule;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const SENSOR: DeviceId = DeviceId::from_raw(1);
const VALVE: DeviceId = DeviceId::from_raw(2);

/// A rule that counts its calls and, when it is told to, keeps its promises to itself.
struct Told {
    rule: BoundRule,
    promises: bool,
    calls: Cell<u32>,
}

impl AlarmPolicy for Told {
    fn evaluate(&self, state: &[u8], event: &PolicyEvent) -> Evaluation {
        self.calls.set(self.calls.get() + 1);
        let mut evaluation = self.rule.evaluate(state, event);
        if !self.promises
            && let Ok(outcome) = &mut evaluation.result
        {
            outcome.wake = None;
        }
        evaluation
    }
}

fn interlock(kind: DeviceKind, installed_days_ago: i64, limits: &Limits) -> Interlock {
    let device = |id, kind, links: &[DeviceId]| DeviceConfig {
        id,
        serial: format!("S{}", id.raw()),
        kind,
        premises: None,
        installed_at: Some(START - Span::from_days(installed_days_ago)),
        report_interval: None,
        sleepy: false,
        links: links.to_vec(),
        parent: None,
    };
    let devices = vec![device(SENSOR, kind, &[VALVE]), device(VALVE, DeviceKind::Valve, &[])];
    Interlock::new(InterlockId::from_raw(1), TenantId::from_raw(1), devices, START, limits).unwrap()
}

/// What happens next.
#[derive(Clone, Debug)]
enum Happens {
    /// The sensor measures: (quantity, value), how long ago.
    Measures(Vec<(Quantity, f64)>, i64),
    /// The valve reports where it is.
    Valve(bool),
    /// Nothing but time.
    Waits,
}

fn value() -> impl Strategy<Value = (Quantity, f64)> {
    prop_oneof![
        8 => (0.0..3.0_f64).prop_map(|value| (Quantity::Gas, value)),
        3 => (2.0..30.0_f64).prop_map(|value| (Quantity::Gas, value)),
        4 => (0.0..45.0_f64).prop_map(|value| (Quantity::Co, value)),
        1 => (40.0..320.0_f64).prop_map(|value| (Quantity::Co, value)),
        3 => (5.0..100.0_f64).prop_map(|value| (Quantity::Battery, value)),
        3 => (-15.0..30.0_f64).prop_map(|value| (Quantity::Temperature, value)),
        1 => (28.0..60.0_f64).prop_map(|value| (Quantity::Temperature, value)),
        1 => any::<bool>().prop_map(|set| (Quantity::Tamper, f64::from(u8::from(set)))),
        1 => any::<bool>().prop_map(|set| (Quantity::EndOfLife, f64::from(u8::from(set)))),
        2 => (0.0..0.06_f64).prop_map(|value| (Quantity::Flow, value)),
        1 => (0.0..1e4_f64).prop_map(|value| (Quantity::Volume, value)),
    ]
}

fn life() -> impl Strategy<Value = Vec<(i64, Happens)>> {
    let happens = prop_oneof![
        12 => (prop::collection::vec(value(), 1..5), 0..20_i64).prop_map(|(values, ago)| Happens::Measures(values, ago)),
        1 => any::<bool>().prop_map(Happens::Valve),
        1 => Just(Happens::Waits),
    ];
    let seconds = prop_oneof![4 => 1..90_i64, 2 => 60..3_600_i64, 1 => 3_600..100_000_i64];
    prop::collection::vec((seconds, happens), 1..120)
}

/// The effects without what must differ: a promise that was kept to itself.
fn without_promises(mut effects: Effects) -> Effects {
    for decision in &mut effects.decisions {
        if let Some(Evaluation { result: Ok(outcome), .. }) = &mut decision.evaluation {
            outcome.wake = None;
        }
    }
    effects
}

fn promises_change_nothing(name: &str, kind: DeviceKind, must_rest: bool) {
    let engine = engine();
    let rule = engine.load(&engine.admit(&example(name)).unwrap());
    let settings = rule.encode_settings("{}").unwrap();
    let floor = Floor::china_default().for_jurisdiction("CN-310115").unwrap();
    let limits = Limits::default();
    let saved = Cell::new(0_u32);
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let ages = 0..2_000_i64;
    TestRunner::new(config)
        .run(&(life(), ages), |(life, age)| {
            let told = |promises| Told { rule: rule.bind(settings.clone()), promises, calls: Cell::new(0) };
            let (resting, awake) = (told(true), told(false));
            let mut folds = [&resting, &awake].map(|told| (told, interlock(kind, age, &limits), IdSource::new(1, 0)));
            let mut now = START;
            for (seconds, happens) in life {
                now = now + Span::from_secs(seconds);
                let effects = folds.each_mut().map(|(told, interlock, ids)| {
                    let policy = BoundPolicy { policy: *told, digest: *rule.digest().as_bytes(), settings_version: 1 };
                    let world = World { floor: &floor, policy: Some(policy), limits: &limits };
                    without_promises(step(interlock, &happens, now, &world, ids))
                });
                let [with, without] = effects;
                prop_assert_eq!(with, without, "{:?} at {} s", happens, now.since(START).as_millis() / 1_000);
            }
            saved.set(saved.get() + awake.calls.get() - resting.calls.get());
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(saved.get() > 0, must_rest, "{name}: calls saved: {}", saved.get());
}

fn step(
    interlock: &mut Interlock,
    happens: &Happens,
    now: Timestamp,
    world: &World<'_>,
    ids: &mut IdSource,
) -> Effects {
    let (device, readings) = match happens {
        Happens::Measures(values, ago) => {
            let at = now - Span::from_secs(*ago);
            let readings = values.iter().map(|(quantity, value)| Reading::new(*quantity, *value, at).unwrap());
            (SENSOR, readings.collect())
        }
        Happens::Valve(closed) => {
            (VALVE, vec![Reading::new(Quantity::Valve, f64::from(u8::from(*closed)), now).unwrap()])
        }
        Happens::Waits => return interlock.step(Input::Due, now, world, ids),
    };
    let parts = [Part { child: None, readings }];
    interlock.step(Input::Uplink { device, sequence: None, parts: &parts }, now, world, ids)
}

#[test]
fn a_households_rule_rests_without_harm() {
    promises_change_nothing("household-leak", DeviceKind::Detector, true);
}

#[test]
fn a_kitchens_rule_rests_without_harm() {
    promises_change_nothing("commercial-kitchen", DeviceKind::Detector, true);
}

#[test]
fn a_wells_rule_never_rests() {
    promises_change_nothing("well-methane", DeviceKind::WellMonitor, false);
}

#[test]
fn a_meters_rule_never_rests() {
    promises_change_nothing("meter-micro-flow", DeviceKind::Meter, false);
}
