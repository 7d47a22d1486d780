//! How much a tenant's rule may burn beyond what a decent one needs, so that a rule that always runs into its limits costs its
//! neighbours little.
//!
//! Counted in fuel and not in time: a busy machine must not make a good rule look like a bad one. Only what a call burns beyond
//! [`FREE`] counts; a shipped rule burns a tenth of that. A rule without ration is not asked: the statutory floor stands in, as
//! for any fault.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// What each call may burn for nothing.
const FREE: u64 = 200_000;
/// How much may be saved up: some half second of a core.
const MOST: u64 = 100_000_000;
/// What is given back each second: a tenth of a core, about.
const EACH_SECOND: u64 = 20_000_000;
/// What a call costs that the processor-time backstop cut off: it burns time without fuel.
pub const CUT_OFF: u64 = 10_000_000;

/// One tenant's ration.
#[derive(Debug)]
pub struct Ration {
    left: Mutex<Left>,
}

#[derive(Debug)]
struct Left {
    fuel: i128,
    at: Instant,
}

impl Ration {
    /// A full one.
    pub fn new(now: Instant) -> Self {
        Self { left: Mutex::new(Left { fuel: i128::from(MOST), at: now }) }
    }

    /// Whether the rule may be asked at `now`.
    pub fn is_left(&self, now: Instant) -> bool {
        let mut left = self.left.lock();
        let passed = now.saturating_duration_since(left.at).as_nanos() as i128;
        let given = passed * i128::from(EACH_SECOND) / Duration::from_secs(1).as_nanos() as i128;
        left.fuel = (left.fuel + given).min(i128::from(MOST));
        left.at = now;
        left.fuel > 0
    }

    /// Takes what a call burnt.
    pub fn charge(&self, fuel: u64) {
        if let Some(beyond) = fuel.checked_sub(FREE) {
            self.left.lock().fuel -= i128::from(beyond);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE_AT_ITS_LIMIT: u64 = 2_000_000;

    #[test]
    fn a_decent_rule_is_always_asked() {
        let start = Instant::now();
        let ration = Ration::new(start);
        for n in 0..1_000_000 {
            assert!(ration.is_left(start + Duration::from_micros(n)));
            ration.charge(100_000);
        }
    }

    #[test]
    fn a_rule_that_always_runs_into_its_limits_gets_what_is_given_back_and_no_more() {
        let start = Instant::now();
        let ration = Ration::new(start);
        let mut burnt = 0;
        // Asked a thousand times a second for a minute.
        for n in 0..60_000 {
            if ration.is_left(start + Duration::from_millis(n)) {
                ration.charge(RULE_AT_ITS_LIMIT);
                burnt += RULE_AT_ITS_LIMIT - FREE;
            }
        }
        assert!(burnt <= MOST + EACH_SECOND * 60 + RULE_AT_ITS_LIMIT, "{burnt}");
        assert!(burnt >= EACH_SECOND * 59, "it is not starved either: {burnt}");
    }
}
