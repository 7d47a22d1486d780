//! What a shard says to the outside once the committer has spoken: replies, notifications and answers to people.

use super::shard::{RETRY_AFTER, Shard};
use super::socket::Sender;
use super::state::ShardState;
use super::work::{Delivery, Payload, Release, Reply, Work};
use crate::operate::OperateError;
use davy_coap::{Code, EndpointError, ExchangeId, NotificationId, ObservationId, Response};
use davy_domain::interlock::{Input, Transport};
use davy_domain::{CommandId, DeviceId};
use tokio::sync::mpsc::error::TrySendError;

impl Shard {
    /// Answers. What is not durable is not acknowledged: commands travel in a 5.03 then, and the device reports again.
    pub(super) fn release(&mut self, release: Release, durable: bool, state: &mut ShardState) {
        for reply in release.replies {
            self.crowd.leave(reply.tenant);
            self.reply(reply, durable, state);
        }
        for delivery in release.notifications {
            self.notify(delivery, state);
        }
        for (_, answer) in release.answers {
            answer(if durable {
                Ok(())
            } else {
                Err(OperateError::NotStored { reason: "the database does not answer".into() })
            });
        }
    }

    pub(super) fn reply(&mut self, reply: Reply, durable: bool, state: &mut ShardState) {
        let Payload { bytes, format, commands } = reply.delivery;
        let response = match (durable, reply.read) {
            (true, true) => Response::content(format, bytes),
            (true, false) if bytes.is_empty() => Response::new(Code::CHANGED),
            (true, false) => Response::changed(format, bytes),
            (false, _) => Response {
                content_format: (!bytes.is_empty()).then_some(format),
                payload: bytes,
                ..Response::new(Code::SERVICE_UNAVAILABLE).with_max_age(RETRY_AFTER)
            },
        };
        // What is durable and reported something is in the journal, with its sequence number; a question leaves no record.
        let recorded = durable && !reply.read && reply.sequence.is_some();
        if self.respond(reply.exchange, response, recorded) {
            self.sent(reply.device, commands, Transport::Sent, state);
        }
    }

    fn notify(&mut self, delivery: Delivery, state: &mut ShardState) {
        let Some(&observation) = self.observers.get(&delivery.device) else { return };
        let Payload { bytes, format, commands } = delivery.payload;
        match self.endpoint.notify(self.clock.instant(), observation, Response::content(format, bytes), true) {
            Ok(notification) => {
                self.notified.insert((observation, notification), (delivery.device, commands.clone()));
                self.sent(delivery.device, commands, Transport::Sent, state);
            }
            Err(error) => {
                tracing::warn!(device.id = %delivery.device, %error, "a command could not be notified and waits for the next uplink");
            }
        }
    }

    /// Tells a device that observes what is pending for it and has not been delivered.
    pub(super) fn notify_pending(&mut self, device: DeviceId, state: &mut ShardState) {
        let Some(interlock) = state.interlock_of(device) else { return };
        let now = self.clock.now();
        if state.look(interlock).is_some_and(|interlock| interlock.has_undelivered(device, now)) {
            let payload = self.pending(state, interlock, device, now);
            self.work.release.notifications.push(Delivery { device, payload });
        }
    }

    /// A notification has an end; returns whose it was.
    pub(super) fn notified(
        &mut self,
        state: &mut ShardState,
        observation: ObservationId,
        notification: NotificationId,
        event: Transport,
    ) -> Option<DeviceId> {
        let (device, commands) = self.notified.remove(&(observation, notification))?;
        self.sent(device, commands, event, state);
        Some(device)
    }

    fn sent(&mut self, device: DeviceId, commands: Vec<CommandId>, event: Transport, state: &mut ShardState) {
        if commands.is_empty() {
            return;
        }
        let Some(interlock) = state.interlock_of(device) else { return };
        let now = self.clock.now();
        for command in commands {
            self.step(state, interlock, None, Input::Transport { command, event }, now);
        }
    }

    /// Responds, `recorded` when the request's sequence number is durable; returns whether the exchange was still open.
    pub(super) fn respond(&mut self, exchange: ExchangeId, response: Response, recorded: bool) -> bool {
        let now = self.clock.instant();
        let answered = if recorded {
            self.endpoint.respond_recorded(now, exchange, response)
        } else {
            self.endpoint.respond(now, exchange, response)
        };
        match answered {
            Ok(()) => true,
            // Answered already while the database was away, or the device has given up.
            Err(EndpointError::UnknownExchange) => false,
            Err(error) => {
                tracing::error!(%error, "a response could not be sent");
                false
            }
        }
    }

    /// Sends what the endpoint has to send.
    pub(super) fn transmit(&mut self, sender: &mut Sender) {
        loop {
            self.outgoing.extend(std::iter::from_fn(|| self.endpoint.poll_transmit()).take(256));
            if self.outgoing.is_empty() {
                return;
            }
            let datagrams = self.outgoing.iter().map(|transmit| (transmit.peer, transmit.payload.as_slice()));
            let refused = sender.send(&self.socket, datagrams);
            if refused > 0 {
                metrics::counter!("davy_datagrams_unsent_total").increment(refused as u64);
            }
            for transmit in self.outgoing.drain(..) {
                self.endpoint.recycle(transmit.payload);
            }
        }
    }

    /// Sends the closes of leaks, ahead of the commit and of whatever else this thread has before it. Costs nothing when there is none.
    ///
    /// Should the process die before the commit, the leak is reported again, for it was not acknowledged, and its valve is ordered to
    /// close again under a higher counter: an order that has been obeyed already does no harm.
    pub(super) fn hurry(&mut self, state: &mut ShardState, sender: &mut Sender) {
        if self.closes.is_empty() {
            return;
        }
        for close in std::mem::take(&mut self.closes) {
            self.notify(close, state);
        }
        self.transmit(sender);
    }

    /// Hands what has been decided to the committer, if it has room; otherwise it stays and grows until it has.
    pub(super) fn hand_over(&mut self, stopping: bool, state: &mut ShardState) {
        if stopping || !self.database.is_away() {
            for (_, (interlock, row)) in std::mem::take(&mut self.memories) {
                self.work.push(interlock, row);
            }
        }
        if self.work.is_empty() {
            return;
        }
        if self.database.is_slow() {
            let commands = self.work.release.take_commands();
            self.release(commands, false, state);
        }
        let work = std::mem::replace(&mut self.work, Work::of(self.index));
        if let Err(TrySendError::Full(work) | TrySendError::Closed(work)) = self.committer.try_send(work) {
            self.work = work;
        }
    }
}
