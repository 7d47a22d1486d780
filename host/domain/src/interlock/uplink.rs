//! Folding what devices report: the hot path.

use super::rule::Mark;
use super::{Input, Interlock, RejectReason, Step};
use crate::alarm::Origin;
use crate::command::Cause;
use crate::device::{Condition, DeviceKind, Priority, ValveState};
use crate::floor::FloorHit;
use crate::id::DeviceId;
use crate::policy::Trigger;
use crate::quantity::{Quantity, Reading};
use crate::senml::Part;

impl Interlock {
    pub(super) fn dispatch(&mut self, input: Input<'_>, step: &mut Step<'_, '_>) {
        if let Input::Uplink { device, parts, .. } = input {
            self.seen(device, parts, step);
        }
        if self.due.is_some_and(|due| due <= step.now) {
            self.run_due(step);
        }
        match input {
            Input::Uplink { device, parts, .. } => self.uplink(device, parts, step),
            Input::Late { device, parts } => self.late(device, parts, step),
            Input::Driver { device, fails } => self.driver(device, fails, step),
            Input::Outcome { device, command, counter, outcome, at } => {
                self.outcome(device, command, counter, outcome, at, step);
            }
            Input::Request { device, command, action, cause } => self.request(device, command, action, cause, step),
            Input::Person { alarm, event } => self.person(alarm, event, step),
            Input::Transport { command, event } => self.transport(command, event, step),
            Input::Due => {}
        }
        if !step.out.alarms.is_empty() || !step.out.commands.is_empty() {
            self.retries(step);
            self.announce_moves(step);
        }
    }

    /// Whoever reports is not silent, before anything else is judged.
    fn seen(&mut self, device: DeviceId, parts: &[Part], step: &Step<'_, '_>) {
        let Some(d) = self.index(device) else { return };
        let children = parts.iter().filter_map(|part| part.child.as_deref());
        self.devices[d].hear(step.now);
        for serial in children {
            if let Some(child) = self.child(d, serial) {
                self.devices[child].hear(step.now);
            }
        }
    }

    fn uplink(&mut self, device: DeviceId, parts: &[Part], step: &mut Step<'_, '_>) {
        let Some(d) = self.index(device) else {
            step.out.rejected = Some(RejectReason::UnknownDevice { device });
            return;
        };
        self.heard(d, step);
        for part in parts {
            let Some(serial) = &part.child else {
                self.fold_part(d, &part.readings, step);
                continue;
            };
            let Some(child) = self.child(d, serial) else {
                step.out.unknown_children.push((device, serial.clone()));
                self.fold_part(d, &of_the_air(&part.readings), step);
                continue;
            };
            self.heard(child, step);
            self.fold_part(child, &part.readings, step);
        }
    }

    /// Judged like any reading, also of long ago; but who sent it then may be silent now.
    fn late(&mut self, device: DeviceId, parts: &[Part], step: &mut Step<'_, '_>) {
        let Some(d) = self.index(device) else {
            step.out.rejected = Some(RejectReason::UnknownDevice { device });
            return;
        };
        for part in parts {
            match part.child.as_ref().map(|serial| self.child(d, serial)) {
                None => self.fold_part(d, &part.readings, step),
                Some(Some(child)) => self.fold_part(child, &part.readings, step),
                Some(None) => self.fold_part(d, &of_the_air(&part.readings), step),
            }
        }
    }

    /// A device whose messages cannot be read may be measuring gas: a person is told, until they can be read again.
    fn driver(&mut self, device: DeviceId, fails: bool, step: &mut Step<'_, '_>) {
        let Some(d) = self.index(device) else {
            step.out.rejected = Some(RejectReason::UnknownDevice { device });
            return;
        };
        if fails {
            self.raise(d, Condition::RuleFault, Priority::High, Origin::Driver, step);
        } else {
            self.clear(d, Condition::RuleFault, Origin::Driver, step);
        }
    }

    fn heard(&mut self, d: usize, step: &mut Step<'_, '_>) {
        if self.devices[d].asserts(Condition::Silent, Origin::Platform) {
            self.clear(d, Condition::Silent, Origin::Platform, step);
            if let Some(at) = self.devices[d].silent_at(step.world.limits) {
                self.due_by(at);
            }
        }
    }

    fn fold_part(&mut self, d: usize, readings: &[Reading], step: &mut Step<'_, '_>) {
        if readings.is_empty() {
            return;
        }
        let device = &mut self.devices[d];
        let (id, kind) = (device.config.id, device.config.kind);
        for reading in readings {
            device.absorb(reading, step.now);
            step.out.readings.push((id, *reading));
        }
        if kind.has_valve() {
            self.judge_flow(d, step);
            self.prove(d, step);
        }
        if kind == DeviceKind::Meter {
            self.judge_line(d, step);
        }
        // The law first, in native code, whatever comes of the rule.
        let mark = Mark::of(step.out);
        let hits = step.world.floor.judge(kind, readings, step.now).unwrap_or_default();
        if !hits.is_empty() {
            self.stand_on_floor(d, &hits, step);
        }
        self.consult(d, Trigger::Readings, readings, hits, mark, step);
        if !self.devices[d].active.is_empty() {
            self.leave_floor(d, step);
        }
        if kind.has_valve() {
            self.announce_move(d, step);
        }
    }

    fn stand_on_floor(&mut self, d: usize, hits: &[FloorHit], step: &mut Step<'_, '_>) {
        for hit in hits {
            let alarm = self.raise(d, hit.condition, hit.priority, Origin::Floor, step);
            if hit.close {
                self.close_for(d, Cause::Leak { alarm }, step);
            }
        }
    }

    /// The floor lets go of an alarm only when the latest reading is below the level at which it clears.
    fn leave_floor(&mut self, d: usize, step: &mut Step<'_, '_>) {
        let floor = step.world.floor;
        let device = &self.devices[d];
        if !device.alarms.iter().any(|alarm| alarm.asserted.contains(Origin::Floor)) {
            return;
        }
        let mut held = crate::device::ConditionSet::EMPTY;
        for rule in floor.for_kind(device.config.kind, step.now) {
            if device.latest(rule.quantity).is_some_and(|latest| latest.value >= rule.clear_below) {
                held.insert(rule.condition);
            }
        }
        for &condition in Condition::ALL {
            if self.devices[d].asserts(condition, Origin::Floor) && !held.contains(condition) {
                self.clear(d, condition, Origin::Floor, step);
            }
        }
    }

    fn announce_moves(&mut self, step: &mut Step<'_, '_>) {
        for v in 0..self.devices.len() {
            if self.devices[v].config.kind.has_valve() {
                self.announce_move(v, step);
            }
        }
    }

    /// Tells the rules of all devices that this valve serves when its proven position has changed.
    pub(super) fn announce_move(&mut self, v: usize, step: &mut Step<'_, '_>) {
        let position = self.devices[v].valve();
        let proven = matches!(position, ValveState::Open | ValveState::Closed | ValveState::Unverified);
        if !proven || position == self.devices[v].announced {
            return;
        }
        self.devices[v].announced = position;
        for at in 0..self.devices[v].linked_from.len() {
            let d = self.devices[v].linked_from[at];
            let mark = Mark::of(step.out);
            self.consult(d, Trigger::ValveMoved, &[], Vec::new(), mark, step);
        }
    }
}

/// What a device that nobody has provisioned says of the air. It counts as its gateway's own: the law knows no strangers, and the alarm
/// must not wait until somebody has found out whose readings these are. Nothing else of it is believed.
pub(super) fn of_the_air(readings: &[Reading]) -> Vec<Reading> {
    readings.iter().filter(|reading| matches!(reading.quantity, Quantity::Gas | Quantity::Co)).copied().collect()
}
