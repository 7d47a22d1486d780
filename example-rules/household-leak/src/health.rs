//! The detector's own health: sensor end of life, service life, battery, tampering.

use crate::settings::HouseholdLeak;
use davy_rules_sdk::prelude::*;

/// A year of service, in ms: 365.25 days.
const YEAR_MS: i64 = 31_557_600_000;
/// How far the battery must recover above its level before the alarm ends, percent.
const BATTERY_HYSTERESIS: f64 = 5.0;

/// What is remembered of the detector.
#[derive(State, Clone, Debug, Default, PartialEq)]
pub(crate) struct Health {
    flag: bool,
    aged: bool,
    tamper: bool,
    battery: bool,
}

impl Health {
    pub(crate) fn reading(&mut self, settings: &HouseholdLeak, reading: &Reading, decision: &mut Decision) {
        let set = reading.value >= 0.5;
        let condition = match reading.quantity {
            quantity::END_OF_LIFE => condition::SENSOR_END_OF_LIFE,
            quantity::TAMPER => condition::TAMPER,
            quantity::BATTERY => condition::BATTERY_LOW,
            _ => return,
        };
        // What rose in this event stays for the rest of it: it must be on record.
        if decision.raised(condition) {
            return;
        }
        match reading.quantity {
            quantity::END_OF_LIFE if set != self.flag => {
                self.flag = set;
                if set {
                    decision.raise_with_text(condition::SENSOR_END_OF_LIFE, priority::MEDIUM, 6);
                } else if !self.aged {
                    decision.clear(condition::SENSOR_END_OF_LIFE);
                }
            }
            quantity::TAMPER if set != self.tamper => {
                self.tamper = set;
                if set {
                    decision.raise_with_text(condition::TAMPER, priority::MEDIUM, 9);
                } else {
                    decision.clear(condition::TAMPER);
                }
            }
            quantity::BATTERY if !self.battery && reading.value < settings.battery_low_level => {
                self.battery = true;
                decision.raise_with_text(condition::BATTERY_LOW, priority::LOW, 8);
            }
            quantity::BATTERY if self.battery && reading.value >= settings.battery_low_level + BATTERY_HYSTERESIS => {
                self.battery = false;
                decision.clear(condition::BATTERY_LOW);
            }
            _ => {}
        }
    }

    /// Looks at the age; it can fall too, when another device is installed in the place.
    pub(crate) fn age(&mut self, settings: &HouseholdLeak, event: &Event, decision: &mut Decision) {
        let aged = end_of_service(settings, event).is_some_and(|end| event.now_ms() >= end);
        if aged == self.aged {
            return;
        }
        self.aged = aged;
        if aged {
            decision.raise_with_text(condition::SENSOR_END_OF_LIFE, priority::MEDIUM, 7);
        } else if !self.flag {
            decision.clear(condition::SENSOR_END_OF_LIFE);
        }
    }

    /// When the service life will end; `None` when it has ended or is not known.
    pub(crate) fn end_of_service_ms(&self, settings: &HouseholdLeak, event: &Event) -> Option<i64> {
        if self.aged { None } else { end_of_service(settings, event) }
    }

    /// The battery's value that changes something.
    pub(crate) fn battery_wake(&self, settings: &HouseholdLeak) -> WakeThreshold {
        if self.battery {
            WakeThreshold::at_or_above(quantity::BATTERY, settings.battery_low_level + BATTERY_HYSTERESIS)
        } else {
            WakeThreshold::at_or_below(quantity::BATTERY, settings.battery_low_level)
        }
    }

    pub(crate) fn says_end(&self) -> bool {
        self.flag
    }

    pub(crate) fn is_tampered(&self) -> bool {
        self.tamper
    }
}

fn end_of_service(settings: &HouseholdLeak, event: &Event) -> Option<i64> {
    let installed = event.context.installed_at_ms?;
    Some(installed.saturating_add(i64::from(settings.service_life_years) * YEAR_MS))
}
