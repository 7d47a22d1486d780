//! Rate limits by key, with the clock as a parameter. Memory is bounded: keys at rest are forgotten.

use davy_domain::Timestamp;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// Keys kept before those at rest are swept out.
const SWEEP_AT: usize = 10_000;
/// Keys kept at most; beyond it new keys share one allowance.
const KEYS_AT_MOST: usize = 200_000;

/// Lets each key through `burst` times at once and then once every `interval_ms`, by the generic cell rate algorithm
/// (ITU-T I.371): one number per key, the time at which the key would be at rest.
pub struct RateLimit<K> {
    interval_us: i64,
    burst: i64,
    at_rest: Mutex<HashMap<Option<K>, i64>>,
}

impl<K: Hash + Eq> RateLimit<K> {
    /// A limit of `burst` at once and `per_window` in each window of `window_ms` on average; `per_window` 0 is no limit.
    pub fn new(burst: u32, per_window: u32, window_ms: u64) -> Self {
        let interval_us = if per_window == 0 { 0 } else { (window_ms * 1_000 / u64::from(per_window)).max(1) as i64 };
        Self { interval_us, burst: i64::from(burst.max(1)), at_rest: Mutex::default() }
    }

    /// Whether `key` may pass now. A refusal costs nothing: who keeps asking is let through as soon as who waits.
    pub fn pass(&self, key: K, now: Timestamp) -> bool {
        if self.interval_us == 0 {
            return true;
        }
        let now = now.as_millis().saturating_mul(1_000);
        let mut at_rest = self.at_rest.lock().unwrap_or_else(PoisonError::into_inner);
        if at_rest.len() >= SWEEP_AT {
            at_rest.retain(|_, rest| *rest > now);
        }
        let full = at_rest.len() >= KEYS_AT_MOST;
        let own = Some(key);
        let key = if full && !at_rest.contains_key(&own) { None } else { own };
        let rest = at_rest.entry(key).or_insert(now);
        // No key earns a longer wait than its burst: a longer one was earned on a clock that has stepped back since.
        if *rest > now + self.interval_us * self.burst {
            *rest = now;
        }
        let start = (*rest).max(now);
        if start - now > self.interval_us * (self.burst - 1) {
            return false;
        }
        *rest = start + self.interval_us;
        true
    }

    /// Forgets what `key` has used, for instance after a good sign-in.
    pub fn forget(&self, key: K) {
        self.at_rest.lock().unwrap_or_else(PoisonError::into_inner).remove(&Some(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    #[test]
    fn a_burst_passes_then_one_at_each_interval() {
        let limit = RateLimit::new(3, 10, 1_000);
        assert_eq!([0, 0, 0, 0].map(|ms| limit.pass("a", at(ms))), [true, true, true, false]);
        assert!(!limit.pass("a", at(99)));
        assert!(limit.pass("a", at(100)));
        assert!(!limit.pass("a", at(100)));
    }

    #[test]
    fn one_key_does_not_use_up_another() {
        let limit = RateLimit::new(1, 1, 60_000);
        assert!(limit.pass("attacker", at(0)));
        assert!(!limit.pass("attacker", at(1)));
        assert!(limit.pass("owner", at(1)));
    }

    #[test]
    fn a_forgotten_key_starts_anew() {
        let limit = RateLimit::new(1, 1, 60_000);
        assert!(limit.pass("a", at(0)));
        limit.forget("a");
        assert!(limit.pass("a", at(0)));
    }

    #[test]
    fn keys_at_rest_are_swept_out() {
        let limit = RateLimit::new(1, 1, 1_000);
        for key in 0..SWEEP_AT {
            assert!(limit.pass(key, at(0)));
        }
        assert!(limit.pass(usize::MAX, at(10_000)));
        assert_eq!(limit.at_rest.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_clock_that_steps_back_locks_nobody_out_for_longer_than_the_burst() {
        let limit = RateLimit::new(2, 10, 1_000);
        assert!(limit.pass("a", at(500_000)));
        // The clock steps back by 500 s: the key must not wait for that long.
        assert!(limit.pass("a", at(0)));
    }
}
