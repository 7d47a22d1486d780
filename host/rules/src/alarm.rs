//! Alarm policies: events go in as the domain has them, outcomes come out only when every part of them is a value that the domain
//! knows.

use crate::admission::Description;
use crate::batch::Batched;
use crate::bindings::alarm::AlarmPolicy as AlarmPolicyInstance;
use crate::bindings::{DeviceContext, WitEvent, WitFault, WitOutcome, WitReading};
use crate::config::EngineConfig;
use crate::instance::Limits;
use crate::limits::{at_most, nonsense, state, timers};
use crate::rule::{Called, Evaluated, Kept, ReportedFault, Rule, SettingsBytes};
use crate::text;
use crate::world::Alarm;
use davy_domain::policy::{
    AlarmPolicy, Evaluation, PolicyEvent, PolicyFault, PolicyOutcome, PolicyTimer, Raise, Text, Trigger, Wake, Words,
};
use davy_domain::{Condition, DeviceKind, Priority, Quantity, Span, Timestamp, ValveState};
use serde::{Deserialize, Serialize};
use wasmtime::Store;

/// An alarm policy that is ready to run.
pub type AlarmRule = Rule<Alarm>;

/// The most of each list in an outcome; published in `wit/`.
const MAX_RAISES: usize = 32;
const MAX_CLEARS: usize = 32;
const MAX_WAKE_THRESHOLDS: usize = 16;
const MAX_WAKE_AHEAD: Span = Span::from_hours(24);
/// Added to a quantity's code: the threshold wakes from its value downwards.
const DOWNWARDS: u16 = davy_rules_sdk::alarm::DOWNWARDS;

/// Trigger codes of the contract.
const READINGS: u16 = 1;
const TIMER: u16 = 2;
const VALVE_MOVED: u16 = 3;
const START: u16 = 4;

/// What a rule says beside its decision: for the record, with no effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remarks {
    /// Notes, at most 8 of 200 characters.
    pub notes: Vec<String>,
    /// The condition that the valve is closed for.
    pub close_reason: Option<Condition>,
    /// The text code of each raise, in the order of the raises; 0 for none.
    pub texts: Vec<u16>,
    /// The rule's own fault, when it reported one instead of deciding.
    pub fault: Option<ReportedFault>,
}

/// One decision with its remarks.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The outcome or the fault, and what it cost.
    pub evaluation: Evaluation,
    /// What the rule said beside it.
    pub remarks: Remarks,
}

impl AlarmRule {
    /// Folds one event. The same settings, state and event give the same evaluation, fuel included, on every machine.
    pub fn evaluate(&self, settings: &[u8], state: &[u8], event: &PolicyEvent) -> Evaluation {
        self.decide(settings, state, event).evaluation
    }

    /// Folds one event and keeps what the rule said beside its decision.
    pub fn decide(&self, settings: &[u8], state: &[u8], event: &PolicyEvent) -> Decision {
        let config = self.engine().config();
        if event.readings.len() > config.max_readings {
            let what = format!("readings in one event: at most {}, got {}", config.max_readings, event.readings.len());
            let evaluation = Evaluation { result: Err(PolicyFault::Limit { what }), fuel: 0 };
            return Decision { evaluation, remarks: Remarks::default() };
        }
        let parts = EventParts::of(event);
        self.judged(event, self.call(enter(settings, state, &parts, event)))
    }

    /// As [`AlarmRule::evaluate`], in an instance that is kept.
    pub(crate) fn evaluate_in(
        &self,
        kept: &mut Kept<'_, Alarm>,
        settings: &[u8],
        state: &[u8],
        event: &PolicyEvent,
    ) -> Evaluation {
        let parts = EventParts::of(event);
        let called = self.call_in(kept, enter(settings, state, &parts, event));
        self.judged(event, called).evaluation
    }

    /// What came of a call, once every part of it is a value that the domain knows.
    fn judged(&self, event: &PolicyEvent, called: Called<WitOutcome>) -> Decision {
        let config = self.engine().config();
        let Evaluated { result, fault, fuel } =
            called.checked(|outcome| sanitise(outcome, event.now, config, self.describe()));
        let (result, mut remarks) = match result {
            Ok((outcome, remarks)) => (Ok(outcome), remarks),
            Err(fault) => (Err(fault), Remarks::default()),
        };
        remarks.fault = fault;
        Decision { evaluation: Evaluation { result, fuel }, remarks }
    }

    /// This rule with settings bound: what the fold knows as a policy.
    pub fn bind(&self, settings: SettingsBytes) -> BoundRule {
        BoundRule { rule: self.clone(), settings }
    }
}

/// A rule with its settings.
#[derive(Clone, Debug)]
pub struct BoundRule {
    rule: AlarmRule,
    settings: SettingsBytes,
}

impl BoundRule {
    /// The rule.
    pub fn rule(&self) -> &AlarmRule {
        &self.rule
    }

    /// Its settings.
    pub fn settings(&self) -> &SettingsBytes {
        &self.settings
    }

    /// The same policy for very many calls of one thread, at a fraction of the price: see [`Batched`].
    pub fn batched(&self, batch: u32) -> Batched<'_> {
        Batched::new(self, batch)
    }
}

impl AlarmPolicy for BoundRule {
    fn evaluate(&self, state: &[u8], event: &PolicyEvent) -> Evaluation {
        self.rule.evaluate(&self.settings, state, event)
    }
}

fn enter<'a>(
    settings: &'a [u8],
    state: &'a [u8],
    parts: &'a EventParts<'a>,
    event: &'a PolicyEvent,
) -> impl FnOnce(&mut Store<Limits>, &AlarmPolicyInstance) -> wasmtime::Result<Result<WitOutcome, WitFault>> + 'a {
    move |store, instance| instance.davy_rules_alarm().call_evaluate(store, settings, state, parts.event(event))
}

/// The event with which settings are tried. Any fixed time does: the trial must not depend on when it is made.
pub(crate) const fn trial() -> WitEvent<'static> {
    WitEvent {
        context: DeviceContext {
            now_ms: text::TRIAL_MS,
            installed_at_ms: None,
            last_maintained_at_ms: None,
            active_conditions: 0,
            device_kind: DeviceKind::Detector.code(),
            valve_state: ValveState::Unknown.code(),
        },
        trigger: START,
        timer_id: 0,
        readings: &[],
        extensions: &[],
    }
}

/// The parts of an event that the contract's type borrows.
struct EventParts<'a> {
    readings: Vec<WitReading>,
    extensions: Vec<(&'a str, &'a str)>,
}

impl<'a> EventParts<'a> {
    fn of(event: &'a PolicyEvent) -> Self {
        let readings = event.readings.iter().map(|reading| WitReading {
            at_ms: reading.at.as_millis(),
            value: reading.value,
            quantity: reading.quantity.code(),
            channel: 0,
        });
        let extensions = event.extensions.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Self { readings: readings.collect(), extensions: extensions.collect() }
    }

    fn event(&'a self, event: &PolicyEvent) -> WitEvent<'a> {
        let (trigger, timer_id) = match event.trigger {
            Trigger::Readings => (READINGS, 0),
            Trigger::Timer(id) => (TIMER, id),
            Trigger::ValveMoved => (VALVE_MOVED, 0),
        };
        WitEvent {
            context: DeviceContext {
                now_ms: event.now.as_millis(),
                installed_at_ms: event.installed_at.map(Timestamp::as_millis),
                last_maintained_at_ms: None,
                active_conditions: u64::from(event.active.bits()),
                device_kind: event.device_kind.code(),
                valve_state: event.valve.code(),
            },
            trigger,
            timer_id,
            readings: &self.readings,
            extensions: &self.extensions,
        }
    }
}

fn sanitise(
    outcome: WitOutcome,
    now: Timestamp,
    config: &EngineConfig,
    description: &Description,
) -> Result<(PolicyOutcome, Remarks), PolicyFault> {
    state(&outcome.state, config)?;
    at_most("raises", MAX_RAISES, outcome.raises.len())?;
    at_most("clears", MAX_CLEARS, outcome.clears.len())?;

    let mut remarks = Remarks::default();
    let mut raise: Vec<Raise> = Vec::with_capacity(outcome.raises.len());
    for raised in &outcome.raises {
        let condition = condition("raises", raised.condition)?;
        let priority = Priority::from_code(raised.priority)
            .ok_or_else(|| nonsense("raises: priority", "1 to 4", raised.priority))?;
        if raise.iter().any(|other| other.condition == condition) {
            return Err(nonsense("raises", "each condition once", condition));
        }
        if raised.text != 0 && !description.texts.iter().any(|(code, _)| *code == raised.text) {
            return Err(nonsense("raises: text", "0 or a code of the rule's own texts", raised.text));
        }
        raise.push(Raise { condition, priority });
        remarks.texts.push(raised.text);
    }

    let mut clear: Vec<Condition> = Vec::with_capacity(outcome.clears.len());
    for code in &outcome.clears {
        let condition = condition("clears", *code)?;
        if clear.contains(&condition) || raise.iter().any(|other| other.condition == condition) {
            return Err(nonsense("clears", "each condition once, and none that is raised too", condition));
        }
        clear.push(condition);
    }

    remarks.close_reason = match (outcome.close_valve, outcome.close_reason) {
        (false, 0) => None,
        (false, code) => return Err(nonsense("close-reason", "0 when the valve is not closed", code)),
        (true, code) => Some(condition("close-reason", code)?),
    };

    timers(&outcome.timers, now)?;
    let timer =
        |timer: &crate::bindings::WitTimer| PolicyTimer { id: timer.id, at: Timestamp::from_millis(timer.at_ms) };
    let timers = outcome.timers.iter().map(timer).collect();

    let wake = outcome.wake.map(|wake| {
        at_most("wake: unless", MAX_WAKE_THRESHOLDS, wake.unless.len())?;
        let not_before = Timestamp::from_millis(wake.not_before_ms);
        if not_before < now || not_before > now + MAX_WAKE_AHEAD {
            return Err(nonsense("wake: not-before-ms", "from now to 24 h ahead", wake.not_before_ms));
        }
        let (mut unless, mut unless_below) = (Vec::new(), Vec::new());
        for threshold in &wake.unless {
            let quantity = Quantity::from_code(threshold.quantity & !DOWNWARDS)
                .ok_or_else(|| nonsense("wake: quantity", "a known code", threshold.quantity))?;
            if !threshold.at_or_above.is_finite() {
                return Err(nonsense("wake: at-or-above", "a finite number", threshold.at_or_above));
            }
            let list = if threshold.quantity & DOWNWARDS == 0 { &mut unless } else { &mut unless_below };
            list.push((quantity, threshold.at_or_above));
        }
        Ok(Wake { not_before, unless, unless_below, on_valve: wake.valve_moves })
    });

    remarks.notes = text::notes(&outcome.notes);
    let outcome = PolicyOutcome {
        words: words(&raise, &remarks, description),
        state: outcome.state,
        raise,
        clear,
        close_valve: outcome.close_valve,
        timers,
        wake: wake.transpose()?,
    };
    Ok((outcome, remarks))
}

/// The texts that the raises refer to, as the rule describes them, and its notes.
fn words(raises: &[Raise], remarks: &Remarks, description: &Description) -> Words {
    let text = |code: u16| description.texts.iter().find(|(known, _)| *known == code).map(|(_, text)| text);
    let texts = raises.iter().zip(&remarks.texts).filter_map(|(raise, code)| {
        let text = text(*code)?;
        let plain = |text: &str| text::plain(text, text::MAX_NOTE);
        Some((raise.condition, Text { zh: plain(&text.zh), en: plain(&text.en) }))
    });
    Words { texts: texts.collect(), notes: remarks.notes.clone() }
}

fn condition(field: &str, code: u16) -> Result<Condition, PolicyFault> {
    match Condition::from_code(code) {
        Some(condition) if condition.for_rules() => Ok(condition),
        Some(condition) => Err(nonsense(field, "conditions that a rule may raise or clear", condition)),
        None => Err(nonsense(field, "known condition codes", code)),
    }
}
