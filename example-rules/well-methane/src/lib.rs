//! Example alarm policy for underground wells of the pipe network: methane, seen by a battery monitor that sleeps between readings.
//!
//! - Seconds mean nothing here: the low alarm is confirmed by readings in a row, the high one comes with the first.
//! - A slow rise over hours tells a leaking pipe from marsh gas, and gives a pre-alarm long before a level is reached.
//! - A sensor under water gives no value at all while its monitor still reports: that is noticed.
//! - A weak battery is not believed while it is cold, and an opened cover is told at once.
//!
//! It must never take silence for safety, and never close a valve that nobody asked it to. It gives no wake condition: every value
//! must be heard, or silence could not be told from it, and a well speaks a few times an hour at most.

mod settings;

use davy_rules_sdk::prelude::*;
pub use settings::WellMethane;

/// The timer that notices a sensor without values.
const NO_VALUE: u32 = 1;
const HOUR_MS: i64 = 3_600_000;
/// Points of the trend that make a slope believable.
const LEAST_POINTS: usize = 4;
/// How far the battery must recover above its level before the alarm ends, percent.
const BATTERY_HYSTERESIS: f64 = 10.0;

/// What the rule remembers of one well.
#[derive(State, Clone, Debug, Default, PartialEq)]
pub struct Memory {
    low: Hysteresis,
    /// Readings in a row at or above the low level.
    confirmed: u32,
    high: Hysteresis,
    rising: Hysteresis,
    trend: Trend<12>,
    sensor: Silence,
    sensor_ended: bool,
    cold: bool,
    battery: bool,
    opened: bool,
    /// The newest methane reading's time, ms since the Unix epoch.
    newest_ms: i64,
}

/// One decision.
#[alarm_policy(
    name = "well-methane",
    version = "1.0.0",
    zh = "地下井室甲烷:确认读数、缓慢上升预警、传感器失效、井盖开启。",
    en = "Underground well: confirmed methane levels, slow-rise pre-alarm, dead sensor, opened cover.",
    texts(
        1 = ("井室甲烷达到低限", "Methane in the well at the low level"),
        2 = ("井室甲烷达到高限", "Methane in the well at the high level"),
        3 = ("井室甲烷持续上升,疑似管网泄漏", "Methane rises steadily: the pipe may leak"),
        4 = ("甲烷传感器长时间无数据", "The methane sensor has given no value for long"),
        5 = ("甲烷传感器寿命终止", "The methane sensor is at its end of life"),
        6 = ("监测终端电池电量低", "The monitor's battery is low"),
        7 = ("井盖被打开或终端倾斜", "The cover was opened or the monitor tilted")
    )
)]
pub fn decide(settings: &WellMethane, memory: &mut Memory, event: &Event) -> Decision {
    let mut decision = Decision::new();
    match event.trigger() {
        Trigger::Readings => {
            for reading in &event.readings {
                memory.reading(settings, reading, &mut decision);
            }
        }
        Trigger::Timer(NO_VALUE) | Trigger::Start | Trigger::ValveMoved => {}
        _ => return decision,
    }
    let within_ms = i64::from(settings.no_value_hours) * HOUR_MS;
    if memory.sensor.elapse(event.now_ms(), within_ms) == Edge::Rose && !memory.sensor_ended {
        decision.raise_with_text(condition::SENSOR_END_OF_LIFE, priority::MEDIUM, 4);
    }
    if let Some(due) = memory.sensor.due_ms(within_ms) {
        decision.set_timer(NO_VALUE, due.max(event.now_ms()));
    }
    decision
}

impl Memory {
    fn reading(&mut self, settings: &WellMethane, reading: &Reading, decision: &mut Decision) {
        let set = reading.value >= 0.5;
        match reading.quantity {
            quantity::GAS => self.gas(settings, reading, decision),
            quantity::TEMPERATURE => self.cold = reading.value < settings.battery_from,
            quantity::BATTERY => self.battery(settings, reading.value, decision),
            quantity::TAMPER if set != self.opened && !decision.raised(condition::TAMPER) => {
                self.opened = set;
                if set {
                    decision.raise_with_text(condition::TAMPER, priority::HIGH, 7);
                } else {
                    decision.clear(condition::TAMPER);
                }
            }
            quantity::END_OF_LIFE if set != self.sensor_ended && !decision.raised(condition::SENSOR_END_OF_LIFE) => {
                self.sensor_ended = set;
                if set {
                    decision.raise_with_text(condition::SENSOR_END_OF_LIFE, priority::MEDIUM, 5);
                } else if !self.sensor.holds() {
                    decision.clear(condition::SENSOR_END_OF_LIFE);
                }
            }
            _ => {}
        }
    }

    fn gas(&mut self, settings: &WellMethane, reading: &Reading, decision: &mut Decision) {
        let (value, at) = (reading.value, reading.at_ms);
        if self.sensor.hear(at) == Edge::Fell && !self.sensor_ended {
            decision.clear(condition::SENSOR_END_OF_LIFE);
        }
        // What was measured before what is known can begin an alarm; it says nothing about now, and ends none.
        let late = at < self.newest_ms;
        self.newest_ms = self.newest_ms.max(at);
        // What rose in this event stays for the rest of it: methane in a late batch of readings must be on record.
        let old_and_low = late && value < settings.high_level;
        if !old_and_low && !decision.raised(condition::GAS_HIGH) {
            match self.high.update(value, settings.high_level, settings.high_level - settings.hysteresis) {
                Edge::Rose => {
                    decision.raise_with_text(condition::GAS_HIGH, priority::URGENT, 2);
                    if settings.close_at_high {
                        decision.close_valve(condition::GAS_HIGH);
                    }
                }
                Edge::Fell => drop(decision.clear(condition::GAS_HIGH)),
                Edge::None => {}
            }
        }
        if late && value < settings.low_level {
            return;
        }
        self.confirmed = if value >= settings.low_level { self.confirmed.saturating_add(1) } else { 0 };
        if !decision.raised(condition::GAS_LOW) {
            // Not yet confirmed, a value counts as one just below the level.
            let counts = self.low.holds() || self.confirmed >= settings.confirm_readings;
            let value = if counts { value } else { value.min(settings.low_level - settings.hysteresis) };
            match self.low.update(value, settings.low_level, settings.low_level - settings.hysteresis) {
                Edge::Rose => drop(decision.raise_with_text(condition::GAS_LOW, priority::HIGH, 1)),
                Edge::Fell => drop(decision.clear(condition::GAS_LOW)),
                Edge::None => {}
            }
        }
        self.follow_trend(settings, value, at, decision);
    }

    fn follow_trend(&mut self, settings: &WellMethane, value: f64, at: i64, decision: &mut Decision) {
        let window_ms = i64::from(settings.rise_window_hours) * HOUR_MS;
        if value < settings.watch_level() {
            self.trend.clear();
        } else {
            self.trend.push(at, value, window_ms);
        }
        if decision.raised(condition::GAS_RISING) {
            return;
        }
        let believable = self.trend.span_ms() >= window_ms / 3;
        let slope = self.trend.per_minute(LEAST_POINTS).filter(|_| believable).unwrap_or(0.0) * 60.0;
        match self.rising.update(slope, settings.rise_per_hour, settings.rise_per_hour / 2.0) {
            // At the low level the pre-alarm has nothing more to say.
            Edge::Rose if !self.low.holds() && !self.high.holds() => {
                decision.raise_with_text(condition::GAS_RISING, priority::MEDIUM, 3);
            }
            Edge::Fell => drop(decision.clear(condition::GAS_RISING)),
            Edge::Rose | Edge::None => {}
        }
    }

    fn battery(&mut self, settings: &WellMethane, value: f64, decision: &mut Decision) {
        if decision.raised(condition::BATTERY_LOW) {
            return;
        }
        if !self.battery && value < settings.battery_low && !self.cold {
            self.battery = true;
            decision.raise_with_text(condition::BATTERY_LOW, priority::LOW, 6);
        } else if self.battery && value >= settings.battery_low + BATTERY_HYSTERESIS {
            self.battery = false;
            decision.clear(condition::BATTERY_LOW);
        }
    }
}
