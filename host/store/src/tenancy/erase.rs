//! A company deleted: every row of it in every table, in one transaction, with digests of what was there in the platform's ledger.

use super::catalog::Catalog;
use super::dump::{DumpedTable, company_rows};
use crate::connection::{On, Store, execute, fetch_optional};
use crate::engine;
use crate::error::StoreError;
use davy_domain::ledger::{Act, Actor, Chain, Hash, Head};
use davy_domain::{RequestId, TenantId, Timestamp};
use serde::Serialize;
use sqlx::AssertSqlSafe;

/// What was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Whose rows.
    pub tenant: TenantId,
    /// Table by table: how many rows, and the digest of what an export would have had of them.
    pub tables: Vec<DumpedTable>,
    /// Where the company's chain of the ledger ended: the place.
    pub ledger_seq: u64,
    /// And the hash, in hexadecimal.
    pub ledger_hash: String,
}

impl Store {
    /// Deletes the company of a request that was approved and whose waiting time is over, if it still is. What stays: the request with
    /// the proof, the platform's ledger, and the signed checkpoints of the company's.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is deleted then.
    pub async fn erase_company(&self, request: RequestId, now: Timestamp) -> Result<Option<Erased>, StoreError> {
        engine::overwrite_deleted(self.writer(), true).await?;
        let erased = self.erase(request, now).await;
        engine::overwrite_deleted(self.writer(), false).await?;
        self.heads.forget();
        erased
    }

    async fn erase(&self, request: RequestId, now: Timestamp) -> Result<Option<Erased>, StoreError> {
        let mut tx = self.begin().await?;
        let whose = fetch_optional!(
            tx.on(),
            (i64,),
            "UPDATE tenant_deletions SET under_way = 1 WHERE id = $1 AND stage = 2 AND due_at <= $2 \
             AND EXISTS (SELECT 1 FROM tenants t WHERE t.id = tenant_deletions.tenant_id AND t.suspended_at IS NOT NULL) \
             RETURNING tenant_id",
            request.raw(),
            now.as_millis(),
        )?;
        let Some((tenant,)) = whose else { return Ok(None) };
        let tenant = TenantId::from_raw(tenant);
        let catalog = Catalog::read(&mut tx).await?;
        let Head { seq, hash, .. } = crate::ledger::head_on(tx.on(), Chain::Tenant(tenant)).await?;
        let mut tables = Vec::new();
        for table in catalog.tables.iter().filter(|table| table.is_erased()) {
            tables.push(company_rows(&mut tx, table, tenant, true, &mut |_, _| Ok(())).await?);
        }
        for table in catalog.tables.iter().rev().filter(|table| table.is_erased()) {
            let sql = format!("DELETE FROM {} WHERE {}", table.name, table.of_company());
            match tx.on() {
                On::Sqlite(on) => sqlx::query(AssertSqlSafe(sql)).bind(tenant.raw()).execute(on).await.map(drop)?,
                On::Postgres(on) => sqlx::query(AssertSqlSafe(sql)).bind(tenant.raw()).execute(on).await.map(drop)?,
            }
        }
        let erased = Erased { tenant, tables, ledger_seq: seq, ledger_hash: hash.to_string() };
        let proof = serde_json::to_string(&erased)
            .map_err(|error| StoreError::corrupt("proof of a deletion", error.to_string()))?;
        execute!(
            tx.on(),
            "UPDATE tenant_deletions SET stage = 3, under_way = 0, done_at = $2, proof = $3 WHERE id = $1",
            request.raw(),
            now.as_millis(),
            &proof,
        )?;
        let rows = erased.tables.iter().map(|table| table.rows).sum();
        let act =
            Act::CompanyDeleted { company: tenant, request, rows, proof: Hash::of(proof.as_bytes()), ledger: hash };
        crate::ledger::enter_in(&mut tx, Chain::Platform, now, Actor::Platform, &act).await?;
        tx.commit().await?;
        Ok(Some(erased))
    }
}
