//! The notification policies that run: loaded from the database, counted at every call, swapped as a whole.
//!
//! A version that should be there and cannot be loaded becomes one that always fails: then everyone on the default list is told. Must never
//! answer without counting, and never decide whom to tell.

use super::health::{Health, kind};
use super::policy::Faults;
use super::running::{Sandbox, loaded, tier};
use crate::ingest::ration::Ration;
use davy_domain::policy::{PolicyFault, Text};
use davy_domain::release::{Stage, in_cohort};
use davy_domain::{AlarmId, ReleaseId, TenantId, Timestamp};
use davy_rules::notification::contract::{Event, Outcome};
use davy_rules::notification::fold::{BoundNotification, NotificationPolicy};
use davy_rules::notification::record::EventRecord;
use davy_rules::world::Notification;
use davy_rules::{Evaluated, RuleDigest};
use davy_store::{LiveRelease, Store, StoreError};
use metrics::{Counter, Histogram, counter, histogram};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// A version that is ready to be asked.
pub struct Teller {
    /// Which version.
    pub release: ReleaseId,
    /// For which share of the alarms it decides, of a thousand.
    pub permille: u16,
    /// What it costs and how it fails.
    pub health: Arc<Health>,
    /// What a call of it may cost.
    pub fuel_budget: u64,
    /// The version of its settings.
    pub settings_version: u32,
    digest: RuleDigest,
    policy: Arc<Result<BoundNotification, String>>,
    /// Shared by the shares of one version: another share brings no new ration.
    ration: Arc<Ration>,
    suspended: Counter,
    calls: Counter,
    faults: Faults,
    fuel: Histogram,
    seconds: Histogram,
}

impl NotificationPolicy for Teller {
    fn digest(&self) -> RuleDigest {
        self.digest
    }

    fn decide(&self, state: &[u8], event: &Event) -> Evaluated<Outcome> {
        let begun = Instant::now();
        let failed = |fault| Evaluated { result: Err(fault), fault: None, fuel: 0 };
        let evaluated = match self.policy.as_ref() {
            Err(reason) => failed(PolicyFault::Trap { reason: reason.clone() }),
            // Not asked: everyone on the default list is told, as for any fault.
            Ok(_) if !self.ration.is_left(begun) => {
                self.suspended.increment(1);
                failed(PolicyFault::Suspended)
            }
            Ok(policy) => policy.decide(state, event),
        };
        let took = begun.elapsed();
        self.ration.charge_call(evaluated.result.as_ref().err(), evaluated.fuel);
        if !matches!(evaluated.result, Err(PolicyFault::Suspended)) {
            self.calls.increment(1);
            self.seconds.record(took.as_secs_f64());
            self.fuel.record(evaluated.fuel as f64);
        }
        let fault = evaluated.result.as_ref().err();
        if let Some(fault) = fault {
            tracing::warn!(release.id = %self.release, kind = kind(fault), %fault, "a notification policy failed: everyone on the default list is told");
            self.faults.count(fault);
        }
        let now = Timestamp::from_millis(event.context.now_ms);
        self.health.asked(now, (evaluated.fuel, took), fault, || {
            serde_json::to_value(EventRecord::from(event)).unwrap_or_default()
        });
        evaluated
    }
}

impl Teller {
    /// A text of its own, by its code.
    pub fn text(&self, code: u16) -> Option<Text> {
        let policy = self.policy.as_ref().as_ref().ok()?;
        let (_, text) = policy.rule().describe().texts.iter().find(|(known, _)| *known == code)?;
        Some(Text { zh: text.zh.clone(), en: text.en.clone() })
    }
}

/// The versions of one company that are asked.
#[derive(Default)]
pub struct TenantTellers {
    /// In force.
    pub active: Option<Arc<Teller>>,
    /// Decides for a share of the alarms.
    pub cohort: Option<Arc<Teller>>,
    /// Asked, and tells nobody.
    pub shadow: Option<Arc<Teller>>,
}

impl TenantTellers {
    /// The version that decides about an alarm.
    pub fn for_alarm(&self, alarm: AlarmId) -> Option<&Arc<Teller>> {
        self.trial_of(alarm).or(self.active.as_ref())
    }

    /// The version that decides about an alarm though it is not in force.
    pub fn trial_of(&self, alarm: AlarmId) -> Option<&Arc<Teller>> {
        self.cohort.as_ref().filter(|teller| in_cohort(teller.release, alarm.raw(), teller.permille))
    }

    /// Each with the stage that it has here.
    pub fn live(&self) -> impl Iterator<Item = (Stage, &Arc<Teller>)> {
        let stages = [(Stage::Active, &self.active), (Stage::Cohort, &self.cohort), (Stage::Shadow, &self.shadow)];
        stages.into_iter().filter_map(|(stage, teller)| Some((stage, teller.as_ref()?)))
    }
}

/// The versions of every company.
#[derive(Default)]
pub struct Tellers(Mutex<HashMap<TenantId, Arc<TenantTellers>>>);

impl Tellers {
    /// Those of a company.
    pub fn of(&self, tenant: TenantId) -> Arc<TenantTellers> {
        self.0.lock().get(&tenant).cloned().unwrap_or_default()
    }

    /// The companies that have any.
    pub fn tenants(&self) -> Vec<TenantId> {
        self.0.lock().keys().copied().collect()
    }

    /// Makes what runs what the database says, for one company or all. What has not changed goes on, with its counters.
    ///
    /// # Errors
    /// When the database does not answer; what ran goes on.
    pub(super) async fn reload(
        &self,
        store: &Store,
        sandbox: &Sandbox,
        of: Option<TenantId>,
        mut wanted: HashMap<TenantId, Vec<LiveRelease>>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let known: HashSet<TenantId> = self.tenants().into_iter().chain(wanted.keys().copied()).collect();
        for tenant in known.into_iter().filter(|tenant| of.is_none_or(|of| of == *tenant)) {
            let before = self.of(tenant);
            let mut tellers = TenantTellers::default();
            for live in wanted.remove(&tenant).unwrap_or_default() {
                let stage = live.stored.release.stage;
                let teller = Some(load(store, sandbox, &before, live, now).await?);
                match stage {
                    Stage::Active => tellers.active = teller,
                    Stage::Cohort => tellers.cohort = teller,
                    _ => tellers.shadow = teller,
                }
            }
            let mut all = self.0.lock();
            if tellers.live().next().is_some() {
                all.insert(tenant, Arc::new(tellers));
            } else {
                all.remove(&tenant);
            }
        }
        Ok(())
    }
}

async fn load(
    store: &Store,
    sandbox: &Sandbox,
    before: &TenantTellers,
    live: LiveRelease,
    now: Timestamp,
) -> Result<Arc<Teller>, StoreError> {
    let LiveRelease { stored, settings } = live;
    let (tenant, release, permille) = (stored.tenant, stored.release.id, stored.release.permille);
    let runs = before.live().map(|(_, teller)| teller).find(|teller| {
        teller.release == release
            && teller.digest.as_bytes() == &stored.digest
            && teller.settings_version == stored.settings_version
    });
    if let Some(teller) = runs.filter(|teller| teller.permille == permille) {
        return Ok(Arc::clone(teller));
    }
    // From shadow into a cohort it decides from here on: its counters begin anew.
    let deciding = permille > 0;
    let health = if let Some(teller) = runs.filter(|teller| (teller.permille > 0) == deciding) {
        Arc::clone(&teller.health)
    } else {
        let counted = store.tenant(tenant).rule_health(release).await?;
        Arc::new(Health::resumed(counted.as_ref().map(|(body, _)| body.as_str()), deciding, now))
    };
    let policy = if let Some(teller) = runs {
        Arc::clone(&teller.policy)
    } else {
        let component = store.tenant(tenant).rule_component(&stored.digest).await?;
        let (sandbox, tier) = (sandbox.clone(), tier(&stored.tier));
        counter!("davy_rule_loads_total").increment(1);
        let bound = tokio::task::spawn_blocking(move || {
            let (rule, settings) = loaded::<Notification>(&sandbox, component.as_deref(), tier, &settings)?;
            Ok(rule.bind(settings))
        });
        let bound = bound.await.unwrap_or_else(|panic| Err(panic.to_string()));
        if let Err(reason) = &bound {
            tracing::error!(tenant.id = %tenant, rule = stored.name, reason, "the company's notification policy cannot be loaded: everyone on the default list is told");
        }
        Arc::new(bound)
    };
    let ration = runs
        .map_or_else(|| Arc::new(Ration::new(Instant::now(), tier(&stored.tier))), |teller| Arc::clone(&teller.ration));
    let (of, version) = (tenant.to_string(), release.to_string());
    Ok(Arc::new(Teller {
        release,
        permille,
        health,
        fuel_budget: sandbox.engine.config().fuel_of(tier(&stored.tier)),
        settings_version: stored.settings_version,
        digest: RuleDigest::from_bytes(stored.digest),
        policy,
        ration,
        suspended: counter!("davy_rule_suspended_total", "tenant" => of.clone(), "version" => version.clone()),
        faults: Faults::new(&of, &version),
        calls: counter!("davy_rule_calls_total", "tenant" => of.clone(), "version" => version.clone()),
        fuel: histogram!("davy_rule_call_fuel", "tenant" => of.clone(), "version" => version.clone()),
        seconds: histogram!("davy_rule_call_seconds", "tenant" => of, "version" => version),
    }))
}
