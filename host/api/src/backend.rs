//! Every operation that a page needs. The server implements it once; REST handlers and server-rendered pages call it,
//! and in the browser the same operation is a fetch of the REST route with the same types.

use crate::decision::AlarmDecisions;
use crate::fleet::{
    AlarmPage, AlarmQuery, CloseReceipt, DeviceDetail, DevicePage, DeviceQuery, Overview, PremisesDetail, Series,
    SeriesQuery,
};
use crate::people::{Person, Viewer};
use crate::problem::Problem;
use crate::rules::{BackTestItem, RuleDetail, RuleVersions};
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
    /// `GET /api/v1/rules`
    fn rules<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, RuleVersions>;
    /// `GET /api/v1/rules/{rule}`
    fn rule<'a>(&'a self, viewer: &'a Viewer, rule: ReleaseId) -> Reply<'a, RuleDetail>;
    /// `GET /api/v1/back-tests/{test}`
    fn back_test<'a>(&'a self, viewer: &'a Viewer, test: BackTestId) -> Reply<'a, BackTestItem>;
    /// `GET /tiles/{z}/{x}/{y}.mvt`: premises, wells and gateways with their worst state, clustered on the server
    fn tile<'a>(&'a self, viewer: &'a Viewer, z: u8, x: u32, y: u32) -> Reply<'a, Vec<u8>>;
}
