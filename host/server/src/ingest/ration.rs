//! How much processor time a tenant's rule may take beyond what a decent one needs, so that a rule that always runs into its
//! limits costs its neighbours little.
//!
//! Only what a call takes beyond [`FREE`] counts; a shipped rule takes a hundredth of that. A rule without ration is not asked:
//! the statutory floor stands in, as for any fault.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// What each call may take for nothing.
const FREE: Duration = Duration::from_millis(2);
/// How much may be saved up.
const MOST: Duration = Duration::from_millis(500);
/// What is given back each second: a tenth of a core.
const EACH_SECOND: Duration = Duration::from_millis(100);

/// One tenant's ration.
#[derive(Debug)]
pub struct Ration {
    left: Mutex<Left>,
}

#[derive(Debug)]
struct Left {
    nanos: i128,
    at: Instant,
}

impl Ration {
    /// A full one.
    pub fn new(now: Instant) -> Self {
        Self { left: Mutex::new(Left { nanos: MOST.as_nanos() as i128, at: now }) }
    }

    /// Whether the rule may be asked at `now`.
    pub fn is_left(&self, now: Instant) -> bool {
        let mut left = self.left.lock();
        let passed = now.saturating_duration_since(left.at).as_nanos() as i128;
        let given = passed * EACH_SECOND.as_nanos() as i128 / Duration::from_secs(1).as_nanos() as i128;
        left.nanos = (left.nanos + given).min(MOST.as_nanos() as i128);
        left.at = now;
        left.nanos > 0
    }

    /// Takes what a call took.
    pub fn charge(&self, took: Duration) {
        if let Some(beyond) = took.checked_sub(FREE) {
            self.left.lock().nanos -= beyond.as_nanos() as i128;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE_AT_ITS_LIMIT: Duration = Duration::from_millis(12);

    #[test]
    fn a_decent_rule_is_always_asked() {
        let start = Instant::now();
        let ration = Ration::new(start);
        for n in 0..1_000_000 {
            assert!(ration.is_left(start + Duration::from_micros(n)));
            ration.charge(Duration::from_micros(900));
        }
    }

    #[test]
    fn a_rule_that_always_runs_into_its_limits_gets_a_tenth_of_a_core() {
        let start = Instant::now();
        let ration = Ration::new(start);
        let mut now = start;
        let mut asked = 0_u32;
        while now < start + Duration::from_mins(1) {
            if ration.is_left(now) {
                ration.charge(RULE_AT_ITS_LIMIT);
                asked += 1;
                now += RULE_AT_ITS_LIMIT;
            } else {
                now += Duration::from_micros(100);
            }
        }
        let beyond = RULE_AT_ITS_LIMIT.saturating_sub(FREE) * asked;
        assert!(beyond <= MOST + EACH_SECOND * 60 + RULE_AT_ITS_LIMIT, "{beyond:?}");
        assert!(beyond >= EACH_SECOND * 60, "it is not starved either: {beyond:?}");
    }
}
