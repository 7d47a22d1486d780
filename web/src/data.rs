//! Reading and changing: on the server by calling [`davy_api::Backend`], in the browser by fetching the REST route
//! behind the same operation. The one place where pages meet data; nothing is cached here.

use davy_api::{
    AlarmDecisions, AlarmPage, AlarmQuery, BackTestItem, CloseReceipt, DeviceDetail, DevicePage, DeviceQuery, Overview,
    PremisesDetail, Problem, RuleDetail, RuleVersions, Series, SeriesQuery, ValvesOf,
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

/// The versions of the company's rules.
pub async fn rules() -> Loaded<RuleVersions> {
    operation!(rules(), get "/api/v1/rules")
}

/// One version with everything about it.
pub async fn rule(id: ReleaseId) -> Loaded<RuleDetail> {
    operation!(rule(id), get "/api/v1/rules/{id}")
}

/// A back-test with what it found.
pub async fn back_test(id: BackTestId) -> Loaded<BackTestItem> {
    operation!(back_test(id), get "/api/v1/back-tests/{id}")
}
