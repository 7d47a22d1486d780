//! Raising, clearing and handling alarms: the only place where an alarm of an interlock changes.

use super::device::Device;
use super::{AlarmChange, Interlock, Notice, NoticeKind, RejectReason, ResetBlock, Step};
use crate::alarm::{self, Alarm, AlarmEffect, AlarmEvent, AlarmRefusal, AlarmState, AlarmStep, Asserted, Origin};
use crate::device::{Condition, Priority};
use crate::id::{AlarmId, CommandId, NoticeId};

impl Interlock {
    /// `origin` holds that the condition is there. Returns the active alarm.
    pub(super) fn raise(
        &mut self,
        d: usize,
        condition: Condition,
        priority: Priority,
        origin: Origin,
        step: &mut Step<'_, '_>,
    ) -> AlarmId {
        let event = AlarmEvent::Raise { priority, origin };
        let device = &mut self.devices[d];
        let id = if let Some(at) = device.alarm(condition) {
            let id = device.alarms[at].id;
            if let Ok(Some(next)) = alarm::step(&device.alarms[at], event, step.now) {
                self.put_alarm(d, at, next, event, None, step);
            }
            id
        } else {
            let id = AlarmId::from_raw(step.ids.next_raw(step.now));
            let alarm = Alarm::raised(id, device.config.id, condition, priority, origin, step.now);
            device.active.insert(condition);
            device.alarms.push(alarm.clone());
            tell(&alarm, AlarmEffect::Annunciate, None, step);
            let effect = AlarmEffect::Annunciate;
            step.out.alarms.push(AlarmChange { before: AlarmState::Normal, alarm, event, effect });
            id
        };
        if condition.blocks_arm() {
            self.cancel_arms_around(d, step);
        }
        id
    }

    /// `origin` holds no longer that the condition is there.
    pub(super) fn clear(&mut self, d: usize, condition: Condition, origin: Origin, step: &mut Step<'_, '_>) {
        let Some(at) = self.devices[d].alarm(condition) else { return };
        let event = AlarmEvent::Clear { origin };
        if let Ok(Some(next)) = alarm::step(&self.devices[d].alarms[at], event, step.now) {
            self.put_alarm(d, at, next, event, None, step);
        }
    }

    /// A person deals with an alarm.
    pub(super) fn person(&mut self, id: AlarmId, event: AlarmEvent, step: &mut Step<'_, '_>) {
        let found = self
            .devices
            .iter()
            .enumerate()
            .find_map(|(d, device)| device.alarms.iter().position(|alarm| alarm.id == id).map(|at| (d, at)));
        let Some((d, at)) = found else {
            step.out.rejected = Some(RejectReason::UnknownAlarm { alarm: id });
            return;
        };
        let mut block = None;
        let event = match event {
            AlarmEvent::Raise { .. } | AlarmEvent::Clear { .. } | AlarmEvent::ShelfEnded => {
                step.out.rejected = Some(RejectReason::NotAPersonsEvent);
                return;
            }
            AlarmEvent::Reset { by, .. } => {
                let alarm = &self.devices[d].alarms[at];
                let proof = Self::fresh_low(&self.devices[d], alarm.condition, step);
                let fresh_low_readings = proof.is_ok();
                block = proof.err();
                // A rule that never lets go must not keep an alarm alive against a person with proof.
                if fresh_low_readings && alarm.condition.is_leak() && alarm.asserted == Asserted::by(Origin::Rule) {
                    self.clear(d, alarm.condition, Origin::Rule, step);
                    if self.devices[d].alarms.get(at).is_none_or(|alarm| alarm.id != id) {
                        return;
                    }
                }
                AlarmEvent::Reset { by, fresh_low_readings }
            }
            AlarmEvent::Acknowledge { .. }
            | AlarmEvent::Shelve { .. }
            | AlarmEvent::Unshelve { .. }
            | AlarmEvent::Suppress { .. }
            | AlarmEvent::Unsuppress { .. }
            | AlarmEvent::TakeOutOfService { .. }
            | AlarmEvent::ReturnToService { .. } => event,
        };
        match alarm::step(&self.devices[d].alarms[at], event, step.now) {
            Ok(Some(next)) => self.put_alarm(d, at, next, event, None, step),
            Ok(None) => {}
            Err(refusal) => {
                let reset = matches!(refusal, AlarmRefusal::NoFreshLowReadings | AlarmRefusal::StillPresent);
                // What stands against a reset says more than that something does.
                let why = block.filter(|_| reset).map(|block| RejectReason::Reset { block });
                step.out.rejected = Some(why.unwrap_or_else(|| refusal.into()));
            }
        }
    }

    /// Whether fresh reports say that a latched condition has gone; otherwise what is missing.
    fn fresh_low(device: &Device, condition: Condition, step: &Step<'_, '_>) -> Result<(), ResetBlock> {
        if condition == Condition::CloseUnverified {
            let proven = device.proven_closed(step.now, step.world.limits);
            return if proven { Ok(()) } else { Err(ResetBlock::ValveNotClosed) };
        }
        let Some(quantity) = condition.concentration() else { return Ok(()) };
        let Some(below) = step.world.floor.low_level(quantity, step.now) else { return Ok(()) };
        let oldest = step.now - device.fresh_for(step.world.limits.low_reading_age);
        match device.latest(quantity) {
            None => Err(ResetBlock::NoReading { quantity }),
            Some(latest) if latest.known() < oldest => Err(ResetBlock::ReadingTooOld { quantity, at: latest.known() }),
            Some(latest) if latest.value >= below => {
                Err(ResetBlock::ReadingsHigh { quantity, value: latest.value, below })
            }
            Some(_) => Ok(()),
        }
    }

    /// Stores a step of an alarm, tells whom it concerns, and forgets the alarm when it has ended.
    pub(super) fn put_alarm(
        &mut self,
        d: usize,
        at: usize,
        next: AlarmStep,
        event: AlarmEvent,
        command: Option<CommandId>,
        step: &mut Step<'_, '_>,
    ) {
        let AlarmStep { alarm, effect } = next;
        tell(&alarm, effect, command, step);
        if let Some(until) = alarm.shelved_until {
            self.due_by(until);
        }
        let device = &mut self.devices[d];
        let before = device.alarms[at].state;
        if alarm.state.is_active() {
            device.alarms[at] = alarm.clone();
        } else {
            device.alarms.remove(at);
            device.active.remove(alarm.condition);
        }
        step.out.alarms.push(AlarmChange { before, alarm, event, effect });
    }
}

fn tell(alarm: &Alarm, effect: AlarmEffect, command: Option<CommandId>, step: &mut Step<'_, '_>) {
    let kind = match effect {
        AlarmEffect::Annunciate if alarm.condition == Condition::CloseUnverified => NoticeKind::CloseUnverified,
        AlarmEffect::Annunciate => NoticeKind::AlarmRaised,
        AlarmEffect::Returned => NoticeKind::AlarmReturned,
        AlarmEffect::End => NoticeKind::AlarmEnded,
        AlarmEffect::Quiet => NoticeKind::AlarmAcknowledged,
        AlarmEffect::Hide | AlarmEffect::Note => return,
    };
    step.out.notices.push(Notice {
        id: NoticeId::from_raw(step.ids.next_raw(step.now)),
        kind,
        at: step.now,
        device: alarm.device,
        alarm: Some(alarm.id),
        command,
        condition: Some(alarm.condition),
        priority: alarm.priority,
    });
}
