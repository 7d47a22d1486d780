//! What one rule call costs: the native function, a bare wasmtime call of the same component under the same configuration, and
//! `AlarmRule::evaluate`. Each figure is the best of several rounds; the rounds are interleaved, so that a busy machine
//! disturbs all alike.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what is asked for here is known to be valid")]

use davy_domain::policy::PolicyEvent;
use davy_domain::{DeviceKind, Quantity, Reading, Timestamp};
use davy_rules::{Engine, EngineConfig};
use davy_rules_sdk::contract::{self, DeviceContext};
use davy_rules_sdk::policy::{Rule, run};
use household_leak::Policy;
use std::hint::black_box;
use std::time::Instant;
use wasmtime::component::{Component, Linker};
use wasmtime::{Store, StoreLimits, StoreLimitsBuilder};

mod bindings {
    #![allow(clippy::all, clippy::pedantic, missing_docs, unused_qualifications, unreachable_pub)]
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "alarm-policy",
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}
use bindings::davy::rules::types as wit;
use bindings::exports::davy::rules::alarm::Event as WitEvent;

const NOW: i64 = 1_800_000_000_000;
const CALLS: u32 = 2_000;

/// The quiet path, as most uplinks are: four readings at rest.
const VALUES: [(Quantity, f64); 4] =
    [(Quantity::Gas, 0.6), (Quantity::Co, 2.0), (Quantity::Temperature, 21.5), (Quantity::Battery, 88.0)];

/// One event of the quiet path.
pub(crate) fn quiet() -> PolicyEvent {
    let now = Timestamp::from_millis(NOW);
    let readings = VALUES.iter().map(|(quantity, value)| Reading::new(*quantity, *value, now).unwrap());
    let installed_at = Some(Timestamp::from_millis(NOW - 86_400_000));
    PolicyEvent { installed_at, ..PolicyEvent::measured(DeviceKind::Detector, now, readings.collect()) }
}

fn nanoseconds(mut call: impl FnMut()) -> f64 {
    let begun = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    begun.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

/// Measures the household's leak rule, the component in `bytes`, and returns the figures.
pub fn measure(bytes: &[u8], rounds: u32) -> serde_json::Value {
    let config = EngineConfig::default();
    let engine = Engine::new(&config).unwrap();
    let rule = engine.load(&engine.admit(bytes).unwrap());
    let settings = rule.encode_settings("{}").unwrap();
    assert_eq!(rule.describe().name, Policy::NAME);

    let event = quiet();
    let state = rule.evaluate(&settings, &[], &event).result.unwrap().state;

    let native_event = contract::Event {
        context: DeviceContext {
            now_ms: NOW,
            installed_at_ms: Some(NOW - 86_400_000),
            last_maintained_at_ms: None,
            active_conditions: 0,
            device_kind: 1,
            valve_state: 1,
        },
        trigger: 1,
        timer_id: 0,
        readings: VALUES
            .iter()
            .map(|(quantity, value)| contract::Reading {
                at_ms: NOW,
                value: *value,
                quantity: quantity.code(),
                channel: 0,
            })
            .collect(),
        extensions: Vec::new(),
    };

    let raw_engine = wasmtime::Engine::new(&config.wasmtime()).unwrap();
    let ticking = raw_engine.clone();
    let tick = config.epoch_tick;
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(tick);
            ticking.increment_epoch();
        }
    });
    let component = Component::new(&raw_engine, bytes).unwrap();
    let pre = Linker::<StoreLimits>::new(&raw_engine).instantiate_pre(&component).unwrap();
    let pre = bindings::AlarmPolicyPre::new(pre).unwrap();
    let wit_readings: Vec<wit::Reading> = native_event
        .readings
        .iter()
        .map(|reading| wit::Reading {
            at_ms: reading.at_ms,
            value: reading.value,
            quantity: reading.quantity,
            channel: 0,
        })
        .collect();
    let wit_event = || WitEvent {
        context: wit::DeviceContext {
            now_ms: NOW,
            installed_at_ms: Some(NOW - 86_400_000),
            last_maintained_at_ms: None,
            active_conditions: 0,
            device_kind: 1,
            valve_state: 1,
        },
        trigger: 1,
        timer_id: 0,
        readings: &wit_readings,
        extensions: &[],
    };
    let raw = || {
        let mut store = Store::new(&raw_engine, StoreLimitsBuilder::new().memory_size(config.max_memory).build());
        store.limiter(|limits| limits);
        store.set_fuel(config.fuel).unwrap();
        store.set_epoch_deadline(1_000);
        store.set_hostcall_fuel(config.max_hostcall_fuel);
        let policy = pre.instantiate(&mut store).unwrap();
        policy.davy_rules_alarm().call_evaluate(&mut store, &settings, &state, wit_event()).unwrap().unwrap()
    };

    let (mut native_ns, mut raw_ns, mut rule_ns) = (f64::MAX, f64::MAX, f64::MAX);
    for _ in 0..rounds {
        native_ns = native_ns.min(nanoseconds(|| {
            black_box(run::<Policy>(&settings, &state, black_box(&native_event)).unwrap());
        }));
        raw_ns = raw_ns.min(nanoseconds(|| {
            black_box(raw());
        }));
        rule_ns = rule_ns.min(nanoseconds(|| {
            black_box(rule.evaluate(&settings, &state, black_box(&event)));
        }));
    }
    let fuel = rule.evaluate(&settings, &state, &event).fuel;
    let ratio = rule_ns / raw_ns;
    serde_json::json!({
        "native_ns": native_ns, "raw_wasmtime_ns": raw_ns, "alarm_rule_ns": rule_ns, "ratio_to_raw": ratio, "fuel": fuel,
        "component_bytes": bytes.len(),
    })
}
