//! The alarm state machine of ISA-18.2 / IEC 62682.

use crate::device::{Condition, Priority};
use crate::id::{AlarmId, DeviceId, UserId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Where an alarm stands. `Normal` is the end of one occurrence; the next one is a new alarm with a new id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u16)]
pub enum AlarmState {
    /// No alarm.
    Normal = 0,
    /// Active, nobody has acknowledged it.
    Unacknowledged = 1,
    /// Active, acknowledged.
    Acknowledged = 2,
    /// The condition has gone, nobody has acknowledged it.
    ReturnedUnacknowledged = 3,
    /// The condition has gone, the alarm holds until a reset; not acknowledged.
    LatchedUnacknowledged = 4,
    /// The condition has gone, the alarm holds until a reset; acknowledged.
    LatchedAcknowledged = 5,
    /// Hidden by an operator until a set time; never possible for a latching alarm.
    Shelved = 6,
    /// Hidden by design, for instance during maintenance.
    SuppressedByDesign = 7,
    /// Taken out of service.
    OutOfService = 8,
}

/// Who raised an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u16)]
pub enum Origin {
    /// The statutory floor.
    Floor = 1,
    /// The tenant's rule.
    Rule = 2,
    /// The platform itself (silence, rule fault, unverified close).
    Platform = 3,
}

/// One occurrence of an alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Its id.
    pub id: AlarmId,
    /// The device it is about.
    pub device: DeviceId,
    /// What it is about; unique among the device's active alarms.
    pub condition: Condition,
    /// How urgent; only ever lifted while active.
    pub priority: Priority,
    /// Who raised it.
    pub origin: Origin,
    /// Where it stands.
    pub state: AlarmState,
    /// When it was raised (the platform's clock).
    pub raised_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
}

/// What can happen to an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum AlarmEvent {
    /// The condition is there (again).
    Raise {
        /// The priority that is asked for.
        priority: Priority,
    },
    /// The condition has gone.
    Clear,
    /// A person has seen it.
    Acknowledge {
        /// Who.
        by: UserId,
    },
    /// A person resets a latched alarm; needs fresh low readings.
    Reset {
        /// Who.
        by: UserId,
        /// Whether fresh readings below the low level are at hand.
        fresh_low_readings: bool,
    },
}
