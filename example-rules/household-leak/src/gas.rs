//! Combustible gas: two levels and the trend.

use crate::MINUTE_MS;
use crate::settings::HouseholdLeak;
use davy_rules_sdk::prelude::*;

/// Points of the trend that make a slope believable.
const LEAST_POINTS: usize = 3;
/// The least time that they span.
const LEAST_SPAN_MS: i64 = MINUTE_MS;

/// What is remembered of the gas.
#[derive(State, Clone, Debug, Default, PartialEq)]
pub(crate) struct Gas {
    low: Level,
    high: Level,
    rising: Hysteresis,
    trend: Trend<10>,
}

impl Gas {
    pub(crate) fn reading(&mut self, settings: &HouseholdLeak, reading: &Reading, decision: &mut Decision) {
        let (value, at) = (reading.value, reading.at_ms);
        let (low_ms, high_ms, recovery_ms) = times(settings);
        let (low_off, high_off) =
            (settings.gas_low_level - settings.gas_hysteresis, settings.gas_high_level - settings.gas_hysteresis);

        // What rose in this event stays for the rest of it: a leak in a late batch of readings must be on record.
        if !decision.raised(condition::GAS_HIGH) {
            match self.high.update(value, at, (settings.gas_high_level, high_ms), (high_off, recovery_ms)) {
                Edge::Rose => high_rose(decision),
                Edge::Fell => drop(decision.clear(condition::GAS_HIGH)),
                Edge::None => {}
            }
        }
        if !decision.raised(condition::GAS_LOW) {
            match self.low.update(value, at, (settings.gas_low_level, low_ms), (low_off, recovery_ms)) {
                Edge::Rose => low_rose(settings, decision),
                Edge::Fell => drop(decision.clear(condition::GAS_LOW)),
                Edge::None => {}
            }
        }
        self.follow_trend(settings, value, at, decision);
    }

    fn follow_trend(&mut self, settings: &HouseholdLeak, value: f64, at: i64, decision: &mut Decision) {
        if value < settings.watch_level() {
            self.trend.clear();
        } else {
            self.trend.push(at, value, i64::from(settings.rise_window_minutes) * MINUTE_MS);
        }
        if decision.raised(condition::GAS_RISING) {
            return;
        }
        let believable = self.trend.span_ms() >= LEAST_SPAN_MS;
        let slope = self.trend.per_minute(LEAST_POINTS).filter(|_| believable).unwrap_or(0.0);
        match self.rising.update(slope, settings.rise_per_minute, settings.rise_per_minute / 2.0) {
            // At the low level the pre-alarm has nothing more to say.
            Edge::Rose if !self.low.holds() && !self.high.holds() => {
                decision.raise_with_text(condition::GAS_RISING, priority::MEDIUM, 3);
            }
            Edge::Fell => drop(decision.clear(condition::GAS_RISING)),
            Edge::Rose | Edge::None => {}
        }
    }

    pub(crate) fn elapse(&mut self, settings: &HouseholdLeak, now_ms: i64, decision: &mut Decision) {
        let (low_ms, high_ms, _) = times(settings);
        if self.high.elapse(now_ms, high_ms) == Edge::Rose {
            high_rose(decision);
        }
        if self.low.elapse(now_ms, low_ms) == Edge::Rose {
            low_rose(settings, decision);
        }
    }

    pub(crate) fn reopened(&self, settings: &HouseholdLeak, decision: &mut Decision) {
        if self.high.holds() {
            decision.close_valve(condition::GAS_HIGH);
        } else if self.low.holds() && settings.close_at_low {
            decision.close_valve(condition::GAS_LOW);
        }
    }

    pub(crate) fn due_ms(&self, settings: &HouseholdLeak) -> Option<i64> {
        let (low_ms, high_ms, _) = times(settings);
        [self.low.rises_at_ms(low_ms), self.high.rises_at_ms(high_ms)].into_iter().flatten().min()
    }

    pub(crate) fn is_quiet(&self) -> bool {
        *self == Self::default()
    }
}

fn times(settings: &HouseholdLeak) -> (i64, i64, i64) {
    let ms = |seconds: u32| i64::from(seconds) * 1_000;
    (ms(settings.gas_low_persistence_s), ms(settings.gas_high_persistence_s), ms(settings.gas_recovery_s))
}

fn high_rose(decision: &mut Decision) {
    decision.raise_with_text(condition::GAS_HIGH, priority::URGENT, 2).close_valve(condition::GAS_HIGH);
}

fn low_rose(settings: &HouseholdLeak, decision: &mut Decision) {
    decision.raise_with_text(condition::GAS_LOW, priority::HIGH, 1);
    if settings.close_at_low {
        decision.close_valve(condition::GAS_LOW);
    }
}
