//! The platform's operations for a signed-in viewer: what REST handlers, pages and form routes all call.
//!
//! Every read of the store goes through the viewer's scope, and every change asks the table of roles again, so no caller
//! can forget either. Nothing here knows about HTTP.

mod alarms;
mod decisions;
mod devices;
mod landscape;
mod orders;
mod overview;
mod reach;
mod relay;
pub mod rules;
mod series;
mod tiles;

pub use landscape::{Card, Landscape, Place, Site, SiteKind};
pub use reach::Reach;
pub use relay::{Next, Relay, Relayed, Stream};
pub use rules::{Room, RuleDesk};

use crate::clock::SharedClock;
use crate::operate::{OperateError, SharedOperate};
use davy_api::{
    AlarmDecisions, AlarmPage, AlarmQuery, BackTestItem, Backend, CloseReceipt, DeviceDetail, DevicePage, DeviceQuery,
    Overview, Person, PremisesDetail, Problem, Reply, Role, RuleDetail, RuleVersions, Series, SeriesQuery, ValvesOf,
    Viewer,
};
use davy_domain::{AlarmId, BackTestId, DeviceId, PremisesId, ReleaseId, Span, Timestamp};
use davy_store::{DivisionCode, ScopedStore, Store, StoreError};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The operations, over the store and the running shards.
pub struct Service {
    store: Store,
    operate: SharedOperate,
    clock: SharedClock,
    landscape: RwLock<Arc<Landscape>>,
    tile_age: Span,
    tiles: Mutex<tiles::Cache>,
    states: Mutex<tiles::States>,
    overviews: Mutex<BTreeMap<reach::Key, (Timestamp, Overview)>>,
    rules: RuleDesk,
}

/// How long the figures of an overview are kept before they are counted anew.
const OVERVIEW_AGE: Span = Span::from_secs(1);
/// Scopes whose figures are kept at most.
const OVERVIEWS_AT_MOST: usize = 4_096;

impl Service {
    /// Loads the landscape and gives the operations. A map tile is kept for `tile_age`.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn new(
        store: Store,
        operate: SharedOperate,
        clock: SharedClock,
        tile_age: Span,
        rules: RuleDesk,
    ) -> Result<Self, StoreError> {
        let landscape = RwLock::new(Arc::new(Landscape::load(&store).await?));
        Ok(Self {
            store,
            operate,
            clock,
            landscape,
            tile_age,
            tiles: Mutex::default(),
            states: Mutex::default(),
            overviews: Mutex::default(),
            rules,
        })
    }

    /// The landscape as last loaded.
    pub fn landscape(&self) -> Arc<Landscape> {
        Arc::clone(&self.landscape.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Loads the landscape anew, for instance after devices were provisioned.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read; the old landscape then stays.
    pub async fn reload(&self) -> Result<(), StoreError> {
        let fresh = Arc::new(Landscape::load(&self.store).await?);
        *self.landscape.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// What the viewer may read of the store.
    fn scope(&self, viewer: &Viewer) -> Result<ScopedStore, Problem> {
        match (viewer.role, viewer.tenant, viewer.premises, division(viewer)) {
            (Role::Operator, Some(tenant), ..) => Ok(self.store.tenant(tenant).deref().clone()),
            (Role::Resident, Some(_), Some(premises), _) => Ok(self.store.resident(premises).deref().clone()),
            (Role::Regulator, .., Some(code)) => Ok(self.store.regulator(code).deref().clone()),
            _ => Err(unscoped(viewer)),
        }
    }

    /// What the viewer may see of the landscape and of live events.
    ///
    /// # Errors
    /// A [`Problem`] for a viewer whose role lacks its scope.
    pub fn reach(&self, viewer: &Viewer) -> Result<Reach, Problem> {
        match (viewer.role, viewer.tenant, viewer.premises, division(viewer)) {
            (Role::Operator, Some(tenant), ..) => Ok(Reach::Tenant(tenant)),
            (Role::Resident, Some(_), Some(premises), _) => Ok(Reach::Premises(premises)),
            (Role::Regulator, .., Some(code)) => Ok(self.landscape().divisions_below(code)),
            _ => Err(unscoped(viewer)),
        }
    }

    /// The person, for themself.
    ///
    /// # Errors
    /// A [`Problem`] for a viewer whose role lacks its scope.
    pub fn person(&self, viewer: &Viewer) -> Person {
        let landscape = self.landscape();
        Person {
            id: viewer.user,
            name: viewer.name.clone(),
            role: viewer.role,
            tenant_name: viewer.tenant.map(|tenant| landscape.tenant_name(tenant).to_string()),
            division_name: division(viewer).and_then(|code| Some(landscape.division(code)?.name_zh.clone())),
            premises: viewer.premises,
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

fn division(viewer: &Viewer) -> Option<DivisionCode> {
    viewer.division.as_deref()?.parse().ok().map(DivisionCode)
}

fn unscoped(viewer: &Viewer) -> Problem {
    tracing::error!(user.id = %viewer.user, role = ?viewer.role, "a user's role lacks its scope");
    Problem::forbidden("see anything: your account lacks its company, premises or division")
}

/// A store error as a problem; logged here, once.
pub fn stored(error: StoreError) -> Problem {
    if error.is_transient() {
        tracing::warn!(%error, "the database did not answer in time");
        Problem::unavailable("The database does not answer right now; try again in a few seconds.")
    } else {
        tracing::error!(%error, "the database refused");
        Problem::new("internal", 500, "The server failed", "The server failed; the log has the reason.")
    }
}

/// A refusal of the shards as a problem.
pub fn operated(error: OperateError) -> Problem {
    match error {
        OperateError::Refused { reason } => {
            Problem::new("refused", 409, "Refused", reason.to_string()).with_reason(reason.code())
        }
        OperateError::NotStored { ref reason } => {
            tracing::error!(%reason, "a person's change could not be stored");
            Problem::unavailable("The change could not be stored, so it was not made; try again in a few seconds.")
        }
        error @ (OperateError::Unknown { .. }
        | OperateError::NotReady
        | OperateError::Overloaded
        | OperateError::Stopping) => Problem::unavailable(error.to_string()),
    }
}

impl Backend for Service {
    fn me<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Person> {
        Box::pin(async move { Ok(self.person(viewer)) })
    }
    fn overview<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Overview> {
        Box::pin(self.overview_of(viewer))
    }
    fn alarms<'a>(&'a self, viewer: &'a Viewer, query: AlarmQuery) -> Reply<'a, AlarmPage> {
        Box::pin(self.alarm_page(viewer, query))
    }
    fn devices<'a>(&'a self, viewer: &'a Viewer, query: DeviceQuery) -> Reply<'a, DevicePage> {
        Box::pin(self.device_page(viewer, query))
    }
    fn device<'a>(&'a self, viewer: &'a Viewer, device: DeviceId) -> Reply<'a, DeviceDetail> {
        Box::pin(self.device_detail(viewer, device))
    }
    fn series<'a>(&'a self, viewer: &'a Viewer, device: DeviceId, query: SeriesQuery) -> Reply<'a, Series> {
        Box::pin(self.series_of(viewer, device, query))
    }
    fn premises<'a>(&'a self, viewer: &'a Viewer, premises: PremisesId) -> Reply<'a, PremisesDetail> {
        Box::pin(self.premises_detail(viewer, premises))
    }
    fn close<'a>(&'a self, viewer: &'a Viewer, of: ValvesOf) -> Reply<'a, CloseReceipt> {
        Box::pin(self.close_valves_of(viewer, of))
    }
    fn acknowledge<'a>(&'a self, viewer: &'a Viewer, alarm: AlarmId) -> Reply<'a, ()> {
        Box::pin(self.acknowledge_alarm(viewer, alarm))
    }
    fn reset<'a>(&'a self, viewer: &'a Viewer, alarm: AlarmId) -> Reply<'a, ()> {
        Box::pin(self.reset_alarm(viewer, alarm))
    }
    fn decisions<'a>(&'a self, viewer: &'a Viewer, alarm: AlarmId) -> Reply<'a, AlarmDecisions> {
        Box::pin(self.decisions_of(viewer, alarm))
    }
    fn rules<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, RuleVersions> {
        Box::pin(self.rule_versions(viewer))
    }
    fn rule<'a>(&'a self, viewer: &'a Viewer, rule: ReleaseId) -> Reply<'a, RuleDetail> {
        Box::pin(self.rule_detail(viewer, rule))
    }
    fn back_test<'a>(&'a self, viewer: &'a Viewer, test: BackTestId) -> Reply<'a, BackTestItem> {
        Box::pin(self.back_test_of(viewer, test))
    }
    fn tile<'a>(&'a self, viewer: &'a Viewer, z: u8, x: u32, y: u32) -> Reply<'a, Vec<u8>> {
        Box::pin(self.tile_of(viewer, z, x, y))
    }
}
