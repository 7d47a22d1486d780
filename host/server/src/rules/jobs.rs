//! What is done for rules in the background: checks one after the other, back-tests one after the other, and the watch over versions
//! that are being tried.
//!
//! Whatever is under way when the process ends begins anew at the next start: it is in the database until it has ended.

use super::back_test::{self, Failed};
use super::guard;
use super::running::{Registry, Sandbox, tier, world_name};
use super::turns::{self, Turns};
use crate::clock::SharedClock;
use davy_domain::release::bounds::Bounds;
use davy_domain::release::{self, Act, Actor, Stage};
use davy_domain::{BackTestId, ReleaseId, TenantId};
use davy_rules::backtest::BackTestError;
use davy_rules::{AdmissionError, Refusal, Stage as Stages, WorldKind};
use davy_store::{AboutRule, BackTest, BackTestState, ReleaseChange, StoreError, StoredRelease};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How often versions in service are looked at.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// After how long something that the database refused is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// How far a back-test is.
#[derive(Debug, Default)]
pub struct Progress {
    /// Uplinks that were folded.
    pub done: AtomicU64,
    /// Uplinks in all; 0 until they are counted.
    pub total: AtomicU64,
    /// A person wants it to stop.
    pub cancelled: AtomicBool,
}

/// The jobs' ends for whoever asks something of them.
#[derive(Debug)]
pub struct Jobs {
    checks: Mutex<Turns<ReleaseId>>,
    more_checks: Notify,
    /// The stages that have begun of what is being checked.
    checking: Mutex<HashMap<ReleaseId, Vec<String>>>,
    tests: Notify,
    progress: Mutex<HashMap<BackTestId, Arc<Progress>>>,
}

impl Jobs {
    /// Starts the tasks. They end with `stopping`. What is being tried is held to `bounds`, unless its company has set others.
    ///
    /// # Errors
    /// When the database does not tell what is under way.
    pub async fn start(
        registry: Arc<Registry>,
        clock: SharedClock,
        bounds: Bounds,
        stopping: CancellationToken,
    ) -> Result<Arc<Self>, StoreError> {
        let mut checks = Turns::default();
        for release in registry.store().unchecked_releases().await? {
            checks.push(release.tenant, release.release.id);
        }
        let jobs = Arc::new(Self {
            checks: Mutex::new(checks),
            more_checks: Notify::new(),
            checking: Mutex::default(),
            tests: Notify::new(),
            progress: Mutex::default(),
        });
        let worker = Worker { registry, clock, bounds };
        tokio::spawn(stopping.clone().run_until_cancelled_owned(worker.clone().check_all(Arc::clone(&jobs))));
        jobs.tests.notify_one();
        tokio::spawn(stopping.clone().run_until_cancelled_owned(worker.clone().test_all(Arc::clone(&jobs))));
        tokio::spawn(stopping.run_until_cancelled_owned(worker.watch()));
        Ok(jobs)
    }

    /// Has a version checked.
    pub fn check(&self, tenant: TenantId, release: ReleaseId) {
        self.checks.lock().push(tenant, release);
        self.more_checks.notify_one();
    }

    /// How many versions of a company wait to be checked.
    pub fn waiting_checks(&self, tenant: TenantId) -> usize {
        self.checks.lock().waiting(tenant)
    }

    /// The stages of a version's checks that have begun, the one under way last; empty when it is not being checked here.
    pub fn checking(&self, release: ReleaseId) -> Vec<String> {
        self.checking.lock().get(&release).cloned().unwrap_or_default()
    }

    /// Has the back-tests that wait looked at.
    pub fn back_test(&self) {
        self.tests.notify_one();
    }

    /// How far a back-test is; none when it is not under way here.
    pub fn progress(&self, test: BackTestId) -> Option<Arc<Progress>> {
        self.progress.lock().get(&test).cloned()
    }
}

/// What the tasks work with.
#[derive(Clone)]
struct Worker {
    registry: Arc<Registry>,
    clock: SharedClock,
    /// The operator's bounds of what is being tried.
    bounds: Bounds,
}

impl Worker {
    async fn check_all(self, jobs: Arc<Jobs>) {
        loop {
            let next = jobs.checks.lock().take();
            let Some((tenant, release)) = next else {
                jobs.more_checks.notified().await;
                continue;
            };
            while let Err(error) = self.check(&jobs, tenant, release).await {
                if !error.is_transient() {
                    tracing::error!(tenant.id = %tenant, %release, %error, "a version could not be checked");
                    break;
                }
                tracing::warn!(%error, "a version's checks could not be stored; trying again");
                tokio::time::sleep(AGAIN_AFTER).await;
            }
            jobs.checking.lock().remove(&release);
        }
    }

    async fn check(&self, jobs: &Arc<Jobs>, tenant: TenantId, id: ReleaseId) -> Result<(), StoreError> {
        let rows = self.registry.store().tenant(tenant);
        let Some(stored) = rows.release(id).await?.filter(|stored| stored.release.stage == Stage::Uploaded) else {
            return Ok(());
        };
        let component = rows.rule_component(&stored.digest).await?.unwrap_or_default();
        let settings = rows.settings(stored.settings_version).await?.unwrap_or_default();
        let Sandbox { engine, compiled, admission } = self.registry.sandbox().clone();
        let tier = tier(&stored.tier);
        let begun = Instant::now();
        jobs.checking.lock().insert(id, Vec::new());
        let watching = Arc::clone(jobs);
        let checked = tokio::task::spawn_blocking(move || {
            let mut told = |stage: Stages| {
                if let Some(stages) = watching.checking.lock().get_mut(&id) {
                    stages.push(stage.to_string());
                }
            };
            let settings = Some(settings.as_str());
            let examined = admission.examine_with(&engine, &component, tier, settings, compiled.as_ref(), &mut told);
            let examined = examined.map_err(AdmissionError::into_refusal)?;
            Ok::<_, Refusal>(examined.admitted)
        });
        let checked = checked.await.unwrap_or_else(|panic| Err(Refusal::of_check(&panic)));
        let took = begun.elapsed();
        let mut checks = davy_api::RuleChecks { passed: checked.is_ok(), ..passed(took) };
        metrics::histogram!("davy_rule_admission_seconds").record(took.as_secs_f64());
        match &checked {
            Ok(admitted) => {
                let description = admitted.description();
                let about = serde_json::to_string(description).unwrap_or_default();
                let about = AboutRule {
                    digest: &stored.digest,
                    name: &description.name,
                    version: &description.version,
                    world: world_name(admitted.world()),
                    scope: scope(admitted.world(), &description.name),
                    about: &about,
                };
                rows.put_checks(id, &serde_json::to_string(&checks).unwrap_or_default(), Some(&about)).await?;
            }
            Err(refusal) => {
                metrics::counter!("davy_rules_refused_total", "stage" => refusal.stage.to_string()).increment(1);
                let reached = checks.stages.iter().position(|stage| *stage == refusal.stage.to_string());
                checks.stages.truncate(reached.unwrap_or(checks.stages.len()));
                checks.stage = Some(refusal.stage.to_string());
                checks.reason = Some(refusal.reason.clone());
                checks.place = Some(refusal.place.clone());
                checks.remedy = Some(refusal.remedy.clone());
                checks.code = Some(refusal.code.to_string());
                checks.also = refusal.also.map(|also| also.to_string());
                checks.place_code = Some(refusal.place_code.to_string());
                checks.remedy_code = Some(refusal.remedy_code.to_string());
                checks.params = refusal.params.clone();
                rows.put_checks(id, &serde_json::to_string(&checks).unwrap_or_default(), None).await?;
            }
        }
        self.act(&stored, Act::Check { passed: checked.is_ok() }).await
    }

    async fn test_all(self, jobs: Arc<Jobs>) {
        loop {
            jobs.tests.notified().await;
            while let Err(error) = self.tests(&jobs).await {
                tracing::warn!(%error, "the back-tests could not be looked at; trying again");
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        }
    }

    /// Every back-test that waits, one after the other; the companies take turns.
    async fn tests(&self, jobs: &Jobs) -> Result<(), StoreError> {
        let mut last = None;
        loop {
            let waiting = self.registry.store().unfinished_back_tests().await?;
            last = turns::after(last, waiting.iter().map(|test| test.tenant));
            let Some(test) = waiting.into_iter().find(|test| Some(test.tenant) == last) else { return Ok(()) };
            let progress = Arc::new(Progress::default());
            jobs.progress.lock().insert(test.id, Arc::clone(&progress));
            let done = self.test(&test, progress).await;
            jobs.progress.lock().remove(&test.id);
            done?;
        }
    }

    async fn test(&self, test: &BackTest, progress: Arc<Progress>) -> Result<(), StoreError> {
        let rows = self.registry.store().tenant(test.tenant);
        if !rows.move_back_test(test.id, BackTestState::Running, "", None).await? {
            return Ok(());
        }
        let begun = Instant::now();
        let found = match back_test::run(&self.registry, test, progress).await {
            Ok(found) => found,
            Err(Failed::Store(error)) if error.is_transient() => return Err(error),
            Err(Failed::BackTest(BackTestError::Cancelled)) => {
                rows.move_back_test(test.id, BackTestState::Cancelled, "", Some(self.clock.now())).await?;
                return Ok(());
            }
            Err(failed) => {
                tracing::warn!(back_test.id = %test.id, %failed, "a back-test failed");
                rows.move_back_test(test.id, BackTestState::Failed, &failed.to_string(), Some(self.clock.now()))
                    .await?;
                return Ok(());
            }
        };
        let seconds = begun.elapsed().as_secs_f64();
        tracing::info!(back_test.id = %test.id, seconds, "a back-test is done");
        metrics::histogram!("davy_back_test_seconds").record(seconds);
        let missed = u32::try_from(found.missed).unwrap_or(u32::MAX);
        let cancelled = rows.back_test(test.id).await?.is_none_or(|test| test.finished_at.is_some());
        if cancelled {
            return Ok(());
        }
        // What it found counts before anybody reads it: were it the other way round, an end between the two would lose a missed leak.
        if let Some(stored) = rows.release(test.release).await? {
            let decisive = release::is_decisive(test.from, test.to, test.permille, test.created_at);
            self.act(&stored, Act::BackTest { missed, from: test.from, decisive }).await?;
        }
        rows.move_back_test(test.id, BackTestState::Done, &found.report, Some(self.clock.now())).await?;
        Ok(())
    }

    /// The platform's own act on a version.
    async fn act(&self, stored: &StoredRelease, act: Act) -> Result<(), StoreError> {
        let now = self.clock.now().max(stored.release.changed_at);
        match release::step(&stored.release, &act, Actor::Platform, now) {
            Ok(after) => {
                let change = ReleaseChange { before: stored.release.clone(), after, act, actor: Actor::Platform };
                self.registry.store().tenant(stored.tenant).change_releases(&[change]).await
            }
            Err(refused) => {
                tracing::info!(release.id = %stored.release.id, %refused, "a version has gone on meanwhile");
                Ok(())
            }
        }
    }

    /// Stores counters, takes back what leaves its bounds, and follows what another process has changed.
    async fn watch(self) {
        let mut every = tokio::time::interval(WATCH_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "the versions in service could not be looked at; trying again");
            }
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        self.registry.reload(None).await?;
        for tenant in &self.registry.tenants() {
            // What one company's rows cannot take must not leave the others unwatched.
            if let Err(error) = self.look_at(*tenant).await {
                tracing::warn!(tenant.id = %tenant, %error, "a company's versions in service could not be looked at; trying again");
            }
        }
        Ok(())
    }

    async fn look_at(&self, tenant: TenantId) -> Result<(), StoreError> {
        self.registry.keep_warm(tenant).await?;
        let now = self.clock.now();
        let rows = self.registry.store().tenant(tenant);
        for rule in self.registry.counted(tenant) {
            let report = rule.health.report(rule.fuel_budget, now);
            let differences = rule.health.take_differences();
            if !differences.is_empty()
                && let Err(error) = rows.add_differences(rule.release, &differences).await
            {
                rule.health.give_back(differences);
                return Err(error);
            }
            if let Some(body) = rule.health.to_store(&report, rule.permille > 0) {
                rows.put_rule_health(rule.release, &body, now).await?;
                rule.health.is_stored(&report);
            }
            if !matches!(rule.stage, Stage::Shadow | Stage::Cohort) {
                continue;
            }
            let bounds = rows.rule_bounds().await?.over(&self.bounds);
            if let Some(breach) = guard::judge(&report, &bounds)
                && let Some(stored) = rows.release(rule.release).await?
            {
                tracing::warn!(tenant.id = %tenant, release.id = %rule.release, %breach, "a version left its bounds and is taken back");
                metrics::counter!("davy_rules_broken_off_total").increment(1);
                self.act(&stored, Act::BreakOff { reason: breach.to_string(), breach: Some(breach) }).await?;
                self.registry.reload(Some(tenant)).await?;
            }
        }
        Ok(())
    }
}

/// Within what a version is the only one in force: of a driver its name, because a company has several.
fn scope(world: WorldKind, name: &str) -> &str {
    if world == WorldKind::DeviceDriver { name } else { "" }
}

/// What is kept of checks that were passed.
pub fn passed(took: Duration) -> davy_api::RuleChecks {
    davy_api::RuleChecks {
        passed: true,
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        stages: Stages::ALL.iter().map(ToString::to_string).collect(),
        ..davy_api::RuleChecks::default()
    }
}
