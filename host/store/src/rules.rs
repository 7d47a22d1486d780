//! The tenants' rules: components by digest, whose signatures are accepted, settings by version.

use crate::connection::{execute, fetch_all, fetch_one, fetch_optional};
use crate::error::StoreError;
use crate::scope::TenantStore;
use davy_domain::ledger::{Act, Actor, PublicKey};
use davy_domain::release::Stage;
use davy_domain::{Timestamp, UserId};

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

pub(crate) fn digest(bytes: Vec<u8>) -> Result<[u8; 32], StoreError> {
    let got = bytes.len();
    bytes.try_into().map_err(|_| StoreError::corrupt("rule digest", format!("expected 32 bytes, got {got}")))
}

/// A component that is to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewRule<'a> {
    /// SHA-256 of the component.
    pub digest: &'a [u8; 32],
    /// Its name, until its checks tell it.
    pub name: &'a str,
    /// Its bytes.
    pub component: &'a [u8],
    /// The limits that it was uploaded for: `standard` or `large`.
    pub tier: &'a str,
    /// The Ed25519 key that has signed its digest, and the signature.
    pub signed: Option<(&'a [u8; 32], &'a [u8; 64])>,
    /// When it came.
    pub uploaded_at: Timestamp,
}

/// Whose signature a company accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSigner {
    /// Ed25519.
    pub public_key: [u8; 32],
    /// Whose key it is, in words.
    pub name: String,
    /// Since when.
    pub added_at: Timestamp,
}

impl TenantStore {
    /// Stores a component under its digest. A repeat that is signed brings its signature in place of the one before, and another tier while the component has
    /// passed its checks in none: what decided once in a tier stays in it. What was deleted is there again.
    pub async fn put_rule(&self, rule: &NewRule<'_>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(
            tx.on(),
            "INSERT INTO rules (tenant_id, digest, name, component, tier, signer, signature, uploaded_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant_id, digest) DO UPDATE SET \
             component = CASE WHEN rules.deleted_at IS NULL THEN rules.component ELSE excluded.component END, deleted_at = NULL, \
             signer = COALESCE(excluded.signer, rules.signer), signature = COALESCE(excluded.signature, rules.signature), \
             tier = CASE WHEN EXISTS (SELECT 1 FROM rule_releases v WHERE v.tenant_id = rules.tenant_id \
             AND v.digest = rules.digest AND v.stage NOT IN ($9, $10)) THEN rules.tier ELSE excluded.tier END",
            self.id().raw(),
            &rule.digest[..],
            rule.name,
            rule.component,
            rule.tier,
            rule.signed.map(|(signer, _)| signer.to_vec()),
            rule.signed.map(|(_, signature)| signature.to_vec()),
            rule.uploaded_at.as_millis(),
            i64::from(Stage::Uploaded.code()),
            i64::from(Stage::Refused.code()),
        )?;
        tx.commit().await
    }

    /// How many components a company has stored, and how many bytes they have together.
    pub async fn stored_components(&self) -> Result<(u64, u64), StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            (i64, i64),
            "SELECT COUNT(*), CAST(COALESCE(SUM(LENGTH(component)), 0) AS BIGINT) FROM rules WHERE tenant_id = $1 AND deleted_at IS NULL",
            self.id().raw(),
        )?;
        Ok(row.map_or((0, 0), |(count, bytes)| (count.unsigned_abs(), bytes.unsigned_abs())))
    }

    /// The keys whose signatures the company accepts; with at least one, no component is taken, and no version goes further, without a signature by one of them.
    pub async fn rule_signers(&self) -> Result<Vec<RuleSigner>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
            (Vec<u8>, String, i64),
            "SELECT public_key, name, added_at FROM rule_signers WHERE tenant_id = $1 ORDER BY added_at, public_key",
            self.id().raw(),
        )?;
        rows.into_iter()
            .map(|(key, name, at)| {
                Ok(RuleSigner { public_key: digest(key)?, name, added_at: Timestamp::from_millis(at) })
            })
            .collect()
    }

    /// Accepts a key.
    pub async fn add_rule_signer(
        &self,
        public_key: &[u8; 32],
        name: &str,
        by: UserId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(
            tx.on(),
            "INSERT INTO rule_signers (tenant_id, public_key, name, added_by, added_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (tenant_id, public_key) DO UPDATE SET name = excluded.name",
            self.id().raw(),
            &public_key[..],
            name,
            by.raw(),
            at.as_millis(),
        )?;
        let act = Act::SignerAccepted { key: PublicKey::from_bytes(*public_key) };
        self.enter(&mut tx, at, Actor::Person { by }, &act).await?;
        tx.commit().await
    }

    /// No longer accepts a key; says whether it was accepted.
    pub async fn remove_rule_signer(
        &self,
        public_key: &[u8; 32],
        by: UserId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let removed = execute!(
            tx.on(),
            "DELETE FROM rule_signers WHERE tenant_id = $1 AND public_key = $2",
            self.id().raw(),
            &public_key[..],
        )?;
        if removed > 0 {
            let act = Act::SignerRemoved { key: PublicKey::from_bytes(*public_key) };
            self.enter(&mut tx, at, Actor::Person { by }, &act).await?;
        }
        tx.commit().await?;
        Ok(removed > 0)
    }

    /// The uploaded rules, newest first.
    pub async fn rules(&self) -> Result<Vec<StoredRule>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
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
            self.read().await?.on(),
            (Vec<u8>,),
            "SELECT component FROM rules WHERE tenant_id = $1 AND digest = $2 AND deleted_at IS NULL",
            self.id().raw(),
            &digest[..],
        )?;
        Ok(row.map(|(component,)| component))
    }

    /// The key by which a component is signed, whether or not it is accepted.
    pub async fn signer_of_rule(&self, digest: &[u8; 32]) -> Result<Option<[u8; 32]>, StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            (Option<Vec<u8>>,),
            "SELECT signer FROM rules WHERE tenant_id = $1 AND digest = $2",
            self.id().raw(),
            &digest[..],
        )?;
        row.and_then(|(signer,)| signer).map(self::digest).transpose()
    }

    /// The tier that a component was uploaded for.
    pub async fn rule_tier(&self, digest: &[u8; 32]) -> Result<Option<String>, StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            (String,),
            "SELECT tier FROM rules WHERE tenant_id = $1 AND digest = $2",
            self.id().raw(),
            &digest[..],
        )?;
        Ok(row.map(|(tier,)| tier))
    }

    /// Stores settings (JSON text) as the next version and says which one that is.
    pub async fn put_settings(&self, settings: &str, created_at: Timestamp) -> Result<u32, StoreError> {
        let mut tx = self.begin().await?;
        let (version,) = fetch_one!(
            tx.on(),
            (i64,),
            "INSERT INTO rule_settings (tenant_id, version, settings, created_at) \
             SELECT $1, COALESCE(MAX(version), 0) + 1, $2, $3 FROM rule_settings WHERE tenant_id = $1 RETURNING version",
            self.id().raw(),
            settings,
            created_at.as_millis(),
        )?;
        tx.commit().await?;
        Ok(version as u32)
    }

    /// The settings of a version.
    pub async fn settings(&self, version: u32) -> Result<Option<String>, StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            (String,),
            "SELECT settings FROM rule_settings WHERE tenant_id = $1 AND version = $2",
            self.id().raw(),
            i64::from(version),
        )?;
        Ok(row.map(|(settings,)| settings))
    }
}
