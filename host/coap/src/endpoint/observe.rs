//! Observers of our resources (RFC 7641): registered by a request, bound to its keys, told of changes, and dropped when they reset,
//! fall silent or say so.
//!
//! Must never send a notification under a request's nonce, nor to an address that the context has left.

use std::{net::SocketAddr, time::Instant};

use super::{
    Endpoint,
    reply::{Caller, Secure},
    server::is_safe,
    transfer::etag,
    transmission::Purpose,
};
use crate::{
    blockwise::{Block, szx_of},
    code::MessageType,
    entropy::Principal,
    error::EndpointError,
    event::{ContextId, Event, NotificationId, ObservationId},
    message::{Header, Token, encode_message},
    oscore::{RequestBinding, ResponseNonce},
    peers::Unconfirmed,
    request::{Observe, Request, Response},
    wire::{Control, write_response},
};

pub(super) struct Observation {
    principal: Principal,
    /// A hash over method, path and queries: registering again for the same replaces, whatever the token (RFC 7641 §4.1).
    target: u64,
    token: Token,
    /// Where the registration came from.
    peer: SocketAddr,
    binding: Option<(ContextId, RequestBinding)>,
    /// The Observe option's next value, 24 bits.
    sequence: u32,
    notifications: u64,
    established: bool,
}

impl Observation {
    fn context(&self) -> Option<ContextId> {
        self.binding.map(|(context, _)| context)
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = (self.sequence + 1) & 0x00ff_ffff;
        self.sequence
    }
}

impl Endpoint {
    /// What a request means for the list of observers: the observation that its answer may establish.
    pub(super) fn registration(
        &mut self,
        caller: &Caller,
        target: u64,
        request: &Request,
        control: &Control<'_>,
    ) -> Option<ObservationId> {
        if !is_safe(request.method) || control.block2.is_some_and(|block| block.number > 0) {
            return None;
        }
        let key = (caller.principal(), target);
        let existing = self.observed.get(&key).copied();
        match request.observe? {
            Observe::Deregister => {
                if let Some(id) = existing {
                    self.end_observation(id);
                }
                None
            }
            Observe::Register if existing.is_some() => existing,
            Observe::Register if self.observations.len() >= self.config.max_observations => None,
            Observe::Register => {
                let id = self.observations.insert(Observation {
                    principal: key.0,
                    target,
                    token: caller.token,
                    peer: caller.peer,
                    binding: None,
                    sequence: 0,
                    notifications: 0,
                    established: false,
                });
                self.observed.insert(key, id);
                Some(id)
            }
        }
    }

    /// The application has answered a registration. Gives the Observe option's value when the observation holds.
    pub(super) fn settle_registration(
        &mut self,
        id: ObservationId,
        caller: &Caller,
        response: &Response,
    ) -> Option<u32> {
        if !response.code.is_success() {
            if self.observations.get(id).is_some_and(|observation| observation.established) {
                self.end_observation(id);
            } else {
                self.remove_observation(id);
            }
            return None;
        }
        let observation = self.observations.get_mut(id)?;
        observation.token = caller.token;
        observation.peer = caller.peer;
        observation.binding = caller.secure.map(|Secure { context, binding, .. }| (context, binding));
        observation.established = true;
        let sequence = observation.next_sequence();
        self.events.push_back(Event::ObservationRegistered {
            observation: id,
            context: observation.context(),
            peer: caller.peer,
        });
        Some(sequence)
    }

    pub(super) fn send_notification(
        &mut self,
        now: Instant,
        id: ObservationId,
        mut response: Response,
        confirmable: bool,
    ) -> Result<NotificationId, EndpointError> {
        if !response.code.is_response() {
            return Err(EndpointError::WrongCode { found: response.code, expected: "response" });
        }
        let (size, max) = (response.payload.len(), self.config.max_body_size);
        if size > max {
            return Err(EndpointError::BodyTooLarge { size, max });
        }
        let observation = self.observations.get(id).filter(|o| o.established);
        let observation = observation.ok_or(EndpointError::UnknownObservation)?;
        let (binding, token, key) =
            (observation.binding, observation.token, (observation.principal, observation.target));
        let latest = match binding {
            Some((context, _)) => self.contexts.get(context).ok_or(EndpointError::UnknownContext)?.address(),
            None => None,
        };
        let address = latest.unwrap_or(observation.peer);
        let Some(peer) = self.enter_peer(now, address) else {
            return Err(EndpointError::TooManyPeers { max_peers: self.config.max_peers });
        };
        let last = !response.code.is_success();
        if binding.is_some() {
            // The address is where an authenticated request came from.
            self.verify_peer(now, address);
        }
        // An unproved address has little credit; the acknowledgement proves it.
        let confirmable = confirmable || self.peers.get(peer).is_some_and(|peer| !peer.is_verified());
        let Some(observation) = self.observations.get_mut(id) else { return Err(EndpointError::UnknownObservation) };
        let mut control = Control { observe: (!last).then(|| observation.next_sequence()), ..Control::default() };
        observation.notifications += 1;
        let notification = NotificationId(observation.notifications);

        let body = std::mem::take(&mut response.payload);
        let szx = szx_of(self.config.block_size);
        let mut part = &body[..];
        if body.len() > 16 << szx
            && let Some((block, first)) = Block::cut(0, szx, &body)
        {
            control.block2 = Some(block);
            control.size2 = Some(body.len() as u32);
            response.etag.get_or_insert_with(|| etag(&body));
            part = first;
        }
        let message_type = if confirmable { MessageType::Confirmable } else { MessageType::NonConfirmable };
        let message_id = self.next_message_id(Some(peer));
        let header = Header { message_type, code: response.code, message_id, token };
        let mut buffer = self.buffer();
        write_response(&response, &control, &mut self.options);
        match binding {
            None => encode_message(&header, &self.options, part, &mut buffer),
            Some((context, binding)) => {
                let secure = Secure { context, binding, nonce: ResponseNonce::Own };
                self.seal_response(&secure, &header, part, &mut buffer)?;
            }
        }
        let size = buffer.len();
        if size > self.config.max_message_size {
            self.recycle(buffer);
            return Err(EndpointError::MessageTooLarge { size, max: self.config.max_message_size });
        }
        if confirmable {
            let context = binding.map(|(context, _)| context);
            let purpose = Purpose::Notification(id, notification);
            self.start_transmission(now, peer, context, message_id, buffer, purpose)?;
        } else if let Some(state) = self.peers.get_mut(peer) {
            state.remember_unconfirmed(message_id, Unconfirmed::Notification(id, notification));
            if state.spend(size) {
                self.transmit(address, buffer);
            } else {
                self.stats.amplification_limited += 1;
                self.recycle(buffer);
            }
        }
        if control.block2.is_some() {
            self.keep_body(now, key, response, body);
        }
        if last {
            self.end_observation(id);
        }
        Ok(notification)
    }

    /// Drops an observer and tells the application.
    pub(super) fn end_observation(&mut self, id: ObservationId) {
        let Some(observation) = self.remove_observation(id).filter(|observation| observation.established) else {
            return;
        };
        self.events.push_back(Event::ObservationEnded {
            observation: id,
            context: observation.context(),
            peer: observation.peer,
        });
    }

    pub(super) fn remove_observation(&mut self, id: ObservationId) -> Option<Observation> {
        let observation = self.observations.remove(id)?;
        self.observed.remove(&(observation.principal, observation.target));
        Some(observation)
    }

    /// Drops a registration that was never answered.
    pub(super) fn drop_if_pending(&mut self, id: ObservationId) {
        if self.observations.get(id).is_some_and(|observation| !observation.established) {
            self.remove_observation(id);
        }
    }

    pub(super) fn end_observations_of(&mut self, context: ContextId) {
        let principal = Principal::Context(context);
        let ids: Vec<_> =
            self.observations.iter().filter(|(_, o)| o.principal == principal).map(|(id, _)| id).collect();
        for id in ids {
            self.end_observation(id);
        }
    }
}
