//! What people do with their company's rules: upload, settings, back-tests, each step of a version's life.
//!
//! The order of steps and the second person are the domain's (`davy_domain::release`); this asks it, stores its answer and lets the shards
//! know. A change that is answered is stored, and runs.

use super::{Service, stored};
use crate::http::problem::invalid;
use crate::roles::{Deed, require};
use crate::rules::jobs::Jobs;
use crate::rules::running::{Registry, WORLD};
use davy_api::{
    AlarmFinding, BackTestItem, BackTestRequest, Problem, RuleAct, RuleActRequest, RuleChecks, RuleDetail,
    RuleDifference, RuleHealth, RuleInForce, RuleSignerItem, RuleSigners, RuleVersion, RuleVersions, Viewer,
};
use davy_domain::release::{self, Act, Actor, Release, Stage, WHOLE};
use davy_domain::{AlarmId, BackTestId, IdSource, ReleaseId};
use davy_rules::{RuleDigest, Tier};
use davy_store::{BackTest, BackTestState, NewRelease, NewRule, ReleaseChange, StoreError, StoredRelease, TenantStore};
use ed25519_dalek::{Signature, VerifyingKey};
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Ids given to what people make are on a lane of their own.
const LANE: u8 = 63;
/// What a signature is made over, before the 32 bytes of the component's SHA-256.
pub const SIGNED: &[u8] = b"davy-rule/1:";
/// The longest settings, bytes of JSON.
const MOST_SETTINGS: usize = 64 << 10;
/// Differences on a page.
const DIFFERENCES: u32 = 200;
/// Back-tests of a company that may wait at once.
const MOST_WAITING: usize = 8;
/// Versions of a company that may wait for their checks at once.
const MOST_UNCHECKED: usize = 16;
/// What an alarm can have been.
const FINDINGS: [&str; 3] = ["leak", "false-alarm", "test"];

/// What the operations on rules work with.
pub struct RuleDesk {
    registry: Arc<Registry>,
    jobs: Arc<Jobs>,
    ids: Mutex<IdSource>,
    room: Room,
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
    pub fn new(registry: Arc<Registry>, jobs: Arc<Jobs>, highest: i64, room: Room) -> Self {
        Self { registry, jobs, ids: Mutex::new(IdSource::new(LANE, highest)), room }
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
    fn rows(&self, viewer: &Viewer, deed: Deed) -> Result<TenantStore, Problem> {
        require(viewer, deed)?;
        let tenant = viewer.tenant.ok_or_else(|| Problem::forbidden(deed.words()))?;
        Ok(self.store.tenant(tenant))
    }

    async fn release_of(&self, rows: &TenantStore, id: ReleaseId) -> Result<StoredRelease, Problem> {
        rows.release(id).await.map_err(stored)?.ok_or_else(|| Problem::not_found("version of a rule"))
    }

    pub(super) async fn rule_versions(&self, viewer: &Viewer) -> Result<RuleVersions, Problem> {
        let rows = self.rows(viewer, Deed::SeeRules)?;
        let releases = rows.releases().await.map_err(stored)?;
        Ok(RuleVersions { items: releases.iter().map(item).collect() })
    }

    pub(super) async fn rule_detail(&self, viewer: &Viewer, id: ReleaseId) -> Result<RuleDetail, Problem> {
        let rows = self.rows(viewer, Deed::SeeRules)?;
        let release = self.release_of(&rows, id).await?;
        let about = rows.about_rule(&release.digest).await.map_err(stored)?.unwrap_or_default();
        let mut about: Value = serde_json::from_str(&about).unwrap_or_default();
        let schema = about.as_object_mut().and_then(|about| about.remove("settings_schema"));
        let schema = schema.as_ref().and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
        let settings = rows.settings(release.settings_version).await.map_err(stored)?.unwrap_or_default();
        let running = self.rules.registry.health(rows.id(), id).and_then(|report| as_wire(&report));
        let health = match running {
            Some(health) => Some(health),
            None => rows.rule_health(id).await.map_err(stored)?.and_then(|(body, _)| serde_json::from_str(&body).ok()),
        };
        let landscape = self.landscape();
        let differences = rows.differences(id, DIFFERENCES).await.map_err(stored)?;
        let tests = rows.back_tests(id).await.map_err(stored)?;
        let acts = rows.release_acts(id).await.map_err(stored)?;
        let in_force = self.in_force(&rows, &release).await?;
        Ok(RuleDetail {
            version: item(&release),
            about,
            settings_schema: schema.unwrap_or_default(),
            settings: serde_json::from_str(&settings).unwrap_or_default(),
            checks: serde_json::from_str::<RuleChecks>(&release.checks).ok(),
            checking: self.rules.jobs.checking(id),
            may: self.may(viewer, &release),
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
            Act::StartCohort { permille: WHOLE },
            Act::Propose,
            Act::Approve,
            Act::Decline,
            Act::Withdraw,
            Act::RollBack,
        ]
        .into_iter()
        .filter(|act| runs_here(stored, act) && release::step(&stored.release, act, actor, self.now()).is_ok())
        .map(|act| act.name().to_owned())
        .collect();
        if stored.world == WORLD
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
        if !signers.is_empty() {
            let accepted =
                signed.as_ref().is_some_and(|(key, _)| signers.iter().any(|signer| signer.public_key == *key));
            if !accepted {
                let words = "expected a signature by one of the company's accepted keys (`davyctl rule sign`), got none or another's";
                return Err(invalid("signature", words));
            }
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
        let rows = self.rows(viewer, Deed::ChangeRules)?;
        let from = self.release_of(&rows, id).await?;
        let settings = object("settings", settings)?;
        if matches!(from.release.stage, Stage::Uploaded | Stage::Refused) {
            let refused = Problem::new("refused", 409, "Refused", "Its checks have not let this component in yet.");
            return Err(refused.with_reason("not-now"));
        }
        let about = rows.about_rule(&from.digest).await.map_err(stored)?.unwrap_or_default();
        check_settings(&about, &settings)?;
        self.may_check(&rows)?;
        let version = rows.put_settings(&settings, self.now()).await.map_err(stored)?;
        self.new_release(viewer, &rows, &from.digest, version, &from.checks).await
    }

    /// Checks are made one after the other: a company may not put in more than it can wait for.
    fn may_check(&self, rows: &TenantStore) -> Result<(), Problem> {
        if self.rules.jobs.waiting_checks(rows.id()) < MOST_UNCHECKED {
            return Ok(());
        }
        let words = format!("{MOST_UNCHECKED} versions of your company wait for their checks; wait for one to end.");
        Err(Problem::new("refused", 409, "Refused", words).with_reason("too-many"))
    }

    /// Whether one more component may be stored; one that is there already takes no room.
    async fn has_room(&self, rows: &TenantStore, digest: RuleDigest, size: usize) -> Result<(), Problem> {
        let Room { components, bytes } = self.rules.room;
        if rows.about_rule(digest.as_bytes()).await.map_err(stored)?.is_some() {
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
        let rows = self.rows(viewer, Deed::ChangeRules)?;
        let act = act_of(request)?;
        let actor = Actor::Person { by: viewer.user };
        let target = self.release_of(&rows, id).await?;
        if !runs_here(&target, &act) {
            let words = format!("This server runs versions of `{WORLD}`; this one is of `{}`.", target.world);
            return Err(Problem::new("refused", 409, "Refused", words).with_reason("other-world"));
        }
        let change = |stored: &StoredRelease, act: Act, actor: Actor| -> Result<ReleaseChange, Problem> {
            let now = self.now().max(stored.release.changed_at);
            let after = release::step(&stored.release, &act, actor, now).map_err(|refused| {
                Problem::new("refused", 409, "Refused", refused.to_string()).with_reason(refused.code())
            })?;
            Ok(ReleaseChange { before: stored.release.clone(), after, act, actor })
        };
        let own = change(&target, act.clone(), actor)?;
        let mut changes = Vec::with_capacity(2);
        match act {
            // What is in force makes room, in the same transaction, before the other takes its place.
            Act::Approve => {
                let live = self.store.live_releases(Some(rows.id())).await.map_err(stored)?;
                let in_force =
                    |each: &&StoredRelease| each.release.stage == Stage::Active && each.world == target.world;
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

    /// The component of a version.
    ///
    /// # Errors
    /// A [`Problem`] when there is none that the viewer may see.
    pub async fn rule_component(&self, viewer: &Viewer, id: ReleaseId) -> Result<Vec<u8>, Problem> {
        let rows = self.rows(viewer, Deed::SeeRules)?;
        let release = self.release_of(&rows, id).await?;
        let component = rows.rule_component(&release.digest).await.map_err(stored)?;
        component.ok_or_else(|| Problem::not_found("component"))
    }

    /// Has a version folded over the company's history.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub async fn start_back_test(
        &self,
        viewer: &Viewer,
        id: ReleaseId,
        request: &BackTestRequest,
    ) -> Result<BackTestItem, Problem> {
        let rows = self.rows(viewer, Deed::ChangeRules)?;
        let release = self.release_of(&rows, id).await?;
        let now = self.now();
        if !self.may(viewer, &release).iter().any(|act| act == "back-test") {
            let words = format!(
                "A version that is {} cannot be back-tested: its checks must have passed.",
                release.release.stage
            );
            return Err(Problem::new("refused", 409, "Refused", words).with_reason("not-now"));
        }
        let to = request.to.unwrap_or(now);
        let from = request.from.unwrap_or(to - release::HISTORY);
        if from >= to {
            return Err(invalid("from", "expected a time before `to`"));
        }
        let permille = request.permille.unwrap_or(WHOLE);
        if !(1..=WHOLE).contains(&permille) {
            return Err(invalid("permille", format!("expected 1 to {WHOLE}, got {permille}")));
        }
        let unfinished = self.store.unfinished_back_tests().await.map_err(stored)?;
        if unfinished.iter().filter(|test| test.tenant == rows.id()).count() >= MOST_WAITING {
            let words =
                format!("{MOST_WAITING} back-tests of your company are under way; wait for one to end, or cancel it.");
            return Err(Problem::new("refused", 409, "Refused", words).with_reason("too-many"));
        }
        let active = self.rules.registry.rules(rows.id()).and_then(|rules| Some(rules.active.as_ref()?.release));
        let test = BackTest {
            id: BackTestId::from_raw(self.rules.ids.lock().next_raw(now)),
            tenant: rows.id(),
            release: id,
            against: active.filter(|active| *active != id),
            state: BackTestState::Waiting,
            from,
            to,
            permille,
            started_by: viewer.user,
            created_at: now,
            finished_at: None,
            report: String::new(),
        };
        rows.create_back_test(&test).await.map_err(stored)?;
        self.rules.jobs.back_test();
        Ok(self.test_item(&test))
    }

    pub(super) async fn back_test_of(&self, viewer: &Viewer, id: BackTestId) -> Result<BackTestItem, Problem> {
        let rows = self.rows(viewer, Deed::SeeRules)?;
        let test = rows.back_test(id).await.map_err(stored)?.ok_or_else(|| Problem::not_found("back-test"))?;
        Ok(self.test_item(&test))
    }

    /// Stops a back-test.
    ///
    /// # Errors
    /// A [`Problem`] when there is none that the viewer may stop.
    pub async fn cancel_back_test(&self, viewer: &Viewer, id: BackTestId) -> Result<BackTestItem, Problem> {
        let rows = self.rows(viewer, Deed::ChangeRules)?;
        rows.back_test(id).await.map_err(stored)?.ok_or_else(|| Problem::not_found("back-test"))?;
        if let Some(progress) = self.rules.jobs.progress(id) {
            progress.cancelled.store(true, Ordering::Relaxed);
        }
        rows.move_back_test(id, BackTestState::Cancelled, "", Some(self.now())).await.map_err(stored)?;
        self.back_test_of(viewer, id).await
    }

    fn test_item(&self, test: &BackTest) -> BackTestItem {
        let progress = self.rules.jobs.progress(test.id);
        let (done, total) = progress
            .map_or((0, 0), |progress| (progress.done.load(Ordering::Relaxed), progress.total.load(Ordering::Relaxed)));
        let failed = test.state == BackTestState::Failed;
        BackTestItem {
            id: test.id,
            rule: test.release,
            against: test.against,
            state: test.state.name().to_owned(),
            from: test.from,
            to: test.to,
            permille: test.permille,
            decisive: release::is_decisive(test.from, test.to, test.permille, test.created_at),
            created_at: test.created_at,
            finished_at: test.finished_at,
            done,
            total,
            reason: failed.then(|| test.report.clone()),
            report: if failed { None } else { serde_json::from_str(&test.report).ok() },
        }
    }

    /// A person's word on what an alarm really was.
    ///
    /// # Errors
    /// A [`Problem`] for a word that is none, or an alarm that is not the company's.
    pub async fn judge_alarm(&self, viewer: &Viewer, alarm: AlarmId, finding: &AlarmFinding) -> Result<(), Problem> {
        let rows = self.rows(viewer, Deed::JudgeAlarm)?;
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
    ///
    /// # Errors
    /// A [`Problem`] for whoever may not see them.
    pub async fn rule_signers(&self, viewer: &Viewer) -> Result<RuleSigners, Problem> {
        let rows = self.rows(viewer, Deed::SeeRules)?;
        let signers = rows.rule_signers().await.map_err(stored)?;
        let item = |signer: &davy_store::RuleSigner| RuleSignerItem {
            public_key: crate::keys::to_hex(&signer.public_key),
            name: signer.name.clone(),
        };
        Ok(RuleSigners { items: signers.iter().map(item).collect() })
    }

    /// Accepts a key; from the first one on no component is taken without a signature.
    ///
    /// # Errors
    /// A [`Problem`] for a key that is none.
    pub async fn accept_signer(&self, viewer: &Viewer, signer: &RuleSignerItem) -> Result<(), Problem> {
        let rows = self.rows(viewer, Deed::ChangeRules)?;
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
        let rows = self.rows(viewer, Deed::ChangeRules)?;
        let removed = rows.remove_rule_signer(public_key(key)?.as_bytes()).await.map_err(stored)?;
        if removed { Ok(()) } else { Err(Problem::not_found("accepted key")) }
    }
}

/// Whether an act that makes a version live can be done here at all.
fn runs_here(stored: &StoredRelease, act: &Act) -> bool {
    stored.world == WORLD || !matches!(act, Act::StartShadow | Act::StartCohort { .. } | Act::Propose | Act::Approve)
}

fn act_of(request: &RuleActRequest) -> Result<Act, Problem> {
    Ok(match (request.act.as_str(), request.permille) {
        ("start-shadow", _) => Act::StartShadow,
        ("start-cohort", Some(permille)) => Act::StartCohort { permille },
        ("start-cohort", None) => return Err(invalid("permille", format!("expected 1 to {WHOLE}, got nothing"))),
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

/// The counters have one shape, in memory, stored and on the wire.
fn as_wire(report: &crate::rules::health::HealthReport) -> Option<RuleHealth> {
    serde_json::from_value(serde_json::to_value(report).ok()?).ok()
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
    bytes
        .and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok())
        .ok_or_else(|| invalid("public_key", "expected an Ed25519 public key as 64 hexadecimal digits"))
}

/// A signature that has been verified.
fn signature_of(digest: RuleDigest, signer: &str, signature: &str) -> Result<([u8; 32], [u8; 64]), Problem> {
    let key = public_key(signer)?;
    let bytes = crate::keys::from_hex(signature).and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
    let bytes = bytes.ok_or_else(|| invalid("signature", "expected an Ed25519 signature as 128 hexadecimal digits"))?;
    let message = [SIGNED, digest.as_bytes()].concat();
    key.verify_strict(&message, &Signature::from_bytes(&bytes)).map_err(|_| {
        invalid("signature", format!("it does not fit the key and the component {digest}: sign this very file"))
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
