//! The figures above the map, counted over the viewer's reach and kept for a moment.

use super::alarms::ACTIVE_AT_MOST;
use super::devices::online;
use super::landscape::SiteKind;
use super::{OVERVIEW_AGE, OVERVIEWS_AT_MOST, Service, stored};
use crate::roles::Deed;
use davy_api::{DivisionCount, Overview, Problem, Viewer};
use davy_domain::ValveState;
use davy_domain::alarm::AlarmState;
use davy_store::{DivisionCode, StoredAlarm};
use std::collections::{BTreeMap, HashSet};
use std::sync::PoisonError;

#[derive(Default)]
struct Count {
    premises: u64,
    leaks: u64,
    alarms: u64,
}

impl Service {
    pub(super) async fn overview_of(&self, viewer: &Viewer) -> Result<Overview, Problem> {
        let reach = self.reach(viewer)?;
        let (key, now) = (reach.key(), self.now());
        {
            let kept = self.overviews.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, overview)) = kept.get(&key)
                && (0..OVERVIEW_AGE.as_millis()).contains(&now.since(*at).as_millis())
            {
                return Ok(overview.clone());
            }
        }
        let scope = self.enter(viewer, Deed::SeeAlarms)?;
        let active = scope.active_alarms(ACTIVE_AT_MOST).await.map_err(stored)?;
        let closing = scope.valves_closing().await.map_err(stored)?;
        let overview = Overview { closing, ..self.count(&reach, &active) };
        let mut kept = self.overviews.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= OVERVIEWS_AT_MOST {
            kept.clear();
        }
        kept.insert(key, (now, overview.clone()));
        Ok(overview)
    }

    fn count(&self, reach: &super::Reach, active: &[StoredAlarm]) -> Overview {
        let landscape = self.landscape();
        let mut overview = Overview {
            premises: 0,
            devices: 0,
            online: 0,
            leaks: 0,
            alarms: active.len() as u64,
            unacknowledged: 0,
            closing: 0,
            unverified: 0,
            divisions: Vec::new(),
            bounds: Vec::new(),
        };
        let mut divisions: BTreeMap<DivisionCode, Count> = BTreeMap::new();
        let mut bounds = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
        for site in landscape.sites().iter().filter(|site| reach.covers(&site.place)) {
            bounds =
                [bounds[0].min(site.lon), bounds[1].min(site.lat), bounds[2].max(site.lon), bounds[3].max(site.lat)];
            if let SiteKind::Premises(_) = site.kind {
                overview.premises += 1;
                if let Some(code) = site.place.division {
                    divisions.entry(code).or_default().premises += 1;
                }
            }
        }
        if bounds[0].is_finite() {
            overview.bounds = bounds.to_vec();
        }
        let now = self.now();
        for card in landscape.cards().filter(|card| reach.covers(&card.place)) {
            let view = self.operate.device_view(card.id);
            overview.devices += 1;
            overview.online += u64::from(online(view.as_ref(), card.report_interval, now));
            if card.kind.has_valve() {
                overview.unverified += u64::from(view.is_some_and(|view| view.valve == ValveState::Unverified));
            }
        }
        // One home with a low and a high alarm, or with two detectors, is one leak: what is counted is where somebody must go.
        let mut leaking = HashSet::new();
        for stored in active {
            let card = landscape.card(stored.alarm.device);
            let place = card.and_then(|card| card.place.premises).ok_or(stored.alarm.device);
            let leak = u64::from(stored.alarm.condition.is_leak() && leaking.insert(place));
            overview.leaks += leak;
            overview.unacknowledged += u64::from(matches!(
                stored.alarm.state,
                AlarmState::Unacknowledged | AlarmState::ReturnedUnacknowledged | AlarmState::LatchedUnacknowledged
            ));
            if let Some(code) = card.and_then(|card| card.place.division) {
                let count = divisions.entry(code).or_default();
                count.alarms += 1;
                count.leaks += leak;
            }
        }
        overview.divisions = divisions
            .into_iter()
            .map(|(code, count)| {
                let division = landscape.division(code);
                DivisionCount {
                    code: code.0.to_string(),
                    name_zh: division.map(|it| it.name_zh.clone()).unwrap_or_default(),
                    name_en: division.map(|it| it.name_en.clone()).unwrap_or_default(),
                    premises: count.premises,
                    leaks: count.leaks,
                    alarms: count.alarms,
                }
            })
            .collect();
        overview
    }
}
