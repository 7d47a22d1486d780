//! Alarms: lists, and how one is shown.

use super::devices::{bad, limit};
use super::{Service, stored};
use davy_api::{AlarmItem, AlarmPage, AlarmQuery, Problem, Role, RuleWords, Viewer};
use davy_domain::alarm::Alarm;
use davy_domain::{AlarmId, DeviceKind, TenantId};
use davy_store::{AlarmWords, ScopedStore, StoredAlarm};

/// Active alarms of one scope that are looked through at most.
pub(super) const ACTIVE_AT_MOST: u32 = 20_000;

impl Service {
    /// Alarms as they are shown, with what the rules said to them: the text to everybody, the remarks to no resident.
    pub(super) async fn alarm_items(
        &self,
        viewer: &Viewer,
        scope: &ScopedStore,
        alarms: &[StoredAlarm],
    ) -> Result<Vec<AlarmItem>, Problem> {
        let mut words = scope.words_of(alarms).await.map_err(stored)?;
        let items = alarms.iter().map(|each| {
            let said = words.remove(&each.alarm.id).map(|AlarmWords { text, notes }| {
                let (zh, en) = text.map(|text| (text.zh, text.en)).unzip();
                let notes = if viewer.role == Role::Resident { Vec::new() } else { notes };
                RuleWords { zh, en, notes }
            });
            let said = said.filter(|said| said.zh.is_some() || !said.notes.is_empty());
            AlarmItem { said, ..self.alarm_item(each.tenant, &each.alarm) }
        });
        Ok(items.collect())
    }

    /// An alarm with what the landscape knows of its device, without what was said to it.
    pub(super) fn alarm_item(&self, tenant: TenantId, alarm: &Alarm) -> AlarmItem {
        let landscape = self.landscape();
        let card = landscape.card(alarm.device);
        // Where the map draws it, so that whoever hears of the alarm knows which part of the map it touches.
        let site = landscape.site_of(alarm.device).and_then(|at| landscape.sites().get(at));
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
            said: None,
            lon: site.map_or(0.0, |site| site.lon),
            lat: site.map_or(0.0, |site| site.lat),
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
        Ok(AlarmPage { items: self.alarm_items(viewer, &scope, &rows).await?, next })
    }
}
