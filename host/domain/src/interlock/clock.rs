//! The platform's own clock, when it turns out to have been ahead.
//!
//! A small step back is waited out, so that time never runs backwards for a rule. After a large one (a machine that started with a wrong
//! year) everything that was set by the wrong clock would be due in that year: closes would never be called unproven, devices never
//! silent. So it is moved back to where the clock is now.

use super::{Effects, Interlock, TimerChange};
use crate::quantity::Reading;
use crate::time::{Span, Timestamp};

/// How far ahead of the clock an interlock's own time may be. Nothing is late by more.
pub const MOST_LEAD: Span = Span::from_secs(30);

impl Interlock {
    /// Moves back what lies ahead of `now`, if the clock was ahead of it by more than [`MOST_LEAD`].
    pub(super) fn follow_clock(&mut self, now: Timestamp, out: &mut Effects) {
        let lead = self.clock.since(now);
        if lead <= MOST_LEAD {
            return;
        }
        self.clock = now;
        for device in &mut self.devices {
            device.last_seen = device.last_seen.map(|at| at.min(now));
            device.watch_from = device.watch_from.min(now);
            let readings: Vec<_> = device.readings().collect();
            for (reading, received) in readings {
                device.set_latest(Reading { at: reading.at.min(now), ..reading }, received.min(now));
            }
            for command in device.commands.iter_mut().chain(&mut device.refused_close) {
                if command.requested_at > now {
                    command.deadline = command.deadline - lead;
                }
                command.requested_at = command.requested_at.min(now);
                command.changed_at = command.changed_at.min(now);
                command.sent_at = command.sent_at.map(|at| at.min(now));
                command.actuated_at = command.actuated_at.map(|at| at.min(now));
            }
            for alarm in &mut device.alarms {
                if alarm.changed_at > now {
                    alarm.shelved_until = alarm.shelved_until.map(|until| until - lead);
                }
                alarm.raised_at = alarm.raised_at.min(now);
                alarm.changed_at = alarm.changed_at.min(now);
            }
            // A rule keeps times of its own in its memory, where nobody can move them: it begins anew, as after a change of rules.
            device.rule.wake = None;
            device.rule.adopted_at = device.rule.adopted_at.min(now);
            for timer in core::mem::take(&mut device.rule.timers) {
                out.timers.push(TimerChange::Gone { device: device.config.id, id: timer.id });
            }
            if !device.rule.state.is_empty() {
                device.rule.state.clear();
                out.rule_state.push((device.config.id, device.rule.to_blob()));
            }
        }
        // Something may be due by now: the next step finds out what.
        self.due = Some(now);
    }
}
