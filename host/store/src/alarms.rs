//! Scoped reads of alarms and of their append-only history.

use crate::codes;
use crate::connection::{fetch_all, fetch_optional};
use crate::error::StoreError;
use crate::scope::{ScopedStore, scoped, scoped_rows};
use davy_domain::alarm::{Alarm, AlarmEvent, AlarmState, Asserted};
use davy_domain::{AlarmId, DeviceId, InterlockId, Priority, TenantId, Timestamp};

/// An alarm with where it belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredAlarm {
    /// Whose it is.
    pub tenant: TenantId,
    /// The interlock that raised it.
    pub interlock: InterlockId,
    /// The alarm.
    pub alarm: Alarm,
}

/// One transition of an alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmTransition {
    /// When.
    pub at: Timestamp,
    /// Where it stood.
    pub before: AlarmState,
    /// Where it stood afterwards.
    pub after: AlarmState,
    /// Its priority afterwards.
    pub priority: Priority,
    /// What happened.
    pub event: AlarmEvent,
}

#[derive(sqlx::FromRow)]
pub(crate) struct AlarmRow {
    id: i64,
    tenant_id: i64,
    interlock_id: i64,
    device_id: i64,
    condition: i64,
    priority: i64,
    origin: i64,
    state: i64,
    asserted: i64,
    shelved_until: Option<i64>,
    raised_at: i64,
    changed_at: i64,
}

impl TryFrom<AlarmRow> for StoredAlarm {
    type Error = StoreError;

    fn try_from(row: AlarmRow) -> Result<Self, StoreError> {
        Ok(Self {
            tenant: TenantId::from_raw(row.tenant_id),
            interlock: InterlockId::from_raw(row.interlock_id),
            alarm: Alarm {
                id: AlarmId::from_raw(row.id),
                device: DeviceId::from_raw(row.device_id),
                condition: codes::condition(row.condition)?,
                priority: codes::priority(row.priority)?,
                origin: codes::origin(row.origin)?,
                state: codes::alarm_state(row.state)?,
                asserted: Asserted::from_bits(row.asserted as u8),
                shelved_until: row.shelved_until.map(Timestamp::from_millis),
                raised_at: Timestamp::from_millis(row.raised_at),
                changed_at: Timestamp::from_millis(row.changed_at),
            },
        })
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct TransitionRow {
    at: i64,
    state_before: i64,
    state_after: i64,
    priority: i64,
    event: String,
}

impl TryFrom<TransitionRow> for AlarmTransition {
    type Error = StoreError;

    fn try_from(row: TransitionRow) -> Result<Self, StoreError> {
        Ok(Self {
            at: Timestamp::from_millis(row.at),
            before: codes::alarm_state(row.state_before)?,
            after: codes::alarm_state(row.state_after)?,
            priority: codes::priority(row.priority)?,
            event: codes::from_json("alarm event", &row.event)?,
        })
    }
}

impl ScopedStore {
    /// The active alarms, newest first, at most `limit`.
    pub async fn active_alarms(&self, limit: u32) -> Result<Vec<StoredAlarm>, StoreError> {
        let sql = scoped_rows!(
            self.scope,
            "a.id, a.tenant_id, a.interlock_id, a.device_id, a.condition, a.priority, a.origin, a.state, a.asserted, \
             a.shelved_until, a.raised_at, a.changed_at",
            "alarms",
            "a",
            " AND a.state <> 0 ORDER BY a.id DESC LIMIT $2"
        );
        let rows = fetch_all!(self.read().await?.on(), AlarmRow, sql, self.scope.key(), i64::from(limit))?;
        rows.into_iter().map(StoredAlarm::try_from).collect()
    }

    /// Alarms of all times, newest first, at most `limit`, older than `before`: the next page starts at the last of this one.
    pub async fn alarm_history(
        &self,
        device: Option<DeviceId>,
        before: Option<AlarmId>,
        limit: u32,
    ) -> Result<Vec<StoredAlarm>, StoreError> {
        let before = before.map_or(i64::MAX, AlarmId::raw);
        let limit = i64::from(limit);
        let rows = if let Some(device) = device {
            let sql = scoped!(
                self.scope,
                "SELECT a.id, a.tenant_id, a.interlock_id, a.device_id, a.condition, a.priority, a.origin, a.state, \
                 a.asserted, a.shelved_until, a.raised_at, a.changed_at FROM alarms a JOIN devices d ON d.id = a.device_id \
                 WHERE ",
                " AND a.device_id = $2 AND a.id < $3 ORDER BY a.id DESC LIMIT $4"
            );
            fetch_all!(self.read().await?.on(), AlarmRow, sql, self.scope.key(), device.raw(), before, limit)?
        } else {
            let sql = scoped_rows!(
                self.scope,
                "a.id, a.tenant_id, a.interlock_id, a.device_id, a.condition, a.priority, a.origin, a.state, a.asserted, \
                 a.shelved_until, a.raised_at, a.changed_at",
                "alarms",
                "a",
                " AND a.id < $2 ORDER BY a.id DESC LIMIT $3"
            );
            fetch_all!(self.read().await?.on(), AlarmRow, sql, self.scope.key(), before, limit)?
        };
        rows.into_iter().map(StoredAlarm::try_from).collect()
    }

    /// An alarm, if it is in the scope.
    pub async fn alarm(&self, id: AlarmId) -> Result<Option<StoredAlarm>, StoreError> {
        let sql = scoped!(
            self.scope,
            "SELECT a.id, a.tenant_id, a.interlock_id, a.device_id, a.condition, a.priority, a.origin, a.state, a.asserted, a.shelved_until, a.raised_at, \
             a.changed_at FROM alarms a JOIN devices d ON d.id = a.device_id WHERE ",
            " AND a.id = $2"
        );
        let row = fetch_optional!(self.read().await?.on(), AlarmRow, sql, self.scope.key(), id.raw())?;
        row.map(StoredAlarm::try_from).transpose()
    }

    /// What happened to an alarm, first to last; empty when it is not in the scope.
    pub async fn alarm_transitions(&self, id: AlarmId) -> Result<Vec<AlarmTransition>, StoreError> {
        let sql = scoped!(
            self.scope,
            "SELECT l.at, l.state_before, l.state_after, l.priority, l.event FROM alarm_log l \
             JOIN alarms a ON a.id = l.alarm_id JOIN devices d ON d.id = a.device_id WHERE ",
            " AND l.alarm_id = $2 ORDER BY l.seq"
        );
        let rows = fetch_all!(self.read().await?.on(), TransitionRow, sql, self.scope.key(), id.raw())?;
        rows.into_iter().map(AlarmTransition::try_from).collect()
    }
}
