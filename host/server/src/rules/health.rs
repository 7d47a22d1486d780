//! What a version costs and how it fails, in service: counted at every call, looked at by people, by the metrics and by the guard.
//!
//! Counting must never fail a call and never wait for anything but this small lock.

use davy_domain::alarm::{AlarmState, Origin};
use davy_domain::interlock::AlarmChange;
use davy_domain::policy::{Evaluation, PolicyEvent, PolicyFault};
use davy_domain::{Condition, DeviceId, Span, Timestamp};
use davy_store::Difference;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Two alarms about the same thing within this time are the same alarm, raised earlier or later.
const SAME_WITHIN: Span = Span::from_minutes(10);
/// How long the last fault stands before another takes its place.
const FAULT_KEPT_FOR: Span = Span::from_secs(1);
/// Rows of differences that wait to be stored; beyond that only counted.
const MOST_ROWS: usize = 1_000;

/// Counters of one version since the process began to run it.
#[derive(Debug)]
pub struct Health(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    since: Timestamp,
    calls: u64,
    faults: BTreeMap<&'static str, u64>,
    fuel: Option<Histogram<u64>>,
    nanos: Option<Histogram<u64>>,
    last_fault: Option<LastFault>,
    alarms: u64,
    /// Calls when it was last stored.
    stored_calls: u64,
    compared: Compared,
    /// Raised by one of the two, and the other may follow.
    open: HashMap<(DeviceId, Condition), (Option<Timestamp>, Option<Timestamp>)>,
    rows: Vec<Difference>,
}

/// The last failed call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastFault {
    /// When.
    pub at: Timestamp,
    /// How.
    pub fault: String,
    /// What it was asked.
    pub event: serde_json::Value,
}

/// Figures of a distribution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// Half of all are at or below it.
    pub p50: u64,
    /// 99 of 100 are.
    pub p99: u64,
    /// All are.
    pub max: u64,
}

/// What a version in shadow would have done, beside what was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// Alarms that both raised at the same time.
    pub same: u64,
    /// Alarms that the version would have raised earlier.
    pub earlier: u64,
    /// Alarms that it would have raised later.
    pub later: u64,
    /// Alarms that it alone would have raised.
    pub added: u64,
    /// Alarms that it would not have raised.
    pub lost: u64,
}

/// The counters as they stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthReport {
    /// Since when it is counted.
    pub since: Timestamp,
    /// Calls.
    pub calls: u64,
    /// Failed calls, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Fuel of a call.
    pub fuel: Spread,
    /// Fuel that a call may burn.
    pub fuel_budget: u64,
    /// Time of a call, nanoseconds.
    pub nanos: Spread,
    /// Alarms that it raised.
    pub alarms: u64,
    /// The last failed call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_fault: Option<LastFault>,
    /// For a version in shadow.
    #[serde(default)]
    pub compared: Compared,
}

/// The kind of a fault, for counting.
pub const fn kind(fault: &PolicyFault) -> &'static str {
    match fault {
        PolicyFault::Trap { .. } => "trap",
        PolicyFault::OutOfFuel { .. } => "out-of-fuel",
        PolicyFault::Deadline => "deadline",
        PolicyFault::Suspended => "suspended",
        PolicyFault::Limit { .. } => "limit",
        PolicyFault::Nonsense { .. } => "nonsense",
        PolicyFault::Reported { .. } => "reported",
    }
}

impl Health {
    /// Nothing counted yet.
    pub fn new(since: Timestamp) -> Self {
        Self(Mutex::new(Inner {
            since,
            calls: 0,
            faults: BTreeMap::new(),
            // Three significant digits; without memory for it nothing is measured, and everything else goes on.
            fuel: Histogram::new(3).ok(),
            nanos: Histogram::new(3).ok(),
            last_fault: None,
            alarms: 0,
            stored_calls: 0,
            compared: Compared::default(),
            open: HashMap::new(),
            rows: Vec::new(),
        }))
    }

    /// Counts a call.
    pub fn called(&self, event: &PolicyEvent, evaluation: &Evaluation, took: Duration) {
        let mut inner = self.0.lock();
        inner.calls += 1;
        if let Some(fuel) = &mut inner.fuel {
            fuel.saturating_record(evaluation.fuel);
        }
        if let Some(nanos) = &mut inner.nanos {
            nanos.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        }
        if let Err(fault) = &evaluation.result {
            *inner.faults.entry(kind(fault)).or_default() += 1;
            // A version that always fails must not cost an event's copy each time.
            let fresh = |last: &LastFault| event.now.since(last.at) < FAULT_KEPT_FOR;
            if !inner.last_fault.as_ref().is_some_and(fresh) {
                inner.last_fault = Some(LastFault {
                    at: event.now,
                    fault: fault.to_string(),
                    event: serde_json::to_value(event).unwrap_or_default(),
                });
            }
        }
    }

    /// Counts the alarms that the version has raised.
    pub fn raised(&self, changes: &[AlarmChange]) {
        let raised = raises(changes).filter(|(_, _, origin)| *origin == Origin::Rule).count() as u64;
        if raised > 0 {
            self.0.lock().alarms += raised;
        }
    }

    /// Holds what a version in shadow has raised against what was raised.
    pub fn compare(&self, active: &[AlarmChange], shadow: &[AlarmChange], now: Timestamp) {
        if active.is_empty() && shadow.is_empty() {
            return;
        }
        let mut inner = self.0.lock();
        inner.settle(now);
        for (device, condition, _) in raises(active) {
            inner.meet(device, condition, Some(now), None);
        }
        for (device, condition, _) in raises(shadow) {
            inner.meet(device, condition, None, Some(now));
        }
    }

    /// The counters as they stand.
    pub fn report(&self, fuel_budget: u64, now: Timestamp) -> HealthReport {
        let mut inner = self.0.lock();
        inner.settle(now);
        HealthReport {
            since: inner.since,
            calls: inner.calls,
            faults: inner.faults.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
            fuel: spread(inner.fuel.as_ref()),
            fuel_budget,
            nanos: spread(inner.nanos.as_ref()),
            alarms: inner.alarms,
            last_fault: inner.last_fault.clone(),
            compared: inner.compared,
        }
    }

    /// Whether there is more to store than the last time that this was asked.
    pub fn is_news(&self, calls: u64) -> bool {
        let mut inner = self.0.lock();
        std::mem::replace(&mut inner.stored_calls, calls) != calls
    }

    /// The differences that have become certain since they were last taken.
    pub fn take_differences(&self) -> Vec<Difference> {
        std::mem::take(&mut self.0.lock().rows)
    }
}

/// New alarms that a rule could have raised.
fn raises(changes: &[AlarmChange]) -> impl Iterator<Item = (DeviceId, Condition, Origin)> + '_ {
    changes
        .iter()
        .filter(|change| change.before == AlarmState::Normal && change.alarm.condition.for_rules())
        .map(|change| (change.alarm.device, change.alarm.condition, change.alarm.origin))
}

fn spread(histogram: Option<&Histogram<u64>>) -> Spread {
    histogram.map_or_else(Spread::default, |histogram| Spread {
        p50: histogram.value_at_quantile(0.5),
        p99: histogram.value_at_quantile(0.99),
        max: histogram.max(),
    })
}

impl Inner {
    fn meet(&mut self, device: DeviceId, condition: Condition, active: Option<Timestamp>, shadow: Option<Timestamp>) {
        let open = self.open.entry((device, condition)).or_default();
        open.0 = open.0.or(active);
        open.1 = open.1.or(shadow);
        let (Some(active_at), Some(shadow_at)) = *open else { return };
        self.open.remove(&(device, condition));
        if active_at == shadow_at {
            self.compared.same += 1;
            return;
        }
        if shadow_at < active_at {
            self.compared.earlier += 1;
        } else {
            self.compared.later += 1;
        }
        self.row(Difference { device, condition, active_at: Some(active_at), shadow_at: Some(shadow_at) });
    }

    /// What the other has not followed in time is a difference.
    fn settle(&mut self, now: Timestamp) {
        let over = |at: &Option<Timestamp>| at.is_some_and(|at| now.since(at) > SAME_WITHIN);
        let settled: Vec<_> = self.open.extract_if(|_, (active, shadow)| over(active) || over(shadow)).collect();
        for ((device, condition), (active_at, shadow_at)) in settled {
            if active_at.is_some() {
                self.compared.lost += 1;
            } else {
                self.compared.added += 1;
            }
            self.row(Difference { device, condition, active_at, shadow_at });
        }
    }

    fn row(&mut self, row: Difference) {
        if self.rows.len() < MOST_ROWS {
            self.rows.push(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_domain::alarm::{Alarm, AlarmEffect, AlarmEvent};
    use davy_domain::{AlarmId, Priority};

    fn raise(device: i64, condition: Condition, at: Timestamp) -> AlarmChange {
        let origin = Origin::Rule;
        let alarm =
            Alarm::raised(AlarmId::from_raw(1), DeviceId::from_raw(device), condition, Priority::High, origin, at);
        let event = AlarmEvent::Raise { priority: Priority::High, origin };
        AlarmChange { before: AlarmState::Normal, alarm, event, effect: AlarmEffect::Annunciate }
    }

    #[test]
    fn differences_are_earlier_later_added_or_lost() {
        let at = |seconds: i64| Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000);
        let health = Health::new(at(0));
        let one = |device, second| vec![raise(device, Condition::GasLow, at(second))];
        health.compare(&one(1, 0), &one(1, 0), at(0));
        health.compare(&[], &one(2, 10), at(10));
        health.compare(&one(2, 15), &[], at(15));
        health.compare(&one(3, 20), &[], at(20));
        health.compare(&[], &one(3, 29), at(29));
        health.compare(&[], &one(4, 30), at(30));
        health.compare(&one(5, 40), &[], at(40));
        assert_eq!(health.report(1, at(60)).compared, Compared { same: 1, earlier: 1, later: 1, added: 0, lost: 0 });
        let later = at(60 * 60);
        assert_eq!(health.report(1, later).compared, Compared { same: 1, earlier: 1, later: 1, added: 1, lost: 1 });
        assert_eq!(health.take_differences().len(), 4);
        assert!(health.take_differences().is_empty());
    }

    #[test]
    fn what_belongs_to_the_platform_is_no_difference() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let health = Health::new(now);
        health.compare(&[], &[raise(1, Condition::RuleFault, now)], now);
        assert_eq!(health.report(1, now + Span::from_hours(1)).compared, Compared::default());
    }
}
