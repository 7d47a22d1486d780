//! Counters: every datagram that is not simply handled leaves a trace in exactly one of the refusals.

/// What an [`Endpoint`](crate::Endpoint) has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams handed in.
    pub datagrams_received: u64,
    /// Datagrams handed out, retransmissions and repeated replies included.
    pub datagrams_sent: u64,
    /// Requests handed to the application.
    pub requests: u64,
    /// Responses handed to the application, notifications included.
    pub responses: u64,
    /// Retransmissions of our own confirmable messages.
    pub retransmissions: u64,
    /// Confirmable messages given up after the last retransmission.
    pub timed_out: u64,
    /// Duplicates answered by repeating the cached reply.
    pub duplicates_answered: u64,
    /// Duplicates dropped: non-confirmable, still with the application, or their reply no longer kept.
    pub duplicates_ignored: u64,
    /// Not a CoAP message: too short, wrong version, wrong option encoding, marker without payload, Empty with a body.
    pub malformed: u64,
    /// From an address that cannot be answered: multicast, unspecified, or port 0.
    pub unanswerable: u64,
    /// Longer than `max_message_size`, or a body longer than `max_body_size`.
    pub too_large: u64,
    /// A critical option that nobody here understands, or one where it must not be.
    pub bad_option: u64,
    /// An unprotected request where protection is required.
    pub unprotected: u64,
    /// The OSCORE option or the COSE object in it could not be decoded.
    pub oscore_malformed: u64,
    /// No security context has this kid and kid context.
    pub unknown_context: u64,
    /// The sequence number was seen before or is below the window.
    pub replayed: u64,
    /// The ciphertext did not authenticate.
    pub decrypt_failed: u64,
    /// Requests answered with an Echo challenge.
    pub echo_challenges: u64,
    /// Repeated old requests that got no challenge because their context has just sent one.
    pub challenges_withheld: u64,
    /// Messages that could not be sealed because the context's own sequence numbers are used up.
    pub unsealed: u64,
    /// Replies held back because the address has not proved it is there.
    pub amplification_limited: u64,
    /// Block-wise transfers that failed: a block out of order, a changed body, or no room.
    pub blockwise_failed: u64,
    /// Responses, acknowledgements and resets that match nothing we sent.
    pub unmatched: u64,
    /// Notifications dropped because a newer one came first.
    pub stale_notifications: u64,
    /// Requests refused with 5.03 because too many wait for the application.
    pub overloaded: u64,
    /// Peers forgotten to make room for others.
    pub peers_evicted: u64,
    /// Observations held now.
    pub observations: u64,
    /// Peers remembered now.
    pub peers: u64,
}
