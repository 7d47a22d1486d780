//! The versions that the shards ask: loaded from the database, swapped while uplinks flow.
//!
//! A decision ends with the version that it began with; the next one is made by the new. A version that should be there and cannot be
//! loaded becomes one that always faults: the floor stands, and a person is told.

use super::drivers::{ByModel, DRIVER};
use super::health::Health;
use super::policy::{Sandboxed, Unloadable};
use super::tellers::{Tellers, TenantTellers};
use crate::clock::SharedClock;
use arc_swap::ArcSwap;
use davy_domain::floor::LocalFloor;
use davy_domain::interlock::{BoundPolicy, Limits, World};
use davy_domain::policy::AlarmPolicy;
use davy_domain::release::{Stage, WHOLE, in_cohort};
use davy_domain::{InterlockId, ReleaseId, TenantId};
use davy_rules::world::{Alarm, World as Contract};
use davy_rules::{Admission, BoundRule, CompileCache, Engine, Rule, SettingsBytes, Tier, WorldKind};
use davy_store::{LiveRelease, Store, StoreError};
use metrics::counter;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A tenant's surroundings of the fold; shared by the shards.
pub struct TenantWorld {
    floor: LocalFloor,
    limits: Limits,
    rules: ArcSwap<TenantRules>,
    /// Read messages in a vendor's own form.
    pub(super) drivers: ArcSwap<ByModel>,
    /// Versions that ran last and can run again at once, newest first: a roll-back waits for no compiler and no disk.
    warm: Mutex<Vec<Arc<LoadedRule>>>,
    /// The version in force whose predecessor is among them.
    warmed_for: Mutex<Option<ReleaseId>>,
}

/// Versions of a company that are kept warm.
const MOST_WARM: usize = 2;

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
        self.trial_of(interlock).or(self.active.as_ref())
    }

    /// The version that decides for an interlock though it is not in force.
    pub fn trial_of(&self, interlock: InterlockId) -> Option<&Arc<LoadedRule>> {
        let member = |rule: &&Arc<LoadedRule>| in_cohort(rule.release, interlock.raw(), rule.permille);
        self.cohort.as_ref().filter(member)
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
        Self {
            floor,
            limits: Limits::default(),
            rules: ArcSwap::default(),
            drivers: ArcSwap::default(),
            warm: Mutex::default(),
            warmed_for: Mutex::default(),
        }
    }

    /// Lets these versions run; what ran until now stays warm.
    fn swap(&self, rules: TenantRules) {
        let before = self.rules.swap(Arc::new(rules));
        let now = self.rules.load();
        let runs = |rule: &LoadedRule| now.all().any(|other| other.release == rule.release);
        let mut warm = self.warm.lock();
        let ended = before.all().filter(|rule| !runs(rule)).cloned();
        let mut kept: Vec<_> = ended.chain(warm.drain(..).filter(|rule| !runs(rule))).collect();
        kept.truncate(MOST_WARM);
        *warm = kept;
    }

    /// The versions as they are now.
    pub fn rules(&self) -> arc_swap::Guard<Arc<TenantRules>> {
        self.rules.load()
    }

    /// The driver that speaks for a model.
    pub fn driver(&self, model: &str) -> Option<Arc<super::drivers::LoadedDriver>> {
        self.drivers.load().get(model).cloned()
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

/// A version that is asked about live data, as far as it is counted.
pub struct Counted {
    /// Where it stands.
    pub stage: Stage,
    /// Which version.
    pub release: ReleaseId,
    /// For which share it decides, of a thousand.
    pub permille: u16,
    /// What a call of it may cost.
    pub fuel_budget: u64,
    /// What it costs and how it fails.
    pub health: Arc<Health>,
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
    tellers: Tellers,
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
        let registry = Self {
            store,
            sandbox,
            wake_conditions,
            clock,
            worlds,
            tellers: Tellers::default(),
            swapping: tokio::sync::Mutex::default(),
        };
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

    /// The time.
    pub(super) const fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// The versions of a tenant that run.
    pub fn rules(&self, tenant: TenantId) -> Option<Arc<TenantRules>> {
        self.worlds.get(&tenant).map(|world| world.rules.load_full())
    }

    /// The notification policies of a tenant that run.
    pub fn tellers(&self, tenant: TenantId) -> Arc<TenantTellers> {
        self.tellers.of(tenant)
    }

    /// Every version of a tenant that is asked about live data, of whatever contract.
    pub fn counted(&self, tenant: TenantId) -> Vec<Counted> {
        let mut all = Vec::new();
        for (stage, rule) in self.rules(tenant).iter().flat_map(|rules| rules.live()) {
            let (release, permille, fuel_budget) = (rule.release, rule.permille, rule.fuel_budget);
            all.push(Counted { stage, release, permille, fuel_budget, health: Arc::clone(&rule.health) });
        }
        for (stage, teller) in self.tellers(tenant).live() {
            let (release, permille, fuel_budget) = (teller.release, teller.permille, teller.fuel_budget);
            all.push(Counted { stage, release, permille, fuel_budget, health: Arc::clone(&teller.health) });
        }
        for driver in self.drivers(tenant) {
            let (release, fuel_budget) = (driver.release, driver.fuel_budget);
            let health = Arc::clone(&driver.health);
            all.push(Counted { stage: Stage::Active, release, permille: WHOLE, fuel_budget, health });
        }
        all
    }

    /// The tenants of whom anything runs.
    pub fn tenants(&self) -> BTreeSet<TenantId> {
        self.worlds.keys().copied().chain(self.tellers.tenants()).collect()
    }

    /// The counters of a version, if it runs.
    pub fn health(&self, tenant: TenantId, release: ReleaseId) -> Option<davy_api::RuleHealth> {
        let counted = self.counted(tenant).into_iter().find(|counted| counted.release == release)?;
        Some(counted.health.report(counted.fuel_budget, self.clock.now()))
    }

    /// Makes what runs what the database says, for one tenant or all. What has not changed goes on as it is, with its counters.
    ///
    /// # Errors
    /// When the database does not answer; what ran goes on.
    pub async fn reload(&self, of: Option<TenantId>) -> Result<(), StoreError> {
        let _one_at_a_time = self.swapping.lock().await;
        let mut wanted: HashMap<TenantId, Vec<LiveRelease>> = HashMap::new();
        let mut drivers: HashMap<TenantId, Vec<LiveRelease>> = HashMap::new();
        let mut tellers: HashMap<TenantId, Vec<LiveRelease>> = HashMap::new();
        for live in self.store.live_releases(of).await? {
            match live.stored.world.as_str() {
                WORLD => wanted.entry(live.stored.tenant).or_default().push(live),
                NOTIFICATION => tellers.entry(live.stored.tenant).or_default().push(live),
                DRIVER => drivers.entry(live.stored.tenant).or_default().push(live),
                _ => {}
            }
        }
        self.tellers.reload(&self.store, &self.sandbox, of, tellers, self.clock.now()).await?;
        for (tenant, world) in self.worlds.iter().filter(|(tenant, _)| of.is_none_or(|of| of == **tenant)) {
            self.reload_drivers(*tenant, world, drivers.remove(tenant).unwrap_or_default()).await?;
            let lives = wanted.remove(tenant).unwrap_or_default();
            let before = world.rules.load_full();
            if is_as_wanted(&before, &lives) {
                continue;
            }
            let mut rules = TenantRules::default();
            for live in lives {
                let stage = live.stored.release.stage;
                let loaded = self.load_one(live, world).await?;
                match stage {
                    Stage::Active => rules.active = Some(loaded),
                    Stage::Cohort => rules.cohort = Some(loaded),
                    _ => rules.shadow = Some(loaded),
                }
            }
            world.swap(rules);
        }
        Ok(())
    }

    /// Has the version that a roll-back would bring back ready to be asked, if there is one: after a restart nothing is warm.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keep_warm(&self, tenant: TenantId) -> Result<(), StoreError> {
        let Some(world) = self.worlds.get(&tenant) else { return Ok(()) };
        let Some(active) = world.rules.load().active.as_ref().map(|rule| rule.release) else { return Ok(()) };
        if *world.warmed_for.lock() == Some(active) {
            return Ok(());
        }
        let rows = self.store.tenant(tenant);
        if let Some(active) = rows.release(active).await?
            && let Some(mut stored) = rows.release_before(&active).await?
            && let Some(settings) = rows.settings(stored.settings_version).await?
        {
            // As it will be when it is back.
            stored.release.permille = WHOLE;
            let loaded = self.load_one(LiveRelease { stored, settings }, world).await?;
            let mut warm = world.warm.lock();
            if warm.iter().all(|rule| rule.release != loaded.release) {
                warm.insert(0, loaded);
                warm.truncate(MOST_WARM);
            }
        }
        *world.warmed_for.lock() = Some(active);
        Ok(())
    }

    async fn load_one(&self, live: LiveRelease, world: &TenantWorld) -> Result<Arc<LoadedRule>, StoreError> {
        let LiveRelease { stored, settings } = live;
        let now = self.clock.now();
        // From shadow into a cohort it decides from here on: its counters begin anew. From one share to another they go on, and so they
        // do from one process to the next.
        let deciding = stored.release.permille > 0;
        let same = |rule: &&Arc<LoadedRule>| {
            rule.release == stored.release.id
                && rule.digest == stored.digest
                && rule.settings_version == stored.settings_version
                && (rule.permille > 0) == deciding
        };
        let runs = world.rules.load().all().find(same).cloned();
        let goes_on = runs.or_else(|| world.warm.lock().iter().find(same).cloned());
        if let Some(rule) = &goes_on
            && rule.permille == stored.release.permille
        {
            return Ok(Arc::clone(rule));
        }
        let health = if let Some(rule) = &goes_on {
            Arc::clone(&rule.health)
        } else {
            let counted = self.store.tenant(stored.tenant).rule_health(stored.release.id).await?;
            Arc::new(Health::resumed(counted.as_ref().map(|(body, _)| body.as_str()), deciding, now))
        };
        let policy: Arc<dyn AlarmPolicy + Send + Sync> = match &goes_on {
            Some(rule) => Arc::clone(&rule.policy),
            None => self.policy(&stored, settings, &health).await?,
        };
        Ok(Arc::new(LoadedRule {
            release: stored.release.id,
            permille: stored.release.permille,
            health,
            fuel_budget: self.sandbox.engine.config().fuel_of(tier(&stored.tier)),
            digest: stored.digest,
            settings_version: stored.settings_version,
            policy,
        }))
    }

    async fn policy(
        &self,
        stored: &davy_store::StoredRelease,
        settings: String,
        health: &Arc<Health>,
    ) -> Result<Arc<dyn AlarmPolicy + Send + Sync>, StoreError> {
        let (tenant, version) = (stored.tenant, stored.release.id);
        let component = self.store.tenant(tenant).rule_component(&stored.digest).await?;
        let sandbox = self.sandbox.clone();
        // Compiling takes tens of milliseconds and belongs on no async thread.
        let tier = tier(&stored.tier);
        counter!("davy_rule_loads_total").increment(1);
        let bound = tokio::task::spawn_blocking(move || bind(&sandbox, component.as_deref(), tier, &settings)).await;
        Ok(match bound.unwrap_or_else(|panic| Err(panic.to_string())) {
            Ok(rule) => Arc::new(Sandboxed::new(rule, Arc::clone(health), self.wake_conditions, tenant, version)),
            Err(reason) => {
                tracing::error!(tenant.id = %tenant, rule = stored.name, reason, "the tenant's rule cannot be loaded: the statutory floor stands in");
                Arc::new(Unloadable::new(reason, Arc::clone(health), tenant, version))
            }
        })
    }
}

/// The contract whose versions the shards ask.
pub const WORLD: &str = "alarm-policy";

/// The contract whose versions are asked whom to tell of an alarm.
pub const NOTIFICATION: &str = "notification-policy";
/// The contract whose versions can be back-tested, and no more.
pub const BILLING: &str = "billing-policy";

/// The stored name of a contract.
pub const fn world_name(kind: WorldKind) -> &'static str {
    match kind {
        WorldKind::AlarmPolicy => WORLD,
        WorldKind::BillingPolicy => BILLING,
        WorldKind::NotificationPolicy => NOTIFICATION,
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
    let (rule, settings) = loaded::<Alarm>(sandbox, component, tier, settings)?;
    Ok(rule.bind(settings))
}

/// A component of whatever contract with its settings, ready to be asked.
pub(super) fn loaded<W: Contract>(
    sandbox: &Sandbox,
    component: Option<&[u8]>,
    tier: Tier,
    settings: &str,
) -> Result<(Rule<W>, SettingsBytes), String> {
    let component = component.ok_or("its component is not in the database")?;
    let Sandbox { engine, compiled, admission } = sandbox;
    let admitted = admission.load(engine, component, tier, compiled.as_ref());
    let rule = engine.load(&admitted.map_err(|error| error.to_string())?);
    let settings = rule.encode_settings(settings).map_err(|error| error.to_string())?;
    Ok((rule, settings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_domain::floor::Floor;
    use davy_domain::interlock::{Effects, Input, Interlock};
    use davy_domain::policy::{Evaluation, PolicyEvent, PolicyOutcome, Raise};
    use davy_domain::senml::Part;
    use davy_domain::{
        Condition, DeviceConfig, DeviceId, DeviceKind, IdSource, Priority, Quantity, Reading, Timestamp,
    };
    use std::sync::Barrier;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    /// Says that it has begun, and goes on when it is told to.
    struct Slow(Arc<Barrier>);

    impl AlarmPolicy for Slow {
        fn evaluate(&self, _: &[u8], _: &PolicyEvent) -> Evaluation {
            self.0.wait();
            self.0.wait();
            let raise = vec![Raise { condition: Condition::Tamper, priority: Priority::High }];
            Evaluation { result: Ok(PolicyOutcome { raise, ..PolicyOutcome::default() }), fuel: 1 }
        }
    }

    fn loaded(release: i64, policy: Arc<dyn AlarmPolicy + Send + Sync>) -> Arc<LoadedRule> {
        Arc::new(LoadedRule {
            release: ReleaseId::from_raw(release),
            permille: WHOLE,
            health: Arc::new(Health::new(NOW)),
            fuel_budget: 1,
            digest: [release as u8; 32],
            settings_version: 1,
            policy,
        })
    }

    fn world() -> TenantWorld {
        TenantWorld::new(Floor::china_default().for_jurisdiction("CN-310115").unwrap())
    }

    fn in_force(rule: &Arc<LoadedRule>) -> TenantRules {
        TenantRules { active: Some(Arc::clone(rule)), ..TenantRules::default() }
    }

    #[test]
    fn a_decision_ends_with_the_version_that_it_began_with() {
        let (world, barrier) = (Arc::new(world()), Arc::new(Barrier::new(2)));
        let (first, second) =
            (loaded(1, Arc::new(Slow(Arc::clone(&barrier)))), loaded(2, Arc::new(Slow(Arc::clone(&barrier)))));
        world.swap(in_force(&first));
        let decided = std::thread::scope(|scope| {
            let deciding = scope.spawn(|| {
                let device = DeviceConfig {
                    id: DeviceId::from_raw(7),
                    serial: "S7".into(),
                    kind: DeviceKind::Detector,
                    premises: None,
                    installed_at: None,
                    report_interval: None,
                    sleepy: false,
                    links: Vec::new(),
                    parent: None,
                };
                let limits = Limits::default();
                let id = InterlockId::from_raw(7);
                let mut interlock = Interlock::new(id, TenantId::from_raw(1), vec![device], NOW, &limits).unwrap();
                let readings = vec![Reading { quantity: Quantity::Gas, value: 1.0, at: NOW }];
                let parts = [Part { child: None, readings }];
                let input = Input::Uplink { device: DeviceId::from_raw(7), sequence: None, parts: &parts };
                let rules = world.rules();
                let mut effects = Effects::default();
                interlock.step_into(input, NOW, &world.world(rules.of(id)), &mut IdSource::new(1, 0), &mut effects);
                effects
            });
            barrier.wait();
            world.swap(in_force(&second));
            assert_eq!(
                world.rules().active.as_ref().unwrap().release,
                second.release,
                "the next one is made by the new"
            );
            barrier.wait();
            deciding.join().unwrap()
        });
        assert_eq!(decided.alarms.len(), 1);
        let digests: Vec<_> =
            decided.decisions.iter().filter_map(|decision| Some(decision.rule.as_ref()?.digest)).collect();
        assert_eq!(digests, [first.digest]);
    }

    #[test]
    fn what_ran_last_stays_warm_and_what_runs_is_not_kept_twice() {
        let barrier = Arc::new(Barrier::new(1));
        let rule = |release| loaded(release, Arc::new(Slow(Arc::clone(&barrier))));
        let (world, rules) = (world(), [rule(1), rule(2), rule(3), rule(4)]);
        let warm = |world: &TenantWorld| world.warm.lock().iter().map(|rule| rule.release.raw()).collect::<Vec<_>>();
        for rule in &rules[..2] {
            world.swap(in_force(rule));
        }
        assert_eq!(warm(&world), [1]);
        world.swap(in_force(&rules[0]));
        assert_eq!(warm(&world), [2], "rolled back");
        for rule in &rules[2..] {
            world.swap(in_force(rule));
        }
        assert_eq!(warm(&world), [3, 1], "no more than are of use");
    }
}
