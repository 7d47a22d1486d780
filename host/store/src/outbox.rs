//! The outbox: notices that were committed with what they tell of, until it is decided whom they concern (`notifications.rs`).

use crate::codes::from_json;
use crate::connection::{execute, fetch_all};
use crate::error::StoreError;
use crate::scope::{ScopedStore, TenantStore, scoped_rows};
use davy_domain::interlock::Notice;
use davy_domain::{NoticeId, TenantId, Timestamp};

/// A notice with what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredNotice {
    /// Whose it is.
    pub tenant: TenantId,
    /// The notice.
    pub notice: Notice,
    /// How often handling it has failed.
    pub attempts: u32,
    /// When it was handled; none while it waits.
    pub sent_at: Option<Timestamp>,
}

/// A notice that is to be handled.
#[derive(Debug)]
pub struct DueNotice {
    /// Its id.
    pub id: NoticeId,
    /// The notice, if it can be read.
    pub notice: Result<Notice, StoreError>,
    /// How often handling it has failed.
    pub attempts: u32,
}

#[derive(sqlx::FromRow)]
struct NoticeRow {
    tenant_id: i64,
    body: String,
    attempts: i64,
    sent_at: Option<i64>,
}

impl TryFrom<NoticeRow> for StoredNotice {
    type Error = StoreError;

    fn try_from(row: NoticeRow) -> Result<Self, StoreError> {
        Ok(Self {
            tenant: TenantId::from_raw(row.tenant_id),
            notice: from_json("notice", &row.body)?,
            attempts: row.attempts as u32,
            sent_at: row.sent_at.map(Timestamp::from_millis),
        })
    }
}

impl TenantStore {
    /// Notices that wait and are due at `now`, in the order in which they came up, at most `limit`. One that cannot be read stands in
    /// nobody's way.
    pub async fn due_notices(&self, now: Timestamp, limit: u32) -> Result<Vec<DueNotice>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
            (i64, String, i64),
            "SELECT id, body, attempts FROM outbox WHERE tenant_id = $1 AND sent_at IS NULL AND next_attempt_at <= $2 \
             ORDER BY id LIMIT $3",
            self.id().raw(),
            now.as_millis(),
            i64::from(limit),
        )?;
        let due = |(id, body, attempts): (i64, String, i64)| DueNotice {
            id: NoticeId::from_raw(id),
            notice: from_json("notice", &body),
            attempts: attempts as u32,
        };
        Ok(rows.into_iter().map(due).collect())
    }

    /// Notes that a notice could not be handled, and when to try again.
    pub async fn notice_failed(&self, id: NoticeId, next_attempt_at: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(
            tx.on(),
            "UPDATE outbox SET attempts = attempts + 1, next_attempt_at = $3 WHERE tenant_id = $1 AND id = $2 AND sent_at IS NULL",
            self.id().raw(),
            id.raw(),
            next_attempt_at.as_millis(),
        )?;
        tx.commit().await
    }
}

impl ScopedStore {
    /// Notices of all times, newest first, at most `limit`, older than `before`.
    pub async fn notices(&self, before: Option<NoticeId>, limit: u32) -> Result<Vec<StoredNotice>, StoreError> {
        let sql = scoped_rows!(
            self.scope,
            "o.tenant_id, o.body, o.attempts, o.sent_at",
            "outbox",
            "o",
            " AND o.id < $2 ORDER BY o.id DESC LIMIT $3"
        );
        let before = before.map_or(i64::MAX, NoticeId::raw);
        let rows = fetch_all!(self.read().await?.on(), NoticeRow, sql, self.scope.key(), before, i64::from(limit))?;
        rows.into_iter().map(StoredNotice::try_from).collect()
    }
}
