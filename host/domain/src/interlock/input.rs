//! What an interlock is told.

use crate::alarm::AlarmEvent;
use crate::command::{Action, Cause, DeviceOutcome};
use crate::id::{AlarmId, CommandId, DeviceId};
use crate::senml::Part;
use crate::time::Timestamp;

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input<'a> {
    /// A device (a gateway for its children too) has reported.
    Uplink {
        /// Who sent it.
        device: DeviceId,
        /// The OSCORE sequence number it came with; replays never come this far, it is here for the record.
        sequence: Option<u64>,
        /// What it measured.
        parts: &'a [Part],
    },
    /// What a device reported some time ago can be read only now: nobody has spoken.
    Late {
        /// Who had sent it.
        device: DeviceId,
        /// What it measured then.
        parts: &'a [Part],
    },
    /// The driver of a device's model can read and write its messages, or cannot.
    Driver {
        /// Whose messages.
        device: DeviceId,
        /// Whether it cannot.
        fails: bool,
    },
    /// A device says what became of a command.
    Outcome {
        /// Who sent it (the gateway for its child).
        device: DeviceId,
        /// Of which command.
        command: CommandId,
        /// The highest counter that the device has accepted.
        counter: u64,
        /// What became of it.
        outcome: DeviceOutcome,
        /// When, by the device's clock.
        at: Timestamp,
    },
    /// A person wants a valve closed, or its opening permitted.
    Request {
        /// Whose valve.
        device: DeviceId,
        /// The id of this intent: the same id again has no effect.
        command: CommandId,
        /// What is wanted.
        action: Action,
        /// Who wants it.
        cause: Cause,
    },
    /// A person deals with an alarm.
    Person {
        /// Which one.
        alarm: AlarmId,
        /// What the person does.
        event: AlarmEvent,
    },
    /// The transport reports on a command.
    Transport {
        /// Which one.
        command: CommandId,
        /// What happened.
        event: Transport,
    },
    /// Time has passed.
    Due,
}

/// What the transport says of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// It went out in a reply or a notification.
    Sent,
    /// The notification was acknowledged.
    Delivered,
    /// The notification was given up.
    TimedOut,
}
