//! What the shards ask of one version: a component with its settings, counted, timed and rationed; or what stands in for one that cannot be
//! loaded.
//!
//! Must never answer without counting: what people see of a version and what the guard judges comes from here.

use super::health::{Health, KINDS, kind};
use crate::ingest::ration::Ration;
use davy_domain::policy::{AlarmPolicy, Evaluation, PolicyEvent, PolicyFault};
use davy_domain::{ReleaseId, TenantId};
use davy_rules::BoundRule;
use metrics::{Counter, Histogram, counter, histogram};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A component with its settings, counted and timed.
pub(super) struct Sandboxed {
    rule: BoundRule,
    health: Arc<Health>,
    /// Whether what it waits for is passed on.
    wake_conditions: bool,
    ration: Ration,
    suspended: Counter,
    calls: Counter,
    faults: Faults,
    fuel: Histogram,
    seconds: Histogram,
}

impl Sandboxed {
    /// A version of a company; `wake_conditions` says whether what it waits for is passed on.
    pub(super) fn new(
        rule: BoundRule,
        health: Arc<Health>,
        wake_conditions: bool,
        tenant: TenantId,
        version: ReleaseId,
    ) -> Self {
        let (tenant, version) = (tenant.to_string(), version.to_string());
        Self {
            health,
            wake_conditions,
            ration: Ration::new(Instant::now(), rule.rule().tier()),
            rule,
            faults: Faults::new(&tenant, &version),
            suspended: counter!("davy_rule_suspended_total", "tenant" => tenant.clone(), "version" => version.clone()),
            calls: counter!("davy_rule_calls_total", "tenant" => tenant.clone(), "version" => version.clone()),
            fuel: histogram!("davy_rule_call_fuel", "tenant" => tenant.clone(), "version" => version.clone()),
            seconds: histogram!("davy_rule_call_seconds", "tenant" => tenant, "version" => version),
        }
    }
}

impl AlarmPolicy for Sandboxed {
    fn evaluate(&self, state: &[u8], event: &PolicyEvent) -> Evaluation {
        let begun = Instant::now();
        if !self.ration.is_left(begun) {
            self.suspended.increment(1);
            self.faults.count(&PolicyFault::Suspended);
            let evaluation = Evaluation { result: Err(PolicyFault::Suspended), fuel: 0 };
            self.health.called(event, &evaluation, begun.elapsed());
            return evaluation;
        }
        let mut evaluation = self.rule.evaluate(state, event);
        let took = begun.elapsed();
        self.seconds.record(took.as_secs_f64());
        self.fuel.record(evaluation.fuel as f64);
        self.health.called(event, &evaluation, took);
        self.ration.charge(&evaluation);
        self.calls.increment(1);
        match &mut evaluation.result {
            Ok(outcome) if !self.wake_conditions => outcome.wake = None,
            Ok(_) => {}
            Err(fault) => self.faults.count(fault),
        }
        evaluation
    }
}

/// The counters of a version's failed calls, by kind: made once, because a version that always fails is the one that must cost little.
pub(super) struct Faults([Counter; KINDS.len()]);

impl Faults {
    /// Of a version of a company.
    pub(super) fn new(tenant: &str, version: &str) -> Self {
        let of = |kind| counter!("davy_rule_faults_total", "tenant" => tenant.to_owned(), "version" => version.to_owned(), "kind" => kind);
        Self(KINDS.map(of))
    }

    /// Counts one.
    pub(super) fn count(&self, fault: &PolicyFault) {
        self.0[kind(fault)].increment(1);
    }
}

/// Stands in for a rule that could not be loaded: each call is one that failed, for people and for the guard.
pub(super) struct Unloadable {
    reason: String,
    health: Arc<Health>,
    faults: Faults,
}

impl Unloadable {
    /// Stands in for a version that cannot be loaded for this reason.
    pub(super) fn new(reason: String, health: Arc<Health>, tenant: TenantId, version: ReleaseId) -> Self {
        Self { reason, health, faults: Faults::new(&tenant.to_string(), &version.to_string()) }
    }
}

impl AlarmPolicy for Unloadable {
    fn evaluate(&self, _: &[u8], event: &PolicyEvent) -> Evaluation {
        let fault = PolicyFault::Trap { reason: self.reason.clone() };
        self.faults.count(&fault);
        let evaluation = Evaluation { result: Err(fault), fuel: 0 };
        self.health.called(event, &evaluation, Duration::ZERO);
        evaluation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::guard;
    use davy_domain::{DeviceKind, Timestamp};

    #[test]
    fn a_version_that_cannot_be_loaded_fails_with_every_call_and_is_taken_back() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let health = Arc::new(Health::new(now));
        let policy = Unloadable::new(
            "its bytes are gone".into(),
            Arc::clone(&health),
            TenantId::from_raw(1),
            ReleaseId::from_raw(2),
        );
        let event = PolicyEvent::measured(DeviceKind::Detector, now, Vec::new());
        for _ in 0..50 {
            assert!(policy.evaluate(&[], &event).result.is_err());
        }
        let report = health.report(1, now);
        assert_eq!((report.calls, report.faults["trap"]), (50, 50));
        assert!(report.last_fault.as_ref().unwrap()["fault"].as_str().unwrap().contains("its bytes are gone"));
        assert!(
            guard::judge(&report, &davy_domain::release::bounds::Bounds::default())
                .unwrap()
                .to_string()
                .starts_with("faults")
        );
    }
}
