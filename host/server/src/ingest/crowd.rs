//! Whose uplinks wait for their commit, so that one company's rush is not another's refusal.
//!
//! Up to half of what a shard lets wait is anybody's. Beyond it each company that has something waiting may hold an equal part: whoever holds
//! more has quiet uplinks turned away, and who holds less is taken in. What changes an alarm, a valve or an order is never asked for its share.

use crate::shares::{Shares, Used};
use davy_domain::TenantId;
use std::collections::HashMap;
use std::sync::Arc;

/// Above so many undecided replies every company's quiet uplinks are refused with 5.03.
pub(super) const MOST_WAITING: usize = 32_768;

/// How many replies of each company are undecided.
pub(super) struct Crowd {
    shares: Arc<Shares>,
    of: HashMap<TenantId, Line>,
    /// Companies with any.
    present: usize,
    all: usize,
}

/// One company's.
struct Line {
    waiting: usize,
    used: Arc<Used>,
}

impl Crowd {
    /// Nobody waits.
    pub fn new(shares: Arc<Shares>) -> Self {
        Self { shares, of: HashMap::new(), present: 0, all: 0 }
    }

    fn line(&mut self, tenant: TenantId) -> &mut Line {
        self.of.entry(tenant).or_insert_with(|| Line { waiting: 0, used: self.shares.of(tenant) })
    }

    /// One more waits.
    pub fn join(&mut self, tenant: TenantId) {
        let line = self.line(tenant);
        line.waiting += 1;
        let first = line.waiting == 1;
        self.present += usize::from(first);
        self.all += 1;
    }

    /// An uplink of this company is taken in, or turned away.
    pub fn count(&mut self, tenant: TenantId, taken: bool) {
        self.line(tenant).used.uplinks.add(taken);
    }

    /// One waits no longer.
    pub fn leave(&mut self, tenant: TenantId) {
        let Some(line) = self.of.get_mut(&tenant) else { return };
        line.waiting -= 1;
        self.present -= usize::from(line.waiting == 0);
        self.all -= 1;
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.all == 0
    }

    /// Whether a quiet uplink of this company has to stay with its device for now.
    pub fn is_too_much_for(&self, tenant: TenantId) -> bool {
        if self.all <= MOST_WAITING / 2 {
            return false;
        }
        let own = self.of.get(&tenant).map_or(0, |line| line.waiting);
        let present = self.present + usize::from(own == 0);
        self.all > MOST_WAITING || own > MOST_WAITING / present
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crowd(waiting: &[(i64, usize)]) -> Crowd {
        let now = davy_domain::Timestamp::from_millis(1_800_000_000_000);
        let mut crowd = Crowd::new(Arc::new(Shares::new(0, 1, now)));
        for &(tenant, count) in waiting {
            (0..count).for_each(|_| crowd.join(TenantId::from_raw(tenant)));
        }
        crowd
    }

    fn too_much(crowd: &Crowd, tenant: i64) -> bool {
        crowd.is_too_much_for(TenantId::from_raw(tenant))
    }

    #[test]
    fn a_company_that_is_alone_may_fill_all_the_room() {
        assert!(!too_much(&crowd(&[(1, MOST_WAITING)]), 1));
        assert!(too_much(&crowd(&[(1, MOST_WAITING + 1)]), 1));
    }

    #[test]
    fn a_companys_rush_is_turned_away_before_another_company_is() {
        let crowd = crowd(&[(1, MOST_WAITING / 2 + 1), (2, 10)]);
        assert!(too_much(&crowd, 1), "it holds more than half, and another is here");
        assert!(!too_much(&crowd, 2));
        assert!(!too_much(&crowd, 3), "who has nothing waiting is taken in");
    }

    #[test]
    fn half_of_the_room_is_anybodys() {
        assert!(!too_much(&crowd(&[(1, MOST_WAITING / 2 - 10), (2, 1), (3, 1), (4, 1)]), 1));
    }

    #[test]
    fn who_has_been_answered_makes_room() {
        let mut crowd = crowd(&[(1, MOST_WAITING / 2 + 1), (2, 1)]);
        crowd.leave(TenantId::from_raw(2));
        assert!(!too_much(&crowd, 1), "nobody else is here any longer");
        (0..=MOST_WAITING / 2).for_each(|_| crowd.leave(TenantId::from_raw(1)));
        assert!(crowd.is_empty());
    }
}
