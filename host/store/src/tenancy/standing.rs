//! Whether a company's people are locked out. Its devices are not asked here: they stay protected whatever stands.

use crate::connection::{Store, execute, fetch_all, fetch_optional};
use crate::error::StoreError;
use davy_domain::ledger::{Act, Actor, Chain};
use davy_domain::{TenantId, Timestamp};
use std::collections::BTreeMap;

impl Store {
    /// Locks a company's people and machines out, or lets them in again. Says whether that changed anything; entered in the company's chain
    /// and the platform's.
    pub async fn set_suspended(
        &self,
        tenant: TenantId,
        suspended: bool,
        at: Timestamp,
        actor: Actor,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let changed = execute!(
            tx.on(),
            "UPDATE tenants SET suspended_at = $2 WHERE id = $1 AND (suspended_at IS NULL) = ($3 = 1)",
            tenant.raw(),
            suspended.then_some(at.as_millis()),
            i64::from(suspended),
        )?;
        if changed == 0 {
            return Ok(false);
        }
        let act =
            if suspended { Act::CompanySuspended { company: tenant } } else { Act::CompanyResumed { company: tenant } };
        for chain in [Chain::Platform, Chain::Tenant(tenant)] {
            crate::ledger::enter_in(&mut tx, chain, at, actor, &act).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Since when companies are suspended; of the others nothing.
    pub async fn suspended(&self) -> Result<BTreeMap<TenantId, Timestamp>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            (i64, i64),
            "SELECT id, suspended_at FROM tenants WHERE suspended_at IS NOT NULL"
        )?;
        Ok(rows.into_iter().map(|(id, at)| (TenantId::from_raw(id), Timestamp::from_millis(at))).collect())
    }

    /// Whether a company's people are locked out.
    pub async fn is_suspended(&self, tenant: TenantId) -> Result<bool, StoreError> {
        let row = fetch_optional!(
            self.reader(),
            (i64,),
            "SELECT id FROM tenants WHERE id = $1 AND suspended_at IS NOT NULL",
            tenant.raw()
        )?;
        Ok(row.is_some())
    }

    /// Whether the session or the token with this hash would be good, were its company not suspended.
    pub async fn is_locked_out(&self, hash: &[u8; 32], now: Timestamp) -> Result<bool, StoreError> {
        let row = fetch_optional!(
            self.reader(),
            (i64,),
            "SELECT t.id FROM tenants t JOIN users u ON u.tenant_id = t.id WHERE t.suspended_at IS NOT NULL AND u.ended_at IS NULL \
             AND u.id IN (SELECT user_id FROM sessions WHERE token_hash = $1 AND expires_at > $2 \
             UNION SELECT user_id FROM api_tokens WHERE token_hash = $1 AND expires_at > $2 AND revoked_at IS NULL)",
            &hash[..],
            now.as_millis(),
        )?;
        Ok(row.is_some())
    }
}
