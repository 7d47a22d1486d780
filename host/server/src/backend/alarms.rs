//! Alarms: lists, and how one is shown.

use super::devices::{bad, limit};
use super::{Service, stored};
use davy_api::{AlarmItem, AlarmPage, AlarmQuery, Problem, Viewer};
use davy_domain::alarm::Alarm;
use davy_domain::{AlarmId, DeviceKind, TenantId};

/// Active alarms of one scope that are looked through at most.
pub(super) const ACTIVE_AT_MOST: u32 = 20_000;

impl Service {
    /// An alarm with what the landscape knows of its device.
    pub(super) fn alarm_item(&self, tenant: TenantId, alarm: &Alarm) -> AlarmItem {
        let landscape = self.landscape();
        let card = landscape.card(alarm.device);
        AlarmItem {
            id: alarm.id,
            device: alarm.device,
            serial: card.map(|card| card.serial.clone()).unwrap_or_default(),
            device_kind: card.map_or(DeviceKind::Detector, |card| card.kind),
            tenant_name: landscape.tenant_name(tenant).to_string(),
            address: card.map(|card| card.address.to_string()).unwrap_or_default(),
            condition: alarm.condition,
            priority: alarm.priority,
            origin: alarm.origin,
            state: alarm.state,
            raised_at: alarm.raised_at,
            changed_at: alarm.changed_at,
            valve: card.and_then(|card| self.valve_of(&card.valves())),
            lon: card.map_or(0.0, |card| card.lon),
            lat: card.map_or(0.0, |card| card.lat),
        }
    }

    pub(super) async fn alarm_page(&self, viewer: &Viewer, query: AlarmQuery) -> Result<AlarmPage, Problem> {
        let scope = self.scope(viewer)?;
        let limit = limit(query.limit)?;
        let before = query.after.as_deref().map(str::parse::<AlarmId>).transpose();
        let before = before.map_err(|error| bad("after", error.to_string()))?;
        if let Some(device) = query.device {
            scope.device(device).await.map_err(stored)?.ok_or_else(|| Problem::not_found("device"))?;
        }
        let mut rows = if query.history.unwrap_or(false) {
            scope.alarm_history(query.device, before, limit + 1).await.map_err(stored)?
        } else {
            let mut active = scope.active_alarms(ACTIVE_AT_MOST).await.map_err(stored)?;
            active.retain(|stored| {
                before.is_none_or(|before| stored.alarm.id < before)
                    && query.device.is_none_or(|device| stored.alarm.device == device)
            });
            active
        };
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| more).map(|stored| stored.alarm.id.to_string());
        Ok(AlarmPage { items: rows.iter().map(|it| self.alarm_item(it.tenant, &it.alarm)).collect(), next })
    }
}
