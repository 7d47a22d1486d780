//! Entering a city: gas companies with their rules, premises, devices with their keys, and people, from a JSON manifest.
//!
//! All or nothing: everything is read and checked first, with the place of each fault, then entered in one transaction.
//! Keys are sealed before they reach the store; they leave in the clear only in the credentials that a fleet is given once.

mod existing;
pub mod import;
mod manifest;
mod plan;

pub use existing::Existing;
pub use manifest::{
    Manifest, ManifestDevice, ManifestKey, ManifestPremises, ManifestRule, ManifestTenant, ManifestUser,
};
pub(crate) use plan::name_of;
pub use plan::{Credential, Secrets};

use crate::clock::SharedRandom;
use crate::http::passwords::{PasswordError, Passwords};
use crate::keys::{KeyError, KeyRing};
use davy_domain::release::{Actor, Release, Stage, WHOLE};
use davy_domain::{IdSource, ReleaseId, Timestamp};
use davy_rules::world::Alarm;
use davy_rules::{Admission, Admitted, Engine, RuleDigest, Tier};
use davy_store::{AboutRule, NewRelease, NewRule, Store, StoreError};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Why nothing was entered.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// A file cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The manifest is not JSON of the right shape.
    #[error("the manifest is wrong at `{field}`: {reason}")]
    Shape {
        /// Where, as a path such as `devices.3.serial`.
        field: String,
        /// What was expected.
        reason: String,
    },
    /// Faults in what the manifest says; none of it was entered.
    #[error("the manifest has {} fault(s), nothing was entered:\n  - {}", faults.len(), faults.join("\n  - "))]
    Faults {
        /// Each with its place.
        faults: Vec<String>,
    },
    /// A rule was refused.
    #[error("the rule {} of tenant `{tenant}` was refused: {reason}", path.display())]
    Rule {
        /// The tenant's key.
        tenant: String,
        /// The component.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Keys.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Passwords.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was entered.
#[derive(Debug)]
pub struct Provisioned {
    /// Gas companies.
    pub tenants: usize,
    /// Premises.
    pub premises: usize,
    /// Devices.
    pub devices: usize,
    /// People.
    pub users: usize,
    /// The credentials of every device, for its firmware or a fleet simulator. Wiped when dropped.
    pub credentials: Vec<Credential>,
}

/// What provisioning works with.
pub struct Tools<'a> {
    /// The database, migrated.
    pub store: &'a Store,
    /// Takes the rules in.
    pub engine: &'a Engine,
    /// Examines them first.
    pub admission: &'a Admission,
    /// Seals the keys.
    pub keys: &'a KeyRing,
    /// Hashes the passwords.
    pub passwords: &'a Passwords,
    /// For keys.
    pub random: &'a SharedRandom,
    /// The time.
    pub now: Timestamp,
}

/// Ids given here are on a lane of their own, so that they never meet those of a running server's shards.
const LANE: u8 = 62;

/// Enters a manifest. Paths in it are relative to `folder`.
///
/// # Errors
/// [`ProvisionError`]; then nothing was entered, but for rules of companies that were (their activation comes last).
pub async fn provision(manifest: &Manifest, folder: &Path, tools: &Tools<'_>) -> Result<Provisioned, ProvisionError> {
    let mut examined = HashMap::new();
    let rules = manifest
        .tenants
        .iter()
        .filter_map(|tenant| Some((tenant, tenant.rule.as_ref()?)))
        .map(|(tenant, rule)| check_rule(&tenant.key, rule, folder, tools, &mut examined))
        .collect::<Result<Vec<_>, _>>()?;
    let hashes = hash_passwords(manifest, tools.passwords)?;
    let ids = IdSource::new(LANE, tools.store.highest_id().await?);
    let secrets = Secrets { keys: tools.keys, random: tools.random, hashes };
    let mut planned = plan::plan(manifest, secrets, ids, tools.now, Existing::default())?;
    tools.store.provision(&planned.rows).await?;
    for tenant in &manifest.tenants {
        if let (Some(policy), Some(id)) = (tenant.second_factor, planned.tenants.get(tenant.key.as_str())) {
            let rows = tools.store.tenant(*id);
            rows.set_second_factor_policy(policy, davy_domain::ledger::Actor::CommandLine, tools.now).await?;
        }
    }
    for rule in rules {
        let Some(tenant) = planned.tenants.get(rule.tenant.as_str()) else { continue };
        let rows = tools.store.tenant(*tenant);
        let new = NewRule {
            digest: &rule.digest,
            name: &rule.name,
            component: &rule.component,
            tier: "standard",
            signed: None,
            uploaded_at: tools.now,
        };
        rows.put_rule(&new).await?;
        let version = rows.put_settings(&rule.settings, tools.now).await?;
        let id = ReleaseId::from_raw(planned.ids.next_raw(tools.now));
        let release = Release { stage: Stage::Active, permille: WHOLE, ..Release::uploaded(id, tools.now) };
        let new = NewRelease {
            release: &release,
            digest: &rule.digest,
            settings_version: version,
            world: crate::rules::running::WORLD,
            // Whoever can provision has the machine: there is no second person to ask.
            actor: Actor::Platform,
            checks: "",
        };
        rows.create_release(&new).await?;
        let about = AboutRule {
            digest: &rule.digest,
            name: &rule.name,
            version: &rule.version,
            world: crate::rules::running::WORLD,
            scope: "",
            about: &rule.about,
        };
        rows.put_checks(id, &rule.checks, Some(&about)).await?;
    }
    Ok(Provisioned {
        tenants: planned.rows.tenants.len(),
        premises: planned.rows.premises.len(),
        devices: planned.rows.devices.len(),
        users: planned.rows.users.len(),
        credentials: planned.credentials,
    })
}

struct CheckedRule {
    tenant: String,
    digest: [u8; 32],
    name: String,
    version: String,
    about: String,
    checks: String,
    component: Vec<u8>,
    settings: String,
}

/// A rule is admitted, and its settings are accepted, before anything is entered.
fn check_rule(
    tenant: &str,
    rule: &ManifestRule,
    folder: &Path,
    tools: &Tools<'_>,
    examined: &mut HashMap<RuleDigest, Admitted>,
) -> Result<CheckedRule, ProvisionError> {
    let path = folder.join(&rule.component);
    let component = std::fs::read(&path).map_err(|source| ProvisionError::File { path: path.clone(), source })?;
    let refuse = |reason: String| ProvisionError::Rule { tenant: tenant.to_owned(), path: path.clone(), reason };
    let Tools { engine, admission, .. } = tools;
    let begun = Instant::now();
    // Companies share rules: one examination is enough for all of them.
    let admitted = match examined.entry(RuleDigest::of(&component)) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => {
            let examined = admission.examine_as::<Alarm>(engine, &component, Tier::Standard, None);
            entry.insert(examined.map_err(|error| refuse(error.to_string()))?.0)
        }
    };
    let settings = rule.settings.clone().unwrap_or_else(|| serde_json::json!({})).to_string();
    engine.load(admitted).encode_settings(&settings).map_err(|error| refuse(error.to_string()))?;
    Ok(CheckedRule {
        tenant: tenant.to_owned(),
        digest: *admitted.digest().as_bytes(),
        name: rule.name.clone().unwrap_or_else(|| admitted.description().name.clone()),
        version: admitted.description().version.clone(),
        checks: serde_json::to_string(&crate::rules::jobs::passed(begun.elapsed()))
            .map_err(|error| refuse(error.to_string()))?,
        about: serde_json::to_string(admitted.description()).map_err(|error| refuse(error.to_string()))?,
        component,
        settings,
    })
}

/// The hash of every user's password, in the manifest's order; computed on every core.
fn hash_passwords(manifest: &Manifest, passwords: &Passwords) -> Result<Vec<String>, ProvisionError> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = manifest.users.len().div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = manifest
            .users
            .chunks(share)
            .map(|users| {
                scope.spawn(move || {
                    let hash = |user: &ManifestUser| match (&user.password, &user.password_hash) {
                        (Some(password), None) => passwords.hash_blocking(password),
                        (_, hash) => Ok(hash.clone().unwrap_or_default()),
                    };
                    users.iter().map(hash).collect::<Result<Vec<_>, _>>()
                })
            })
            .collect();
        let mut hashes = Vec::with_capacity(manifest.users.len());
        for worker in workers {
            hashes.extend(worker.join().map_err(|_| PasswordError::Stopped)??);
        }
        Ok(hashes)
    })
}

/// Writes credentials as JSON with mode 0600; never over a file that is there.
///
/// # Errors
/// [`ProvisionError::File`].
pub fn write_credentials(path: &Path, credentials: &[Credential]) -> Result<(), ProvisionError> {
    use std::os::unix::fs::OpenOptionsExt;
    let failed = |source| ProvisionError::File { path: path.to_owned(), source };
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let mut out = std::io::BufWriter::new(file);
    serde_json::to_writer_pretty(&mut out, credentials).map_err(|error| failed(error.into()))?;
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)
}

#[cfg(test)]
mod tests;
