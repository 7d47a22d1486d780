//! Requests of peers: opened, checked, reassembled, handed to the application, and answered.
//!
//! Must never hand the application a request twice, an unauthenticated one as a protected one, or half a body.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, Hash, Hasher},
    time::Instant,
};

use super::{
    Endpoint,
    receive::empty,
    reply::{Caller, Secure, Sent},
};
use crate::{
    blockwise::{Block, TransferKey},
    code::{Code, MessageType},
    entropy::Principal,
    error::EndpointError,
    event::{ContextId, Event, ExchangeId, ObservationId},
    message::Message,
    option,
    oscore::{Admission, OscoreOption, ResponseNonce, UnprotectError, unprotect_request},
    request::{Observe, Request, Response},
    wire::{Control, Refusal, read_request},
};

/// How many seconds a client is told to stay away when too many requests wait.
const OVERLOAD_MAX_AGE: u32 = 5;

/// A request that waits for the application.
pub(super) struct Exchange {
    caller: Caller,
    acknowledged: bool,
    /// To be repeated in the response to the last block of a body.
    block1: Option<Block>,
    /// Which part of the response is wanted.
    block2: Option<Block>,
    observation: Option<ObservationId>,
    /// A hash over method, path, queries and Request-Tag.
    target: u64,
    /// Where the response is kept when it is withheld, for requests that must not be executed again.
    withheld: Option<TransferKey>,
}

impl Exchange {
    pub(super) fn is_of(&self, context: ContextId) -> bool {
        self.caller.secure.is_some_and(|secure| secure.context == context)
    }
}

impl Endpoint {
    pub(super) fn plain_request_came(&mut self, now: Instant, mut caller: Caller, message: &Message<'_>) {
        let read =
            read_request(message.header.code, &message.body, caller.is_confirmable(), &self.config.understood_options);
        let (request, control) = match read {
            Ok(read) => read,
            Err(refusal) => {
                let response = self.refuse_options(refusal);
                return self.reply_unprotected(&caller, &response, &Control::default());
            }
        };
        let discovery = request.path == ".well-known/core" && request.method == Code::GET;
        let fresh = control.echo.is_some_and(|echo| {
            self.echo.is_fresh(echo, Principal::Address(caller.peer), self.elapsed(now), self.config.echo_lifetime)
        });
        if self.config.require_oscore {
            if !discovery {
                self.stats.unprotected += 1;
                let response = Response::error(Code::UNAUTHORIZED, "this resource is served under OSCORE only");
                return self.reply_unprotected(&caller, &response.with_max_age(0), &Control::default());
            }
            if self.well_known_core.is_some() && !fresh {
                // Answered as often as asked, so that nothing is remembered of an address that anyone can write.
                return self.answer_discovery(now, &caller, &control);
            }
        }
        self.remember_caller(now, &mut caller, fresh);
        self.request_is_genuine(now, caller, request, &control, message.payload());
    }

    pub(super) fn protected_request_came(
        &mut self,
        now: Instant,
        caller: Caller,
        message: &Message<'_>,
        oscore_value: &[u8],
    ) {
        if let Err((code, diagnostic)) = check_outer_options(message) {
            self.stats.bad_option += 1;
            return self.refuse_protected(&caller, code, diagnostic);
        }
        // RFC 8613 §8.2, step by step.
        let Ok(OscoreOption { partial_iv: Some(sequence), kid_context, kid: Some(kid) }) =
            OscoreOption::parse(oscore_value)
        else {
            self.stats.oscore_malformed += 1;
            return self.refuse_protected(&caller, Code::BAD_OPTION, "Failed to decode COSE");
        };
        if message.payload().is_empty() {
            // §2: malformed, so that the message layer rejects it.
            self.stats.oscore_malformed += 1;
            if caller.is_confirmable() {
                self.send_reset(caller.peer, caller.message_id);
            }
            return;
        }
        let Some(id) = self.contexts.find(kid_context, kid) else {
            self.stats.unknown_context += 1;
            return self.refuse_protected(&caller, Code::UNAUTHORIZED, "Security context not found");
        };
        let Some(entry) = self.contexts.get(id) else { return };
        let admission = entry.context.admission(sequence);
        if admission == Admission::Replay {
            self.stats.replayed += 1;
            return self.refuse_protected(&caller, Code::UNAUTHORIZED, "Replay detected");
        }
        let mut plaintext = std::mem::take(&mut self.scratch);
        match unprotect_request(&entry.context, sequence, message, &mut plaintext) {
            Ok((binding, inner)) if inner.code.is_request() => {
                let secure = Secure { context: id, binding, nonce: ResponseNonce::Own };
                let caller = Caller { secure: Some(secure), ..caller };
                let read =
                    read_request(inner.code, &inner.body, caller.is_confirmable(), &self.config.understood_options);
                self.authenticated_request_came(now, caller, admission, read, inner.body.payload);
            }
            Ok(_) | Err(UnprotectError::Plaintext(_)) => {
                self.stats.oscore_malformed += 1;
                self.refuse_protected(&caller, Code::BAD_REQUEST, "Decrypted to something that is no request");
            }
            Err(UnprotectError::Decryption) => {
                self.stats.decrypt_failed += 1;
                self.refuse_protected(&caller, Code::BAD_REQUEST, "Decryption failed");
            }
        }
        self.scratch = plaintext;
    }

    /// The keys are right. What is left is whether the request may be an old one.
    fn authenticated_request_came(
        &mut self,
        now: Instant,
        mut caller: Caller,
        admission: Admission,
        read: Result<(Request, Control<'_>), Refusal>,
        payload: &[u8],
    ) {
        let Some(secure) = &mut caller.secure else { return };
        let (context, sequence) = (secure.context, secure.binding.sequence());
        let (echo, registers) = match &read {
            Ok((request, control)) => (control.echo, request.observe == Some(Observe::Register)),
            Err(_) => (None, false),
        };
        let elapsed = self.elapsed(now);
        let proved = echo.is_some_and(|echo| {
            self.echo.is_fresh(echo, Principal::Context(context), elapsed, self.config.echo_lifetime)
        });
        let doubtful = match admission {
            Admission::Fresh => false,
            Admission::FreshUnlessObserve => registers,
            Admission::Challenge | Admission::Replay => true,
        };
        if doubtful && !proved {
            return self.challenge_freshness(now, &caller);
        }
        let Some(entry) = self.contexts.get_mut(context) else { return };
        entry.context.accept(sequence, proved);
        entry.heard_from(caller.peer, sequence);
        if entry.context.is_request_nonce_free(false) {
            secure.nonce = ResponseNonce::OfRequest;
        }
        self.remember_caller(now, &mut caller, true);
        match read {
            Ok((request, control)) => self.request_is_genuine(now, caller, request, &control, payload),
            Err(refusal) => {
                let response = self.refuse_options(refusal);
                self.reply_error(now, &caller, &response, &Control::default());
            }
        }
    }

    /// RFC 8613 appendix B.1.2: the challenge is protected, under a Partial IV of our own because the request may have been answered
    /// before. Nothing is remembered for an address that is not known, because a replay can come from any.
    fn challenge_freshness(&mut self, now: Instant, caller: &Caller) {
        if let Some(Secure { context, binding, .. }) = &caller.secure
            && let Some(entry) = self.contexts.get_mut(*context)
            && !entry.may_challenge(now, binding.sequence(), self.config.challenge_interval)
        {
            self.stats.challenges_withheld += 1;
            return;
        }
        self.stats.echo_challenges += 1;
        if let Some(peer) = self.place_of(caller).and_then(|id| self.peers.get_mut(id)) {
            peer.dedup.record(caller.fingerprint, now, self.config.exchange_lifetime, self.config.dedup_depth);
        }
        let value = self.echo.make(caller.principal(), self.elapsed(now));
        let control = Control { echo: Some(&value), ..Control::default() };
        self.reply_error(now, caller, &Response::new(Code::UNAUTHORIZED), &control);
    }

    /// An error that cannot be protected (RFC 8613 §8.2): Max-Age 0, so that no cache keeps it.
    fn refuse_protected(&mut self, caller: &Caller, code: Code, diagnostic: &str) {
        self.reply_unprotected(caller, &Response::error(code, diagnostic).with_max_age(0), &Control::default());
    }

    fn refuse_options(&mut self, refusal: Refusal) -> Response {
        self.stats.bad_option += 1;
        match refusal {
            Refusal::BadOption(number) => {
                let diagnostic = format!("option {number} is critical, and unknown or malformed");
                Response::error(Code::BAD_OPTION, diagnostic)
            }
            Refusal::Proxying => Response::error(Code::PROXYING_NOT_SUPPORTED, "this server is no proxy"),
        }
    }

    /// The request is what it seems: put its body together and hand it over.
    fn request_is_genuine(
        &mut self,
        now: Instant,
        caller: Caller,
        mut request: Request,
        control: &Control<'_>,
        payload: &[u8],
    ) {
        if request.path == ".well-known/core" && self.well_known_core.is_some() {
            if request.method == Code::GET {
                return self.answer_discovery(now, &caller, control);
            }
            let response = Response::error(Code::METHOD_NOT_ALLOWED, "only GET is allowed here");
            return self.reply_error(now, &caller, &response, &Control::default());
        }
        // The Request-Tag tells apart what a client sends to one resource at the same time (RFC 9175 §3.3).
        let resource = self.target(&request);
        let target = resource ^ control.request_tag.map_or(0, |tag| self.hash.bytes(tag));
        // An unprotected client that proves its address repeats its request; what that has done already is not done again.
        let withheld = (caller.secure.is_none() && !is_safe(request.method))
            .then(|| (caller.principal(), target ^ self.hash.bytes(payload).rotate_left(1)));
        if control.echo.is_some()
            && let Some(response) = withheld.and_then(|key| self.bodies.take(&key))
        {
            let repeated = Control { block1: control.block1, ..Control::default() };
            // As in `reply_error`.
            let _ = self.send_response(now, &caller, false, response, control.block2, target, repeated);
            return;
        }
        match control.block1 {
            None if payload.len() > self.config.max_body_size => return self.refuse_body(now, &caller, None),
            None => request.payload.extend_from_slice(payload),
            Some(block) => match self.assemble(now, &caller, target, block, control, payload) {
                Some(body) => request.payload = body,
                None => return,
            },
        }
        if let Some(block) = control.block2.filter(|block| block.number > 0 && control.block1.is_none()) {
            if self.send_next_block(now, &caller, target, block) {
                return;
            }
            if !is_safe(request.method) {
                let diagnostic = "the response that this block belongs to is no longer kept; repeat the request";
                let response = Response::error(Code::REQUEST_ENTITY_INCOMPLETE, diagnostic);
                return self.reply_error(now, &caller, &response, &Control::default());
            }
        }
        if self.exchanges.len() >= self.config.max_exchanges {
            self.stats.overloaded += 1;
            let response = Response::new(Code::SERVICE_UNAVAILABLE).with_max_age(OVERLOAD_MAX_AGE);
            return self.reply_error(now, &caller, &response, &Control::default());
        }
        let observation = self.registration(&caller, resource, &request, control);
        let confirmable = caller.is_confirmable();
        let (peer, secure) = (caller.peer, caller.secure);
        let exchange = self.exchanges.insert(Exchange {
            caller,
            acknowledged: false,
            block1: control.block1,
            block2: control.block2,
            observation,
            target,
            withheld,
        });
        if confirmable {
            self.unacknowledged.push_back((now + self.config.separate_response_after, exchange));
        } else {
            self.expiring.push_back((now + self.config.exchange_lifetime, exchange));
        }
        self.stats.requests += 1;
        self.events.push_back(Event::Request {
            exchange,
            peer,
            context: secure.map(|secure| secure.context),
            sequence: secure.map(|secure| secure.binding.sequence()),
            observation,
            request,
        });
    }

    fn target(&self, request: &Request) -> u64 {
        let mut hasher = self.hash.build_hasher();
        request.method.hash(&mut hasher);
        request.path.hash(&mut hasher);
        request.queries.hash(&mut hasher);
        hasher.finish()
    }

    pub(super) fn answer(
        &mut self,
        now: Instant,
        id: ExchangeId,
        response: Response,
        recorded: bool,
    ) -> Result<(), EndpointError> {
        if !response.code.is_response() {
            return Err(EndpointError::WrongCode { found: response.code, expected: "response" });
        }
        let (size, max) = (response.payload.len(), self.config.max_body_size);
        if size > max {
            return Err(EndpointError::BodyTooLarge { size, max });
        }
        let exchange = self.exchanges.remove(id).ok_or(EndpointError::UnknownExchange)?;
        self.skip_answered();
        let Exchange { mut caller, acknowledged, block1, block2, observation, target, withheld } = exchange;
        if recorded
            && let Some(secure) = &mut caller.secure
            && self.contexts.get(secure.context).is_some_and(|entry| entry.context.is_request_nonce_free(true))
        {
            secure.nonce = ResponseNonce::OfRequest;
        }
        let observe = observation.and_then(|observation| self.settle_registration(observation, &caller, &response));
        let control = Control { block1, observe, ..Control::default() };
        let kept = withheld.map(|key| (key, response.clone()));
        match self.send_response(now, &caller, acknowledged, response, block2, target, control) {
            Ok(Sent::Whole) => Ok(()),
            Ok(Sent::Withheld) => {
                if let Some((key, mut response)) = kept {
                    let body = std::mem::take(&mut response.payload);
                    self.keep_body(now, key, response, body);
                }
                Ok(())
            }
            Err(error) => {
                // The client is not left waiting. The nonce is free: nothing went out under it.
                if matches!(error, EndpointError::MessageTooLarge { .. }) {
                    let failure = Response::error(Code::INTERNAL_SERVER_ERROR, "the response does not fit a message");
                    let control = Control { block1, ..Control::default() };
                    self.reply(now, &caller, acknowledged, &failure, &failure.payload, &control)?;
                }
                Err(error)
            }
        }
    }

    /// Acknowledges what the application is slow to answer, and forgets what nobody waits for any longer.
    pub(super) fn acknowledge_slow_exchanges(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.unacknowledged.front()
            && at <= now
        {
            self.unacknowledged.pop_front();
            let Some(exchange) = self.exchanges.get_mut(id) else { continue };
            exchange.acknowledged = true;
            let caller = exchange.caller;
            let acknowledgement = empty(MessageType::Acknowledgement, caller.message_id);
            let mut buffer = self.buffer();
            acknowledgement.encode(&mut buffer);
            if let Some(peer) = self.place_of(&caller).and_then(|peer| self.peers.get_mut(peer)) {
                peer.dedup.set_reply(caller.fingerprint, &buffer, self.config.cached_replies);
            }
            self.transmit(caller.peer, buffer);
            self.expiring.push_back((now + self.config.exchange_lifetime, id));
        }
        while let Some(&(at, id)) = self.expiring.front()
            && at <= now
        {
            self.expiring.pop_front();
            if let Some(Exchange { observation: Some(observation), .. }) = self.exchanges.remove(id) {
                self.drop_if_pending(observation);
            }
        }
        self.skip_answered();
    }

    /// Keeps the queues as short as what is outstanding: most exchanges are answered long before their time.
    fn skip_answered(&mut self) {
        let exchanges = &self.exchanges;
        let skip = |queue: &mut VecDeque<(Instant, ExchangeId)>| {
            while queue.front().is_some_and(|&(_, id)| !exchanges.contains(id)) {
                queue.pop_front();
            }
        };
        skip(&mut self.unacknowledged);
        skip(&mut self.expiring);
    }
}

/// The outside of a protected message: what a proxy would need, and nothing else of weight. Options that belong inside are ignored
/// (RFC 8613 §8.2 step 1). Outer block-wise (§4.1.3.4.2) serves proxies that split what they cannot read; there are none here.
fn check_outer_options(message: &Message<'_>) -> Result<(), (Code, &'static str)> {
    let mut oscore = 0;
    for (number, _) in message.options() {
        match number {
            option::OSCORE => oscore += 1,
            option::BLOCK1 | option::BLOCK2 => {
                return Err((Code::BAD_OPTION, "Outer block-wise is not supported; use inner Block options"));
            }
            option::PROXY_URI | option::PROXY_SCHEME => {
                return Err((Code::PROXYING_NOT_SUPPORTED, "This server is no proxy"));
            }
            option::IF_MATCH
            | option::URI_HOST
            | option::IF_NONE_MATCH
            | option::URI_PORT
            | option::URI_PATH
            | option::URI_QUERY
            | option::ACCEPT => {}
            number if option::is_critical(number) => {
                return Err((Code::BAD_OPTION, "An outer critical option is unknown"));
            }
            _ => {}
        }
    }
    if oscore > 1 { Err((Code::BAD_OPTION, "The OSCORE option is repeated")) } else { Ok(()) }
}

/// Methods that change nothing, and can be asked again.
pub(super) fn is_safe(method: Code) -> bool {
    matches!(method, Code::GET | Code::FETCH)
}
