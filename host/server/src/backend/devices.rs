//! Devices and premises: lists and details.

use super::orders::valves_of;
use super::{Service, stored};
use crate::operate::DeviceView;
use crate::roles::Deed;
use davy_api::{
    CommandItem, DeviceDetail, DevicePage, DeviceQuery, DeviceSummary, FloorLevel, LatestReading, PremisesDetail,
    Problem, Viewer,
};
use davy_domain::command::{Cause, Command};
use davy_domain::floor::FloorRule;
use davy_domain::{Condition, ConditionSet, DeviceId, DeviceKind, PremisesId, Span, TenantId, Timestamp, ValveState};
use davy_store::{DeviceFilter, ScopedStore};

/// Rows of a list unless told.
const LIMIT: u32 = 50;
/// Rows of a list at most.
const LIMIT_AT_MOST: u32 = 200;
/// Commands and alarms on a device's page.
const ON_PAGE: u32 = 20;
/// Devices of a premises or an interlock that a page shows at most.
const TOGETHER: u32 = 200;
/// Devices of a filtered list that are counted at most.
const COUNTED_AT_MOST: u32 = 10_000;
/// After which silence a device without an interval of its own counts as offline.
const OFFLINE_AFTER: Span = Span::from_hours(24);

/// Conditions from the one that a person must know of first.
const BY_URGENCY: [Condition; 13] = [
    Condition::GasHigh,
    Condition::CoHigh,
    Condition::GasLow,
    Condition::CoLow,
    Condition::FlowAfterClose,
    Condition::CloseUnverified,
    Condition::GasRising,
    Condition::MicroFlow,
    Condition::Tamper,
    Condition::SensorEndOfLife,
    Condition::Silent,
    Condition::RuleFault,
    Condition::BatteryLow,
];

pub(super) fn worst(active: ConditionSet) -> Option<Condition> {
    BY_URGENCY.into_iter().find(|condition| active.contains(*condition))
}

/// Of several valves the one that is least safely closed: what a person must reckon with.
pub(super) fn least_closed(valves: impl Iterator<Item = ValveState>) -> Option<ValveState> {
    valves.min_by_key(|valve| match valve {
        ValveState::Open => 0,
        ValveState::Unverified => 1,
        ValveState::Unknown => 2,
        ValveState::Closing => 3,
        ValveState::Closed => 4,
    })
}

pub(super) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked.unwrap_or(LIMIT) {
        limit @ 1..=LIMIT_AT_MOST => Ok(limit),
        other => Err(bad("limit", format!("expected 1 to {LIMIT_AT_MOST}, got {other}"))),
    }
}

pub(super) fn bad(field: &str, reason: String) -> Problem {
    Problem::new("invalid", 422, "A field is not valid", format!("`{field}`: {reason}")).with_field(field, reason)
}

pub(super) fn command_item(command: &Command) -> CommandItem {
    let (cause, alarm) = match command.cause {
        Cause::Leak { alarm } => ("leak", Some(alarm)),
        Cause::Rule => ("rule", None),
        Cause::Operator { .. } => ("operator", None),
        Cause::Resident { .. } => ("resident", None),
    };
    CommandItem {
        id: command.id,
        device: command.device,
        action: command.action,
        state: command.state,
        cause: cause.to_owned(),
        alarm,
        requested_at: command.requested_at,
        changed_at: command.changed_at,
        deadline: command.deadline,
    }
}

/// Whether a device has reported within its interval.
pub(super) fn online(view: Option<&DeviceView>, interval: Option<Span>, now: Timestamp) -> bool {
    view.is_some_and(|view| {
        !view.active.contains(Condition::Silent)
            && view.last_seen.is_some_and(|seen| interval.is_some() || now.since(seen) < OFFLINE_AFTER)
    })
}

impl Service {
    /// The device's own valve, or the least safely closed of the linked ones.
    pub(super) fn valve_of(&self, valves: &[DeviceId]) -> Option<ValveState> {
        least_closed(
            valves.iter().map(|valve| self.operate.device_view(*valve).map_or(ValveState::Unknown, |view| view.valve)),
        )
    }

    fn summary(&self, row: &davy_store::DeviceSummary, view: Option<&DeviceView>) -> DeviceSummary {
        let device = &row.device;
        let own = [device.id];
        let valves = if device.kind.has_valve() { &own[..] } else { &device.links };
        let landscape = self.landscape();
        let place = || landscape.card(device.id).map(|card| card.address.to_string()).unwrap_or_default();
        DeviceSummary {
            id: device.id,
            serial: device.serial.clone(),
            kind: device.kind,
            model: device.model.clone(),
            address: row.address.clone().unwrap_or_else(place),
            last_seen: view.and_then(|view| view.last_seen),
            online: online(view, device.report_interval, self.now()),
            worst: view.and_then(|view| worst(view.active)),
            valve: self.valve_of(valves),
        }
    }

    fn summarise(&self, row: &davy_store::DeviceSummary) -> DeviceSummary {
        self.summary(row, self.operate.device_view(row.device.id).as_ref())
    }

    pub(super) async fn device_page(&self, viewer: &Viewer, query: DeviceQuery) -> Result<DevicePage, Problem> {
        let scope = self.enter(viewer, Deed::SeeDevices)?;
        let limit = limit(query.limit)?;
        let after = query.after.as_deref().map(str::parse::<DeviceId>).transpose();
        let after = after.map_err(|error| bad("after", error.to_string()))?;
        let text = query.q.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(ToOwned::to_owned);
        if text.as_ref().is_some_and(|text| text.chars().count() > 100) {
            return Err(bad("q", "expected at most 100 characters".to_owned()));
        }
        let filter = DeviceFilter { kind: query.kind, text, ..DeviceFilter::default() };
        let total = count(&scope, &filter).await?;
        let mut rows = scope.devices(&filter, after, limit + 1).await.map_err(stored)?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| more).map(|row| row.device.id.to_string());
        Ok(DevicePage { items: rows.iter().map(|row| self.summarise(row)).collect(), next, total })
    }

    pub(super) async fn device_detail(&self, viewer: &Viewer, id: DeviceId) -> Result<DeviceDetail, Problem> {
        let scope = self.enter_for(viewer, Deed::SeeDevices, id).await?;
        let row = scope.device(id).await.map_err(stored)?.ok_or_else(|| Problem::not_found("device"))?;
        self.detail(viewer, &scope, row).await
    }

    async fn detail(
        &self,
        viewer: &Viewer,
        scope: &ScopedStore,
        row: davy_store::DeviceSummary,
    ) -> Result<DeviceDetail, Problem> {
        let device = &row.device;
        let view = self.operate.device_view(device.id);
        let valves = if device.kind.has_valve() { vec![device.id] } else { device.links.clone() };
        let mut commands = Vec::new();
        for valve in &valves {
            commands.extend(scope.commands(*valve, None, ON_PAGE).await.map_err(stored)?);
        }
        commands.sort_by_key(|stored| std::cmp::Reverse(stored.command.id));
        commands.truncate(ON_PAGE as usize);
        // Who looks after bills meets the meter, not its alarms.
        let alarms = if Deed::SeeAlarms.allowed_to(viewer) {
            scope.alarm_history(Some(device.id), None, ON_PAGE).await.map_err(stored)?
        } else {
            Vec::new()
        };
        let mut alarms = self.alarm_items(viewer, scope, &alarms).await?;
        if !alarms.is_empty() {
            let mut found = self.found_of(viewer, device.tenant, device.id).await?;
            for alarm in &mut alarms {
                alarm.found = found.remove(&alarm.id);
            }
        }
        let together = scope.interlock_devices(device.interlock).await.map_err(stored)?;
        let latest = view.iter().flat_map(|view| &view.latest).map(|reading| LatestReading {
            quantity: reading.quantity,
            value: reading.value,
            unit: reading.quantity.unit().to_owned(),
            at: reading.at,
        });
        Ok(DeviceDetail {
            summary: self.summary(&row, view.as_ref()),
            tenant_name: self.landscape().tenant_name(device.tenant).to_string(),
            premises: device.premises,
            installed_at: device.installed_at,
            report_interval_ms: device.report_interval.map(Span::as_millis),
            latest: latest.collect(),
            alarms,
            commands: commands.iter().map(|stored| command_item(&stored.command)).collect(),
            linked: together
                .iter()
                .filter(|other| other.device.id != device.id)
                .take(TOGETHER as usize)
                .map(|other| self.summarise(other))
                .collect(),
            may_close: Deed::CloseValve.allowed_to(viewer) && !valves.is_empty(),
            lon: device.lon,
            lat: device.lat,
        })
    }

    pub(super) async fn premises_detail(&self, viewer: &Viewer, id: PremisesId) -> Result<PremisesDetail, Problem> {
        let scope = self.enter_for(viewer, Deed::SeeDevices, id).await?;
        let found = scope.premises_by_id(id).await.map_err(stored)?;
        let premises = found.ok_or_else(|| Problem::not_found("premises"))?;
        let filter = DeviceFilter { premises: Some(id), ..DeviceFilter::default() };
        let mut devices = Vec::new();
        for row in scope.devices(&filter, None, TOGETHER).await.map_err(stored)? {
            devices.push(self.detail(viewer, &scope, row).await?);
        }
        let mut alarms: Vec<_> =
            devices.iter().flat_map(|device| &device.alarms).filter(|it| is_active(it)).cloned().collect();
        alarms.sort_by_key(|alarm| std::cmp::Reverse(alarm.id));
        let mut commands: Vec<_> = devices.iter().flat_map(|device| &device.commands).cloned().collect();
        commands.sort_by_key(|command| std::cmp::Reverse(command.id));
        commands.dedup_by_key(|command| command.id);
        commands.truncate(ON_PAGE as usize);
        // All of them, also those that do not fit on the page: one open valve is not hidden by many devices.
        let valves: Vec<_> = valves_of(&scope, id).await?.into_iter().map(|(_, valve)| valve).collect();
        Ok(PremisesDetail {
            id,
            address: premises.address,
            tenant_name: self.landscape().tenant_name(premises.tenant).to_string(),
            valve: self.valve_of(&valves),
            floor: self.floor_levels(premises.tenant, &devices),
            devices,
            alarms,
            commands,
        })
    }
}

impl Service {
    /// What the law says of the quantities that these devices may report, each level once.
    fn floor_levels(&self, tenant: TenantId, devices: &[DeviceDetail]) -> Vec<FloorLevel> {
        let landscape = self.landscape();
        let Some(floor) = landscape.floor(tenant) else { return Vec::new() };
        let now = self.now();
        let holds = |kinds: &[DeviceKind]| devices.iter().any(|device| kinds.contains(&device.summary.kind));
        let rules = floor.in_force(now).filter(|rule| holds(&rule.device_kinds));
        let level = |rule: &FloorRule| FloorLevel {
            quantity: rule.quantity,
            rule: rule.id.clone(),
            at_or_above: rule.at_or_above,
            clear_below: rule.clear_below,
            close: rule.close,
        };
        rules.map(level).collect()
    }
}

/// How many devices match; counted up to [`COUNTED_AT_MOST`] when there is a filter.
async fn count(scope: &ScopedStore, filter: &DeviceFilter) -> Result<u64, Problem> {
    if *filter == DeviceFilter::default() {
        return Ok(scope.totals().await.map_err(stored)?.devices);
    }
    Ok(scope.devices(filter, None, COUNTED_AT_MOST).await.map_err(stored)?.len() as u64)
}

fn is_active(alarm: &davy_api::AlarmItem) -> bool {
    alarm.state != davy_domain::alarm::AlarmState::Normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_has_its_place_in_the_order_of_urgency() {
        for condition in Condition::ALL {
            assert!(BY_URGENCY.contains(condition), "{condition}");
        }
        let mut active = ConditionSet::EMPTY;
        active.insert(Condition::Silent);
        active.insert(Condition::GasLow);
        assert_eq!(worst(active), Some(Condition::GasLow));
    }

    #[test]
    fn one_open_valve_is_not_hidden_by_closed_ones() {
        let valves = [ValveState::Closed, ValveState::Open, ValveState::Unverified];
        assert_eq!(least_closed(valves.into_iter()), Some(ValveState::Open));
        assert_eq!(least_closed([ValveState::Closed, ValveState::Unknown].into_iter()), Some(ValveState::Unknown));
        assert_eq!(least_closed(std::iter::empty()), None);
    }
}
