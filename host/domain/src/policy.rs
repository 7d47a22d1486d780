//! The seam between the fold and a tenant's alarm policy: what goes into the sandbox, what may come out, how it may fail.
//!
//! The fold knows policies only through [`AlarmPolicy`]; it works the same with a Wasm component, a native function or none.

use crate::device::{Condition, ConditionSet, DeviceKind, Priority, ValveState};
use crate::quantity::{Quantity, Reading};
use crate::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// The largest rule memory, in bytes.
pub const MAX_STATE_BYTES: usize = 4096;
/// The furthest a policy may set a timer.
const LONGEST_TIMER: Span = Span::from_days(400);

/// Why the policy is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// New readings of the device.
    Readings,
    /// A timer of the policy, with its id, is due.
    Timer(u32),
    /// A linked valve changed its proven position.
    ValveMoved,
}

/// What a policy is told, complete: it has no other source of knowledge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyEvent {
    /// Why it is called.
    pub trigger: Trigger,
    /// The platform's time of the event; never earlier than in the call before.
    pub now: Timestamp,
    /// What the device is.
    pub device_kind: DeviceKind,
    /// The linked valve; of several, the one that is least safely closed.
    pub valve: ValveState,
    /// Conditions of this device that have an active alarm.
    pub active: ConditionSet,
    /// When the device was installed, if known: for its service life.
    pub installed_at: Option<Timestamp>,
    /// The new readings in the order of measurement; empty unless the trigger is [`Trigger::Readings`].
    pub readings: Vec<Reading>,
    /// Named values that later versions of the platform may add.
    pub extensions: Vec<(String, String)>,
}

impl PolicyEvent {
    /// New readings of a device whose valve is open and that has no alarm; what else is known of it is added by struct update.
    pub const fn measured(device_kind: DeviceKind, now: Timestamp, readings: Vec<Reading>) -> Self {
        Self {
            trigger: Trigger::Readings,
            now,
            device_kind,
            valve: ValveState::Open,
            active: ConditionSet::EMPTY,
            installed_at: None,
            readings,
            extensions: Vec::new(),
        }
    }
}

/// An alarm that the policy wants raised. Raising an active one again has no effect but may lift its priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raise {
    /// What it is about.
    pub condition: Condition,
    /// How urgent.
    pub priority: Priority,
}

/// A timer that the policy wants; setting an id again replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyTimer {
    /// The policy's own name for it.
    pub id: u32,
    /// When it is due.
    pub at: Timestamp,
}

/// A promise of the policy: until `not_before`, readings that meet no `unless` would change nothing, so it need not be called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wake {
    /// Until when quiet readings may be folded without a call.
    pub not_before: Timestamp,
    /// Call all the same when a reading of the quantity is at or above the value.
    pub unless: Vec<(Quantity, f64)>,
    /// Call all the same when a reading of the quantity is at or below the value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unless_below: Vec<(Quantity, f64)>,
    /// Call all the same when a linked valve moves.
    pub on_valve: bool,
}

/// What a policy decided.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyOutcome {
    /// The policy's memory after this event, at most [`MAX_STATE_BYTES`].
    pub state: Vec<u8>,
    /// Alarms to raise.
    pub raise: Vec<Raise>,
    /// Conditions that have gone.
    pub clear: Vec<Condition>,
    /// Whether every linked valve is to be closed.
    pub close_valve: bool,
    /// Timers to set.
    pub timers: Vec<PolicyTimer>,
    /// The wake condition, if it gives one.
    pub wake: Option<Wake>,
    /// What it says beside its decision.
    #[serde(default, skip_serializing_if = "Words::is_empty")]
    pub words: Words,
}

/// What a policy says beside its decision, for people: kept with the alarms that it moves, with no effect on anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// Why it raises a condition; for those that it gives a text for.
    pub texts: Vec<(Condition, Text)>,
    /// Remarks for whoever examines the decision later; never for residents.
    pub notes: Vec<String>,
}

/// A text in the languages of the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Simplified Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Words {
    /// Whether it says nothing.
    pub const fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.notes.is_empty()
    }

    /// The text for a condition.
    pub fn text(&self, condition: Condition) -> Option<&Text> {
        self.texts.iter().find(|(of, _)| *of == condition).map(|(_, text)| text)
    }
}

impl PolicyOutcome {
    /// What the contract forbids, whatever the device's state is. The fold refuses an answer that fails it, and whoever makes
    /// a stored decision again must refuse it, too.
    ///
    /// # Errors
    /// The field, what was expected and what came.
    pub fn check(&self, now: Timestamp) -> Result<(), String> {
        if self.state.len() > MAX_STATE_BYTES {
            return Err(format!("state must be at most {MAX_STATE_BYTES} bytes, got {}", self.state.len()));
        }
        for condition in self.raise.iter().map(|raise| raise.condition).chain(self.clear.iter().copied()) {
            if !condition.for_rules() {
                return Err(format!("`{condition}` belongs to the platform: a rule may neither raise nor clear it"));
            }
        }
        if let Some(both) = self.raise.iter().find(|raise| self.clear.contains(&raise.condition)) {
            return Err(format!("`{}` must be raised or cleared, got both", both.condition));
        }
        for timer in &self.timers {
            if timer.at < now || timer.at > now + LONGEST_TIMER {
                return Err(format!(
                    "timer {} must be due between now and {LONGEST_TIMER} from now, got {}",
                    timer.id,
                    timer.at.since(now)
                ));
            }
        }
        Ok(())
    }
}

/// How a policy failed. Whatever it is, the statutory floor stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "fault")]
pub enum PolicyFault {
    /// The component trapped (panicked, divided by zero, read out of bounds, overflowed its stack).
    #[error("the rule trapped: {reason}")]
    Trap {
        /// The engine's word for it.
        reason: String,
    },
    /// The published budget of instructions is used up.
    #[error("the rule used up its fuel of {limit}")]
    OutOfFuel {
        /// The budget.
        limit: u64,
    },
    /// The wall-clock backstop struck.
    #[error("the rule ran past its deadline")]
    Deadline,
    /// It was not asked: its calls before burnt more than a rule may.
    #[error("the rule was not asked: its calls before burnt too much")]
    Suspended,
    /// It asked for more memory than it may have, or returned more than the host lifts.
    #[error("the rule went over a limit: {what}")]
    Limit {
        /// Which limit.
        what: String,
    },
    /// The outcome is not one that the contract allows.
    #[error("the rule's outcome breaks the contract: {what}")]
    Nonsense {
        /// The field, what was expected and what came.
        what: String,
    },
    /// The rule itself returned a fault.
    #[error("the rule reported: {message}")]
    Reported {
        /// Its words, cut to 500 characters.
        message: String,
    },
}

impl PolicyFault {
    /// The stable word for its kind, as in the API.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Trap { .. } => "trap",
            Self::OutOfFuel { .. } => "out-of-fuel",
            Self::Deadline => "deadline",
            Self::Suspended => "suspended",
            Self::Limit { .. } => "limit",
            Self::Nonsense { .. } => "nonsense",
            Self::Reported { .. } => "reported",
        }
    }
}

/// What the call cost and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The decision or the fault.
    pub result: Result<PolicyOutcome, PolicyFault>,
    /// Deterministic cost in fuel units.
    pub fuel: u64,
}

/// A pure alarm policy with its settings bound: the same state and event give the same evaluation on every machine.
pub trait AlarmPolicy {
    /// Folds one event.
    fn evaluate(&self, state: &[u8], event: &PolicyEvent) -> Evaluation;
}
