//! Sealed keys and secrets as such: which key-encryption key each row needs, and rows sealed anew under another one.
//!
//! What is sealed passes through; nothing here can open it.

use crate::connection::{Store, Tx, execute, fetch_all, fetch_optional};
use crate::devices::DeviceCredentials;
use crate::error::StoreError;
use crate::scope::TenantStore;
use davy_domain::ledger::{Act, Actor, Chain};
use davy_domain::{DeviceId, ImportId, TenantId, Timestamp};

/// A secret that is no device's key, sealed for its purpose and owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecret {
    /// What it is for.
    pub purpose: String,
    /// The company that it belongs to; none for what is the platform's own.
    pub tenant: Option<TenantId>,
    /// Whose it is within its purpose: a person's id, a job's, …
    pub owner: i64,
    /// Ciphertext with its tag.
    pub ciphertext: Vec<u8>,
    /// The nonce of that sealing, 12 bytes.
    pub nonce: Vec<u8>,
    /// Which key-encryption key sealed it.
    pub kek_id: String,
}

/// A device's sealed keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedDevice {
    /// Whose device it is.
    pub tenant: TenantId,
    /// The device.
    pub device: DeviceId,
    /// Its identity and keys.
    pub credentials: DeviceCredentials,
}

/// How many rows need a key-encryption key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyNeed {
    /// The key's id.
    pub kek_id: String,
    /// Rows that only it opens.
    pub rows: u64,
}

/// How things stand with a device's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// The OSCORE Sender ID of the device.
    pub kid: Vec<u8>,
    /// COSE algorithm number.
    pub algorithm: i64,
    /// Whether there is a key: not once it was revoked.
    pub has_key: bool,
    /// When it was last revoked or replaced; none while it is the first one.
    pub changed_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
pub(crate) struct SecretRow {
    purpose: String,
    owner_id: i64,
    tenant_id: Option<i64>,
    ciphertext: Vec<u8>,
    nonce: Vec<u8>,
    kek_id: String,
}

impl From<SecretRow> for SealedSecret {
    fn from(row: SecretRow) -> Self {
        Self {
            purpose: row.purpose,
            tenant: row.tenant_id.map(TenantId::from_raw),
            owner: row.owner_id,
            ciphertext: row.ciphertext,
            nonce: row.nonce,
            kek_id: row.kek_id,
        }
    }
}

/// The same as [`Store::put_secret`], within a transaction.
pub(crate) async fn put_secret_in(tx: &mut Tx, secret: &SealedSecret) -> Result<(), StoreError> {
    execute!(
        tx.on(),
        "INSERT INTO sealed_secrets (purpose, owner_id, tenant_id, ciphertext, nonce, kek_id) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (purpose, owner_id) DO UPDATE SET tenant_id = excluded.tenant_id, ciphertext = excluded.ciphertext, \
         nonce = excluded.nonce, kek_id = excluded.kek_id",
        &secret.purpose,
        secret.owner,
        secret.tenant.map(TenantId::raw),
        &secret.ciphertext,
        &secret.nonce,
        &secret.kek_id,
    )?;
    Ok(())
}

impl Store {
    /// Which key-encryption keys the rows of every company and of the platform need, by id.
    pub async fn key_needs(&self) -> Result<Vec<KeyNeed>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            (String, i64),
            "SELECT kek_id, CAST(SUM(needed) AS BIGINT) FROM \
             (SELECT key_kek_id AS kek_id, COUNT(*) AS needed FROM devices WHERE key_kek_id IS NOT NULL GROUP BY key_kek_id \
             UNION ALL SELECT kek_id, COUNT(*) FROM sealed_secrets GROUP BY kek_id) n GROUP BY kek_id ORDER BY kek_id",
        )?;
        Ok(rows.into_iter().map(|(kek_id, rows)| KeyNeed { kek_id, rows: rows.unsigned_abs() }).collect())
    }

    /// Some devices whose keys are not sealed under `newest`, by id.
    pub async fn devices_not_under(
        &self,
        newest: &str,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Result<Vec<SealedDevice>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            (i64, i64, Vec<u8>, i64, Vec<u8>, Vec<u8>, String),
            "SELECT tenant_id, id, kid, algorithm, key_ciphertext, key_nonce, key_kek_id FROM devices \
             WHERE id > $2 AND key_kek_id <> $1 ORDER BY id LIMIT $3",
            newest,
            after.map_or(i64::MIN, DeviceId::raw),
            i64::from(limit),
        )?;
        let sealed = rows.into_iter().map(|(tenant, device, kid, algorithm, key_ciphertext, key_nonce, key_kek_id)| {
            SealedDevice {
                tenant: TenantId::from_raw(tenant),
                device: DeviceId::from_raw(device),
                credentials: DeviceCredentials { kid, algorithm, key_ciphertext, key_nonce, key_kek_id },
            }
        });
        Ok(sealed.collect())
    }

    /// Puts keys in the place of what was read before, all or none; one that has changed since stays as it is. Returns how many were put.
    pub async fn reseal_devices(&self, rows: &[(SealedDevice, SealedDevice)]) -> Result<u64, StoreError> {
        let mut put = 0;
        let mut tx = self.begin().await?;
        for (before, after) in rows {
            put += execute!(
                tx.on(),
                "UPDATE devices SET key_ciphertext = $4, key_nonce = $5, key_kek_id = $6 \
                 WHERE id = $1 AND tenant_id = $2 AND key_nonce = $3",
                before.device.raw(),
                before.tenant.raw(),
                &before.credentials.key_nonce,
                &after.credentials.key_ciphertext,
                &after.credentials.key_nonce,
                &after.credentials.key_kek_id,
            )?;
        }
        tx.commit().await?;
        Ok(put)
    }

    /// Stores a secret, in the place of an older one of the same purpose and owner.
    pub async fn put_secret(&self, secret: &SealedSecret) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        put_secret_in(&mut tx, secret).await?;
        tx.commit().await
    }

    /// A secret; it is there for as long as nobody takes or replaces it.
    pub async fn secret(&self, purpose: &str, owner: i64) -> Result<Option<SealedSecret>, StoreError> {
        let row = fetch_optional!(
            self.reader(),
            SecretRow,
            "SELECT purpose, owner_id, tenant_id, ciphertext, nonce, kek_id FROM sealed_secrets WHERE purpose = $1 AND owner_id = $2",
            purpose,
            owner,
        )?;
        Ok(row.map(SealedSecret::from))
    }

    /// Removes the sealed keys of an import and returns them, and the ledger has it: of several that take them at once, one has them. Only
    /// the company that they belong to finds them.
    pub async fn take_credentials(
        &self,
        purpose: &str,
        tenant: TenantId,
        import: ImportId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<SealedSecret>, StoreError> {
        let mut tx = self.begin().await?;
        let row = fetch_optional!(
            tx.on(),
            SecretRow,
            "DELETE FROM sealed_secrets WHERE purpose = $1 AND owner_id = $2 AND tenant_id = $3 \
             RETURNING purpose, owner_id, tenant_id, ciphertext, nonce, kek_id",
            purpose,
            import.raw(),
            tenant.raw(),
        )?;
        if row.is_some() {
            crate::ledger::enter_in(&mut tx, Chain::Tenant(tenant), now, by, &Act::KeysTaken { import }).await?;
        }
        tx.commit().await?;
        Ok(row.map(SealedSecret::from))
    }

    /// Some secrets of a purpose that are not sealed under `newest`, by owner.
    pub async fn secrets_not_under(
        &self,
        purpose: &str,
        newest: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<SealedSecret>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            SecretRow,
            "SELECT purpose, owner_id, tenant_id, ciphertext, nonce, kek_id FROM sealed_secrets \
             WHERE purpose = $1 AND kek_id <> $2 AND owner_id > $3 ORDER BY owner_id LIMIT $4",
            purpose,
            newest,
            after,
            i64::from(limit),
        )?;
        Ok(rows.into_iter().map(SealedSecret::from).collect())
    }

    /// Puts secrets in the place of what was read before, all or none; one that has changed since stays as it is. Returns how many were put.
    pub async fn reseal_secrets(&self, rows: &[(SealedSecret, SealedSecret)]) -> Result<u64, StoreError> {
        let mut put = 0;
        let mut tx = self.begin().await?;
        for (before, after) in rows {
            put += execute!(
                tx.on(),
                "UPDATE sealed_secrets SET ciphertext = $4, nonce = $5, kek_id = $6 \
                 WHERE purpose = $1 AND owner_id = $2 AND nonce = $3",
                &before.purpose,
                before.owner,
                &before.nonce,
                &after.ciphertext,
                &after.nonce,
                &after.kek_id,
            )?;
        }
        tx.commit().await?;
        Ok(put)
    }
}

impl TenantStore {
    /// How things stand with a device's key; none for one that speaks through a gateway, and one that is not the company's.
    pub async fn key_of(&self, device: DeviceId) -> Result<Option<KeyState>, StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            (Vec<u8>, i64, i64, Option<i64>),
            "SELECT kid, algorithm, CAST(CASE WHEN key_kek_id IS NULL THEN 0 ELSE 1 END AS BIGINT), key_changed_at \
             FROM devices WHERE tenant_id = $1 AND id = $2 AND kid IS NOT NULL",
            self.id().raw(),
            device.raw(),
        )?;
        Ok(row.map(|(kid, algorithm, has_key, changed_at)| KeyState {
            kid,
            algorithm,
            has_key: has_key != 0,
            changed_at: changed_at.map(Timestamp::from_millis),
        }))
    }

    /// Puts another key in the place of a device's, or none: what was there is gone, and the ledger has it. Says whether there is such a
    /// device.
    pub async fn put_key(
        &self,
        device: DeviceId,
        key: Option<&DeviceCredentials>,
        by: Actor,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let put = execute!(
            tx.on(),
            "UPDATE devices SET key_ciphertext = $3, key_nonce = $4, key_kek_id = $5, key_changed_at = $6 \
             WHERE tenant_id = $1 AND id = $2 AND kid IS NOT NULL",
            self.id().raw(),
            device.raw(),
            key.map(|key| key.key_ciphertext.clone()),
            key.map(|key| key.key_nonce.clone()),
            key.map(|key| key.key_kek_id.clone()),
            now.as_millis(),
        )?;
        if put == 0 {
            return Ok(false);
        }
        // What was noticed of the key before is about that one.
        execute!(
            tx.on(),
            "DELETE FROM device_key_notices WHERE tenant_id = $1 AND device_id = $2",
            self.id().raw(),
            device.raw(),
        )?;
        let act = if key.is_some() { Act::KeyReplaced { device } } else { Act::KeyRevoked { device } };
        self.enter(&mut tx, now, by, &act).await?;
        tx.commit().await?;
        Ok(true)
    }
}
