//! Who is told of an alarm: what the notification policy remembers of it, its decisions, and the messages.
//!
//! A notice is marked as handled in the transaction that stores what follows from it, and only once: whoever comes second, or read an older
//! memory, writes nothing. Nothing here decides whom to tell.

use crate::connection::{Store, Tx, execute, fetch_all, fetch_optional};
use crate::error::StoreError;
use crate::places::DivisionCode;
use crate::rules::digest;
use crate::scope::{ScopedStore, TenantStore, scoped};
use davy_domain::{AlarmId, DeviceId, NoticeId, PremisesId, ReleaseId, Roles, TenantId, Timestamp, UserId};

/// What is remembered of an alarm, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmFold {
    /// As JSON.
    pub memory: String,
    /// How often it had been changed.
    pub changes: u32,
}

/// What an alarm's memory becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoldChange {
    /// This memory takes the place of the one that had been changed so often.
    Put {
        /// As it was read; none for the first.
        before: Option<u32>,
        /// As JSON.
        memory: String,
        /// When its first timer is due.
        next_due: Option<Timestamp>,
    },
    /// The alarm is over.
    Over,
}

/// Why somebody is told, to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNotificationDecision {
    /// Which version decided.
    pub release: ReleaseId,
    /// SHA-256 of its component.
    pub digest: [u8; 32],
    /// The version of its settings.
    pub settings_version: u32,
    /// The event, as JSON.
    pub input: String,
    /// Its memory before.
    pub state_before: Vec<u8>,
    /// The outcome or the fault, and the fuel, as JSON.
    pub result: String,
}

/// A decision of a notification policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredNotificationDecision {
    /// Its number; later decisions have higher ones.
    pub id: i64,
    /// Whose it is.
    pub tenant: TenantId,
    /// When (the platform's clock).
    pub at: Timestamp,
    /// What was decided.
    pub decision: NewNotificationDecision,
}

/// A message on its way to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// What it is about, such as `raised`.
    pub about: &'static str,
    /// Who wants it, such as `policy`.
    pub wanted_by: &'static str,
    /// The policy's own number for it; 0 when it is the platform's.
    pub send_id: u32,
    /// Role code of the recipient.
    pub role: u16,
    /// Which of several of the role.
    pub rank: u16,
    /// Who that is.
    pub user: UserId,
    /// Channel number.
    pub channel: u16,
    /// The policy's text in Chinese and English.
    pub text: Option<(String, String)>,
    /// Whether it breaks the recipient's quiet hours.
    pub break_quiet: bool,
    /// How many times somebody was told of this alarm.
    pub attempt: u16,
}

/// A message with what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its number.
    pub id: i64,
    /// Whose it is.
    pub tenant: TenantId,
    /// About which device.
    pub device: DeviceId,
    /// About which alarm, if about one.
    pub alarm: Option<AlarmId>,
    /// What it is about, such as `raised`.
    pub about: String,
    /// Who wants it: `policy`, `default-list` or `duty`.
    pub wanted_by: String,
    /// The policy's own number for it; 0 when it is the platform's.
    pub send_id: u32,
    /// Role code of the recipient.
    pub role: u16,
    /// Which of several of the role.
    pub rank: u16,
    /// Who that is.
    pub user: UserId,
    /// Channel number.
    pub channel: u16,
    /// The policy's text in Chinese and English.
    pub text: Option<(String, String)>,
    /// Whether it breaks the recipient's quiet hours.
    pub break_quiet: bool,
    /// How many times somebody was told of this alarm.
    pub attempt: u16,
    /// When it was written.
    pub created_at: Timestamp,
    /// `waiting`, `sent` or `failed`.
    pub state: String,
    /// How often delivering it has failed.
    pub failures: u32,
}

/// Why an alarm is folded further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToldBy {
    /// A notice, which is handled with this.
    Notice(NoticeId),
    /// A timer that was due.
    Timer,
}

/// Everything that follows from one notice or one timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    /// What it follows from.
    pub by: ToldBy,
    /// When.
    pub at: Timestamp,
    /// About which device.
    pub device: DeviceId,
    /// About which alarm, with what its memory becomes.
    pub alarm: Option<AlarmId>,
    /// What the alarm's memory becomes; none when it is not about an alarm's course.
    pub fold: Option<FoldChange>,
    /// What the policy decided, if one was asked.
    pub decision: Option<NewNotificationDecision>,
    /// Whom to tell.
    pub messages: Vec<NewMessage>,
}

/// Somebody who can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reachable {
    /// Who.
    pub user: UserId,
    /// What they are, within their scope.
    pub roles: Roles,
    /// Whether they have a telephone number.
    pub has_phone: bool,
}

#[derive(sqlx::FromRow)]
struct MessageRow {
    id: i64,
    tenant_id: i64,
    device_id: i64,
    alarm_id: Option<i64>,
    about: String,
    wanted_by: String,
    send_id: i64,
    role: i64,
    rank: i64,
    user_id: i64,
    channel: i64,
    text_zh: Option<String>,
    text_en: Option<String>,
    break_quiet: i64,
    attempt: i64,
    created_at: i64,
    state: String,
    failures: i64,
}

impl From<MessageRow> for StoredMessage {
    fn from(row: MessageRow) -> Self {
        Self {
            id: row.id,
            tenant: TenantId::from_raw(row.tenant_id),
            device: DeviceId::from_raw(row.device_id),
            alarm: row.alarm_id.map(AlarmId::from_raw),
            about: row.about,
            wanted_by: row.wanted_by,
            send_id: row.send_id as u32,
            role: row.role as u16,
            rank: row.rank as u16,
            user: UserId::from_raw(row.user_id),
            channel: row.channel as u16,
            text: row.text_zh.zip(row.text_en),
            break_quiet: row.break_quiet != 0,
            attempt: row.attempt as u16,
            created_at: Timestamp::from_millis(row.created_at),
            state: row.state,
            failures: row.failures as u32,
        }
    }
}

#[derive(sqlx::FromRow)]
struct DecisionRow {
    id: i64,
    tenant_id: i64,
    at: i64,
    release_id: i64,
    rule_digest: Vec<u8>,
    settings_version: i64,
    input: String,
    state_before: Vec<u8>,
    result: String,
}

impl TryFrom<DecisionRow> for StoredNotificationDecision {
    type Error = StoreError;

    fn try_from(row: DecisionRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            tenant: TenantId::from_raw(row.tenant_id),
            at: Timestamp::from_millis(row.at),
            decision: NewNotificationDecision {
                release: ReleaseId::from_raw(row.release_id),
                digest: digest(row.rule_digest)?,
                settings_version: row.settings_version as u32,
                input: row.input,
                state_before: row.state_before,
                result: row.result,
            },
        })
    }
}

impl Store {
    /// The companies of whom a notice waits or a timer of a notification policy is due at `now`.
    pub async fn companies_to_tell(&self, now: Timestamp) -> Result<Vec<TenantId>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            (i64,),
            "SELECT tenant_id FROM outbox WHERE sent_at IS NULL AND next_attempt_at <= $1 \
             UNION SELECT tenant_id FROM notification_folds WHERE next_due IS NOT NULL AND next_due <= $1 ORDER BY 1",
            now.as_millis(),
        )?;
        Ok(rows.into_iter().map(|(tenant,)| TenantId::from_raw(tenant)).collect())
    }

    /// Messages that wait to be delivered and are due at `now`, of every company, oldest first, at most `limit`: what a channel takes up.
    pub async fn due_messages(&self, now: Timestamp, limit: u32) -> Result<Vec<StoredMessage>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            MessageRow,
            "SELECT id, tenant_id, device_id, alarm_id, about, wanted_by, send_id, role, rank, user_id, channel, text_zh, text_en, \
             break_quiet, attempt, created_at, state, failures FROM messages \
             WHERE state = 'waiting' AND next_attempt_at <= $1 ORDER BY next_attempt_at, id LIMIT $2",
            now.as_millis(),
            i64::from(limit),
        )?;
        Ok(rows.into_iter().map(StoredMessage::from).collect())
    }

    /// Notes that a message was delivered; a repeat has no effect.
    pub async fn message_sent(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        execute!(
            self.writer(),
            "UPDATE messages SET state = 'sent', done_at = $2 WHERE id = $1 AND state = 'waiting'",
            id,
            at.as_millis(),
        )?;
        Ok(())
    }

    /// Notes that delivering a message failed, and when to try again; none when nobody will.
    pub async fn message_failed(&self, id: i64, at: Timestamp, again: Option<Timestamp>) -> Result<(), StoreError> {
        execute!(
            self.writer(),
            "UPDATE messages SET failures = failures + 1, next_attempt_at = COALESCE($3, next_attempt_at), \
             state = CASE WHEN $3 IS NULL THEN 'failed' ELSE 'waiting' END, done_at = CASE WHEN $3 IS NULL THEN $2 END \
             WHERE id = $1 AND state = 'waiting'",
            id,
            at.as_millis(),
            again.map(Timestamp::as_millis),
        )?;
        Ok(())
    }
}

impl Store {
    /// Who can be told of something at a place: the company's people, those of the premises, and the regulators of the division and above.
    pub(crate) async fn reachable_by(
        &self,
        tenant: TenantId,
        premises: Option<PremisesId>,
        division: Option<DivisionCode>,
    ) -> Result<Vec<Reachable>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            (i64, String, Option<String>),
            "SELECT u.id, u.roles, u.phone FROM users u WHERE u.ended_at IS NULL AND \
             ((u.tenant_id = $1 AND (u.premises_id IS NULL OR u.premises_id = $2) \
             AND (u.community_id IS NULL OR u.community_id = (SELECT h.community_id FROM premises h WHERE h.id = $2))) \
             OR (u.tenant_id IS NULL AND u.division_code IN (WITH RECURSIVE above (code, parent_code) AS \
             (SELECT code, parent_code FROM divisions WHERE code = $3 \
             UNION ALL SELECT p.code, p.parent_code FROM divisions p JOIN above a ON p.code = a.parent_code) SELECT code FROM above))) \
             ORDER BY u.id LIMIT 1000",
            tenant.raw(),
            premises.map(PremisesId::raw),
            division.map(|division| division.0),
        )?;
        rows.into_iter()
            .map(|(user, roles, phone)| {
                Ok(Reachable {
                    user: UserId::from_raw(user),
                    roles: roles.parse().map_err(|why: davy_domain::RoleError| {
                        StoreError::corrupt("roles of a person", why.to_string())
                    })?,
                    has_phone: phone.is_some_and(|phone| !phone.trim().is_empty()),
                })
            })
            .collect()
    }
}

impl ScopedStore {
    /// Whom was told of an alarm, or will be, first to last; empty when it is not in the scope.
    pub async fn messages_of_alarm(&self, alarm: AlarmId) -> Result<Vec<StoredMessage>, StoreError> {
        let sql = scoped!(
            self.scope,
            "SELECT m.id, m.tenant_id, m.device_id, m.alarm_id, m.about, m.wanted_by, m.send_id, m.role, m.rank, m.user_id, m.channel, \
             m.text_zh, m.text_en, m.break_quiet, m.attempt, m.created_at, m.state, m.failures \
             FROM messages m JOIN devices d ON d.id = m.device_id WHERE ",
            " AND m.alarm_id = $2 ORDER BY m.id LIMIT 1000"
        );
        let rows = fetch_all!(self.read().await?.on(), MessageRow, sql, self.scope.key(), alarm.raw())?;
        Ok(rows.into_iter().map(StoredMessage::from).collect())
    }

    /// What notification policies decided about an alarm, first to last; empty when it is not in the scope.
    pub async fn notification_decisions(&self, alarm: AlarmId) -> Result<Vec<StoredNotificationDecision>, StoreError> {
        let sql = scoped!(
            self.scope,
            "SELECT n.id, n.tenant_id, n.at, n.release_id, n.rule_digest, n.settings_version, n.input, n.state_before, n.result \
             FROM notification_decisions n JOIN alarms a ON a.id = n.alarm_id JOIN devices d ON d.id = a.device_id WHERE ",
            " AND n.alarm_id = $2 ORDER BY n.id LIMIT 1000"
        );
        let rows = fetch_all!(self.read().await?.on(), DecisionRow, sql, self.scope.key(), alarm.raw())?;
        rows.into_iter().map(StoredNotificationDecision::try_from).collect()
    }
}

impl TenantStore {
    /// The alarms of whom a timer of the notification policy is due at `now`, at most `limit`.
    pub async fn alarms_due(&self, now: Timestamp, limit: u32) -> Result<Vec<AlarmId>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
            (i64,),
            "SELECT alarm_id FROM notification_folds WHERE tenant_id = $1 AND next_due IS NOT NULL AND next_due <= $2 \
             ORDER BY next_due, alarm_id LIMIT $3",
            self.id().raw(),
            now.as_millis(),
            i64::from(limit),
        )?;
        Ok(rows.into_iter().map(|(alarm,)| AlarmId::from_raw(alarm)).collect())
    }

    /// What is remembered of an alarm; none before its first notice, and when it is over.
    pub async fn alarm_fold(&self, alarm: AlarmId) -> Result<Option<AlarmFold>, StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            (String, i64),
            "SELECT memory, changes FROM notification_folds WHERE tenant_id = $1 AND alarm_id = $2",
            self.id().raw(),
            alarm.raw(),
        )?;
        Ok(row.map(|(memory, changes)| AlarmFold { memory, changes: changes as u32 }))
    }

    /// Stores everything that follows from one notice or timer, with the notice marked as handled: all of it, or nothing. Says whether it
    /// was stored; it is not when the notice has been handled, or the alarm's memory changed, by somebody else meanwhile.
    pub async fn tell(&self, telling: &Telling) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        if let ToldBy::Notice(notice) = telling.by {
            let touched = execute!(
                tx.on(),
                "UPDATE outbox SET sent_at = $3 WHERE tenant_id = $1 AND id = $2 AND sent_at IS NULL",
                self.id().raw(),
                notice.raw(),
                telling.at.as_millis(),
            )?;
            if touched != 1 {
                return Ok(false);
            }
        }
        if let (Some(alarm), Some(change)) = (telling.alarm, &telling.fold)
            && !self.fold(&mut tx, alarm, change).await?
        {
            return Ok(false);
        }
        if let (Some(alarm), Some(decision)) = (telling.alarm, &telling.decision) {
            execute!(
                tx.on(),
                "INSERT INTO notification_decisions \
                 (tenant_id, alarm_id, at, release_id, rule_digest, settings_version, input, state_before, result) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                self.id().raw(),
                alarm.raw(),
                telling.at.as_millis(),
                decision.release.raw(),
                &decision.digest[..],
                i64::from(decision.settings_version),
                decision.input.as_str(),
                &decision.state_before[..],
                decision.result.as_str(),
            )?;
        }
        for message in &telling.messages {
            self.put_message(&mut tx, telling, message).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn fold(&self, tx: &mut Tx, alarm: AlarmId, change: &FoldChange) -> Result<bool, StoreError> {
        let touched = match change {
            FoldChange::Over => {
                execute!(
                    tx.on(),
                    "DELETE FROM notification_folds WHERE tenant_id = $1 AND alarm_id = $2",
                    self.id().raw(),
                    alarm.raw(),
                )?;
                1
            }
            FoldChange::Put { before: None, memory, next_due } => execute!(
                tx.on(),
                "INSERT INTO notification_folds (alarm_id, tenant_id, memory, next_due, changes) VALUES ($2, $1, $3, $4, 1) \
                 ON CONFLICT (alarm_id) DO NOTHING",
                self.id().raw(),
                alarm.raw(),
                memory.as_str(),
                next_due.map(Timestamp::as_millis),
            )?,
            FoldChange::Put { before: Some(before), memory, next_due } => execute!(
                tx.on(),
                "UPDATE notification_folds SET memory = $3, next_due = $4, changes = changes + 1 \
                 WHERE tenant_id = $1 AND alarm_id = $2 AND changes = $5",
                self.id().raw(),
                alarm.raw(),
                memory.as_str(),
                next_due.map(Timestamp::as_millis),
                i64::from(*before),
            )?,
        };
        Ok(touched == 1)
    }

    async fn put_message(&self, tx: &mut Tx, telling: &Telling, message: &NewMessage) -> Result<(), StoreError> {
        let (zh, en) = message.text.as_ref().map_or((None, None), |(zh, en)| (Some(zh.as_str()), Some(en.as_str())));
        execute!(
            tx.on(),
            "INSERT INTO messages (tenant_id, device_id, alarm_id, about, wanted_by, send_id, role, rank, user_id, channel, text_zh, text_en, \
             break_quiet, attempt, created_at, state, failures, next_attempt_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 'waiting', 0, $15)",
            self.id().raw(),
            telling.device.raw(),
            telling.alarm.map(AlarmId::raw),
            message.about,
            message.wanted_by,
            i64::from(message.send_id),
            i64::from(message.role),
            i64::from(message.rank),
            message.user.raw(),
            i64::from(message.channel),
            zh,
            en,
            i64::from(message.break_quiet),
            i64::from(message.attempt),
            telling.at.as_millis(),
        )?;
        Ok(())
    }
}
