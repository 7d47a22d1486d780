//! Requests to delete a company: one administrator asks, another approves, a time is waited, and until then it can be taken back.

use crate::connection::{Store, Tx, execute, fetch_all};
use crate::error::StoreError;
use davy_domain::approval::{Request, Stage};
use davy_domain::ledger::{Act, Actor, Chain};
use davy_domain::{RequestId, TenantId, Timestamp, UserId};

/// A request to delete a company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// How far it has come; approved, it waits for its time.
    pub request: Request,
    /// Whose rows.
    pub tenant: TenantId,
    /// The company's name: it outlives the company.
    pub name: String,
    /// From when it may be carried out.
    pub due_at: Option<Timestamp>,
    /// When it was.
    pub done_at: Option<Timestamp>,
    /// What was deleted, as JSON; empty until then.
    pub proof: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    tenant_id: i64,
    name: String,
    stage: i64,
    asked_by: i64,
    asked_at: i64,
    expires_at: i64,
    decided_by: Option<i64>,
    decided_at: Option<i64>,
    due_at: Option<i64>,
    done_at: Option<i64>,
    proof: String,
}

impl TryFrom<Row> for Deletion {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let stage = u8::try_from(row.stage).ok().and_then(Stage::from_code);
        let stage =
            stage.ok_or_else(|| StoreError::corrupt("stage of a deletion", format!("{} is none", row.stage)))?;
        Ok(Self {
            request: Request {
                id: RequestId::from_raw(row.id),
                stage,
                second: true,
                asked_by: UserId::from_raw(row.asked_by),
                asked_at: Timestamp::from_millis(row.asked_at),
                expires_at: Timestamp::from_millis(row.expires_at),
                decided_by: row.decided_by.map(UserId::from_raw),
                decided_at: row.decided_at.map(Timestamp::from_millis),
            },
            tenant: TenantId::from_raw(row.tenant_id),
            name: row.name,
            due_at: row.due_at.map(Timestamp::from_millis),
            done_at: row.done_at.map(Timestamp::from_millis),
            proof: row.proof,
        })
    }
}

async fn enter(tx: &mut Tx, tenant: TenantId, request: &Request, by: UserId, at: Timestamp) -> Result<(), StoreError> {
    let act = Act::DeletionMoved { company: tenant, request: request.id, stage: request.stage.code() };
    for chain in [Chain::Platform, Chain::Tenant(tenant)] {
        crate::ledger::enter_in(tx, chain, at, Actor::Person { by }, &act).await?;
    }
    Ok(())
}

impl Store {
    /// Stores a request to delete a company.
    pub async fn ask_deletion(&self, deletion: &Deletion) -> Result<(), StoreError> {
        let request = &deletion.request;
        let mut tx = self.begin().await?;
        execute!(
            tx.on(),
            "INSERT INTO tenant_deletions (id, tenant_id, name, stage, asked_by, asked_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            request.id.raw(),
            deletion.tenant.raw(),
            &deletion.name,
            i64::from(request.stage.code()),
            request.asked_by.raw(),
            request.asked_at.as_millis(),
            request.expires_at.as_millis(),
        )?;
        enter(&mut tx, deletion.tenant, request, request.asked_by, request.asked_at).await?;
        tx.commit().await
    }

    /// Every request to delete a company, newest first.
    pub async fn deletions(&self) -> Result<Vec<Deletion>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            Row,
            "SELECT id, tenant_id, name, stage, asked_by, asked_at, expires_at, decided_by, decided_at, due_at, done_at, proof \
             FROM tenant_deletions ORDER BY id DESC"
        )?;
        rows.into_iter().map(Deletion::try_from).collect()
    }

    /// Stores a decision, with the time that it may be carried out at. Says whether the request still was as it was before.
    pub async fn decide_deletion(
        &self,
        before: &Deletion,
        after: &Request,
        due_at: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let (Some(by), Some(at)) = (after.decided_by, after.decided_at) else { return Ok(false) };
        let mut tx = self.begin().await?;
        let done = execute!(
            tx.on(),
            "UPDATE tenant_deletions SET stage = $3, decided_by = $4, decided_at = $5, due_at = $6 WHERE id = $1 AND stage = $2",
            after.id.raw(),
            i64::from(before.request.stage.code()),
            i64::from(after.stage.code()),
            by.raw(),
            at.as_millis(),
            due_at.map(Timestamp::as_millis),
        )?;
        if done == 1 {
            enter(&mut tx, before.tenant, after, by, at).await?;
        }
        tx.commit().await?;
        Ok(done == 1)
    }
}
