//! Components that nothing refers to any more: their bytes go, their digest and what was done with them stays.
//!
//! Must never delete what a decision could have to be made again with: a version that has decided for anybody, in a cohort or in force,
//! keeps its component for ever.

use crate::connection::{execute, fetch_all, fetch_optional};
use crate::error::StoreError;
use crate::releases::stage;
use crate::scope::TenantStore;
use davy_domain::ledger::{Act, Actor, Hash};
use davy_domain::release::Stage;
use davy_domain::{ReleaseId, Timestamp, UserId};

/// Why a component stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferredBy {
    /// A version of it that has not ended.
    Version(ReleaseId, Stage),
    /// A version of it that has decided: decisions, and what was read with it, name the component.
    Decisions(ReleaseId),
}

/// What came of deleting a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone; so many bytes are free again.
    Gone(u64),
    /// It stays, because of these.
    Referred(Vec<ReferredBy>),
    /// It is not there: it never was, or was deleted before.
    Absent,
}

impl TenantStore {
    /// Why a component must stay; nothing when it may be deleted.
    pub async fn references(&self, digest: &[u8; 32]) -> Result<Vec<ReferredBy>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
            (i64, i64, i64),
            "SELECT v.id, v.stage, CAST(CASE WHEN v.activated_at IS NOT NULL OR EXISTS (SELECT 1 FROM rule_acts a \
             WHERE a.tenant_id = v.tenant_id AND a.release_id = v.id AND a.stage_after IN (5, 6)) THEN 1 ELSE 0 END AS BIGINT) \
             FROM rule_releases v WHERE v.tenant_id = $1 AND v.digest = $2 ORDER BY v.id",
            self.id().raw(),
            &digest[..],
        )?;
        let mut references = Vec::new();
        for (id, code, decided) in rows {
            let (id, stage) = (ReleaseId::from_raw(id), stage(code)?);
            if !matches!(stage, Stage::Retired | Stage::Refused) {
                references.push(ReferredBy::Version(id, stage));
            } else if decided != 0 {
                references.push(ReferredBy::Decisions(id));
            }
        }
        Ok(references)
    }

    /// Deletes a component's bytes, unless something refers to it.
    pub async fn delete_component(&self, digest: &[u8; 32], by: UserId, at: Timestamp) -> Result<Deleted, StoreError> {
        let references = self.references(digest).await?;
        if !references.is_empty() {
            return Ok(Deleted::Referred(references));
        }
        let mut tx = self.begin().await?;
        let size = fetch_optional!(
            tx.on(),
            (i64,),
            "SELECT CAST(LENGTH(component) AS BIGINT) FROM rules WHERE tenant_id = $1 AND digest = $2 AND deleted_at IS NULL",
            self.id().raw(),
            &digest[..],
        )?;
        let Some((bytes,)) = size else { return Ok(Deleted::Absent) };
        // Once more in the statement itself: a version may have been made of it meanwhile.
        let deleted = execute!(
            tx.on(),
            "UPDATE rules SET component = $3, deleted_at = $4 WHERE tenant_id = $1 AND digest = $2 AND deleted_at IS NULL \
             AND NOT EXISTS (SELECT 1 FROM rule_releases v WHERE v.tenant_id = $1 AND v.digest = $2 AND v.stage NOT IN ($5, $6))",
            self.id().raw(),
            &digest[..],
            &Vec::<u8>::new()[..],
            at.as_millis(),
            i64::from(Stage::Retired.code()),
            i64::from(Stage::Refused.code()),
        )?;
        if deleted == 0 {
            return Err(StoreError::Changed { what: Hash::from_bytes(*digest).to_string() });
        }
        let bytes = bytes.unsigned_abs();
        let act = Act::ComponentDeleted { rule: Hash::from_bytes(*digest), bytes };
        self.enter(&mut tx, at, Actor::Person { by }, &act).await?;
        tx.commit().await?;
        Ok(Deleted::Gone(bytes))
    }

    /// When the bytes of a component were deleted, if they were.
    pub async fn component_deleted_at(&self, digest: &[u8; 32]) -> Result<Option<Timestamp>, StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            (Option<i64>,),
            "SELECT deleted_at FROM rules WHERE tenant_id = $1 AND digest = $2",
            self.id().raw(),
            &digest[..],
        )?;
        Ok(row.and_then(|(at,)| at).map(Timestamp::from_millis))
    }

    /// Whether a component is stored, with its bytes.
    pub async fn has_component(&self, digest: &[u8; 32]) -> Result<bool, StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            (i64,),
            "SELECT CAST(1 AS BIGINT) FROM rules WHERE tenant_id = $1 AND digest = $2 AND deleted_at IS NULL",
            self.id().raw(),
            &digest[..],
        )?;
        Ok(row.is_some())
    }
}
