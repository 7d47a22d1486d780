//! Whose turn it is: work of many companies that is done one piece after the other.
//!
//! Each company has a line of its own and they take turns, so that whoever asks for much waits for it alone. Pure: what is asked for and
//! when it is done is the caller's.

use davy_domain::TenantId;
use std::collections::{BTreeMap, VecDeque};

/// The lines of all companies.
#[derive(Debug)]
pub struct Turns<T> {
    lines: BTreeMap<TenantId, VecDeque<T>>,
    /// Whose turn it was last.
    last: Option<TenantId>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { lines: BTreeMap::new(), last: None }
    }
}

impl<T> Turns<T> {
    /// Puts something at the end of its company's line.
    pub fn push(&mut self, tenant: TenantId, what: T) {
        self.lines.entry(tenant).or_default().push_back(what);
    }

    /// How much of a company waits.
    pub fn waiting(&self, tenant: TenantId) -> usize {
        self.lines.get(&tenant).map_or(0, VecDeque::len)
    }

    /// What is next: the oldest of the company after the one whose turn it was.
    pub fn take(&mut self) -> Option<(TenantId, T)> {
        let tenant = after(self.last, self.lines.keys().copied())?;
        let line = self.lines.get_mut(&tenant)?;
        let next = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&tenant);
        }
        self.last = Some(tenant);
        next.map(|next| (tenant, next))
    }
}

/// Of those who wait, the one after the last one who had a turn.
pub fn after(last: Option<TenantId>, waiting: impl Iterator<Item = TenantId> + Clone) -> Option<TenantId> {
    let later = waiting.clone().filter(|tenant| last.is_none_or(|last| *tenant > last)).min();
    later.or_else(|| waiting.min())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: TenantId = TenantId::from_raw(1);
    const B: TenantId = TenantId::from_raw(2);
    const C: TenantId = TenantId::from_raw(3);

    #[test]
    fn whoever_asks_for_much_holds_up_nobody_else() {
        let mut turns = Turns::default();
        (0..100).for_each(|number| turns.push(A, number));
        turns.push(C, 1_000);
        turns.push(B, 2_000);
        turns.push(B, 2_001);
        assert_eq!((turns.waiting(A), turns.waiting(B), turns.waiting(TenantId::from_raw(9))), (100, 2, 0));
        let order: Vec<_> = std::iter::from_fn(|| turns.take()).take(6).collect();
        assert_eq!(order, [(A, 0), (B, 2_000), (C, 1_000), (A, 1), (B, 2_001), (A, 2)]);
        assert_eq!(std::iter::from_fn(|| turns.take()).count(), 97, "and nothing is forgotten");
        assert_eq!(turns.take(), None);
    }

    #[test]
    fn after_the_last_one_comes_the_first() {
        assert_eq!(after(None, [B, C, A].into_iter()), Some(A));
        assert_eq!(after(Some(A), [A, C].into_iter()), Some(C));
        assert_eq!(after(Some(C), [A, C].into_iter()), Some(A));
        assert_eq!(after(Some(B), [B].into_iter()), Some(B));
        assert_eq!(after(Some(B), [].into_iter()), None);
    }
}
