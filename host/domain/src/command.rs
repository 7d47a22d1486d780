//! The command state machine: an order to a device, with *verified* as its goal.
//!
//! There is no remote open. It does not exist as an [`Action`], so it cannot be asked for, stored or sent.

use crate::id::{AlarmId, CommandId, DeviceId, UserId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What a device may be ordered to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u16)]
pub enum Action {
    /// Close the valve.
    Close = 1,
    /// Permit a person at the meter to open the valve by hand (开阀许可).
    Arm = 2,
}

/// Why a command was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum Cause {
    /// A leak: the safety close, which waits for nothing.
    Leak {
        /// The alarm that ordered it.
        alarm: AlarmId,
    },
    /// A person of the gas company.
    Operator {
        /// Who.
        by: UserId,
    },
    /// The resident.
    Resident {
        /// Who.
        by: UserId,
    },
}

/// Where a command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u16)]
pub enum CommandState {
    /// Asked for.
    Requested = 1,
    /// Permitted.
    Authorised = 2,
    /// Waiting for the device to be reachable.
    Queued = 3,
    /// Handed to the transport at least once.
    Sent = 4,
    /// The device has it.
    Acknowledged = 5,
    /// The device says it has moved the valve.
    Actuated = 6,
    /// Proven: the valve reports closed and flow is zero (arm: the device reports the permission).
    Verified = 7,
    /// Refused by a rule of the platform or by the device.
    Rejected = 8,
    /// Its deadline passed before the device had it.
    Expired = 9,
    /// Superseded (a close beats an arm) or taken back.
    Cancelled = 10,
    /// The device tried and could not.
    Failed = 11,
    /// Not proven by its deadline: a person must go.
    Unverified = 12,
}

/// An order to a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Its id; one intent has one id, a repeat has no effect.
    pub id: CommandId,
    /// To whom.
    pub device: DeviceId,
    /// What to do.
    pub action: Action,
    /// Why.
    pub cause: Cause,
    /// Where it stands.
    pub state: CommandState,
    /// Strictly increasing per device and checked there, so that an old arm never beats a newer close.
    pub counter: u64,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// By when it must be verified.
    pub deadline: Timestamp,
}
