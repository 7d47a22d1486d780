//! A device's key in the hands of its company: how it stands, revoking it at once, and another one in its place.
//!
//! The database comes first, the shard second: a server that ends in between finds at its start what was decided. Must never keep a key in
//! the clear, and never let two keys of a device hold at once.

use super::{Service, operated, stored};
use crate::keys::{DeviceSecret, to_hex};
use crate::provision::{Credential, name_of};
use crate::roles::Deed;
use davy_api::{DeviceKey, Problem, Viewer};
use davy_domain::ledger::Actor;
use davy_domain::{DeviceId, Span, Timestamp};
use davy_store::{DeviceCredentials, DeviceSummary, KeyState, TenantStore};
use zeroize::Zeroizing;

/// 2025-01-01T00:00:00Z.
const EPOCH_MS: i64 = 1_735_689_600_000;

/// The number that a device begins with under a new key: above every one that it can have used under an older one, because no device
/// sends a message every millisecond. What is stored of the older ones then stays what a replay is measured by.
fn first_sequence(now: Timestamp) -> u64 {
    u64::try_from(now.as_millis() - EPOCH_MS).unwrap_or_default()
}

impl Service {
    async fn key_row(&self, viewer: &Viewer, id: DeviceId) -> Result<(TenantStore, DeviceSummary, KeyState), Problem> {
        let company = self.rows_for(viewer, Deed::AddDevices, id).await?;
        let row = company.device(id).await.map_err(stored)?.ok_or_else(|| Problem::not_found("device"))?;
        let key = company.key_of(id).await.map_err(stored)?.ok_or_else(|| {
            let detail = "This device speaks through a gateway and has no key of its own; the gateway's is meant.";
            Problem::new("refused", 409, "Refused", detail).with_reason("no-own-key")
        })?;
        Ok((company, row, key))
    }

    pub(super) async fn key_of_device(&self, viewer: &Viewer, id: DeviceId) -> Result<DeviceKey, Problem> {
        let (company, row, key) = self.key_row(viewer, id).await?;
        let noticed = company.revoked_spoke(id).await.map_err(stored)?.filter(|_| !key.has_key);
        let valves = row.device.links.len() + usize::from(row.device.kind.has_valve());
        Ok(DeviceKey {
            has_key: key.has_key,
            kid: to_hex(&key.kid),
            changed_at: key.changed_at,
            valves: valves as u64,
            spoke_at: noticed.map(|noticed| noticed.last_at),
            spoke_times: noticed.map_or(0, |noticed| noticed.times),
        })
    }

    /// Revokes a device's key: from when this is answered, nothing that it sends is heard.
    ///
    /// # Errors
    /// A [`Problem`] for whoever may not, and for a device without a key of its own.
    pub async fn revoke_key(&self, viewer: &Viewer, id: DeviceId) -> Result<(), Problem> {
        let (company, row, _) = self.key_row(viewer, id).await?;
        crate::step_up::keys(viewer)?;
        company.put_key(id, None, Actor::Person { by: viewer.user }, self.now()).await.map_err(stored)?;
        self.operate.rekey(company.id(), id, None).await.map_err(operated)?;
        tracing::warn!(
            user.id = %viewer.user, tenant.id = %company.id(), device.id = %id, serial = row.device.serial,
            "a device's key was revoked: it protects nobody until it has another one"
        );
        Ok(())
    }

    /// Puts another key in the place of a device's, and returns it as JSON: once. The old one is heard no longer.
    ///
    /// # Errors
    /// A [`Problem`] for whoever may not, and for a device without a key of its own.
    pub async fn replace_key(&self, viewer: &Viewer, id: DeviceId) -> Result<Zeroizing<Vec<u8>>, Problem> {
        let (company, row, key) = self.key_row(viewer, id).await?;
        crate::step_up::keys(viewer)?;
        let desk = self.desk()?;
        let now = self.now();
        let device = row.device;
        let failed = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, device.id = %id, "a device's key could not be replaced");
            Problem::new("internal", 500, "The server failed", "The server failed; the log has the reason.")
        };
        let secret = DeviceSecret::generate(&*desk.random).map_err(|error| failed(&error))?;
        let sealed = desk.keys.seal(device.tenant, id, &secret, &*desk.random).map_err(|error| failed(&error))?;
        let credentials = DeviceCredentials {
            kid: key.kid.clone(),
            algorithm: key.algorithm,
            key_ciphertext: sealed.ciphertext,
            key_nonce: sealed.nonce,
            key_kek_id: sealed.kek_id,
        };
        let tenants = self.store.tenants().await.map_err(stored)?;
        let context = tenants.iter().find(|each| each.id == device.tenant).map(|each| to_hex(&each.context_id));
        let mut links = Vec::with_capacity(device.links.len());
        for link in &device.links {
            links.extend(company.device(*link).await.map_err(stored)?.map(|row| row.device.serial));
        }
        let credential = Credential {
            tenant_context: context.unwrap_or_default(),
            kid: to_hex(&key.kid),
            master_secret: to_hex(&secret.master_secret),
            master_salt: to_hex(&secret.master_salt),
            algorithm: Some(name_of(key.algorithm)),
            tenant: device.tenant.to_string(),
            serial: device.serial.clone(),
            kind: device.kind.name().to_owned(),
            device: id.to_string(),
            links,
            interval_ms: device.report_interval.map(Span::as_millis),
            sleepy: device.sleepy,
            premises: device.premises.map(|premises| premises.to_string()),
            parent: None,
            first_sequence: Some(first_sequence(now)),
        };
        let clear = serde_json::to_vec(&[&credential]).map(Zeroizing::new).map_err(|error| failed(&error))?;
        company.put_key(id, Some(&credentials), Actor::Person { by: viewer.user }, now).await.map_err(stored)?;
        self.operate.rekey(company.id(), id, Some((credentials, device.sleepy))).await.map_err(operated)?;
        tracing::warn!(user.id = %viewer.user, tenant.id = %company.id(), device.id = %id, "a device's key was replaced");
        Ok(clear)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_of_a_new_key_fits_oscore_until_2059_and_only_grows() {
        let at = |ms| first_sequence(Timestamp::from_millis(ms));
        assert!(at(2_800_000_000_000) <= davy_coap::oscore::MAX_SEQUENCE);
        assert!(at(EPOCH_MS + 1) > at(EPOCH_MS) && at(0) == 0);
    }
}
