//! What the three folding worlds have in common: a rule is settings, state and one function; the way of a call from the
//! contract's bytes to that function and back.
//!
//! Must never look into a world: what an event or a decision is, the world's own module says.

use crate::codes::fault;
use crate::contract::{CodedText, Description, Fault, Localized};
use crate::settings::Settings;
use crate::state::{Found, State};
use core::fmt;

/// One of the contract's worlds, as a type without a value.
pub trait World: Sized + 'static {
    /// Its name in `wit/`: `alarm-policy`.
    const NAME: &'static str;
    /// What happened.
    type Event;
    /// What the contract returns.
    type Outcome: Clone + PartialEq + fmt::Debug;
}

/// A world whose rules fold events: their decision and their state become the outcome.
pub trait Folding: World {
    /// What a rule's function returns, built up call by call.
    type Decision;

    /// The decision with the rule's state after it.
    fn outcome(decision: Self::Decision, state: Vec<u8>) -> Self::Outcome;

    /// Leaves a remark in the decision.
    fn note(decision: &mut Self::Decision, text: &str);
}

/// A rule of one of the folding worlds. [`macro@crate::alarm_policy`], [`macro@crate::billing_policy`] and
/// [`macro@crate::notification_policy`] implement it from a function.
pub trait Rule {
    /// Which world.
    type World: Folding;
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
    /// Texts that outcomes refer to: code, Chinese, English.
    const TEXTS: &'static [(u16, &'static str, &'static str)];

    /// Folds one event.
    ///
    /// # Errors
    /// A [`Fault`] when no decision is possible; the platform then does what it does without a rule.
    fn decide(
        settings: &Self::Settings,
        state: &mut Self::State,
        event: &<Self::World as World>::Event,
    ) -> Result<<Self::World as Folding>::Decision, Fault>;
}

/// What a rule's function may return.
pub trait IntoDecision<D> {
    /// As the one form.
    ///
    /// # Errors
    /// The rule's own fault.
    fn into_decision(self) -> Result<D, Fault>;
}

impl<D> IntoDecision<D> for D {
    fn into_decision(self) -> Result<D, Fault> {
        Ok(self)
    }
}

impl<D> IntoDecision<D> for Result<D, Fault> {
    fn into_decision(self) -> Self {
        self
    }
}

/// One call as the host makes it: decodes, decides, encodes. The export and the native harness both run exactly this.
///
/// # Errors
/// A [`Fault`] for settings or state that do not decode, and the rule's own.
pub fn run<R: Rule>(
    settings: &[u8],
    state: &[u8],
    event: &<R::World as World>::Event,
) -> Result<<R::World as World>::Outcome, Fault> {
    let settings = R::Settings::decode(settings)?;
    let Ok((mut state, found)) = R::State::decode(state) else {
        return Err(Fault {
            code: fault::STATE,
            field: String::new(),
            message: String::from(
                "expected the state that this rule wrote, got bytes of its layout that do not decode",
            ),
        });
    };
    let mut decision = R::decide(&settings, &mut state, event)?;
    if let Found::Foreign(_) = found {
        R::World::note(&mut decision, "state of another layout: started anew");
    }
    Ok(R::World::outcome(decision, state.encode()))
}

/// The rule's description of itself, with its settings schema.
pub fn describe<R: Rule>() -> Description {
    description::<R::Settings>(R::NAME, R::VERSION, R::SUMMARY, R::TEXTS)
}

/// A description from its parts.
pub(crate) fn description<S: Settings>(
    name: &str,
    version: &str,
    summary: (&str, &str),
    texts: &[(u16, &str, &str)],
) -> Description {
    let mut settings_schema = String::with_capacity(2048);
    S::schema(&mut settings_schema);
    Description {
        name: name.into(),
        version: version.into(),
        summary: localized(summary.0, summary.1),
        settings_schema,
        texts: texts.iter().map(|(code, zh, en)| CodedText { code: *code, text: localized(zh, en) }).collect(),
    }
}

/// A text in both languages.
pub(crate) fn localized(zh: &str, en: &str) -> Localized {
    Localized { zh: zh.into(), en: en.into() }
}
