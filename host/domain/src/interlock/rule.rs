//! Asking the tenant's rule, and doing no more of what it says than it may.

use super::device::RuleMemory;
use super::{Decision, Effects, Interlock, Step, TimerChange};
use crate::alarm::Origin;
use crate::command::Cause;
use crate::device::{Condition, ConditionSet, Priority, ValveState};
use crate::floor::FloorHit;
use crate::policy::{Evaluation, PolicyEvent, PolicyFault, PolicyOutcome, PolicyTimer, Trigger, Wake};
use crate::quantity::{Quantity, Reading};
use crate::time::{Span, Timestamp};

/// The most timers that a rule may have for one device.
pub(super) const MAX_TIMERS: usize = 16;
/// A rule's timer waits at least this long: a rule that sets one for *now* must not keep the platform busy.
const SHORTEST_TIMER: Span = Span::from_secs(1);
/// The longest promise that is believed.
const LONGEST_REST: Span = Span::from_hours(24);

/// For so long a rule has time to raise itself what a former rule asserted, where no reading can say that it has gone.
const TIME_TO_RAISE_AGAIN: Span = Span::from_hours(48);

/// How much had been changed when a decision began.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    alarms: usize,
    commands: usize,
    timers: usize,
}

impl Mark {
    pub(super) fn of(effects: &Effects) -> Self {
        Self { alarms: effects.alarms.len(), commands: effects.commands.len(), timers: effects.timers.len() }
    }

    fn passed(self, effects: &Effects) -> bool {
        effects.alarms.len() > self.alarms
            || effects.commands.len() > self.commands
            || effects.timers.len() > self.timers
    }
}

impl Interlock {
    /// Asks the rule about `d` unless it rests, applies its answer, and records the decision if there was one to make.
    pub(super) fn consult(
        &mut self,
        d: usize,
        trigger: Trigger,
        readings: &[Reading],
        floor: Vec<FloorHit>,
        mark: Mark,
        step: &mut Step<'_, '_>,
    ) {
        let Some(bound) = step.world.policy else {
            if !self.devices[d].active.is_empty() {
                self.clear(d, Condition::RuleFault, Origin::Platform, step);
                self.withdraw_rule(d, true, step);
            }
            if !floor.is_empty() && mark.passed(step.out) {
                let input = self.policy_event(d, trigger, readings, step.now);
                record(d, self, None, input, Vec::new(), None, floor, mark, step);
            }
            return;
        };
        if floor.is_empty() && self.rests(d, trigger, readings, step) {
            return;
        }
        let mut remembers = self.adopt(d, bound.digest, step);
        let input = self.policy_event(d, trigger, readings, step.now);
        let mut evaluation = bound.policy.evaluate(&self.devices[d].rule.state, &input);
        if let Ok(outcome) = &evaluation.result
            && let Err(what) = self.check(d, outcome, step.now)
        {
            evaluation.result = Err(PolicyFault::Nonsense { what });
        }
        let mut state_before = None;
        if let Ok(outcome) = &evaluation.result {
            self.clear(d, Condition::RuleFault, Origin::Platform, step);
            let rest = outcome.wake.clone().map(|wake| (bound.reference(), cap(wake, step.now)));
            let device = &mut self.devices[d];
            device.rule.wake = rest;
            if device.rule.state != outcome.state {
                state_before = Some(core::mem::replace(&mut device.rule.state, outcome.state.clone()));
                remembers = true;
            }
            let inherited = device.rule.inherited;
            self.apply(d, outcome, step);
            if !inherited.is_empty() {
                self.release(d, step);
                remembers |= self.devices[d].rule.inherited != inherited;
            }
        } else {
            self.devices[d].rule.wake = None;
            self.raise(d, Condition::RuleFault, Priority::Medium, Origin::Platform, step);
            self.withdraw_rule(d, false, step);
        }
        if remembers {
            self.store_memory(d, step);
        }
        if mark.passed(step.out) {
            let state_before = state_before.unwrap_or_else(|| self.devices[d].rule.state.clone());
            record(d, self, Some(bound.reference()), input, state_before, Some(evaluation), floor, mark, step);
        }
    }

    /// Whether the rule has promised that this would change nothing.
    fn rests(&self, d: usize, trigger: Trigger, readings: &[Reading], step: &Step<'_, '_>) -> bool {
        // What is inherited is looked at with every event, whatever the rule promises.
        if !self.devices[d].rule.inherited.is_empty() {
            return false;
        }
        let Some((rule, wake)) = &self.devices[d].rule.wake else { return false };
        let bound = step.world.policy.is_some_and(|policy| policy.reference() == *rule);
        if !bound || step.now >= wake.not_before {
            return false;
        }
        match trigger {
            Trigger::Readings => !readings.iter().any(|reading| {
                let of = |quantity: Quantity| reading.quantity == quantity;
                wake.unless.iter().any(|&(quantity, least)| of(quantity) && reading.value >= least)
                    || wake.unless_below.iter().any(|&(quantity, most)| of(quantity) && reading.value <= most)
            }),
            Trigger::ValveMoved => !wake.on_valve,
            Trigger::Timer(_) => false,
        }
    }

    /// Another rule than the one that wrote the memory begins with an empty one, and without the other's timers. What the other asserted
    /// stays until this one, a reading or time says otherwise. Returns whether it is another.
    fn adopt(&mut self, d: usize, digest: [u8; 32], step: &mut Step<'_, '_>) -> bool {
        let mut writer = [0; 8];
        writer.copy_from_slice(&digest[..8]);
        let device = &mut self.devices[d];
        if device.rule.writer == writer {
            return false;
        }
        let mut inherited = ConditionSet::EMPTY;
        for alarm in device.alarms.iter().filter(|alarm| alarm.asserted.contains(Origin::Rule)) {
            inherited.insert(alarm.condition);
        }
        let former = core::mem::replace(
            &mut device.rule,
            RuleMemory { writer, inherited, adopted_at: step.now, ..RuleMemory::default() },
        );
        for timer in former.timers {
            step.out.timers.push(TimerChange::Gone { device: device.config.id, id: timer.id });
        }
        true
    }

    /// Lets go of what a former rule asserted and the present one has had the time to raise itself: a concentration once the floor calls it
    /// low, anything else after [`TIME_TO_RAISE_AGAIN`]. A rule that knows nothing of it would never clear it.
    fn release(&mut self, d: usize, step: &mut Step<'_, '_>) {
        for &condition in Condition::ALL {
            if !self.devices[d].rule.inherited.contains(condition) {
                continue;
            }
            let late = step.now >= self.devices[d].rule.adopted_at + TIME_TO_RAISE_AGAIN;
            if self.is_low(d, condition, step).unwrap_or(late) {
                self.clear(d, condition, Origin::Rule, step);
            }
            if !self.devices[d].asserts(condition, Origin::Rule) {
                self.devices[d].rule.inherited.remove(condition);
            }
        }
    }

    fn store_memory(&self, d: usize, step: &mut Step<'_, '_>) {
        let (id, blob) = (self.devices[d].config.id, self.devices[d].rule.to_blob());
        match step.out.rule_state.iter_mut().find(|(device, _)| *device == id) {
            Some((_, stored)) => *stored = blob,
            None => step.out.rule_state.push((id, blob)),
        }
    }

    fn policy_event(&self, d: usize, trigger: Trigger, readings: &[Reading], now: Timestamp) -> PolicyEvent {
        let device = &self.devices[d];
        let mut readings = readings.to_vec();
        if !readings.is_sorted_by_key(|reading| reading.at) {
            readings.sort_by_key(|reading| reading.at);
        }
        PolicyEvent {
            trigger,
            now,
            device_kind: device.config.kind,
            valve: device
                .valves
                .iter()
                .map(|&v| self.devices[v].valve())
                .max_by_key(|&position| danger(position))
                .unwrap_or(ValveState::Unknown),
            active: device.active,
            installed_at: device.config.installed_at,
            readings,
            extensions: Vec::new(),
        }
    }

    /// What the contract forbids makes the whole answer a fault: half of a wrong answer is not better.
    fn check(&self, d: usize, outcome: &PolicyOutcome, now: Timestamp) -> Result<(), String> {
        outcome.check(now)?;
        let held = &self.devices[d].rule.timers;
        let is_new = |timer: &&PolicyTimer| held.iter().all(|each| each.id != timer.id);
        let count = held.len() + outcome.timers.iter().filter(is_new).count();
        if count > MAX_TIMERS {
            return Err(format!("at most {MAX_TIMERS} timers of a device may be open, got {count}"));
        }
        Ok(())
    }

    fn apply(&mut self, d: usize, outcome: &PolicyOutcome, step: &mut Step<'_, '_>) {
        for raise in &outcome.raise {
            self.raise(d, raise.condition, raise.priority, Origin::Rule, step);
            self.devices[d].rule.inherited.remove(raise.condition);
        }
        for &condition in &outcome.clear {
            self.clear(d, condition, Origin::Rule, step);
        }
        if outcome.close_valve {
            let cause = self.cause_of_close(d);
            self.close_for(d, cause, step);
        }
        for timer in &outcome.timers {
            let timer = PolicyTimer { id: timer.id, at: timer.at.max(step.now + SHORTEST_TIMER) };
            let device = &mut self.devices[d];
            match device.rule.timers.iter_mut().find(|each| each.id == timer.id) {
                Some(same) if *same == timer => continue,
                Some(same) => *same = timer,
                None => device.rule.timers.push(timer),
            }
            step.out.timers.push(TimerChange::Set { device: device.config.id, timer });
            self.due_by(timer.at);
        }
    }

    /// A close is for the alarm that the rule holds, the most urgent one first.
    fn cause_of_close(&self, d: usize) -> Cause {
        self.devices[d]
            .alarms
            .iter()
            .max_by_key(|alarm| (alarm.asserted.contains(Origin::Rule), alarm.condition.is_leak(), alarm.priority))
            .map_or(Cause::Rule, |alarm| Cause::Leak { alarm: alarm.id })
    }

    /// Without a working rule nobody can say that what it asserted has gone; the floor's low level does. When there is no
    /// rule at all (`gone`), its other assertions go with it.
    fn withdraw_rule(&mut self, d: usize, gone: bool, step: &mut Step<'_, '_>) {
        for &condition in Condition::ALL {
            if !self.devices[d].asserts(condition, Origin::Rule) {
                continue;
            }
            if self.is_low(d, condition, step).unwrap_or(gone) {
                self.clear(d, condition, Origin::Rule, step);
            }
        }
    }

    /// Whether the latest reading of a condition's concentration is below the floor's low level; `None` for a condition without one.
    fn is_low(&self, d: usize, condition: Condition, step: &Step<'_, '_>) -> Option<bool> {
        let quantity = condition.concentration()?;
        let level = step.world.floor.low_level(quantity, step.now);
        Some(level.zip(self.devices[d].latest(quantity)).is_some_and(|(level, latest)| latest.value < level))
    }
}

const fn danger(position: ValveState) -> u8 {
    match position {
        ValveState::Closed => 0,
        ValveState::Closing => 1,
        ValveState::Unknown => 2,
        ValveState::Unverified => 3,
        ValveState::Open => 4,
    }
}

fn cap(wake: Wake, now: Timestamp) -> Wake {
    Wake { not_before: wake.not_before.min(now + LONGEST_REST), ..wake }
}

#[allow(clippy::too_many_arguments, reason = "the one place where a decision is put together")]
fn record(
    d: usize,
    interlock: &Interlock,
    rule: Option<super::RuleRef>,
    input: PolicyEvent,
    state_before: Vec<u8>,
    evaluation: Option<Evaluation>,
    floor: Vec<FloorHit>,
    mark: Mark,
    step: &mut Step<'_, '_>,
) {
    let mut alarms: Vec<_> = step.out.alarms[mark.alarms..].iter().map(|change| change.alarm.id).collect();
    alarms.dedup();
    let mut commands: Vec<_> = step.out.commands[mark.commands..].iter().map(|change| change.command.id).collect();
    commands.dedup();
    step.out.decisions.push(Decision {
        device: interlock.devices[d].config.id,
        at: step.now,
        rule,
        input,
        state_before,
        evaluation,
        floor,
        alarms,
        commands,
    });
}
