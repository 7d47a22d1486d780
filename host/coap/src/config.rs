//! Settings of an endpoint: the transmission parameters of RFC 7252 §4.8 and the bounds on what a peer can make us hold.
//!
//! Must never hold a constant that differs by class of device: those go through [`Timing`], peer by peer.

use std::time::Duration;

/// How confirmable messages to one peer are timed (RFC 7252 §4.8).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// How long to wait for the first acknowledgement. RFC 7252 says 2 s; a device behind NB-IoT wants 10 s.
    pub ack_timeout: Duration,
    /// The first wait is drawn from `ack_timeout` to `ack_timeout × ack_random_factor`. At least 1.0; RFC 7252 says 1.5.
    pub ack_random_factor: f32,
    /// How often a message is sent again, each wait twice the one before. RFC 7252 says 4.
    pub max_retransmit: u32,
}

impl Default for Timing {
    /// The values of RFC 7252 §4.8.
    fn default() -> Self {
        Self { ack_timeout: Duration::from_secs(2), ack_random_factor: 1.5, max_retransmit: 4 }
    }
}

impl Timing {
    /// For devices behind NB-IoT, whose round trips reach 10 s.
    pub const NB_IOT: Self = Self { ack_timeout: Duration::from_secs(10), ack_random_factor: 1.5, max_retransmit: 4 };
}

/// Settings of an [`Endpoint`](crate::Endpoint). Every bound is a bound on memory: what exceeds it is refused and counted.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointConfig {
    /// The longest datagram taken or sent, in bytes. 1,152 fits every path (RFC 7252 §4.6).
    pub max_message_size: usize,
    /// The largest body, reassembled from or split into blocks, in bytes.
    pub max_body_size: usize,
    /// The largest block, in bytes: 16, 32, 64, 128, 256, 512 or 1,024; any other value is rounded down to one of these.
    pub block_size: u16,
    /// RFC 7252 ACK_TIMEOUT, for peers that have no [`Timing`] of their own.
    pub ack_timeout: Duration,
    /// RFC 7252 ACK_RANDOM_FACTOR, likewise.
    pub ack_random_factor: f32,
    /// RFC 7252 MAX_RETRANSMIT, likewise.
    pub max_retransmit: u32,
    /// RFC 7252 NSTART: how many confirmable messages may be on the way to one peer. At least 1.
    pub nstart: usize,
    /// How many more confirmable messages may wait behind those, per peer. Past it [`EndpointError::QueueFull`](crate::EndpointError).
    pub max_queued: usize,
    /// RFC 7252 EXCHANGE_LIFETIME: how long a message id is remembered, and a peer that says nothing.
    pub exchange_lifetime: Duration,
    /// A confirmable request that the application has not answered after this long gets an empty acknowledgement, and later a separate
    /// response (RFC 7252 §5.2.2). Must be shorter than the clients' ACK_TIMEOUT.
    pub separate_response_after: Duration,
    /// How long a client waits for the response once its request was acknowledged or sent non-confirmably.
    pub response_timeout: Duration,
    /// How many times the received bytes may be sent to an address that has not proved it is there (RFC 9175 §2.4, RFC 9000 §8).
    /// The per-packet overhead counts on both sides, so that a minimal request earns at least 136 bytes at factor 3.
    pub amplification_factor: usize,
    /// How many peers are remembered. Past it the one idle for longest makes room.
    pub max_peers: usize,
    /// How many requests may wait for the application's answer. Past it, 5.03.
    pub max_exchanges: usize,
    /// How many observations may be held. Past it a registration is answered as a plain request (RFC 7641 §4.1).
    pub max_observations: usize,
    /// How many block-wise bodies may be held, in assembly or being fetched. Past it the oldest makes room.
    pub max_transfers: usize,
    /// How long a block-wise body is held while nobody asks for or sends its next block.
    pub transfer_timeout: Duration,
    /// How many message ids are remembered per peer, for deduplication.
    pub dedup_depth: usize,
    /// For how many of these, the newest, the reply is kept and repeated.
    pub cached_replies: usize,
    /// How often a context's old requests are challenged again at most. New ones always are when they need to be.
    pub challenge_interval: Duration,
    /// How long an Echo value stays fresh (RFC 9175 §2.3).
    pub echo_lifetime: Duration,
    /// Answer 4.01 to every unprotected request except GET `.well-known/core`.
    pub require_oscore: bool,
    /// Critical options that the application understands; they reach it in [`Request::options`](crate::Request::options). Any other
    /// critical option is answered 4.02 (RFC 7252 §5.4.1).
    pub understood_options: Vec<u16>,
}

impl EndpointConfig {
    /// For a server of many devices: every request protected.
    pub fn server() -> Self {
        Self { require_oscore: true, ..Self::base() }
    }

    /// For a client: a device, a simulator or a tool.
    pub fn client() -> Self {
        Self {
            require_oscore: false,
            max_queued: 256,
            max_peers: 1024,
            max_exchanges: 1024,
            max_observations: 1024,
            max_transfers: 256,
            ..Self::base()
        }
    }

    /// The timing of peers that have none of their own.
    pub fn timing(&self) -> Timing {
        Timing {
            ack_timeout: self.ack_timeout,
            ack_random_factor: self.ack_random_factor,
            max_retransmit: self.max_retransmit,
        }
    }

    fn base() -> Self {
        let timing = Timing::default();
        Self {
            max_message_size: 1152,
            max_body_size: 64 * 1024,
            block_size: 1024,
            ack_timeout: timing.ack_timeout,
            ack_random_factor: timing.ack_random_factor,
            max_retransmit: timing.max_retransmit,
            nstart: 1,
            max_queued: 16,
            exchange_lifetime: Duration::from_secs(247),
            separate_response_after: Duration::from_millis(1500),
            response_timeout: Duration::from_secs(93),
            amplification_factor: 3,
            max_peers: 1 << 20,
            max_exchanges: 1 << 16,
            max_observations: 1 << 20,
            max_transfers: 1 << 12,
            transfer_timeout: Duration::from_secs(247),
            dedup_depth: 16,
            cached_replies: 4,
            challenge_interval: Duration::from_secs(1),
            echo_lifetime: Duration::from_mins(1),
            require_oscore: false,
            understood_options: Vec::new(),
        }
    }
}

impl Default for EndpointConfig {
    /// [`EndpointConfig::server`].
    fn default() -> Self {
        Self::server()
    }
}
