//! Live events, as server-sent events: `event:` is the case's name, `data:` its JSON.

use crate::fleet::{AlarmItem, CommandItem};
use davy_domain::{DeviceId, Quantity, Timestamp, ValveState};
use serde::{Deserialize, Serialize};

/// What has just been committed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum LiveEvent {
    /// An alarm was raised or changed.
    Alarm {
        /// As it is now.
        alarm: Box<AlarmItem>,
    },
    /// A command changed.
    Command {
        /// As it is now.
        command: CommandItem,
    },
    /// A valve's proven position changed.
    Valve {
        /// The valve or meter.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        device: DeviceId,
        /// Its position.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        valve: ValveState,
    },
    /// New readings of a device that somebody is looking at.
    Reading {
        /// The device.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        device: DeviceId,
        /// What.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        quantity: Quantity,
        /// The value in [`Quantity::unit`].
        value: f64,
        /// When measured.
        #[cfg_attr(feature = "openapi", schema(value_type = i64))]
        at: Timestamp,
    },
    /// Events were lost because the reader was too slow: load the page's data again.
    Lagged,
}

impl LiveEvent {
    /// The name after `event:`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Alarm { .. } => "alarm",
            Self::Command { .. } => "command",
            Self::Valve { .. } => "valve",
            Self::Reading { .. } => "reading",
            Self::Lagged => "lagged",
        }
    }
}
