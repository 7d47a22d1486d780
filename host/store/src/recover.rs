//! Everything a server needs to go on where the last one stopped.

use crate::alarms::{AlarmRow, StoredAlarm};
use crate::batch::JournalRow;
use crate::commands::{CommandRow, StoredCommand};
use crate::connection::{Store, Tx, fetch_all, fetch_one};
use crate::decode::decode_row;
use crate::devices::{Device, DeviceCredentials, DeviceRow};
use crate::error::StoreError;
use crate::memory::{Children, DeviceSnapshot, fold_row};
use crate::places::{Tenant, TenantRow};
use crate::segment;
use davy_domain::policy::PolicyTimer;
use davy_domain::{DeviceId, InterlockId, TenantId, Timestamp};
use std::collections::HashMap;

/// A device with its sealed keys.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyedDevice {
    /// The device.
    pub device: Device,
    /// Its OSCORE identity; none behind a gateway.
    pub credentials: Option<DeviceCredentials>,
}

/// A timer that was set before the restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredTimer {
    /// Whose it is.
    pub tenant: TenantId,
    /// The interlock that set it.
    pub interlock: InterlockId,
    /// For which device.
    pub device: DeviceId,
    /// The rule's name for it and when it is due.
    pub timer: PolicyTimer,
}

/// A consistent view of everything that was committed, for a start. Read from one transaction: drop it soon.
pub struct Recovery {
    tx: Tx,
    page: PageSize,
}

#[derive(sqlx::FromRow)]
struct KeyedRow {
    #[sqlx(flatten)]
    device: DeviceRow,
    kid: Option<Vec<u8>>,
    algorithm: i64,
    key_ciphertext: Option<Vec<u8>>,
    key_nonce: Option<Vec<u8>>,
    key_kek_id: Option<String>,
}

/// Rows to a page of the recovery streams.
const PAGE: i64 = 20_000;
/// How many journal rows to read at once: each may be one uplink or thousands, so the next page follows from the last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageSize(i64);

impl PageSize {
    const BYTES: usize = 4 << 20;

    pub(crate) const fn rows(self) -> i64 {
        self.0
    }

    /// Takes into account how many bytes the page of this size had.
    pub(crate) fn learn(&mut self, bytes: usize) {
        if bytes > Self::BYTES {
            self.0 = (self.0 / 2).max(16);
        } else if bytes < Self::BYTES / 4 {
            self.0 = (self.0 * 2).min(8_192);
        }
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(64)
    }
}

impl Store {
    /// Counts this start of the server: a number that no other start has, and each is higher than the one before.
    pub async fn next_boot(&self, now: Timestamp) -> Result<u64, StoreError> {
        let (epoch,) = fetch_one!(
            self.writer(),
            (i64,),
            "INSERT INTO boots (started_at) VALUES ($1) RETURNING epoch",
            now.as_millis()
        )?;
        Ok(epoch as u64)
    }

    /// The highest id ever stored by lane-independent sources: what new ids must be above.
    pub async fn highest_id(&self) -> Result<i64, StoreError> {
        let (highest,) = fetch_one!(
            self.reader(),
            (i64,),
            "SELECT COALESCE(MAX(id), 0) FROM (SELECT MAX(id) AS id FROM alarms UNION ALL SELECT MAX(id) FROM commands \
             UNION ALL SELECT MAX(id) FROM outbox UNION ALL SELECT MAX(id) FROM devices UNION ALL SELECT MAX(id) FROM premises \
             UNION ALL SELECT MAX(id) FROM users UNION ALL SELECT MAX(id) FROM sessions UNION ALL SELECT MAX(id) FROM tenants \
             UNION ALL SELECT MAX(id) FROM rule_releases UNION ALL SELECT MAX(id) FROM back_tests \
             UNION ALL SELECT MAX(id) FROM quarantine UNION ALL SELECT MAX(id) FROM api_tokens UNION ALL SELECT MAX(id) FROM invitations \
             UNION ALL SELECT MAX(id) FROM approvals UNION ALL SELECT MAX(id) FROM personal_data_acts) h",
        )?;
        Ok(highest)
    }

    /// Opens a consistent view of everything that was committed.
    pub async fn recover(&self) -> Result<Recovery, StoreError> {
        Ok(Recovery { tx: self.snapshot().await?, page: PageSize::default() })
    }
}

impl Recovery {
    /// Every gas company, by id.
    pub async fn tenants(&mut self) -> Result<Vec<Tenant>, StoreError> {
        let rows =
            fetch_all!(self.tx.on(), TenantRow, "SELECT id, name, context_id, jurisdiction FROM tenants ORDER BY id")?;
        Ok(rows.into_iter().map(Tenant::from).collect())
    }

    /// Every device with its links and its sealed keys, by id, page by page: an empty page is the end.
    pub async fn devices(&mut self, after: Option<DeviceId>) -> Result<Vec<KeyedDevice>, StoreError> {
        let after = after.map_or(i64::MIN, DeviceId::raw);
        let rows = fetch_all!(
            self.tx.on(),
            KeyedRow,
            "SELECT id, tenant_id, interlock_id, premises_id, division_code, parent_id, serial, kind, model, installed_at, \
             report_interval_ms, sleepy, lon, lat, kid, algorithm, key_ciphertext, key_nonce, key_kek_id \
             FROM devices WHERE id > $1 ORDER BY id LIMIT $2",
            after,
            PAGE,
        )?;
        let Some(last) = rows.last().map(|row| row.device.id) else { return Ok(Vec::new()) };
        let links = fetch_all!(
            self.tx.on(),
            (i64, i64),
            "SELECT source_id, valve_id FROM device_links WHERE source_id > $1 AND source_id <= $2 ORDER BY source_id, valve_id",
            after,
            last,
        )?;
        let mut valves: HashMap<i64, Vec<DeviceId>> = HashMap::new();
        for (source, valve) in links {
            valves.entry(source).or_default().push(DeviceId::from_raw(valve));
        }
        rows.into_iter()
            .map(|row| {
                let credentials = match (row.kid, row.key_ciphertext, row.key_nonce, row.key_kek_id) {
                    (Some(kid), Some(key_ciphertext), Some(key_nonce), Some(key_kek_id)) => {
                        Some(DeviceCredentials { kid, algorithm: row.algorithm, key_ciphertext, key_nonce, key_kek_id })
                    }
                    _ => None,
                };
                let links = valves.remove(&row.device.id).unwrap_or_default();
                Ok(KeyedDevice { device: row.device.with_links(links)?, credentials })
            })
            .collect()
    }

    /// Every active alarm, by id.
    pub async fn alarms(&mut self) -> Result<Vec<StoredAlarm>, StoreError> {
        let rows = fetch_all!(
            self.tx.on(),
            AlarmRow,
            "SELECT id, tenant_id, interlock_id, device_id, condition, priority, origin, state, asserted, shelved_until, \
             raised_at, changed_at FROM alarms WHERE state <> 0 ORDER BY id",
        )?;
        rows.into_iter().map(StoredAlarm::try_from).collect()
    }

    /// Every command that is still on its way, and of each device the newest close and the newest arm in whatever state, by
    /// id: what the counters of commands are rebuilt from.
    pub async fn commands(&mut self) -> Result<Vec<StoredCommand>, StoreError> {
        let rows = fetch_all!(
            self.tx.on(),
            CommandRow,
            "SELECT id, tenant_id, interlock_id, device_id, action, cause, state, counter, requested_at, sent_at, actuated_at, \
             changed_at, deadline FROM commands WHERE state <= 6 OR id IN (SELECT c.id FROM commands c JOIN \
             (SELECT device_id, action, MAX(counter) AS counter FROM commands GROUP BY device_id, action) newest \
             ON newest.device_id = c.device_id AND newest.counter = c.counter) ORDER BY id",
        )?;
        rows.into_iter().map(StoredCommand::try_from).collect()
    }

    /// Every timer.
    pub async fn timers(&mut self) -> Result<Vec<StoredTimer>, StoreError> {
        let rows = fetch_all!(
            self.tx.on(),
            (i64, i64, i64, i64, i64),
            "SELECT tenant_id, interlock_id, device_id, name, due_at FROM timers ORDER BY device_id, name",
        )?;
        Ok(rows
            .into_iter()
            .map(|(tenant, interlock, device, name, due_at)| StoredTimer {
                tenant: TenantId::from_raw(tenant),
                interlock: InterlockId::from_raw(interlock),
                device: DeviceId::from_raw(device),
                timer: PolicyTimer { id: name as u32, at: Timestamp::from_millis(due_at) },
            })
            .collect())
    }

    /// What each device's stored uplinks amount to: its snapshot, folded on over the journal's tail.
    pub async fn memories(&mut self) -> Result<HashMap<DeviceId, DeviceSnapshot>, StoreError> {
        let mut memories: HashMap<DeviceId, DeviceSnapshot> = HashMap::new();
        let mut after = i64::MIN;
        loop {
            let rows = fetch_all!(
                self.tx.on(),
                (i64, i64, Vec<u8>),
                "SELECT device_id, tenant_id, body FROM device_snapshots WHERE device_id > $1 ORDER BY device_id LIMIT $2",
                after,
                PAGE,
            )?;
            let Some(last) = rows.last() else { break };
            after = last.0;
            for (device, tenant, body) in rows {
                let id = DeviceId::from_raw(device);
                let snapshot = DeviceSnapshot::decode(TenantId::from_raw(tenant), id, &body)
                    .map_err(|why| StoreError::corrupt(format!("snapshot of {id}"), why))?;
                memories.insert(id, snapshot);
            }
        }
        let children = children(&mut self.tx).await?;
        let mut after = i64::MIN;
        loop {
            let rows = segments_after(&mut self.tx, after, &mut self.page).await?;
            let Some(last) = rows.last() else { break };
            after = last.0;
            for (seq, tenant, body) in &rows {
                let tenant = TenantId::from_raw(*tenant);
                segment::for_each(body, |row| {
                    let uplink = decode_row(&row);
                    fold_row(&mut memories, &row, uplink.as_ref(), &children, |memories, device| {
                        memories.entry(device).or_insert_with(|| DeviceSnapshot::new(tenant, device))
                    });
                })
                .map_err(|why| StoreError::corrupt(format!("journal row {seq}"), why))?;
            }
        }
        Ok(memories)
    }

    /// The journal's tail in order, page by page: each row with its number, starting after `after`. An empty page is the end.
    pub async fn journal(&mut self, after: Option<i64>) -> Result<Vec<(i64, JournalRow)>, StoreError> {
        let mut all = Vec::new();
        for (seq, tenant, body) in segments_after(&mut self.tx, after.unwrap_or(i64::MIN), &mut self.page).await? {
            segment::for_each(&body, |row| all.push((seq, row.to_row(TenantId::from_raw(tenant)))))
                .map_err(|why| StoreError::corrupt(format!("journal row {seq}"), why))?;
        }
        Ok(all)
    }
}

/// The next page of the journal: number, tenant and packed rows.
async fn segments_after(tx: &mut Tx, after: i64, page: &mut PageSize) -> Result<Vec<(i64, i64, Vec<u8>)>, StoreError> {
    let rows = fetch_all!(
        tx.on(),
        (i64, i64, Vec<u8>),
        "SELECT seq, tenant_id, body FROM journal WHERE seq > $1 ORDER BY seq LIMIT $2",
        after,
        page.rows(),
    )?;
    page.learn(rows.iter().map(|(.., body)| body.len()).sum());
    Ok(rows)
}

/// The devices behind gateways.
pub(crate) async fn children(tx: &mut Tx) -> Result<Children, StoreError> {
    let rows = fetch_all!(
        tx.on(),
        (i64, String, i64),
        "SELECT parent_id, serial, id FROM devices WHERE parent_id IS NOT NULL"
    )?;
    let mut children = Children::new();
    for (parent, serial, id) in rows {
        children.entry(DeviceId::from_raw(parent)).or_default().insert(serial, DeviceId::from_raw(id));
    }
    Ok(children)
}
