//! The alarm world: reading an event, and building up what a policy decided.

mod event;

pub use event::Trigger;

use crate::codes::condition;
use crate::contract::{Event, Outcome, Raise, Timer, Wake, WakeThreshold};
use crate::policy::{Folding, World};

/// The world `davy:rules/alarm-policy`.
#[derive(Clone, Copy, Debug)]
pub enum Alarm {}

impl World for Alarm {
    const NAME: &'static str = "alarm-policy";
    type Event = Event;
    type Outcome = Outcome;
}

impl Folding for Alarm {
    type Decision = Decision;

    fn outcome(decision: Decision, state: Vec<u8>) -> Outcome {
        Outcome {
            state,
            raises: decision.raises,
            clears: decision.clears,
            close_valve: decision.close_reason.is_some(),
            close_reason: decision.close_reason.unwrap_or(0),
            timers: decision.timers,
            notes: decision.notes,
            wake: decision.wake,
        }
    }

    fn note(decision: &mut Decision, text: &str) {
        decision.note(text);
    }
}

/// Added to a quantity's code in a [`WakeThreshold`]: it wakes from its value downwards.
pub const DOWNWARDS: u16 = 0x8000;

impl WakeThreshold {
    /// Wakes the rule when a reading of the quantity is at or above the value.
    pub const fn at_or_above(quantity: u16, value: f64) -> Self {
        Self { at_or_above: value, quantity }
    }

    /// Wakes the rule when a reading of the quantity is at or below the value: a battery runs empty, a flag goes.
    pub const fn at_or_below(quantity: u16, value: f64) -> Self {
        Self { at_or_above: value, quantity: quantity | DOWNWARDS }
    }
}

/// What a policy decided, built up call by call. State is not part of it: the rule changes its state in place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    raises: Vec<Raise>,
    clears: Vec<u16>,
    close_reason: Option<u16>,
    timers: Vec<Timer>,
    notes: Vec<String>,
    wake: Option<Wake>,
}

impl Decision {
    /// Nothing to do.
    pub const fn new() -> Self {
        Self {
            raises: Vec::new(),
            clears: Vec::new(),
            close_reason: None,
            timers: Vec::new(),
            notes: Vec::new(),
            wake: None,
        }
    }

    /// Raises an alarm. A condition that was raised before keeps the higher priority; one that was cleared before within this
    /// decision is raised after all.
    pub fn raise(&mut self, condition: u16, priority: u16) -> &mut Self {
        self.raise_with_text(condition, priority, 0)
    }

    /// Raises an alarm with one of the rule's own texts.
    pub fn raise_with_text(&mut self, condition: u16, priority: u16, text: u16) -> &mut Self {
        self.clears.retain(|cleared| *cleared != condition);
        match self.raises.iter_mut().find(|raise| raise.condition == condition) {
            Some(raise) if raise.priority >= priority => {}
            Some(raise) => *raise = Raise { condition, priority, text },
            None => self.raises.push(Raise { condition, priority, text }),
        }
        self
    }

    /// Whether a condition was raised within this decision.
    pub fn raised(&self, condition: u16) -> bool {
        self.raises.iter().any(|raise| raise.condition == condition)
    }

    /// Says that a condition has gone. Not if it was raised within this decision: an alarm that came and went within one late
    /// batch of readings must be on record. Its clearing is left to a later event, so the rule must remember that it holds
    /// (see [`Decision::raised`]).
    pub fn clear(&mut self, condition: u16) -> &mut Self {
        if !self.raised(condition) && !self.clears.contains(&condition) {
            self.clears.push(condition);
        }
        self
    }

    /// Closes every linked valve because of a condition; the first reason given is kept. A close is never taken back.
    pub fn close_valve(&mut self, reason: u16) -> &mut Self {
        self.close_reason.get_or_insert(reason);
        self
    }

    /// Sets a timer; the same id again replaces it.
    pub fn set_timer(&mut self, id: u32, at_ms: i64) -> &mut Self {
        crate::timers::set(&mut self.timers, id, at_ms);
        self
    }

    /// Leaves a remark for whoever examines the decision later.
    pub fn note(&mut self, text: impl Into<String>) -> &mut Self {
        self.notes.push(text.into());
        self
    }

    /// Promises that quiet readings need no call until then; see [`Wake`].
    pub fn rest(&mut self, mut wake: Wake) -> &mut Self {
        // Their order means nothing; this is the one in which the host keeps them.
        let (mut unless, downwards): (Vec<_>, Vec<_>) =
            wake.unless.into_iter().partition(|threshold| threshold.quantity & DOWNWARDS == 0);
        unless.extend(downwards);
        wake.unless = unless;
        self.wake = Some(wake);
        self
    }

    /// Whether nothing is raised, cleared or closed.
    pub fn is_quiet(&self) -> bool {
        self.raises.is_empty() && self.clears.is_empty() && self.close_reason.is_none()
    }
}

/// Whether a condition code is known and a rule may raise or clear it; the host refuses the others.
pub fn may_raise(code: u16) -> bool {
    condition::name(code).is_some()
        && !matches!(
            code,
            condition::SILENT | condition::RULE_FAULT | condition::CLOSE_UNVERIFIED | condition::FLOW_AFTER_CLOSE
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::priority;

    #[test]
    fn raising_again_keeps_the_higher_priority() {
        let mut decision = Decision::new();
        decision.raise(condition::GAS_LOW, priority::URGENT).raise(condition::GAS_LOW, priority::LOW);
        assert_eq!(decision.raises, [Raise { condition: condition::GAS_LOW, priority: priority::URGENT, text: 0 }]);
    }

    #[test]
    fn what_came_and_went_in_one_event_stays_on_record() {
        let mut decision = Decision::new();
        decision.raise(condition::CO_LOW, priority::HIGH).clear(condition::CO_LOW);
        assert!(decision.raised(condition::CO_LOW));
        assert!(decision.clears.is_empty());
    }

    #[test]
    fn what_went_and_came_back_in_one_event_is_raised() {
        let mut decision = Decision::new();
        decision.clear(condition::CO_LOW);
        decision.raise(condition::CO_LOW, priority::HIGH);
        assert!(decision.clears.is_empty());
    }

    #[test]
    fn a_close_is_never_taken_back_and_keeps_its_first_reason() {
        let mut decision = Decision::new();
        decision.close_valve(condition::GAS_HIGH).close_valve(condition::CO_HIGH).clear(condition::GAS_HIGH);
        let outcome = Alarm::outcome(decision, Vec::new());
        assert!(outcome.close_valve);
        assert_eq!(outcome.close_reason, condition::GAS_HIGH);
    }

    #[test]
    fn setting_a_timer_again_replaces_it() {
        let mut decision = Decision::new();
        decision.set_timer(1, 10).set_timer(2, 20).set_timer(1, 30);
        assert_eq!(decision.timers, [Timer { id: 1, at_ms: 30 }, Timer { id: 2, at_ms: 20 }]);
    }
}
