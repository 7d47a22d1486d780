//! What is stored of one interlock's decisions: what a fold goes back to when the database has refused what came after.

use crate::alarms::{AlarmRow, StoredAlarm};
use crate::commands::{CommandRow, StoredCommand};
use crate::connection::{Store, fetch_all};
use crate::error::StoreError;
use davy_domain::interlock::StoredInterlock;
use davy_domain::policy::PolicyTimer;
use davy_domain::{DeviceId, InterlockId, Timestamp};

impl Store {
    /// The active alarms, the commands that count for [`StoredInterlock::commands`], and the timers of an interlock, as the last commit
    /// left them. Its devices and their memories are left out.
    ///
    /// # Errors
    /// When the database does not answer or holds what this version cannot read.
    pub async fn decided(&self, interlock: InterlockId) -> Result<StoredInterlock, StoreError> {
        // By the writer's connections: a replica that lags behind would tell of a past.
        let on = || self.writer();
        let alarms = fetch_all!(
            on(),
            AlarmRow,
            "SELECT a.id, a.tenant_id, a.interlock_id, a.device_id, a.condition, a.priority, a.origin, a.state, a.asserted, \
             a.shelved_until, a.raised_at, a.changed_at FROM alarms a JOIN devices d ON d.id = a.device_id \
             WHERE d.interlock_id = $1 AND a.state <> 0 ORDER BY a.id",
            interlock.raw(),
        )?;
        let commands = fetch_all!(
            on(),
            CommandRow,
            "SELECT c.id, c.tenant_id, c.interlock_id, c.device_id, c.action, c.cause, c.state, c.counter, c.requested_at, \
             c.sent_at, c.actuated_at, c.changed_at, c.deadline FROM commands c JOIN devices d ON d.id = c.device_id \
             WHERE d.interlock_id = $1 AND (c.state <= 6 OR c.counter = (SELECT MAX(n.counter) FROM commands n \
             WHERE n.device_id = c.device_id AND n.action = c.action)) ORDER BY c.id",
            interlock.raw(),
        )?;
        let timers = fetch_all!(
            on(),
            (i64, i64, i64),
            "SELECT t.device_id, t.name, t.due_at FROM timers t JOIN devices d ON d.id = t.device_id \
             WHERE d.interlock_id = $1 ORDER BY t.device_id, t.name",
            interlock.raw(),
        )?;
        let alarms = alarms.into_iter().map(|row| StoredAlarm::try_from(row).map(|stored| stored.alarm));
        let commands = commands.into_iter().map(|row| StoredCommand::try_from(row).map(|stored| stored.command));
        let timer = |(device, name, due_at): (i64, i64, i64)| {
            (DeviceId::from_raw(device), PolicyTimer { id: name as u32, at: Timestamp::from_millis(due_at) })
        };
        Ok(StoredInterlock {
            alarms: alarms.collect::<Result<_, _>>()?,
            commands: commands.collect::<Result<_, _>>()?,
            timers: timers.into_iter().map(timer).collect(),
            ..StoredInterlock::default()
        })
    }
}
