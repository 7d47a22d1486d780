//! Commands: ordering closes, granting arms, following what becomes of them, proving them.

use super::{CommandChange, Interlock, Limits, Notice, NoticeKind, REMEMBERED_COMMANDS, RejectReason, Step, Transport};
use crate::alarm::{AlarmState, Origin};
use crate::command::{self, Action, Cause, Command, CommandEffect, CommandEvent, CommandState, DeviceOutcome};
use crate::device::{Condition, Priority};
use crate::id::{AlarmId, CommandId, DeviceId, NoticeId};
use crate::quantity::Quantity;
use crate::time::{Span, Timestamp};

/// A device's clock further off than this is not believed when it reports an outcome.
const CLOCK_OFF: Span = Span::from_hours(24);

/// A device may not push our counters further than this: they are stored as 63-bit numbers and must go on rising.
const HIGHEST_COUNTER: u64 = u64::MAX >> 2;

impl Interlock {
    /// Closes every valve that the leak of `d` closes.
    pub(super) fn close_for(&mut self, d: usize, cause: Cause, step: &mut Step<'_, '_>) {
        for at in 0..self.devices[d].valves.len() {
            let valve = self.devices[d].valves[at];
            self.order_close(valve, cause, None, step);
        }
    }

    /// Orders the close unless one is under way or the valve is proven closed. Waits for nothing and asks nobody.
    fn order_close(&mut self, v: usize, cause: Cause, span: Option<Span>, step: &mut Step<'_, '_>) {
        self.cancel_arms(v, step);
        let device = &self.devices[v];
        if device.open(Action::Close).is_some() || device.proven_closed(step.now, step.world.limits) {
            return;
        }
        let deadline = step.now + span.unwrap_or_else(|| self.close_span(v, step.now, step.world.limits));
        let id = CommandId::from_raw(step.ids.next_raw(step.now));
        self.give(v, id, Action::Close, cause, deadline, step);
    }

    /// How long a close may take until it must be proven: until after the next expected uplink for a device that sleeps.
    fn close_span(&self, v: usize, now: Timestamp, limits: &Limits) -> Span {
        let device = &self.devices[v];
        if !device.config.sleepy {
            return limits.close_deadline;
        }
        let interval = device.config.report_interval.unwrap_or(limits.sleepy_interval);
        let expected = device.last_seen.map_or(now + interval, |seen| (seen + interval).max(now));
        // The proof takes one more uplink than the order.
        let span = (expected + interval + limits.sleepy_margin).since(now);
        span.max(limits.close_deadline)
    }

    fn give(
        &mut self,
        v: usize,
        id: CommandId,
        action: Action,
        cause: Cause,
        deadline: Timestamp,
        step: &mut Step<'_, '_>,
    ) {
        let device = &mut self.devices[v];
        // Never below the clock, so that counters go on rising when a database has lost some.
        let counter = (device.counter + 1).max(step.now.as_millis().max(0) as u64);
        let mut order = Command {
            id,
            device: device.config.id,
            action,
            cause,
            state: CommandState::Requested,
            counter,
            requested_at: step.now,
            sent_at: None,
            actuated_at: None,
            changed_at: step.now,
            deadline,
        };
        for event in [CommandEvent::Authorise, CommandEvent::Enqueue] {
            if let Some(next) = command::step(&order, event, step.now) {
                order = next.command;
            }
        }
        device.note_counters(&order);
        if action == Action::Close {
            device.refused_close = None;
        }
        device.commands.push(order.clone());
        self.due_by(deadline);
        self.deliver(v, step);
        step.out.commands.push(CommandChange { before: None, command: order, effect: None });
    }

    /// Somebody must be sent something: the device, or the gateway that speaks for it.
    fn deliver(&self, v: usize, step: &mut Step<'_, '_>) {
        let device = &self.devices[v];
        let to = device.parent.map_or(device.config.id, |gateway| self.devices[gateway].config.id);
        if !step.out.deliver.contains(&to) {
            step.out.deliver.push(to);
        }
    }

    /// An alarm of `d` takes back every permission to open that is under way around it.
    pub(super) fn cancel_arms_around(&mut self, d: usize, step: &mut Step<'_, '_>) {
        for at in 0..self.devices[d].valves.len() {
            let valve = self.devices[d].valves[at];
            self.cancel_arms(valve, step);
        }
    }

    fn cancel_arms(&mut self, v: usize, step: &mut Step<'_, '_>) {
        while let Some(at) = self.devices[v].commands.iter().position(|each| each.action == Action::Arm) {
            if !self.follow(v, at, CommandEvent::Supersede, step) {
                break;
            }
        }
    }

    /// One event happens to one open command. Returns whether it changed.
    pub(super) fn follow(&mut self, v: usize, at: usize, event: CommandEvent, step: &mut Step<'_, '_>) -> bool {
        let device = &mut self.devices[v];
        let before = device.commands[at].state;
        let Some(next) = command::step(&device.commands[at], event, step.now) else { return false };
        let (after, effect) = (next.command, next.effect);
        device.note_counters(&after);
        if after.state.is_open() {
            device.commands[at] = after.clone();
        } else {
            device.commands.remove(at);
            self.finished.push_back(after.id);
            if self.finished.len() > REMEMBERED_COMMANDS {
                self.finished.pop_front();
            }
        }
        let change = CommandChange { before: Some(before), command: after.clone(), effect: Some(effect) };
        step.out.commands.push(change);
        match effect {
            CommandEffect::Note | CommandEffect::End => {}
            CommandEffect::Done => self.done(v, &after, step),
            CommandEffect::Reissue => {
                let id = CommandId::from_raw(step.ids.next_raw(step.now));
                // The same deadline: a device that never agrees must not put off the call for a person.
                self.give(v, id, Action::Close, after.cause, after.deadline, step);
            }
            CommandEffect::Escalate => self.escalate(v, &after, step),
        }
        true
    }

    fn done(&mut self, v: usize, command: &Command, step: &mut Step<'_, '_>) {
        let kind = match command.action {
            Action::Close => NoticeKind::ValveClosed,
            Action::Arm => NoticeKind::ValveArmed,
        };
        step.out.notices.push(Notice {
            id: NoticeId::from_raw(step.ids.next_raw(step.now)),
            kind,
            at: step.now,
            device: command.device,
            alarm: match command.cause {
                Cause::Leak { alarm } => Some(alarm),
                Cause::Rule | Cause::Operator { .. } | Cause::Resident { .. } => None,
            },
            command: Some(command.id),
            condition: None,
            priority: Priority::Medium,
        });
        if command.action == Action::Close {
            self.clear(v, Condition::CloseUnverified, Origin::Platform, step);
        }
    }

    /// A close has failed: a person is called, and it is tried again as long as the leak that asked for it stands.
    fn escalate(&mut self, v: usize, command: &Command, step: &mut Step<'_, '_>) {
        self.raise(v, Condition::CloseUnverified, Priority::Urgent, Origin::Platform, step);
        // What the device refused at once is not tried again in a tight circle, but when it would have been had nobody answered.
        if command.state != CommandState::Unverified {
            self.devices[v].refused_close = Some(command.clone());
            return;
        }
        self.close_again(v, command, step);
    }

    /// Orders a close anew that has come to nothing, with twice the time, if the leak that asked for it still stands.
    pub(super) fn close_again(&mut self, v: usize, command: &Command, step: &mut Step<'_, '_>) {
        let Some(alarm) = self.standing_leak(v, command) else { return };
        let tried = command.deadline.since(command.requested_at).as_millis();
        let again = tried.saturating_mul(2).min(step.world.limits.longest_retry.as_millis().max(tried));
        self.order_close(v, Cause::Leak { alarm }, Some(Span::from_millis(again)), step);
    }

    /// The alarm for which this valve must still be closed: the one that asked for the close, or any leak that stands around a valve that
    /// somebody wanted closed.
    pub(super) fn standing_leak(&self, v: usize, command: &Command) -> Option<AlarmId> {
        let around = || self.devices[v].linked_from.iter().flat_map(|&d| self.devices[d].alarms.iter());
        if let Cause::Leak { alarm } = command.cause
            && around().any(|each| each.id == alarm)
        {
            return Some(alarm);
        }
        around().find(|each| each.condition.is_leak()).map(|each| each.id)
    }

    /// A person wants a valve closed or its opening permitted.
    pub(super) fn request(
        &mut self,
        device: DeviceId,
        id: CommandId,
        action: Action,
        cause: Cause,
        step: &mut Step<'_, '_>,
    ) {
        let repeat = self.finished.contains(&id)
            || self.devices.iter().any(|each| each.commands.iter().any(|command| command.id == id));
        if repeat {
            return;
        }
        match self.permit(device, action, cause, step) {
            Err(reason) => step.out.rejected = Some(reason),
            Ok(v) => {
                let span = match action {
                    Action::Close => {
                        self.cancel_arms(v, step);
                        self.close_span(v, step.now, step.world.limits)
                    }
                    Action::Arm => step.world.limits.arm_deadline.max(self.close_span(v, step.now, step.world.limits)),
                };
                self.give(v, id, action, cause, step.now + span, step);
            }
        }
    }

    fn permit(
        &self,
        device: DeviceId,
        action: Action,
        cause: Cause,
        step: &Step<'_, '_>,
    ) -> Result<usize, RejectReason> {
        let v = self.index(device).ok_or(RejectReason::UnknownDevice { device })?;
        let target = &self.devices[v];
        if !target.config.kind.has_valve() {
            return Err(RejectReason::NoValve { device });
        }
        match cause {
            Cause::Operator { .. } | Cause::Resident { .. } => {}
            Cause::Leak { .. } | Cause::Rule => return Err(RejectReason::NotAPersonsCause),
        }
        if let Some(same) = target.open(action) {
            return Err(RejectReason::AlreadyUnderWay { command: same.id });
        }
        match action {
            // Whoever asks for a close may smell gas: no further question.
            Action::Close => Ok(v),
            Action::Arm => self.permit_arm(v, step.world.limits).map(|()| v),
        }
    }

    fn permit_arm(&self, v: usize, limits: &Limits) -> Result<(), RejectReason> {
        let target = &self.devices[v];
        if let Some(close) = target.open(Action::Close) {
            return Err(RejectReason::ArmBeatenByClose { command: close.id });
        }
        let around = target.linked_from.iter().flat_map(|&d| self.devices[d].alarms.iter());
        let blocks = |alarm: &&crate::alarm::Alarm| {
            debug_assert!(alarm.state != AlarmState::Normal, "ended alarms are not kept");
            alarm.condition.blocks_arm()
        };
        if let Some(alarm) = around.into_iter().find(blocks) {
            return Err(RejectReason::ArmBlocked { alarm: alarm.id, condition: alarm.condition });
        }
        if let Some(battery) = target.latest(Quantity::Battery)
            && battery.value <= limits.battery_for_arm
        {
            return Err(RejectReason::BatteryLow { percent: battery.value, needed: limits.battery_for_arm });
        }
        let (low, high) = limits.temperature_for_arm;
        match target.latest(Quantity::Temperature) {
            Some(latest) if latest.value < low || latest.value > high => {
                Err(RejectReason::Temperature { celsius: latest.value, low, high })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A device, or the gateway that speaks for it, says what became of a command.
    pub(super) fn outcome(
        &mut self,
        sender: DeviceId,
        id: CommandId,
        counter: u64,
        outcome: DeviceOutcome,
        at: Timestamp,
        step: &mut Step<'_, '_>,
    ) {
        let Some(s) = self.index(sender) else {
            step.out.rejected = Some(RejectReason::UnknownDevice { device: sender });
            return;
        };
        let Some((v, c)) = self.open_command(id) else {
            // A repeat of the last word on a finished command is no error.
            if !self.finished.contains(&id) {
                step.out.rejected = Some(RejectReason::UnknownCommand { command: id });
            }
            return;
        };
        if v != s && self.devices[v].parent != Some(s) {
            step.out.rejected = Some(RejectReason::UnknownCommand { command: id });
            return;
        }
        if outcome == DeviceOutcome::RefusedStale {
            self.devices[v].counter = self.devices[v].counter.max(counter.min(HIGHEST_COUNTER));
        }
        let at = if at.since(step.now) > CLOCK_OFF || step.now.since(at) > CLOCK_OFF { step.now } else { at };
        self.follow(v, c, CommandEvent::Outcome { outcome, at }, step);
        self.prove(v, step);
    }

    /// The transport reports on a command.
    pub(super) fn transport(&mut self, id: CommandId, event: Transport, step: &mut Step<'_, '_>) {
        let Some((v, c)) = self.open_command(id) else { return };
        let (event, again) = match event {
            Transport::Sent => (CommandEvent::Sent, false),
            Transport::Delivered => (CommandEvent::Delivered, false),
            Transport::TimedOut => (CommandEvent::TimedOut, true),
        };
        if self.follow(v, c, event, step) && again {
            self.deliver(v, step);
        }
    }

    fn open_command(&self, id: CommandId) -> Option<(usize, usize)> {
        self.devices
            .iter()
            .enumerate()
            .find_map(|(v, device)| device.commands.iter().position(|command| command.id == id).map(|c| (v, c)))
    }

    /// Verifies an open close if the device's reports prove it, and withdraws `CloseUnverified` when they prove it late.
    pub(super) fn prove(&mut self, v: usize, step: &mut Step<'_, '_>) {
        if self.flows_past(v, step.world.limits) {
            return;
        }
        let zero_flow = step.world.limits.zero_flow;
        let device = &self.devices[v];
        if let Some(at) = device.commands.iter().position(|command| command.action == Action::Close) {
            if proven(device, &device.commands[at], zero_flow) {
                self.follow(v, at, CommandEvent::Proven, step);
            }
            return;
        }
        if device.armed() {
            return;
        }
        if let Some(at) = device.alarm(Condition::CloseUnverified) {
            let since = device.alarms[at].raised_at;
            if device.reports_closed(zero_flow, |latest| latest.known() > since) {
                self.clear(v, Condition::CloseUnverified, Origin::Platform, step);
            }
        }
    }
}

/// Whether the device's latest reports were taken after it had carried out the close and say that it is closed.
///
/// Two clocks meet here. Once the device has said when it moved the valve, its own times are compared with each other;
/// before that only a time that is not ahead of ours counts, from when the close was sent.
fn proven(device: &super::device::Device, close: &Command, zero_flow: f64) -> bool {
    let Some(sent_at) = close.sent_at else { return false };
    device.reports_closed(zero_flow, |latest| {
        if latest.received < sent_at {
            return false;
        }
        let ahead = latest.at > latest.received;
        match (close.state, close.actuated_at) {
            (CommandState::Actuated, Some(actuated)) if ahead => latest.at >= actuated,
            (CommandState::Actuated, Some(actuated)) => latest.at >= actuated.min(close.changed_at),
            // A permission to open that may still be alive ends only when the device says that it has obeyed.
            _ if device.armed() || ahead => false,
            _ => latest.at >= sent_at,
        }
    })
}
