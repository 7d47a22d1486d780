//! The alarm state machine of ISA-18.2 / IEC 62682.
//!
//! An alarm is present as long as anybody asserts its condition: the statutory floor, the tenant's rule or the platform.
//! One party's *clear* withdraws that party's assertion only, so a rule can never end what the floor still holds.
//!
//! Never here: a way to hide a latching or leak alarm, or to end one without a person and fresh low readings
//! (Safety Production Law art. 36: nobody may disable an alarm).

use crate::device::{Condition, Priority, coded};
use crate::id::{AlarmId, DeviceId, UserId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

coded! {
    /// Where an alarm stands. `Normal` is the end of one occurrence; the next one is a new alarm with a new id.
    AlarmState {
        /// No alarm: this occurrence has ended.
        Normal = 0, "normal";
        /// Active, nobody has acknowledged it.
        Unacknowledged = 1, "unacknowledged";
        /// Active, acknowledged.
        Acknowledged = 2, "acknowledged";
        /// The condition has gone, nobody has acknowledged it.
        ReturnedUnacknowledged = 3, "returned-unacknowledged";
        /// The condition has gone, the alarm holds until a reset; not acknowledged.
        LatchedUnacknowledged = 4, "latched-unacknowledged";
        /// The condition has gone, the alarm holds until a reset; acknowledged.
        LatchedAcknowledged = 5, "latched-acknowledged";
        /// Hidden by an operator until a set time; never possible for a latching, leak, high or urgent alarm.
        Shelved = 6, "shelved";
        /// Hidden by design, for instance during maintenance.
        SuppressedByDesign = 7, "suppressed-by-design";
        /// Taken out of service.
        OutOfService = 8, "out-of-service";
    }
}

impl AlarmState {
    /// Whether the alarm still exists: everything but [`AlarmState::Normal`]. At most one per (device, condition).
    pub const fn is_active(self) -> bool {
        !matches!(self, Self::Normal)
    }

    /// Whether it is kept from the alarm list on purpose.
    pub const fn is_hidden(self) -> bool {
        matches!(self, Self::Shelved | Self::SuppressedByDesign | Self::OutOfService)
    }
}

coded! {
    /// Who raised an alarm.
    Origin {
        /// The statutory floor.
        Floor = 1, "floor";
        /// The tenant's rule.
        Rule = 2, "rule";
        /// The platform itself (silence, rule fault, unverified close).
        Platform = 3, "platform";
        /// The driver of the device's model, which cannot read or write its messages.
        Driver = 4, "driver";
    }
}

/// Who holds, at this moment, that the condition is there. Bit `n` stands for the [`Origin`] with code `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Asserted(u8);

impl Asserted {
    /// Nobody.
    pub const NOBODY: Self = Self(0);
    /// One party alone.
    pub const fn by(origin: Origin) -> Self {
        Self(1 << origin.code())
    }
    /// From the stored bits.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
    /// The bits to store.
    pub const fn bits(self) -> u8 {
        self.0
    }
    /// Whether this party is among them.
    pub const fn contains(self, origin: Origin) -> bool {
        self.0 & (1 << origin.code()) != 0
    }
    /// These and one more.
    pub const fn with(self, origin: Origin) -> Self {
        Self(self.0 | (1 << origin.code()))
    }
    /// These but one.
    pub const fn without(self, origin: Origin) -> Self {
        Self(self.0 & !(1 << origin.code()))
    }
    /// Whether nobody does.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
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
    /// Who raised it first.
    pub origin: Origin,
    /// Where it stands.
    pub state: AlarmState,
    /// Who holds now that the condition is there.
    pub asserted: Asserted,
    /// When the shelf ends, while [`AlarmState::Shelved`].
    pub shelved_until: Option<Timestamp>,
    /// When it was raised (the platform's clock).
    pub raised_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
}

impl Alarm {
    /// A new occurrence: nothing becomes an alarm in any other way.
    pub const fn raised(
        id: AlarmId,
        device: DeviceId,
        condition: Condition,
        priority: Priority,
        origin: Origin,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            device,
            condition,
            priority,
            origin,
            state: AlarmState::Unacknowledged,
            asserted: Asserted::by(origin),
            shelved_until: None,
            raised_at: now,
            changed_at: now,
        }
    }

    /// Whether it may be shelved, suppressed or taken out of service: never a latching, leak, high or urgent one.
    pub const fn may_be_hidden(&self) -> bool {
        may_be_hidden(self.condition, self.priority)
    }
}

const fn may_be_hidden(condition: Condition, priority: Priority) -> bool {
    !condition.latches() && !condition.is_leak() && matches!(priority, Priority::Low | Priority::Medium)
}

/// What can happen to an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum AlarmEvent {
    /// The condition is there (again), says this party.
    Raise {
        /// The priority that is asked for.
        priority: Priority,
        /// Who says so.
        origin: Origin,
    },
    /// This party holds no longer that the condition is there.
    Clear {
        /// Who says so.
        origin: Origin,
    },
    /// A person has seen it.
    Acknowledge {
        /// Who.
        by: UserId,
    },
    /// A person resets a latched alarm; needs fresh low readings.
    Reset {
        /// Who.
        by: UserId,
        /// Whether fresh readings below the low level are at hand. The interlock overwrites this with what it knows.
        fresh_low_readings: bool,
    },
    /// An operator hides it for a while.
    Shelve {
        /// Who.
        by: UserId,
        /// Until when; in the future, at most 24 h ahead.
        until: Timestamp,
    },
    /// An operator takes it off the shelf.
    Unshelve {
        /// Who.
        by: UserId,
    },
    /// The time on the shelf is over.
    ShelfEnded,
    /// Hidden by design, for instance while the device is being maintained.
    Suppress {
        /// Who.
        by: UserId,
    },
    /// The reason for hiding it by design has gone.
    Unsuppress {
        /// Who.
        by: UserId,
    },
    /// Taken out of service.
    TakeOutOfService {
        /// Who.
        by: UserId,
    },
    /// Put back into service.
    ReturnToService {
        /// Who.
        by: UserId,
    },
}

impl AlarmEvent {
    /// The person behind the event, if it is a person's.
    pub const fn by(self) -> Option<UserId> {
        match self {
            Self::Acknowledge { by }
            | Self::Reset { by, .. }
            | Self::Shelve { by, .. }
            | Self::Unshelve { by }
            | Self::Suppress { by }
            | Self::Unsuppress { by }
            | Self::TakeOutOfService { by }
            | Self::ReturnToService { by } => Some(by),
            Self::Raise { .. } | Self::Clear { .. } | Self::ShelfEnded => None,
        }
    }
}

coded! {
    /// What a transition means for people.
    AlarmEffect {
        /// Call for a response, with sound: new, or back again (GB 16808: the sound starts again).
        Annunciate = 1, "annunciate";
        /// Somebody has taken it on: the sound stops.
        Quiet = 2, "quiet";
        /// The condition has gone, the alarm stays in the list.
        Returned = 3, "returned";
        /// This occurrence is over.
        End = 4, "end";
        /// It leaves the list on purpose.
        Hide = 5, "hide";
        /// Only the record changes (one more, or one less, party asserts it).
        Note = 6, "note";
    }
}

/// A change of an alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmStep {
    /// The alarm after the event.
    pub alarm: Alarm,
    /// What that means for people.
    pub effect: AlarmEffect,
}

/// Why an event of a person is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmRefusal {
    /// The occurrence is over.
    #[error("the alarm has ended: look at the device's current alarms")]
    Ended,
    /// A reset while the condition is still there.
    #[error("the condition is still there: a reset is possible once it has gone")]
    StillPresent,
    /// A reset without proof.
    #[error("a reset needs a fresh reading below the low level: wait for the device's next report")]
    NoFreshLowReadings,
    /// Shelving, suppressing or taking out of service what must stay visible.
    #[error("a leak, latching, high or urgent alarm cannot be hidden")]
    MustStayVisible,
    /// A shelf without end or too long.
    #[error("a shelf must end between now and 24 hours from now")]
    ShelfTime,
    /// A person's event while it is hidden in another way.
    #[error("the alarm is {state}: bring it back into the list first")]
    Hidden {
        /// How it is hidden.
        state: AlarmState,
    },
}

/// The longest time on the shelf: one day, in milliseconds (IEC 62682 §11.3 asks for a bound; the figure is ours).
const LONGEST_SHELF_MS: i64 = 24 * 3_600 * 1_000;

/// One event happens to one alarm: the whole state machine.
///
/// `Ok(None)` when the event changes nothing, which is what a repeat does.
///
/// # Errors
/// [`AlarmRefusal`] for a person's event that is not permitted in this state.
pub fn step(alarm: &Alarm, event: AlarmEvent, now: Timestamp) -> Result<Option<AlarmStep>, AlarmRefusal> {
    use AlarmState as S;
    let hidden = |state| AlarmRefusal::Hidden { state };
    match event {
        AlarmEvent::Raise { priority, origin } => Ok(raise(alarm, priority, origin, now)),
        AlarmEvent::Clear { origin } => Ok(clear(alarm, origin, now)),
        AlarmEvent::Acknowledge { .. } => match alarm.state {
            S::Unacknowledged => Ok(Some(to(alarm, S::Acknowledged, AlarmEffect::Quiet, now))),
            S::ReturnedUnacknowledged => Ok(Some(to(alarm, S::Normal, AlarmEffect::End, now))),
            S::LatchedUnacknowledged => Ok(Some(to(alarm, S::LatchedAcknowledged, AlarmEffect::Quiet, now))),
            S::Acknowledged | S::LatchedAcknowledged => Ok(None),
            S::Normal => Err(AlarmRefusal::Ended),
            S::Shelved | S::SuppressedByDesign | S::OutOfService => Err(hidden(alarm.state)),
        },
        AlarmEvent::Reset { fresh_low_readings, .. } => match alarm.state {
            S::LatchedUnacknowledged | S::LatchedAcknowledged if !fresh_low_readings => {
                Err(AlarmRefusal::NoFreshLowReadings)
            }
            // Reset and acknowledgement are two acts (ISA-18.2); either may come first.
            S::LatchedUnacknowledged => Ok(Some(to(alarm, S::ReturnedUnacknowledged, AlarmEffect::Returned, now))),
            S::LatchedAcknowledged => Ok(Some(to(alarm, S::Normal, AlarmEffect::End, now))),
            S::ReturnedUnacknowledged => Ok(None),
            S::Unacknowledged | S::Acknowledged => Err(AlarmRefusal::StillPresent),
            S::Normal => Err(AlarmRefusal::Ended),
            S::Shelved | S::SuppressedByDesign | S::OutOfService => Err(hidden(alarm.state)),
        },
        AlarmEvent::Shelve { until, .. } => {
            let span = until.since(now).as_millis();
            if span <= 0 || span > LONGEST_SHELF_MS {
                return Err(AlarmRefusal::ShelfTime);
            }
            hide(alarm, S::Shelved, Some(until), now)
        }
        AlarmEvent::Suppress { .. } => hide(alarm, S::SuppressedByDesign, None, now),
        AlarmEvent::TakeOutOfService { .. } => hide(alarm, S::OutOfService, None, now),
        AlarmEvent::Unshelve { .. } | AlarmEvent::ShelfEnded => unhide(alarm, S::Shelved, now),
        AlarmEvent::Unsuppress { .. } => unhide(alarm, S::SuppressedByDesign, now),
        AlarmEvent::ReturnToService { .. } => unhide(alarm, S::OutOfService, now),
    }
}

fn to(alarm: &Alarm, state: AlarmState, effect: AlarmEffect, now: Timestamp) -> AlarmStep {
    AlarmStep { alarm: Alarm { state, shelved_until: None, changed_at: now, ..alarm.clone() }, effect }
}

fn raise(alarm: &Alarm, priority: Priority, origin: Origin, now: Timestamp) -> Option<AlarmStep> {
    use AlarmState as S;
    let lifted = priority > alarm.priority;
    let priority = priority.max(alarm.priority);
    let asserted = alarm.asserted.with(origin);
    let state = match alarm.state {
        S::Normal => return None,
        S::Unacknowledged | S::ReturnedUnacknowledged | S::LatchedUnacknowledged | S::LatchedAcknowledged => {
            S::Unacknowledged
        }
        // Whoever acknowledged it acknowledged something less urgent.
        S::Acknowledged if lifted => S::Unacknowledged,
        S::Acknowledged => S::Acknowledged,
        S::Shelved | S::SuppressedByDesign | S::OutOfService if !may_be_hidden(alarm.condition, priority) => {
            S::Unacknowledged
        }
        S::Shelved | S::SuppressedByDesign | S::OutOfService => alarm.state,
    };
    let heard = state != alarm.state || (lifted && !state.is_hidden());
    if !heard && !lifted && asserted == alarm.asserted {
        return None;
    }
    let shelved_until = if state.is_hidden() { alarm.shelved_until } else { None };
    let effect = if heard { AlarmEffect::Annunciate } else { AlarmEffect::Note };
    Some(AlarmStep {
        alarm: Alarm { state, priority, asserted, shelved_until, changed_at: now, ..alarm.clone() },
        effect,
    })
}

fn clear(alarm: &Alarm, origin: Origin, now: Timestamp) -> Option<AlarmStep> {
    use AlarmState as S;
    if !alarm.asserted.contains(origin) {
        return None;
    }
    let asserted = alarm.asserted.without(origin);
    let latches = alarm.condition.latches();
    let (state, effect) = match alarm.state {
        S::Normal => return None,
        _ if !asserted.is_empty() => (alarm.state, AlarmEffect::Note),
        S::Unacknowledged if latches => (S::LatchedUnacknowledged, AlarmEffect::Returned),
        S::Unacknowledged => (S::ReturnedUnacknowledged, AlarmEffect::Returned),
        S::Acknowledged if latches => (S::LatchedAcknowledged, AlarmEffect::Returned),
        S::Acknowledged => (S::Normal, AlarmEffect::End),
        // Not there any more, but hidden things stay where they are until they are brought back.
        S::ReturnedUnacknowledged
        | S::LatchedUnacknowledged
        | S::LatchedAcknowledged
        | S::Shelved
        | S::SuppressedByDesign
        | S::OutOfService => (alarm.state, AlarmEffect::Note),
    };
    Some(AlarmStep { alarm: Alarm { state, asserted, changed_at: now, ..alarm.clone() }, effect })
}

fn hide(
    alarm: &Alarm,
    state: AlarmState,
    until: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<AlarmStep>, AlarmRefusal> {
    if !alarm.state.is_active() {
        return Err(AlarmRefusal::Ended);
    }
    if !alarm.may_be_hidden() {
        return Err(AlarmRefusal::MustStayVisible);
    }
    if alarm.state.is_hidden() && alarm.state != state {
        return Err(AlarmRefusal::Hidden { state: alarm.state });
    }
    if alarm.state == state && alarm.shelved_until == until {
        return Ok(None);
    }
    let alarm = Alarm { state, shelved_until: until, changed_at: now, ..alarm.clone() };
    Ok(Some(AlarmStep { alarm, effect: AlarmEffect::Hide }))
}

fn unhide(alarm: &Alarm, from: AlarmState, now: Timestamp) -> Result<Option<AlarmStep>, AlarmRefusal> {
    if !alarm.state.is_active() {
        return Err(AlarmRefusal::Ended);
    }
    if alarm.state != from {
        return Ok(None);
    }
    Ok(Some(if alarm.asserted.is_empty() {
        to(alarm, AlarmState::Normal, AlarmEffect::End, now)
    } else {
        to(alarm, AlarmState::Unacknowledged, AlarmEffect::Annunciate, now)
    }))
}
