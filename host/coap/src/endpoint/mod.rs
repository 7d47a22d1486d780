//! The endpoint: the protocol state of one socket.

use std::{net::SocketAddr, time::Instant};

use crate::{
    config::{EndpointConfig, Timing},
    error::EndpointError,
    event::{ContextId, Event, ExchangeId, NotificationId, ObservationId, RequestId, Transmit},
    oscore::SecurityContext,
    request::{Request, Response},
    stats::Stats,
};

/// See the crate's documentation for the contract.
pub struct Endpoint {
    config: EndpointConfig,
    stats: Stats,
}

impl Endpoint {
    /// An endpoint without peers. Every message id, token, jitter and Echo value is drawn from `seed`, which must be random and used
    /// once: whoever knows it can forge Echo values.
    pub fn new(config: EndpointConfig, seed: [u8; 32]) -> Self {
        let _ = seed;
        Self { config, stats: Stats::default() }
    }

    /// Adds a security context; one with the same kid and kid context is no longer found by new requests.
    pub fn add_context(&mut self, context: SecurityContext) -> ContextId {
        let _ = context;
        ContextId(0)
    }

    /// Removes a context, ends its observations and fails its requests.
    pub fn remove_context(&mut self, id: ContextId) {
        let _ = id;
    }

    /// The context, e.g. to read its sequence number.
    pub fn context(&self, id: ContextId) -> Option<&SecurityContext> {
        let _ = id;
        None
    }

    /// The context, to raise its sequence number.
    pub fn context_mut(&mut self, id: ContextId) -> Option<&mut SecurityContext> {
        let _ = id;
        None
    }

    /// The context that requests with this kid and kid context are opened with.
    pub fn find_context(&self, kid_context: Option<&[u8]>, kid: &[u8]) -> Option<ContextId> {
        let _ = (kid_context, kid);
        None
    }

    /// The latest address that an authenticated request of this context came from.
    pub fn context_address(&self, id: ContextId) -> Option<SocketAddr> {
        let _ = id;
        None
    }

    /// Times confirmable messages to `peer` by its class of device instead of the configuration.
    pub fn set_peer_timing(&mut self, peer: SocketAddr, timing: Timing) {
        let _ = (peer, timing);
    }

    /// Lets the endpoint answer GET `.well-known/core` itself with this link-format document (RFC 6690), with and without protection.
    /// Without one the request goes to the application.
    pub fn set_well_known_core(&mut self, link_format: Option<String>) {
        let _ = link_format;
    }

    /// Takes a datagram from `peer`. Never fails: what is refused is counted, and answered where the RFCs say so.
    pub fn handle_datagram(&mut self, now: Instant, peer: SocketAddr, datagram: &[u8]) {
        let _ = (now, peer, datagram);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called next. It may be early, never late.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        None
    }

    /// Hands a sent datagram's buffer back for reuse.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        drop(buffer);
    }

    /// The next event for the application.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// Answers a request. A body larger than a block goes block-wise; the peer fetches the rest.
    pub fn respond(&mut self, now: Instant, exchange: ExchangeId, response: Response) -> Result<(), EndpointError> {
        let _ = (now, exchange, response);
        Err(EndpointError::UnknownExchange)
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
        let _ = (now, peer, context, request);
        Err(EndpointError::UnknownContext)
    }

    /// Ends a request of ours: an established observation is deregistered with the server, anything else is forgotten. No event follows.
    pub fn cancel_request(&mut self, now: Instant, request: RequestId) -> Result<(), EndpointError> {
        let _ = (now, request);
        Err(EndpointError::UnknownRequest)
    }

    /// Sends a notification to an observer, at its context's latest address. Confirmable ones end as
    /// [`Event::NotificationDelivered`] or [`Event::NotificationFailed`]; of others only a reset is reported. A response that is not
    /// 2.xx ends the observation (RFC 7641 §4.2).
    pub fn notify(
        &mut self,
        now: Instant,
        observation: ObservationId,
        response: Response,
        confirmable: bool,
    ) -> Result<NotificationId, EndpointError> {
        let _ = (now, observation, response, confirmable);
        Err(EndpointError::UnknownObservation)
    }

    /// Drops an observer without a word to it: its next notification is the last one it got. No event follows.
    pub fn cancel_observation(&mut self, observation: ObservationId) -> Result<(), EndpointError> {
        let _ = observation;
        Err(EndpointError::UnknownObservation)
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The settings.
    pub fn config(&self) -> &EndpointConfig {
        &self.config
    }
}
