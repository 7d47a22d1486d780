//! The interlock (联锁组) and its fold: from what devices, people and time say, to alarms and orders.
//!
//! An interlock is the set of devices whose readings close each other's valves: a premises' detector, valve and meter;
//! everything behind one gateway; a lone well monitor. It is the unit of sharding and of one commit. Its one mutation is
//! [`Interlock::step`]; whatever that returns must be committed before anything of it is told to the outside.
//!
//! What holds after every step, whatever the tenant's rule does (the property tests attack each of these):
//!
//! - A reading at or above the statutory floor has its alarm, and every linked valve that is not proven closed has an
//!   open close with a deadline.
//! - At most one active alarm per (device, condition). No rule ends what the floor or the platform asserts.
//! - A close that is not proven by its deadline is `Unverified`, and its device has the alarm `CloseUnverified`.
//! - While an alarm that blocks it is active, or a close is open, there is no open arm.
//! - Repeats (of an outcome, a request's id, an acknowledgement) change nothing.
//!
//! Never here: an order to open, a quota, a wait for a rule or a person before a safety close.

mod clock;
mod close;
mod device;
mod due;
mod effects;
mod flow;
mod input;
mod raise;
mod restore;
mod revert;
mod rule;
mod uplink;
mod view;

pub use clock::MOST_LEAD;
pub use effects::{
    AlarmChange, CommandChange, Decision, Effects, Notice, NoticeKind, RejectReason, ResetBlock, RuleRef, TimerChange,
};
pub use input::{Input, Transport};
pub use restore::{DeviceMemory, InterlockError, MemoryError, StoredInterlock};
pub use view::DeviceView;

use crate::floor::LocalFloor;
use crate::id::{CommandId, DeviceId, IdSource, InterlockId, TenantId};
use crate::policy::AlarmPolicy;
use crate::time::{Span, Timestamp};
use device::Device;
use std::collections::VecDeque;

/// What surrounds an interlock: the law, the tenant's rule, the platform's own figures.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The statutory floor of the tenant's jurisdiction.
    pub floor: &'a LocalFloor,
    /// The tenant's alarm policy with its settings bound; `None` when the tenant has none. A policy that should be there
    /// and could not be loaded must be bound as one that always faults, not left out.
    pub policy: Option<BoundPolicy<'a>>,
    /// The platform's own figures.
    pub limits: &'a Limits,
}

/// A tenant's alarm policy with its settings, and which one it is.
#[derive(Clone, Copy)]
pub struct BoundPolicy<'a> {
    /// The policy.
    pub policy: &'a dyn AlarmPolicy,
    /// SHA-256 of its component. Another digest starts with an empty memory.
    pub digest: [u8; 32],
    /// The version of its settings.
    pub settings_version: u32,
}

impl BoundPolicy<'_> {
    /// What decisions record about it.
    pub const fn reference(&self) -> RuleRef {
        RuleRef { digest: self.digest, settings_version: self.settings_version }
    }
}

/// The platform's own figures: neither law nor the tenant's choice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// By when a close must be proven on a device that is awake.
    pub close_deadline: Span,
    /// How long after its next expected uplink a sleepy device's close must be proven.
    pub sleepy_margin: Span,
    /// When a sleepy device without a report interval is expected.
    pub sleepy_interval: Span,
    /// The longest deadline of a repeated close; each repetition doubles it up to here.
    pub longest_retry: Span,
    /// How long an arm stays valid.
    pub arm_deadline: Span,
    /// How old a report of a closed valve may be and still count as proof, when its device has no report interval
    /// (otherwise two of its intervals).
    pub closed_proof_age: Span,
    /// How old a low reading may be for a reset, when its device has no report interval (otherwise two of its intervals).
    pub low_reading_age: Span,
    /// Flow up to here counts as none, in m³/h: below the starting flow of a G1.6 meter.
    pub zero_flow: f64,
    /// How long after a shut-off valve reported closed a meter of its premises must have measured a flow that speaks against it: two
    /// clocks are compared, and a meter averages over some seconds.
    pub flow_settles: Span,
    /// The charge, in percent, that an actuation which is no emergency needs to exceed.
    pub battery_for_arm: f64,
    /// The temperatures, in °C, within which an actuation that is no emergency is ordered.
    pub temperature_for_arm: (f64, f64),
    /// Added to two missed reports before a device is called silent.
    pub silence_margin: Span,
    /// For how long after a restart of the platform nobody is called silent.
    pub silence_grace: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            close_deadline: Span::from_secs(30),
            sleepy_margin: Span::from_secs(60),
            sleepy_interval: Span::from_hours(24),
            longest_retry: Span::from_minutes(15),
            arm_deadline: Span::from_minutes(10),
            closed_proof_age: Span::from_hours(1),
            low_reading_age: Span::from_minutes(10),
            zero_flow: 0.003,
            flow_settles: Span::from_secs(10),
            battery_for_arm: 10.0,
            temperature_for_arm: (-25.0, 55.0),
            silence_margin: Span::from_secs(30),
            silence_grace: Span::from_minutes(10),
        }
    }
}

/// How many ids of finished commands are remembered, so that a late repeat of a request has no effect.
const REMEMBERED_COMMANDS: usize = 128;

/// A set of devices whose readings close each other's valves, with everything that is known and under way.
#[derive(Clone, Debug)]
pub struct Interlock {
    id: InterlockId,
    tenant: TenantId,
    /// In the order of their ids.
    devices: Vec<Device>,
    /// The latest `now` of any step: time never runs backwards for a rule, but when the clock was wrong by more than
    /// [`MOST_LEAD`].
    clock: Timestamp,
    /// Nothing is due before this; may be early, never late.
    due: Option<Timestamp>,
    finished: VecDeque<CommandId>,
}

/// What a step carries through the fold.
struct Step<'s, 'w> {
    world: &'s World<'w>,
    ids: &'s mut IdSource,
    now: Timestamp,
    out: &'s mut Effects,
}

impl Interlock {
    /// Folds one input. Prefer [`Interlock::step_into`] where it runs often.
    pub fn step(&mut self, input: Input<'_>, now: Timestamp, world: &World<'_>, ids: &mut IdSource) -> Effects {
        let mut effects = Effects::default();
        self.step_into(input, now, world, ids, &mut effects);
        effects
    }

    /// Folds one input into `out`, which is emptied first and whose buffers are kept.
    ///
    /// Whatever is due by `now` happens before the input itself, so that the order of events does not depend on how often
    /// the caller sends [`Input::Due`].
    pub fn step_into(
        &mut self,
        input: Input<'_>,
        now: Timestamp,
        world: &World<'_>,
        ids: &mut IdSource,
        out: &mut Effects,
    ) {
        out.clear();
        self.follow_clock(now, out);
        let now = now.max(self.clock);
        self.clock = now;
        let mut step = Step { world, ids, now, out };
        self.dispatch(input, &mut step);
    }

    /// Its id.
    pub const fn id(&self) -> InterlockId {
        self.id
    }

    /// The gas company that it belongs to.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// When to send [`Input::Due`], at the latest. May be earlier than needed, never later; `None` when nothing is due ever.
    pub const fn next_due(&self) -> Option<Timestamp> {
        self.due
    }

    fn index(&self, device: DeviceId) -> Option<usize> {
        if self.devices.len() <= 4 {
            return self.devices.iter().position(|each| each.config.id == device);
        }
        self.devices.binary_search_by_key(&device, |each| each.config.id).ok()
    }

    fn child(&self, gateway: usize, serial: &str) -> Option<usize> {
        self.devices[gateway].children.get(serial).copied()
    }

    /// Something is due at `at`.
    fn due_by(&mut self, at: Timestamp) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }
}
