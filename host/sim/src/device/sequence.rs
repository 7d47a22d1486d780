//! The OSCORE sender sequence number in a device that forgets (RFC 8613 appendix B.1.1).
//!
//! Flash wears out, so the number is not written for each message: a ceiling is written ahead, and after a reboot counting goes on from
//! the ceiling. Must never give the same number twice, whatever moment the power fails at: that would break the cipher.

/// A sender sequence: what is in flash and what is in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderSequence {
    /// In flash: no number from here on was ever used.
    ceiling: u64,
    /// In memory: the next number.
    next: u64,
    block: u64,
}

impl SenderSequence {
    /// Starts at `first`, which was never used, and writes ahead `block` numbers at a time (at least 1).
    pub const fn new(first: u64, block: u64) -> Self {
        let block = if block == 0 { 1 } else { block };
        Self { ceiling: first.saturating_add(block), next: first, block }
    }

    /// The next number to use.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// The ceiling in flash.
    pub const fn ceiling(&self) -> u64 {
        self.ceiling
    }

    /// Takes a number; the ceiling is written before it is used up.
    pub const fn take(&mut self) -> u64 {
        let taken = self.next;
        self.used_up_to(taken + 1);
        taken
    }

    /// All numbers below `next` have been or are about to be used: raises the ceiling first. True when flash was written.
    pub const fn used_up_to(&mut self, next: u64) -> bool {
        let mut wrote = false;
        while self.ceiling <= next {
            self.ceiling = self.ceiling.saturating_add(self.block);
            wrote = true;
        }
        if next > self.next {
            self.next = next;
        }
        wrote
    }

    /// The power failed: memory is gone, flash is not.
    pub const fn reboot(&mut self) {
        self.next = self.ceiling;
        self.ceiling = self.ceiling.saturating_add(self.block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_number_is_used_twice_whenever_the_power_fails(
            first in 0_u64..1 << 40,
            block in 0_u64..50,
            messages in prop::collection::vec((1_usize..100, any::<bool>()), 1..40),
        ) {
            let mut sequence = SenderSequence::new(first, block);
            let mut last = None;
            for (count, bulk) in messages {
                if bulk {
                    let from = sequence.next();
                    prop_assert!(last.is_none_or(|last| from > last));
                    sequence.used_up_to(from + count as u64);
                    last = Some(from + count as u64 - 1);
                } else {
                    for _ in 0..count {
                        let taken = sequence.take();
                        prop_assert!(last.is_none_or(|last| taken > last), "{taken} after {last:?}");
                        prop_assert!(taken < sequence.ceiling());
                        last = Some(taken);
                    }
                }
                sequence.reboot();
            }
        }
    }
}
