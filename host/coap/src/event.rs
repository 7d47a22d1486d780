//! What an endpoint hands out: events for the application, datagrams for the socket, and the ids that tie calls to them.

use std::net::SocketAddr;

use crate::{
    code::Code,
    request::{Request, Response},
};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name {
            pub(crate) index: u32,
            /// Guards against a later holder of the same place.
            pub(crate) generation: u32,
        }
    };
}

/// A security context's place in the endpoint that it was added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContextId(pub u32);

id! {
    /// A request from a peer that waits for [`Endpoint::respond`](crate::Endpoint::respond).
    ExchangeId
}
id! {
    /// A request of ours: [`Endpoint::request`](crate::Endpoint::request).
    RequestId
}
id! {
    /// A peer's registration for notifications. It keeps its id when the client registers again for the same resource.
    ObservationId
}

/// A notification of ours, counted from 1 within its observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NotificationId(pub u64);

/// What happened, for the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A peer asks for something; the body is complete. Answer it with [`Endpoint::respond`](crate::Endpoint::respond).
    Request {
        /// What to answer to.
        exchange: ExchangeId,
        /// Where it came from.
        peer: SocketAddr,
        /// The security context it came under; without one it was not protected.
        context: Option<ContextId>,
        /// Its OSCORE sequence number; of a block-wise body, the last block's. To be journalled: see
        /// [`ReplayWindow::from_accepted`](crate::oscore::ReplayWindow::from_accepted).
        sequence: Option<u64>,
        /// Set when the request registers an observation. A 2.xx response establishes it; to answer without establishing it, call
        /// [`Endpoint::cancel_observation`](crate::Endpoint::cancel_observation) first.
        observation: Option<ObservationId>,
        /// The request itself.
        request: Request,
    },
    /// A request of ours was answered; of an observation, each notification in order of freshness.
    Response {
        /// Which request.
        request: RequestId,
        /// Who answered.
        peer: SocketAddr,
        /// The answer, whatever its code.
        response: Response,
        /// Whether more may follow: the request is an established observation.
        more: bool,
    },
    /// A request of ours got no answer, or none that can be used. It is over.
    RequestFailed {
        /// Which request.
        request: RequestId,
        /// Why.
        reason: Failure,
    },
    /// A confirmable notification was acknowledged.
    NotificationDelivered {
        /// Of which observation.
        observation: ObservationId,
        /// Which one.
        notification: NotificationId,
    },
    /// A notification was reset or never acknowledged. [`Event::ObservationEnded`] follows.
    NotificationFailed {
        /// Of which observation.
        observation: ObservationId,
        /// Which one.
        notification: NotificationId,
        /// Why.
        reason: Failure,
    },
    /// A peer now observes a resource: its registration has been answered with 2.xx. Comes also when it registers again.
    ObservationRegistered {
        /// Its id, for [`Endpoint::notify`](crate::Endpoint::notify).
        observation: ObservationId,
        /// The security context it is bound to; notifications go to that context's latest address.
        context: Option<ContextId>,
        /// Where it was registered from.
        peer: SocketAddr,
    },
    /// A peer no longer observes: it deregistered, reset or never acknowledged a notification, or its context was removed.
    ObservationEnded {
        /// Its id, valid no longer.
        observation: ObservationId,
        /// The security context it was bound to.
        context: Option<ContextId>,
        /// Its last address.
        peer: SocketAddr,
    },
    /// Half of the numbers that [`SecurityContext::set_sender_range`](crate::oscore::SecurityContext::set_sender_range) reserved are
    /// used: reserve the next ones. Comes once for each range.
    SequencesLow {
        /// Whose.
        context: ContextId,
    },
}

/// Why a request or a notification did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing came back in time.
    #[error("no answer in time")]
    TimedOut,
    /// The peer sent a reset: it does not know what the message is about.
    #[error("the peer sent a reset")]
    Reset,
    /// The peer refused the protected request with an unprotected error, which anyone on the path could have written.
    #[error("refused without protection: {code} {diagnostic}")]
    Rejected {
        /// The response code.
        code: Code,
        /// Its diagnostic payload.
        diagnostic: String,
    },
    /// A block-wise body did not arrive whole.
    #[error("block-wise transfer failed: {0}")]
    Blockwise(&'static str),
    /// The peer kept asking for a fresh Echo value.
    #[error("the peer challenged every repetition of the request")]
    ChallengedTooOften,
    /// A later message could not be protected or sent.
    #[error("could not continue: {0}")]
    Local(String),
    /// The security context was removed, or the application cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub peer: SocketAddr,
    /// Its bytes. Hand the buffer back with [`Endpoint::recycle`](crate::Endpoint::recycle) to save an allocation.
    pub payload: Vec<u8>,
}
