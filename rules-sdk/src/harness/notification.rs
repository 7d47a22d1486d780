//! An alarm on the bench.

use super::{Bench, Evaluator, Failure, Subject};
use crate::codes::{account_class, condition, device_kind, notification_trigger, priority, valve_state};
use crate::contract::notification::{AlarmContext, Event, Outcome, Recipient};
use crate::notification::Notification;

impl Subject for Notification {
    type Context = AlarmContext;

    fn ordinary() -> AlarmContext {
        AlarmContext {
            now_ms: 0,
            raised_at_ms: 0,
            acknowledged_at_ms: None,
            condition: condition::GAS_HIGH,
            priority: priority::URGENT,
            holds: true,
            device_kind: device_kind::DETECTOR,
            valve_state: valve_state::CLOSING,
            premises_class: account_class::HOUSEHOLD,
            local_minute: 12 * 60,
            quiet_hours: false,
            recipients: Vec::new(),
        }
    }

    fn state(outcome: &Outcome) -> &[u8] {
        &outcome.state
    }

    fn settle(_: &mut AlarmContext, _: &Outcome) {}
}

impl<E: Evaluator<World = Notification>> Bench<E, Notification> {
    /// Somebody who can be told, on duty, over these channels.
    pub fn person(&mut self, role: u16, rank: u16, channels: &[u16]) {
        let channels = channels.iter().fold(0, |mask, channel| mask | 1 << channel);
        self.context.recipients.push(Recipient { role, rank, channels, on_duty: true });
    }

    /// The alarm is raised.
    ///
    /// # Errors
    /// [`Failure`] when there was no decision; the state is then as before.
    pub fn raised(&mut self, now_ms: i64) -> Result<Outcome, Failure> {
        self.context.raised_at_ms = now_ms;
        self.event(now_ms, notification_trigger::RAISED, (0, 0, 0))
    }

    /// Its priority is lifted to a code.
    ///
    /// # Errors
    /// As [`Bench::raised`].
    pub fn escalated(&mut self, now_ms: i64, priority: u16) -> Result<Outcome, Failure> {
        self.context.priority = priority;
        self.event(now_ms, notification_trigger::ESCALATED, (0, 0, 0))
    }

    /// A person acknowledges it.
    ///
    /// # Errors
    /// As [`Bench::raised`].
    pub fn acknowledged(&mut self, now_ms: i64) -> Result<Outcome, Failure> {
        self.context.acknowledged_at_ms = Some(now_ms);
        self.event(now_ms, notification_trigger::ACKNOWLEDGED, (0, 0, 0))
    }

    /// Its condition has gone.
    ///
    /// # Errors
    /// As [`Bench::raised`].
    pub fn gone(&mut self, now_ms: i64) -> Result<Outcome, Failure> {
        self.context.holds = false;
        self.event(now_ms, notification_trigger::GONE, (0, 0, 0))
    }

    /// It is closed.
    ///
    /// # Errors
    /// As [`Bench::raised`].
    pub fn closed(&mut self, now_ms: i64) -> Result<Outcome, Failure> {
        self.context.holds = false;
        self.event(now_ms, notification_trigger::CLOSED, (0, 0, 0))
    }

    /// A timer of the rule is due.
    ///
    /// # Errors
    /// As [`Bench::raised`].
    pub fn timer(&mut self, now_ms: i64, id: u32) -> Result<Outcome, Failure> {
        self.event(now_ms, notification_trigger::TIMER, (id, 0, 0))
    }

    /// A message could not be delivered.
    ///
    /// # Errors
    /// As [`Bench::raised`].
    pub fn failed(&mut self, now_ms: i64, send_id: u32, failure: u16) -> Result<Outcome, Failure> {
        self.event(now_ms, notification_trigger::DELIVERY_FAILED, (0, send_id, failure))
    }

    /// Any event: trigger, then (timer id, send id, failure).
    ///
    /// # Errors
    /// As [`Bench::raised`].
    pub fn event(
        &mut self,
        now_ms: i64,
        trigger: u16,
        (timer_id, send_id, failure): (u32, u32, u16),
    ) -> Result<Outcome, Failure> {
        self.context.now_ms = now_ms;
        let context = self.context.clone();
        self.call(&Event { context, trigger, timer_id, send_id, failure, extensions: Vec::new() })
    }
}
