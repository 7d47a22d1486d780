//! Back-tests: what was asked for, how far it is, what it found.

use crate::connection::{Store, execute, fetch_all, fetch_optional};
use crate::error::StoreError;
use crate::scope::TenantStore;
use davy_domain::ledger::{Act, Actor};
use davy_domain::{BackTestId, ReleaseId, TenantId, Timestamp, UserId};

/// Where a back-test stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackTestState {
    /// For its turn.
    Waiting,
    /// It runs.
    Running,
    /// Its report is there.
    Done,
    /// A person has stopped it.
    Cancelled,
    /// It could not be done; the report is the reason.
    Failed,
}

impl BackTestState {
    const ALL: [Self; 5] = [Self::Waiting, Self::Running, Self::Done, Self::Cancelled, Self::Failed];

    /// The stable name, as stored and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

/// A back-test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackTest {
    /// Its id.
    pub id: BackTestId,
    /// Whose.
    pub tenant: TenantId,
    /// Which version.
    pub release: ReleaseId,
    /// What it is held against; none is the statutory floor alone.
    pub against: Option<ReleaseId>,
    /// Where it stands.
    pub state: BackTestState,
    /// The first moment of the history.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
    /// Of how many of a thousand interlocks.
    pub permille: u16,
    /// Who asked for it.
    pub started_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// As JSON when done; the reason when failed; else empty.
    pub report: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    tenant_id: i64,
    release_id: i64,
    against_id: Option<i64>,
    state: String,
    from_at: i64,
    to_at: i64,
    permille: i64,
    started_by: i64,
    created_at: i64,
    finished_at: Option<i64>,
    report: String,
}

impl TryFrom<Row> for BackTest {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let state = BackTestState::ALL
            .into_iter()
            .find(|state| state.name() == row.state)
            .ok_or_else(|| StoreError::corrupt("state of a back-test", format!("`{}` is none", row.state)))?;
        Ok(Self {
            id: BackTestId::from_raw(row.id),
            tenant: TenantId::from_raw(row.tenant_id),
            release: ReleaseId::from_raw(row.release_id),
            against: row.against_id.map(ReleaseId::from_raw),
            state,
            from: Timestamp::from_millis(row.from_at),
            to: Timestamp::from_millis(row.to_at),
            permille: row.permille as u16,
            started_by: UserId::from_raw(row.started_by),
            created_at: Timestamp::from_millis(row.created_at),
            finished_at: row.finished_at.map(Timestamp::from_millis),
            report: row.report,
        })
    }
}

impl Store {
    /// The back-tests that have not ended, of every tenant, oldest first: after a restart they begin anew.
    pub async fn unfinished_back_tests(&self) -> Result<Vec<BackTest>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            Row,
            "SELECT id, tenant_id, release_id, against_id, state, from_at, to_at, permille, started_by, created_at, finished_at, report \
             FROM back_tests WHERE finished_at IS NULL ORDER BY id",
        )?;
        rows.into_iter().map(BackTest::try_from).collect()
    }
}

impl TenantStore {
    /// Stores a back-test that waits for its turn.
    pub async fn create_back_test(&self, test: &BackTest) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(
            tx.on(),
            "INSERT INTO back_tests (id, tenant_id, release_id, against_id, state, from_at, to_at, permille, started_by, created_at, report) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '')",
            test.id.raw(),
            self.id().raw(),
            test.release.raw(),
            test.against.map(ReleaseId::raw),
            test.state.name(),
            test.from.as_millis(),
            test.to.as_millis(),
            i64::from(test.permille),
            test.started_by.raw(),
            test.created_at.as_millis(),
        )?;
        let act = Act::BackTestStarted { test: test.id, release: test.release };
        self.enter(&mut tx, test.created_at, Actor::Person { by: test.started_by }, &act).await?;
        tx.commit().await
    }

    /// Ends a back-test by a person's will. Says whether it had not ended yet.
    pub async fn cancel_back_test(&self, id: BackTestId, by: UserId, at: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let touched = execute!(
            tx.on(),
            "UPDATE back_tests SET state = $3, report = '', finished_at = $4 WHERE tenant_id = $1 AND id = $2 AND finished_at IS NULL",
            self.id().raw(),
            id.raw(),
            BackTestState::Cancelled.name(),
            at.as_millis(),
        )?;
        if touched > 0 {
            self.enter(&mut tx, at, Actor::Person { by }, &Act::BackTestCancelled { test: id }).await?;
        }
        tx.commit().await?;
        Ok(touched > 0)
    }

    /// Stores where a back-test stands; one that has ended stays as it ended. Says whether anything changed.
    pub async fn move_back_test(
        &self,
        id: BackTestId,
        state: BackTestState,
        report: &str,
        finished_at: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let touched = execute!(
            tx.on(),
            "UPDATE back_tests SET state = $3, report = $4, finished_at = $5 WHERE tenant_id = $1 AND id = $2 AND finished_at IS NULL",
            self.id().raw(),
            id.raw(),
            state.name(),
            report,
            finished_at.map(Timestamp::as_millis),
        )?;
        tx.commit().await?;
        Ok(touched > 0)
    }

    /// The back-tests of a version, newest first; without their reports.
    pub async fn back_tests(&self, release: ReleaseId) -> Result<Vec<BackTest>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
            Row,
            "SELECT id, tenant_id, release_id, against_id, state, from_at, to_at, permille, started_by, created_at, finished_at, \
             CASE WHEN state = 'failed' THEN report ELSE '' END AS report \
             FROM back_tests WHERE tenant_id = $1 AND release_id = $2 ORDER BY id DESC LIMIT 100",
            self.id().raw(),
            release.raw(),
        )?;
        rows.into_iter().map(BackTest::try_from).collect()
    }

    /// One back-test with its report.
    pub async fn back_test(&self, id: BackTestId) -> Result<Option<BackTest>, StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            Row,
            "SELECT id, tenant_id, release_id, against_id, state, from_at, to_at, permille, started_by, created_at, finished_at, report \
             FROM back_tests WHERE tenant_id = $1 AND id = $2",
            self.id().raw(),
            id.raw(),
        )?;
        row.map(BackTest::try_from).transpose()
    }
}
