//! Reading entries: pages of them for people, runs of them for exports, and those of one alarm.

use super::hash;
use crate::codes::stored_u64;
use crate::connection::{OnConnection, Store, fetch_all};
use crate::error::StoreError;
use crate::scope::{RegulatorStore, Scope, TenantStore};
use davy_domain::ledger::{Chain, Entry};
use davy_domain::{DeviceId, TenantId, Timestamp, UserId};

/// What is looked for. Everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerFilter {
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Kinds of acts by their numbers, first and last.
    pub kinds: Option<(u16, u16)>,
    /// What this person did.
    pub by: Option<UserId>,
    /// What was done to this, whatever kind of thing it is.
    pub object: Option<i64>,
    /// What was done to this device, and to its alarms.
    pub device: Option<DeviceId>,
}

/// Where a page ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LedgerPlace {
    /// The time of the last entry.
    pub at: Timestamp,
    /// Its chain.
    pub chain: i64,
    /// Its number.
    pub seq: u64,
}

impl LedgerPlace {
    /// Of an entry.
    pub const fn of(entry: &Entry) -> Self {
        Self { at: entry.at, chain: entry.chain.raw(), seq: entry.seq }
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct EntryRow {
    tenant_id: i64,
    seq: i64,
    at: i64,
    pub(super) kind: i64,
    pub(super) by_user: Option<i64>,
    pub(super) object: Option<i64>,
    pub(super) device_id: Option<i64>,
    body: Vec<u8>,
    previous: Vec<u8>,
    hash: Vec<u8>,
}

impl EntryRow {
    pub(super) const fn seq(&self) -> u64 {
        self.seq.unsigned_abs()
    }

    pub(super) fn entry(&mut self) -> Result<Entry, StoreError> {
        Ok(Entry {
            chain: Chain::from_raw(self.tenant_id),
            seq: self.seq.unsigned_abs(),
            at: Timestamp::from_millis(self.at),
            body: std::mem::take(&mut self.body),
            previous: hash(std::mem::take(&mut self.previous))?,
            hash: hash(std::mem::take(&mut self.hash))?,
        })
    }
}

fn entries(rows: Vec<EntryRow>) -> Result<Vec<Entry>, StoreError> {
    rows.into_iter().map(|mut row| row.entry()).collect()
}

/// One chain's entries that a filter lets through, newest first; `$1` is the chain, `$2` to `$9` the filter, `$10` how many.
macro_rules! filtered {
    ($tables:literal, $scope:literal) => {
        concat!(
            "SELECT e.tenant_id, e.seq, e.at, e.kind, e.by_user, e.object, e.device_id, e.body, e.previous, e.hash FROM ledger e ",
            $tables,
            " WHERE e.tenant_id = $1 AND (e.at < $2 OR (e.at = $2 AND e.seq < $3)) AND e.at >= $4 AND e.kind BETWEEN $5 AND $6 \
             AND (e.by_user = $7 OR $7 = 0) AND (e.object = $8 OR $8 = 0) AND (e.device_id = $9 OR $9 = 0) ",
            $scope,
            "ORDER BY e.at DESC, e.seq DESC LIMIT $10"
        )
    };
}

/// A page of one chain. With a division: of devices within it and below.
async fn page(
    on: OnConnection<'_>,
    chain: Chain,
    division: Option<i64>,
    filter: &LedgerFilter,
    before: Option<LedgerPlace>,
    limit: u32,
) -> Result<Vec<Entry>, StoreError> {
    let until = filter.until.unwrap_or(Timestamp::from_millis(i64::MAX));
    // Of what is at one time, the chain with the higher number comes first.
    let (at, seq) = match before {
        Some(place) if place.at < until => {
            let seq = match place.chain.cmp(&chain.raw()) {
                std::cmp::Ordering::Equal => stored_u64("place in the ledger", place.seq)?,
                std::cmp::Ordering::Greater => i64::MAX,
                std::cmp::Ordering::Less => 0,
            };
            (place.at, seq)
        }
        _ => (until, 0),
    };
    let (first, last) = filter.kinds.unwrap_or((0, u16::MAX));
    let sql = match (division, filter.object) {
        (None, None) => filtered!("", ""),
        // The same, found by its object.
        (None, Some(_)) => filtered!("", "AND e.object = $8 "),
        (Some(_), _) => filtered!(
            "CROSS JOIN devices d",
            "AND d.id = e.device_id AND d.tenant_id = $1 AND d.division_code IN (WITH RECURSIVE below (code) AS \
             (SELECT code FROM divisions WHERE code = $11 UNION ALL SELECT c.code FROM divisions c \
             JOIN below b ON c.parent_code = b.code) SELECT code FROM below) "
        ),
    };
    let (by, object) = (filter.by.map_or(0, UserId::raw), filter.object.unwrap_or(0));
    let (from, device) = (filter.from.map_or(i64::MIN, Timestamp::as_millis), filter.device.map_or(0, DeviceId::raw));
    let (chain, first, last, limit) = (chain.raw(), i64::from(first), i64::from(last), i64::from(limit));
    let at = at.as_millis();
    entries(match division {
        None => fetch_all!(on, EntryRow, sql, chain, at, seq, from, first, last, by, object, device, limit)?,
        Some(code) => {
            fetch_all!(on, EntryRow, sql, chain, at, seq, from, first, last, by, object, device, limit, code)?
        }
    })
}

impl Store {
    /// The platform's own entries, newest first, at most `limit`, before `before`.
    pub async fn platform_ledger(
        &self,
        filter: &LedgerFilter,
        before: Option<LedgerPlace>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        page(self.snapshot().await?.on(), Chain::Platform, None, filter, before, limit).await
    }

    /// A run of a chain's entries in their order, after the number `after`, at most `limit`.
    pub async fn ledger_run(&self, chain: Chain, after: u64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        entries(run(self.reader(), chain, after, limit).await?)
    }
}

macro_rules! run_on {
    ($name:ident, $on:ty) => {
        pub(super) async fn $name(on: $on, chain: Chain, after: u64, limit: u32) -> Result<Vec<EntryRow>, StoreError> {
            fetch_all!(
                on,
                EntryRow,
                "SELECT tenant_id, seq, at, kind, by_user, object, device_id, body, previous, hash FROM ledger \
                 WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
                chain.raw(),
                stored_u64("place in the ledger", after)?,
                i64::from(limit),
            )
        }
    };
}

run_on!(run, crate::connection::OnPool<'_>);
run_on!(run_within, OnConnection<'_>);

impl TenantStore {
    /// The company's entries, newest first, at most `limit`, before `before`.
    pub async fn ledger(
        &self,
        filter: &LedgerFilter,
        before: Option<LedgerPlace>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        page(self.read().await?.on(), Chain::Tenant(self.id()), None, filter, before, limit).await
    }

    /// What was done to an alarm or a command, first to last.
    pub async fn ledger_of_object(&self, object: i64) -> Result<Vec<Entry>, StoreError> {
        entries(fetch_all!(
            self.read().await?.on(),
            EntryRow,
            "SELECT tenant_id, seq, at, kind, by_user, object, device_id, body, previous, hash FROM ledger \
             WHERE tenant_id = $1 AND object = $2 ORDER BY seq LIMIT 1000",
            self.id().raw(),
            object,
        )?)
    }
}

impl RegulatorStore {
    /// What was done to devices within the division and below, in the chains of `companies`, newest first, at most `limit`, before
    /// `before`. The caller's filter must leave only the kinds that a regulator may see.
    pub async fn ledger(
        &self,
        companies: &[TenantId],
        filter: &LedgerFilter,
        before: Option<LedgerPlace>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        let Scope::Division(code) = self.scope else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for company in companies {
            let chain = Chain::Tenant(*company);
            all.extend(page(self.read().await?.on(), chain, Some(code.0), filter, before, limit).await?);
        }
        all.sort_by_key(|entry| std::cmp::Reverse(LedgerPlace::of(entry)));
        all.truncate(limit as usize);
        Ok(all)
    }
}
