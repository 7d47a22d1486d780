//! Reading an alarm event: the trigger as an enum, readings of one quantity, active conditions, the service life.

use crate::codes::trigger;
use crate::contract::{Event, Reading};
use core::fmt;

/// Why the rule is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trigger {
    /// New readings of the device.
    Readings,
    /// The rule's timer with this id is due.
    Timer(u32),
    /// A linked valve changed its proven position.
    ValveMoved,
    /// The rule begins to work for the device, or its settings are tried before they are saved.
    Start,
    /// A trigger of a later platform, with its code: answer with the state unchanged and no effects.
    Other(u16),
}

impl Event {
    /// The platform's time of the event, in ms since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        self.context.now_ms
    }

    /// Why the rule is called.
    pub fn trigger(&self) -> Trigger {
        match self.trigger {
            trigger::READINGS => Trigger::Readings,
            trigger::TIMER => Trigger::Timer(self.timer_id),
            trigger::VALVE_MOVED => Trigger::ValveMoved,
            trigger::START => Trigger::Start,
            other => Trigger::Other(other),
        }
    }

    /// The readings of one quantity code, all channels, in order of measurement.
    pub fn readings_of(&self, quantity: u16) -> impl Iterator<Item = &Reading> {
        self.readings.iter().filter(move |reading| reading.quantity == quantity)
    }

    /// Whether an alarm of this condition code is active for the device.
    pub fn is_active(&self, condition: u16) -> bool {
        condition < 64 && self.context.active_conditions & (1 << condition) != 0
    }

    /// How long the device has been installed at the time of the event, in ms; `None` when that is not known.
    pub fn in_service_ms(&self) -> Option<i64> {
        self.context.installed_at_ms.map(|installed| self.now_ms().saturating_sub(installed))
    }

    /// The value of an extension, if the platform gives it.
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Readings => f.write_str("readings"),
            Self::Timer(id) => write!(f, "timer {id}"),
            Self::ValveMoved => f.write_str("valve-moved"),
            Self::Start => f.write_str("start"),
            Self::Other(code) => write!(f, "trigger {code}"),
        }
    }
}
