//! What people ask of a shard: to close a valve, to acknowledge or reset an alarm.

use super::shard::{Operation, Shard};
use super::state::ShardState;
use crate::operate::OperateError;
use davy_domain::alarm::{Alarm, AlarmEvent};
use davy_domain::command::{Action, Cause, Command};
use davy_domain::interlock::{Input, RejectReason};
use davy_domain::{AlarmId, CommandId, DeviceId, InterlockId};
use tokio::sync::oneshot;

impl Shard {
    pub(super) fn operate(&mut self, operation: Operation, state: &mut ShardState) {
        match operation {
            Operation::Close { interlock, device, cause, answer } => {
                let result = self.close(state, interlock, device, cause);
                self.answer_when_durable(interlock, result, answer);
            }
            Operation::Person { interlock, alarm, event, answer } => {
                let result = self.person(state, interlock, alarm, event);
                self.answer_when_durable(interlock, result, answer);
            }
            Operation::ReadAgain { interlock, message, answer } => {
                let result = self.read_again(state, interlock, message);
                self.answer_when_durable(interlock, result, answer);
            }
        }
    }

    fn close(
        &mut self,
        state: &mut ShardState,
        interlock: InterlockId,
        device: DeviceId,
        cause: Cause,
    ) -> Result<Vec<Command>, OperateError> {
        let index = find(state, interlock)?;
        let now = self.clock.now();
        // "It is closed already" must be as good a proof as that of a close: an old report, or a valve that may be opened by hand
        // at any time, is none.
        let proven = state.proven_closed(index, device, now);
        if proven.ok_or_else(|| OperateError::Unknown { what: device.to_string() })? {
            return Ok(Vec::new());
        }
        let command = CommandId::from_raw(self.ids.next_raw(now));
        let input = Input::Request { device, command, action: Action::Close, cause };
        let open = match self.step(state, index, None, input, now).rejected {
            None => command,
            Some(RejectReason::AlreadyUnderWay { command }) => command,
            Some(reason) => return Err(OperateError::Refused { reason }),
        };
        Ok(state.look(index).and_then(|interlock| interlock.command(open)).cloned().into_iter().collect())
    }

    fn person(
        &mut self,
        state: &mut ShardState,
        interlock: InterlockId,
        alarm: AlarmId,
        event: AlarmEvent,
    ) -> Result<Alarm, OperateError> {
        let index = find(state, interlock)?;
        let before = state.look(index).and_then(|interlock| interlock.alarm(alarm)).cloned();
        let before = before.ok_or_else(|| OperateError::Unknown { what: alarm.to_string() })?;
        let now = self.clock.now();
        let already = self.work.effects.len();
        if let Some(reason) = self.step(state, index, None, Input::Person { alarm, event }, now).rejected {
            return Err(OperateError::Refused { reason });
        }
        // The last change of this alarm in the step; none when it stood like that already.
        let changed = self.work.effects[already.min(self.work.effects.len())..]
            .iter()
            .flat_map(|(_, _, effects)| &effects.alarms)
            .rfind(|change| change.alarm.id == alarm);
        Ok(changed.map_or(before, |change| change.alarm.clone()))
    }

    fn answer_when_durable<T: Send + 'static>(
        &mut self,
        interlock: InterlockId,
        result: Result<T, OperateError>,
        answer: oneshot::Sender<Result<T, OperateError>>,
    ) {
        // A person who no longer waits is not told; what they asked for happens all the same.
        match result {
            Err(error) => drop(answer.send(Err(error))),
            Ok(value) => {
                let tell = move |stored: Result<(), OperateError>| drop(answer.send(stored.map(|()| value)));
                self.work.release.answers.push((interlock, Box::new(tell)));
            }
        }
    }
}

fn find(state: &ShardState, interlock: InterlockId) -> Result<u32, OperateError> {
    state.interlock(interlock).ok_or_else(|| OperateError::Unknown { what: interlock.to_string() })
}
