//! The bench's policy as a component of Davy's contract.

mod judge;

use davy_rules_sdk::prelude::*;
use judge::{Bounds, Level, take};

/// What can be set.
#[derive(Settings)]
pub struct TwoLevels {
    /// The low level.
    #[setting(default = 10.0, min = 5.0, max = 25.0, unit = "%LEL", zh = "低限", en = "Low level")]
    pub low: f64,
    /// The high level.
    #[setting(default = 20.0, min = 5.0, max = 50.0, unit = "%LEL", zh = "高限", en = "High level")]
    pub high: f64,
    /// How far below a level it ends.
    #[setting(default = 2.0, min = 0.5, max = 4.5, unit = "%LEL", zh = "回差", en = "Hysteresis")]
    pub hysteresis: f64,
    /// How long the low level must last.
    #[setting(default = 10, min = 0, max = 60, unit = "s", zh = "低限持续", en = "Low persistence")]
    pub low_s: u32,
    /// How long the high level must last.
    #[setting(default = 0, min = 0, max = 60, unit = "s", zh = "高限持续", en = "High persistence")]
    pub high_s: u32,
    /// How long the end of a level must last.
    #[setting(default = 10, min = 0, max = 600, unit = "s", zh = "恢复", en = "Recovery")]
    pub recovery_s: u32,
}

/// What is remembered.
#[derive(State, Default)]
pub struct Memory {
    low_on: bool,
    low_since_ms: Option<i64>,
    high_on: bool,
    high_since_ms: Option<i64>,
}

/// One decision.
#[alarm_policy(name = "two-levels", version = "1.0.0", zh = "两级报警。", en = "Two levels.")]
pub fn decide(settings: &TwoLevels, memory: &mut Memory, event: &Event) -> Decision {
    let mut decision = Decision::new();
    let bounds = |on_at: f64, on_s: u32| Bounds {
        on_at,
        on_ms: i64::from(on_s) * 1_000,
        off_below: on_at - settings.hysteresis,
        off_ms: i64::from(settings.recovery_s) * 1_000,
    };
    let mut high = Level { on: memory.high_on, since_ms: memory.high_since_ms };
    let mut low = Level { on: memory.low_on, since_ms: memory.low_since_ms };
    for reading in event.readings_of(quantity::GAS) {
        match take(&mut high, reading.value, reading.at_ms, &bounds(settings.high, settings.high_s)) {
            Some(true) => {
                decision.raise(condition::GAS_HIGH, priority::URGENT).close_valve(condition::GAS_HIGH);
            }
            Some(false) => drop(decision.clear(condition::GAS_HIGH)),
            None => {}
        }
        match take(&mut low, reading.value, reading.at_ms, &bounds(settings.low, settings.low_s)) {
            Some(true) => drop(decision.raise(condition::GAS_LOW, priority::HIGH)),
            Some(false) => drop(decision.clear(condition::GAS_LOW)),
            None => {}
        }
    }
    *memory = Memory { low_on: low.on, low_since_ms: low.since_ms, high_on: high.on, high_since_ms: high.since_ms };
    decision
}
