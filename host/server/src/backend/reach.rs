//! What a viewer may see of things that are held in memory: the same scopes that the store has.

use crate::backend::landscape::Place;
use davy_domain::{CommunityId, PremisesId, TenantId};
use davy_store::DivisionCode;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// A viewer's scope.
#[derive(Clone, Debug)]
pub enum Reach {
    /// One gas company, whole.
    Tenant(TenantId),
    /// The premises of one community.
    Community {
        /// Which one.
        id: CommunityId,
        /// All of them.
        premises: Arc<HashSet<PremisesId>>,
    },
    /// One premises.
    Premises(PremisesId),
    /// A division and everything below it, of every company.
    Divisions {
        /// The top.
        top: DivisionCode,
        /// All of them, with the top.
        all: Arc<BTreeSet<DivisionCode>>,
    },
}

/// A scope as the key of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Tenant(TenantId),
    Community(CommunityId),
    Premises(PremisesId),
    Division(DivisionCode),
}

impl Reach {
    /// Whether something at `place` is within it.
    pub fn covers(&self, place: &Place) -> bool {
        match self {
            Self::Tenant(tenant) => place.tenant == *tenant,
            Self::Community { premises, .. } => place.premises.is_some_and(|one| premises.contains(&one)),
            Self::Premises(premises) => place.premises == Some(*premises),
            Self::Divisions { all, .. } => place.division.is_some_and(|code| all.contains(&code)),
        }
    }

    pub(super) fn key(&self) -> Key {
        match self {
            Self::Tenant(tenant) => Key::Tenant(*tenant),
            Self::Community { id, .. } => Key::Community(*id),
            Self::Premises(premises) => Key::Premises(*premises),
            Self::Divisions { top, .. } => Key::Division(*top),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(tenant: i64, premises: Option<i64>, division: Option<i64>) -> Place {
        Place {
            tenant: TenantId::from_raw(tenant),
            premises: premises.map(PremisesId::from_raw),
            division: division.map(DivisionCode),
        }
    }

    #[test]
    fn each_scope_covers_its_own_and_nothing_else() {
        let tenant = Reach::Tenant(TenantId::from_raw(1));
        assert!(tenant.covers(&place(1, Some(5), Some(330_106))));
        assert!(!tenant.covers(&place(2, Some(5), Some(330_106))));
        let premises = Reach::Premises(PremisesId::from_raw(5));
        assert!(premises.covers(&place(1, Some(5), None)));
        assert!(!premises.covers(&place(1, Some(6), None)));
        assert!(!premises.covers(&place(1, None, None)));
        let homes = Arc::new(HashSet::from([PremisesId::from_raw(5)]));
        let community = Reach::Community { id: CommunityId::from_raw(9), premises: homes };
        assert!(community.covers(&place(1, Some(5), None)));
        assert!(!community.covers(&place(1, Some(6), None)) && !community.covers(&place(1, None, None)));
        let all = Arc::new(BTreeSet::from([DivisionCode(330_100), DivisionCode(330_106)]));
        let division = Reach::Divisions { top: DivisionCode(330_100), all };
        assert!(division.covers(&place(2, None, Some(330_106))));
        assert!(!division.covers(&place(2, None, Some(330_200))));
        assert!(!division.covers(&place(2, None, None)));
    }
}
