//! The platform's operations for a signed-in viewer: what REST handlers, pages and form routes all call.
//!
//! Every read of the store goes through the viewer's scope, and every change asks the table of roles again, so no caller
//! can forget either. Nothing here knows about HTTP.

mod access;
mod alarms;
mod approvals;
pub mod companies;
mod decisions;
mod device_keys;
mod devices;
mod households;
pub mod imports;
pub mod labels;
mod landscape;
mod ledger;
mod orders;
mod overview;
mod people;
mod personal;
mod reach;
mod relay;
pub mod rules;
mod series;
mod tiles;
mod usage;

pub use access::Object;
pub use households::Code;
pub use landscape::{Card, Landscape, Place, Site, SiteKind};
pub use reach::Reach;
pub use relay::{Next, Relay, Relayed, Stream};
pub use rules::{Room, RuleDesk};

use crate::accounts::Accounts;
use crate::clock::SharedClock;
use crate::operate::{OperateError, SharedOperate};
use crate::roles::{Deed, codes, require};
use crate::shares::Shares;
use davy_api::{
    Account, AlarmDecisions, AlarmLedger, AlarmPage, AlarmQuery, BackTestItem, Backend, CloseReceipt, Contacts,
    DataActs, DeviceDetail, DeviceImports, DeviceKey, DevicePage, DeviceQuery, Household, LedgerCheckpoints,
    LedgerPage, LedgerQuery, Overview, OwnData, People, Person, PremisesDetail, Problem, Quarantine, Reply, Requests,
    RuleBounds, RuleDetail, RuleSigners, RuleVersions, Series, SeriesQuery, Tenants, Tokens, Usage, ValvesOf, Viewer,
};
use davy_domain::{AlarmId, BackTestId, DeviceId, PersonScope, PremisesId, ReleaseId, Span, Timestamp};
use davy_store::{DivisionCode, Store, StoreError};
use std::collections::BTreeMap;
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
    imports: Option<imports::ImportDesk>,
    accounts: Arc<Accounts>,
    shares: Arc<Shares>,
    deletion_wait: Span,
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
        accounts: Arc<Accounts>,
    ) -> Result<Self, StoreError> {
        let now = clock.now();
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
            imports: None,
            accounts,
            shares: Arc::new(Shares::new(0, 1, now)),
            deletion_wait: Span::from_hours(30 * 24),
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

    /// What the viewer may see of the landscape and of live events.
    ///
    /// # Errors
    /// A [`Problem`] for a viewer who may not see alarms.
    pub fn reach(&self, viewer: &Viewer) -> Result<Reach, Problem> {
        require(viewer, Deed::SeeAlarms)?;
        match viewer.scope {
            PersonScope::Tenant { tenant } => Ok(Reach::Tenant(tenant)),
            PersonScope::Community { community, .. } => Ok(self.landscape().community(community)),
            PersonScope::Premises { premises, .. } => Ok(Reach::Premises(premises)),
            PersonScope::Jurisdiction { division } => Ok(self.landscape().divisions_below(DivisionCode(division))),
            PersonScope::Platform => Err(Problem::forbidden(Deed::SeeAlarms.words())),
        }
    }

    /// The person, for themself.
    pub fn person(&self, viewer: &Viewer) -> Person {
        let landscape = self.landscape();
        Person {
            id: viewer.user,
            name: viewer.name.clone(),
            scope: viewer.scope.kind(),
            roles: viewer.roles,
            may: codes(viewer),
            tenant_name: viewer.tenant().map(|tenant| landscape.tenant_name(tenant).to_string()),
            division_name: (viewer.scope.division())
                .and_then(|code| Some(landscape.division(DivisionCode(code))?.name_zh.clone())),
            community_name: viewer.scope.community().map(|community| landscape.community_name(community).to_string()),
            premises: viewer.scope.premises(),
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
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
        | OperateError::NotLearnt { .. }
        | OperateError::NotReady
        | OperateError::Overloaded
        | OperateError::Stopping) => Problem::unavailable(error.to_string()),
    }
}

impl Backend for Service {
    fn me<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Person> {
        Box::pin(async move { Ok(self.person(viewer)) })
    }
    fn account<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Account> {
        Box::pin(self.accounts.account(viewer))
    }
    fn own_data<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, OwnData> {
        Box::pin(self.own_data_of(viewer))
    }
    fn data_acts<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, DataActs> {
        Box::pin(self.data_acts_of(viewer))
    }
    fn contacts<'a>(&'a self, viewer: &'a Viewer, device: DeviceId) -> Reply<'a, Contacts> {
        Box::pin(self.contacts_at(viewer, device))
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
    fn alarm_ledger<'a>(&'a self, viewer: &'a Viewer, alarm: AlarmId) -> Reply<'a, AlarmLedger> {
        Box::pin(self.ledger_of_alarm(viewer, alarm))
    }
    fn ledger<'a>(&'a self, viewer: &'a Viewer, query: LedgerQuery) -> Reply<'a, LedgerPage> {
        Box::pin(self.ledger_page(viewer, query))
    }
    fn ledger_checkpoints<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, LedgerCheckpoints> {
        Box::pin(self.checkpoints_for(viewer))
    }
    fn rules<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, RuleVersions> {
        Box::pin(self.rule_versions(viewer))
    }
    fn rule<'a>(&'a self, viewer: &'a Viewer, rule: ReleaseId) -> Reply<'a, RuleDetail> {
        Box::pin(self.rule_detail(viewer, rule))
    }
    fn rule_bounds<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, RuleBounds> {
        Box::pin(self.bounds_of(viewer))
    }
    fn quarantine<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Quarantine> {
        Box::pin(self.quarantine_of(viewer))
    }
    fn back_test<'a>(&'a self, viewer: &'a Viewer, test: BackTestId) -> Reply<'a, BackTestItem> {
        Box::pin(self.back_test_of(viewer, test))
    }
    fn device_imports<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, DeviceImports> {
        Box::pin(self.imports_of(viewer))
    }
    fn device_key<'a>(&'a self, viewer: &'a Viewer, device: DeviceId) -> Reply<'a, DeviceKey> {
        Box::pin(self.key_of_device(viewer, device))
    }
    fn tenants<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Tenants> {
        Box::pin(self.tenants_of(viewer))
    }
    fn usage<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Usage> {
        Box::pin(self.usage_of(viewer))
    }
    fn rule_signers<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, RuleSigners> {
        Box::pin(self.signers_of(viewer))
    }
    fn people<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, People> {
        Box::pin(self.people_of(viewer))
    }
    fn tokens<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Tokens> {
        Box::pin(self.tokens_of(viewer))
    }
    fn household<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Household> {
        Box::pin(self.household_of(viewer))
    }
    fn requests<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Requests> {
        Box::pin(self.requests_of(viewer))
    }
    fn tile<'a>(&'a self, viewer: &'a Viewer, z: u8, x: u32, y: u32) -> Reply<'a, Vec<u8>> {
        Box::pin(self.tile_of(viewer, z, x, y))
    }
}
