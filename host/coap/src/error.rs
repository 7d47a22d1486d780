//! What can go wrong with a call of the application. What is wrong with a datagram is no error: it is refused and counted.

use crate::oscore::OscoreError;

/// Why an [`Endpoint`](crate::Endpoint) did not do what the application asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The exchange was answered before, or nobody waits for its answer any longer.
    #[error("the exchange is over: it was answered already, or its lifetime has passed; drop the response")]
    UnknownExchange,
    /// The observation has ended.
    #[error("the observation has ended; wait for the client to register again")]
    UnknownObservation,
    /// The security context was removed, or never added.
    #[error("no such security context; add it before using its id")]
    UnknownContext,
    /// The request is over.
    #[error("no such request: it was answered, has failed or was cancelled")]
    UnknownRequest,
    /// No address is known yet for the context's peer.
    #[error("the context's peer has not been heard from, so that its address is not known; wait for its next request")]
    NoAddress,
    /// As many confirmable messages wait for this peer as the configuration allows.
    #[error("{queued} messages wait for this peer already; retry when one has been delivered")]
    QueueFull {
        /// How many wait.
        queued: usize,
    },
    /// Every place for a peer is taken by one with a message on the way.
    #[error("all {max_peers} places for peers are in use; raise max_peers")]
    TooManyPeers {
        /// The configured bound.
        max_peers: usize,
    },
    /// The body is larger than the configured bound.
    #[error("the body has {size} bytes, at most {max} are allowed; raise max_body_size or send less")]
    BodyTooLarge {
        /// Bytes in the body.
        size: usize,
        /// The configured bound in bytes.
        max: usize,
    },
    /// The message is longer than the configured bound although its body is within a block: its options are too long, or the block size
    /// too near to the message size.
    #[error("the message has {size} bytes, at most {max} are allowed; shorten its options or lower block_size")]
    MessageTooLarge {
        /// Bytes in the datagram.
        size: usize,
        /// The configured bound in bytes.
        max: usize,
    },
    /// The code is not one of a request (in a request) or of a response (in a response).
    #[error("{found} is not the code of a {expected}")]
    WrongCode {
        /// The code that was given.
        found: crate::Code,
        /// What was expected: request or response.
        expected: &'static str,
    },
    /// Protecting the message failed.
    #[error(transparent)]
    Oscore(#[from] OscoreError),
}
