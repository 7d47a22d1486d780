//! Scoped reads of commands and of their append-only history.

use crate::codes;
use crate::connection::{fetch_all, fetch_one, fetch_optional};
use crate::error::StoreError;
use crate::scope::{ScopedStore, scoped, scoped_rows};
use davy_domain::command::{Action, Command, CommandState};
use davy_domain::{CommandId, DeviceId, InterlockId, TenantId, Timestamp};

/// A command with where it belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredCommand {
    /// Whose it is.
    pub tenant: TenantId,
    /// The interlock that gave it.
    pub interlock: InterlockId,
    /// The command.
    pub command: Command,
}

/// One transition of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandTransition {
    /// When.
    pub at: Timestamp,
    /// Where it stood; none when it was born.
    pub before: Option<CommandState>,
    /// Where it stood afterwards.
    pub after: CommandState,
}

#[derive(sqlx::FromRow)]
pub(crate) struct CommandRow {
    id: i64,
    tenant_id: i64,
    interlock_id: i64,
    device_id: i64,
    action: i64,
    cause: String,
    state: i64,
    counter: i64,
    requested_at: i64,
    sent_at: Option<i64>,
    actuated_at: Option<i64>,
    changed_at: i64,
    deadline: i64,
}

impl TryFrom<CommandRow> for StoredCommand {
    type Error = StoreError;

    fn try_from(row: CommandRow) -> Result<Self, StoreError> {
        Ok(Self {
            tenant: TenantId::from_raw(row.tenant_id),
            interlock: InterlockId::from_raw(row.interlock_id),
            command: Command {
                id: CommandId::from_raw(row.id),
                device: DeviceId::from_raw(row.device_id),
                action: codes::action(row.action)?,
                cause: codes::from_json("command cause", &row.cause)?,
                state: codes::command_state(row.state)?,
                counter: row.counter as u64,
                requested_at: Timestamp::from_millis(row.requested_at),
                sent_at: row.sent_at.map(Timestamp::from_millis),
                actuated_at: row.actuated_at.map(Timestamp::from_millis),
                changed_at: Timestamp::from_millis(row.changed_at),
                deadline: Timestamp::from_millis(row.deadline),
            },
        })
    }
}

impl ScopedStore {
    /// The commands of a device, newest first, at most `limit`, older than `before`.
    pub async fn commands(
        &self,
        device: DeviceId,
        before: Option<CommandId>,
        limit: u32,
    ) -> Result<Vec<StoredCommand>, StoreError> {
        let sql = scoped!(
            self.scope,
            "SELECT c.id, c.tenant_id, c.interlock_id, c.device_id, c.action, c.cause, c.state, c.counter, c.requested_at, \
             c.sent_at, c.actuated_at, c.changed_at, c.deadline FROM commands c JOIN devices d ON d.id = c.device_id WHERE ",
            " AND c.device_id = $2 AND c.id < $3 ORDER BY c.id DESC LIMIT $4"
        );
        let before = before.map_or(i64::MAX, CommandId::raw);
        let limit = i64::from(limit);
        let rows = fetch_all!(self.read().await?.on(), CommandRow, sql, self.scope.key(), device.raw(), before, limit)?;
        rows.into_iter().map(StoredCommand::try_from).collect()
    }

    /// How many valves have a close under way that is not proven yet, whatever became of it on its way.
    pub async fn valves_closing(&self) -> Result<u64, StoreError> {
        // States up to 6 are on the way; it is written out so that the index of open commands is used.
        let sql = scoped_rows!(
            self.scope,
            "COUNT(DISTINCT c.device_id)",
            "commands",
            "c",
            " AND c.state <= 6 AND c.action = $2"
        );
        let (count,) =
            fetch_one!(self.read().await?.on(), (i64,), sql, self.scope.key(), i64::from(Action::Close.code()))?;
        Ok(count as u64)
    }

    /// A command, if it is in the scope.
    pub async fn command(&self, id: CommandId) -> Result<Option<StoredCommand>, StoreError> {
        let sql = scoped!(
            self.scope,
            "SELECT c.id, c.tenant_id, c.interlock_id, c.device_id, c.action, c.cause, c.state, c.counter, c.requested_at, \
             c.sent_at, c.actuated_at, c.changed_at, c.deadline FROM commands c JOIN devices d ON d.id = c.device_id WHERE ",
            " AND c.id = $2"
        );
        let row = fetch_optional!(self.read().await?.on(), CommandRow, sql, self.scope.key(), id.raw())?;
        row.map(StoredCommand::try_from).transpose()
    }

    /// What happened to a command, first to last; empty when it is not in the scope.
    pub async fn command_transitions(&self, id: CommandId) -> Result<Vec<CommandTransition>, StoreError> {
        let sql = scoped!(
            self.scope,
            "SELECT l.at, l.state_before, l.state_after FROM command_log l JOIN commands c ON c.id = l.command_id \
             JOIN devices d ON d.id = c.device_id WHERE ",
            " AND l.command_id = $2 ORDER BY l.seq"
        );
        let rows = fetch_all!(self.read().await?.on(), (i64, Option<i64>, i64), sql, self.scope.key(), id.raw())?;
        rows.into_iter()
            .map(|(at, before, after)| {
                Ok(CommandTransition {
                    at: Timestamp::from_millis(at),
                    before: before.map(codes::command_state).transpose()?,
                    after: codes::command_state(after)?,
                })
            })
            .collect()
    }
}
