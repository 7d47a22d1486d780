//! What an interlock was told in the past, as it is read back to be folded once more: the seam between whoever stores it and
//! whoever folds it.
//!
//! Only what devices sent is history. What people did and what the platform ordered followed from it, or would have been
//! otherwise under another rule; neither is here.

use crate::device::DeviceConfig;
use crate::id::{DeviceId, InterlockId, TenantId};
use crate::senml::Part;
use crate::time::Timestamp;
use crate::wire::OutcomeReport;

/// An interlock with its devices as they are configured now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The interlock.
    pub interlock: InterlockId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its devices.
    pub devices: Vec<DeviceConfig>,
}

/// One message of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// When it arrived, by the platform's clock.
    pub at: Timestamp,
    /// Who sent it: the gateway, for its children.
    pub device: DeviceId,
    /// What it said.
    pub said: Said,
}

/// What a device said.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// Readings, of itself and of those it speaks for.
    Uplink(Vec<Part>),
    /// Readings that could be read only long after they had arrived.
    Late(Vec<Part>),
    /// What became of an order. Which order, only its counter tells.
    Outcome(OutcomeReport),
}

impl Arrival {
    /// How many readings are in it.
    pub fn readings(&self) -> usize {
        match &self.said {
            Said::Uplink(parts) | Said::Late(parts) => parts.iter().map(|part| part.readings.len()).sum(),
            Said::Outcome(_) => 0,
        }
    }
}
