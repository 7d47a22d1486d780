//! Who may see which rows. A scope is made from an id that the caller has proven the right to, and every read goes through one.
//!
//! [`TenantStore`] holds one gas company's rows, [`RegulatorStore`] the rows within a division and below, across companies,
//! [`CommunityStore`] those of one residential community, [`PremisesStore`] those of one place. All reads that they share are methods of
//! [`ScopedStore`], whose every SQL text carries the scope's condition: there is no read without one. Beneath that, PostgreSQL itself
//! shows a scope's connection no other rows (migration 0014); SQLite has no such thing, and a test reads every statement instead.

use crate::connection::{On, OnConnection, Store, Tx};
use crate::engine;
use crate::error::StoreError;
use crate::notifications::Reachable;
use crate::places::DivisionCode;
use davy_domain::ledger::{Act, Actor, Chain, Head};
use davy_domain::{CommunityId, PersonScope, PremisesId, TenantId, Timestamp};
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Postgres, Sqlite, Transaction};
use std::ops::Deref;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Tenant(TenantId),
    Division(DivisionCode),
    Community(CommunityId),
    Premises(PremisesId),
}

impl Scope {
    /// The role of PostgreSQL that sees no other rows than those of `davy.scope`; see the migration on row-level security.
    const fn role(self) -> &'static str {
        match self {
            Self::Tenant(_) => "davy_company",
            Self::Division(_) => "davy_regulator",
            Self::Community(_) => "davy_manager",
            Self::Premises(_) => "davy_resident",
        }
    }

    /// What `$1` is bound to in every scoped SQL text.
    pub(crate) const fn key(self) -> i64 {
        match self {
            Self::Tenant(id) => id.raw(),
            Self::Division(code) => code.0,
            Self::Community(id) => id.raw(),
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
            $crate::scope::Scope::Community(_) => {
                concat!($head, "d.premises_id IN (SELECT id FROM premises WHERE community_id = $1)", $tail)
            }
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
            $crate::scope::Scope::Community(_) => concat!($head, "p.community_id = $1", $tail),
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
            $crate::scope::Scope::Community(_) => concat!(
                "SELECT ", $columns, " FROM premises h CROSS JOIN devices d CROSS JOIN ", $table, " ", $row,
                " WHERE h.community_id = $1 AND d.premises_id = h.id AND ", $row, ".device_id = d.id", $tail
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
///
/// The pools are out of reach: SQL runs only on a connection that is held to the scope, see `read`.
#[derive(Clone, Debug)]
pub struct ScopedStore {
    store: Store,
    pub(crate) scope: Scope,
}

/// A connection for reading that is held to a scope; on PostgreSQL by the database itself.
pub(crate) enum Held {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Held {
    pub(crate) fn on(&mut self) -> OnConnection<'_> {
        match self {
            Self::Sqlite(on) => On::Sqlite(on),
            Self::Postgres(on) => On::Postgres(on),
        }
    }
}

impl ScopedStore {
    /// A connection for one statement that reads. On PostgreSQL its transaction ends, with nothing written, when it is dropped.
    pub(crate) async fn read(&self) -> Result<Held, StoreError> {
        Ok(match self.store.reader() {
            On::Sqlite(readers) => Held::Sqlite(readers.acquire().await?),
            On::Postgres(pool) => Held::Postgres(pool.begin_with(self.held("BEGIN READ ONLY")).await?),
        })
    }

    /// A reading transaction in which every statement sees the same state.
    pub(crate) async fn snapshot(&self) -> Result<Tx, StoreError> {
        Ok(match self.store.reader() {
            On::Sqlite(readers) => Tx::Sqlite(readers.begin().await?),
            On::Postgres(pool) => Tx::Postgres(pool.begin_with(self.held(engine::POSTGRES_BEGIN_SNAPSHOT)).await?),
        })
    }

    /// A transaction's first statements on PostgreSQL, sent as one: from here to its end the row-level security of the scope's role
    /// holds. Nothing of it outlasts the transaction, so that a connection goes back to its pool as it came.
    fn held(&self, begin: &str) -> AssertSqlSafe<String> {
        let (role, key) = (self.scope.role(), self.scope.key());
        AssertSqlSafe(format!("{begin}; SET LOCAL ROLE {role}; SET LOCAL davy.scope = '{key}'"))
    }
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

/// What a property manager may see: the rows of the premises of one community.
#[derive(Clone, Debug)]
pub struct CommunityStore {
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

    /// The pools, for the people of the company: what they are known by (passwords, sessions) is out of the company's own reach.
    pub(crate) fn platform(&self) -> &Store {
        &self.reads.store
    }

    /// Who can be told of something at a place: the company's people, those of the premises, and the regulators of the division and above.
    /// The platform looks them up: a regulator is nobody's of the company.
    pub async fn reachable(
        &self,
        premises: Option<PremisesId>,
        division: Option<DivisionCode>,
    ) -> Result<Vec<Reachable>, StoreError> {
        self.reads.store.reachable_by(self.id, premises, division).await
    }

    /// Appends an act to the company's chain, within the transaction that does it.
    pub(crate) async fn enter(&self, tx: &mut Tx, at: Timestamp, actor: Actor, act: &Act) -> Result<Head, StoreError> {
        crate::ledger::enter_in(tx, Chain::Tenant(self.id), at, actor, act).await
    }

    /// A writing transaction that can touch no other company's rows.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self.reads.store.writer() {
            On::Sqlite(writer) => Tx::Sqlite(writer.begin_with(engine::SQLITE_BEGIN_WRITE).await?),
            On::Postgres(pool) => Tx::Postgres(pool.begin_with(self.reads.held("BEGIN")).await?),
        })
    }
}

impl RegulatorStore {
    pub(crate) fn new(store: Store, division: DivisionCode) -> Self {
        Self { reads: ScopedStore { store, scope: Scope::Division(division) } }
    }
}

impl Store {
    /// What a person's scope lets them read; none for the platform's, which holds no company's rows.
    pub fn scoped(&self, scope: PersonScope) -> Option<ScopedStore> {
        let scope = match scope {
            PersonScope::Platform => return None,
            PersonScope::Jurisdiction { division } => Scope::Division(DivisionCode(division)),
            PersonScope::Tenant { tenant } => Scope::Tenant(tenant),
            PersonScope::Community { community, .. } => Scope::Community(community),
            PersonScope::Premises { premises, .. } => Scope::Premises(premises),
        };
        Some(ScopedStore { store: self.clone(), scope })
    }

    /// What a property manager may see: the premises of a community.
    pub fn community(&self, community: CommunityId) -> CommunityStore {
        CommunityStore { reads: ScopedStore { store: self.clone(), scope: Scope::Community(community) } }
    }

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

impl Deref for CommunityStore {
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
