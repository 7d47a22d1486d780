//! Requests of peers: opened, checked, reassembled, handed to the application, and answered.
//!
//! Must never hand the application a request twice, an unauthenticated one as a protected one, or half a body.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, Hash, Hasher},
    time::Instant,
};

use sha2::{Digest, Sha256};

use super::{
    Endpoint,
    receive::empty,
    reply::{Caller, Secure, Sent},
};
use crate::{
    blockwise::{Block, TransferKey, szx_of},
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

/// Content-Format of a link-format document (RFC 6690).
const LINK_FORMAT: u16 = 40;

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

/// The part of a request's body that has arrived.
pub(super) struct Assembly {
    bytes: Vec<u8>,
}

/// The response that `.well-known/core` is answered with.
pub(super) fn discovery_document(link_format: String) -> Response {
    Response::content(LINK_FORMAT, link_format.into_bytes())
}

impl Endpoint {
    pub(super) fn plain_request_came(&mut self, now: Instant, caller: Caller, message: &Message<'_>) {
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
        if let Some(id) = self.enter_peer(now, caller.peer)
            && let Some(peer) = self.peers.get_mut(id)
        {
            peer.earn(caller.received, self.config.amplification_factor);
            if fresh {
                peer.verify();
            }
            peer.dedup.record(caller.fingerprint, now, self.config.exchange_lifetime, self.config.dedup_depth);
        }
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
        if entry.context.is_request_nonce_free() {
            secure.nonce = ResponseNonce::OfRequest;
        }
        if let Some(id) = self.enter_peer(now, caller.peer)
            && let Some(peer) = self.peers.get_mut(id)
        {
            peer.verify();
            peer.dedup.record(caller.fingerprint, now, self.config.exchange_lifetime, self.config.dedup_depth);
        }
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
        self.stats.echo_challenges += 1;
        if let Some(peer) = self.peers.find(caller.peer).and_then(|id| self.peers.get_mut(id)) {
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

    /// Takes a block of a request's body (RFC 7959 §2.5). Gives the body when it is whole; otherwise the block has been answered.
    fn assemble(
        &mut self,
        now: Instant,
        caller: &Caller,
        target: u64,
        block: Block,
        control: &Control<'_>,
        payload: &[u8],
    ) -> Option<Vec<u8>> {
        let with_block = Control { block1: Some(block), ..Control::default() };
        let end = block.offset() + payload.len();
        let announced = control.size1.map_or(0, |size| size as usize);
        if end.max(announced) > self.config.max_body_size {
            self.stats.blockwise_failed += 1;
            self.refuse_body(now, caller, Some(block));
            return None;
        }
        if block.more && payload.len() != block.size() || payload.len() > block.size() {
            self.stats.blockwise_failed += 1;
            let response = Response::error(Code::BAD_REQUEST, "the payload's length does not fit the Block1 option");
            self.reply_error(now, caller, &response, &with_block);
            return None;
        }
        let key = (caller.principal(), target);
        let assembly = self.assemblies.take(&key);
        let mut bytes = match assembly {
            _ if block.number == 0 => Vec::new(),
            Some(Assembly { bytes }) if bytes.len() == block.offset() => bytes,
            // The block before last again, in a new message: the client did not see that it arrived.
            Some(assembly) if block.more && assembly.bytes.len() == end => {
                self.keep_assembly(now, key, assembly);
                self.reply_error(now, caller, &Response::new(Code::CONTINUE), &with_block);
                return None;
            }
            _ => {
                self.stats.blockwise_failed += 1;
                let diagnostic = "this block does not follow the last one that arrived; begin again with block 0";
                let response = Response::error(Code::REQUEST_ENTITY_INCOMPLETE, diagnostic);
                self.reply_error(now, caller, &response, &with_block);
                return None;
            }
        };
        bytes.extend_from_slice(payload);
        if !block.more {
            return Some(bytes);
        }
        self.keep_assembly(now, key, Assembly { bytes });
        self.reply_error(now, caller, &Response::new(Code::CONTINUE), &with_block);
        None
    }

    fn keep_assembly(&mut self, now: Instant, key: (Principal, u64), assembly: Assembly) {
        let len = assembly.bytes.len();
        self.schedule_sweep(now);
        self.assemblies.put(now, key, assembly, len);
    }

    fn refuse_body(&mut self, now: Instant, caller: &Caller, block: Option<Block>) {
        self.stats.too_large += 1;
        let max = self.config.max_body_size;
        let control = Control { block1: block, size1: Some(max as u32), ..Control::default() };
        let response = Response::error(Code::REQUEST_ENTITY_TOO_LARGE, format!("a body may have at most {max} bytes"));
        self.reply_error(now, caller, &response, &control);
    }

    /// Sends a later block of a response that is kept. False when none is.
    fn send_next_block(&mut self, now: Instant, caller: &Caller, target: u64, block: Block) -> bool {
        let key = (caller.principal(), target);
        let Some(mut response) = self.bodies.take(&key) else { return false };
        let body = std::mem::take(&mut response.payload);
        self.send_block(now, caller, &response, &body, block);
        response.payload = body;
        let len = response.payload.len();
        self.bodies.put(now, key, response, len);
        true
    }

    fn send_block(&mut self, now: Instant, caller: &Caller, response: &Response, body: &[u8], block: Block) {
        let szx = block.szx.min(szx_of(self.config.block_size));
        let number = (block.offset() >> (szx + 4)) as u32;
        let Some((block, part)) = Block::cut(number, szx, body) else {
            self.stats.blockwise_failed += 1;
            let response = Response::error(Code::BAD_REQUEST, "there is no such block");
            return self.reply_error(now, caller, &response, &Control::default());
        };
        let size2 = (number == 0).then_some(body.len() as u32);
        let control = Control { block2: Some(block), size2, ..Control::default() };
        // As in `reply_error`.
        let _ = self.reply(now, caller, false, response, part, &control);
    }

    fn answer_discovery(&mut self, now: Instant, caller: &Caller, control: &Control<'_>) {
        let Some(mut response) = self.well_known_core.take() else { return };
        let body = std::mem::take(&mut response.payload);
        let szx = szx_of(self.config.block_size);
        if body.len() > 16 << szx || control.block2.is_some() {
            response.etag = Some(etag(&body));
            self.send_block(
                now,
                caller,
                &response,
                &body,
                control.block2.unwrap_or(Block { number: 0, more: false, szx }),
            );
            response.etag = None;
        } else {
            let _ = self.reply(now, caller, false, &response, &body, &Control::default());
        }
        response.payload = body;
        self.well_known_core = Some(response);
    }

    pub(super) fn answer(&mut self, now: Instant, id: ExchangeId, response: Response) -> Result<(), EndpointError> {
        if !response.code.is_response() {
            return Err(EndpointError::WrongCode { found: response.code, expected: "response" });
        }
        let (size, max) = (response.payload.len(), self.config.max_body_size);
        if size > max {
            return Err(EndpointError::BodyTooLarge { size, max });
        }
        let exchange = self.exchanges.remove(id).ok_or(EndpointError::UnknownExchange)?;
        self.skip_answered();
        let Exchange { caller, acknowledged, block1, block2, observation, target, withheld } = exchange;
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

    /// Sends a whole response, or its first block while the rest is kept (RFC 7959 §2.4).
    #[expect(clippy::too_many_arguments, reason = "these are the parts of an exchange that is gone already")]
    fn send_response(
        &mut self,
        now: Instant,
        caller: &Caller,
        acknowledged: bool,
        mut response: Response,
        wanted: Option<Block>,
        target: u64,
        mut control: Control<'_>,
    ) -> Result<Sent, EndpointError> {
        let own_szx = szx_of(self.config.block_size);
        let szx = wanted.map_or(own_szx, |block| block.szx.min(own_szx));
        let number = wanted.map_or(0, |block| (block.offset() >> (szx + 4)) as u32);
        if response.payload.len() <= 16 << szx && number == 0 {
            return self.reply(now, caller, acknowledged, &response, &response.payload, &control);
        }
        let body = std::mem::take(&mut response.payload);
        response.etag.get_or_insert_with(|| etag(&body));
        let Some((block, part)) = Block::cut(number, szx, &body) else {
            let failure = Response::error(Code::BAD_REQUEST, "there is no such block");
            return self.reply(now, caller, acknowledged, &failure, &failure.payload, &control);
        };
        control.block2 = Some(block);
        control.size2 = (number == 0).then_some(body.len() as u32);
        let sent = self.reply(now, caller, acknowledged, &response, part, &control)?;
        if block.more {
            self.keep_body(now, (caller.principal(), target), response, body);
        }
        Ok(sent)
    }

    pub(super) fn keep_body(&mut self, now: Instant, key: (Principal, u64), mut response: Response, body: Vec<u8>) {
        let len = body.len();
        response.payload = body;
        self.schedule_sweep(now);
        self.bodies.put(now, key, response, len);
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
            if let Some(peer) = self.peers.find(caller.peer).and_then(|peer| self.peers.get_mut(peer)) {
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

/// An entity tag over a body: the same after a restart, so that a client's transfer goes on.
pub(super) fn etag(body: &[u8]) -> Vec<u8> {
    Sha256::digest(body)[..8].to_vec()
}
