//! Deduplication (RFC 7252 §4.5): which messages a peer has sent lately, and what was replied.
//!
//! A message is a duplicate when it is the same bytes, not only the same message id: a device that starts again with the message ids
//! of its last life must not be answered with its last life's replies. Must never let a peer's memory grow past the configured depth.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// What identifies a message among those of its sender: a keyed hash of the whole datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(pub(crate) u64);

/// What became of a message that was seen.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    /// The application has it, or it needs none.
    None,
    /// These bytes were sent.
    Kept(Vec<u8>),
    /// Something was sent, but it is no longer kept.
    Forgotten,
}

#[derive(Debug)]
struct Seen {
    at: Instant,
    reply: Reply,
}

/// The messages lately seen from one peer, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Dedup {
    /// Apart from what is known of them, because nearly every message is new, and to find that out is to look at all of these: two
    /// cache lines instead of a dozen.
    fingerprints: VecDeque<Fingerprint>,
    seen: VecDeque<Seen>,
}

/// What to do with a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    New,
    /// Send these bytes again.
    Repeat(&'a [u8]),
    /// Do nothing: its reply is still to come, or not kept.
    Ignore,
}

impl Dedup {
    pub(crate) fn check(&self, fingerprint: Fingerprint, now: Instant, lifetime: Duration) -> Verdict<'_> {
        match self.find(fingerprint).and_then(|index| self.seen.get(index)) {
            Some(seen) if now.duration_since(seen.at) < lifetime => match &seen.reply {
                Reply::Kept(bytes) => Verdict::Repeat(bytes),
                Reply::None | Reply::Forgotten => Verdict::Ignore,
            },
            _ => Verdict::New,
        }
    }

    /// Remembers a message, and forgets what is older than `lifetime` or more than `depth` messages ago.
    pub(crate) fn record(&mut self, fingerprint: Fingerprint, now: Instant, lifetime: Duration, depth: usize) {
        while self.seen.len() >= depth.max(1)
            || self.seen.front().is_some_and(|oldest| now.duration_since(oldest.at) >= lifetime)
        {
            self.seen.pop_front();
            self.fingerprints.pop_front();
        }
        self.fingerprints.push_back(fingerprint);
        self.seen.push_back(Seen { at: now, reply: Reply::None });
    }

    /// Keeps the reply to a message, and forgets the one to the message `kept` before it.
    pub(crate) fn set_reply(&mut self, fingerprint: Fingerprint, reply: &[u8], kept: usize) {
        let Some(index) = self.find(fingerprint) else { return };
        // The buffer of the reply that makes room, or of the one that is replaced, takes the new one.
        let mut buffer = self.forget(index);
        if let Some(oldest) = index.checked_sub(kept.max(1)) {
            buffer = self.forget(oldest).or(buffer);
        }
        let mut buffer = buffer.unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(reply);
        if let Some(seen) = self.seen.get_mut(index) {
            seen.reply = Reply::Kept(buffer);
        }
    }

    fn forget(&mut self, index: usize) -> Option<Vec<u8>> {
        let reply = &mut self.seen.get_mut(index)?.reply;
        match reply {
            Reply::Kept(buffer) => {
                let buffer = std::mem::take(buffer);
                *reply = Reply::Forgotten;
                Some(buffer)
            }
            Reply::None | Reply::Forgotten => None,
        }
    }

    fn find(&self, fingerprint: Fingerprint) -> Option<usize> {
        self.fingerprints.iter().rposition(|&seen| seen == fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(247);

    #[test]
    fn a_duplicate_gets_the_cached_reply_until_its_lifetime_is_over() {
        let (mut dedup, now) = (Dedup::default(), Instant::now());
        assert_eq!(dedup.check(Fingerprint(1), now, LIFETIME), Verdict::New);
        dedup.record(Fingerprint(1), now, LIFETIME, 16);
        assert_eq!(dedup.check(Fingerprint(1), now, LIFETIME), Verdict::Ignore);
        dedup.set_reply(Fingerprint(1), b"reply", 4);
        assert_eq!(dedup.check(Fingerprint(1), now, LIFETIME), Verdict::Repeat(b"reply"));
        assert_eq!(dedup.check(Fingerprint(1), now + LIFETIME, LIFETIME), Verdict::New);
    }

    #[test]
    fn another_message_is_new() {
        let (mut dedup, now) = (Dedup::default(), Instant::now());
        dedup.record(Fingerprint(1), now, LIFETIME, 16);
        assert_eq!(dedup.check(Fingerprint(2), now, LIFETIME), Verdict::New);
    }

    #[test]
    fn only_the_newest_replies_are_kept_but_older_messages_are_still_known() {
        let (mut dedup, now) = (Dedup::default(), Instant::now());
        for n in 0..6_u8 {
            dedup.record(Fingerprint(n.into()), now, LIFETIME, 5);
            dedup.set_reply(Fingerprint(n.into()), &[n], 2);
        }
        assert_eq!(dedup.check(Fingerprint(0), now, LIFETIME), Verdict::New, "beyond the depth");
        assert_eq!(dedup.check(Fingerprint(3), now, LIFETIME), Verdict::Ignore);
        assert_eq!(dedup.check(Fingerprint(4), now, LIFETIME), Verdict::Repeat(&[4]));
        assert_eq!(dedup.check(Fingerprint(5), now, LIFETIME), Verdict::Repeat(&[5]));
    }
}
