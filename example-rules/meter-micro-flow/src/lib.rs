//! Example alarm policy for gas meters: a silent leak, too small for any detector's nose, seen by the meter itself.
//!
//! A flow smaller than the smallest burner's, that never stops, night after night, is a leak: a weeping joint, a valve that does not
//! seat. A household pauses at night; a leak never does. So a night counts when such a flow has run without a break for some hours of
//! it, some nights in a row raise the alarm, and one proven pause ends it all.
//!
//! It reads `flow`, or, of meters that have none, the steps of `vol`. It must never take missing values for a flow, nor for a pause.

mod settings;

use davy_rules_sdk::prelude::*;
pub use settings::MicroFlow;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What the rule remembers of one meter.
#[derive(State, Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// The time of the last value, whatever it was.
    last_ms: Option<i64>,
    /// The last index, of meters that measure no flow.
    index: Option<f64>,
    /// Whether the meter measures flow: then its index is left aside.
    measures_flow: bool,
    /// Since when a small flow has run within the present night without a break.
    small_since_ms: Option<i64>,
    /// Since when nothing has flowed.
    none: Persistence,
    /// The newest night that counted, in days since 1970 by the place's clock.
    night: Option<i64>,
    /// Nights in a row.
    nights: u32,
    raised: bool,
}

/// One decision.
#[alarm_policy(
    name = "meter-micro-flow",
    version = "1.0.0",
    zh = "燃气表夜间微小连续流量:疑似隐蔽泄漏。",
    en = "A meter's small continuous flow at night: a silent leak.",
    texts(
        1 = ("连续多夜存在微小流量,疑似户内隐蔽泄漏", "A small flow for nights in a row: a silent leak is likely")
    )
)]
pub fn decide(settings: &MicroFlow, memory: &mut Memory, event: &Event) -> Decision {
    let mut decision = Decision::new();
    if event.trigger() != Trigger::Readings {
        return decision;
    }
    for reading in &event.readings {
        match reading.quantity {
            quantity::FLOW => {
                memory.measures_flow = true;
                memory.index = None;
                memory.flow(settings, reading.at_ms, reading.value, &mut decision);
            }
            quantity::VOLUME if !memory.measures_flow => memory.index(settings, reading, &mut decision),
            _ => {}
        }
    }
    decision
}

impl Memory {
    /// The flow between two indexes. A late index, or one that has gone back (another meter was installed), begins anew.
    fn index(&mut self, settings: &MicroFlow, reading: &Reading, decision: &mut Decision) {
        let before = self.index.replace(reading.value).zip(self.last_ms);
        if let Some((index, at)) = before {
            let hours = (reading.at_ms - at) as f64 / HOUR_MS as f64;
            if hours <= 0.0 || reading.value < index {
                self.small_since_ms = None;
                self.none.reset();
            } else {
                return self.flow(settings, reading.at_ms, (reading.value - index) / hours, decision);
            }
        }
        self.last_ms = Some(reading.at_ms);
    }

    fn flow(&mut self, settings: &MicroFlow, at_ms: i64, flow: f64, decision: &mut Decision) {
        let before = self.last_ms.replace(at_ms);
        let apart = before
            .is_none_or(|before| at_ms < before || at_ms - before > i64::from(settings.apart_minutes) * MINUTE_MS);
        if apart {
            self.small_since_ms = None;
            self.none.reset();
        }
        let nothing = flow <= settings.none_up_to;
        if self.none.update(nothing, at_ms, i64::from(settings.proof_minutes) * MINUTE_MS) {
            (self.night, self.nights) = (None, 0);
            // Only while it is raised: a pause is the usual thing.
            if core::mem::take(&mut self.raised) {
                decision.clear(condition::MICRO_FLOW);
            }
        }
        let Some((night, lasted_ms)) = night(settings, at_ms).filter(|_| !nothing && flow <= settings.small_up_to)
        else {
            self.small_since_ms = None;
            return;
        };
        // Not before the night began: an evening's simmering is no part of it.
        let since = (*self.small_since_ms.get_or_insert(at_ms)).max(at_ms - lasted_ms);
        if at_ms - since >= i64::from(settings.hours) * HOUR_MS && self.night != Some(night) {
            self.nights = if self.night == Some(night - 1) { self.nights.saturating_add(1) } else { 1 };
            self.night = Some(night);
            if self.nights >= settings.nights && !self.raised {
                self.raised = true;
                decision.raise_with_text(condition::MICRO_FLOW, priority::MEDIUM, 1);
                decision.note(format!("{} nights in a row, {flow:.4} m3/h now", self.nights));
            }
        }
    }
}

/// The night in which a time lies, named by the day on which it ends, and how long it has lasted; `None` by day.
fn night(settings: &MicroFlow, at_ms: i64) -> Option<(i64, i64)> {
    let local = at_ms + i64::from(settings.utc_offset_minutes) * MINUTE_MS;
    let from = i64::from(settings.night_from) * HOUR_MS;
    let length = i64::from((settings.night_to + 24 - settings.night_from) % 24) * HOUR_MS;
    let lasted = (local - from).rem_euclid(DAY_MS);
    (lasted <= length).then(|| ((local - lasted + length).div_euclid(DAY_MS), lasted))
}
