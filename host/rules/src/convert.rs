//! Between the domain's types and the contract's: events go in as they are, outcomes come out only when every part of them is
//! a value that the domain knows.

use crate::admission::Description;
use crate::bindings::{DeviceContext, WitEvent, WitOutcome, WitReading};
use crate::config::EngineConfig;
use crate::rule::{Decision, Remarks};
use davy_domain::policy::{
    Evaluation, PolicyEvent, PolicyFault, PolicyOutcome, PolicyTimer, Raise, Text, Trigger, Wake, Words,
};
use davy_domain::{Condition, Priority, Quantity, Span, Timestamp};

/// The most of each list in an outcome; published in `wit/`.
const MAX_RAISES: usize = 32;
const MAX_CLEARS: usize = 32;
const MAX_TIMERS: usize = 16;
const MAX_WAKE_THRESHOLDS: usize = 16;
const MAX_NOTES: usize = 8;
const MAX_NOTE: usize = 200;
const MAX_TIMER_AHEAD: Span = Span::from_days(400);
const MAX_WAKE_AHEAD: Span = Span::from_hours(24);

/// Trigger codes of the contract.
const READINGS: u16 = 1;
const TIMER: u16 = 2;
const VALVE_MOVED: u16 = 3;
pub(crate) const START: u16 = 4;

/// The parts of an event that the contract's type borrows.
pub(crate) struct EventParts<'a> {
    readings: Vec<WitReading>,
    extensions: Vec<(&'a str, &'a str)>,
}

impl<'a> EventParts<'a> {
    pub(crate) fn of(event: &'a PolicyEvent) -> Self {
        let readings = event.readings.iter().map(|reading| WitReading {
            at_ms: reading.at.as_millis(),
            value: reading.value,
            quantity: reading.quantity.code(),
            channel: 0,
        });
        let extensions = event.extensions.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Self { readings: readings.collect(), extensions: extensions.collect() }
    }

    pub(crate) fn event(&'a self, event: &PolicyEvent) -> WitEvent<'a> {
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

/// An outcome as typed domain values, or which part of it the contract does not allow.
pub(crate) fn decision(
    outcome: WitOutcome,
    now: Timestamp,
    fuel: u64,
    config: &EngineConfig,
    description: &Description,
) -> Decision {
    match sanitise(outcome, now, config, description) {
        Ok((outcome, remarks)) => Decision { evaluation: Evaluation { result: Ok(outcome), fuel }, remarks },
        Err(fault) => Decision { evaluation: Evaluation { result: Err(fault), fuel }, remarks: Remarks::default() },
    }
}

fn sanitise(
    outcome: WitOutcome,
    now: Timestamp,
    config: &EngineConfig,
    description: &Description,
) -> Result<(PolicyOutcome, Remarks), PolicyFault> {
    if outcome.state.len() > config.max_state {
        let what = format!("state: at most {} bytes, got {}", config.max_state, outcome.state.len());
        return Err(PolicyFault::Limit { what });
    }
    at_most("raises", MAX_RAISES, outcome.raises.len())?;
    at_most("clears", MAX_CLEARS, outcome.clears.len())?;
    at_most("timers", MAX_TIMERS, outcome.timers.len())?;

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

    let mut timers: Vec<PolicyTimer> = Vec::with_capacity(outcome.timers.len());
    for timer in &outcome.timers {
        let at = Timestamp::from_millis(timer.at_ms);
        if at < now || at > now + MAX_TIMER_AHEAD {
            return Err(nonsense("timers: at-ms", "from now to 400 days ahead", timer.at_ms));
        }
        if timers.iter().any(|other| other.id == timer.id) {
            return Err(nonsense("timers: id", "each id once", timer.id));
        }
        timers.push(PolicyTimer { id: timer.id, at });
    }

    let wake = outcome.wake.map(|wake| {
        at_most("wake: unless", MAX_WAKE_THRESHOLDS, wake.unless.len())?;
        let not_before = Timestamp::from_millis(wake.not_before_ms);
        if not_before < now || not_before > now + MAX_WAKE_AHEAD {
            return Err(nonsense("wake: not-before-ms", "from now to 24 h ahead", wake.not_before_ms));
        }
        let unless = wake.unless.iter().map(|threshold| {
            let quantity = Quantity::from_code(threshold.quantity)
                .ok_or_else(|| nonsense("wake: quantity", "a known code", threshold.quantity))?;
            if threshold.at_or_above.is_finite() {
                Ok((quantity, threshold.at_or_above))
            } else {
                Err(nonsense("wake: at-or-above", "a finite number", threshold.at_or_above))
            }
        });
        Ok(Wake { not_before, unless: unless.collect::<Result<_, _>>()?, on_valve: wake.valve_moves })
    });

    // Remarks decide nothing: too many or too long ones are cut and cost no decision.
    remarks.notes = outcome.notes.iter().take(MAX_NOTES).map(|note| plain(note, MAX_NOTE)).collect();
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
        Some((raise.condition, Text { zh: plain(&text.zh, MAX_NOTE), en: plain(&text.en, MAX_NOTE) }))
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

fn at_most(field: &str, most: usize, got: usize) -> Result<(), PolicyFault> {
    if got <= most {
        Ok(())
    } else {
        Err(PolicyFault::Nonsense { what: format!("{field}: expected at most {most}, got {got}") })
    }
}

fn nonsense(field: &str, expected: &str, got: impl std::fmt::Display) -> PolicyFault {
    PolicyFault::Nonsense { what: format!("{field}: expected {expected}, got {got}") }
}

/// A text from a rule, cut, and safe to log and show.
pub(crate) fn plain(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
