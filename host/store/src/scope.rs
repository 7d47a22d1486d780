//! Who may see which rows. A scope is made from an id that the caller has proven the right to, and every read goes through one.
//!
//! [`TenantStore`] holds one gas company's rows, [`RegulatorStore`] the rows within a division and below, across companies,
//! [`PremisesStore`] those of one place. All reads that the three share are methods of [`ScopedStore`], whose every SQL text
//! carries the scope's condition: there is no read without one.

use crate::connection::Store;
use crate::places::DivisionCode;
use davy_domain::{PremisesId, TenantId};
use std::ops::Deref;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Tenant(TenantId),
    Division(DivisionCode),
    Premises(PremisesId),
}

impl Scope {
    /// What `$1` is bound to in every scoped SQL text.
    pub(crate) const fn key(self) -> i64 {
        match self {
            Self::Tenant(id) => id.raw(),
            Self::Division(code) => code.0,
            Self::Premises(id) => id.raw(),
        }
    }
}

/// A SQL text with the condition of the scope in the middle; devices are `d` in it, the scope's key is `$1`.
macro_rules! scoped {
    ($scope:expr, $head:literal, $tail:literal) => {
        match $scope {
            $crate::scope::Scope::Tenant(_) => concat!($head, "d.tenant_id = $1", $tail),
            $crate::scope::Scope::Premises(_) => concat!($head, "d.premises_id = $1", $tail),
            $crate::scope::Scope::Division(_) => concat!(
                $head,
                "d.division_code IN (WITH RECURSIVE below (code) AS (SELECT code FROM divisions WHERE code = $1 \
                 UNION ALL SELECT c.code FROM divisions c JOIN below b ON c.parent_code = b.code) SELECT code FROM below)",
                $tail
            ),
        }
    };
}

/// The same for a text over premises, which are `p` in it.
macro_rules! scoped_premises {
    ($scope:expr, $head:literal, $tail:literal) => {
        match $scope {
            $crate::scope::Scope::Tenant(_) => concat!($head, "p.tenant_id = $1", $tail),
            $crate::scope::Scope::Premises(_) => concat!($head, "p.id = $1", $tail),
            $crate::scope::Scope::Division(_) => concat!(
                $head,
                "p.division_code IN (WITH RECURSIVE below (code) AS (SELECT code FROM divisions WHERE code = $1 \
                 UNION ALL SELECT c.code FROM divisions c JOIN below b ON c.parent_code = b.code) SELECT code FROM below)",
                $tail
            ),
        }
    };
}

/// A list of rows `$row` of `$table` that belong to devices, by their own number, whoever they belong to.
///
/// The order of the tables is part of the text (`CROSS JOIN` binds SQLite's planner; to PostgreSQL it is like any other): a
/// tenant's and a regulator's list walk the rows themselves, newest first, a resident's begins at their few devices.
macro_rules! scoped_rows {
    ($scope:expr, $columns:literal, $table:literal, $row:literal, $tail:literal) => {
        match $scope {
            $crate::scope::Scope::Tenant(_) => concat!(
                "SELECT ", $columns, " FROM ", $table, " ", $row, " CROSS JOIN devices d WHERE d.id = ", $row, ".device_id AND ",
                $row, ".tenant_id = $1 AND d.tenant_id = $1", $tail
            ),
            $crate::scope::Scope::Premises(_) => concat!(
                "SELECT ", $columns, " FROM devices d CROSS JOIN ", $table, " ", $row, " WHERE ", $row,
                ".device_id = d.id AND d.premises_id = $1", $tail
            ),
            $crate::scope::Scope::Division(_) => concat!(
                "SELECT ", $columns, " FROM ", $table, " ", $row, " CROSS JOIN devices d WHERE d.id = ", $row, ".device_id AND ",
                "d.division_code IN (WITH RECURSIVE below (code) AS (SELECT code FROM divisions WHERE code = $1 \
                 UNION ALL SELECT c.code FROM divisions c JOIN below b ON c.parent_code = b.code) SELECT code FROM below)",
                $tail
            ),
        }
    };
}

pub(crate) use {scoped, scoped_premises, scoped_rows};

/// Reads within one scope; reached through [`TenantStore`], [`RegulatorStore`] or [`PremisesStore`].
#[derive(Clone, Debug)]
pub struct ScopedStore {
    pub(crate) store: Store,
    pub(crate) scope: Scope,
}

/// One gas company's rows, and of no other: the only way to them for pages and the API.
#[derive(Clone, Debug)]
pub struct TenantStore {
    reads: ScopedStore,
    id: TenantId,
}

/// What a regulator may see: the rows within a division and below, of every company.
#[derive(Clone, Debug)]
pub struct RegulatorStore {
    reads: ScopedStore,
}

/// What a resident may see: the rows of their own premises.
#[derive(Clone, Debug)]
pub struct PremisesStore {
    reads: ScopedStore,
}

/// The scope of a resident, under its name in the permissions.
pub type PremisesScope = PremisesStore;

impl TenantStore {
    pub(crate) fn new(store: Store, id: TenantId) -> Self {
        Self { reads: ScopedStore { store, scope: Scope::Tenant(id) }, id }
    }

    /// Whose rows these are.
    pub fn id(&self) -> TenantId {
        self.id
    }

    pub(crate) fn store(&self) -> &Store {
        &self.reads.store
    }
}

impl RegulatorStore {
    pub(crate) fn new(store: Store, division: DivisionCode) -> Self {
        Self { reads: ScopedStore { store, scope: Scope::Division(division) } }
    }
}

impl Store {
    /// What a resident may see: their own premises.
    pub fn resident(&self, premises: PremisesId) -> PremisesStore {
        PremisesStore { reads: ScopedStore { store: self.clone(), scope: Scope::Premises(premises) } }
    }
}

impl Deref for TenantStore {
    type Target = ScopedStore;
    fn deref(&self) -> &ScopedStore {
        &self.reads
    }
}

impl Deref for RegulatorStore {
    type Target = ScopedStore;
    fn deref(&self) -> &ScopedStore {
        &self.reads
    }
}

impl Deref for PremisesStore {
    type Target = ScopedStore;
    fn deref(&self) -> &ScopedStore {
        &self.reads
    }
}
