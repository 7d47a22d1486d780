//! The one function of a rule and what it returns; the way of a call from the contract's bytes to that function and back.

use crate::codes::{condition, fault};
use crate::contract::{CodedText, Description, Event, Fault, Localized, Outcome, Raise, Timer, Wake};
use crate::settings::Settings;
use crate::state::{Found, State};

/// An alarm policy. [`macro@crate::alarm_policy`] implements it from a function.
pub trait AlarmPolicy {
    /// What the gas company can set.
    type Settings: Settings;
    /// What the rule remembers between two calls.
    type State: State;

    /// Lower-case letters, digits and `-`, at most 64.
    const NAME: &'static str;
    /// `MAJOR.MINOR.PATCH`.
    const VERSION: &'static str;
    /// One or two sentences in Chinese and in English.
    const SUMMARY: (&'static str, &'static str);
    /// Texts for alarms: code, Chinese, English.
    const TEXTS: &'static [(u16, &'static str, &'static str)];

    /// Folds one event.
    ///
    /// # Errors
    /// A [`Fault`] when no decision is possible; the statutory floor then stands alone.
    fn decide(settings: &Self::Settings, state: &mut Self::State, event: &Event) -> Result<Decision, Fault>;
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
        match self.timers.iter_mut().find(|timer| timer.id == id) {
            Some(timer) => timer.at_ms = at_ms,
            None => self.timers.push(Timer { id, at_ms }),
        }
        self
    }

    /// Leaves a remark for whoever examines the decision later.
    pub fn note(&mut self, text: impl Into<String>) -> &mut Self {
        self.notes.push(text.into());
        self
    }

    /// Promises that quiet readings need no call until then; see [`Wake`].
    pub fn rest(&mut self, wake: Wake) -> &mut Self {
        self.wake = Some(wake);
        self
    }

    /// Whether nothing is raised, cleared or closed.
    pub fn is_quiet(&self) -> bool {
        self.raises.is_empty() && self.clears.is_empty() && self.close_reason.is_none()
    }

    fn into_outcome(self, state: Vec<u8>) -> Outcome {
        Outcome {
            state,
            raises: self.raises,
            clears: self.clears,
            close_valve: self.close_reason.is_some(),
            close_reason: self.close_reason.unwrap_or(0),
            timers: self.timers,
            notes: self.notes,
            wake: self.wake,
        }
    }
}

/// What a rule's function may return.
pub trait IntoDecision {
    /// As the one form.
    ///
    /// # Errors
    /// The rule's own fault.
    fn into_decision(self) -> Result<Decision, Fault>;
}

impl IntoDecision for Decision {
    fn into_decision(self) -> Result<Decision, Fault> {
        Ok(self)
    }
}

impl IntoDecision for Result<Decision, Fault> {
    fn into_decision(self) -> Result<Decision, Fault> {
        self
    }
}

/// One call as the host makes it: decodes, decides, encodes. The export and the native harness both run exactly this.
///
/// # Errors
/// A [`Fault`] for settings or state that do not decode, and the rule's own.
pub fn run<P: AlarmPolicy>(settings: &[u8], state: &[u8], event: &Event) -> Result<Outcome, Fault> {
    let settings = P::Settings::decode(settings)?;
    let Ok((mut state, found)) = P::State::decode(state) else {
        return Err(Fault {
            code: fault::STATE,
            field: String::new(),
            message: String::from(
                "expected the state that this rule wrote, got bytes of its layout that do not decode",
            ),
        });
    };
    let mut decision = P::decide(&settings, &mut state, event)?;
    if let Found::Foreign(_) = found {
        decision.note("state of another layout: started anew");
    }
    Ok(decision.into_outcome(state.encode()))
}

/// The rule's description of itself, with its settings schema.
pub fn describe<P: AlarmPolicy>() -> Description {
    let mut settings_schema = String::with_capacity(2048);
    P::Settings::schema(&mut settings_schema);
    let localized = |zh: &str, en: &str| Localized { zh: zh.into(), en: en.into() };
    Description {
        name: P::NAME.into(),
        version: P::VERSION.into(),
        summary: localized(P::SUMMARY.0, P::SUMMARY.1),
        settings_schema,
        texts: P::TEXTS.iter().map(|(code, zh, en)| CodedText { code: *code, text: localized(zh, en) }).collect(),
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
        let outcome = decision.into_outcome(Vec::new());
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
