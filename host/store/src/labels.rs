//! What stands on the labels of devices, and the secret that their codes are made from. Never anything of a device's key.

use crate::connection::{Store, execute, fetch_all};
use crate::engine::{Column, LABELS_OF_SERIALS};
use crate::error::StoreError;
use crate::scope::TenantStore;
use crate::sealed::SealedSecret;
use davy_domain::{DeviceId, ImportId};

/// A device as its label names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledDevice {
    /// Its id.
    pub id: DeviceId,
    /// The maker's serial number.
    pub serial: String,
    /// The maker's name for its model.
    pub model: String,
}

type Row = (i64, String, String);

fn labelled(rows: Vec<Row>) -> Vec<LabelledDevice> {
    rows.into_iter().map(|(id, serial, model)| LabelledDevice { id: DeviceId::from_raw(id), serial, model }).collect()
}

impl TenantStore {
    /// The devices that an import has added, at most `limit`, in the file's order.
    pub async fn labels_of_import(&self, import: ImportId, limit: u32) -> Result<Vec<LabelledDevice>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
            Row,
            "SELECT d.id, d.serial, d.model FROM device_imports i JOIN devices d ON d.tenant_id = i.tenant_id \
             AND d.id BETWEEN i.first_device AND i.last_device \
             WHERE i.tenant_id = $1 AND i.id = $2 AND i.state = 'entered' ORDER BY d.id LIMIT $3",
            self.id().raw(),
            import.raw(),
            i64::from(limit),
        )?;
        Ok(labelled(rows))
    }

    /// The company's devices with these serial numbers, by id; those that are not there are left out.
    pub async fn labels_of_serials(&self, serials: &[String]) -> Result<Vec<LabelledDevice>, StoreError> {
        if serials.is_empty() {
            return Ok(Vec::new());
        }
        let tenants = vec![self.id().raw(); serials.len()];
        let columns = [Column::Text(serials), Column::Int(&tenants)];
        let rows: Vec<Row> = LABELS_OF_SERIALS.fetch(self.read().await?.on(), &columns).await?;
        Ok(labelled(rows))
    }
}

impl Store {
    /// Stores a secret of the platform's own unless there is one of the same purpose and owner, which then stays.
    pub async fn keep_secret(&self, secret: &SealedSecret) -> Result<(), StoreError> {
        execute!(
            self.writer(),
            "INSERT INTO sealed_secrets (purpose, owner_id, tenant_id, ciphertext, nonce, kek_id) VALUES ($1, $2, NULL, $3, $4, $5) \
             ON CONFLICT (purpose, owner_id) DO NOTHING",
            &secret.purpose,
            secret.owner,
            &secret.ciphertext,
            &secret.nonce,
            &secret.kek_id,
        )?;
        Ok(())
    }
}
