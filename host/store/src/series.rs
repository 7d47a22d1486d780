//! One series of a device's readings, read from chunks and the journal's tail as if there were only one place.
//!
//! Both are read in one transaction: a row that is being compacted is seen in the journal or in a chunk, never in both, never
//! in neither.

use crate::batch::RowKind;
use crate::chunk;
use crate::compact::entries_of;
use crate::connection::{Tx, fetch_all};
use crate::decode::decode_row;
use crate::devices::Device;
use crate::error::StoreError;
use crate::memory::Children;
use crate::recover::PageSize;
use crate::scope::{ScopedStore, TenantStore};
use crate::segment;
use davy_domain::{DeviceId, Quantity, Reading, Timestamp};

/// One uplink of a device, as it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredUplink {
    /// When it arrived.
    pub received_at: Timestamp,
    /// The sequence number of the OSCORE message that it came in.
    pub sequence: Option<u64>,
    /// The gateway that sent it; none when the device spoke for itself.
    pub via: Option<DeviceId>,
    /// The device's readings in it, in their order.
    pub readings: Vec<Reading>,
    /// Kind, CoAP content-format and bytes of the payload, where the readings do not say all of it: an outcome, another
    /// format, unknown records or children, a clock that was corrected.
    pub payload: Option<(RowKind, u16, Vec<u8>)>,
}

impl ScopedStore {
    /// The readings of a quantity with `from <= at < to`, in order of measurement, out of chunks and of `recent`, what the caller still
    /// holds of the quantity in memory, without a look at the journal: for pages. Whoever asks must have taken `recent` before the call, and keep readings until they are in chunks.
    pub async fn series_with(
        &self,
        device: DeviceId,
        quantity: Quantity,
        (from, to): (Timestamp, Timestamp),
        recent: Vec<Reading>,
    ) -> Result<Vec<Reading>, StoreError> {
        let Some(summary) = self.device(device).await? else { return Ok(Vec::new()) };
        let mut tx = self.snapshot().await?;
        let mut readings = compacted(&mut tx, &summary.device, quantity, from, to).await?;
        readings.extend(recent);
        readings.retain(|reading| reading.quantity == quantity && reading.at >= from && reading.at < to);
        Ok(in_order(readings))
    }
}

impl TenantStore {
    /// The readings of a quantity with `from <= at < to`, in order of measurement; of equal times in order of arrival. A
    /// reading that a device sent twice (same time, same value) is there once. Empty when the device is not in the scope.
    pub async fn series(
        &self,
        device: DeviceId,
        quantity: Quantity,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Reading>, StoreError> {
        let Some(summary) = self.device(device).await? else { return Ok(Vec::new()) };
        let mut tx = self.snapshot().await?;
        let mut readings = compacted(&mut tx, &summary.device, quantity, from, to).await?;
        for entry in tail(&mut tx, &summary.device).await? {
            readings.extend(entry.readings.into_iter().filter(|reading| reading.quantity == quantity));
        }
        readings.retain(|reading| reading.at >= from && reading.at < to);
        Ok(in_order(readings))
    }

    /// Everything that a device sent and that arrived with `from <= received_at < to`, in order of arrival. Empty when the
    /// device is not in the scope.
    pub async fn uplinks(
        &self,
        device: DeviceId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<StoredUplink>, StoreError> {
        let Some(summary) = self.device(device).await? else { return Ok(Vec::new()) };
        let mut tx = self.snapshot().await?;
        let mut entries = Vec::new();
        for (id, body) in chunks(&mut tx, &summary.device, from, to).await? {
            entries.extend(chunk::decode(&body).map_err(|why| StoreError::corrupt(format!("chunk {id}"), why))?);
        }
        entries.extend(tail(&mut tx, &summary.device).await?);
        entries
            .into_iter()
            .filter(|entry| entry.received_at >= from && entry.received_at < to)
            .map(|entry| {
                let payload = match entry.raw {
                    None => None,
                    Some((raw, payload)) => {
                        let kind = RowKind::from_code(raw.kind).ok_or_else(|| {
                            StoreError::corrupt("chunk", format!("expected a row kind, got {}", raw.kind))
                        })?;
                        Some((kind, raw.format, payload))
                    }
                };
                Ok(StoredUplink {
                    received_at: entry.received_at,
                    sequence: entry.sequence,
                    via: entry.via,
                    readings: entry.readings,
                    payload,
                })
            })
            .collect()
    }
}

/// The device's chunks that may hold something of a span, oldest first: number and content.
async fn chunks(
    tx: &mut Tx,
    device: &Device,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    fetch_all!(
        tx.on(),
        (i64, Vec<u8>),
        "SELECT id, body FROM chunks WHERE device_id = $1 AND to_at >= $2 AND from_at < $3 AND tenant_id = $4 ORDER BY first_seq",
        device.id.raw(),
        from.as_millis(),
        to.as_millis(),
        device.tenant.raw(),
    )
}

/// The readings of a quantity in those chunks.
async fn compacted(
    tx: &mut Tx,
    device: &Device,
    quantity: Quantity,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Reading>, StoreError> {
    let mut readings = Vec::new();
    for (id, body) in chunks(tx, device, from, to).await? {
        let some =
            chunk::decode_series(&body, quantity).map_err(|why| StoreError::corrupt(format!("chunk {id}"), why))?;
        readings.extend(some);
    }
    Ok(readings)
}

/// What the journal's tail holds of a device, in order of arrival.
async fn tail(tx: &mut Tx, device: &Device) -> Result<Vec<chunk::Entry>, StoreError> {
    let mut children = Children::new();
    if let Some(parent) = device.parent {
        children.entry(parent).or_default().insert(device.serial.clone(), device.id);
    } else {
        let rows = fetch_all!(
            tx.on(),
            (String, i64),
            "SELECT serial, id FROM devices WHERE parent_id = $1 AND tenant_id = $2 ORDER BY id",
            device.id.raw(),
            device.tenant.raw(),
        )?;
        for (serial, id) in rows {
            children.entry(device.id).or_default().insert(serial, DeviceId::from_raw(id));
        }
    }
    let speaker = device.parent.unwrap_or(device.id);
    let mut entries = Vec::new();
    let mut after = i64::MIN;
    let mut size = PageSize::default();
    loop {
        let page = fetch_all!(
            tx.on(),
            (i64, Vec<u8>),
            "SELECT seq, body FROM journal WHERE seq > $1 AND tenant_id = $2 ORDER BY seq LIMIT $3",
            after,
            device.tenant.raw(),
            size.rows(),
        )?;
        size.learn(page.iter().map(|(_, body)| body.len()).sum());
        let Some(last) = page.last() else { return Ok(entries) };
        after = last.0;
        for (seq, body) in &page {
            segment::for_each(body, |row| {
                if (row.device == speaker || row.device == device.id) && row.kind != RowKind::RuleState {
                    let all = entries_of(&row, decode_row(&row), &children);
                    entries.extend(all.into_iter().filter(|(of, _)| *of == device.id).map(|(_, entry)| entry));
                }
            })
            .map_err(|why| StoreError::corrupt(format!("journal row {seq}"), why))?;
        }
    }
}

/// By time of measurement, then of arrival; the same value at the same time once.
fn in_order(mut readings: Vec<Reading>) -> Vec<Reading> {
    readings.sort_by_key(|reading| reading.at);
    let mut ordered: Vec<Reading> = Vec::with_capacity(readings.len());
    for reading in readings {
        let known = ordered
            .iter()
            .rev()
            .take_while(|known| known.at == reading.at)
            .any(|known| known.value.to_bits() == reading.value.to_bits());
        if !known {
            ordered.push(reading);
        }
    }
    ordered
}
