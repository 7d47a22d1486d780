//! A device on the bench.

use super::{Bench, Evaluator, Failure, Subject};
use crate::alarm::Alarm;
use crate::codes::{device_kind, trigger, valve_state};
use crate::contract::{DeviceContext, Event, Outcome, Reading};

impl Subject for Alarm {
    type Context = DeviceContext;

    fn ordinary() -> DeviceContext {
        DeviceContext {
            now_ms: 0,
            installed_at_ms: None,
            last_maintained_at_ms: None,
            active_conditions: 0,
            device_kind: device_kind::DETECTOR,
            valve_state: valve_state::OPEN,
        }
    }

    fn state(outcome: &Outcome) -> &[u8] {
        &outcome.state
    }

    fn settle(context: &mut DeviceContext, outcome: &Outcome) {
        for raise in outcome.raises.iter().filter(|raise| raise.condition < 64) {
            context.active_conditions |= 1 << raise.condition;
        }
        for condition in outcome.clears.iter().filter(|condition| **condition < 64) {
            context.active_conditions &= !(1 << condition);
        }
    }
}

impl<E: Evaluator<World = Alarm>> Bench<E, Alarm> {
    /// New readings, all measured at `now_ms`: (quantity code, value).
    ///
    /// # Errors
    /// [`Failure`] when there was no decision; state and alarms are then as before.
    pub fn readings(&mut self, now_ms: i64, readings: &[(u16, f64)]) -> Result<Outcome, Failure> {
        let readings = readings.iter().map(|(quantity, value)| Reading {
            at_ms: now_ms,
            value: *value,
            quantity: *quantity,
            channel: 0,
        });
        self.event(now_ms, trigger::READINGS, 0, readings.collect())
    }

    /// A timer of the rule is due.
    ///
    /// # Errors
    /// As [`Bench::readings`].
    pub fn timer(&mut self, now_ms: i64, id: u32) -> Result<Outcome, Failure> {
        self.event(now_ms, trigger::TIMER, id, Vec::new())
    }

    /// The linked valve moved to a state code.
    ///
    /// # Errors
    /// As [`Bench::readings`].
    pub fn valve(&mut self, now_ms: i64, state: u16) -> Result<Outcome, Failure> {
        self.context.valve_state = state;
        self.event(now_ms, trigger::VALVE_MOVED, 0, Vec::new())
    }

    /// Any event.
    ///
    /// # Errors
    /// As [`Bench::readings`].
    pub fn event(
        &mut self,
        now_ms: i64,
        trigger: u16,
        timer_id: u32,
        readings: Vec<Reading>,
    ) -> Result<Outcome, Failure> {
        self.context.now_ms = now_ms;
        self.call(&Event { context: self.context, trigger, timer_id, readings, extensions: Vec::new() })
    }
}
