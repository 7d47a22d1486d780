//! The bench's policy as an Extism plugin: JSON in, JSON out, as Extism's own examples do it.

#[path = "../../rule/src/judge.rs"]
mod judge;

use extism_pdk::{FnResult, Json, plugin_fn};
use judge::{Bounds, Level, take};
use serde::{Deserialize, Serialize};

const GAS: u16 = 1;
const GAS_LOW: u16 = 1;
const GAS_HIGH: u16 = 2;

#[derive(Deserialize)]
struct Settings {
    low: f64,
    high: f64,
    hysteresis: f64,
    low_s: i64,
    high_s: i64,
    recovery_s: i64,
}

#[derive(Default, Deserialize, Serialize)]
struct Memory {
    low_on: bool,
    low_since_ms: Option<i64>,
    high_on: bool,
    high_since_ms: Option<i64>,
}

#[derive(Deserialize)]
struct Reading {
    at_ms: i64,
    value: f64,
    quantity: u16,
}

#[derive(Deserialize)]
struct Input {
    settings: Settings,
    state: Option<Memory>,
    readings: Vec<Reading>,
}

#[derive(Serialize)]
struct Raise {
    condition: u16,
    priority: u16,
}

#[derive(Serialize)]
struct Output {
    state: Memory,
    raises: Vec<Raise>,
    clears: Vec<u16>,
    close: bool,
}

/// One decision.
#[plugin_fn]
pub fn evaluate(Json(input): Json<Input>) -> FnResult<Json<Output>> {
    let Input { settings, state, readings } = input;
    let memory = state.unwrap_or_default();
    let bounds = |on_at: f64, on_s: i64| Bounds {
        on_at,
        on_ms: on_s * 1_000,
        off_below: on_at - settings.hysteresis,
        off_ms: settings.recovery_s * 1_000,
    };
    let mut high = Level { on: memory.high_on, since_ms: memory.high_since_ms };
    let mut low = Level { on: memory.low_on, since_ms: memory.low_since_ms };
    let (mut raises, mut clears, mut close) = (Vec::new(), Vec::new(), false);
    for reading in readings.iter().filter(|reading| reading.quantity == GAS) {
        match take(&mut high, reading.value, reading.at_ms, &bounds(settings.high, settings.high_s)) {
            Some(true) => {
                raises.push(Raise { condition: GAS_HIGH, priority: 4 });
                close = true;
            }
            Some(false) => clears.push(GAS_HIGH),
            None => {}
        }
        match take(&mut low, reading.value, reading.at_ms, &bounds(settings.low, settings.low_s)) {
            Some(true) => raises.push(Raise { condition: GAS_LOW, priority: 3 }),
            Some(false) => clears.push(GAS_LOW),
            None => {}
        }
    }
    let state = Memory { low_on: low.on, low_since_ms: low.since_ms, high_on: high.on, high_since_ms: high.since_ms };
    Ok(Json(Output { state, raises, clears, close }))
}
