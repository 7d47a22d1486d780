//! Messages that no driver could read yet. They are written in the commit of the journal row that holds them, and marked in the commit of
//! the row that holds what was read in them at last: whoever was told "stored" has it here until then.

use crate::batch::{Batch, RowKind};
use crate::connection::{execute, fetch_all};
use crate::engine::{self, Column};
use crate::error::StoreError;
use crate::rules::digest;
use crate::scope::TenantStore;
use crate::script::Script;
use davy_domain::driven::{DRIVEN, Driven};
use davy_domain::{DeviceId, QuarantineId, TenantId, Timestamp};

/// A message that waits for a driver that can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Its number.
    pub id: QuarantineId,
    /// Who sent it.
    pub device: DeviceId,
    /// The maker's name for the device's model.
    pub model: String,
    /// The device's serial number.
    pub serial: String,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The content-format that it came with.
    pub format: u16,
    /// The message, byte for byte.
    pub payload: Vec<u8>,
    /// SHA-256 of the driver that was asked last.
    pub driver: [u8; 32],
    /// Why it could not read it.
    pub reason: String,
    /// How many times a driver was asked.
    pub tries: u32,
}

/// How many messages of a model wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The maker's name for the model.
    pub model: String,
    /// How many.
    pub count: u64,
    /// When the oldest of them arrived.
    pub oldest: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    device_id: i64,
    model: String,
    serial: String,
    received_at: i64,
    format: i64,
    payload: Vec<u8>,
    driver: Vec<u8>,
    reason: String,
    tries: i64,
}

impl TryFrom<Row> for Quarantined {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: QuarantineId::from_raw(row.id),
            device: DeviceId::from_raw(row.device_id),
            model: row.model,
            serial: row.serial,
            received_at: Timestamp::from_millis(row.received_at),
            format: row.format as u16,
            payload: row.payload,
            driver: digest(row.driver)?,
            reason: row.reason,
            tries: row.tries as u32,
        })
    }
}

impl TenantStore {
    /// Messages that wait, in order of arrival, at most `limit`, after `after`; of one model or of all.
    pub async fn quarantined(
        &self,
        model: Option<&str>,
        after: Option<QuarantineId>,
        limit: u32,
    ) -> Result<Vec<Quarantined>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
            Row,
            "SELECT q.id, q.device_id, d.model, d.serial, q.received_at, q.format, q.payload, q.driver, q.reason, q.tries \
             FROM quarantine q JOIN devices d ON d.id = q.device_id \
             WHERE q.tenant_id = $1 AND q.decoded_at IS NULL AND q.id > $2 AND ($3 = '' OR d.model = $3) ORDER BY q.id LIMIT $4",
            self.id().raw(),
            after.map_or(i64::MIN, QuarantineId::raw),
            model.unwrap_or_default(),
            i64::from(limit),
        )?;
        rows.into_iter().map(Quarantined::try_from).collect()
    }

    /// How many messages wait, by model.
    pub async fn quarantine(&self) -> Result<Vec<Waiting>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
            (String, i64, i64),
            "SELECT d.model, COUNT(*), MIN(q.received_at) FROM quarantine q JOIN devices d ON d.id = q.device_id \
             WHERE q.tenant_id = $1 AND q.decoded_at IS NULL GROUP BY d.model ORDER BY d.model",
            self.id().raw(),
        )?;
        let waiting = |(model, count, oldest): (String, i64, i64)| Waiting {
            model,
            count: count.unsigned_abs(),
            oldest: Timestamp::from_millis(oldest),
        };
        Ok(rows.into_iter().map(waiting).collect())
    }

    /// Notes that one more driver could not read a message.
    pub async fn still_quarantined(
        &self,
        id: QuarantineId,
        driver: &[u8; 32],
        settings_version: u32,
        reason: &str,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(
            tx.on(),
            "UPDATE quarantine SET tries = tries + 1, driver = $3, settings_version = $4, reason = $5 \
             WHERE tenant_id = $1 AND id = $2 AND decoded_at IS NULL",
            self.id().raw(),
            id.raw(),
            &driver[..],
            i64::from(settings_version),
            reason,
        )?;
        tx.commit().await
    }
}

/// What a batch sets aside, and what it reads that was set aside before.
#[derive(Default)]
pub(crate) struct Change {
    aside: Vec<(TenantId, DeviceId, Driven)>,
    read: Vec<(QuarantineId, Timestamp)>,
}

impl Change {
    /// Looks only at rows that a driver was asked about.
    pub(crate) fn of(batch: &Batch) -> Result<Self, StoreError> {
        let mut change = Self::default();
        for row in batch.uplinks.iter().filter(|row| row.format == DRIVEN && row.kind != RowKind::RuleState) {
            let message = Driven::decode(&row.payload)
                .map_err(|why| StoreError::corrupt(format!("message of {}", row.device), why.to_string()))?;
            match (message.set_aside, &message.result) {
                (Some(id), Ok(_)) => change.read.push((id, row.received_at)),
                (Some(_), Err(_)) => change.aside.push((row.tenant, row.device, message)),
                (None, _) => {}
            }
        }
        Ok(change)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.aside.is_empty() && self.read.is_empty()
    }

    pub(crate) fn add(self, script: &mut Script) -> Result<(), StoreError> {
        fn ints<T>(all: &[T], value: impl Fn(&T) -> i64) -> Vec<i64> {
            all.iter().map(value).collect()
        }
        let aside = &self.aside;
        let id = |message: &Driven| message.set_aside.map_or(0, QuarantineId::raw);
        let reasons: Vec<String> =
            aside.iter().map(|(.., message)| message.result.as_ref().err().cloned().unwrap_or_default()).collect();
        let columns = [
            Column::Int(&ints(aside, |(.., message)| id(message))),
            Column::Int(&ints(aside, |(tenant, ..)| tenant.raw())),
            Column::Int(&ints(aside, |(_, device, _)| device.raw())),
            Column::Int(&ints(aside, |(.., message)| message.received_at.as_millis())),
            Column::Int(&ints(aside, |(.., message)| i64::from(message.format))),
            Column::Bytes(&aside.iter().map(|(.., message)| message.raw.clone()).collect::<Vec<_>>()),
            Column::Bytes(&aside.iter().map(|(.., message)| message.driver.to_vec()).collect::<Vec<_>>()),
            Column::Int(&ints(aside, |(.., message)| i64::from(message.settings_version))),
            Column::Text(&reasons),
        ];
        script.add(&engine::INSERT_QUARANTINE, &columns)?;
        let columns = [
            Column::Int(&ints(&self.read, |(id, _)| id.raw())),
            Column::Int(&ints(&self.read, |(_, at)| at.as_millis())),
        ];
        script.add(&engine::READ_QUARANTINE, &columns)
    }
}
