//! Reading and changing: on the server by calling [`davy_api::Backend`], in the browser by fetching the REST route
//! behind the same operation. The one place where pages meet data; nothing is cached here.

use davy_api::{
    Account, AlarmDecisions, AlarmLedger, AlarmPage, AlarmQuery, BackTestItem, CloseReceipt, Contacts, DataActs,
    DeviceDetail, DeviceImports, DeviceKey, DevicePage, DeviceQuery, Household, LedgerPage, LedgerQuery, Overview,
    OwnData, People, PremisesDetail, Problem, Quarantine, Requests, RuleBounds, RuleDetail, RuleSigners, RuleVersions,
    Series, SeriesQuery, Tenants, Tokens, Usage, ValvesOf,
};
use davy_domain::{AlarmId, BackTestId, DeviceId, PremisesId, ReleaseId};

/// What a page gets: the data, or a problem to show.
pub type Loaded<T> = Result<T, Problem>;

pub mod query;

#[cfg(not(feature = "ssr"))]
pub(crate) mod browser;
#[cfg(not(feature = "ssr"))]
use browser::{get, post};

/// Calls the backend as the request's viewer. The context is read before the first await, while it is at hand.
#[cfg(feature = "ssr")]
macro_rules! operation {
    ($method:ident($($argument:expr),*), $verb:ident $($route:tt)+) => {{
        let seat = crate::ssr::seat()?;
        seat.backend.$method(&seat.viewer $(, $argument)*).await
    }};
}

/// Fetches the route. `Resource` wants futures that may change threads; the browser has but one.
#[cfg(not(feature = "ssr"))]
macro_rules! operation {
    ($method:ident($($argument:expr),*), $verb:ident $($route:tt)+) => {
        send_wrapper::SendWrapper::new($verb(format!($($route)+))).await
    };
}

/// One's own account.
pub async fn account() -> Loaded<Account> {
    operation!(account(), get "/api/v1/account")
}

/// What is held of oneself, and who has met it.
pub async fn own_data() -> Loaded<OwnData> {
    operation!(own_data(), get "/api/v1/account/personal-data")
}

/// Who of the company met whose personal data.
pub async fn data_acts() -> Loaded<DataActs> {
    operation!(data_acts(), get "/api/v1/personal-data")
}

/// Who can be reached at a device, in part.
pub async fn contacts(id: DeviceId) -> Loaded<Contacts> {
    operation!(contacts(id), get "/api/v1/devices/{id}/contacts")
}

/// The figures above the map.
pub async fn overview() -> Loaded<Overview> {
    operation!(overview(), get "/api/v1/overview")
}

/// A page of alarms.
pub async fn alarms(query: AlarmQuery) -> Loaded<AlarmPage> {
    operation!(alarms(query), get "/api/v1/alarms{}", query::alarms(&query))
}

/// A page of devices.
pub async fn devices(query: DeviceQuery) -> Loaded<DevicePage> {
    operation!(devices(query), get "/api/v1/devices{}", query::devices(&query))
}

/// One device.
pub async fn device(id: DeviceId) -> Loaded<DeviceDetail> {
    operation!(device(id), get "/api/v1/devices/{id}")
}

/// A part of one series.
pub async fn series(id: DeviceId, query: SeriesQuery) -> Loaded<Series> {
    operation!(series(id, query), get "/api/v1/devices/{id}/series{}", query::series(&query))
}

/// One premises.
pub async fn premises(id: PremisesId) -> Loaded<PremisesDetail> {
    operation!(premises(id), get "/api/v1/premises/{id}")
}

/// Orders the valves of a device or of a premises to close.
pub async fn close(of: ValvesOf) -> Loaded<CloseReceipt> {
    operation!(close(of), post "/api/v1/{}/close", query::valves(of))
}

/// Says that a person has seen the alarm.
pub async fn acknowledge(id: AlarmId) -> Loaded<()> {
    operation!(acknowledge(id), post "/api/v1/alarms/{id}/acknowledge")
}

/// Resets a latched alarm.
pub async fn reset(id: AlarmId) -> Loaded<()> {
    operation!(reset(id), post "/api/v1/alarms/{id}/reset")
}

/// Why an alarm moved.
pub async fn decisions(id: AlarmId) -> Loaded<AlarmDecisions> {
    operation!(decisions(id), get "/api/v1/alarms/{id}/decisions")
}

/// What was done.
pub async fn ledger(query: LedgerQuery) -> Loaded<LedgerPage> {
    operation!(ledger(query), get "/api/v1/ledger{}", query::ledger(&query))
}

/// What the ledger has of an alarm.
pub async fn alarm_ledger(id: AlarmId) -> Loaded<AlarmLedger> {
    operation!(alarm_ledger(id), get "/api/v1/alarms/{id}/ledger")
}

/// The company's files of devices.
pub async fn device_imports() -> Loaded<DeviceImports> {
    operation!(device_imports(), get "/api/v1/device-imports")
}

/// How a device's key stands.
pub async fn device_key(id: DeviceId) -> Loaded<DeviceKey> {
    operation!(device_key(id), get "/api/v1/devices/{id}/key")
}

/// The companies of the platform.
pub async fn tenants() -> Loaded<Tenants> {
    operation!(tenants(), get "/api/v1/tenants")
}

/// What the company uses of what all companies share.
pub async fn usage() -> Loaded<Usage> {
    operation!(usage(), get "/api/v1/usage")
}

/// The company's people.
pub async fn people() -> Loaded<People> {
    operation!(people(), get "/api/v1/people")
}

/// Tokens of machines.
pub async fn tokens() -> Loaded<Tokens> {
    operation!(tokens(), get "/api/v1/tokens")
}

/// Who lives with the viewer.
pub async fn household() -> Loaded<Household> {
    operation!(household(), get "/api/v1/household")
}

/// What waits for approval.
pub async fn requests() -> Loaded<Requests> {
    operation!(requests(), get "/api/v1/approvals")
}

/// Keys whose signatures on rules are accepted.
pub async fn rule_signers() -> Loaded<RuleSigners> {
    operation!(rule_signers(), get "/api/v1/rule-signers")
}

/// The versions of the company's rules.
pub async fn rules() -> Loaded<RuleVersions> {
    operation!(rules(), get "/api/v1/rules")
}

/// One version with everything about it.
pub async fn rule(id: ReleaseId) -> Loaded<RuleDetail> {
    operation!(rule(id), get "/api/v1/rules/{id}")
}

/// The bounds of versions that are being tried.
pub async fn rule_bounds() -> Loaded<RuleBounds> {
    operation!(rule_bounds(), get "/api/v1/rule-bounds")
}

/// What waits for a driver that can read it.
pub async fn quarantine() -> Loaded<Quarantine> {
    operation!(quarantine(), get "/api/v1/quarantine")
}

/// A back-test with what it found.
pub async fn back_test(id: BackTestId) -> Loaded<BackTestItem> {
    operation!(back_test(id), get "/api/v1/back-tests/{id}")
}
