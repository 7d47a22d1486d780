//! What a step asks of the platform: to be persisted in one commit, then carried out.

use crate::alarm::{Alarm, AlarmEffect, AlarmEvent, AlarmRefusal, AlarmState};
use crate::command::{Command, CommandEffect, CommandState};
use crate::device::{Condition, Priority, coded};
use crate::floor::FloorHit;
use crate::id::{AlarmId, CommandId, DeviceId, NoticeId};
use crate::policy::{Evaluation, PolicyEvent, PolicyTimer};
use crate::quantity::{Quantity, Reading};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Everything that one step changes. What is here is the whole truth about the step: what is stored from it, with the
/// journal of uplinks, is enough to restore the interlock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// Alarms that are new or changed, in order; one alarm may be there twice.
    pub alarms: Vec<AlarmChange>,
    /// Commands that are new or changed, in order; one command may be there more than once.
    pub commands: Vec<CommandChange>,
    /// Timers of the tenant's rule that were set or are gone.
    pub timers: Vec<TimerChange>,
    /// What people must be told: rows for the outbox.
    pub notices: Vec<Notice>,
    /// Why things happened: rule calls that had an effect or failed anew, and what the floor found.
    pub decisions: Vec<Decision>,
    /// Devices whose rule memory changed, with the bytes to store (opaque to the store).
    pub rule_state: Vec<(DeviceId, Vec<u8>)>,
    /// Readings that were folded, by the device that measured them.
    pub readings: Vec<(DeviceId, Reading)>,
    /// Devices with something new to send (a gateway for its children).
    pub deliver: Vec<DeviceId>,
    /// Children that the gateway named and the interlock does not know: (gateway, serial).
    pub unknown_children: Vec<(DeviceId, String)>,
    /// Why the input was refused, if it was.
    pub rejected: Option<RejectReason>,
}

impl Effects {
    /// Whether nothing but the readings needs to be stored: the quiet path.
    pub const fn is_empty(&self) -> bool {
        self.alarms.is_empty()
            && self.commands.is_empty()
            && self.timers.is_empty()
            && self.notices.is_empty()
            && self.decisions.is_empty()
            && self.rule_state.is_empty()
            && self.deliver.is_empty()
            && self.unknown_children.is_empty()
            && self.rejected.is_none()
    }

    /// Empties it and keeps its buffers for the next step.
    pub fn clear(&mut self) {
        self.readings.clear();
        if self.is_empty() {
            return;
        }
        self.alarms.clear();
        self.commands.clear();
        self.timers.clear();
        self.notices.clear();
        self.decisions.clear();
        self.rule_state.clear();
        self.deliver.clear();
        self.unknown_children.clear();
        self.rejected = None;
    }
}

/// A new or changed alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmChange {
    /// Where it stood; `Normal` for a new one.
    pub before: AlarmState,
    /// The alarm after the change.
    pub alarm: Alarm,
    /// What happened.
    pub event: AlarmEvent,
    /// What that means for people.
    pub effect: AlarmEffect,
}

/// A new or changed command.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandChange {
    /// Where it stood; `None` for a new one.
    pub before: Option<CommandState>,
    /// The command after the change.
    pub command: Command,
    /// What the change asks for; `None` for a new one.
    pub effect: Option<CommandEffect>,
}

/// A timer of the tenant's rule, kept so that it survives a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerChange {
    /// Set, or set anew.
    Set {
        /// For which device.
        device: DeviceId,
        /// The rule's name for it and when it is due.
        timer: PolicyTimer,
    },
    /// Due and delivered, or dropped with the rule that set it.
    Gone {
        /// For which device.
        device: DeviceId,
        /// The rule's name for it.
        id: u32,
    },
}

coded! {
    /// What people are told.
    NoticeKind {
        /// An alarm is new, back again or more urgent.
        AlarmRaised = 1, "alarm-raised";
        /// An alarm's condition has gone.
        AlarmReturned = 2, "alarm-returned";
        /// An alarm is over.
        AlarmEnded = 3, "alarm-ended";
        /// A valve is proven closed.
        ValveClosed = 4, "valve-closed";
        /// A close could not be proven: a person must go.
        CloseUnverified = 5, "close-unverified";
        /// The permission to open has reached the meter.
        ValveArmed = 6, "valve-armed";
        /// Somebody has taken an alarm on.
        AlarmAcknowledged = 7, "alarm-acknowledged";
    }
}

/// One thing that people must be told: a row of the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Its id.
    pub id: NoticeId,
    /// What it says.
    pub kind: NoticeKind,
    /// When it came up.
    pub at: Timestamp,
    /// The device it is about.
    pub device: DeviceId,
    /// The alarm it is about, if it is about one.
    pub alarm: Option<AlarmId>,
    /// The command it is about, if it is about one.
    pub command: Option<CommandId>,
    /// The condition of the alarm.
    pub condition: Option<Condition>,
    /// How urgent it is.
    pub priority: Priority,
}

impl Notice {
    /// The key of its text in the translations, such as `alarm-raised.gas-high`.
    pub fn text_key(&self) -> String {
        match self.condition {
            Some(condition) => format!("{}.{}", self.kind.name(), condition.name()),
            None => self.kind.name().to_owned(),
        }
    }
}

/// Which rule decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RuleRef {
    /// SHA-256 of the component.
    pub digest: [u8; 32],
    /// The version of its settings.
    pub settings_version: u32,
}

/// Why something happened, complete enough to be executed again.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// About which device.
    pub device: DeviceId,
    /// When (the platform's clock).
    pub at: Timestamp,
    /// The rule that was asked; `None` when the floor decided alone.
    pub rule: Option<RuleRef>,
    /// What it was told.
    pub input: PolicyEvent,
    /// Its memory before.
    pub state_before: Vec<u8>,
    /// What it answered and what that cost; `None` when no rule was asked.
    pub evaluation: Option<Evaluation>,
    /// What the statutory floor found.
    pub floor: Vec<FloorHit>,
    /// The alarms that changed by it.
    pub alarms: Vec<AlarmId>,
    /// The commands that changed by it.
    pub commands: Vec<CommandId>,
}

/// Why an input was refused. The input itself has changed nothing then; what was due before it may be in the effects too.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum RejectReason {
    /// No such device in this interlock.
    #[error("{device} does not belong to this interlock")]
    UnknownDevice {
        /// What came.
        device: DeviceId,
    },
    /// No such active alarm.
    #[error("{alarm} is not an active alarm of this interlock")]
    UnknownAlarm {
        /// What came.
        alarm: AlarmId,
    },
    /// No such open command for this device.
    #[error("{command} is not a command of this device")]
    UnknownCommand {
        /// What came.
        command: CommandId,
    },
    /// A device without a valve.
    #[error("{device} has no valve to move")]
    NoValve {
        /// What came.
        device: DeviceId,
    },
    /// Only the platform orders a close for a leak or a rule.
    #[error("a person's request must name a person as its cause")]
    NotAPersonsCause,
    /// An active alarm forbids the permission to open.
    #[error("{alarm} ({condition}) must be dealt with before the valve may be opened")]
    ArmBlocked {
        /// Which one.
        alarm: AlarmId,
        /// What it is about.
        condition: Condition,
    },
    /// A close is under way; it beats an arm.
    #[error("{command} is closing this valve: wait until that is proven")]
    ArmBeatenByClose {
        /// The close.
        command: CommandId,
    },
    /// The same is under way.
    #[error("{command} does the same and is under way")]
    AlreadyUnderWay {
        /// The open command.
        command: CommandId,
    },
    /// Too little charge for an actuation that is no emergency.
    #[error("the battery must have more than {needed} % for this, it has {percent} %")]
    BatteryLow {
        /// What it has.
        percent: f64,
        /// What it needs.
        needed: f64,
    },
    /// Too hot or too cold for an actuation that is no emergency.
    #[error("the device must be between {low} and {high} °C for this, it is at {celsius} °C")]
    Temperature {
        /// Its temperature.
        celsius: f64,
        /// The lowest.
        low: f64,
        /// The highest.
        high: f64,
    },
    /// Raising and clearing is not for people.
    #[error("a person may acknowledge, reset, shelve, suppress or take out of service, nothing else")]
    NotAPersonsEvent,
    /// The alarm's state machine does not permit it.
    #[error(transparent)]
    Alarm {
        /// Why.
        #[from]
        refusal: AlarmRefusal,
    },
    /// A reset without proof that the condition has gone.
    #[error(transparent)]
    Reset {
        /// What is missing.
        #[from]
        block: ResetBlock,
    },
}

/// What stands against the reset of a latched alarm.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResetBlock {
    /// The valve's report does not prove it closed.
    #[error("the valve is not proven closed: a reset is possible once it has reported that")]
    ValveNotClosed,
    /// The device has never reported the quantity.
    #[error("the device has not reported `{}` yet: wait for its next report", quantity.senml_name())]
    NoReading {
        /// What is missing.
        quantity: Quantity,
    },
    /// The newest reading is not below the level at which the floor lets go.
    #[error("`{}` must be below {below} {}, it is at {value}", quantity.senml_name(), quantity.unit())]
    ReadingsHigh {
        /// What was measured.
        quantity: Quantity,
        /// The newest value.
        value: f64,
        /// The level.
        below: f64,
    },
    /// The newest reading is of too long ago to prove anything about now.
    #[error("the last `{}` is too old to prove anything: wait for the device's next report", quantity.senml_name())]
    ReadingTooOld {
        /// What was measured.
        quantity: Quantity,
        /// When it became known.
        at: Timestamp,
    },
}

impl RejectReason {
    /// A stable word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownDevice { .. } => "unknown-device",
            Self::UnknownAlarm { .. } => "alarm-ended",
            Self::UnknownCommand { .. } => "unknown-command",
            Self::NoValve { .. } => "no-valve",
            Self::NotAPersonsCause => "not-a-persons-cause",
            Self::ArmBlocked { .. } => "alarm-active",
            Self::ArmBeatenByClose { .. } => "close-under-way",
            Self::AlreadyUnderWay { .. } => "already-under-way",
            Self::BatteryLow { .. } => "battery-low",
            Self::Temperature { .. } => "temperature",
            Self::NotAPersonsEvent => "not-a-persons-event",
            Self::Alarm { refusal } => match refusal {
                AlarmRefusal::Ended => "alarm-ended",
                AlarmRefusal::StillPresent => "still-present",
                AlarmRefusal::NoFreshLowReadings => "no-fresh-low-readings",
                AlarmRefusal::MustStayVisible => "must-stay-visible",
                AlarmRefusal::ShelfTime => "shelf-time",
                AlarmRefusal::Hidden { .. } => "alarm-hidden",
            },
            Self::Reset { block } => match block {
                ResetBlock::ValveNotClosed => "valve-not-closed",
                ResetBlock::NoReading { .. } => "no-reading",
                ResetBlock::ReadingsHigh { .. } => "readings-high",
                ResetBlock::ReadingTooOld { .. } => "reading-too-old",
            },
        }
    }
}
