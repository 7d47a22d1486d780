//! Requests of ours: sent step by step (a block each, or a repetition with an Echo value), until the response is whole.
//!
//! Must never take a response that is not bound to its request, nor a notification older than one that was delivered.

mod response;

use std::{net::SocketAddr, time::Instant};

use self::response::{Download, Subscription};
use super::{Endpoint, server::is_safe, transmission::Purpose};
use crate::{
    arena::{PeerId, TransmissionId},
    blockwise::{Block, szx_of},
    code::MessageType,
    error::EndpointError,
    event::{ContextId, Event, Failure, RequestId},
    message::{Header, Token, encode_message},
    oscore::{RequestBinding, protect_request},
    peers::Unconfirmed,
    request::{Observe, Request},
    timers::Timer,
    wire::{Control, write_request},
};

/// A request of ours, from its first message to its last response.
pub(super) struct Outgoing {
    peer: SocketAddr,
    context: Option<ContextId>,
    request: Request,
    /// The message whose response is awaited.
    step: Option<Step>,
    steps: u32,
    upload: Option<Upload>,
    /// The Request-Tag of a body in blocks, and of the response to it.
    tag: Option<[u8; 2]>,
    download: Option<Download>,
    subscription: Option<Subscription>,
    /// To be repeated in the next step.
    echo: Option<Vec<u8>>,
    challenges: u32,
    retries: u32,
}

struct Step {
    number: u32,
    token: Token,
    binding: Option<RequestBinding>,
    transmission: Option<TransmissionId>,
    /// Whether it asks for an observation.
    registers: bool,
}

/// How far the request's body has been sent.
struct Upload {
    offset: usize,
    szx: u8,
}

/// A message that is ready to go.
struct Encoded {
    peer: PeerId,
    message_id: u16,
    datagram: Vec<u8>,
    binding: Option<RequestBinding>,
}

impl Outgoing {
    pub(super) fn is_in_step(&self, number: u32) -> bool {
        self.step.as_ref().is_some_and(|step| step.number == number)
    }
}

impl Endpoint {
    pub(super) fn start_request(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        context: Option<ContextId>,
        request: Request,
    ) -> Result<RequestId, EndpointError> {
        if !request.method.is_request() {
            return Err(EndpointError::WrongCode { found: request.method, expected: "request" });
        }
        let (size, max) = (request.payload.len(), self.config.max_body_size);
        if size > max {
            return Err(EndpointError::BodyTooLarge { size, max });
        }
        if self.requests.len() >= self.config.max_exchanges {
            return Err(EndpointError::QueueFull { queued: self.requests.len() });
        }
        let szx = szx_of(self.config.block_size);
        let upload = (size > 16 << szx).then_some(Upload { offset: 0, szx });
        let tag = upload.is_some().then(|| self.entropy.bytes());
        let id = self.requests.insert(Outgoing {
            peer,
            context,
            request,
            step: None,
            steps: 0,
            upload,
            tag,
            download: None,
            subscription: None,
            echo: None,
            challenges: 0,
            retries: 0,
        });
        match self.send_step(now, id) {
            Ok(()) => Ok(id),
            Err(error) => {
                self.remove_request(now, id);
                Err(error)
            }
        }
    }

    /// Sends what comes next for a request: its first message, its next block, the next block of the response, or the same again with
    /// an Echo value.
    fn send_step(&mut self, now: Instant, id: RequestId) -> Result<(), EndpointError> {
        self.leave_step(now, id);
        let token = self.fresh_token();
        let own_szx = szx_of(self.config.block_size);
        let outgoing = self.requests.get_mut(id).ok_or(EndpointError::UnknownRequest)?;
        let safe = is_safe(outgoing.request.method);
        let echo = outgoing.echo.take();
        let tag = outgoing.tag;
        let request_tag = tag.as_ref().map(|tag| &tag[..]);
        let mut control = Control { echo: echo.as_deref(), request_tag, ..Control::default() };
        let mut payload = std::mem::take(&mut outgoing.request.payload);
        let mut part = &payload[..];
        if let Some(download) = &outgoing.download {
            control.block2 = Some(download.next_block());
            // A FETCH is defined by its body; a POST's later blocks carry none (RFC 7959 §3.3).
            part = if safe { part } else { &[] };
        } else if let Some(upload) = &outgoing.upload {
            let number = (upload.offset >> (upload.szx + 4)) as u32;
            let (block, cut) =
                Block::cut(number, upload.szx, &payload).unwrap_or((Block { number, more: false, szx: 0 }, &[]));
            control.block1 = Some(block);
            control.size1 = (number == 0).then_some(payload.len() as u32);
            part = cut;
        } else if own_szx < 6 && safe {
            control.block2 = Some(Block { number: 0, more: false, szx: own_szx });
        }
        control.observe = match outgoing.request.observe {
            Some(Observe::Register) if outgoing.subscription.is_none() && outgoing.download.is_none() => Some(0),
            Some(Observe::Deregister) => Some(1),
            _ => None,
        };
        let registers = control.observe == Some(0);
        write_request(&outgoing.request, &control, &mut self.options);
        let (address, context) = (outgoing.peer, outgoing.context);
        let (method, confirmable) = (outgoing.request.method, outgoing.request.confirmable);
        let message_type = if confirmable { MessageType::Confirmable } else { MessageType::NonConfirmable };
        let header = Header { message_type, code: method, message_id: 0, token };
        let encoded = self.encode_request(now, address, context, header, part);
        if let Some(outgoing) = self.requests.get_mut(id) {
            outgoing.request.payload = std::mem::take(&mut payload);
        }

        let Encoded { peer, message_id, datagram, binding } = encoded?;
        let transmission = if confirmable {
            Some(self.start_transmission(now, peer, context, message_id, datagram, Purpose::Request(id))?)
        } else {
            if let Some(peer) = self.peers.get_mut(peer) {
                peer.remember_unconfirmed(message_id, Unconfirmed::Request(id));
            }
            self.transmit(address, datagram);
            None
        };
        self.tokens.insert(token, id);
        if let Some(outgoing) = self.requests.get_mut(id) {
            outgoing.steps += 1;
            outgoing.step = Some(Step { number: outgoing.steps, token, binding, transmission, registers });
        }
        if !confirmable {
            self.wait_for_response(now, id);
        }
        Ok(())
    }

    /// Encodes a request whose options are in `self.options`, with a message id of its own.
    fn encode_request(
        &mut self,
        now: Instant,
        address: SocketAddr,
        context: Option<ContextId>,
        header: Header,
        payload: &[u8],
    ) -> Result<Encoded, EndpointError> {
        let Some(peer) = self.enter_peer(now, address) else {
            return Err(EndpointError::TooManyPeers { max_peers: self.config.max_peers });
        };
        // It was the application that chose to talk to this address.
        self.verify_peer(now, address);
        let message_id = self.next_message_id(Some(peer));
        let header = Header { message_id, ..header };
        let mut datagram = self.buffer();
        let binding = match context {
            None => {
                encode_message(&header, &self.options, payload, &mut datagram);
                None
            }
            Some(id) => {
                let context = &mut self.contexts.get_mut(id).ok_or(EndpointError::UnknownContext)?.context;
                let binding = protect_request(context, &header, &self.options, payload, &mut datagram);
                if context.runs_low() {
                    self.events.push_back(Event::SequencesLow { context: id });
                }
                Some(binding?)
            }
        };
        let size = datagram.len();
        if size > self.config.max_message_size {
            self.recycle(datagram);
            return Err(EndpointError::MessageTooLarge { size, max: self.config.max_message_size });
        }
        Ok(Encoded { peer, message_id, datagram, binding })
    }

    /// A token that nobody off the path can guess, and that is not in use.
    fn fresh_token(&mut self) -> Token {
        loop {
            let bytes: [u8; 4] = self.entropy.bytes();
            if let Some(token) = Token::new(&bytes).filter(|token| !self.tokens.contains_key(token)) {
                return token;
            }
        }
    }

    /// The request has arrived; now the response has its time.
    pub(super) fn wait_for_response(&mut self, now: Instant, id: RequestId) {
        let Some(step) = self.requests.get_mut(id).and_then(|outgoing| outgoing.step.as_mut()) else { return };
        step.transmission = None;
        self.timers.set(now + self.config.response_timeout, Timer::Response(id, step.number));
    }

    pub(super) fn give_up_waiting(&mut self, now: Instant, id: RequestId, step: u32) {
        if self.requests.get(id).is_some_and(|outgoing| outgoing.is_in_step(step)) {
            self.stats.timed_out += 1;
            self.fail_request(now, id, Failure::TimedOut);
        }
    }

    /// Goes on to the next step, or fails the request when that cannot be sent.
    fn continue_request(&mut self, now: Instant, id: RequestId) {
        if let Err(error) = self.send_step(now, id) {
            self.fail_request(now, id, Failure::Local(error.to_string()));
        }
    }

    /// Forgets the message whose response was awaited.
    fn leave_step(&mut self, now: Instant, id: RequestId) {
        let Some(outgoing) = self.requests.get_mut(id) else { return };
        let Some(step) = outgoing.step.take() else { return };
        if outgoing.subscription.as_ref().is_none_or(|subscription| subscription.token != step.token) {
            self.tokens.remove(&step.token);
        }
        if let Some(transmission) = step.transmission {
            self.end_transmission(now, transmission);
        }
    }

    pub(super) fn fail_request(&mut self, now: Instant, id: RequestId, reason: Failure) {
        if self.remove_request(now, id).is_some() {
            self.events.push_back(Event::RequestFailed { request: id, reason });
        }
    }

    fn remove_request(&mut self, now: Instant, id: RequestId) -> Option<Outgoing> {
        self.leave_step(now, id);
        let outgoing = self.requests.remove(id)?;
        if let Some(subscription) = &outgoing.subscription {
            self.tokens.remove(&subscription.token);
        }
        self.prune_timers();
        Some(outgoing)
    }

    pub(super) fn fail_requests_of(&mut self, now: Instant, context: ContextId) {
        let ids: Vec<_> = self.requests.iter().filter(|(_, o)| o.context == Some(context)).map(|(id, _)| id).collect();
        for id in ids {
            self.fail_request(now, id, Failure::Cancelled);
        }
    }

    pub(super) fn abandon_request(&mut self, now: Instant, id: RequestId) -> Result<(), EndpointError> {
        let outgoing = self.remove_request(now, id).ok_or(EndpointError::UnknownRequest)?;
        let Some(subscription) = outgoing.subscription else { return Ok(()) };
        // RFC 7641 §3.6: a GET with the token of the registration and Observe 1.
        let control = Control { observe: Some(1), ..Control::default() };
        write_request(&outgoing.request, &control, &mut self.options);
        let header = Header {
            message_type: MessageType::Confirmable,
            code: outgoing.request.method,
            message_id: 0,
            token: subscription.token,
        };
        let Encoded { peer, message_id, datagram, .. } =
            self.encode_request(now, outgoing.peer, outgoing.context, header, &outgoing.request.payload)?;
        self.start_transmission(now, peer, outgoing.context, message_id, datagram, Purpose::Farewell)?;
        Ok(())
    }
}
