//! The versions that the shards ask: loaded from the database, swapped while uplinks flow.
//!
//! A decision ends with the version that it began with; the next one is made by the new. A version that should be there and cannot be
//! loaded becomes one that always faults: the floor stands, and a person is told.

use super::health::{Health, HealthReport};
use crate::clock::SharedClock;
use crate::ingest::ration::Ration;
use arc_swap::ArcSwap;
use davy_domain::floor::LocalFloor;
use davy_domain::interlock::{BoundPolicy, Limits, World};
use davy_domain::policy::{AlarmPolicy, Evaluation, PolicyEvent, PolicyFault};
use davy_domain::release::{Stage, in_cohort};
use davy_domain::{InterlockId, ReleaseId, TenantId};
use davy_rules::{Admission, BoundRule, CompileCache, Engine, Tier, WorldKind};
use davy_store::{LiveRelease, Store, StoreError};
use metrics::{Counter, Histogram, counter, histogram};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// A tenant's surroundings of the fold; shared by the shards.
pub struct TenantWorld {
    floor: LocalFloor,
    limits: Limits,
    rules: ArcSwap<TenantRules>,
}

/// The versions of one tenant that are asked.
#[derive(Default)]
pub struct TenantRules {
    /// In force.
    pub active: Option<Arc<LoadedRule>>,
    /// Decides for a share of the interlocks.
    pub cohort: Option<Arc<LoadedRule>>,
    /// Asked, and acts on nothing.
    pub shadow: Option<Arc<LoadedRule>>,
}

/// A version that is ready to be asked.
pub struct LoadedRule {
    /// Which version.
    pub release: ReleaseId,
    /// For which share of the interlocks it decides, of a thousand.
    pub permille: u16,
    /// What it costs and how it fails.
    pub health: Arc<Health>,
    /// Alarms that what is in force had raised when this one was loaded: both are counted from here on.
    pub active_alarms_before: u64,
    /// What a call of it may cost.
    pub fuel_budget: u64,
    digest: [u8; 32],
    settings_version: u32,
    policy: Arc<dyn AlarmPolicy + Send + Sync>,
}

impl LoadedRule {
    fn bound(&self) -> BoundPolicy<'_> {
        BoundPolicy { policy: self.policy.as_ref(), digest: self.digest, settings_version: self.settings_version }
    }
}

impl TenantRules {
    /// The version that decides for an interlock.
    pub fn of(&self, interlock: InterlockId) -> Option<&Arc<LoadedRule>> {
        let member = |rule: &&Arc<LoadedRule>| in_cohort(rule.release, interlock.raw(), rule.permille);
        self.cohort.as_ref().filter(member).or(self.active.as_ref())
    }

    /// Each with the stage that it has here.
    pub fn live(&self) -> impl Iterator<Item = (Stage, &Arc<LoadedRule>)> {
        let stages = [(Stage::Active, &self.active), (Stage::Cohort, &self.cohort), (Stage::Shadow, &self.shadow)];
        stages.into_iter().filter_map(|(stage, rule)| Some((stage, rule.as_ref()?)))
    }

    fn all(&self) -> impl Iterator<Item = &Arc<LoadedRule>> {
        [&self.active, &self.cohort, &self.shadow].into_iter().flatten()
    }
}

impl TenantWorld {
    /// Without any version.
    pub fn new(floor: LocalFloor) -> Self {
        Self { floor, limits: Limits::default(), rules: ArcSwap::default() }
    }

    /// The versions as they are now.
    pub fn rules(&self) -> arc_swap::Guard<Arc<TenantRules>> {
        self.rules.load()
    }

    /// As the fold wants it, with the version that is to decide.
    pub fn world<'a>(&'a self, rule: Option<&'a Arc<LoadedRule>>) -> World<'a> {
        World { floor: &self.floor, policy: rule.map(|rule| rule.bound()), limits: &self.limits }
    }

    /// The statutory floor of its jurisdiction.
    pub const fn floor(&self) -> &LocalFloor {
        &self.floor
    }

    /// The platform's own figures.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// Where rules run.
#[derive(Clone)]
pub struct Sandbox {
    /// The engine.
    pub engine: Engine,
    /// Rules that are compiled already.
    pub compiled: Option<CompileCache>,
    /// Examines and compiles the others.
    pub admission: Admission,
}

/// The versions that run, of every tenant.
pub struct Registry {
    store: Store,
    sandbox: Sandbox,
    wake_conditions: bool,
    clock: SharedClock,
    worlds: HashMap<TenantId, Arc<TenantWorld>>,
    /// One change at a time: a swap is made of what was there before.
    swapping: tokio::sync::Mutex<()>,
}

impl Registry {
    /// A registry of these tenants, with their live versions loaded.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn load(
        store: Store,
        sandbox: Sandbox,
        wake_conditions: bool,
        clock: SharedClock,
        worlds: HashMap<TenantId, Arc<TenantWorld>>,
    ) -> Result<Self, StoreError> {
        let registry = Self { store, sandbox, wake_conditions, clock, worlds, swapping: tokio::sync::Mutex::default() };
        registry.reload(None).await?;
        Ok(registry)
    }

    /// The tenants' worlds, for the shards.
    pub const fn worlds(&self) -> &HashMap<TenantId, Arc<TenantWorld>> {
        &self.worlds
    }

    /// The store that it loads from.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Where rules run.
    pub const fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The versions of a tenant that run.
    pub fn rules(&self, tenant: TenantId) -> Option<Arc<TenantRules>> {
        self.worlds.get(&tenant).map(|world| world.rules.load_full())
    }

    /// The counters of a version, if it runs.
    pub fn health(&self, tenant: TenantId, release: ReleaseId) -> Option<HealthReport> {
        let rules = self.rules(tenant)?;
        let rule = rules.all().find(|rule| rule.release == release)?;
        Some(rule.health.report(rule.fuel_budget, self.clock.now()))
    }

    /// Makes what runs what the database says, for one tenant or all. What has not changed goes on as it is, with its counters.
    ///
    /// # Errors
    /// When the database does not answer; what ran goes on.
    pub async fn reload(&self, of: Option<TenantId>) -> Result<(), StoreError> {
        let _one_at_a_time = self.swapping.lock().await;
        let mut wanted: HashMap<TenantId, Vec<LiveRelease>> = HashMap::new();
        for live in self.store.live_releases(of).await? {
            if live.stored.world == WORLD {
                wanted.entry(live.stored.tenant).or_default().push(live);
            }
        }
        for (tenant, world) in self.worlds.iter().filter(|(tenant, _)| of.is_none_or(|of| of == **tenant)) {
            let lives = wanted.remove(tenant).unwrap_or_default();
            let before = world.rules.load_full();
            if is_as_wanted(&before, &lives) {
                continue;
            }
            let mut rules = TenantRules::default();
            for live in lives {
                let stage = live.stored.release.stage;
                let loaded = Arc::new(self.load_one(live, &before).await?);
                match stage {
                    Stage::Active => rules.active = Some(loaded),
                    Stage::Cohort => rules.cohort = Some(loaded),
                    _ => rules.shadow = Some(loaded),
                }
            }
            world.rules.store(Arc::new(rules));
        }
        Ok(())
    }

    async fn load_one(&self, live: LiveRelease, before: &TenantRules) -> Result<LoadedRule, StoreError> {
        let LiveRelease { stored, settings } = live;
        let now = self.clock.now();
        let same = before.all().find(|rule| {
            rule.release == stored.release.id
                && rule.digest == stored.digest
                && rule.settings_version == stored.settings_version
        });
        let active_alarms = before.active.as_ref().map_or(0, |rule| rule.health.report(0, now).alarms);
        // From shadow into a cohort it decides from here on: its counters begin anew. From one share to another they go on.
        let goes_on = same.filter(|rule| (rule.permille > 0) == (stored.release.permille > 0));
        let (health, active_alarms_before) = match goes_on {
            Some(rule) => (Arc::clone(&rule.health), rule.active_alarms_before),
            None => (Arc::new(Health::new(now)), active_alarms),
        };
        let policy: Arc<dyn AlarmPolicy + Send + Sync> = match goes_on {
            Some(rule) => Arc::clone(&rule.policy),
            None => self.policy(&stored, settings, &health).await?,
        };
        Ok(LoadedRule {
            release: stored.release.id,
            permille: stored.release.permille,
            health,
            active_alarms_before,
            fuel_budget: self.sandbox.engine.config().fuel_of(tier(&stored.tier)),
            digest: stored.digest,
            settings_version: stored.settings_version,
            policy,
        })
    }

    async fn policy(
        &self,
        stored: &davy_store::StoredRelease,
        settings: String,
        health: &Arc<Health>,
    ) -> Result<Arc<dyn AlarmPolicy + Send + Sync>, StoreError> {
        let (tenant, version) = (stored.tenant, stored.release.id.to_string());
        let component = self.store.tenant(tenant).rule_component(&stored.digest).await?;
        let sandbox = self.sandbox.clone();
        // Compiling takes tens of milliseconds and belongs on no async thread.
        let tier = tier(&stored.tier);
        let bound = tokio::task::spawn_blocking(move || bind(&sandbox, component.as_deref(), tier, &settings)).await;
        Ok(match bound.unwrap_or_else(|panic| Err(panic.to_string())) {
            Ok(rule) => Arc::new(Sandboxed {
                rule,
                health: Arc::clone(health),
                wake_conditions: self.wake_conditions,
                ration: Ration::new(Instant::now(), tier),
                suspended: counter!("davy_rule_suspended_total", "tenant" => tenant.to_string(), "version" => version.clone()),
                calls: counter!("davy_rule_calls_total", "tenant" => tenant.to_string(), "version" => version.clone()),
                faults: counter!("davy_rule_faults_total", "tenant" => tenant.to_string(), "version" => version.clone()),
                seconds: histogram!("davy_rule_call_seconds"),
            }),
            Err(reason) => {
                tracing::error!(tenant.id = %tenant, rule = stored.name, reason, "the tenant's rule cannot be loaded: the statutory floor stands in");
                Arc::new(Unloadable(reason))
            }
        })
    }
}

/// The contract whose versions the shards ask.
pub const WORLD: &str = "alarm-policy";

/// The stored name of a contract.
pub fn world_name(kind: WorldKind) -> &'static str {
    match kind {
        WorldKind::AlarmPolicy => WORLD,
        WorldKind::BillingPolicy => "billing-policy",
        WorldKind::NotificationPolicy => "notification-policy",
        WorldKind::DeviceDriver => "device-driver",
    }
}

fn is_as_wanted(rules: &TenantRules, lives: &[LiveRelease]) -> bool {
    let as_wanted = |stage: Stage, rule: &Option<Arc<LoadedRule>>| {
        let live = lives.iter().find(|live| live.stored.release.stage == stage);
        match (live, rule) {
            (None, None) => true,
            (Some(live), Some(rule)) => {
                let stored = &live.stored;
                rule.release == stored.release.id
                    && rule.permille == stored.release.permille
                    && rule.settings_version == stored.settings_version
            }
            _ => false,
        }
    };
    as_wanted(Stage::Active, &rules.active)
        && as_wanted(Stage::Cohort, &rules.cohort)
        && as_wanted(Stage::Shadow, &rules.shadow)
}

/// The limits that a stored version was uploaded for.
pub(super) fn tier(name: &str) -> Tier {
    name.parse().unwrap_or_default()
}

pub(super) fn bind(
    sandbox: &Sandbox,
    component: Option<&[u8]>,
    tier: Tier,
    settings: &str,
) -> Result<BoundRule, String> {
    let component = component.ok_or("its component is not in the database")?;
    let Sandbox { engine, compiled, admission } = sandbox;
    let admitted = admission.load(engine, component, tier, compiled.as_ref());
    let rule = engine.load(&admitted.map_err(|error| error.to_string())?);
    let settings = rule.encode_settings(settings).map_err(|error| error.to_string())?;
    Ok(rule.bind(settings))
}

/// A component with its settings, counted and timed.
struct Sandboxed {
    rule: BoundRule,
    health: Arc<Health>,
    /// Whether what it waits for is passed on.
    wake_conditions: bool,
    ration: Ration,
    suspended: Counter,
    calls: Counter,
    faults: Counter,
    seconds: Histogram,
}

impl AlarmPolicy for Sandboxed {
    fn evaluate(&self, state: &[u8], event: &PolicyEvent) -> Evaluation {
        let begun = Instant::now();
        if !self.ration.is_left(begun) {
            self.suspended.increment(1);
            let evaluation = Evaluation { result: Err(PolicyFault::Suspended), fuel: 0 };
            self.health.called(event, &evaluation, begun.elapsed());
            return evaluation;
        }
        let mut evaluation = self.rule.evaluate(state, event);
        let took = begun.elapsed();
        self.seconds.record(took.as_secs_f64());
        self.health.called(event, &evaluation, took);
        self.ration.charge(&evaluation);
        self.calls.increment(1);
        match &mut evaluation.result {
            Ok(outcome) if !self.wake_conditions => outcome.wake = None,
            Ok(_) => {}
            Err(_) => self.faults.increment(1),
        }
        evaluation
    }
}

/// Stands in for a rule that could not be loaded.
struct Unloadable(String);

impl AlarmPolicy for Unloadable {
    fn evaluate(&self, _: &[u8], _: &PolicyEvent) -> Evaluation {
        Evaluation { result: Err(PolicyFault::Trap { reason: self.0.clone() }), fuel: 0 }
    }
}
