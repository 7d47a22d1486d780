//! Versions in service: what they cost, what one in shadow would have done otherwise, and what alarms really were.

use crate::codes;
use crate::connection::{execute, fetch_all, fetch_one, fetch_optional};
use crate::error::StoreError;
use crate::scope::TenantStore;
use davy_domain::ledger::{Act, Actor};
use davy_domain::{AlarmId, Condition, DeviceId, ReleaseId, Timestamp, UserId};

/// Stands in the database for no condition.
const NO_CONDITION: i64 = 0;

/// What two versions did differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// An alarm.
    Alarm,
    /// The order to close a valve.
    Close,
    /// A message to somebody about an alarm.
    Message,
    /// The first person who hears of an alarm.
    FirstTold,
}

impl DifferenceKind {
    /// The stable number, as stored.
    const fn code(self) -> i64 {
        match self {
            Self::Alarm => 1,
            Self::Close => 2,
            Self::Message => 3,
            Self::FirstTold => 4,
        }
    }

    /// The stable name, as in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alarm => "alarm",
            Self::Close => "close",
            Self::Message => "message",
            Self::FirstTold => "first-told",
        }
    }
}

/// One thing that a version did, or would have done, otherwise than what is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What.
    pub kind: DifferenceKind,
    /// Of which device: the one that measured, or the valve.
    pub device: DeviceId,
    /// What the alarm is about, or what the close is for, if it is for an alarm.
    pub condition: Option<Condition>,
    /// Whose reading a close is for, if it is for an alarm.
    pub measured_by: Option<DeviceId>,
    /// When what is in force did it; none when it did not.
    pub active_at: Option<Timestamp>,
    /// When the version did; none when it did not.
    pub version_at: Option<Timestamp>,
    /// About which alarm somebody is told.
    pub alarm: Option<AlarmId>,
    /// Role and channel of a message, codes of the contract.
    pub to: Option<(u16, u16)>,
}

#[derive(sqlx::FromRow)]
struct DifferenceRow {
    device_id: i64,
    condition: i64,
    active_at: Option<i64>,
    shadow_at: Option<i64>,
    kind: i64,
    measured_by: Option<i64>,
    alarm_id: Option<i64>,
    role: Option<i64>,
    channel: Option<i64>,
}

impl TryFrom<DifferenceRow> for Difference {
    type Error = StoreError;

    fn try_from(row: DifferenceRow) -> Result<Self, StoreError> {
        let condition = Some(row.condition).filter(|condition| *condition != NO_CONDITION);
        Ok(Self {
            kind: match row.kind {
                1 => DifferenceKind::Alarm,
                2 => DifferenceKind::Close,
                3 => DifferenceKind::Message,
                4 => DifferenceKind::FirstTold,
                other => return Err(StoreError::corrupt("kind of a difference", format!("{other} is none"))),
            },
            device: DeviceId::from_raw(row.device_id),
            condition: condition.map(codes::condition).transpose()?,
            measured_by: row.measured_by.map(DeviceId::from_raw),
            active_at: row.active_at.map(Timestamp::from_millis),
            version_at: row.shadow_at.map(Timestamp::from_millis),
            alarm: row.alarm_id.map(AlarmId::from_raw),
            to: row.role.zip(row.channel).map(|(role, channel)| (role as u16, channel as u16)),
        })
    }
}

/// What a person has said that an alarm really was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which alarm.
    pub alarm: AlarmId,
    /// Their word, such as `leak`.
    pub finding: String,
    /// Their name; absent for somebody whom the company's rows do not show.
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A leak that a person has confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmedLeak {
    /// Whose reading.
    pub device: DeviceId,
    /// What its alarm was about.
    pub condition: Condition,
    /// When its alarm was raised.
    pub raised_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
}

impl TenantStore {
    /// Stores what a version has cost so far, as JSON.
    pub async fn put_rule_health(&self, release: ReleaseId, body: &str, at: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(
            tx.on(),
            "INSERT INTO rule_health (release_id, tenant_id, at, body) VALUES ($2, $1, $3, $4) \
             ON CONFLICT (release_id) DO UPDATE SET at = excluded.at, body = excluded.body",
            self.id().raw(),
            release.raw(),
            at.as_millis(),
            body,
        )?;
        tx.commit().await
    }

    /// What a version had cost when it was last stored, and when that was.
    pub async fn rule_health(&self, release: ReleaseId) -> Result<Option<(String, Timestamp)>, StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            (String, i64),
            "SELECT body, at FROM rule_health WHERE tenant_id = $1 AND release_id = $2",
            self.id().raw(),
            release.raw(),
        )?;
        Ok(row.map(|(body, at)| (body, Timestamp::from_millis(at))))
    }

    /// Appends differences of a version that is being tried.
    pub async fn add_differences(&self, release: ReleaseId, differences: &[Difference]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for each in differences {
            execute!(
                tx.on(),
                "INSERT INTO rule_differences (tenant_id, release_id, device_id, condition, active_at, shadow_at, kind, measured_by, alarm_id, role, channel) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                self.id().raw(),
                release.raw(),
                each.device.raw(),
                each.condition.map_or(NO_CONDITION, |condition| i64::from(condition.code())),
                each.active_at.map(Timestamp::as_millis),
                each.version_at.map(Timestamp::as_millis),
                each.kind.code(),
                each.measured_by.map(DeviceId::raw),
                each.alarm.map(AlarmId::raw),
                each.to.map(|(role, _)| i64::from(role)),
                each.to.map(|(_, channel)| i64::from(channel)),
            )?;
        }
        tx.commit().await
    }

    /// The newest differences of a version that is being tried, at most `limit`.
    pub async fn differences(&self, release: ReleaseId, limit: u32) -> Result<Vec<Difference>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
            DifferenceRow,
            "SELECT device_id, condition, active_at, shadow_at, kind, measured_by, alarm_id, role, channel FROM rule_differences WHERE tenant_id = $1 AND release_id = $2 \
             ORDER BY seq DESC LIMIT $3",
            self.id().raw(),
            release.raw(),
            i64::from(limit),
        )?;
        rows.into_iter().map(Difference::try_from).collect()
    }

    /// Stores a person's word on what an alarm really was; the last word counts. Says whether the alarm is the company's.
    pub async fn put_finding(
        &self,
        alarm: AlarmId,
        finding: &str,
        by: UserId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let stored = execute!(
            tx.on(),
            "INSERT INTO alarm_findings (alarm_id, tenant_id, finding, by_user, at) \
             SELECT id, tenant_id, $3, $4, $5 FROM alarms WHERE id = $2 AND tenant_id = $1 \
             ON CONFLICT (alarm_id) DO UPDATE SET finding = excluded.finding, by_user = excluded.by_user, at = excluded.at",
            self.id().raw(),
            alarm.raw(),
            finding,
            by.raw(),
            at.as_millis(),
        )?;
        if stored > 0 {
            let act = Act::AlarmJudged { alarm, finding: finding.to_owned() };
            self.enter(&mut tx, at, Actor::Person { by }, &act).await?;
        }
        tx.commit().await?;
        Ok(stored > 0)
    }

    /// What a person has said an alarm really was.
    pub async fn finding(&self, alarm: AlarmId) -> Result<Option<String>, StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            (String,),
            "SELECT finding FROM alarm_findings WHERE tenant_id = $1 AND alarm_id = $2",
            self.id().raw(),
            alarm.raw(),
        )?;
        Ok(row.map(|(finding,)| finding))
    }

    /// What people have said of a device's alarms, the newest alarms first.
    pub async fn findings_of(&self, device: DeviceId, limit: u32) -> Result<Vec<Finding>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
            (i64, String, Option<String>, i64),
            "SELECT f.alarm_id, f.finding, u.name, f.at FROM alarm_findings f JOIN alarms a ON a.id = f.alarm_id AND a.tenant_id = f.tenant_id \
             LEFT JOIN users u ON u.id = f.by_user WHERE f.tenant_id = $1 AND a.device_id = $2 ORDER BY f.alarm_id DESC LIMIT $3",
            self.id().raw(),
            device.raw(),
            i64::from(limit),
        )?;
        let finding = |(alarm, finding, by, at): (i64, String, Option<String>, i64)| Finding {
            alarm: AlarmId::from_raw(alarm),
            finding,
            by,
            at: Timestamp::from_millis(at),
        };
        Ok(rows.into_iter().map(finding).collect())
    }

    /// How many alarms people have called leaks at this time or later; those that somebody has called something else since are none.
    pub async fn leaks_confirmed_since(&self, since: Timestamp) -> Result<u32, StoreError> {
        let (count,) = fetch_one!(
            self.read().await?.on(),
            (i64,),
            "SELECT COUNT(*) FROM alarm_findings WHERE tenant_id = $1 AND finding = 'leak' AND at >= $2",
            self.id().raw(),
            since.as_millis(),
        )?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// The leaks that people have confirmed in a stretch of time.
    pub async fn confirmed_leaks(&self, from: Timestamp, to: Timestamp) -> Result<Vec<ConfirmedLeak>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
            (i64, i64, i64, i64),
            "SELECT a.device_id, a.condition, a.raised_at, a.changed_at FROM alarm_findings f JOIN alarms a ON a.id = f.alarm_id \
             WHERE f.tenant_id = $1 AND f.finding = 'leak' AND a.raised_at >= $2 AND a.raised_at < $3 ORDER BY a.id",
            self.id().raw(),
            from.as_millis(),
            to.as_millis(),
        )?;
        let leak = |(device, condition, raised, changed)| {
            Ok(ConfirmedLeak {
                device: DeviceId::from_raw(device),
                condition: codes::condition(condition)?,
                raised_at: Timestamp::from_millis(raised),
                changed_at: Timestamp::from_millis(changed),
            })
        };
        rows.into_iter().map(leak).collect()
    }
}
