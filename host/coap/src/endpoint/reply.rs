//! Replies: in which message, under which nonce, and whether the address may be sent so much.
//!
//! Must never seal twice under a request's nonce, nor send an address that has not proved itself more than its share.

use std::{net::SocketAddr, time::Instant};

use super::{Endpoint, transmission::Purpose};
use crate::{
    arena::PeerId,
    code::{Code, MessageType},
    dedup::Fingerprint,
    entropy::Principal,
    error::EndpointError,
    event::{ContextId, Event},
    message::{Header, Token, encode_message},
    oscore::{OscoreError, RequestBinding, ResponseNonce, protect_response},
    peers::is_within_amplification,
    request::Response,
    wire::{Control, write_response},
};

/// Who asked, and what a reply needs to reach it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) peer: SocketAddr,
    /// The peer's place, if it had one when the request came.
    pub(super) place: Option<PeerId>,
    pub(super) message_type: MessageType,
    pub(super) message_id: u16,
    pub(super) token: Token,
    pub(super) fingerprint: Fingerprint,
    /// Bytes of the request.
    pub(super) received: usize,
    pub(super) secure: Option<Secure>,
}

/// What became of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Whole,
    /// The address has to prove itself first: a challenge went in its place.
    Withheld,
}

/// The protection of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Secure {
    pub(super) context: ContextId,
    pub(super) binding: RequestBinding,
    /// The nonce that its one response may use.
    pub(super) nonce: ResponseNonce,
}

impl Caller {
    pub(super) fn new(peer: SocketAddr, header: &Header, fingerprint: Fingerprint, received: usize) -> Self {
        Self {
            peer,
            place: None,
            message_type: header.message_type,
            message_id: header.message_id,
            token: header.token,
            fingerprint,
            received,
            secure: None,
        }
    }

    pub(super) fn is_confirmable(&self) -> bool {
        self.message_type == MessageType::Confirmable
    }

    pub(super) fn principal(&self) -> Principal {
        match &self.secure {
            Some(secure) => Principal::Context(secure.context),
            None => Principal::Address(self.peer),
        }
    }
}

impl Endpoint {
    /// Sends the one reply to a request: in its acknowledgement, or, when that has gone already, separately (RFC 7252 §5.2).
    pub(super) fn reply(
        &mut self,
        now: Instant,
        caller: &Caller,
        acknowledged: bool,
        response: &Response,
        payload: &[u8],
        control: &Control<'_>,
    ) -> Result<Sent, EndpointError> {
        let separate = caller.is_confirmable() && acknowledged;
        let peer = if separate || caller.secure.is_some() && !caller.is_confirmable() {
            self.enter_peer(now, caller.peer)
        } else {
            self.place_of(caller)
        };
        let (message_type, message_id) = if caller.is_confirmable() && !acknowledged {
            (MessageType::Acknowledgement, caller.message_id)
        } else {
            // Without a place for the peer nothing can be repeated to it; then one try has to do.
            let confirmable = separate && peer.is_some();
            let message_type = if confirmable { MessageType::Confirmable } else { MessageType::NonConfirmable };
            (message_type, self.next_message_id(peer))
        };
        let header = Header { message_type, code: response.code, message_id, token: caller.token };
        let buffer = self.encode_reply(caller, &header, response, payload, control)?;
        if buffer.len() > self.config.max_message_size {
            let size = buffer.len();
            self.recycle(buffer);
            return Err(EndpointError::MessageTooLarge { size, max: self.config.max_message_size });
        }
        if !self.may_send(caller, peer, buffer.len()) {
            self.recycle(buffer);
            self.stats.amplification_limited += 1;
            self.challenge_address(now, caller);
            return Ok(Sent::Withheld);
        }
        match message_type {
            MessageType::Acknowledgement => {
                if let Some(peer) = peer.and_then(|peer| self.peers.get_mut(peer)) {
                    peer.dedup.set_reply(caller.fingerprint, &buffer, self.config.cached_replies);
                }
                self.transmit(caller.peer, buffer);
            }
            MessageType::Confirmable => {
                if let Some(peer) = peer {
                    let context = caller.secure.map(|secure| secure.context);
                    self.start_transmission(now, peer, context, message_id, buffer, Purpose::SeparateResponse)?;
                }
            }
            MessageType::NonConfirmable | MessageType::Reset => self.transmit(caller.peer, buffer),
        }
        Ok(Sent::Whole)
    }

    /// Replies with an error and nothing to remember it by.
    pub(super) fn reply_error(&mut self, now: Instant, caller: &Caller, response: &Response, control: &Control<'_>) {
        // The only failure left is a sender sequence that is used up, and then nothing at all can be said under this context.
        let _ = self.reply(now, caller, false, response, &response.payload, control);
    }

    /// Replies without protection and without remembering anything: the request will get the same answer when it comes again.
    pub(super) fn reply_unprotected(&mut self, caller: &Caller, response: &Response, control: &Control<'_>) {
        let peer = self.place_of(caller);
        let (message_type, message_id) = if caller.is_confirmable() {
            (MessageType::Acknowledgement, caller.message_id)
        } else {
            (MessageType::NonConfirmable, self.next_message_id(peer))
        };
        let header = Header { message_type, code: response.code, message_id, token: caller.token };
        let mut buffer = self.buffer();
        write_response(response, control, &mut self.options);
        encode_message(&header, &self.options, &response.payload, &mut buffer);
        let stranger = Caller { secure: None, ..*caller };
        if self.may_send(&stranger, peer, buffer.len()) {
            self.transmit(caller.peer, buffer);
        } else {
            self.stats.amplification_limited += 1;
            self.recycle(buffer);
        }
    }

    fn encode_reply(
        &mut self,
        caller: &Caller,
        header: &Header,
        response: &Response,
        payload: &[u8],
        control: &Control<'_>,
    ) -> Result<Vec<u8>, EndpointError> {
        let mut buffer = self.buffer();
        write_response(response, control, &mut self.options);
        match &caller.secure {
            None => encode_message(header, &self.options, payload, &mut buffer),
            Some(secure) => self.seal_response(secure, header, payload, &mut buffer)?,
        }
        Ok(buffer)
    }

    /// Seals a response or a notification with the options that were written last, and asks for new numbers in time.
    pub(super) fn seal_response(
        &mut self,
        secure: &Secure,
        header: &Header,
        payload: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<(), EndpointError> {
        let Secure { context: id, binding, nonce } = secure;
        let context = &mut self.contexts.get_mut(*id).ok_or(EndpointError::UnknownContext)?.context;
        let sealed = protect_response(context, header, &self.options, payload, binding, *nonce, buffer);
        if context.runs_low() {
            self.events.push_back(Event::SequencesLow { context: *id });
        }
        if let Err(OscoreError::SequenceExhausted | OscoreError::RangeExhausted { .. }) = &sealed {
            self.stats.unsealed += 1;
        }
        Ok(sealed?)
    }

    /// Whether the caller's address may be sent so much: protected requests have proved it, others earn it byte by byte.
    fn may_send(&mut self, caller: &Caller, peer: Option<PeerId>, bytes: usize) -> bool {
        if caller.secure.is_some() {
            return true;
        }
        match peer.and_then(|peer| self.peers.get_mut(peer)) {
            Some(peer) => peer.spend(bytes),
            None => is_within_amplification(caller.received, bytes, self.config.amplification_factor),
        }
    }

    /// Asks an unprotected client to repeat its request with a value that only whoever receives at its address can know
    /// (RFC 9175 §2.4).
    fn challenge_address(&mut self, now: Instant, caller: &Caller) {
        self.stats.echo_challenges += 1;
        let value = self.echo.make(Principal::Address(caller.peer), self.elapsed(now));
        let control = Control { echo: Some(&value), ..Control::default() };
        self.reply_unprotected(caller, &Response::new(Code::UNAUTHORIZED), &control);
    }

    /// The place of the caller, which it may have lost and got again since it called.
    pub(super) fn place_of(&self, caller: &Caller) -> Option<PeerId> {
        caller.place.filter(|&place| self.peers.get(place).is_some()).or_else(|| self.peers.find(caller.peer))
    }

    /// Makes a place for the caller when it has none, and remembers that its message came.
    pub(super) fn remember_caller(&mut self, now: Instant, caller: &mut Caller, verified: bool) {
        // One that had a place has earned for this message already, when it was looked up among the duplicates.
        let (place, earned) = match caller.place {
            Some(place) => (Some(place), 0),
            None => (self.enter_peer(now, caller.peer), self.config.amplification_factor),
        };
        caller.place = place;
        let Some(place) = place else { return };
        self.peers.touch(place, now);
        let Some(peer) = self.peers.get_mut(place) else { return };
        peer.earn(caller.received, earned);
        if verified {
            peer.verify();
        }
        peer.dedup.record(caller.fingerprint, now, self.config.exchange_lifetime, self.config.dedup_depth);
    }

    pub(super) fn next_message_id(&mut self, peer: Option<PeerId>) -> u16 {
        match peer.and_then(|peer| self.peers.get_mut(peer)) {
            Some(peer) => peer.next_message_id(),
            None => self.entropy.u16(),
        }
    }
}
