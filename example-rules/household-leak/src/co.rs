//! Carbon monoxide: levels with the times of EN 50291.

use crate::MINUTE_MS;
use crate::settings::HouseholdLeak;
use davy_rules_sdk::prelude::*;

/// How long carbon monoxide must stay below a level before its alarm ends.
const RECOVERY_MS: i64 = MINUTE_MS;
/// How far below, as a share of the level.
const RECOVERY_SHARE: f64 = 0.8;

/// What is remembered of the carbon monoxide.
#[derive(State, Clone, Debug, Default, PartialEq)]
pub(crate) struct Co {
    low: Level,
    high: Level,
    extreme: Level,
}

impl Co {
    pub(crate) fn reading(&mut self, settings: &HouseholdLeak, reading: &Reading, decision: &mut Decision) {
        let was_high = self.is_high();
        let update = |level: &mut Level, on_at: f64, on_ms: i64| {
            level.update(reading.value, reading.at_ms, (on_at, on_ms), (on_at * RECOVERY_SHARE, RECOVERY_MS))
        };
        // What rose in this event stays for the rest of it: it must be on record.
        if !decision.raised(condition::CO_LOW) {
            match update(&mut self.low, settings.co_low_level, minutes(settings.co_low_minutes)) {
                Edge::Rose => drop(decision.raise_with_text(condition::CO_LOW, priority::HIGH, 4)),
                Edge::Fell => drop(decision.clear(condition::CO_LOW)),
                Edge::None => {}
            }
        }
        if !decision.raised(condition::CO_HIGH) {
            update(&mut self.extreme, settings.co_extreme_level, 0);
            update(&mut self.high, settings.co_high_level, minutes(settings.co_high_minutes));
            self.report_high(was_high, decision);
        }
    }

    /// Two levels lead to one condition: only the change of both together is an edge.
    fn report_high(&self, was_high: bool, decision: &mut Decision) {
        if self.is_high() && !was_high {
            decision.raise_with_text(condition::CO_HIGH, priority::URGENT, 5).close_valve(condition::CO_HIGH);
        } else if was_high && !self.is_high() {
            decision.clear(condition::CO_HIGH);
        }
    }

    pub(crate) fn elapse(&mut self, settings: &HouseholdLeak, now_ms: i64, decision: &mut Decision) {
        let was_high = self.is_high();
        self.high.elapse(now_ms, minutes(settings.co_high_minutes));
        if self.low.elapse(now_ms, minutes(settings.co_low_minutes)) == Edge::Rose {
            decision.raise_with_text(condition::CO_LOW, priority::HIGH, 4);
        }
        self.report_high(was_high, decision);
    }

    pub(crate) fn reopened(&self, decision: &mut Decision) {
        if self.is_high() {
            decision.close_valve(condition::CO_HIGH);
        }
    }

    pub(crate) fn due_ms(&self, settings: &HouseholdLeak) -> Option<i64> {
        let low = self.low.rises_at_ms(minutes(settings.co_low_minutes));
        let high = self.high.rises_at_ms(minutes(settings.co_high_minutes));
        [low, high].into_iter().flatten().min()
    }

    pub(crate) fn is_quiet(&self) -> bool {
        *self == Self::default()
    }

    fn is_high(&self) -> bool {
        self.high.holds() || self.extreme.holds()
    }
}

fn minutes(minutes: u32) -> i64 {
    i64::from(minutes) * MINUTE_MS
}
