//! Versions of rules: how far each has come, who did what with it, and which of them run.
//!
//! A change is stored only when the version still is as it was when it was decided: two people who act at once cannot both be right.
//! Acts are only ever appended.

use crate::codes::from_json;
use crate::connection::{Store, execute, fetch_all, fetch_optional};
use crate::error::StoreError;
use crate::rules::digest;
use crate::scope::TenantStore;
use davy_domain::ledger::{self, Hash};
use davy_domain::release::{Act, Actor, Release, Stage};
use davy_domain::{ReleaseId, TenantId, Timestamp, UserId};

/// A version with what it consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRelease {
    /// How far it has come.
    pub release: Release,
    /// Whose it is.
    pub tenant: TenantId,
    /// SHA-256 of the component.
    pub digest: [u8; 32],
    /// The version of the settings.
    pub settings_version: u32,
    /// The rule's name.
    pub name: String,
    /// The rule's own version; empty until its checks have passed.
    pub version: String,
    /// The contract that it fulfils, such as `alarm-policy`.
    pub world: String,
    /// Of a driver its name, because drivers of different names are in force beside each other; empty for every other contract.
    pub scope: String,
    /// The limits that it was uploaded for.
    pub tier: String,
    /// What admission said, as JSON; empty until then.
    pub checks: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last came into force.
    pub activated_at: Option<Timestamp>,
}

/// A version that is asked about live data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRelease {
    /// The version.
    pub stored: StoredRelease,
    /// Its settings, as JSON text.
    pub settings: String,
}

/// What happened to a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAct {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: Actor,
    /// The person's name.
    pub name: Option<String>,
    /// What.
    pub act: Act,
    /// The stage before; none at the upload.
    pub before: Option<Stage>,
    /// The stage after.
    pub after: Stage,
}

/// One act on one version, to be stored.
#[derive(Clone, Debug)]
pub struct ReleaseChange {
    /// As it was when the act was decided.
    pub before: Release,
    /// As it is after.
    pub after: Release,
    /// The act.
    pub act: Act,
    /// By whom.
    pub actor: Actor,
}

/// A version that is to be stored.
#[derive(Clone, Debug)]
pub struct NewRelease<'a> {
    /// The version.
    pub release: &'a Release,
    /// SHA-256 of the component, which is stored.
    pub digest: &'a [u8; 32],
    /// The version of the settings, which are stored.
    pub settings_version: u32,
    /// The contract that it fulfils; a guess until its checks have passed.
    pub world: &'a str,
    /// By whom.
    pub actor: Actor,
    /// What admission said, as JSON.
    pub checks: &'a str,
}

#[derive(sqlx::FromRow)]
struct ReleaseRow {
    id: i64,
    tenant_id: i64,
    digest: Vec<u8>,
    settings_version: i64,
    stage: i64,
    permille: i64,
    proposed_by: Option<i64>,
    missed: Option<i64>,
    missed_from: Option<i64>,
    checks: String,
    created_at: i64,
    changed_at: i64,
    activated_at: Option<i64>,
    name: String,
    version: String,
    world: String,
    scope: String,
    tier: String,
}

#[derive(sqlx::FromRow)]
struct LiveRow {
    #[sqlx(flatten)]
    release: ReleaseRow,
    settings: String,
}

#[derive(sqlx::FromRow)]
struct ActRow {
    at: i64,
    by_user: Option<i64>,
    name: Option<String>,
    act: String,
    stage_before: Option<i64>,
    stage_after: i64,
}

pub(crate) fn stage(code: i64) -> Result<Stage, StoreError> {
    u16::try_from(code)
        .ok()
        .and_then(Stage::from_code)
        .ok_or_else(|| StoreError::corrupt("stage of a version", format!("{code} is none")))
}

impl TryFrom<ReleaseRow> for StoredRelease {
    type Error = StoreError;

    fn try_from(row: ReleaseRow) -> Result<Self, StoreError> {
        Ok(Self {
            release: Release {
                id: ReleaseId::from_raw(row.id),
                stage: stage(row.stage)?,
                permille: row.permille as u16,
                proposed_by: row.proposed_by.map(UserId::from_raw),
                missed: row.missed.map(|missed| missed as u32),
                missed_from: row.missed_from.map(Timestamp::from_millis),
                changed_at: Timestamp::from_millis(row.changed_at),
            },
            tenant: TenantId::from_raw(row.tenant_id),
            digest: digest(row.digest)?,
            settings_version: row.settings_version as u32,
            name: row.name,
            version: row.version,
            world: row.world,
            scope: row.scope,
            tier: row.tier,
            checks: row.checks,
            created_at: Timestamp::from_millis(row.created_at),
            activated_at: row.activated_at.map(Timestamp::from_millis),
        })
    }
}

/// The columns of a [`ReleaseRow`]; versions are `v`, components `r`.
macro_rules! columns {
    ($head:literal, $tail:literal) => {
        concat!(
            $head,
            "v.id, v.tenant_id, v.digest, v.settings_version, v.stage, v.permille, v.proposed_by, v.missed, v.missed_from, v.checks, \
             v.created_at, v.changed_at, v.activated_at, r.name, r.version, v.world, v.scope, r.tier",
            $tail
        )
    };
}

impl Store {
    /// The versions that are asked about live data, of every tenant or of one: in force, in a cohort, in shadow.
    pub async fn live_releases(&self, of: Option<TenantId>) -> Result<Vec<LiveRelease>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            LiveRow,
            columns!(
                "SELECT ",
                ", s.settings FROM rule_releases v JOIN rules r ON r.tenant_id = v.tenant_id AND r.digest = v.digest \
                 JOIN rule_settings s ON s.tenant_id = v.tenant_id AND s.version = v.settings_version \
                 WHERE v.stage IN (4, 5, 6) AND ($1 = 0 OR v.tenant_id = $1) ORDER BY v.tenant_id, v.id"
            ),
            of.map_or(0, TenantId::raw),
        )?;
        rows.into_iter()
            .map(|row| Ok(LiveRelease { stored: row.release.try_into()?, settings: row.settings }))
            .collect()
    }

    /// The versions whose checks have not ended, of every tenant: after a restart they are checked again.
    pub async fn unchecked_releases(&self) -> Result<Vec<StoredRelease>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            ReleaseRow,
            columns!(
                "SELECT ",
                " FROM rule_releases v JOIN rules r ON r.tenant_id = v.tenant_id AND r.digest = v.digest WHERE v.stage = 1 ORDER BY v.id"
            ),
        )?;
        rows.into_iter().map(StoredRelease::try_from).collect()
    }
}

/// What came with a version, for the ledger.
#[derive(Default)]
struct Came {
    rule: Option<Hash>,
    settings: Option<Hash>,
}

impl TenantStore {
    /// The versions, newest first.
    pub async fn releases(&self) -> Result<Vec<StoredRelease>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
            ReleaseRow,
            columns!(
                "SELECT ",
                " FROM rule_releases v JOIN rules r ON r.tenant_id = v.tenant_id AND r.digest = v.digest \
                 WHERE v.tenant_id = $1 ORDER BY v.created_at DESC, v.id DESC LIMIT 500"
            ),
            self.id().raw(),
        )?;
        rows.into_iter().map(StoredRelease::try_from).collect()
    }

    /// One version.
    pub async fn release(&self, id: ReleaseId) -> Result<Option<StoredRelease>, StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            ReleaseRow,
            columns!(
                "SELECT ",
                " FROM rule_releases v JOIN rules r ON r.tenant_id = v.tenant_id AND r.digest = v.digest \
                 WHERE v.tenant_id = $1 AND v.id = $2"
            ),
            self.id().raw(),
            id.raw(),
        )?;
        row.map(StoredRelease::try_from).transpose()
    }

    /// The version that comes back when the one in force is rolled back: the last one before it that another took the place of. What
    /// was itself rolled back or broken off does not come back.
    pub async fn release_before(&self, active: &StoredRelease) -> Result<Option<StoredRelease>, StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            ReleaseRow,
            columns!(
                "SELECT ",
                " FROM rule_releases v JOIN rules r ON r.tenant_id = v.tenant_id AND r.digest = v.digest \
                 JOIN rule_acts a ON a.release_id = v.id AND a.seq = (SELECT MAX(l.seq) FROM rule_acts l WHERE l.release_id = v.id) \
                 WHERE v.tenant_id = $1 AND v.id <> $2 AND v.stage = 7 AND v.world = $3 AND v.scope = $4 AND a.act LIKE '%\"supersede\"%' \
                 ORDER BY a.seq DESC LIMIT 1"
            ),
            self.id().raw(),
            active.release.id.raw(),
            active.world.as_str(),
            active.scope.as_str(),
        )?;
        row.map(StoredRelease::try_from).transpose()
    }

    /// Stores a version with the act that made it.
    pub async fn create_release(&self, new: &NewRelease<'_>) -> Result<(), StoreError> {
        let release = new.release;
        let mut tx = self.begin().await?;
        execute!(
            tx.on(),
            "INSERT INTO rule_releases (id, tenant_id, digest, settings_version, stage, permille, checks, created_at, changed_at, activated_at, world) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10)",
            release.id.raw(),
            self.id().raw(),
            &new.digest[..],
            i64::from(new.settings_version),
            i64::from(release.stage.code()),
            i64::from(release.permille),
            new.checks,
            release.changed_at.as_millis(),
            (release.stage == Stage::Active).then_some(release.changed_at.as_millis()),
            new.world,
        )?;
        let settings = fetch_optional!(
            tx.on(),
            (String,),
            "SELECT settings FROM rule_settings WHERE tenant_id = $1 AND version = $2",
            self.id().raw(),
            i64::from(new.settings_version),
        )?;
        let came = Came {
            rule: Some(Hash::from_bytes(*new.digest)),
            settings: settings.map(|(text,)| Hash::of(text.as_bytes())),
        };
        self.note(&mut tx, release, None, &Act::Upload, new.actor, came).await?;
        tx.commit().await
    }

    /// Stores acts that belong together: all of them, or none when one of the versions has changed meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Changed`] then.
    pub async fn change_releases(&self, changes: &[ReleaseChange]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for ReleaseChange { before, after, act, actor } in changes {
            let activated =
                (after.stage == Stage::Active && before.stage != Stage::Active).then_some(after.changed_at.as_millis());
            let touched = execute!(
                tx.on(),
                "UPDATE rule_releases SET stage = $3, permille = $4, proposed_by = $5, missed = $6, changed_at = $7, \
                 activated_at = COALESCE($8, activated_at), missed_from = $11 \
                 WHERE tenant_id = $1 AND id = $2 AND stage = $9 AND changed_at = $10",
                self.id().raw(),
                after.id.raw(),
                i64::from(after.stage.code()),
                i64::from(after.permille),
                after.proposed_by.map(UserId::raw),
                after.missed.map(i64::from),
                after.changed_at.as_millis(),
                activated,
                i64::from(before.stage.code()),
                before.changed_at.as_millis(),
                after.missed_from.map(Timestamp::as_millis),
            )?;
            if touched != 1 {
                return Err(StoreError::Changed { what: after.id.to_string() });
            }
            self.note(&mut tx, after, Some(before.stage), act, *actor, Came::default()).await?;
        }
        tx.commit().await
    }

    async fn note(
        &self,
        tx: &mut crate::connection::Tx,
        release: &Release,
        before: Option<Stage>,
        act: &Act,
        actor: Actor,
        came: Came,
    ) -> Result<(), StoreError> {
        let by = match actor {
            Actor::Platform => None,
            Actor::Person { by } => Some(by),
        };
        let step = crate::codes::to_json("act on a version", act)?;
        let entry = ledger::Act::RuleActed {
            release: release.id,
            step: step.clone(),
            before,
            after: release.stage,
            rule: came.rule,
            settings: came.settings,
        };
        let head = self.enter(tx, release.changed_at, ledger::Actor::person_or_platform(by), &entry).await?;
        execute!(
            tx.on(),
            "INSERT INTO rule_acts (tenant_id, release_id, at, by_user, act, stage_before, stage_after, ledger_seq) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            self.id().raw(),
            release.id.raw(),
            release.changed_at.as_millis(),
            by.map(UserId::raw),
            step,
            before.map(|stage| i64::from(stage.code())),
            i64::from(release.stage.code()),
            crate::codes::stored_u64("place in the ledger", head.seq)?,
        )?;
        Ok(())
    }

    /// Stores what admission said of a version and of its component.
    pub async fn put_checks(
        &self,
        id: ReleaseId,
        checks: &str,
        about: Option<&AboutRule<'_>>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(
            tx.on(),
            "UPDATE rule_releases SET checks = $3 WHERE tenant_id = $1 AND id = $2",
            self.id().raw(),
            id.raw(),
            checks,
        )?;
        if let Some(about) = about {
            execute!(
                tx.on(),
                "UPDATE rules SET name = $3, version = $4, about = $5 WHERE tenant_id = $1 AND digest = $2",
                self.id().raw(),
                &about.digest[..],
                about.name,
                about.version,
                about.about,
            )?;
            execute!(
                tx.on(),
                "UPDATE rule_releases SET world = $3, scope = $4 WHERE tenant_id = $1 AND id = $2",
                self.id().raw(),
                id.raw(),
                about.world,
                about.scope,
            )?;
        }
        tx.commit().await
    }

    /// What a component says of itself, as JSON; empty until its checks have passed.
    pub async fn about_rule(&self, digest: &[u8; 32]) -> Result<Option<String>, StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            (String,),
            "SELECT about FROM rules WHERE tenant_id = $1 AND digest = $2",
            self.id().raw(),
            &digest[..],
        )?;
        Ok(row.map(|(about,)| about))
    }

    /// Everything that was done with a version, first to last.
    pub async fn release_acts(&self, id: ReleaseId) -> Result<Vec<StoredAct>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
            ActRow,
            "SELECT a.at, a.by_user, u.name, a.act, a.stage_before, a.stage_after FROM rule_acts a LEFT JOIN users u ON u.id = a.by_user \
             WHERE a.tenant_id = $1 AND a.release_id = $2 ORDER BY a.seq",
            self.id().raw(),
            id.raw(),
        )?;
        rows.into_iter()
            .map(|row| {
                Ok(StoredAct {
                    at: Timestamp::from_millis(row.at),
                    actor: row.by_user.map_or(Actor::Platform, |by| Actor::Person { by: UserId::from_raw(by) }),
                    name: row.name,
                    act: from_json("act on a version", &row.act)?,
                    before: row.stage_before.map(stage).transpose()?,
                    after: stage(row.stage_after)?,
                })
            })
            .collect()
    }
}

/// What admission found a component to be.
#[derive(Clone, Copy, Debug)]
pub struct AboutRule<'a> {
    /// SHA-256 of the component.
    pub digest: &'a [u8; 32],
    /// Its name.
    pub name: &'a str,
    /// Its own version.
    pub version: &'a str,
    /// The contract that it fulfils.
    pub world: &'a str,
    /// Of a driver its name; empty for every other contract.
    pub scope: &'a str,
    /// Its description, as JSON.
    pub about: &'a str,
}
