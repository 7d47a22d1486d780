//! Alarms: lists, and how one is shown.

use super::devices::{bad, limit};
use super::{Service, stored};
use crate::roles::Deed;
use davy_api::{AlarmFound, AlarmItem, AlarmPage, AlarmQuery, Problem, RuleWords, Viewer};
use davy_domain::alarm::Alarm;
use davy_domain::{AlarmId, DeviceId, DeviceKind, ScopeKind, TenantId};
use davy_store::{AlarmWords, Finding, ScopedStore, StoredAlarm};
use std::collections::HashMap;

/// Active alarms of one scope that are looked through at most.
pub(super) const ACTIVE_AT_MOST: u32 = 20_000;
/// Words on the newest alarms of a device that are read at most.
const MOST_FINDINGS: u32 = 500;

impl Service {
    /// Alarms as they are shown, with what the rules said to them: the text to everybody, the remarks to the company and its regulator.
    pub(super) async fn alarm_items(
        &self,
        viewer: &Viewer,
        scope: &ScopedStore,
        alarms: &[StoredAlarm],
    ) -> Result<Vec<AlarmItem>, Problem> {
        let inside = matches!(viewer.scope.kind(), ScopeKind::Tenant | ScopeKind::Jurisdiction);
        let mut words = scope.words_of(alarms).await.map_err(stored)?;
        let items = alarms.iter().map(|each| {
            let said = words.remove(&each.alarm.id).map(|AlarmWords { text, notes }| {
                let (zh, en) = text.map(|text| (text.zh, text.en)).unzip();
                let notes = if inside { notes } else { Vec::new() };
                RuleWords { zh, en, notes }
            });
            let said = said.filter(|said| said.zh.is_some() || !said.notes.is_empty());
            AlarmItem { said, ..self.alarm_item(each.tenant, &each.alarm) }
        });
        Ok(items.collect())
    }

    /// What somebody has said that each of a device's alarms really was; by whom, to the company and its regulator.
    pub(super) async fn found_of(
        &self,
        viewer: &Viewer,
        tenant: TenantId,
        device: DeviceId,
    ) -> Result<HashMap<AlarmId, AlarmFound>, Problem> {
        let named = matches!(viewer.scope.kind(), ScopeKind::Tenant | ScopeKind::Jurisdiction);
        let findings = self.store.tenant(tenant).findings_of(device, MOST_FINDINGS).await.map_err(stored)?;
        let found = |each: Finding| {
            let by = each.by.filter(|_| named);
            (each.alarm, AlarmFound { finding: each.finding, by, at: each.at })
        };
        Ok(findings.into_iter().map(found).collect())
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
            found: None,
            lon: site.map_or(0.0, |site| site.lon),
            lat: site.map_or(0.0, |site| site.lat),
        }
    }

    pub(super) async fn alarm_page(&self, viewer: &Viewer, query: AlarmQuery) -> Result<AlarmPage, Problem> {
        let scope = match query.device {
            Some(device) => self.enter_for(viewer, Deed::SeeAlarms, device).await?,
            None => self.enter(viewer, Deed::SeeAlarms)?,
        };
        let limit = limit(query.limit)?;
        let before = query.after.as_deref().map(str::parse::<AlarmId>).transpose();
        let before = before.map_err(|error| bad("after", error.to_string()))?;
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
