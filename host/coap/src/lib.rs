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
//! ```
//! use std::{net::SocketAddr, time::Instant};
//!
//! use davy_coap::{Code, Endpoint, EndpointConfig, Event, Request, Response};
//!
//! let (device, platform): (SocketAddr, SocketAddr) = (([10, 0, 0, 2], 5683).into(), ([10, 0, 0, 1], 5683).into());
//! let mut client = Endpoint::new(EndpointConfig::client(), [1; 32]);
//! let mut server = Endpoint::new(EndpointConfig { require_oscore: false, ..EndpointConfig::server() }, [2; 32]);
//! let now = Instant::now();
//!
//! client.request(now, platform, None, Request::get("time"))?;
//! while let Some(transmit) = client.poll_transmit() {
//!     server.handle_datagram(now, device, &transmit.payload);
//! }
//! while let Some(event) = server.poll_event() {
//!     if let Event::Request { exchange, request, .. } = event {
//!         assert_eq!(request.path, "time");
//!         server.respond(now, exchange, Response::content(0, b"12:00".to_vec()))?;
//!     }
//! }
//! while let Some(transmit) = server.poll_transmit() {
//!     client.handle_datagram(now, platform, &transmit.payload);
//! }
//! assert!(matches!(client.poll_event(), Some(Event::Response { response, .. }) if response.code == Code::CONTENT));
//! # Ok::<(), davy_coap::EndpointError>(())
//! ```
//!
//! Several endpoints may share a socket when each peer's datagrams always reach the same one: [`peek`] shows the kid of a request without
//! opening it, and what has none (acknowledgements, resets, responses) goes where the last request from its address went.
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
