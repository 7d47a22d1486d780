//! Dangerous acts and who decided about them. A decision is stored only when the request still is as it was when it was decided.

use crate::connection::{Store, execute, fetch_all, fetch_optional};
use crate::error::StoreError;
use crate::scope::TenantStore;
use davy_domain::approval::{Request, Stage};
use davy_domain::ledger::{Act, Actor, Hash};
use davy_domain::{RequestId, TenantId, Timestamp, UserId};

/// A request with what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRequest {
    /// How far it has come.
    pub request: Request,
    /// Whose it is.
    pub tenant: TenantId,
    /// Which act.
    pub act: String,
    /// What exactly, as JSON.
    pub subject: String,
    /// How far it has been carried out, as JSON.
    pub outcome: String,
    /// The name of who asked.
    pub asked_by_name: String,
    /// The name of who decided.
    pub decided_by_name: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    tenant_id: i64,
    act: String,
    subject: String,
    second: i64,
    stage: i64,
    asked_by: i64,
    asked_at: i64,
    expires_at: i64,
    decided_by: Option<i64>,
    decided_at: Option<i64>,
    outcome: String,
    asked_name: String,
    decided_name: Option<String>,
}

impl TryFrom<Row> for StoredRequest {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let stage = u8::try_from(row.stage).ok().and_then(Stage::from_code);
        let stage = stage.ok_or_else(|| StoreError::corrupt("stage of a request", format!("{} is none", row.stage)))?;
        Ok(Self {
            request: Request {
                id: RequestId::from_raw(row.id),
                stage,
                second: row.second != 0,
                asked_by: UserId::from_raw(row.asked_by),
                asked_at: Timestamp::from_millis(row.asked_at),
                expires_at: Timestamp::from_millis(row.expires_at),
                decided_by: row.decided_by.map(UserId::from_raw),
                decided_at: row.decided_at.map(Timestamp::from_millis),
            },
            tenant: TenantId::from_raw(row.tenant_id),
            act: row.act,
            subject: row.subject,
            outcome: row.outcome,
            asked_by_name: row.asked_name,
            decided_by_name: row.decided_name,
        })
    }
}

macro_rules! requests {
    ($tail:literal) => {
        concat!(
            "SELECT r.id, r.tenant_id, r.act, r.subject, r.second, r.stage, r.asked_by, r.asked_at, r.expires_at, r.decided_by, \
             r.decided_at, r.outcome, a.name AS asked_name, d.name AS decided_name \
             FROM approvals r JOIN users a ON a.id = r.asked_by LEFT JOIN users d ON d.id = r.decided_by WHERE ",
            $tail
        )
    };
}

impl Store {
    /// The requests of every company that were approved and not carried out to the end: a restart goes on with them.
    pub async fn unfinished_requests(&self) -> Result<Vec<StoredRequest>, StoreError> {
        let rows = fetch_all!(self.reader(), Row, requests!("r.stage = 2 ORDER BY r.id"))?;
        rows.into_iter().map(StoredRequest::try_from).collect()
    }
}

impl TenantStore {
    /// Stores a request.
    pub async fn ask(&self, request: &Request, act: &str, subject: &str) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(
            tx.on(),
            "INSERT INTO approvals (id, tenant_id, act, subject, second, stage, asked_by, asked_at, expires_at, outcome) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '')",
            request.id.raw(),
            self.id().raw(),
            act,
            subject,
            i64::from(request.second),
            i64::from(request.stage.code()),
            request.asked_by.raw(),
            request.asked_at.as_millis(),
            request.expires_at.as_millis(),
        )?;
        let entered =
            Act::ApprovalAsked { request: request.id, what: act.to_owned(), subject: Hash::of(subject.as_bytes()) };
        self.enter(&mut tx, request.asked_at, Actor::Person { by: request.asked_by }, &entered).await?;
        tx.commit().await
    }

    /// The newest requests.
    pub async fn requests(&self, limit: u32) -> Result<Vec<StoredRequest>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
            Row,
            requests!("r.tenant_id = $1 ORDER BY r.id DESC LIMIT $2"),
            self.id().raw(),
            i64::from(limit),
        )?;
        rows.into_iter().map(StoredRequest::try_from).collect()
    }

    /// One request.
    pub async fn request(&self, id: RequestId) -> Result<Option<StoredRequest>, StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            Row,
            requests!("r.tenant_id = $1 AND r.id = $2"),
            self.id().raw(),
            id.raw(),
        )?;
        row.map(StoredRequest::try_from).transpose()
    }

    /// Stores a decision. Says whether the request still was as it was before: only one of two who decide at once is right.
    pub async fn decide(&self, before: &Request, after: &Request) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let done = execute!(
            tx.on(),
            "UPDATE approvals SET stage = $4, decided_by = $5, decided_at = $6 WHERE tenant_id = $1 AND id = $2 AND stage = $3",
            self.id().raw(),
            before.id.raw(),
            i64::from(before.stage.code()),
            i64::from(after.stage.code()),
            after.decided_by.map(UserId::raw),
            after.decided_at.map(Timestamp::as_millis),
        )?;
        if let (1, Some(at)) = (done, after.decided_at) {
            let act = Act::ApprovalMoved { request: after.id, stage: after.stage.code() };
            self.enter(&mut tx, at, Actor::person_or_platform(after.decided_by), &act).await?;
        }
        tx.commit().await?;
        Ok(done == 1)
    }

    /// Notes how far an approved request has been carried out, and whether that was all.
    pub async fn carried_out(&self, id: RequestId, outcome: &str, whole: bool) -> Result<(), StoreError> {
        let stage = if whole { Stage::Done } else { Stage::Approved };
        let mut tx = self.begin().await?;
        execute!(
            tx.on(),
            "UPDATE approvals SET outcome = $3, stage = $4 WHERE tenant_id = $1 AND id = $2 AND stage = 2",
            self.id().raw(),
            id.raw(),
            outcome,
            i64::from(stage.code()),
        )?;
        tx.commit().await
    }

    /// How many premises one person may have closed at once.
    pub async fn close_alone(&self) -> Result<u32, StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            (i64,),
            "SELECT close_alone FROM tenants WHERE id = $1",
            self.id().raw()
        )?;
        Ok(row.map_or(0, |(premises,)| u32::try_from(premises).unwrap_or_default()))
    }

    /// Sets how many premises one person may have closed at once.
    pub async fn set_close_alone(&self, premises: u32, at: Timestamp, by: UserId) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(tx.on(), "UPDATE tenants SET close_alone = $2 WHERE id = $1", self.id().raw(), i64::from(premises))?;
        let act = Act::ClosingLimitSet { premises: u64::from(premises) };
        self.enter(&mut tx, at, Actor::Person { by }, &act).await?;
        tx.commit().await
    }
}
