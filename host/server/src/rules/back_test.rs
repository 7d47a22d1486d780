//! The back-test as a job: one after the other, on threads that yield to everything else, with its progress to be asked for and an end
//! that a person can bring about.

use super::jobs::Progress;
use super::running::{BILLING, NOTIFICATION, Registry, loaded, tier};
use davy_domain::history::{Arrival, Subject};
use davy_domain::interlock::Limits;
use davy_domain::{ReleaseId, TenantId};
use davy_rules::backtest::{self, BackTestError, ConfirmedLeak, History, HistoryError, Options};
use davy_rules::world::{Alarm, World as Contract};
use davy_rules::{BoundRule, Rule, SettingsBytes};
use davy_store::{BackTest, StoreError, StoredHistory};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::runtime::Handle;

/// Niceness of the threads that fold: whatever else wants a core goes first.
const NICENESS: i32 = 10;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The fold.
    #[error("{}", chain(.0))]
    BackTest(#[from] BackTestError),
    /// One of the two versions.
    #[error("the version {release} cannot be loaded: {reason}")]
    Rule {
        /// Which.
        release: ReleaseId,
        /// Why.
        reason: String,
    },
    /// A thread could not be started, or ended abnormally.
    #[error("the back-test's thread ended abnormally; the log has the reason")]
    Thread,
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// The stored history, read from a thread that may wait.
pub(super) struct Read {
    history: StoredHistory,
    runtime: Handle,
}

impl Read {
    /// Of a history, by the runtime that asks for it.
    pub(super) fn new(history: StoredHistory) -> Self {
        Self { history, runtime: Handle::current() }
    }
}

impl History for Read {
    fn subjects(&self) -> &[Subject] {
        self.history.subjects()
    }

    fn arrivals(&self) -> u64 {
        self.history.arrivals()
    }

    fn read(&self, subject: usize, visit: &mut dyn FnMut(&[Arrival]) -> ControlFlow<()>) -> Result<(), HistoryError> {
        let mut pages = self.history.pages(subject);
        while let Some(page) = self.runtime.block_on(pages.next())? {
            if visit(&page).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// What a back-test found.
pub(super) struct Found {
    /// The report, as JSON.
    pub(super) report: String,
    /// Leaks that a person has confirmed and that stand against the version.
    pub(super) missed: u64,
}

impl Found {
    fn of(report: &impl serde::Serialize, missed: u64) -> Self {
        Self { report: serde_json::to_string(report).unwrap_or_default(), missed }
    }
}

/// Folds the history of a back-test, as the contract of its version asks for.
pub(super) async fn run(registry: &Registry, test: &BackTest, progress: Arc<Progress>) -> Result<Found, Failed> {
    let stored = registry.store().tenant(test.tenant).release(test.release).await?;
    match stored.as_ref().map(|stored| stored.world.as_str()) {
        Some(NOTIFICATION) => {
            let report = super::back_test_told::run(registry, test, progress).await?;
            Ok(Found::of(&report, report.blocking))
        }
        Some(BILLING) => {
            let report = super::back_test_billed::run(registry, test, progress).await?;
            Ok(Found::of(&report, report.blocking))
        }
        _ => {
            let report = of_alarms(registry, test, progress).await?;
            Ok(Found::of(&report, report.blocking))
        }
    }
}

/// Folds the history of a back-test of an alarm policy; gives its report.
async fn of_alarms(registry: &Registry, test: &BackTest, progress: Arc<Progress>) -> Result<backtest::Report, Failed> {
    let rows = registry.store().tenant(test.tenant);
    let candidate = rule(registry, test.tenant, test.release).await?;
    let active = match test.against {
        Some(release) => Some(rule(registry, test.tenant, release).await?),
        None => None,
    };
    let confirmed = rows.confirmed_leaks(test.from, test.to).await?;
    let confirmed: Vec<ConfirmedLeak> = confirmed
        .into_iter()
        .map(|leak| {
            let davy_store::ConfirmedLeak { device, condition, raised_at, changed_at } = leak;
            ConfirmedLeak { device, condition, from: raised_at, to: changed_at }
        })
        .collect();
    let history = rows.history(test.from, test.to, test.permille).await?;
    let read = Read::new(history);
    let Some(world) = registry.worlds().get(&test.tenant).cloned() else { return Err(Failed::Thread) };
    let to = test.to;
    let (send, report) = tokio::sync::oneshot::channel();
    let folding = std::thread::Builder::new().name("back-test".into()).spawn(move || {
        be_modest();
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        let limits = Limits::default();
        let test = backtest::BackTest {
            active: active.as_ref(),
            candidate: Some(&candidate),
            floor: world.floor(),
            limits: &limits,
            to,
            confirmed: &confirmed,
            options: Options { threads, ..Options::default() },
        };
        let told = |so_far: backtest::Progress| {
            progress.done.store(so_far.done, Ordering::Relaxed);
            progress.total.store(so_far.total, Ordering::Relaxed);
        };
        // Nobody waits for it any more when the server stops.
        let _ = send.send(test.run(&read, &told, &progress.cancelled));
    });
    folding.map_err(|_| Failed::Thread)?;
    Ok(report.await.map_err(|_| Failed::Thread)??)
}

/// A version, ready to be asked.
async fn rule(registry: &Registry, tenant: TenantId, release: ReleaseId) -> Result<BoundRule, Failed> {
    let (rule, settings) = rule_of::<Alarm>(registry, tenant, release).await?;
    Ok(rule.bind(settings))
}

/// The same of whatever contract, its settings beside it.
pub(super) async fn rule_of<W: Contract + 'static>(
    registry: &Registry,
    tenant: TenantId,
    release: ReleaseId,
) -> Result<(Rule<W>, SettingsBytes), Failed>
where
    Rule<W>: Send,
{
    let rows = registry.store().tenant(tenant);
    let gone = || Failed::Rule { release, reason: "it is not in the database".into() };
    let stored = rows.release(release).await?.ok_or_else(gone)?;
    let component = rows.rule_component(&stored.digest).await?;
    let settings = rows.settings(stored.settings_version).await?.ok_or_else(gone)?;
    let sandbox = registry.sandbox().clone();
    let tier = tier(&stored.tier);
    let bound = tokio::task::spawn_blocking(move || loaded::<W>(&sandbox, component.as_deref(), tier, &settings)).await;
    bound.unwrap_or_else(|panic| Err(panic.to_string())).map_err(|reason| Failed::Rule { release, reason })
}

/// For a thread that folds: whatever else wants a core goes first. Nobody needs a privilege to be modest, and threads that this one
/// starts inherit it.
pub(super) fn be_modest() {
    let _ = rustix::process::setpriority_process(None, NICENESS);
}
