//! What was noticed about devices' keys: that something still speaks with the identity of one whose key was revoked.
//!
//! Noticed as often as it comes, entered in the ledger rarely: whoever repeats an identity must not be able to fill it.

use crate::connection::{Store, execute, fetch_all, fetch_optional};
use crate::error::StoreError;
use crate::scope::TenantStore;
use davy_domain::ledger::{Act, Actor};
use davy_domain::{DeviceId, Span, TenantId, Timestamp};

/// Something speaks with a revoked identity.
const SPOKE: &str = "revoked-spoke";
/// The ledger hears of the same device no more often.
const ENTER_EVERY: Span = Span::from_hours(24);

/// What was noticed of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyNotice {
    /// When first.
    pub first_at: Timestamp,
    /// When last.
    pub last_at: Timestamp,
    /// How often it was noted; what came soon after another is not.
    pub times: u64,
}

/// A device whose key was revoked, with the identity that it spoke with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedDevice {
    /// Whose it is.
    pub tenant: TenantId,
    /// The device.
    pub device: DeviceId,
    /// Its OSCORE Sender ID.
    pub kid: Vec<u8>,
}

impl Store {
    /// Every device that has an identity and no key.
    pub async fn revoked_devices(&self) -> Result<Vec<RevokedDevice>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            (i64, i64, Vec<u8>),
            "SELECT tenant_id, id, kid FROM devices WHERE kid IS NOT NULL AND key_kek_id IS NULL ORDER BY id",
        )?;
        let device = |(tenant, device, kid)| RevokedDevice {
            tenant: TenantId::from_raw(tenant),
            device: DeviceId::from_raw(device),
            kid,
        };
        Ok(rows.into_iter().map(device).collect())
    }
}

impl TenantStore {
    /// Notes that something spoke with the identity of a device whose key is revoked, and enters it in the ledger unless it is there since
    /// less than a day. Says whether it was entered. A device that has a key again is left alone.
    pub async fn note_revoked_spoke(&self, device: DeviceId, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let revoked = fetch_optional!(
            tx.on(),
            (i64,),
            "SELECT id FROM devices WHERE tenant_id = $1 AND id = $2 AND kid IS NOT NULL AND key_kek_id IS NULL",
            self.id().raw(),
            device.raw(),
        )?;
        if revoked.is_none() {
            return Ok(false);
        }
        let entered = fetch_optional!(
            tx.on(),
            (i64,),
            "SELECT entered_at FROM device_key_notices WHERE tenant_id = $1 AND device_id = $2 AND kind = $3",
            self.id().raw(),
            device.raw(),
            SPOKE,
        )?;
        let before = entered.map(|(at,)| Timestamp::from_millis(at));
        let enters = before.is_none_or(|at| now.since(at) >= ENTER_EVERY);
        execute!(
            tx.on(),
            "INSERT INTO device_key_notices (device_id, kind, tenant_id, first_at, last_at, entered_at, times) \
             VALUES ($1, $2, $3, $4, $4, $5, 1) ON CONFLICT (device_id, kind) DO UPDATE SET last_at = excluded.last_at, \
             entered_at = excluded.entered_at, times = device_key_notices.times + 1",
            device.raw(),
            SPOKE,
            self.id().raw(),
            now.as_millis(),
            before.filter(|_| !enters).unwrap_or(now).as_millis(),
        )?;
        if enters {
            self.enter(&mut tx, now, Actor::Platform, &Act::RevokedSpoke { device }).await?;
        }
        tx.commit().await?;
        Ok(enters)
    }

    /// What was noticed of a device since its key was revoked.
    pub async fn revoked_spoke(&self, device: DeviceId) -> Result<Option<KeyNotice>, StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            (i64, i64, i64),
            "SELECT first_at, last_at, times FROM device_key_notices WHERE tenant_id = $1 AND device_id = $2 AND kind = $3",
            self.id().raw(),
            device.raw(),
            SPOKE,
        )?;
        Ok(row.map(|(first, last, times)| KeyNotice {
            first_at: Timestamp::from_millis(first),
            last_at: Timestamp::from_millis(last),
            times: times.unsigned_abs(),
        }))
    }
}
