//! The tenants' rules: components by digest, settings by version, and which of them are in force.

use crate::connection::{Store, execute, fetch_all, fetch_one, fetch_optional};
use crate::error::StoreError;
use crate::scope::TenantStore;
use davy_domain::{TenantId, Timestamp};

/// A rule in force: what is loaded for a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveRule {
    /// Whose rule it is.
    pub tenant: TenantId,
    /// SHA-256 of the component.
    pub digest: [u8; 32],
    /// The rule's name.
    pub name: String,
    /// The version of the settings.
    pub settings_version: u32,
    /// The settings, as JSON text.
    pub settings: String,
    /// Since when.
    pub activated_at: Timestamp,
}

/// An uploaded rule, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRule {
    /// SHA-256 of the component.
    pub digest: [u8; 32],
    /// The rule's name.
    pub name: String,
    /// When it was uploaded.
    pub uploaded_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct ActiveRow {
    tenant_id: i64,
    digest: Vec<u8>,
    name: String,
    settings_version: i64,
    settings: String,
    activated_at: i64,
}

pub(crate) fn digest(bytes: Vec<u8>) -> Result<[u8; 32], StoreError> {
    let got = bytes.len();
    bytes.try_into().map_err(|_| StoreError::corrupt("rule digest", format!("expected 32 bytes, got {got}")))
}

impl TryFrom<ActiveRow> for ActiveRule {
    type Error = StoreError;

    fn try_from(row: ActiveRow) -> Result<Self, StoreError> {
        Ok(Self {
            tenant: TenantId::from_raw(row.tenant_id),
            digest: digest(row.digest)?,
            name: row.name,
            settings_version: row.settings_version as u32,
            settings: row.settings,
            activated_at: Timestamp::from_millis(row.activated_at),
        })
    }
}

impl Store {
    /// The rule in force of every tenant that has one.
    pub async fn active_rules(&self) -> Result<Vec<ActiveRule>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            ActiveRow,
            "SELECT a.tenant_id, a.digest, r.name, a.settings_version, s.settings, a.activated_at FROM rule_activation a \
             JOIN rules r ON r.tenant_id = a.tenant_id AND r.digest = a.digest \
             JOIN rule_settings s ON s.tenant_id = a.tenant_id AND s.version = a.settings_version ORDER BY a.tenant_id",
        )?;
        rows.into_iter().map(ActiveRule::try_from).collect()
    }
}

impl TenantStore {
    /// Stores a component under its digest; a repeat has no effect.
    pub async fn put_rule(
        &self,
        digest: &[u8; 32],
        name: &str,
        component: &[u8],
        uploaded_at: Timestamp,
    ) -> Result<(), StoreError> {
        execute!(
            self.store().writer(),
            "INSERT INTO rules (tenant_id, digest, name, component, uploaded_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (tenant_id, digest) DO NOTHING",
            self.id().raw(),
            &digest[..],
            name,
            component,
            uploaded_at.as_millis(),
        )?;
        Ok(())
    }

    /// The uploaded rules, newest first.
    pub async fn rules(&self) -> Result<Vec<StoredRule>, StoreError> {
        let rows = fetch_all!(
            self.store().reader(),
            (Vec<u8>, String, i64),
            "SELECT digest, name, uploaded_at FROM rules WHERE tenant_id = $1 ORDER BY uploaded_at DESC, digest",
            self.id().raw(),
        )?;
        rows.into_iter()
            .map(|(bytes, name, at)| {
                Ok(StoredRule { digest: digest(bytes)?, name, uploaded_at: Timestamp::from_millis(at) })
            })
            .collect()
    }

    /// The bytes of a component.
    pub async fn rule_component(&self, digest: &[u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
        let row = fetch_optional!(
            self.store().reader(),
            (Vec<u8>,),
            "SELECT component FROM rules WHERE tenant_id = $1 AND digest = $2",
            self.id().raw(),
            &digest[..],
        )?;
        Ok(row.map(|(component,)| component))
    }

    /// Stores settings (JSON text) as the next version and says which one that is.
    pub async fn put_settings(&self, settings: &str, created_at: Timestamp) -> Result<u32, StoreError> {
        let (version,) = fetch_one!(
            self.store().writer(),
            (i64,),
            "INSERT INTO rule_settings (tenant_id, version, settings, created_at) \
             SELECT $1, COALESCE(MAX(version), 0) + 1, $2, $3 FROM rule_settings WHERE tenant_id = $1 RETURNING version",
            self.id().raw(),
            settings,
            created_at.as_millis(),
        )?;
        Ok(version as u32)
    }

    /// The settings of a version.
    pub async fn settings(&self, version: u32) -> Result<Option<String>, StoreError> {
        let row = fetch_optional!(
            self.store().reader(),
            (String,),
            "SELECT settings FROM rule_settings WHERE tenant_id = $1 AND version = $2",
            self.id().raw(),
            i64::from(version),
        )?;
        Ok(row.map(|(settings,)| settings))
    }

    /// Puts a rule with a version of the settings in force.
    ///
    /// # Errors
    /// [`StoreError::MissingReference`] when the component or the settings are not there.
    pub async fn activate_rule(
        &self,
        digest: &[u8; 32],
        settings_version: u32,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        execute!(
            self.store().writer(),
            "INSERT INTO rule_activation (tenant_id, digest, settings_version, activated_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant_id) DO UPDATE SET digest = excluded.digest, settings_version = excluded.settings_version, \
             activated_at = excluded.activated_at",
            self.id().raw(),
            &digest[..],
            i64::from(settings_version),
            at.as_millis(),
        )?;
        Ok(())
    }

    /// Takes the tenant's rule out of force: the statutory floor stands alone.
    pub async fn deactivate_rule(&self) -> Result<(), StoreError> {
        execute!(self.store().writer(), "DELETE FROM rule_activation WHERE tenant_id = $1", self.id().raw())?;
        Ok(())
    }
}
