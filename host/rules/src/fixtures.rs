//! The SDK's fixtures in the real sandbox: the same files, the same comparison, the production path of a call.

use crate::rule::AlarmRule;
use davy_domain::policy::{PolicyEvent, PolicyOutcome, Trigger};
use davy_domain::{ConditionSet, DeviceKind, Quantity, Reading, Timestamp, ValveState};
use davy_rules_sdk::codes::trigger;
use davy_rules_sdk::contract::{Event, Fault, Outcome, Raise, Timer, Wake, WakeThreshold};
use davy_rules_sdk::harness::{Evaluator, Failure};

/// A loaded rule as an evaluator of fixtures.
#[derive(Clone, Debug)]
pub struct Sandbox {
    rule: AlarmRule,
    fuel: Vec<u64>,
}

impl Sandbox {
    /// Over a loaded rule.
    pub fn new(rule: &AlarmRule) -> Self {
        Self { rule: rule.clone(), fuel: Vec::new() }
    }

    /// The fuel of every call so far.
    pub fn fuel(&self) -> &[u64] {
        &self.fuel
    }
}

impl Evaluator for Sandbox {
    fn schema(&self) -> String {
        self.rule.describe().settings_schema.clone()
    }

    fn evaluate(&mut self, settings: &[u8], state: &[u8], event: &Event) -> Result<Outcome, Failure> {
        let event = to_domain(event).map_err(Failure::Host)?;
        let decision = self.rule.decide(settings, state, &event);
        self.fuel.push(decision.evaluation.fuel);
        match decision.evaluation.result {
            Ok(outcome) => Ok(to_contract(outcome, decision.remarks)),
            Err(fault) => Err(match decision.remarks.fault {
                Some(own) => Failure::Rule(Fault { code: own.code, field: own.field, message: own.message }),
                None => Failure::Host(fault.to_string()),
            }),
        }
    }
}

fn to_domain(event: &Event) -> Result<PolicyEvent, String> {
    let unknown = |what: &str, code: u16| format!("the platform knows no {what} with code {code}");
    let trigger = match event.trigger {
        trigger::READINGS => Trigger::Readings,
        trigger::TIMER => Trigger::Timer(event.timer_id),
        trigger::VALVE_MOVED => Trigger::ValveMoved,
        other => return Err(unknown("trigger of an event", other)),
    };
    let context = &event.context;
    let readings = event.readings.iter().map(|reading| {
        let quantity = Quantity::from_code(reading.quantity).ok_or_else(|| unknown("quantity", reading.quantity))?;
        Reading::new(quantity, reading.value, Timestamp::from_millis(reading.at_ms)).map_err(|error| error.to_string())
    });
    Ok(PolicyEvent {
        trigger,
        now: Timestamp::from_millis(context.now_ms),
        device_kind: DeviceKind::from_code(context.device_kind)
            .ok_or_else(|| unknown("device kind", context.device_kind))?,
        valve: ValveState::from_code(context.valve_state).ok_or_else(|| unknown("valve state", context.valve_state))?,
        active: ConditionSet::from_bits(context.active_conditions as u32),
        installed_at: context.installed_at_ms.map(Timestamp::from_millis),
        readings: readings.collect::<Result<_, _>>()?,
        extensions: event.extensions.clone(),
    })
}

fn to_contract(outcome: PolicyOutcome, remarks: crate::rule::Remarks) -> Outcome {
    let raises = outcome.raise.iter().zip(&remarks.texts).map(|(raise, text)| Raise {
        condition: raise.condition.code(),
        priority: raise.priority.code(),
        text: *text,
    });
    Outcome {
        raises: raises.collect(),
        clears: outcome.clear.iter().map(|condition| condition.code()).collect(),
        close_valve: outcome.close_valve,
        close_reason: remarks.close_reason.map_or(0, davy_domain::Condition::code),
        timers: outcome.timers.iter().map(|timer| Timer { id: timer.id, at_ms: timer.at.as_millis() }).collect(),
        notes: remarks.notes,
        wake: outcome.wake.map(|wake| Wake {
            not_before_ms: wake.not_before.as_millis(),
            unless: wake
                .unless
                .iter()
                .map(|(quantity, value)| WakeThreshold { at_or_above: *value, quantity: quantity.code() })
                .collect(),
            valve_moves: wake.on_valve,
        }),
        state: outcome.state,
    }
}
