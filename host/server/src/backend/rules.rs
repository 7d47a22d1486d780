//! What people do with their company's rules: upload, settings, back-tests, each step of a version's life.
//!
//! The order of steps and the second person are the domain's (`davy_domain::release`); this asks it, stores its answer and lets the shards
//! know. A change that is answered is stored, and runs.

mod back_tests;
mod bounds;
mod components;
mod quarantine;

use super::{Service, stored};
use crate::http::problem::invalid;
use crate::roles::{Deed, require};
use crate::rules::drivers::{self, DRIVER};
use crate::rules::jobs::Jobs;
use crate::rules::running::{BILLING, NOTIFICATION, Registry, WORLD};
use davy_api::{
    AlarmFinding, Problem, RuleAct, RuleActRequest, RuleChecks, RuleDetail, RuleDifference, RuleInForce,
    RuleSignerItem, RuleSigners, RuleVersion, RuleVersions, Viewer,
};
use davy_domain::release::bounds::Bounds;
use davy_domain::release::{self, Act, Actor, MOST_ON_TRIAL, Release, Stage};
use davy_domain::{AlarmId, IdSource, ReleaseId, TenantId, Timestamp};
use davy_rules::notification::codes;
use davy_rules::{RuleDigest, Tier};
use davy_store::{
    BackTestState, LiveRelease, NewRelease, NewRule, ReleaseChange, RuleSigner, StoreError, StoredRelease, TenantStore,
};
use ed25519_dalek::{Signature, VerifyingKey};
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// Ids given to what people make are on a lane of their own.
const LANE: u8 = 63;
/// What a signature is made over, before the 32 bytes of the component's SHA-256.
pub const SIGNED: &[u8] = b"davy-rule/1:";
/// The longest settings, bytes of JSON.
const MOST_SETTINGS: usize = 64 << 10;
/// Differences on a page.
const DIFFERENCES: u32 = 200;
/// Versions of a company that may wait for their checks at once.
const MOST_UNCHECKED: usize = 16;
/// Contracts whose versions are asked about live data.
const IN_SERVICE: [&str; 3] = [WORLD, NOTIFICATION, DRIVER];
/// Contracts whose versions can be folded over the company's history.
const BACK_TESTED: [&str; 3] = [WORLD, NOTIFICATION, BILLING];
/// What an alarm can have been.
const FINDINGS: [&str; 3] = ["leak", "false-alarm", "test"];

/// What the operations on rules work with.
pub struct RuleDesk {
    registry: Arc<Registry>,
    jobs: Arc<Jobs>,
    ids: Mutex<IdSource>,
    room: Room,
    /// The operator's bounds of what is being tried.
    bounds: Bounds,
    /// Companies whose messages that were set aside are being read again.
    reading: Arc<Mutex<HashSet<TenantId>>>,
}

/// Where a company's shares of what concerns rules end.
pub(super) struct RuleLimits {
    pub(super) components: u64,
    pub(super) component_bytes: u64,
    /// Versions that wait for their checks.
    pub(super) unchecked: u64,
    /// Back-tests under way.
    pub(super) back_tests: u64,
}

/// How much a company may store.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Components.
    pub components: usize,
    /// Bytes of them together.
    pub bytes: usize,
}

impl RuleDesk {
    /// A desk. `highest` is the highest id that was ever stored.
    pub fn new(registry: Arc<Registry>, jobs: Arc<Jobs>, highest: i64, room: Room, bounds: Bounds) -> Self {
        Self { registry, jobs, ids: Mutex::new(IdSource::new(LANE, highest)), room, bounds, reading: Arc::default() }
    }

    /// The next number for something that people make.
    pub(super) fn next_id(&self, now: Timestamp) -> i64 {
        self.ids.lock().next_raw(now)
    }
}

/// A component on its way in.
pub struct Upload {
    /// Its bytes.
    pub component: Vec<u8>,
    /// The limits that it is for: `standard` or `large`.
    pub tier: String,
    /// Its settings, JSON text; the rule's defaults unless told.
    pub settings: Option<String>,
    /// The Ed25519 key and signature, hexadecimal.
    pub signed: Option<(String, String)>,
}

impl Service {
    async fn release_of(&self, rows: &TenantStore, id: ReleaseId) -> Result<StoredRelease, Problem> {
        rows.release(id).await.map_err(stored)?.ok_or_else(|| Problem::not_found("version of a rule"))
    }

    pub(super) async fn rule_versions(&self, viewer: &Viewer) -> Result<RuleVersions, Problem> {
        let rows = self.rows(viewer, Deed::SeeRules)?;
        let releases = rows.releases().await.map_err(stored)?;
        Ok(RuleVersions { items: releases.iter().map(item).collect() })
    }

    pub(super) async fn rule_detail(&self, viewer: &Viewer, id: ReleaseId) -> Result<RuleDetail, Problem> {
        let rows = self.rows_for(viewer, Deed::SeeRules, id).await?;
        let release = self.release_of(&rows, id).await?;
        let about = rows.about_rule(&release.digest).await.map_err(stored)?.unwrap_or_default();
        let mut about: Value = serde_json::from_str(&about).unwrap_or_default();
        let schema = about.as_object_mut().and_then(|about| about.remove("settings_schema"));
        let schema = schema.as_ref().and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
        let settings = rows.settings(release.settings_version).await.map_err(stored)?.unwrap_or_default();
        let running = self.rules.registry.health(rows.id(), id);
        let health = match running {
            Some(health) => Some(health),
            None => rows.rule_health(id).await.map_err(stored)?.and_then(|(body, _)| serde_json::from_str(&body).ok()),
        };
        let landscape = self.landscape();
        let differences = rows.differences(id, DIFFERENCES).await.map_err(stored)?;
        let tests = rows.back_tests(id).await.map_err(stored)?;
        let acts = rows.release_acts(id).await.map_err(stored)?;
        let in_force = self.in_force(&rows, &release).await?;
        let deleted = rows.component_deleted_at(&release.digest).await.map_err(stored)?;
        let mut may = self.may(viewer, &release);
        if deleted.is_none() && self.may_delete(viewer, &rows, &release).await? {
            may.push("delete-component".to_owned());
        }
        Ok(RuleDetail {
            version: item(&release),
            about,
            settings_schema: schema.unwrap_or_default(),
            settings: serde_json::from_str(&settings).unwrap_or_default(),
            checks: serde_json::from_str::<RuleChecks>(&release.checks).ok(),
            checking: self.rules.jobs.checking(id),
            may,
            component_deleted_at: deleted,
            acts: acts
                .into_iter()
                .map(|act| RuleAct { at: act.at, by: act.name, act: act.act, stage: act.after })
                .collect(),
            health,
            differences: differences
                .into_iter()
                .map(|each| RuleDifference {
                    kind: each.kind.name().to_owned(),
                    device: each.device,
                    measured_by: each.measured_by,
                    serial: landscape.card(each.device).map(|card| card.serial.clone()).unwrap_or_default(),
                    condition: each.condition,
                    active_at: each.active_at,
                    version_at: each.version_at,
                    alarm: each.alarm,
                    role: each.to.and_then(|(role, _)| codes::role::name(role)).map(str::to_owned),
                    channel: each.to.and_then(|(_, channel)| codes::channel::name(channel)).map(str::to_owned),
                })
                .collect(),
            back_tests: tests.iter().map(|test| self.test_item(test)).collect(),
            in_force,
        })
    }

    /// What a version would take the place of.
    async fn in_force(&self, rows: &TenantStore, release: &StoredRelease) -> Result<Option<RuleInForce>, Problem> {
        let live = self.store.live_releases(Some(rows.id())).await.map_err(stored)?;
        let active = live.into_iter().find(|live| {
            let other = &live.stored;
            other.release.stage == Stage::Active
                && other.world == release.world
                && other.scope == release.scope
                && other.release.id != release.release.id
        });
        Ok(active.map(|live| RuleInForce {
            version: item(&live.stored),
            settings: serde_json::from_str(&live.settings).unwrap_or_default(),
        }))
    }

    /// The acts that the viewer could do now.
    fn may(&self, viewer: &Viewer, stored: &StoredRelease) -> Vec<String> {
        let actor = Actor::Person { by: viewer.user };
        let mut may: Vec<String> = [
            Act::StartShadow,
            Act::StartCohort { permille: MOST_ON_TRIAL },
            Act::Propose,
            Act::Approve,
            Act::Decline,
            Act::Withdraw,
            Act::RollBack,
        ]
        .into_iter()
        .filter(|act| {
            deed_of(act).allowed_to(viewer)
                && not_in_service(stored, act).is_none()
                && step(stored, act, actor, self.now()).is_ok()
        })
        .map(|act| act.name().to_owned())
        .collect();
        if Deed::ChangeRules.allowed_to(viewer)
            && BACK_TESTED.contains(&stored.world.as_str())
            && matches!(stored.release.stage, Stage::Checked | Stage::BackTested | Stage::Shadow | Stage::Cohort)
        {
            may.insert(0, "back-test".to_owned());
        }
        may
    }

    /// Stores a component as a new version and has it checked.
    ///
    /// # Errors
    /// A [`Problem`] naming what is wrong with the upload; what is wrong with the component its checks say.
    pub async fn upload_rule(&self, viewer: &Viewer, upload: Upload) -> Result<RuleVersion, Problem> {
        let rows = self.rows(viewer, Deed::ChangeRules)?;
        let Upload { component, tier, settings, signed } = upload;
        if component.is_empty() {
            return Err(invalid("component", "expected the bytes of a WebAssembly component, got none"));
        }
        tier.parse::<Tier>().map_err(|error| invalid("tier", error.to_string()))?;
        let digest = RuleDigest::of(&component);
        let signed = signed.map(|(signer, signature)| signature_of(digest, &signer, &signature)).transpose()?;
        let signers = rows.rule_signers().await.map_err(stored)?;
        if !is_accepted(&signers, signed.map(|(key, _)| key)) {
            let words = "expected a signature by one of the company's accepted keys (`davyctl rule sign`), got none or another's";
            return Err(invalid("signature", words).with_reason("signature-missing"));
        }
        self.may_check(&rows)?;
        self.has_room(&rows, digest, component.len()).await?;
        let now = self.now();
        let new = NewRule {
            digest: digest.as_bytes(),
            name: "unchecked",
            component: &component,
            tier: &tier,
            signed: signed.as_ref().map(|(signer, signature)| (signer, signature)),
            uploaded_at: now,
        };
        let settings = object("settings", settings.as_deref().unwrap_or("{}"))?;
        rows.put_rule(&new).await.map_err(stored)?;
        let version = rows.put_settings(&settings, now).await.map_err(stored)?;
        self.new_release(viewer, &rows, digest.as_bytes(), version, "").await
    }

    /// Makes a new version of a component that is there, with other settings. It begins its life at the beginning.
    ///
    /// # Errors
    /// A [`Problem`]; settings that do not fit the rule's schema are named by property.
    pub async fn change_settings(
        &self,
        viewer: &Viewer,
        id: ReleaseId,
        settings: &str,
    ) -> Result<RuleVersion, Problem> {
        let rows = self.rows_for(viewer, Deed::ChangeRules, id).await?;
        let from = self.release_of(&rows, id).await?;
        let settings = object("settings", settings)?;
        if matches!(from.release.stage, Stage::Uploaded | Stage::Refused) {
            let refused = Problem::new("refused", 409, "Refused", "Its checks have not let this component in yet.");
            return Err(refused.with_reason("not-now"));
        }
        if !rows.has_component(&from.digest).await.map_err(stored)? {
            let words = "Its component was deleted: upload it again.";
            return Err(Problem::new("refused", 409, "Refused", words).with_reason("deleted"));
        }
        let about = rows.about_rule(&from.digest).await.map_err(stored)?.unwrap_or_default();
        check_settings(&about, &settings)?;
        signed_as_asked(&rows, &from.digest).await?;
        self.may_check(&rows)?;
        let version = rows.put_settings(&settings, self.now()).await.map_err(stored)?;
        self.new_release(viewer, &rows, &from.digest, version, &from.checks).await
    }

    /// Checks are made one after the other: a company may not put in more than it can wait for.
    fn may_check(&self, rows: &TenantStore) -> Result<(), Problem> {
        if self.unchecked_versions(rows.id()) < MOST_UNCHECKED {
            return Ok(());
        }
        let words = format!("{MOST_UNCHECKED} versions of your company wait for their checks; wait for one to end.");
        Err(Problem::new("refused", 409, "Refused", words).with_reason("too-many-checks"))
    }

    /// Where a company's shares of what concerns rules end.
    pub(super) fn rule_limits(&self) -> RuleLimits {
        let Room { components, bytes } = self.rules.room;
        RuleLimits {
            components: components as u64,
            component_bytes: bytes as u64,
            unchecked: MOST_UNCHECKED as u64,
            back_tests: back_tests::MOST_WAITING as u64,
        }
    }

    /// How many versions of a company wait for their checks.
    pub(super) fn unchecked_versions(&self, tenant: TenantId) -> usize {
        self.rules.jobs.waiting_checks(tenant)
    }

    /// How many back-tests of a company are under way.
    pub(super) async fn back_tests_under_way(&self, tenant: TenantId) -> Result<usize, Problem> {
        let unfinished = self.store.unfinished_back_tests().await.map_err(stored)?;
        Ok(unfinished.iter().filter(|test| test.tenant == tenant).count())
    }

    /// Whether one more component may be stored; one that is there already takes no room.
    async fn has_room(&self, rows: &TenantStore, digest: RuleDigest, size: usize) -> Result<(), Problem> {
        let Room { components, bytes } = self.rules.room;
        if rows.has_component(digest.as_bytes()).await.map_err(stored)? {
            return Ok(());
        }
        let (stored_components, stored_bytes) = rows.stored_components().await.map_err(stored)?;
        let fits = stored_components < components as u64 && stored_bytes.saturating_add(size as u64) <= bytes as u64;
        if fits {
            return Ok(());
        }
        let words = format!(
            "Your company may store {components} components of {bytes} bytes together, and stores {stored_components} of {stored_bytes}; this one has {size} more. The platform's operator can allow more."
        );
        Err(Problem::new("refused", 409, "Refused", words).with_reason("no-room"))
    }

    async fn new_release(
        &self,
        viewer: &Viewer,
        rows: &TenantStore,
        digest: &[u8; 32],
        settings_version: u32,
        checks: &str,
    ) -> Result<RuleVersion, Problem> {
        let now = self.now();
        let id = ReleaseId::from_raw(self.rules.ids.lock().next_raw(now));
        let release = Release::uploaded(id, now);
        let new = NewRelease {
            release: &release,
            digest,
            settings_version,
            world: WORLD,
            actor: Actor::Person { by: viewer.user },
            checks,
        };
        rows.create_release(&new).await.map_err(stored)?;
        self.rules.jobs.check(rows.id(), id);
        Ok(item(&self.release_of(rows, id).await?))
    }

    /// One step of a version's life.
    ///
    /// # Errors
    /// A [`Problem`] with the domain's reason when the step is not allowed now, or not to this person.
    pub async fn act_on_rule(
        &self,
        viewer: &Viewer,
        id: ReleaseId,
        request: &RuleActRequest,
    ) -> Result<RuleVersion, Problem> {
        let rows = self.rows_for(viewer, Deed::SeeRules, id).await?;
        let act = act_of(request)?;
        require(viewer, deed_of(&act))?;
        let actor = Actor::Person { by: viewer.user };
        let target = self.release_of(&rows, id).await?;
        if let Some(refused) = not_in_service(&target, &act) {
            return Err(refused);
        }
        let change = |stored: &StoredRelease, act: Act, actor: Actor| -> Result<ReleaseChange, Problem> {
            let now = self.now().max(stored.release.changed_at);
            let after = step(stored, &act, actor, now).map_err(|why| refused(&why))?;
            Ok(ReleaseChange { before: stored.release.clone(), after, act, actor })
        };
        let own = change(&target, act.clone(), actor)?;
        if goes_further(&act) {
            signed_as_asked(&rows, &target.digest).await?;
        }
        let mut changes = Vec::with_capacity(2);
        match act {
            // What is in force makes room, in the same transaction, before the other takes its place.
            Act::Approve => {
                self.still_stands(&rows, &target).await?;
                let live = self.store.live_releases(Some(rows.id())).await.map_err(stored)?;
                if target.world == DRIVER {
                    self.models_are_free(&rows, &target, &live).await?;
                }
                let in_force = |each: &&StoredRelease| {
                    each.release.stage == Stage::Active && each.world == target.world && each.scope == target.scope
                };
                if let Some(in_force) = live.iter().map(|live| &live.stored).find(in_force) {
                    changes.push(change(in_force, Act::Supersede, Actor::Platform)?);
                }
                changes.push(own);
            }
            Act::RollBack => {
                changes.push(own);
                if let Some(before) = rows.release_before(&target).await.map_err(stored)? {
                    changes.push(change(&before, Act::Restore, Actor::Platform)?);
                }
            }
            _ => changes.push(own),
        }
        rows.change_releases(&changes).await.map_err(|error| match error {
            StoreError::Duplicate { .. } => {
                let words = "Another version is there already; withdraw it first.";
                Problem::new("refused", 409, "Refused", words).with_reason("another-is-there")
            }
            error => changed(error),
        })?;
        self.rules.registry.reload(Some(rows.id())).await.map_err(stored)?;
        tracing::info!(release.id = %id, act = request.act, user.id = %viewer.user, "a version of a rule was acted on");
        Ok(item(&self.release_of(&rows, id).await?))
    }

    /// What was found of a version may be overtaken by the time that somebody approves it.
    async fn still_stands(&self, rows: &TenantStore, target: &StoredRelease) -> Result<(), Problem> {
        if serde_json::from_str::<RuleChecks>(&target.checks).is_ok_and(|checks| !checks.passed) {
            return Err(refused(&release::Refused::ChecksFailed));
        }
        if !BACK_TESTED.contains(&target.world.as_str()) {
            return Ok(());
        }
        let tests = rows.back_tests(target.release.id).await.map_err(stored)?;
        let counts = tests.iter().find(|test| {
            test.state == BackTestState::Done
                && release::is_decisive(test.from, test.to, test.permille, test.created_at)
        });
        // It looks the confirmed leaks up when it begins: what was confirmed while it waited or ran may not be among them.
        let since = counts.map_or(Timestamp::from_millis(0), |test| test.created_at);
        match rows.leaks_confirmed_since(since).await.map_err(stored)? {
            0 => Ok(()),
            leaks => Err(refused(&release::Refused::BackTestStale { leaks })),
        }
    }

    /// A model has one driver: two that read the same bytes differently are none.
    async fn models_are_free(
        &self,
        rows: &TenantStore,
        target: &StoredRelease,
        live: &[LiveRelease],
    ) -> Result<(), Problem> {
        let of = async |digest: &[u8; 32]| -> Result<Vec<String>, Problem> {
            Ok(drivers::models(&rows.about_rule(digest).await.map_err(stored)?.unwrap_or_default()))
        };
        let wanted = of(&target.digest).await?;
        let others = live.iter().map(|live| &live.stored);
        for other in others.filter(|each| each.world == DRIVER && each.scope != target.scope) {
            if let Some(taken) = of(&other.digest).await?.into_iter().find(|model| wanted.contains(model)) {
                let words = format!(
                    "The driver `{}` is in force for the model {taken} already: roll it back first, or name the new one like it.",
                    other.name
                );
                return Err(Problem::new("refused", 409, "Refused", words).with_reason("model-taken"));
            }
        }
        Ok(())
    }

    /// The component of a version.
    ///
    /// # Errors
    /// A [`Problem`] when there is none that the viewer may see.
    pub async fn rule_component(&self, viewer: &Viewer, id: ReleaseId) -> Result<Vec<u8>, Problem> {
        let rows = self.rows_for(viewer, Deed::SeeRules, id).await?;
        let release = self.release_of(&rows, id).await?;
        let component = rows.rule_component(&release.digest).await.map_err(stored)?;
        component.ok_or_else(|| Problem::not_found("component"))
    }

    /// A person's word on what an alarm really was.
    ///
    /// # Errors
    /// A [`Problem`] for a word that is none, or an alarm that is not the company's.
    pub async fn judge_alarm(&self, viewer: &Viewer, alarm: AlarmId, finding: &AlarmFinding) -> Result<(), Problem> {
        let scope = self.enter_for(viewer, Deed::JudgeAlarm, alarm).await?;
        let found = scope.alarm(alarm).await.map_err(stored)?.ok_or_else(|| Problem::not_found("alarm"))?;
        let rows = self.store.tenant(found.tenant);
        if !FINDINGS.contains(&finding.finding.as_str()) {
            return Err(invalid(
                "finding",
                format!("expected one of {}, got `{}`", FINDINGS.join(", "), finding.finding),
            ));
        }
        let there = rows.put_finding(alarm, &finding.finding, viewer.user, self.now()).await.map_err(stored)?;
        if there { Ok(()) } else { Err(Problem::not_found("alarm")) }
    }

    /// The keys whose signatures the company accepts.
    pub(super) async fn signers_of(&self, viewer: &Viewer) -> Result<RuleSigners, Problem> {
        let rows = self.rows(viewer, Deed::SeeRules)?;
        let signers = rows.rule_signers().await.map_err(stored)?;
        let item = |signer: &RuleSigner| RuleSignerItem {
            public_key: crate::keys::to_hex(&signer.public_key),
            name: signer.name.clone(),
            added_at: Some(signer.added_at),
        };
        Ok(RuleSigners { items: signers.iter().map(item).collect() })
    }

    /// Accepts a key; from the first one on no component is taken, and no version goes further, without a signature.
    ///
    /// # Errors
    /// A [`Problem`] for a key that is none.
    pub async fn accept_signer(&self, viewer: &Viewer, signer: &RuleSignerItem) -> Result<(), Problem> {
        let rows = self.rows(viewer, Deed::ChangeSigners)?;
        let key = public_key(&signer.public_key)?;
        if !(1..=100).contains(&signer.name.chars().count()) {
            return Err(invalid("name", "expected 1 to 100 characters"));
        }
        rows.add_rule_signer(key.as_bytes(), &signer.name, viewer.user, self.now()).await.map_err(stored)
    }

    /// No longer accepts a key.
    ///
    /// # Errors
    /// A [`Problem`] when it was not accepted.
    pub async fn refuse_signer(&self, viewer: &Viewer, key: &str) -> Result<(), Problem> {
        let rows = self.rows(viewer, Deed::ChangeSigners)?;
        let removed =
            rows.remove_rule_signer(public_key(key)?.as_bytes(), viewer.user, self.now()).await.map_err(stored)?;
        if removed { Ok(()) } else { Err(Problem::not_found("accepted key")) }
    }
}

/// Whether an act brings a version nearer to deciding for all devices.
const fn goes_further(act: &Act) -> bool {
    matches!(act, Act::StartShadow | Act::StartCohort { .. } | Act::Propose | Act::Approve)
}

/// Whether a component that is signed by this key meets what the company asks for.
fn is_accepted(signers: &[RuleSigner], key: Option<[u8; 32]>) -> bool {
    signers.is_empty() || key.is_some_and(|key| signers.iter().any(|signer| signer.public_key == key))
}

/// A company that asks for signatures asks at every step: it may have begun to, or have dropped a key, since the upload.
async fn signed_as_asked(rows: &TenantStore, digest: &[u8; 32]) -> Result<(), Problem> {
    let signers = rows.rule_signers().await.map_err(stored)?;
    if is_accepted(&signers, rows.signer_of_rule(digest).await.map_err(stored)?) {
        return Ok(());
    }
    let words = "Its component is not signed by a key that the company accepts now: sign it (`davyctl rule sign`) and upload this very component again.";
    Err(Problem::new("refused", 409, "Refused", words).with_reason("signature-missing"))
}

/// What an act that makes a version live meets where versions of its contract are not in service; none where they are.
fn not_in_service(stored: &StoredRelease, act: &Act) -> Option<Problem> {
    if !goes_further(act) || IN_SERVICE.contains(&stored.world.as_str()) {
        return None;
    }
    let (reason, words) = if stored.world == BILLING {
        (
            "billing-not-in-service",
            "Accounts, payments and proven notices are not kept on this server, so a billing policy has nothing to decide about: back-test it, which shows what it would charge for the company's own meters, and withdraw it or leave it as it is.".to_owned(),
        )
    } else {
        ("other-world", format!("This server does not run versions of `{}`.", stored.world))
    };
    Some(Problem::new("refused", 409, "Refused", words).with_reason(reason))
}

fn refused(why: &release::Refused) -> Problem {
    Problem::new("refused", 409, "Refused", why.to_string()).with_reason(why.code())
}

/// What a step of a version's life asks for.
const fn deed_of(act: &Act) -> Deed {
    match act {
        Act::Approve | Act::Decline => Deed::ApproveRules,
        Act::RollBack => Deed::RollBackRules,
        _ => Deed::ChangeRules,
    }
}

/// One act on a version, by the life of its contract.
fn step(stored: &StoredRelease, act: &Act, actor: Actor, now: Timestamp) -> Result<Release, release::Refused> {
    if stored.world == DRIVER {
        release::driver::step(&stored.release, act, actor, now)
    } else {
        release::step(&stored.release, act, actor, now)
    }
}

fn act_of(request: &RuleActRequest) -> Result<Act, Problem> {
    Ok(match (request.act.as_str(), request.permille) {
        ("start-shadow", _) => Act::StartShadow,
        ("start-cohort", Some(permille)) => Act::StartCohort { permille },
        ("start-cohort", None) => {
            return Err(invalid("permille", format!("expected 1 to {MOST_ON_TRIAL}, got nothing")));
        }
        ("propose", _) => Act::Propose,
        ("approve", _) => Act::Approve,
        ("decline", _) => Act::Decline,
        ("withdraw", _) => Act::Withdraw,
        ("roll-back", _) => Act::RollBack,
        (other, _) => {
            let known = "start-shadow, start-cohort, propose, approve, decline, withdraw or roll-back";
            return Err(invalid("act", format!("expected {known}, got `{other}`")));
        }
    })
}

fn item(stored: &StoredRelease) -> RuleVersion {
    let release = &stored.release;
    RuleVersion {
        id: release.id,
        name: stored.name.clone(),
        version: stored.version.clone(),
        digest: RuleDigest::from_bytes(stored.digest).to_string(),
        world: stored.world.clone(),
        tier: stored.tier.clone(),
        settings_version: stored.settings_version,
        stage: release.stage,
        permille: release.permille,
        proposed_by: release.proposed_by,
        missed: release.missed,
        created_at: stored.created_at,
        changed_at: release.changed_at,
        activated_at: stored.activated_at,
    }
}

/// JSON text that is an object of a bearable size.
fn object(field: &str, text: &str) -> Result<String, Problem> {
    if text.len() > MOST_SETTINGS {
        return Err(invalid(field, format!("expected at most {MOST_SETTINGS} bytes, got {}", text.len())));
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value @ Value::Object(_)) => Ok(value.to_string()),
        Ok(_) => Err(invalid(field, "expected a JSON object")),
        Err(error) => Err(invalid(field, format!("expected JSON: {error}"))),
    }
}

/// The settings against the schema that the rule gave when it was checked.
fn check_settings(about: &str, settings: &str) -> Result<(), Problem> {
    let about: Value = serde_json::from_str(about).unwrap_or_default();
    let Some(schema) = about["settings_schema"].as_str() else { return Ok(()) };
    let Ok(schema) = davy_rules::Schema::parse(schema) else { return Ok(()) };
    let fits = schema.encode(settings).map(drop);
    fits.map_err(|refused| {
        let field =
            if refused.field.is_empty() { "settings".to_owned() } else { format!("settings.{}", refused.field) };
        invalid(field, format!("expected {}, got {}", refused.expected, refused.got))
    })
}

fn public_key(hex: &str) -> Result<VerifyingKey, Problem> {
    let bytes = crate::keys::from_hex(hex).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok()).ok_or_else(|| {
        let words = "expected an Ed25519 public key as 64 hexadecimal digits";
        invalid("public_key", words).with_reason("signer-key")
    })
}

/// A signature that has been verified.
fn signature_of(digest: RuleDigest, signer: &str, signature: &str) -> Result<([u8; 32], [u8; 64]), Problem> {
    let key = public_key(signer)?;
    let bytes = crate::keys::from_hex(signature).and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
    let bytes = bytes.ok_or_else(|| {
        let words = "expected an Ed25519 signature as 128 hexadecimal digits";
        invalid("signature", words).with_reason("signature-wrong")
    })?;
    let message = [SIGNED, digest.as_bytes()].concat();
    key.verify_strict(&message, &Signature::from_bytes(&bytes)).map_err(|_| {
        let words = format!("it does not fit the key and the component {digest}: sign this very file");
        invalid("signature", words).with_reason("signature-wrong")
    })?;
    Ok((key.to_bytes(), bytes))
}

/// Somebody else was faster.
fn changed(error: StoreError) -> Problem {
    match error {
        StoreError::Changed { .. } => {
            let words = "Somebody else has changed this version meanwhile: look at it again.";
            Problem::new("refused", 409, "Refused", words).with_reason("changed")
        }
        error => stored(error),
    }
}
