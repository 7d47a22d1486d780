//! Whom two policies told of the same alarm: what only one of them sent, what came earlier or later, and who heard first.
//!
//! Pure and of one alarm; sums are the caller's.

use davy_domain::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Times that differ by no more are the same: two folds beside each other look at their timers one after the other.
const SAME_WITHIN: Span = Span::from_secs(2);

/// A message that was, or would have been, sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When.
    pub at: Timestamp,
    /// Role code of the recipient.
    pub role: u16,
    /// Which of several of the role.
    pub rank: u16,
    /// Channel number.
    pub channel: u16,
}

/// One message on both sides: when each sent it, none when it did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Role code of the recipient.
    pub role: u16,
    /// Which of several of the role.
    pub rank: u16,
    /// Channel number.
    pub channel: u16,
    /// What is in force.
    pub active: Option<Timestamp>,
    /// What is being tried.
    pub candidate: Option<Timestamp>,
}

/// How two times stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stands {
    /// Only what is in force.
    Lost,
    /// Both; what is being tried later.
    Later,
    /// Only what is being tried.
    Added,
    /// Both; what is being tried earlier.
    Earlier,
    /// Both at the same time, or neither.
    Same,
}

/// How what is being tried stands to what is in force.
pub fn stands(active: Option<Timestamp>, candidate: Option<Timestamp>) -> Stands {
    match (active, candidate) {
        (Some(_), None) => Stands::Lost,
        (None, Some(_)) => Stands::Added,
        (Some(active), Some(candidate)) if candidate.since(active) > SAME_WITHIN => Stands::Later,
        (Some(active), Some(candidate)) if active.since(candidate) > SAME_WITHIN => Stands::Earlier,
        _ => Stands::Same,
    }
}

/// When anybody heard of it first.
pub fn first(sent: &[Sent]) -> Option<Timestamp> {
    sent.iter().map(|sent| sent.at).min()
}

/// The messages of both, the nth to somebody over a channel beside the nth of the other; by role, rank and channel.
pub fn pairs(active: &[Sent], candidate: &[Sent]) -> Vec<Pair> {
    let mut of: BTreeMap<(u16, u16, u16), [Vec<Timestamp>; 2]> = BTreeMap::new();
    for (side, all) in [active, candidate].into_iter().enumerate() {
        for sent in all {
            of.entry((sent.role, sent.rank, sent.channel)).or_default()[side].push(sent.at);
        }
    }
    let mut pairs = Vec::new();
    for ((role, rank, channel), [mut active, mut candidate]) in of {
        active.sort_unstable();
        candidate.sort_unstable();
        for at in 0..active.len().max(candidate.len()) {
            pairs.push(Pair {
                role,
                rank,
                channel,
                active: active.get(at).copied(),
                candidate: candidate.get(at).copied(),
            });
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(seconds: i64, role: u16, channel: u16) -> Sent {
        Sent { at: Timestamp::from_millis(seconds * 1_000), role, rank: 0, channel }
    }

    #[test]
    fn messages_are_paired_in_their_order_by_recipient_and_channel() {
        let active = [sent(0, 1, 2), sent(300, 1, 2), sent(0, 5, 3)];
        let candidate = [sent(1, 1, 2), sent(100, 1, 2), sent(600, 1, 2), sent(0, 5, 6)];
        let all: Vec<_> = pairs(&active, &candidate)
            .into_iter()
            .map(|pair| (pair.role, pair.channel, stands(pair.active, pair.candidate)))
            .collect();
        let expected = [
            (1, 2, Stands::Same),
            (1, 2, Stands::Earlier),
            (1, 2, Stands::Added),
            (5, 3, Stands::Lost),
            (5, 6, Stands::Added),
        ];
        assert_eq!(all, expected);
        assert_eq!(first(&candidate), Some(Timestamp::from_millis(0)));
        assert_eq!(first(&[]), None);
    }
}
