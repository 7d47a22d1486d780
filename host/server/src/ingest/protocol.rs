//! What the protocol's endpoint has counted, as metrics: every datagram that was refused is in one of these.

use davy_coap::Stats;
use metrics::counter;

/// What was reported last.
#[derive(Default)]
pub struct ProtocolCounters {
    before: Stats,
}

macro_rules! report {
    ($before:expr, $now:expr, $($field:ident)+) => {
        $(
            let new = $now.$field.saturating_sub($before.$field);
            if new > 0 {
                counter!("davy_coap_events_total", "event" => stringify!($field)).increment(new);
            }
        )+
    };
}

impl ProtocolCounters {
    /// Adds what has been counted since the last time.
    pub fn report(&mut self, now: &Stats) {
        report!(
            self.before, now,
            datagrams_received datagrams_sent requests retransmissions timed_out duplicates_answered duplicates_ignored malformed
            unanswerable too_large bad_option unprotected oscore_malformed unknown_context replayed decrypt_failed echo_challenges
            challenges_withheld unsealed amplification_limited blockwise_failed unmatched overloaded
        );
        self.before = *now;
    }
}
