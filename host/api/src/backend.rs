//! Every operation that a page needs. The server implements it once; REST handlers and server-rendered pages call it,
//! and in the browser the same operation is a fetch of the REST route with the same types.

use crate::access::{Household, People, Requests, Tenants, Tokens};
use crate::account::Account;
use crate::decision::AlarmDecisions;
use crate::fleet::{
    AlarmPage, AlarmQuery, CloseReceipt, DeviceDetail, DevicePage, DeviceQuery, Overview, PremisesDetail, Series,
    SeriesQuery,
};
use crate::imports::{DeviceImports, DeviceKey};
use crate::ledger::{AlarmLedger, LedgerCheckpoints, LedgerPage, LedgerQuery};
use crate::people::{Person, Viewer};
use crate::personal::{Contacts, DataActs, OwnData};
use crate::problem::Problem;
use crate::quarantine::Quarantine;
use crate::rule_bounds::RuleBounds;
use crate::rules::{BackTestItem, RuleDetail, RuleSigners, RuleVersions};
use crate::usage::Usage;
use davy_domain::{AlarmId, BackTestId, DeviceId, PremisesId, ReleaseId};
use std::future::Future;
use std::pin::Pin;

/// The future of an operation.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 'a>>;

/// Whose valves are to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValvesOf {
    /// The device's own valve, or the valves linked to it.
    Device(DeviceId),
    /// Every valve of the premises.
    Premises(PremisesId),
}

/// The platform's operations for a signed-in viewer. What the viewer may not see is [`Problem::not_found`].
pub trait Backend: Send + Sync + 'static {
    /// `GET /api/v1/me`
    fn me<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Person>;
    /// `GET /api/v1/account`
    fn account<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Account>;
    /// `GET /api/v1/account/personal-data`
    fn own_data<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, OwnData>;
    /// `GET /api/v1/personal-data`
    fn data_acts<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, DataActs>;
    /// `GET /api/v1/devices/{device}/contacts`
    fn contacts<'a>(&'a self, viewer: &'a Viewer, device: DeviceId) -> Reply<'a, Contacts>;
    /// `GET /api/v1/overview`
    fn overview<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Overview>;
    /// `GET /api/v1/alarms`
    fn alarms<'a>(&'a self, viewer: &'a Viewer, query: AlarmQuery) -> Reply<'a, AlarmPage>;
    /// `GET /api/v1/devices`
    fn devices<'a>(&'a self, viewer: &'a Viewer, query: DeviceQuery) -> Reply<'a, DevicePage>;
    /// `GET /api/v1/devices/{device}`
    fn device<'a>(&'a self, viewer: &'a Viewer, device: DeviceId) -> Reply<'a, DeviceDetail>;
    /// `GET /api/v1/devices/{device}/series`
    fn series<'a>(&'a self, viewer: &'a Viewer, device: DeviceId, query: SeriesQuery) -> Reply<'a, Series>;
    /// `GET /api/v1/premises/{premises}`
    fn premises<'a>(&'a self, viewer: &'a Viewer, premises: PremisesId) -> Reply<'a, PremisesDetail>;
    /// `POST /api/v1/devices/{device}/close` and `POST /api/v1/premises/{premises}/close`
    fn close<'a>(&'a self, viewer: &'a Viewer, of: ValvesOf) -> Reply<'a, CloseReceipt>;
    /// `POST /api/v1/alarms/{alarm}/acknowledge`
    fn acknowledge<'a>(&'a self, viewer: &'a Viewer, alarm: AlarmId) -> Reply<'a, ()>;
    /// `POST /api/v1/alarms/{alarm}/reset`: refused while readings are not low and fresh
    fn reset<'a>(&'a self, viewer: &'a Viewer, alarm: AlarmId) -> Reply<'a, ()>;
    /// `GET /api/v1/alarms/{alarm}/decisions`
    fn decisions<'a>(&'a self, viewer: &'a Viewer, alarm: AlarmId) -> Reply<'a, AlarmDecisions>;
    /// `GET /api/v1/alarms/{alarm}/ledger`
    fn alarm_ledger<'a>(&'a self, viewer: &'a Viewer, alarm: AlarmId) -> Reply<'a, AlarmLedger>;
    /// `GET /api/v1/ledger`
    fn ledger<'a>(&'a self, viewer: &'a Viewer, query: LedgerQuery) -> Reply<'a, LedgerPage>;
    /// `GET /api/v1/ledger/checkpoints`
    fn ledger_checkpoints<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, LedgerCheckpoints>;
    /// `GET /api/v1/rules`
    fn rules<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, RuleVersions>;
    /// `GET /api/v1/rules/{rule}`
    fn rule<'a>(&'a self, viewer: &'a Viewer, rule: ReleaseId) -> Reply<'a, RuleDetail>;
    /// `GET /api/v1/rule-bounds`
    fn rule_bounds<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, RuleBounds>;
    /// `GET /api/v1/rule-signers`
    fn rule_signers<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, RuleSigners>;
    /// `GET /api/v1/quarantine`
    fn quarantine<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Quarantine>;
    /// `GET /api/v1/back-tests/{test}`
    fn back_test<'a>(&'a self, viewer: &'a Viewer, test: BackTestId) -> Reply<'a, BackTestItem>;
    /// `GET /api/v1/device-imports`
    fn device_imports<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, DeviceImports>;
    /// `GET /api/v1/devices/{device}/key`
    fn device_key<'a>(&'a self, viewer: &'a Viewer, device: DeviceId) -> Reply<'a, DeviceKey>;
    /// `GET /api/v1/tenants`
    fn tenants<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Tenants>;
    /// `GET /api/v1/usage`
    fn usage<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Usage>;
    /// `GET /api/v1/people`
    fn people<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, People>;
    /// `GET /api/v1/tokens`
    fn tokens<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Tokens>;
    /// `GET /api/v1/household`
    fn household<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Household>;
    /// `GET /api/v1/approvals`
    fn requests<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Requests>;
    /// `GET /tiles/{z}/{x}/{y}.mvt`: premises, wells and gateways with their worst state, clustered on the server
    fn tile<'a>(&'a self, viewer: &'a Viewer, z: u8, x: u32, y: u32) -> Reply<'a, Vec<u8>>;
}
