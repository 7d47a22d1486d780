//! The alarms that a company had, each with everything that happened to it: what a notification policy is back-tested on.

use crate::alarms::{AlarmRow, AlarmTransition, StoredAlarm, TransitionRow};
use crate::connection::{fetch_all, fetch_one};
use crate::error::StoreError;
use crate::history::is_chosen;
use crate::scope::TenantStore;
use davy_domain::{AlarmId, Timestamp};
use std::collections::HashMap;

/// An alarm with its history.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredCourse {
    /// The alarm as it is now.
    pub alarm: StoredAlarm,
    /// Everything that happened to it, first to last.
    pub transitions: Vec<AlarmTransition>,
    /// Whether a person has confirmed that it was a leak.
    pub confirmed: bool,
}

#[derive(sqlx::FromRow)]
struct FoundRow {
    #[sqlx(flatten)]
    alarm: AlarmRow,
    finding: Option<String>,
}

#[derive(sqlx::FromRow)]
struct LogRow {
    alarm_id: i64,
    #[sqlx(flatten)]
    transition: TransitionRow,
}

impl TenantStore {
    /// How many alarms were raised with `from <= raised_at < to`.
    pub async fn count_alarms(&self, from: Timestamp, to: Timestamp) -> Result<u64, StoreError> {
        let (count,) = fetch_one!(
            self.read().await?.on(),
            (i64,),
            "SELECT COUNT(*) FROM alarms WHERE tenant_id = $1 AND raised_at >= $2 AND raised_at < $3",
            self.id().raw(),
            from.as_millis(),
            to.as_millis(),
        )?;
        Ok(count.unsigned_abs())
    }

    /// A page of the alarms that were raised with `from <= raised_at < to`, by their ids, after `after`, at most `limit`: those of as many
    /// of the company's interlocks as `per_mille` asks for (1,000 for all; the same ones each time), and the last id that was looked at;
    /// none when there are no more.
    pub async fn alarm_courses(
        &self,
        (from, to): (Timestamp, Timestamp),
        per_mille: u16,
        after: Option<AlarmId>,
        limit: u32,
    ) -> Result<(Vec<StoredCourse>, Option<AlarmId>), StoreError> {
        let after = after.map_or(i64::MIN, AlarmId::raw);
        let mut tx = self.snapshot().await?;
        let rows = fetch_all!(
            tx.on(),
            FoundRow,
            "SELECT a.id, a.tenant_id, a.interlock_id, a.device_id, a.condition, a.priority, a.origin, a.state, a.asserted, \
             a.shelved_until, a.raised_at, a.changed_at, f.finding FROM alarms a LEFT JOIN alarm_findings f ON f.alarm_id = a.id \
             WHERE a.tenant_id = $1 AND a.id > $4 AND a.raised_at >= $2 AND a.raised_at < $3 ORDER BY a.id LIMIT $5",
            self.id().raw(),
            from.as_millis(),
            to.as_millis(),
            after,
            i64::from(limit),
        )?;
        let mut courses = Vec::with_capacity(rows.len());
        for row in rows {
            let alarm = StoredAlarm::try_from(row.alarm)?;
            courses.push(StoredCourse {
                alarm,
                transitions: Vec::new(),
                confirmed: row.finding.as_deref() == Some("leak"),
            });
        }
        let Some(last) = courses.last().map(|course| course.alarm.alarm.id) else { return Ok((courses, None)) };
        let log = fetch_all!(
            tx.on(),
            LogRow,
            "SELECT l.alarm_id, l.at, l.state_before, l.state_after, l.priority, l.event FROM alarms a JOIN alarm_log l ON l.alarm_id = a.id \
             WHERE a.tenant_id = $1 AND a.id > $4 AND a.id <= $5 AND a.raised_at >= $2 AND a.raised_at < $3 ORDER BY l.alarm_id, l.seq",
            self.id().raw(),
            from.as_millis(),
            to.as_millis(),
            after,
            last.raw(),
        )?;
        let mut of: HashMap<i64, Vec<AlarmTransition>> = HashMap::new();
        for row in log {
            of.entry(row.alarm_id).or_default().push(row.transition.try_into()?);
        }
        courses.retain(|course| is_chosen(course.alarm.interlock, per_mille));
        for course in &mut courses {
            course.transitions = of.remove(&course.alarm.alarm.id.raw()).unwrap_or_default();
        }
        Ok((courses, Some(last)))
    }
}
