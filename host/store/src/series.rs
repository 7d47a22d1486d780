//! One series of a device's readings, read from chunks and the journal's tail as if there were only one place.

use crate::error::StoreError;
use crate::scope::ScopedStore;
use davy_domain::{DeviceId, Quantity, Reading, Timestamp};

impl ScopedStore {
    /// The readings of a quantity with `from <= at < to`, in order of measurement; of equal times in order of arrival. A
    /// reading that a device sent twice (same time, same value) is there once. Empty when the device is not in the scope.
    pub async fn series(
        &self,
        device: DeviceId,
        quantity: Quantity,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Reading>, StoreError> {
        if self.device(device).await?.is_none() {
            return Ok(Vec::new());
        }
        self.store.read_series(device, quantity, from, to).await
    }
}

impl crate::Store {
    async fn read_series(
        &self,
        device: DeviceId,
        quantity: Quantity,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Reading>, StoreError> {
        let mut tx = self.snapshot().await?;
        let children = crate::recover::children(&mut tx).await?;
        let mut readings = Vec::new();
        let mut after = i64::MIN;
        loop {
            let rows = crate::recover::segments_after(&mut tx, after).await?;
            let Some(last) = rows.last() else { break };
            after = last.0;
            for (seq, _, body) in &rows {
                crate::segment::for_each(body, |row| {
                    let Ok(uplink) = crate::decode::decode(row.payload, row.format, row.received_at) else { return };
                    for part in uplink.parts {
                        let of = part.child.map_or(Some(row.device), |serial| children.get(&(row.device, serial)).copied());
                        if of == Some(device) {
                            readings.extend(part.readings);
                        }
                    }
                })
                .map_err(|why| StoreError::corrupt(format!("journal row {seq}"), why))?;
            }
        }
        readings.retain(|reading| reading.quantity == quantity && reading.at >= from && reading.at < to);
        readings.sort_by_key(|reading| reading.at);
        Ok(readings)
    }
}
