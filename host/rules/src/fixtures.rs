//! The SDK's fixtures in the real sandbox: the same files, the same comparison, the production path of a call.

use crate::alarm::Remarks;
use crate::rule::{Evaluated, Rule};
use crate::world::{Alarm, Billing, DeviceDriver, Notification, World};
use davy_domain::policy::{PolicyEvent, PolicyOutcome, Trigger};
use davy_domain::{ConditionSet, DeviceKind, Quantity, Reading, Timestamp, ValveState};
use davy_rules_sdk::codes::trigger;
use davy_rules_sdk::contract::{Event, Fault, Outcome, Raise, Timer, Wake, WakeThreshold, billing, notification};
use davy_rules_sdk::driver::{Answer, Call};
use davy_rules_sdk::harness::{Evaluator, Failure};

/// A loaded rule as an evaluator of fixtures.
#[derive(Clone, Debug)]
pub struct Sandbox<W: World = Alarm> {
    rule: Rule<W>,
    fuel: Option<u64>,
}

impl<W: World> Sandbox<W> {
    /// Over a loaded rule.
    pub fn new(rule: &Rule<W>) -> Self {
        Self { rule: rule.clone(), fuel: None }
    }

    fn take<T>(&mut self, evaluated: Evaluated<T>) -> Result<T, Failure> {
        self.fuel = Some(evaluated.fuel);
        evaluated.result.map_err(|fault| match evaluated.fault {
            Some(own) => Failure::Rule(Fault { code: own.code, field: own.field, message: own.message }),
            None => Failure::Host(fault.to_string()),
        })
    }
}

impl Evaluator for Sandbox<Alarm> {
    type World = Alarm;

    fn schema(&self) -> String {
        self.rule.describe().settings_schema.clone()
    }

    fn evaluate(&mut self, settings: &[u8], state: &[u8], event: &Event) -> Result<Outcome, Failure> {
        let event = to_domain(event).map_err(Failure::Host)?;
        let mut decision = self.rule.decide(settings, state, &event);
        let fault = decision.remarks.fault.take();
        let evaluation = decision.evaluation;
        let outcome = self.take(Evaluated { result: evaluation.result, fault, fuel: evaluation.fuel })?;
        Ok(to_contract(outcome, decision.remarks))
    }

    fn fuel(&self) -> Option<u64> {
        self.fuel
    }
}

impl Evaluator for Sandbox<Billing> {
    type World = Billing;

    fn schema(&self) -> String {
        self.rule.describe().settings_schema.clone()
    }

    fn evaluate(&mut self, settings: &[u8], state: &[u8], event: &billing::Event) -> Result<billing::Outcome, Failure> {
        let evaluated = self.rule.decide(settings, state, event);
        self.take(evaluated)
    }

    fn fuel(&self) -> Option<u64> {
        self.fuel
    }
}

impl Evaluator for Sandbox<Notification> {
    type World = Notification;

    fn schema(&self) -> String {
        self.rule.describe().settings_schema.clone()
    }

    fn evaluate(
        &mut self,
        settings: &[u8],
        state: &[u8],
        event: &notification::Event,
    ) -> Result<notification::Outcome, Failure> {
        let evaluated = self.rule.decide(settings, state, event);
        self.take(evaluated)
    }

    fn fuel(&self) -> Option<u64> {
        self.fuel
    }
}

impl Evaluator for Sandbox<DeviceDriver> {
    type World = DeviceDriver;

    fn schema(&self) -> String {
        self.rule.describe().settings_schema.clone()
    }

    fn evaluate(&mut self, settings: &[u8], _: &[u8], call: &Call) -> Result<Answer, Failure> {
        let evaluated = self.rule.answer(settings, call);
        self.take(evaluated)
    }

    fn fuel(&self) -> Option<u64> {
        self.fuel
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

fn to_contract(outcome: PolicyOutcome, remarks: Remarks) -> Outcome {
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
            unless: thresholds(&wake),
            valve_moves: wake.on_valve,
        }),
        state: outcome.state,
    }
}

/// The thresholds of a promise: first those that wake upwards, then the others.
fn thresholds(wake: &davy_domain::policy::Wake) -> Vec<WakeThreshold> {
    let above = wake.unless.iter().map(|(quantity, value)| WakeThreshold::at_or_above(quantity.code(), *value));
    let below = wake.unless_below.iter().map(|(quantity, value)| WakeThreshold::at_or_below(quantity.code(), *value));
    above.chain(below).collect()
}
