//! What time itself brings: deadlines, rules' timers, the end of a shelf, silence.

use super::rule::Mark;
use super::{Interlock, Limits, Step, TimerChange};
use crate::alarm::{self, AlarmEvent, AlarmState, Origin};
use crate::command::CommandEvent;
use crate::device::{Condition, Priority};
use crate::policy::Trigger;
use crate::time::Timestamp;

impl Interlock {
    /// Does everything that is due by `step.now`, and finds out when the next thing is.
    pub(super) fn run_due(&mut self, step: &mut Step<'_, '_>) {
        // Cleared first: what happens below may set something that is due soon.
        self.due = None;
        for d in 0..self.devices.len() {
            self.deadlines(d, step);
            self.retry(d, step);
            self.shelves(d, step);
            self.timers(d, step);
        }
        self.silence(step);
        self.due = self.earliest(step.world.limits);
    }

    fn deadlines(&mut self, v: usize, step: &mut Step<'_, '_>) {
        while let Some(at) = self.devices[v].commands.iter().position(|each| each.deadline <= step.now) {
            if !self.follow(v, at, CommandEvent::DeadlinePassed, step) {
                break;
            }
        }
    }

    /// A close that was refused is tried again with the same back-off as one that was never answered: at its deadline, or when a leak
    /// begins to stand after that.
    fn retry(&mut self, v: usize, step: &mut Step<'_, '_>) {
        if self.retry_at(v).is_some_and(|at| at <= step.now)
            && let Some(close) = self.devices[v].refused_close.take()
        {
            self.close_again(v, &close, step);
        }
    }

    /// When the refused close of a valve is tried again. All that this depends on is stored: a restart comes to the same.
    fn retry_at(&self, v: usize) -> Option<Timestamp> {
        let device = &self.devices[v];
        let close = device.refused_close.as_ref()?;
        let wanted = device.asserts(Condition::CloseUnverified, Origin::Platform);
        (wanted && self.standing_leak(v, close).is_some()).then_some(close.deadline)
    }

    /// Alarms have changed, and with them perhaps what is due.
    pub(super) fn retries(&mut self, step: &mut Step<'_, '_>) {
        for v in 0..self.devices.len() {
            if self.devices[v].refused_close.is_some() {
                self.retry(v, step);
                if let Some(at) = self.retry_at(v) {
                    self.due_by(at);
                }
            }
        }
    }

    fn shelves(&mut self, d: usize, step: &mut Step<'_, '_>) {
        let over = |alarm: &alarm::Alarm| {
            alarm.state == AlarmState::Shelved && alarm.shelved_until.is_some_and(|until| until <= step.now)
        };
        let Some(at) = self.devices[d].alarms.iter().position(over) else { return };
        let event = AlarmEvent::ShelfEnded;
        if let Ok(Some(next)) = alarm::step(&self.devices[d].alarms[at], event, step.now) {
            self.put_alarm(d, at, next, event, None, step);
            self.shelves(d, step);
        }
    }

    fn timers(&mut self, d: usize, step: &mut Step<'_, '_>) {
        while let Some(at) = self.devices[d].rule.timers.iter().position(|timer| timer.at <= step.now) {
            let device = &mut self.devices[d];
            let timer = device.rule.timers.remove(at);
            step.out.timers.push(TimerChange::Gone { device: device.config.id, id: timer.id });
            let mark = Mark::of(step.out);
            self.consult(d, Trigger::Timer(timer.id), &[], Vec::new(), mark, step);
        }
    }

    /// Gateways first: nobody can hear the children of a gateway that is silent, and one alarm says so.
    fn silence(&mut self, step: &mut Step<'_, '_>) {
        for has_parent in [false, true] {
            for d in 0..self.devices.len() {
                let device = &self.devices[d];
                if device.parent.is_some() != has_parent
                    || device.silent_at(step.world.limits).is_none_or(|at| at > step.now)
                {
                    continue;
                }
                let silent = |gateway: usize| self.devices[gateway].asserts(Condition::Silent, Origin::Platform);
                let unheard = device.parent.is_some_and(silent);
                if unheard {
                    self.devices[d].watch_from = step.now;
                } else {
                    self.raise(d, Condition::Silent, Priority::Medium, Origin::Platform, step);
                }
            }
        }
    }

    /// When the next thing is due.
    pub(super) fn earliest(&self, limits: &Limits) -> Option<Timestamp> {
        let retries = (0..self.devices.len()).filter_map(|v| self.retry_at(v));
        let each = self.devices.iter().flat_map(|device| {
            let deadlines = device.commands.iter().map(|command| command.deadline);
            let shelves = device.alarms.iter().filter_map(|alarm| alarm.shelved_until);
            let timers = device.rule.timers.iter().map(|timer| timer.at);
            deadlines.chain(shelves).chain(timers).chain(device.silent_at(limits))
        });
        each.chain(retries).min()
    }
}
