//! Sans-IO CoAP endpoint (both roles) and OSCORE.
//!
//! An [`Endpoint`] is the whole protocol state of one UDP socket: messages, deduplication, retransmission, separate responses, Observe
//! and block-wise transfer (RFC 7252, 7641, 7959, 9175), protected by OSCORE (RFC 8613). It has no socket, no clock and no source of
//! randomness: every input carries `now`, the seed comes at construction, and the same inputs give the same outputs.
//!
//! The contract: after each call of [`Endpoint::handle_datagram`], [`Endpoint::handle_timeout`], [`Endpoint::respond`],
//! [`Endpoint::request`] or [`Endpoint::notify`], drain [`Endpoint::poll_transmit`] into the socket and [`Endpoint::poll_event`] into
//! the application, then wait for a datagram, but not past [`Endpoint::poll_timeout`]; at that time call
//! [`Endpoint::handle_timeout`]. `now` must never go backwards.
//!
//! Must never: read a clock, open a socket, log, panic on input, or hold more for a peer than [`EndpointConfig`] allows.

mod arena;
mod blockwise;
mod code;
mod config;
mod contexts;
mod dedup;
mod endpoint;
mod entropy;
mod error;
mod event;
pub mod message;
#[cfg(feature = "netem")]
pub mod netem;
pub mod option;
pub mod oscore;
mod peek;
mod peers;
mod request;
mod stats;
mod timers;
mod wire;

pub use blockwise::Block;
pub use code::{Code, MessageType};
pub use config::{EndpointConfig, Timing};
pub use endpoint::Endpoint;
pub use error::EndpointError;
pub use event::{ContextId, Event, ExchangeId, Failure, NotificationId, ObservationId, RequestId, Transmit};
pub use peek::{Peek, peek};
pub use request::{Observe, Path, Request, Response};
pub use stats::Stats;
