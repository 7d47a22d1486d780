//! Adding devices while the server runs: a file is taken in, checked and entered in the background, all of it or nothing, and its devices
//! can speak from then on. Their keys leave once, to a person of the company.
//!
//! Must never hold a key in the clear any longer than it takes to seal or to hand it over.

use super::{Service, stored};
use crate::clock::SharedRandom;
use crate::keys::{KeyRing, Purpose};
use crate::provision::import::{LineFault, count_lines, read, report};
use crate::provision::{Existing, Secrets};
use crate::roles::Deed;
use davy_api::{DeviceImportFault, DeviceImportItem, DeviceImports, Problem, Viewer};
use davy_domain::ledger::Actor;
use davy_domain::{DeviceId, IdSource, ImportId, Span, TenantId, Timestamp};
use davy_store::{DeviceImport, ImportState, Store, StoreError, TenantStore};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Ids given here are on the lane of provisioning.
const LANE: u8 = 62;
/// Imports that are listed.
const LISTED: u32 = 100;
/// Faults that are told with an import; the report has all of them.
const TOLD: usize = 50;
/// After this keys that nobody has taken are gone; their devices need new ones.
const TAKE_WITHIN: Span = Span::from_hours(7 * 24);
/// Characters of a file's name that are kept.
const LONGEST_NAME: usize = 100;

/// What imports work with.
pub struct ImportDesk {
    pub(super) keys: KeyRing,
    pub(super) random: SharedRandom,
    ids: tokio::sync::Mutex<IdSource>,
    /// The file of each company that has one under way.
    busy: Mutex<HashMap<TenantId, ImportId>>,
}

impl ImportDesk {
    /// For a start: what was under way when the last one ended is broken off.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn new(keys: KeyRing, random: SharedRandom, store: &Store, now: Timestamp) -> Result<Self, StoreError> {
        store.break_off_imports(now).await?;
        let ids = tokio::sync::Mutex::new(IdSource::new(LANE, store.highest_id().await?));
        Ok(Self { keys, random, ids, busy: Mutex::default() })
    }
}

/// Removes keys that nobody has taken in time.
///
/// # Errors
/// [`StoreError`].
pub async fn drop_untaken(store: &Store, now: Timestamp) -> Result<u64, StoreError> {
    store.drop_untaken_credentials(Purpose::CREDENTIALS.name(), now - TAKE_WITHIN).await
}

/// Frees the company's place when the import ends, however it ends.
struct Place {
    service: Arc<Service>,
    tenant: TenantId,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(desk) = &self.service.imports {
            desk.busy.lock().remove(&self.tenant);
        }
    }
}

impl Service {
    /// Lets companies add devices.
    #[must_use]
    pub fn importing(self, desk: ImportDesk) -> Self {
        Self { imports: Some(desk), ..self }
    }

    /// Takes in devices that were provisioned after `after`, so that they can speak, and shows them.
    ///
    /// # Errors
    /// A [`Problem`] when they could not be taken in.
    pub async fn learn(&self, after: Option<DeviceId>) -> Result<usize, Problem> {
        let count = self.operate.learn(after).await.map_err(super::operated)?;
        self.reload().await.map_err(stored)?;
        Ok(count)
    }

    pub(super) fn desk(&self) -> Result<&ImportDesk, Problem> {
        self.imports.as_ref().ok_or_else(|| Problem::unavailable("Devices cannot be added here right now."))
    }

    pub(super) async fn imports_of(&self, viewer: &Viewer) -> Result<DeviceImports, Problem> {
        let rows =
            self.rows(viewer, Deed::AddDevices)?.imports(Purpose::CREDENTIALS.name(), LISTED).await.map_err(stored)?;
        Ok(DeviceImports { items: rows.iter().map(|row| self.told(row)).collect() })
    }

    async fn row_of(&self, viewer: &Viewer, id: ImportId) -> Result<DeviceImport, Problem> {
        let found =
            self.rows(viewer, Deed::AddDevices)?.import(Purpose::CREDENTIALS.name(), id).await.map_err(stored)?;
        found.ok_or_else(|| Problem::not_found("import"))
    }

    /// An import whose rows are there is still being entered while the shards take its devices in: until then they cannot speak.
    fn told(&self, row: &DeviceImport) -> DeviceImportItem {
        let mut told = item(row);
        let under_way = self.imports.as_ref().is_some_and(|desk| desk.busy.lock().get(&row.tenant) == Some(&row.id));
        if under_way && row.state == ImportState::Entered {
            ImportState::Entering.name().clone_into(&mut told.state);
        }
        told
    }

    /// How far an import is.
    ///
    /// # Errors
    /// A [`Problem`] for whoever may not see it.
    pub async fn import_of(&self, viewer: &Viewer, id: ImportId) -> Result<DeviceImportItem, Problem> {
        Ok(self.told(&self.row_of(viewer, id).await?))
    }

    /// Every fault of an import as a CSV file.
    ///
    /// # Errors
    /// A [`Problem`] for whoever may not see it.
    pub async fn import_report(&self, viewer: &Viewer, id: ImportId) -> Result<String, Problem> {
        Ok(report(&faults_of(&self.row_of(viewer, id).await?)))
    }

    /// The keys of an import's devices, as JSON: once, and never again.
    ///
    /// # Errors
    /// A [`Problem`] when they have been taken, or were given up.
    pub async fn take_credentials(&self, viewer: &Viewer, id: ImportId) -> Result<Zeroizing<Vec<u8>>, Problem> {
        let company = self.rows(viewer, Deed::AddDevices)?;
        crate::step_up::keys(viewer)?;
        let desk = self.desk()?;
        self.row_of(viewer, id).await?;
        let sealed = {
            let by = Actor::Person { by: viewer.user };
            self.store.take_credentials(Purpose::CREDENTIALS.name(), company.id(), id, by, self.now()).await
        };
        let sealed = sealed.map_err(stored)?.ok_or_else(|| {
            let detail =
                "The keys have been taken, or nobody took them within a week; devices without keys need new ones.";
            Problem::new("gone", 410, "Gone", detail)
        })?;
        tracing::info!(user.id = %viewer.user, tenant.id = %company.id(), import = %id, "keys of devices were taken");
        desk.keys.unseal_for(Purpose::CREDENTIALS, &sealed).map_err(|error| {
            tracing::error!(%error, import = %id, "the keys of an import cannot be opened");
            Problem::new("internal", 500, "The server failed", "The server failed; the log has the reason.")
        })
    }

    /// Takes in a file of devices. It is checked and entered in the background; [`Service::import_of`] tells how far it is.
    ///
    /// # Errors
    /// A [`Problem`] for whoever may not, and while another file of the company is under way.
    pub async fn start_import(
        self: &Arc<Self>,
        viewer: &Viewer,
        name: &str,
        text: Zeroizing<Vec<u8>>,
    ) -> Result<DeviceImportItem, Problem> {
        let company = self.rows(viewer, Deed::AddDevices)?;
        let desk = self.desk()?;
        let now = self.now();
        let id = ImportId::from_raw(desk.ids.lock().await.next_raw(now));
        let place = {
            let mut busy = desk.busy.lock();
            if busy.contains_key(&company.id()) {
                let detail = "Another file of devices is under way; wait until it has ended.";
                return Err(Problem::new("refused", 409, "Refused", detail).with_reason("import-under-way"));
            }
            busy.insert(company.id(), id);
            Place { service: Arc::clone(self), tenant: company.id() }
        };
        let name: String = name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
        let import = DeviceImport {
            id,
            tenant: company.id(),
            started_by: viewer.user,
            name: if name.trim().is_empty() { "devices.csv".to_owned() } else { name },
            state: ImportState::Checking,
            lines: count_lines(&text),
            devices: 0,
            report: "[]".to_owned(),
            created_at: now,
            changed_at: now,
            has_credentials: false,
        };
        company.create_import(&import).await.map_err(stored)?;
        let begun = item(&import);
        tokio::spawn(async move {
            let service = Arc::clone(&place.service);
            service.import(company, import, text).await;
            drop(place);
        });
        Ok(begun)
    }

    async fn import(&self, company: TenantStore, mut import: DeviceImport, text: Zeroizing<Vec<u8>>) {
        let entered = self.enter_file(&company, &mut import, text).await;
        import.changed_at = self.now();
        match entered {
            Ok(first) => {
                tracing::info!(tenant.id = %company.id(), import = %import.id, devices = import.devices, "devices were added");
                if let Err(error) = self.learn(first.map(|id| DeviceId::from_raw(id.raw() - 1))).await {
                    tracing::error!(%error.detail, import = %import.id, "added devices could not be taken in");
                }
            }
            Err(faults) => {
                import.state = ImportState::Refused;
                import.devices = 0;
                import.report = serde_json::to_string(&faults).unwrap_or_else(|_| "[]".to_owned());
                if let Err(error) = company.move_import(&import).await {
                    tracing::error!(%error, import = %import.id, "that an import was refused could not be stored");
                }
            }
        }
    }

    /// Enters all of it and returns its first device, or says why nothing was.
    async fn enter_file(
        &self,
        company: &TenantStore,
        import: &mut DeviceImport,
        text: Zeroizing<Vec<u8>>,
    ) -> Result<Option<DeviceId>, Vec<LineFault>> {
        let of_file = |error: &dyn std::fmt::Display| vec![LineFault::of_file(error.to_string())];
        let broken = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "an import of devices failed");
            vec![LineFault::of_file("the server failed; nothing was entered, and its log has the reason")]
        };
        let desk = self.desk().map_err(|problem| of_file(&problem.detail))?;
        let file = tokio::task::spawn_blocking(move || read(&text)).await.map_err(|error| broken(&error))??;
        (import.state, import.lines, import.changed_at) = (ImportState::Entering, file.devices() as u64, self.now());
        company.move_import(import).await.map_err(|error| broken(&error))?;
        let existing = Existing::of(&self.store, company.id()).await.map_err(|error| broken(&error))?;
        let mut ids = desk.ids.lock().await;
        let (keys, random, source, now) = (desk.keys.clone(), Arc::clone(&desk.random), ids.clone(), self.now());
        let (tenant, id) = (company.id(), import.id);
        let work = move || {
            let secrets = Secrets { keys: &keys, random: &random, hashes: Vec::new() };
            let planned = file.plan(secrets, source, now, existing)?;
            let failed = |error: String| vec![LineFault::of_file(error)];
            let clear = serde_json::to_vec(&planned.credentials).map(Zeroizing::new);
            let clear = clear.map_err(|error| failed(error.to_string()))?;
            let owner = (Some(tenant), id.raw());
            let sealed = keys.seal_for(Purpose::CREDENTIALS, owner, &clear, &*random);
            Ok::<_, Vec<LineFault>>((planned.rows, planned.ids, sealed.map_err(|error| failed(error.to_string()))?))
        };
        let (mut rows, used, sealed) = tokio::task::spawn_blocking(work).await.map_err(|error| broken(&error))??;
        *ids = used;
        rows.by = Some(import.started_by);
        (import.state, import.devices, import.changed_at) =
            (ImportState::Entered, rows.devices.len() as u64, self.now());
        match company.enter_import(import, &rows, &sealed).await {
            Ok(()) => Ok(rows.devices.iter().map(|new| new.device.id).min()),
            // Two of a kind that came at the same time by another way, or a division that is not there: the words say which.
            Err(
                error @ (StoreError::Duplicate { .. }
                | StoreError::MissingReference { .. }
                | StoreError::Invalid { .. }),
            ) => Err(of_file(&error)),
            Err(error) => Err(broken(&error)),
        }
    }
}

fn faults_of(import: &DeviceImport) -> Vec<LineFault> {
    serde_json::from_str(&import.report).unwrap_or_default()
}

fn item(import: &DeviceImport) -> DeviceImportItem {
    let faults = faults_of(import);
    DeviceImportItem {
        id: import.id,
        name: import.name.clone(),
        state: import.state.name().to_owned(),
        lines: import.lines,
        devices: import.devices,
        fault_count: faults.len() as u64,
        faults: faults
            .into_iter()
            .take(TOLD)
            .map(|LineFault { line, column, fault }| DeviceImportFault { line, column, fault })
            .collect(),
        has_credentials: import.has_credentials,
        created_at: import.created_at,
        changed_at: import.changed_at,
    }
}
