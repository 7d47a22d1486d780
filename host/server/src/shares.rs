//! What each company uses of what all companies share, and where its share of requests ends.
//!
//! Counts are of this process and begin with it. What saves lives is never asked for its share: see [`crate::http::guard`] for requests and
//! the shards for uplinks, which turn away only what changes nothing but readings.

use crate::http::rate::RateLimit;
use davy_domain::{TenantId, Timestamp};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often something was taken in and how often it was turned away.
#[derive(Debug, Default)]
pub struct Count {
    taken: AtomicU64,
    turned_away: AtomicU64,
}

impl Count {
    /// One more, taken in or not.
    pub fn add(&self, taken: bool) {
        let count = if taken { &self.taken } else { &self.turned_away };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// So many were taken in, and so many turned away.
    pub fn read(&self) -> (u64, u64) {
        (self.taken.load(Ordering::Relaxed), self.turned_away.load(Ordering::Relaxed))
    }
}

/// What one company has used.
#[derive(Debug, Default)]
pub struct Used {
    /// Requests to the API.
    pub requests: Count,
    /// Uplinks of its devices.
    pub uplinks: Count,
}

/// The shares of all companies.
pub struct Shares {
    since: Timestamp,
    per_second: u32,
    requests: RateLimit<TenantId>,
    used: RwLock<HashMap<TenantId, Arc<Used>>>,
}

impl Shares {
    /// From now on; each company may send `burst` requests at once and `per_second` on average, without limit when that is 0.
    pub fn new(per_second: u32, burst: u32, now: Timestamp) -> Self {
        let requests = RateLimit::new(burst, per_second, 1_000);
        Self { since: now, per_second, requests, used: RwLock::default() }
    }

    /// Since when it is counted.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Requests a second that a company may send on average; none for no limit.
    pub fn per_second(&self) -> Option<u32> {
        (self.per_second > 0).then_some(self.per_second)
    }

    /// What a company has used.
    pub fn of(&self, tenant: TenantId) -> Arc<Used> {
        if let Some(used) = self.used.read().get(&tenant) {
            return Arc::clone(used);
        }
        Arc::clone(self.used.write().entry(tenant).or_default())
    }

    /// Counts a request of a company, and says whether it is taken: always when it is `urgent`.
    pub fn request(&self, tenant: TenantId, urgent: bool, now: Timestamp) -> bool {
        let taken = urgent || self.requests.pass(tenant, now);
        self.of(tenant).requests.add(taken);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_company_beyond_its_share_keeps_nobody_else_out_and_still_closes_valves() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let shares = Shares::new(10, 3, now);
        let [busy, other] = [1, 2].map(TenantId::from_raw);
        assert_eq!([false; 4].map(|urgent| shares.request(busy, urgent, now)), [true, true, true, false]);
        assert!(shares.request(busy, true, now));
        assert!(shares.request(other, false, now));
        assert_eq!(shares.of(busy).requests.read(), (4, 1));
        assert_eq!(shares.of(other).requests.read(), (1, 0));
    }

    #[test]
    fn without_a_limit_nothing_is_turned_away() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let shares = Shares::new(0, 1, now);
        assert!((0..1_000).all(|_| shares.request(TenantId::from_raw(1), false, now)));
        assert_eq!(shares.per_second(), None);
    }
}
