//! What a version costs and how it fails, in service: counted at every call, looked at by people, by the metrics and by the guard.
//!
//! The counters are those of the version's stage, not of the process: they are stored, and go on after a restart. Counting must never fail
//! a call and never wait for anything but this small lock.

use super::compared::{Comparison, Seen, raises};
use davy_api::{RuleHealth, RuleSpread};
use davy_domain::alarm::Origin;
use davy_domain::interlock::AlarmChange;
use davy_domain::policy::{Evaluation, PolicyEvent, PolicyFault};
use davy_domain::{Span, Timestamp};
use davy_store::Difference;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the last fault stands before another takes its place.
const FAULT_KEPT_FOR: Span = Span::from_secs(1);
/// So many of the newest calls are looked at apart from all the others.
pub const RECENT: usize = 512;

/// Counters of one version since it came to its stage.
#[derive(Debug)]
pub struct Health(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    since: Timestamp,
    calls: u64,
    faults: BTreeMap<String, u64>,
    recent: Recent,
    fuel: Option<Histogram<u64>>,
    nanos: Option<Histogram<u64>>,
    last_fault: Option<LastFault>,
    alarms: u64,
    /// Calls when it was last stored.
    stored_calls: u64,
    comparison: Comparison,
}

/// How the newest calls ended: a ring of bits.
#[derive(Debug)]
struct Recent {
    failed: [u64; RECENT / 64],
    next: usize,
    calls: u64,
}

impl Default for Recent {
    fn default() -> Self {
        Self { failed: [0; RECENT / 64], next: 0, calls: 0 }
    }
}

impl Recent {
    fn push(&mut self, failed: bool) {
        let (word, bit) = (self.next / 64, 1 << (self.next % 64));
        self.failed[word] = if failed { self.failed[word] | bit } else { self.failed[word] & !bit };
        self.next = (self.next + 1) % RECENT;
        self.calls = (self.calls + 1).min(RECENT as u64);
    }

    fn faults(&self) -> u64 {
        self.failed.iter().map(|word| u64::from(word.count_ones())).sum()
    }
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

/// The counters as they are stored: what a report says, and what is needed to go on counting.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    report: RuleHealth,
    /// Whether it decided: from shadow into a cohort the counters begin anew.
    #[serde(default)]
    deciding: bool,
    /// Fuel of calls, and how many of them.
    #[serde(default)]
    fuel_steps: Vec<(u64, u64)>,
    /// Nanoseconds of calls, and how many of them.
    #[serde(default)]
    nanos_steps: Vec<(u64, u64)>,
}

/// Every kind of a fault, for counting.
pub const KINDS: [&str; 7] = ["trap", "out-of-fuel", "deadline", "suspended", "limit", "nonsense", "reported"];

/// Which of [`KINDS`] a fault is of.
pub const fn kind(fault: &PolicyFault) -> usize {
    match fault {
        PolicyFault::Trap { .. } => 0,
        PolicyFault::OutOfFuel { .. } => 1,
        PolicyFault::Deadline => 2,
        PolicyFault::Suspended => 3,
        PolicyFault::Limit { .. } => 4,
        PolicyFault::Nonsense { .. } => 5,
        PolicyFault::Reported { .. } => 6,
    }
}

impl Health {
    /// Nothing counted yet.
    pub fn new(since: Timestamp) -> Self {
        Self(Mutex::new(Inner {
            since,
            calls: 0,
            faults: BTreeMap::new(),
            recent: Recent::default(),
            // Three significant digits; without memory for it nothing is measured, and everything else goes on.
            fuel: Histogram::new(3).ok(),
            nanos: Histogram::new(3).ok(),
            last_fault: None,
            alarms: 0,
            stored_calls: 0,
            comparison: Comparison::default(),
        }))
    }

    /// Goes on from what was stored, if it is of a version that decided as much as this one does; else begins anew.
    pub fn resumed(stored: Option<&str>, deciding: bool, now: Timestamp) -> Self {
        let health = Self::new(now);
        let stored = stored.and_then(|stored| serde_json::from_str::<Stored>(stored).ok());
        if let Some(Stored { report, fuel_steps, nanos_steps, .. }) =
            stored.filter(|stored| stored.deciding == deciding)
        {
            let mut inner = health.0.lock();
            inner.since = report.since;
            inner.calls = report.calls;
            inner.stored_calls = report.calls;
            inner.faults = report.faults;
            inner.last_fault = report.last_fault.and_then(|last| serde_json::from_value(last).ok());
            inner.alarms = report.alarms;
            inner.comparison = Comparison::from_counts(report.compared);
            record(inner.fuel.as_mut(), &fuel_steps);
            record(inner.nanos.as_mut(), &nanos_steps);
        }
        health
    }

    /// What is to be stored; none when nothing was counted since the last time that something was.
    pub fn to_store(&self, report: &RuleHealth, deciding: bool) -> Option<String> {
        let inner = self.0.lock();
        if inner.stored_calls == report.calls {
            return None;
        }
        let (fuel_steps, nanos_steps) = (steps(inner.fuel.as_ref()), steps(inner.nanos.as_ref()));
        drop(inner);
        serde_json::to_string(&Stored { report: report.clone(), deciding, fuel_steps, nanos_steps }).ok()
    }

    /// Notes that a report is stored.
    pub fn is_stored(&self, report: &RuleHealth) {
        self.0.lock().stored_calls = report.calls;
    }

    /// Counts a call of an alarm policy.
    pub fn called(&self, event: &PolicyEvent, evaluation: &Evaluation, took: Duration) {
        let fault = evaluation.result.as_ref().err();
        self.asked(event.now, (evaluation.fuel, took), fault, || serde_json::to_value(event).unwrap_or_default());
    }

    /// Counts a call of whatever policy: at which time of the platform, what it cost, how it failed if it did, and the event that it was
    /// asked about.
    pub fn asked(
        &self,
        now: Timestamp,
        (fuel_used, took): (u64, Duration),
        fault: Option<&PolicyFault>,
        event: impl FnOnce() -> serde_json::Value,
    ) {
        let mut inner = self.0.lock();
        inner.calls += 1;
        inner.recent.push(fault.is_some());
        if let Some(fuel) = &mut inner.fuel {
            grow(fuel.record(fuel_used));
        }
        if let Some(nanos) = &mut inner.nanos {
            grow(nanos.record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)));
        }
        if let Some(fault) = fault {
            let kind = KINDS[kind(fault)];
            match inner.faults.get_mut(kind) {
                Some(count) => *count += 1,
                None => drop(inner.faults.insert(kind.to_owned(), 1)),
            }
            // A version that always fails must not cost an event's copy each time.
            let fresh = |last: &LastFault| now.since(last.at) < FAULT_KEPT_FOR;
            if !inner.last_fault.as_ref().is_some_and(fresh) {
                inner.last_fault = Some(LastFault { at: now, fault: fault.to_string(), event: event() });
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

    /// Holds what the version did, or would have done, against what is in force.
    pub fn compare(&self, active: &[Seen], version: &[Seen], now: Timestamp) {
        if !active.is_empty() || !version.is_empty() {
            self.0.lock().comparison.take(active, version, now);
        }
    }

    /// Takes in what was found elsewhere, of one alarm that is compared as a whole.
    pub fn found(&self, counts: &davy_api::RuleCompared, rows: Vec<Difference>) {
        self.0.lock().comparison.add(counts, rows);
    }

    /// The counters as they stand.
    pub fn report(&self, fuel_budget: u64, now: Timestamp) -> RuleHealth {
        let mut inner = self.0.lock();
        let compared = inner.comparison.counts(now);
        RuleHealth {
            since: inner.since,
            calls: inner.calls,
            faults: inner.faults.clone(),
            fuel: spread(inner.fuel.as_ref()),
            fuel_budget,
            nanos: spread(inner.nanos.as_ref()),
            recent_calls: inner.recent.calls,
            recent_faults: inner.recent.faults(),
            alarms: inner.alarms,
            last_fault: inner.last_fault.as_ref().and_then(|last| serde_json::to_value(last).ok()),
            compared,
        }
    }

    /// The differences that have become certain since they were last taken.
    pub fn take_differences(&self) -> Vec<Difference> {
        self.0.lock().comparison.take_rows()
    }

    /// Puts back differences that could not be stored.
    pub fn give_back(&self, rows: Vec<Difference>) {
        self.0.lock().comparison.give_back(rows);
    }
}

/// A figure that has no place grows the histogram; what cannot grow for want of memory is not measured, and everything else goes on.
fn grow(recorded: Result<(), hdrhistogram::RecordError>) {
    if let Err(error) = recorded {
        tracing::debug!(%error, "a call's cost could not be recorded");
    }
}

fn steps(histogram: Option<&Histogram<u64>>) -> Vec<(u64, u64)> {
    let recorded = histogram.into_iter().flat_map(Histogram::iter_recorded);
    recorded.map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
}

fn record(histogram: Option<&mut Histogram<u64>>, steps: &[(u64, u64)]) {
    if let Some(histogram) = histogram {
        for (value, count) in steps {
            grow(histogram.record_n(*value, *count));
        }
    }
}

fn spread(histogram: Option<&Histogram<u64>>) -> RuleSpread {
    histogram.map_or_else(RuleSpread::default, |histogram| RuleSpread {
        p50: histogram.value_at_quantile(0.5),
        p99: histogram.value_at_quantile(0.99),
        max: histogram.max(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_domain::DeviceKind;
    use davy_domain::policy::PolicyOutcome;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const LATER: Timestamp = Timestamp::from_millis(1_800_000_060_000);

    fn call(health: &Health, fails: bool, fuel: u64) {
        let event = PolicyEvent::measured(DeviceKind::Detector, NOW, Vec::new());
        let result = if fails { Err(PolicyFault::Deadline) } else { Ok(PolicyOutcome::default()) };
        health.called(&event, &Evaluation { result, fuel }, Duration::from_micros(fuel));
    }

    #[test]
    fn counters_go_on_after_a_restart_and_begin_anew_with_another_stage() {
        let health = Health::new(NOW);
        for fuel in 1..=1_000 {
            call(&health, fuel % 100 == 0, fuel * 37);
        }
        let before = health.report(5, NOW);
        assert!(
            (36_900..37_100).contains(&before.fuel.max),
            "figures of every size have their place: {:?}",
            before.fuel
        );
        let stored = health.to_store(&before, false).unwrap();
        health.is_stored(&before);
        assert_eq!(health.to_store(&before, false), None, "nothing new");

        let resumed = Health::resumed(Some(&stored), false, LATER);
        let after = resumed.report(5, LATER);
        assert_eq!((after.since, after.calls, &after.faults), (NOW, 1_000, &before.faults));
        assert_eq!((after.fuel, after.nanos, &after.last_fault), (before.fuel, before.nanos, &before.last_fault));
        assert_eq!(resumed.to_store(&after, false), None, "it is stored already");
        call(&resumed, true, 1);
        assert_eq!(resumed.report(5, LATER).calls, 1_001);
        assert!(resumed.to_store(&resumed.report(5, LATER), false).is_some());

        for begun in [Health::resumed(Some(&stored), true, LATER), Health::resumed(Some("{}"), false, LATER)] {
            assert_eq!((begun.report(5, LATER).calls, begun.report(5, LATER).since), (0, LATER));
        }
    }

    #[test]
    fn the_newest_calls_are_counted_apart_from_all_the_others() {
        let health = Health::new(NOW);
        (0..10_000).for_each(|_| call(&health, false, 1));
        (0..20).for_each(|_| call(&health, true, 1));
        let report = health.report(5, NOW);
        assert_eq!((report.recent_calls, report.recent_faults), (RECENT as u64, 20));
        (0..RECENT).for_each(|_| call(&health, false, 1));
        assert_eq!(health.report(5, NOW).recent_faults, 0, "what was long ago is forgotten");
        assert_eq!(health.report(5, NOW).faults["deadline"], 20);
    }
}
