//! What people do with back-tests: start, look at, stop. The folding itself is a job of the background.

use super::Service;
use crate::backend::stored;
use crate::http::problem::invalid;
use crate::roles::Deed;
use crate::rules::running::BILLING;
use davy_api::{BackTestItem, BackTestRequest, Problem, Viewer};
use davy_domain::release::Stage;
use davy_domain::release::{self, WHOLE};
use davy_domain::{BackTestId, DeviceId, ReleaseId};
use davy_store::{BackTest, BackTestState, StoredRelease, TenantStore};
use serde_json::Value;
use std::sync::atomic::Ordering;

/// Back-tests of a company that may wait at once.
pub(super) const MOST_WAITING: usize = 8;

impl Service {
    /// Has a version folded over the company's history.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub async fn start_back_test(
        &self,
        viewer: &Viewer,
        id: ReleaseId,
        request: &BackTestRequest,
    ) -> Result<BackTestItem, Problem> {
        let rows = self.rows_for(viewer, Deed::ChangeRules, id).await?;
        let release = self.release_of(&rows, id).await?;
        let now = self.now();
        if !self.may(viewer, &release).iter().any(|act| act == "back-test") {
            let words = format!(
                "A version that is {} cannot be back-tested: its checks must have passed.",
                release.release.stage
            );
            return Err(Problem::new("refused", 409, "Refused", words).with_reason("not-now"));
        }
        let to = request.to.unwrap_or(now);
        let from = request.from.unwrap_or(to - release::HISTORY);
        if from >= to {
            return Err(invalid("from", "expected a time before `to`"));
        }
        let permille = request.permille.unwrap_or(WHOLE);
        if !(1..=WHOLE).contains(&permille) {
            return Err(invalid("permille", format!("expected 1 to {WHOLE}, got {permille}")));
        }
        if self.back_tests_under_way(rows.id()).await? >= MOST_WAITING {
            let words =
                format!("{MOST_WAITING} back-tests of your company are under way; wait for one to end, or cancel it.");
            return Err(Problem::new("refused", 409, "Refused", words).with_reason("too-many"));
        }
        let against = if release.world == BILLING {
            billed_before(&rows, &release).await?
        } else {
            self.in_force(&rows, &release).await?.map(|in_force| in_force.version.id)
        };
        let test = BackTest {
            id: BackTestId::from_raw(self.rules.ids.lock().next_raw(now)),
            tenant: rows.id(),
            release: id,
            against,
            state: BackTestState::Waiting,
            from,
            to,
            permille,
            started_by: viewer.user,
            created_at: now,
            finished_at: None,
            report: String::new(),
        };
        rows.create_back_test(&test).await.map_err(stored)?;
        self.rules.jobs.back_test();
        Ok(self.test_item(&test))
    }

    pub(in crate::backend) async fn back_test_of(
        &self,
        viewer: &Viewer,
        id: BackTestId,
    ) -> Result<BackTestItem, Problem> {
        let rows = self.rows_for(viewer, Deed::SeeRules, id).await?;
        let test = rows.back_test(id).await.map_err(stored)?.ok_or_else(|| Problem::not_found("back-test"))?;
        Ok(self.test_item(&test))
    }

    /// Stops a back-test.
    ///
    /// # Errors
    /// A [`Problem`] when there is none that the viewer may stop.
    pub async fn cancel_back_test(&self, viewer: &Viewer, id: BackTestId) -> Result<BackTestItem, Problem> {
        let rows = self.rows_for(viewer, Deed::ChangeRules, id).await?;
        if let Some(progress) = self.rules.jobs.progress(id) {
            progress.cancelled.store(true, Ordering::Relaxed);
        }
        rows.cancel_back_test(id, viewer.user, self.now()).await.map_err(stored)?;
        self.back_test_of(viewer, id).await
    }

    pub(super) fn test_item(&self, test: &BackTest) -> BackTestItem {
        let progress = self.rules.jobs.progress(test.id);
        let (done, total) = progress
            .map_or((0, 0), |progress| (progress.done.load(Ordering::Relaxed), progress.total.load(Ordering::Relaxed)));
        let failed = test.state == BackTestState::Failed;
        BackTestItem {
            id: test.id,
            rule: test.release,
            against: test.against,
            state: test.state.name().to_owned(),
            from: test.from,
            to: test.to,
            permille: test.permille,
            decisive: release::is_decisive(test.from, test.to, test.permille, test.created_at),
            created_at: test.created_at,
            finished_at: test.finished_at,
            done,
            total,
            reason: failed.then(|| test.report.clone()),
            report: if failed { None } else { serde_json::from_str(&test.report).ok().map(|it| self.with_serials(it)) },
        }
    }

    /// A report whose rows call each device by its serial: people know no ids, and not every report has more.
    fn with_serials(&self, mut report: Value) -> Value {
        let landscape = self.landscape();
        let rows = report.get_mut("rows").and_then(Value::as_array_mut);
        for row in rows.into_iter().flatten().filter_map(Value::as_object_mut) {
            let named = row.get("serial").and_then(Value::as_str).is_some_and(|serial| !serial.is_empty());
            let device = row.get("device").and_then(Value::as_str).and_then(|it| it.parse::<DeviceId>().ok());
            if let (false, Some(card)) = (named, device.and_then(|device| landscape.card(device))) {
                row.insert("serial".to_owned(), Value::from(card.serial.clone()));
            }
        }
        report
    }
}

/// What a billing version is held against, as none of them is in force: the newest one before it whose checks have passed.
async fn billed_before(rows: &TenantStore, release: &StoredRelease) -> Result<Option<ReleaseId>, Problem> {
    let earlier = |other: &&StoredRelease| {
        other.world == BILLING
            && other.release.id != release.release.id
            && other.created_at <= release.created_at
            && matches!(other.release.stage, Stage::Checked | Stage::BackTested)
    };
    // Newest first.
    Ok(rows.releases().await.map_err(stored)?.iter().find(earlier).map(|other| other.release.id))
}
