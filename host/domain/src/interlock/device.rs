//! What an interlock holds of one device.

use super::{Limits, RuleRef};
use crate::alarm::{Alarm, Origin};
use crate::command::{Action, Command, CommandState};
use crate::device::{Condition, ConditionSet, DeviceConfig, DeviceKind, ValveState};
use crate::policy::{PolicyTimer, Wake};
use crate::quantity::{Quantity, Reading};
use crate::time::{Span, Timestamp};
use std::collections::HashMap;

/// One slot for each quantity code.
const SLOTS: usize = Quantity::ALL.len() + 1;

/// The latest reading of a quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Latest {
    pub(super) value: f64,
    /// When it was measured, by the device.
    pub(super) at: Timestamp,
    /// When it arrived.
    pub(super) received: Timestamp,
}

impl Latest {
    /// When it was measured at the latest: a device's clock that is ahead proves nothing about the future.
    pub(super) fn known(&self) -> Timestamp {
        self.at.min(self.received)
    }
}

/// What belongs to the tenant's rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RuleMemory {
    /// The first bytes of the digest of the rule that wrote `state`.
    pub(super) writer: [u8; 8],
    pub(super) state: Vec<u8>,
    pub(super) timers: Vec<PolicyTimer>,
    /// What a former rule asserted and the present one has not raised itself.
    pub(super) inherited: ConditionSet,
    /// Since when the present rule has been in force here; kept while something is inherited.
    pub(super) adopted_at: Timestamp,
    /// Not persisted: without it the rule is merely called once more.
    pub(super) wake: Option<(RuleRef, Wake)>,
}

/// Stands in a stored memory in the place of a digest, which it is not: what is inherited comes first.
const WITH_INHERITED: [u8; 8] = [0; 8];

impl RuleMemory {
    /// As stored: eight bytes of the rule's digest, then the rule's own bytes. While something is inherited, a mark, its conditions (`u32`)
    /// and the time of the adoption (`i64`, both little-endian) come before these.
    pub(super) fn to_blob(&self) -> Vec<u8> {
        if self.inherited.is_empty() {
            return [self.writer.as_slice(), &self.state].concat();
        }
        let (inherited, since) = (self.inherited.bits().to_le_bytes(), self.adopted_at.as_millis().to_le_bytes());
        [WITH_INHERITED.as_slice(), &inherited, &since, &self.writer, &self.state].concat()
    }

    pub(super) fn read_blob(&mut self, blob: &[u8]) {
        self.wake = None;
        let mut rest = blob;
        let mut inherited = (ConditionSet::EMPTY, Timestamp::default());
        if let Some(marked) = blob.strip_prefix(&WITH_INHERITED)
            && let Some((bits, marked)) = marked.split_first_chunk()
            && let Some((since, marked)) = marked.split_first_chunk()
        {
            inherited = (
                ConditionSet::from_bits(u32::from_le_bytes(*bits)),
                Timestamp::from_millis(i64::from_le_bytes(*since)),
            );
            rest = marked;
        }
        if let Some((writer, state)) = rest.split_first_chunk() {
            self.writer = *writer;
            state.clone_into(&mut self.state);
            (self.inherited, self.adopted_at) = inherited;
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Device {
    pub(super) config: DeviceConfig,
    /// The valves that its leak closes, its own among them.
    pub(super) valves: Vec<usize>,
    /// The devices whose leak closes its valve.
    pub(super) linked_from: Vec<usize>,
    /// The shut-off valves of its premises: of a valve itself and those beside it, of a meter those that its gas passes.
    pub(super) line: Vec<usize>,
    /// Of a shut-off valve, the meters of its premises.
    pub(super) meters: Vec<usize>,
    pub(super) parent: Option<usize>,
    /// A gateway's children by their serials.
    pub(super) children: HashMap<String, usize>,
    latest: [Option<Latest>; SLOTS],
    pub(super) last_seen: Option<Timestamp>,
    /// Silence is counted from here.
    pub(super) watch_from: Timestamp,
    /// Active alarms, at most one for each condition.
    pub(super) alarms: Vec<Alarm>,
    /// The conditions of `alarms`.
    pub(super) active: ConditionSet,
    /// Open commands, lowest counter first.
    pub(super) commands: Vec<Command>,
    /// Its newest close, when the device refused or failed to carry it out.
    pub(super) refused_close: Option<Command>,
    /// The highest counter that was given.
    pub(super) counter: u64,
    /// The counter of the newest arm.
    pub(super) arm_counter: u64,
    /// The counter of the newest close that the device says it has carried out.
    pub(super) closed_counter: u64,
    /// The valve position that rules were last told of.
    pub(super) announced: ValveState,
    pub(super) rule: RuleMemory,
}

impl Device {
    pub(super) fn new(config: DeviceConfig) -> Self {
        Self {
            config,
            valves: Vec::new(),
            linked_from: Vec::new(),
            line: Vec::new(),
            meters: Vec::new(),
            parent: None,
            children: HashMap::new(),
            latest: [None; SLOTS],
            last_seen: None,
            watch_from: Timestamp::default(),
            alarms: Vec::new(),
            active: ConditionSet::EMPTY,
            commands: Vec::new(),
            refused_close: None,
            counter: 0,
            arm_counter: 0,
            closed_counter: 0,
            announced: ValveState::Unknown,
            rule: RuleMemory::default(),
        }
    }

    /// It has reported, whatever it said.
    pub(super) const fn hear(&mut self, now: Timestamp) {
        self.last_seen = Some(now);
        self.watch_from = now;
    }

    pub(super) fn latest(&self, quantity: Quantity) -> Option<&Latest> {
        self.latest[usize::from(quantity.code())].as_ref()
    }

    pub(super) fn readings(&self) -> impl Iterator<Item = (Reading, Timestamp)> {
        Quantity::ALL.iter().filter_map(|&quantity| {
            self.latest(quantity).map(|l| (Reading { quantity, value: l.value, at: l.at }, l.received))
        })
    }

    /// Keeps the reading if it is not older than the one at hand. One that claims to be from the future is taken to be
    /// from the time of its arrival, or a clock that was once ahead would hide every later reading.
    pub(super) fn absorb(&mut self, reading: &Reading, received: Timestamp) {
        let slot = &mut self.latest[usize::from(reading.quantity.code())];
        let new = Latest { value: reading.value, at: reading.at, received };
        if slot.is_none_or(|old| new.known() >= old.known()) {
            *slot = Some(new);
        }
    }

    pub(super) fn set_latest(&mut self, reading: Reading, received: Timestamp) {
        self.latest[usize::from(reading.quantity.code())] =
            Some(Latest { value: reading.value, at: reading.at, received });
    }

    pub(super) fn alarm(&self, condition: Condition) -> Option<usize> {
        if !self.active.contains(condition) {
            return None;
        }
        self.alarms.iter().position(|alarm| alarm.condition == condition)
    }

    pub(super) fn asserts(&self, condition: Condition, origin: Origin) -> bool {
        self.alarm(condition).is_some_and(|at| self.alarms[at].asserted.contains(origin))
    }

    pub(super) fn open(&self, action: Action) -> Option<&Command> {
        self.commands.iter().find(|command| command.action == action)
    }

    /// Whether the device may hold a permission to open: an arm was given and no later close is known to be carried out.
    pub(super) const fn armed(&self) -> bool {
        self.arm_counter > self.closed_counter
    }

    /// Where its valve is, as far as it is proven.
    pub(super) fn valve(&self) -> ValveState {
        if !self.config.kind.has_valve() {
            return ValveState::Unknown;
        }
        if self.asserts(Condition::CloseUnverified, Origin::Platform)
            || self.asserts(Condition::FlowAfterClose, Origin::Platform)
        {
            return ValveState::Unverified;
        }
        let acting = |command: &Command| {
            command.action == Action::Close
                && matches!(command.state, CommandState::Acknowledged | CommandState::Actuated)
        };
        if !self.commands.is_empty() && self.commands.iter().any(acting) {
            return ValveState::Closing;
        }
        match self.latest(Quantity::Valve) {
            None => ValveState::Unknown,
            Some(latest) if latest.value >= 0.5 => ValveState::Closed,
            Some(_) => ValveState::Open,
        }
    }

    /// For how long its reports count as fresh.
    pub(super) fn fresh_for(&self, otherwise: Span) -> Span {
        match self.config.report_interval {
            Some(interval) => Span::from_millis(interval.as_millis().saturating_mul(2)),
            None => otherwise,
        }
    }

    /// Whether its own latest reports say closed, and for a meter that nothing flows, each judged by `counts`.
    pub(super) fn reports_closed(&self, zero_flow: f64, counts: impl Fn(&Latest) -> bool) -> bool {
        let closed = self.latest(Quantity::Valve).is_some_and(|l| l.value >= 0.5 && counts(l));
        closed
            && (self.config.kind != DeviceKind::Meter
                || self.latest(Quantity::Flow).is_some_and(|l| l.value.abs() <= zero_flow && counts(l)))
    }

    /// Whether its valve needs no close: fresh reports prove it closed and it cannot hold a permission to open.
    pub(super) fn proven_closed(&self, now: Timestamp, limits: &Limits) -> bool {
        let oldest = now - self.fresh_for(limits.closed_proof_age);
        self.valve() == ValveState::Closed
            && !self.armed()
            && self.reports_closed(limits.zero_flow, |latest| latest.known() >= oldest)
    }

    /// When it is silent, unless it reports before.
    pub(super) fn silent_at(&self, limits: &Limits) -> Option<Timestamp> {
        if self.asserts(Condition::Silent, Origin::Platform) {
            return None;
        }
        self.silence_window(limits).map(|window| self.watch_from + window)
    }

    /// How long it may say nothing: two missed reports and a margin.
    pub(super) fn silence_window(&self, limits: &Limits) -> Option<Span> {
        let interval = self.config.report_interval?.as_millis().max(1);
        Some(Span::from_millis(interval.saturating_mul(2).saturating_add(limits.silence_margin.as_millis())))
    }

    /// Takes note of a command in whatever state, as given or as stored.
    pub(super) fn note_counters(&mut self, command: &Command) {
        self.counter = self.counter.max(command.counter);
        match command.action {
            Action::Arm => self.arm_counter = self.arm_counter.max(command.counter),
            Action::Close if command.actuated_at.is_some() => {
                self.closed_counter = self.closed_counter.max(command.counter);
            }
            Action::Close => {}
        }
    }
}
