//! Example alarm policy for commercial kitchens: gas and carbon monoxide, where somebody cooks all day.
//!
//! A detector that cries at every wok is one that somebody hangs a bag over. So the *low* gas alarm waits longer while somebody cooks:
//! ignition puffs, burning alcohol and steam last seconds, a leak lasts. That wait has an end (two minutes at most), and the *high*
//! alarm knows nothing of it: it comes with the first reading, cooking or not (`tests/nuisance.rs` tries every settings against that).
//!
//! It must never wait for a reading that may not come: what is on the way up is decided by a timer too.

mod cooking;
mod settings;

use davy_rules_sdk::prelude::*;
pub use settings::CommercialKitchen;

/// The timer by which a level on the way up is decided though no further reading comes.
const DECIDE: u32 = 1;
const MINUTE_MS: i64 = 60_000;
/// How far carbon monoxide must fall below its level, as a share of it.
const CO_RECOVERY: f64 = 0.8;

/// What the rule remembers of one detector.
#[derive(State, Clone, Debug, Default, PartialEq)]
pub struct Memory {
    gas_low: Level,
    gas_high: Level,
    co_low: Level,
    co_high: Level,
    co_extreme: Level,
    cooking: cooking::Cooking,
}

/// One decision.
#[alarm_policy(
    name = "commercial-kitchen",
    version = "1.0.0",
    zh = "餐饮厨房:燃气与一氧化碳;烹饪干扰只可延迟低限报警,不影响高限报警。",
    en = "Commercial kitchen: gas and carbon monoxide; cooking may delay the low alarm, never the high one.",
    texts(
        1 = ("燃气浓度达到低限", "Gas at the low level"),
        2 = ("燃气浓度达到高限,已关阀", "Gas at the high level: valve closed"),
        3 = ("一氧化碳浓度偏高,请通风", "Carbon monoxide is high: ventilate"),
        4 = ("一氧化碳浓度危险,已关阀", "Carbon monoxide is dangerous: valve closed")
    )
)]
pub fn decide(settings: &CommercialKitchen, memory: &mut Memory, event: &Event) -> Decision {
    let mut decision = Decision::new();
    match event.trigger() {
        Trigger::Readings => {
            for reading in &event.readings {
                match reading.quantity {
                    quantity::TEMPERATURE => memory.cooking.temperature(settings, reading.value),
                    quantity::GAS => memory.gas(settings, reading, &mut decision),
                    quantity::CO => memory.co(settings, reading, &mut decision),
                    _ => {}
                }
            }
        }
        Trigger::Timer(DECIDE) => memory.elapse(settings, event.now_ms(), &mut decision),
        // Opened again while the leak is still there.
        Trigger::ValveMoved if event.context.valve_state == valve_state::OPEN => {
            memory.reopened(settings, &mut decision);
        }
        Trigger::ValveMoved | Trigger::Start => {}
        _ => return decision,
    }
    if let Some(due) = memory.due_ms(settings, event.now_ms()) {
        decision.set_timer(DECIDE, due.max(event.now_ms()));
    }
    if memory.is_quiet() && decision.is_quiet() {
        decision.rest(Wake {
            not_before_ms: event.now_ms().saturating_add(i64::from(settings.rest_minutes) * MINUTE_MS),
            unless: vec![
                WakeThreshold::at_or_above(quantity::GAS, settings.gas_low_level),
                WakeThreshold::at_or_above(quantity::CO, settings.co_low_level),
                WakeThreshold::at_or_above(quantity::TEMPERATURE, settings.cooking_from),
            ],
            valve_moves: true,
        });
    }
    decision
}

impl Memory {
    fn gas(&mut self, settings: &CommercialKitchen, reading: &Reading, decision: &mut Decision) {
        let (value, at) = (reading.value, reading.at_ms);
        let recovery_ms = i64::from(settings.recovery_s) * 1_000;
        // What rose in this event stays for the rest of it: a leak in a late batch of readings must be on record.
        if !decision.raised(condition::GAS_HIGH) {
            let off = (settings.gas_high_level - settings.gas_hysteresis, recovery_ms);
            match self.gas_high.update(value, at, (settings.gas_high_level, 0), off) {
                Edge::Rose => gas_high_rose(decision),
                Edge::Fell => drop(decision.clear(condition::GAS_HIGH)),
                Edge::None => {}
            }
        }
        if !decision.raised(condition::GAS_LOW) {
            let was_turning = !self.gas_low.holds() && self.gas_low.is_turning();
            let off = (settings.gas_low_level - settings.gas_hysteresis, recovery_ms);
            let on = (settings.gas_low_level, self.cooking.persistence_ms(settings, at));
            match self.gas_low.update(value, at, on, off) {
                Edge::Rose => gas_low_rose(settings, decision),
                Edge::Fell => drop(decision.clear(condition::GAS_LOW)),
                Edge::None if was_turning && !self.gas_low.is_turning() => self.cooking.peak(at),
                Edge::None => {}
            }
        }
    }

    fn co(&mut self, settings: &CommercialKitchen, reading: &Reading, decision: &mut Decision) {
        let update = |level: &mut Level, on_at: f64, minutes: u32| {
            let on = (on_at, i64::from(minutes) * MINUTE_MS);
            level.update(reading.value, reading.at_ms, on, (on_at * CO_RECOVERY, MINUTE_MS))
        };
        if !decision.raised(condition::CO_LOW) {
            match update(&mut self.co_low, settings.co_low_level, settings.co_low_minutes) {
                Edge::Rose => drop(decision.raise_with_text(condition::CO_LOW, priority::HIGH, 3)),
                Edge::Fell => drop(decision.clear(condition::CO_LOW)),
                Edge::None => {}
            }
        }
        if !decision.raised(condition::CO_HIGH) {
            let was_high = self.co_is_high();
            update(&mut self.co_extreme, settings.co_extreme_level, 0);
            update(&mut self.co_high, settings.co_high_level, settings.co_high_minutes);
            self.report_co_high(was_high, decision);
        }
    }

    /// Two levels lead to one condition: only the change of both together is an edge.
    fn report_co_high(&self, was_high: bool, decision: &mut Decision) {
        if self.co_is_high() && !was_high {
            decision.raise_with_text(condition::CO_HIGH, priority::URGENT, 4).close_valve(condition::CO_HIGH);
        } else if was_high && !self.co_is_high() {
            decision.clear(condition::CO_HIGH);
        }
    }

    fn co_is_high(&self) -> bool {
        self.co_high.holds() || self.co_extreme.holds()
    }

    fn elapse(&mut self, settings: &CommercialKitchen, now_ms: i64, decision: &mut Decision) {
        if self.gas_low.elapse(now_ms, self.cooking.persistence_ms(settings, now_ms)) == Edge::Rose {
            gas_low_rose(settings, decision);
        }
        if self.co_low.elapse(now_ms, i64::from(settings.co_low_minutes) * MINUTE_MS) == Edge::Rose {
            decision.raise_with_text(condition::CO_LOW, priority::HIGH, 3);
        }
        let was_high = self.co_is_high();
        self.co_high.elapse(now_ms, i64::from(settings.co_high_minutes) * MINUTE_MS);
        self.report_co_high(was_high, decision);
    }

    fn reopened(&self, settings: &CommercialKitchen, decision: &mut Decision) {
        if self.gas_high.holds() {
            decision.close_valve(condition::GAS_HIGH);
        } else if self.co_is_high() {
            decision.close_valve(condition::CO_HIGH);
        } else if self.gas_low.holds() && settings.close_at_low {
            decision.close_valve(condition::GAS_LOW);
        }
    }

    fn due_ms(&self, settings: &CommercialKitchen, now_ms: i64) -> Option<i64> {
        let minutes = |minutes: u32| i64::from(minutes) * MINUTE_MS;
        let gas = self.gas_low.rises_at_ms(self.cooking.persistence_ms(settings, now_ms));
        let low = self.co_low.rises_at_ms(minutes(settings.co_low_minutes));
        let high = self.co_high.rises_at_ms(minutes(settings.co_high_minutes));
        [gas, low, high].into_iter().flatten().min()
    }

    /// Peaks that are remembered do not keep the rule awake: quiet readings add none.
    fn is_quiet(&self) -> bool {
        let levels = [self.gas_low, self.gas_high, self.co_low, self.co_high, self.co_extreme];
        levels.iter().all(|level| *level == Level::default()) && !self.cooking.is_hot()
    }
}

fn gas_high_rose(decision: &mut Decision) {
    decision.raise_with_text(condition::GAS_HIGH, priority::URGENT, 2).close_valve(condition::GAS_HIGH);
}

fn gas_low_rose(settings: &CommercialKitchen, decision: &mut Decision) {
    decision.raise_with_text(condition::GAS_LOW, priority::HIGH, 1);
    if settings.close_at_low {
        decision.close_valve(condition::GAS_LOW);
    }
}
