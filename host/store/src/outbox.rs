//! The outbox: notices that were committed with what they tell of, until a channel has sent them.

use crate::codes::from_json;
use crate::connection::{Store, execute, fetch_all};
use crate::error::StoreError;
use crate::scope::{ScopedStore, scoped_rows};
use davy_domain::interlock::Notice;
use davy_domain::{NoticeId, TenantId, Timestamp};

/// A notice with what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredNotice {
    /// Whose it is.
    pub tenant: TenantId,
    /// The notice.
    pub notice: Notice,
    /// How often sending it has failed.
    pub attempts: u32,
    /// When it was sent; none while it waits.
    pub sent_at: Option<Timestamp>,
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

impl Store {
    /// Notices that wait and are due at `now`, oldest first, at most `limit`.
    pub async fn due_notices(&self, now: Timestamp, limit: u32) -> Result<Vec<StoredNotice>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            NoticeRow,
            "SELECT tenant_id, body, attempts, sent_at FROM outbox WHERE sent_at IS NULL AND next_attempt_at <= $1 \
             ORDER BY next_attempt_at, id LIMIT $2",
            now.as_millis(),
            i64::from(limit),
        )?;
        rows.into_iter().map(StoredNotice::try_from).collect()
    }

    /// Notes that a notice was sent; a repeat has no effect.
    pub async fn notice_sent(&self, id: NoticeId, at: Timestamp) -> Result<(), StoreError> {
        execute!(
            self.writer(),
            "UPDATE outbox SET sent_at = $2 WHERE id = $1 AND sent_at IS NULL",
            id.raw(),
            at.as_millis()
        )?;
        Ok(())
    }

    /// Notes that sending a notice failed, and when to try again.
    pub async fn notice_failed(&self, id: NoticeId, next_attempt_at: Timestamp) -> Result<(), StoreError> {
        execute!(
            self.writer(),
            "UPDATE outbox SET attempts = attempts + 1, next_attempt_at = $2 WHERE id = $1 AND sent_at IS NULL",
            id.raw(),
            next_attempt_at.as_millis(),
        )?;
        Ok(())
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
        let rows = fetch_all!(self.store.reader(), NoticeRow, sql, self.scope.key(), before, i64::from(limit))?;
        rows.into_iter().map(StoredNotice::try_from).collect()
    }
}
