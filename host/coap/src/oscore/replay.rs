//! The replay window (RFC 8613 §7.4), and what is known of it after a restart (appendix B.1.2).
//!
//! Must never be moved by a message that has not been authenticated.

/// Which sequence numbers of the peer were accepted: the highest, and which of the 63 below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayWindow {
    /// One above the highest accepted; 0 before the first.
    next: u64,
    /// Bit `i` stands for `next - 1 - i`.
    seen: u64,
}

impl ReplayWindow {
    /// How many sequence numbers the window covers.
    pub const SIZE: u64 = 64;

    /// The window of a peer that has sent nothing yet.
    pub const fn new() -> Self {
        Self { next: 0, seen: 0 }
    }

    /// Rebuilds the window from what is known to be accepted: the highest sequence number, and any others in any order (those below the
    /// window do not matter).
    pub fn from_accepted(highest: u64, others: impl IntoIterator<Item = u64>) -> Self {
        let mut window = Self::new();
        window.accept(highest);
        for sequence in others {
            if sequence <= highest && window.is_fresh(sequence) {
                window.accept(sequence);
            }
        }
        window
    }

    /// The window in which everything up to and including `sequence` counts as accepted.
    pub const fn closed_up_to(sequence: u64) -> Self {
        Self { next: sequence + 1, seen: u64::MAX }
    }

    /// The highest accepted sequence number.
    pub const fn highest(&self) -> Option<u64> {
        self.next.checked_sub(1)
    }

    /// Whether `sequence` is above everything accepted so far.
    pub const fn is_above(&self, sequence: u64) -> bool {
        sequence >= self.next
    }

    /// Whether `sequence` may still be accepted: it is above the highest, or within the window and not seen.
    pub const fn is_fresh(&self, sequence: u64) -> bool {
        if self.is_above(sequence) {
            return true;
        }
        let age = self.next - 1 - sequence;
        age < Self::SIZE && self.seen >> age & 1 == 0
    }

    /// Marks `sequence` as accepted. Call it only for an authenticated message. One that is not [fresh](Self::is_fresh) changes nothing.
    pub const fn accept(&mut self, sequence: u64) {
        if self.is_above(sequence) {
            let shift = sequence + 1 - self.next;
            self.seen = if shift >= Self::SIZE { 0 } else { self.seen << shift };
            self.seen |= 1;
            self.next = sequence + 1;
        } else {
            let age = self.next - 1 - sequence;
            if age < Self::SIZE {
                self.seen |= 1 << age;
            }
        }
    }
}

/// How much is known of the peer's sequence numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayState {
    /// Nothing, e.g. after a restart without records. Every request gets an Echo challenge (RFC 8613 appendix B.1.2), and the first one
    /// that repeats the fresh Echo value sets the window.
    Unknown,
    /// What was recorded, which may lack requests that left no record. Above it requests are taken, but not an Observe registration,
    /// which a replay could use to draw notifications; that one, and what is within the window but not recorded, gets an Echo challenge.
    /// Responses carry a Partial IV of their own, because the request's nonce may have been used before the restart, unless
    /// [`NonceUse::Recorded`](super::NonceUse::Recorded) rules that out.
    Restored(ReplayWindow),
    /// Everything that was ever accepted. A context that was never used starts here, with an empty window.
    Synced(ReplayWindow),
}

impl Default for ReplayState {
    /// A context that was never used.
    fn default() -> Self {
        Self::Synced(ReplayWindow::new())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sequence_number_is_fresh_once() {
        let mut window = ReplayWindow::new();
        for sequence in [0, 5, 3, 70, 69] {
            assert!(window.is_fresh(sequence), "{sequence}");
            window.accept(sequence);
            assert!(!window.is_fresh(sequence), "{sequence}");
        }
        assert!(!window.is_fresh(6), "6 is 64 below 70: out of the window");
        assert!(window.is_fresh(7));
        assert_eq!(window.highest(), Some(70));
    }

    #[test]
    fn a_closed_window_takes_only_what_is_above() {
        let window = ReplayWindow::closed_up_to(9);
        assert!((0..=9).all(|sequence| !window.is_fresh(sequence)));
        assert!(window.is_fresh(10));
    }

    proptest! {
        #[test]
        fn the_window_agrees_with_a_set(sequences in proptest::collection::vec(0_u64..200, 1..300)) {
            let (mut window, mut set) = (ReplayWindow::new(), BTreeSet::new());
            for sequence in sequences {
                let low = set.last().map_or(0, |&high: &u64| (high + 1).saturating_sub(ReplayWindow::SIZE));
                prop_assert_eq!(window.is_fresh(sequence), sequence >= low && !set.contains(&sequence));
                if window.is_fresh(sequence) {
                    window.accept(sequence);
                    set.insert(sequence);
                }
            }
            let highest = set.last().copied().unwrap_or(0);
            prop_assert_eq!(ReplayWindow::from_accepted(highest, set.iter().rev().copied()).highest(), Some(highest));
            let rebuilt = ReplayWindow::from_accepted(highest, set.iter().copied());
            for sequence in 0..=highest + 2 {
                prop_assert_eq!(rebuilt.is_fresh(sequence), window.is_fresh(sequence));
            }
        }
    }
}
