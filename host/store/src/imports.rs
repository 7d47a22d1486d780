//! Files of devices that a company adds: where each stands, why it was refused, and the one transaction that enters it.

use crate::connection::{Store, Tx, execute, fetch_all, fetch_optional};
use crate::error::StoreError;
use crate::provision::{Provision, check, enter};
use crate::scope::TenantStore;
use crate::sealed::SealedSecret;
use davy_domain::{ImportId, TenantId, Timestamp, UserId};

/// Where an import stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportState {
    /// Its lines are read and checked.
    Checking,
    /// Keys are made, rows are entered.
    Entering,
    /// All of it is there.
    Entered,
    /// None of it is there; the report says why.
    Refused,
    /// The server ended meanwhile: none of it is there.
    BrokenOff,
}

impl ImportState {
    const ALL: [Self; 5] = [Self::Checking, Self::Entering, Self::Entered, Self::Refused, Self::BrokenOff];

    /// The stable name, as stored and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Checking => "checking",
            Self::Entering => "entering",
            Self::Entered => "entered",
            Self::Refused => "refused",
            Self::BrokenOff => "broken-off",
        }
    }

    /// Whether it still goes on.
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Checking | Self::Entering)
    }
}

/// An import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceImport {
    /// Its id.
    pub id: ImportId,
    /// Whose.
    pub tenant: TenantId,
    /// Who has started it.
    pub started_by: UserId,
    /// The file's name.
    pub name: String,
    /// Where it stands.
    pub state: ImportState,
    /// Lines read, without the heading.
    pub lines: u64,
    /// Devices entered.
    pub devices: u64,
    /// Why it was refused, line by line: JSON, which only the server reads.
    pub report: String,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it came to stand where it stands.
    pub changed_at: Timestamp,
    /// Whether nobody has taken the devices' keys yet.
    pub has_credentials: bool,
}

#[derive(sqlx::FromRow)]
struct ImportRow {
    id: i64,
    tenant_id: i64,
    started_by: i64,
    name: String,
    state: String,
    lines: i64,
    devices: i64,
    report: String,
    created_at: i64,
    changed_at: i64,
    untaken: i64,
}

impl TryFrom<ImportRow> for DeviceImport {
    type Error = StoreError;

    fn try_from(row: ImportRow) -> Result<Self, StoreError> {
        let id = ImportId::from_raw(row.id);
        let state = ImportState::ALL.into_iter().find(|state| state.name() == row.state);
        Ok(Self {
            id,
            tenant: TenantId::from_raw(row.tenant_id),
            started_by: UserId::from_raw(row.started_by),
            name: row.name,
            state: state
                .ok_or_else(|| StoreError::corrupt(id.to_string(), format!("unknown state `{}`", row.state)))?,
            lines: row.lines.unsigned_abs(),
            devices: row.devices.unsigned_abs(),
            report: row.report,
            created_at: Timestamp::from_millis(row.created_at),
            changed_at: Timestamp::from_millis(row.changed_at),
            has_credentials: row.untaken > 0,
        })
    }
}

impl Store {
    /// Notes of every import that was under way that it broke off: for a start, before any other begins.
    pub async fn break_off_imports(&self, now: Timestamp) -> Result<u64, StoreError> {
        execute!(
            self.writer(),
            "UPDATE device_imports SET state = 'broken-off', changed_at = $1 WHERE state IN ('checking', 'entering')",
            now.as_millis()
        )
    }

    /// Removes the keys of imports older than `before` that nobody has taken, and says how many there were.
    pub async fn drop_untaken_credentials(&self, purpose: &str, before: Timestamp) -> Result<u64, StoreError> {
        execute!(
            self.writer(),
            "DELETE FROM sealed_secrets WHERE purpose = $1 AND owner_id IN \
             (SELECT i.id FROM device_imports i WHERE i.created_at < $2 AND i.tenant_id = sealed_secrets.tenant_id)",
            purpose,
            before.as_millis()
        )
    }
}

impl TenantStore {
    /// Stores an import that begins.
    pub async fn create_import(&self, import: &DeviceImport) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(
            tx.on(),
            "INSERT INTO device_imports (id, tenant_id, started_by, name, state, lines, devices, report, created_at, changed_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            import.id.raw(),
            self.id().raw(),
            import.started_by.raw(),
            &import.name,
            import.state.name(),
            import.lines as i64,
            import.devices as i64,
            &import.report,
            import.created_at.as_millis(),
            import.changed_at.as_millis(),
        )?;
        tx.commit().await
    }

    /// Stores where an import stands that is under way.
    pub async fn move_import(&self, import: &DeviceImport) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        move_import(&mut tx, self.id(), import).await?;
        tx.commit().await
    }

    /// Enters an import's rows with the sealed keys that are to be taken once, and notes that it is entered: all of it or nothing.
    ///
    /// # Errors
    /// As [`Store::provision`]; [`StoreError::Changed`] when it is under way no longer.
    pub async fn enter_import(
        &self,
        import: &DeviceImport,
        rows: &Provision,
        credentials: &SealedSecret,
    ) -> Result<(), StoreError> {
        check(rows)?;
        let mut tx = self.begin().await?;
        enter(&mut tx, rows).await?;
        execute!(
            tx.on(),
            "INSERT INTO sealed_secrets (purpose, owner_id, tenant_id, ciphertext, nonce, kek_id) VALUES ($1, $2, $3, $4, $5, $6)",
            &credentials.purpose,
            import.id.raw(),
            self.id().raw(),
            &credentials.ciphertext,
            &credentials.nonce,
            &credentials.kek_id,
        )?;
        move_import(&mut tx, self.id(), import).await?;
        let devices = || rows.devices.iter().map(|new| new.device.id.raw());
        execute!(
            tx.on(),
            "UPDATE device_imports SET first_device = $3, last_device = $4 WHERE tenant_id = $1 AND id = $2",
            self.id().raw(),
            import.id.raw(),
            devices().min(),
            devices().max(),
        )?;
        tx.commit().await
    }

    /// The company's imports, newest first.
    pub async fn imports(&self, purpose: &str, limit: u32) -> Result<Vec<DeviceImport>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
            ImportRow,
            "SELECT i.id, i.tenant_id, i.started_by, i.name, i.state, i.lines, i.devices, i.report, i.created_at, i.changed_at, \
             (SELECT COUNT(*) FROM sealed_secrets s WHERE s.purpose = $2 AND s.owner_id = i.id AND s.tenant_id = $1) AS untaken \
             FROM device_imports i WHERE i.tenant_id = $1 ORDER BY i.id DESC LIMIT $3",
            self.id().raw(),
            purpose,
            i64::from(limit),
        )?;
        rows.into_iter().map(DeviceImport::try_from).collect()
    }

    /// One of them.
    pub async fn import(&self, purpose: &str, id: ImportId) -> Result<Option<DeviceImport>, StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            ImportRow,
            "SELECT i.id, i.tenant_id, i.started_by, i.name, i.state, i.lines, i.devices, i.report, i.created_at, i.changed_at, \
             (SELECT COUNT(*) FROM sealed_secrets s WHERE s.purpose = $2 AND s.owner_id = i.id AND s.tenant_id = $1) AS untaken \
             FROM device_imports i WHERE i.tenant_id = $1 AND i.id = $3",
            self.id().raw(),
            purpose,
            id.raw(),
        )?;
        row.map(DeviceImport::try_from).transpose()
    }

    /// The OSCORE Sender IDs of the company's devices.
    pub async fn kids(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
            (Vec<u8>,),
            "SELECT kid FROM devices WHERE tenant_id = $1 AND kid IS NOT NULL ORDER BY kid",
            self.id().raw(),
        )?;
        Ok(rows.into_iter().map(|(kid,)| kid).collect())
    }
}

async fn move_import(tx: &mut Tx, tenant: TenantId, import: &DeviceImport) -> Result<(), StoreError> {
    let moved = execute!(
        tx.on(),
        "UPDATE device_imports SET state = $3, lines = $4, devices = $5, report = $6, changed_at = $7 \
         WHERE id = $1 AND tenant_id = $2 AND state IN ('checking', 'entering')",
        import.id.raw(),
        tenant.raw(),
        import.state.name(),
        import.lines as i64,
        import.devices as i64,
        &import.report,
        import.changed_at.as_millis(),
    )?;
    if moved == 0 { Err(StoreError::Changed { what: import.id.to_string() }) } else { Ok(()) }
}
