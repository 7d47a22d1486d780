//! The back-test of a billing policy as a job: the index of the company's meters out of its history, billed under both versions.

use super::back_test::{Failed, Read, be_modest, rule_of};
use super::jobs::Progress;
use super::running::Registry;
use davy_domain::ReleaseId;
use davy_rules::backtest::Progress as SoFar;
use davy_rules::billing::BoundBilling;
use davy_rules::billing::backtest::{self, Report};
use davy_rules::world::Billing;
use davy_store::BackTest;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bills the meters of a back-test; gives its report.
pub(super) async fn run(registry: &Registry, test: &BackTest, progress: Arc<Progress>) -> Result<Report, Failed> {
    let candidate = bound(registry, test, test.release).await?;
    let active = match test.against {
        Some(release) => Some(bound(registry, test, release).await?),
        None => None,
    };
    let span = (test.from, test.to);
    let begun = backtest::BackTest::new(None, &candidate, span).needed_from();
    let history = registry.store().tenant(test.tenant).history(begun, test.to, test.permille).await?;
    let read = Read::new(history);
    let (send, report) = tokio::sync::oneshot::channel();
    let folding = std::thread::Builder::new().name("back-test".into()).spawn(move || {
        be_modest();
        let told = |so_far: SoFar| {
            progress.done.store(so_far.done, Ordering::Relaxed);
            progress.total.store(so_far.total, Ordering::Relaxed);
        };
        let test = backtest::BackTest::new(active.as_ref(), &candidate, span);
        // Nobody waits for it any more when the server stops.
        let _ = send.send(test.run(&read, &told, &progress.cancelled));
    });
    folding.map_err(|_| Failed::Thread)?;
    Ok(report.await.map_err(|_| Failed::Thread)??)
}

async fn bound(registry: &Registry, test: &BackTest, release: ReleaseId) -> Result<BoundBilling, Failed> {
    let (rule, settings) = rule_of::<Billing>(registry, test.tenant, release).await?;
    Ok(rule.bind(settings))
}
