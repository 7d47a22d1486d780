//! Who met whose personal data: appended with the act itself, read by the person and by their company's administrators.
//!
//! Rows hold numbers only. Must never be changed afterwards; the database refuses it.

pub mod held;

use crate::connection::{Store, Tx, execute, fetch_all};
use crate::error::StoreError;
use crate::scope::TenantStore;
use davy_domain::ledger::{Act, Actor};
use davy_domain::personal::{Category, Met};
use davy_domain::{AlarmId, DeviceId, PremisesId, Roles, TenantId, Timestamp, UserId};

/// Something that was done with somebody's personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalDataAct {
    /// Its number.
    pub id: i64,
    /// Of whom.
    pub person: UserId,
    /// By whom.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
    /// What was done.
    pub what: Met,
    /// With which kinds of data.
    pub categories: Vec<Category>,
    /// On whose page.
    pub device: Option<DeviceId>,
    /// Because of which alarm.
    pub alarm: Option<AlarmId>,
}

/// The same with what the people are called now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPersonalDataAct {
    /// What was done.
    pub act: PersonalDataAct,
    /// What whom it is about is called.
    pub person_name: String,
    /// What who did it is called.
    pub by_name: String,
    /// And what they are, now.
    pub by_roles: Roles,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    person_id: i64,
    by_id: i64,
    at: i64,
    what: i64,
    categories: String,
    device_id: Option<i64>,
    alarm_id: Option<i64>,
    person_name: String,
    by_name: String,
    by_roles: String,
}

impl TryFrom<Row> for StoredPersonalDataAct {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let corrupt = |expected: String| StoreError::corrupt(format!("act {} on personal data", row.id), expected);
        let what = u16::try_from(row.what).ok().and_then(Met::from_code);
        let what = what.ok_or_else(|| corrupt(format!("expected 1 or 2, got {}", row.what)))?;
        let category = |name: &str| {
            let found = Category::ALL.iter().copied().find(|it| it.name() == name);
            found.ok_or_else(|| corrupt(format!("expected a kind of personal data, got `{name}`")))
        };
        Ok(Self {
            act: PersonalDataAct {
                id: row.id,
                person: UserId::from_raw(row.person_id),
                by: UserId::from_raw(row.by_id),
                at: Timestamp::from_millis(row.at),
                what,
                categories: row.categories.split_whitespace().map(category).collect::<Result<_, _>>()?,
                device: row.device_id.map(DeviceId::from_raw),
                alarm: row.alarm_id.map(AlarmId::from_raw),
            },
            person_name: row.person_name,
            by_name: row.by_name,
            by_roles: row.by_roles.parse().map_err(|error: davy_domain::RoleError| corrupt(error.to_string()))?,
        })
    }
}

macro_rules! acts {
    ($tail:literal) => {
        concat!(
            "SELECT a.id, a.person_id, a.by_id, a.at, a.what, a.categories, a.device_id, a.alarm_id, p.name AS person_name, \
             b.name AS by_name, b.roles AS by_roles FROM personal_data_acts a JOIN users p ON p.id = a.person_id \
             JOIN users b ON b.id = a.by_id WHERE ",
            $tail
        )
    };
}

/// Appends an act within the transaction that it belongs to.
pub(crate) async fn append(tx: &mut Tx, tenant: TenantId, act: &PersonalDataAct) -> Result<(), StoreError> {
    let categories: Vec<&str> = act.categories.iter().map(|it| it.name()).collect();
    execute!(
        tx.on(),
        "INSERT INTO personal_data_acts (id, tenant_id, person_id, by_id, at, what, categories, device_id, alarm_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        act.id,
        tenant.raw(),
        act.person.raw(),
        act.by.raw(),
        act.at.as_millis(),
        i64::from(act.what.code()),
        categories.join(" "),
        act.device.map(DeviceId::raw),
        act.alarm.map(AlarmId::raw),
    )?;
    Ok(())
}

impl Store {
    /// What was done with a person's data, newest first.
    pub async fn acts_on_data_of(&self, person: UserId, limit: u32) -> Result<Vec<StoredPersonalDataAct>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            Row,
            acts!("a.person_id = $1 ORDER BY a.id DESC LIMIT $2"),
            person.raw(),
            i64::from(limit),
        )?;
        rows.into_iter().map(StoredPersonalDataAct::try_from).collect()
    }

    /// Notes that what is held of a person left as a file.
    pub async fn data_exported(&self, tenant: TenantId, act: &PersonalDataAct) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        append(&mut tx, tenant, act).await?;
        self.enter_of(&mut tx, act.by, act.at, &Act::PersonalDataExported { person: act.person }).await?;
        tx.commit().await
    }
}

impl TenantStore {
    /// Notes that the contacts of people at a premises were shown whole, before they are.
    pub async fn contacts_shown(&self, premises: PremisesId, acts: &[PersonalDataAct]) -> Result<(), StoreError> {
        let Some(first) = acts.first() else { return Ok(()) };
        let Some(device) = first.device else { return Ok(()) };
        let mut tx = self.begin().await?;
        for act in acts {
            append(&mut tx, self.id(), act).await?;
        }
        let seen = Act::PersonalDataSeen { premises, people: acts.len() as u64, device, alarm: first.alarm };
        self.enter(&mut tx, first.at, Actor::Person { by: first.by }, &seen).await?;
        tx.commit().await
    }

    /// What was done with the data of the company's people and residents, newest first.
    pub async fn acts_on_data(&self, limit: u32) -> Result<Vec<StoredPersonalDataAct>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
            Row,
            acts!("a.tenant_id = $1 ORDER BY a.id DESC LIMIT $2"),
            self.id().raw(),
            i64::from(limit),
        )?;
        rows.into_iter().map(StoredPersonalDataAct::try_from).collect()
    }
}
