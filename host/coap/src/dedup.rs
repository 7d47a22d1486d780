//! Deduplication (RFC 7252 §4.5): which messages a peer has sent lately, and what was replied.
//!
//! A message is a duplicate when it is the same bytes, not only the same message id: a device that starts again with the message ids
//! of its last life must not be answered with its last life's replies. Must never let a peer's memory grow past the configured depth.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// What identifies a message among those of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) message_id: u16,
    /// A keyed hash of the whole datagram.
    pub(crate) hash: u64,
}

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
    fingerprint: Fingerprint,
    at: Instant,
    reply: Reply,
}

/// The messages lately seen from one peer, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Dedup {
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
        match self.find(fingerprint) {
            Some(index) if now.duration_since(self.seen[index].at) < lifetime => match &self.seen[index].reply {
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
        }
        self.seen.push_back(Seen { fingerprint, at: now, reply: Reply::None });
    }

    /// Keeps the reply to a message, and only the newest `kept` replies.
    pub(crate) fn set_reply(&mut self, fingerprint: Fingerprint, reply: &[u8], kept: usize) {
        let Some(index) = self.find(fingerprint) else { return };
        // The buffer of the reply that makes room, or of the one that is replaced, takes the new one.
        let mut buffer = match std::mem::replace(&mut self.seen[index].reply, Reply::Forgotten) {
            Reply::Kept(buffer) => buffer,
            Reply::None | Reply::Forgotten => Vec::new(),
        };
        let mut newer = 0;
        for seen in self.seen.iter_mut().rev() {
            if let Reply::Kept(_) = seen.reply {
                newer += 1;
                if newer >= kept.max(1)
                    && let Reply::Kept(old) = std::mem::replace(&mut seen.reply, Reply::Forgotten)
                {
                    buffer = old;
                }
            }
        }
        buffer.clear();
        buffer.extend_from_slice(reply);
        self.seen[index].reply = Reply::Kept(buffer);
    }

    fn find(&self, fingerprint: Fingerprint) -> Option<usize> {
        self.seen.iter().rposition(|seen| seen.fingerprint == fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(247);

    fn print(message_id: u16, hash: u64) -> Fingerprint {
        Fingerprint { message_id, hash }
    }

    #[test]
    fn a_duplicate_gets_the_cached_reply_until_its_lifetime_is_over() {
        let (mut dedup, now) = (Dedup::default(), Instant::now());
        assert_eq!(dedup.check(print(1, 1), now, LIFETIME), Verdict::New);
        dedup.record(print(1, 1), now, LIFETIME, 16);
        assert_eq!(dedup.check(print(1, 1), now, LIFETIME), Verdict::Ignore);
        dedup.set_reply(print(1, 1), b"reply", 4);
        assert_eq!(dedup.check(print(1, 1), now, LIFETIME), Verdict::Repeat(b"reply"));
        assert_eq!(dedup.check(print(1, 1), now + LIFETIME, LIFETIME), Verdict::New);
    }

    #[test]
    fn another_message_with_the_same_id_is_new() {
        let (mut dedup, now) = (Dedup::default(), Instant::now());
        dedup.record(print(1, 1), now, LIFETIME, 16);
        assert_eq!(dedup.check(print(1, 2), now, LIFETIME), Verdict::New);
    }

    #[test]
    fn only_the_newest_replies_are_kept_but_older_messages_are_still_known() {
        let (mut dedup, now) = (Dedup::default(), Instant::now());
        for n in 0..6 {
            dedup.record(print(n, 0), now, LIFETIME, 5);
            dedup.set_reply(print(n, 0), &[n as u8], 2);
        }
        assert_eq!(dedup.check(print(0, 0), now, LIFETIME), Verdict::New, "beyond the depth");
        assert_eq!(dedup.check(print(3, 0), now, LIFETIME), Verdict::Ignore);
        assert_eq!(dedup.check(print(4, 0), now, LIFETIME), Verdict::Repeat(&[4]));
        assert_eq!(dedup.check(print(5, 0), now, LIFETIME), Verdict::Repeat(&[5]));
    }
}
