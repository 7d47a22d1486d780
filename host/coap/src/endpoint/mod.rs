//! The endpoint: the protocol state of one socket.
//!
//! Inputs come in here and in [`receive`]; requests of peers are handled in [`server`], in blocks in [`transfer`], and answered in [`reply`], requests of ours in
//! [`client`]; [`transmission`] repeats what must arrive; [`observe`] keeps the observers. Must never block, wait or call back.

mod client;
mod observe;
mod receive;
mod reply;
mod server;
mod transfer;
mod transmission;

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

use self::{client::Outgoing, observe::Observation, server::Exchange, transfer::Assembly, transmission::Transmission};
use crate::{
    arena::{Arena, PeerId, TransmissionId},
    blockwise::{TransferKey, Transfers},
    config::{EndpointConfig, Timing},
    contexts::Contexts,
    entropy::{EchoMint, Entropy, KeyedHash, Principal},
    error::EndpointError,
    event::{ContextId, Event, ExchangeId, NotificationId, ObservationId, RequestId, Transmit},
    message::{Options, Token},
    oscore::SecurityContext,
    peers::Peers,
    request::{Request, Response},
    stats::Stats,
    timers::{Timer, Timers},
};

/// How many sent buffers are kept for reuse.
const SPARE_BUFFERS: usize = 256;

/// How many bytes of block-wise bodies are held in each direction, per transfer that the configuration allows.
const BYTES_PER_TRANSFER: usize = 16 * 1024;

/// The protocol state of one socket, in both roles. See the crate's documentation for the contract.
pub struct Endpoint {
    config: EndpointConfig,
    stats: Stats,
    entropy: Entropy,
    hash: KeyedHash,
    echo: EchoMint,
    /// The first `now`, which Echo values count from, and the latest.
    begun: Option<Instant>,
    latest: Option<Instant>,

    contexts: Contexts,
    peers: Peers,
    timings: HashMap<SocketAddr, Timing, KeyedHash>,

    /// Requests of peers that wait for the application.
    exchanges: Arena<ExchangeId, Exchange>,
    /// Those that have not been acknowledged yet, with the time for that; in order of time, because the delay is always the same.
    unacknowledged: VecDeque<(Instant, ExchangeId)>,
    /// Those that have, or need not be, with the end of their lifetime; in order likewise.
    expiring: VecDeque<(Instant, ExchangeId)>,
    assemblies: Transfers<Assembly>,
    bodies: Transfers<Response>,
    observations: Arena<ObservationId, Observation>,
    observed: HashMap<TransferKey, ObservationId, KeyedHash>,
    well_known_core: Option<Response>,

    /// Requests of ours.
    requests: Arena<RequestId, Outgoing>,
    tokens: HashMap<Token, RequestId, KeyedHash>,

    transmissions: Arena<TransmissionId, Transmission>,
    in_flight: HashMap<(PeerId, u16), TransmissionId, KeyedHash>,
    timers: Timers,
    /// When to look for idle peers and stale transfers next.
    next_sweep: Option<Instant>,

    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    spare: Vec<Vec<u8>>,
    /// The plaintext of the message at hand, and the options of the one being written.
    scratch: Vec<u8>,
    options: Options,
}

impl Endpoint {
    /// An endpoint without peers. Every message id, token, jitter and Echo value is drawn from `seed`, which must be random and used
    /// once: whoever knows it can forge Echo values.
    pub fn new(config: EndpointConfig, seed: [u8; 32]) -> Self {
        let mut entropy = Entropy::new(seed);
        let hash = KeyedHash::new(&mut entropy);
        let max_bytes = config.max_transfers.saturating_mul(BYTES_PER_TRANSFER).max(config.max_body_size);
        Self {
            echo: EchoMint::new(&mut entropy),
            entropy,
            hash,
            begun: None,
            latest: None,
            contexts: Contexts::new(hash),
            peers: Peers::new(hash, config.max_peers),
            timings: HashMap::with_hasher(hash),
            exchanges: Arena::default(),
            unacknowledged: VecDeque::new(),
            expiring: VecDeque::new(),
            assemblies: Transfers::new(hash, config.max_transfers, max_bytes),
            bodies: Transfers::new(hash, config.max_transfers, max_bytes),
            observations: Arena::default(),
            observed: HashMap::with_hasher(hash),
            well_known_core: None,
            requests: Arena::default(),
            tokens: HashMap::with_hasher(hash),
            transmissions: Arena::default(),
            in_flight: HashMap::with_hasher(hash),
            timers: Timers::default(),
            next_sweep: None,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            spare: Vec::new(),
            scratch: Vec::new(),
            options: Options::default(),
            stats: Stats::default(),
            config,
        }
    }

    /// Adds a security context; an older one with the same kid and kid context is no longer found by new requests. Ids are never reused.
    pub fn add_context(&mut self, context: SecurityContext) -> ContextId {
        self.contexts.add(context)
    }

    /// Removes a context. Its observations end, its requests fail, what it waits for is dropped. Costs a look at all of these.
    pub fn remove_context(&mut self, id: ContextId) {
        if !self.contexts.remove(id) {
            return;
        }
        let exchanges: Vec<_> = self.exchanges.iter().filter(|(_, e)| e.is_of(id)).map(|(id, _)| id).collect();
        for exchange in exchanges {
            self.exchanges.remove(exchange);
        }
        self.end_observations_of(id);
        if let Some(now) = self.latest {
            self.fail_requests_of(now, id);
        }
        self.assemblies.remove_principal(Principal::Context(id));
        self.bodies.remove_principal(Principal::Context(id));
    }

    /// The context, e.g. to read its sequence number.
    pub fn context(&self, id: ContextId) -> Option<&SecurityContext> {
        self.contexts.get(id).map(|entry| &entry.context)
    }

    /// The context, to raise its sequence number.
    pub fn context_mut(&mut self, id: ContextId) -> Option<&mut SecurityContext> {
        self.contexts.get_mut(id).map(|entry| &mut entry.context)
    }

    /// The context that requests with this kid and kid context are opened with.
    pub fn find_context(&self, kid_context: Option<&[u8]>, kid: &[u8]) -> Option<ContextId> {
        self.contexts.find(kid_context, kid)
    }

    /// The latest address that an authenticated request of this context came from.
    pub fn context_address(&self, id: ContextId) -> Option<SocketAddr> {
        self.contexts.get(id)?.address()
    }

    /// Times confirmable messages to `peer` by its class of device instead of the configuration. Kept until it is set again.
    pub fn set_peer_timing(&mut self, peer: SocketAddr, timing: Timing) {
        self.timings.insert(peer, timing);
    }

    /// Times confirmable messages under a context by its class of device, wherever its peer moves. Goes before the peer's timing.
    pub fn set_context_timing(&mut self, id: ContextId, timing: Timing) -> Result<(), EndpointError> {
        self.contexts.get_mut(id).ok_or(EndpointError::UnknownContext)?.timing = Some(timing);
        Ok(())
    }

    /// Lets the endpoint answer GET `.well-known/core` itself with this link-format document (RFC 6690), with and without protection.
    /// Without one the request goes to the application. Query filters are not applied (RFC 6690 §4.1 leaves them optional).
    pub fn set_well_known_core(&mut self, link_format: Option<String>) {
        self.well_known_core = link_format.map(transfer::discovery_document);
    }

    /// Takes a datagram from `peer`. Never fails: what is refused is counted, and answered where the RFCs say so.
    pub fn handle_datagram(&mut self, now: Instant, peer: SocketAddr, datagram: &[u8]) {
        self.note_time(now);
        self.stats.datagrams_received += 1;
        self.receive(now, peer, datagram);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.note_time(now);
        self.acknowledge_slow_exchanges(now);
        while let Some((_, timer)) = self.timers.expire(now) {
            match timer {
                Timer::Retransmit(id) => self.retransmit(now, id),
                Timer::Response(id, step) => self.give_up_waiting(now, id, step),
            }
        }
        if self.next_sweep.is_some_and(|at| at <= now) {
            self.sweep(now);
        }
        self.prune_timers();
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called next. It may be earlier than needed, never later.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let unacknowledged = self.unacknowledged.front().map(|&(at, _)| at);
        let expiring = self.expiring.front().map(|&(at, _)| at);
        [unacknowledged, expiring, self.timers.next(), self.next_sweep].into_iter().flatten().min()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.transmits.pop_front()?;
        self.stats.datagrams_sent += 1;
        Some(transmit)
    }

    /// Hands a sent datagram's buffer back for reuse.
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// The next event for the application.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Answers a request. A body larger than a block goes block-wise; the peer fetches the rest.
    pub fn respond(&mut self, now: Instant, exchange: ExchangeId, response: Response) -> Result<(), EndpointError> {
        self.note_time(now);
        self.answer(now, exchange, response, false)
    }

    /// Answers a request whose sequence number the application has recorded, so that every later replay window holds it. Under
    /// [`NonceUse::Recorded`](crate::oscore::NonceUse::Recorded) these responses alone go under their request's nonce.
    pub fn respond_recorded(
        &mut self,
        now: Instant,
        exchange: ExchangeId,
        response: Response,
    ) -> Result<(), EndpointError> {
        self.note_time(now);
        self.answer(now, exchange, response, true)
    }

    /// Sends a request, under `context` or unprotected. A body larger than a block goes block-wise, an Echo challenge is answered, and
    /// the response comes as [`Event::Response`] or the failure as [`Event::RequestFailed`].
    pub fn request(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        context: Option<ContextId>,
        request: Request,
    ) -> Result<RequestId, EndpointError> {
        self.note_time(now);
        self.start_request(now, peer, context, request)
    }

    /// Ends a request of ours: an established observation is deregistered with the server, anything else is forgotten. No event follows.
    pub fn cancel_request(&mut self, now: Instant, request: RequestId) -> Result<(), EndpointError> {
        self.note_time(now);
        self.abandon_request(now, request)
    }

    /// Sends a notification to an observer, at its context's latest address. Confirmable ones end as
    /// [`Event::NotificationDelivered`] or [`Event::NotificationFailed`]; of others only a reset is reported. To an unprotected observer
    /// whose address is not proved yet every notification is confirmable. A response that is not 2.xx ends the observation (RFC 7641 §4.2), with [`Event::ObservationEnded`].
    pub fn notify(
        &mut self,
        now: Instant,
        observation: ObservationId,
        response: Response,
        confirmable: bool,
    ) -> Result<NotificationId, EndpointError> {
        self.note_time(now);
        self.send_notification(now, observation, response, confirmable)
    }

    /// Drops an observer without a word to it: the last notification it got is the last one. No event follows.
    pub fn cancel_observation(&mut self, observation: ObservationId) -> Result<(), EndpointError> {
        self.remove_observation(observation).map(|_| ()).ok_or(EndpointError::UnknownObservation)
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        Stats {
            peers: self.peers.len() as u64,
            peers_evicted: self.peers.evicted(),
            observations: self.observations.len() as u64,
            ..self.stats
        }
    }

    /// The settings.
    pub fn config(&self) -> &EndpointConfig {
        &self.config
    }

    fn note_time(&mut self, now: Instant) {
        self.begun.get_or_insert(now);
        self.latest = Some(now);
    }

    fn elapsed(&self, now: Instant) -> Duration {
        self.begun.map_or(Duration::ZERO, |begun| now.duration_since(begun))
    }

    /// An empty buffer for a datagram.
    fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_else(|| Vec::with_capacity(128))
    }

    fn transmit(&mut self, peer: SocketAddr, payload: Vec<u8>) {
        self.transmits.push_back(Transmit { peer, payload });
    }

    fn transmit_copy(&mut self, peer: SocketAddr, bytes: &[u8]) {
        let mut buffer = self.buffer();
        buffer.extend_from_slice(bytes);
        self.transmit(peer, buffer);
    }

    /// The peer's place, made when needed, and swept when it has been idle.
    fn enter_peer(&mut self, now: Instant, address: SocketAddr) -> Option<PeerId> {
        self.schedule_sweep(now);
        self.peers.enter(now, address, &mut self.entropy)
    }

    fn schedule_sweep(&mut self, now: Instant) {
        if self.next_sweep.is_none() {
            self.next_sweep = Some(now + self.sweep_interval());
        }
    }

    fn sweep_interval(&self) -> Duration {
        (self.config.exchange_lifetime / 4).max(Duration::from_secs(1))
    }

    fn sweep(&mut self, now: Instant) {
        self.peers.expire(now, self.config.exchange_lifetime);
        self.assemblies.expire(now, self.config.transfer_timeout);
        self.bodies.expire(now, self.config.transfer_timeout);
        let idle = self.peers.len() == 0 && self.assemblies.is_empty() && self.bodies.is_empty();
        self.next_sweep = (!idle).then(|| now + self.sweep_interval());
    }

    fn prune_timers(&mut self) {
        let (transmissions, requests) = (&self.transmissions, &self.requests);
        self.timers.prune(transmissions.len() + requests.len(), |timer| match timer {
            Timer::Retransmit(id) => transmissions.contains(id),
            Timer::Response(id, step) => requests.get(id).is_some_and(|request| request.is_in_step(step)),
        });
    }
}
