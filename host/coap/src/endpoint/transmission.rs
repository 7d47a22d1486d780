//! Confirmable messages of ours: sent again with doubled waits until they are acknowledged, reset or given up (RFC 7252 §4.2), and no
//! more than NSTART of them on the way to one peer (§4.7).

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::Endpoint;
use crate::{
    arena::{PeerId, TransmissionId},
    config::Timing,
    error::EndpointError,
    event::{ContextId, Event, Failure, NotificationId, ObservationId, RequestId},
    peers::Unconfirmed,
    timers::Timer,
};

/// What a confirmable message carries, and so who wants to know what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Request(RequestId),
    SeparateResponse,
    Notification(ObservationId, NotificationId),
    /// A deregistration: nobody waits for its answer.
    Farewell,
}

pub(super) struct Transmission {
    peer: PeerId,
    /// Whose latest address a notification or a response follows.
    context: Option<ContextId>,
    message_id: u16,
    datagram: Vec<u8>,
    pub(super) purpose: Purpose,
    max_retransmit: u32,
    timeout: Duration,
    retransmissions: u32,
    sent: bool,
}

impl Endpoint {
    /// Sends a confirmable message, or queues it behind those on the way to the same peer.
    pub(super) fn start_transmission(
        &mut self,
        now: Instant,
        peer: PeerId,
        context: Option<ContextId>,
        message_id: u16,
        datagram: Vec<u8>,
        purpose: Purpose,
    ) -> Result<TransmissionId, EndpointError> {
        let Some(state) = self.peers.get(peer) else {
            return Err(EndpointError::TooManyPeers { max_peers: self.config.max_peers });
        };
        let (address, queued) = (state.address, state.queue.len());
        let must_wait = state.in_flight >= self.config.nstart.max(1);
        if must_wait && queued >= self.config.max_queued {
            self.recycle(datagram);
            return Err(EndpointError::QueueFull { queued });
        }
        let Timing { ack_timeout, ack_random_factor, max_retransmit } = self.timing(address, context);
        let timeout = self.entropy.jitter(ack_timeout, ack_random_factor);
        let id = self.transmissions.insert(Transmission {
            peer,
            context,
            message_id,
            datagram,
            purpose,
            max_retransmit,
            timeout,
            retransmissions: 0,
            sent: false,
        });
        self.in_flight.insert((peer, message_id), id);
        if must_wait {
            if let Some(state) = self.peers.get_mut(peer) {
                state.queue.push_back(id);
            }
        } else {
            self.send_first(now, id);
        }
        Ok(id)
    }

    fn timing(&self, address: SocketAddr, context: Option<ContextId>) -> Timing {
        let of_context = context.and_then(|id| self.contexts.get(id)?.timing);
        of_context.or_else(|| self.timings.get(&address).copied()).unwrap_or_else(|| self.config.timing())
    }

    fn send_first(&mut self, now: Instant, id: TransmissionId) {
        let Some(transmission) = self.transmissions.get_mut(id) else { return };
        transmission.sent = true;
        let (peer, timeout) = (transmission.peer, transmission.timeout);
        if let Some(state) = self.peers.get_mut(peer) {
            state.in_flight += 1;
        }
        self.peers.touch(peer, now);
        self.timers.set(now + timeout, Timer::Retransmit(id));
        self.send_copy(id);
    }

    fn send_copy(&mut self, id: TransmissionId) {
        let mut buffer = self.buffer();
        let Some(transmission) = self.transmissions.get(id) else { return };
        let Some(peer) = self.peers.get_mut(transmission.peer) else { return };
        buffer.extend_from_slice(&transmission.datagram);
        let address = peer.address;
        if peer.spend(buffer.len()) {
            self.transmit(address, buffer);
        } else {
            self.stats.amplification_limited += 1;
            self.recycle(buffer);
        }
    }

    /// A retransmission is due.
    pub(super) fn retransmit(&mut self, now: Instant, id: TransmissionId) {
        let Some(transmission) = self.transmissions.get_mut(id) else { return };
        if transmission.retransmissions >= transmission.max_retransmit {
            let purpose = transmission.purpose;
            self.stats.timed_out += 1;
            self.end_transmission(now, id);
            self.transmission_failed(now, purpose, Failure::TimedOut);
            return;
        }
        transmission.retransmissions += 1;
        transmission.timeout *= 2;
        let due = now + transmission.timeout;
        self.stats.retransmissions += 1;
        self.timers.set(due, Timer::Retransmit(id));
        self.follow_context(now, id);
        self.send_copy(id);
    }

    /// Moves what a peer waits for to where its context was heard from last. Only the message id changes, which OSCORE does not protect.
    fn follow_context(&mut self, now: Instant, id: TransmissionId) {
        let Some(transmission) = self.transmissions.get(id) else { return };
        let (old, old_message_id) = (transmission.peer, transmission.message_id);
        if !matches!(transmission.purpose, Purpose::Notification(..) | Purpose::SeparateResponse) {
            return;
        }
        let Some(latest) = transmission.context.and_then(|context| self.contexts.get(context)?.address()) else {
            return;
        };
        if self.peers.get(old).is_some_and(|peer| peer.address == latest) {
            return;
        }
        let Some(new) = self.enter_peer(now, latest) else { return };
        let message_id = self.next_message_id(Some(new));
        self.in_flight.remove(&(old, old_message_id));
        self.in_flight.insert((new, message_id), id);
        if let Some(peer) = self.peers.get_mut(new) {
            peer.in_flight += 1;
            peer.verify();
        }
        if let Some(transmission) = self.transmissions.get_mut(id) {
            transmission.peer = new;
            transmission.message_id = message_id;
            transmission.datagram[2..4].copy_from_slice(&message_id.to_be_bytes());
        }
        self.leave_flight(now, old);
    }

    /// Forgets a message, however it ended, and lets the next one for the same peer go.
    pub(super) fn end_transmission(&mut self, now: Instant, id: TransmissionId) -> Option<Purpose> {
        let transmission = self.transmissions.remove(id)?;
        self.in_flight.remove(&(transmission.peer, transmission.message_id));
        self.recycle(transmission.datagram);
        if transmission.sent {
            self.leave_flight(now, transmission.peer);
        } else if let Some(peer) = self.peers.get_mut(transmission.peer) {
            peer.queue.retain(|&queued| queued != id);
        }
        self.prune_timers();
        Some(transmission.purpose)
    }

    fn leave_flight(&mut self, now: Instant, peer: PeerId) {
        let nstart = self.config.nstart.max(1);
        let Some(state) = self.peers.get_mut(peer) else { return };
        state.in_flight = state.in_flight.saturating_sub(1);
        if state.in_flight < nstart
            && let Some(next) = state.queue.pop_front()
        {
            self.send_first(now, next);
        }
    }

    pub(super) fn transmission_to(&self, peer: SocketAddr, message_id: u16) -> Option<TransmissionId> {
        let peer = self.peers.find(peer)?;
        self.in_flight
            .get(&(peer, message_id))
            .copied()
            .filter(|&id| self.transmissions.get(id).is_some_and(|t| t.sent))
    }

    pub(super) fn purpose_of(&self, id: TransmissionId) -> Option<Purpose> {
        self.transmissions.get(id).map(|transmission| transmission.purpose)
    }

    /// An empty acknowledgement came.
    pub(super) fn acknowledged(&mut self, now: Instant, peer: SocketAddr, message_id: u16) {
        let Some(id) = self.transmission_to(peer, message_id) else {
            self.stats.unmatched += 1;
            return;
        };
        self.verify_peer(now, peer);
        match self.end_transmission(now, id) {
            Some(Purpose::Request(request)) => self.wait_for_response(now, request),
            Some(Purpose::Notification(observation, notification)) => {
                self.events.push_back(Event::NotificationDelivered { observation, notification });
            }
            Some(Purpose::SeparateResponse | Purpose::Farewell) | None => {}
        }
    }

    /// A reset came.
    pub(super) fn was_reset(&mut self, now: Instant, peer: SocketAddr, message_id: u16) {
        let purpose = match self.transmission_to(peer, message_id) {
            Some(id) => self.end_transmission(now, id),
            None => self.peers.find(peer).and_then(|peer| self.peers.get_mut(peer)?.take_unconfirmed(message_id)).map(
                |unconfirmed| match unconfirmed {
                    Unconfirmed::Request(request) => Purpose::Request(request),
                    Unconfirmed::Notification(observation, notification) => {
                        Purpose::Notification(observation, notification)
                    }
                },
            ),
        };
        match purpose {
            Some(purpose) => {
                self.verify_peer(now, peer);
                self.transmission_failed(now, purpose, Failure::Reset);
            }
            None => self.stats.unmatched += 1,
        }
    }

    pub(super) fn verify_peer(&mut self, now: Instant, peer: SocketAddr) {
        if let Some(id) = self.peers.find(peer) {
            self.peers.touch(id, now);
            if let Some(peer) = self.peers.get_mut(id) {
                peer.verify();
            }
        }
    }

    fn transmission_failed(&mut self, now: Instant, purpose: Purpose, reason: Failure) {
        match purpose {
            Purpose::Request(request) => self.fail_request(now, request, reason),
            Purpose::Notification(observation, notification) => {
                self.events.push_back(Event::NotificationFailed { observation, notification, reason });
                self.end_observation(observation);
            }
            Purpose::SeparateResponse | Purpose::Farewell => {}
        }
    }
}
