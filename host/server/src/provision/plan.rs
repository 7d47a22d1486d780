//! From a manifest to rows: keys become ids, premises, parents and links become interlocks, secrets become sealed.

use super::ProvisionError;
use super::existing::{Existing, Home, Known};
use super::manifest::{Manifest, ManifestDevice, ManifestUser};
use crate::clock::SharedRandom;
use crate::http::passwords::{LONGEST, SHORTEST};
use crate::ingest::SERVER_ID;
use crate::keys::{DeviceSecret, KeyRing, from_hex, to_hex};
use davy_domain::{
    CommunityId, DeviceId, IdSource, InterlockId, PersonScope, PremisesId, ScopeKind, Span, TenantId, Timestamp, UserId,
};
use davy_store::{Device, DeviceCredentials, Division, DivisionCode, NewDevice, Premises, Provision, Tenant, User};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// COSE algorithm numbers (RFC 9053) by the names of a manifest.
const ALGORITHMS: [(&str, i64); 2] = [("A128GCM", 1), ("AES-CCM-16-64-128", 10)];

/// What a device's firmware, or a fleet simulator, is given once. Wiped when dropped.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Credential {
    /// OSCORE ID Context, hexadecimal; empty for a device behind a gateway.
    pub tenant_context: String,
    /// OSCORE Sender ID, hexadecimal; empty for a device behind a gateway.
    pub kid: String,
    /// Master Secret, hexadecimal; empty for a device behind a gateway.
    pub master_secret: String,
    /// Master Salt, hexadecimal; empty for a device behind a gateway.
    pub master_salt: String,
    /// `a128gcm` or `aes-ccm-16-64-128`; none for a device behind a gateway.
    pub algorithm: Option<String>,
    /// The gas company's id.
    pub tenant: String,
    /// Serial number.
    pub serial: String,
    /// What it is, such as `detector`.
    pub kind: String,
    /// The device's id.
    pub device: String,
    /// Serials of the valves that its leak closes.
    pub links: Vec<String>,
    /// How often it must report, milliseconds, if it must.
    pub interval_ms: Option<i64>,
    /// Whether it listens only just after its own uplinks.
    pub sleepy: bool,
    /// The premises' id, if it is in one.
    pub premises: Option<String>,
    /// Serial of the gateway that it speaks through.
    pub parent: Option<String>,
    /// The Sender Sequence Number to begin with, of a key that replaces another one; 0 otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_sequence: Option<u64>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credential({})", self.serial)
    }
}

/// What planning needs besides the manifest.
pub struct Secrets<'a> {
    /// Seals the keys.
    pub keys: &'a KeyRing,
    /// Makes them.
    pub random: &'a SharedRandom,
    /// The users' password hashes, in the manifest's order.
    pub hashes: Vec<String>,
}

pub(super) struct Planned {
    pub(super) rows: Provision,
    pub(super) tenants: HashMap<String, TenantId>,
    pub(super) credentials: Vec<Credential>,
    /// For the ids of what comes after.
    pub(super) ids: IdSource,
}

struct Planner<'a> {
    manifest: &'a Manifest,
    ids: IdSource,
    now: Timestamp,
    faults: Vec<String>,
    tenants: HashMap<String, (TenantId, Vec<u8>)>,
    premises: HashMap<String, Home>,
    devices: HashMap<(String, String), Known>,
    kids: HashSet<(String, Vec<u8>)>,
}

pub(super) fn plan(
    manifest: &Manifest,
    secrets: Secrets<'_>,
    ids: IdSource,
    now: Timestamp,
    existing: Existing,
) -> Result<Planned, ProvisionError> {
    let Existing { tenants, premises, devices, kids } = existing;
    let mut planner = Planner { manifest, ids, now, faults: Vec::new(), tenants, premises, devices, kids };
    let tenants = planner.tenants();
    let premises = planner.premises();
    planner.name_devices();
    let interlocks = planner.interlocks();
    let devices = planner.devices(&interlocks);
    let keyed = planner.keyed();
    let users = planner.users(secrets.hashes);
    if !planner.faults.is_empty() {
        return Err(ProvisionError::Faults { faults: planner.faults });
    }
    let mut rows = Provision {
        divisions: manifest.divisions.iter().map(division).collect(),
        tenants,
        premises,
        devices: Vec::with_capacity(devices.len()),
        users,
        at: now,
        by: None,
    };
    let mut credentials = Vec::with_capacity(devices.len());
    for (device, (from, keyed)) in devices.into_iter().zip(manifest.devices.iter().zip(keyed)) {
        let sealed = match &keyed {
            None => None,
            Some(keyed) => {
                let secret = match &keyed.given {
                    Some(secret) => secret.clone(),
                    None => DeviceSecret::generate(&**secrets.random)?,
                };
                let sealed = secrets.keys.seal(device.tenant, device.id, &secret, &**secrets.random)?;
                Some((secret, sealed))
            }
        };
        let context = planner.tenants.get(&from.tenant).map(|(_, context)| to_hex(context)).unwrap_or_default();
        credentials.push(Credential {
            tenant_context: if keyed.is_some() { context } else { String::new() },
            kid: keyed.as_ref().map(|keyed| to_hex(&keyed.kid)).unwrap_or_default(),
            master_secret: sealed.as_ref().map(|(secret, _)| to_hex(&secret.master_secret)).unwrap_or_default(),
            master_salt: sealed.as_ref().map(|(secret, _)| to_hex(&secret.master_salt)).unwrap_or_default(),
            algorithm: keyed.as_ref().map(|keyed| name_of(keyed.algorithm)),
            tenant: device.tenant.to_string(),
            serial: device.serial.clone(),
            kind: device.kind.name().to_owned(),
            device: device.id.to_string(),
            links: from.links.clone(),
            interval_ms: device.report_interval.map(Span::as_millis),
            sleepy: device.sleepy,
            premises: device.premises.map(|premises| premises.to_string()),
            parent: from.parent.clone(),
            first_sequence: None,
        });
        let credentials = keyed.zip(sealed).map(|(keyed, (_, sealed))| DeviceCredentials {
            kid: keyed.kid,
            algorithm: keyed.algorithm,
            key_ciphertext: sealed.ciphertext,
            key_nonce: sealed.nonce,
            key_kek_id: sealed.kek_id,
        });
        rows.devices.push(NewDevice { device, credentials });
    }
    let tenants = planner.tenants.into_iter().map(|(key, (id, _))| (key, id)).collect();
    Ok(Planned { rows, tenants, credentials, ids: planner.ids })
}

fn division(from: &super::manifest::ManifestDivision) -> Division {
    Division {
        code: DivisionCode(from.code),
        parent: from.parent.map(DivisionCode),
        level: from.level,
        name_zh: from.name_zh.clone(),
        name_en: from.name_en.clone(),
    }
}

pub(crate) fn name_of(algorithm: i64) -> String {
    ALGORITHMS.iter().find(|(_, number)| *number == algorithm).map_or("", |(name, _)| name).to_ascii_lowercase()
}

/// A device that speaks for itself.
struct Keyed {
    kid: Vec<u8>,
    algorithm: i64,
    given: Option<DeviceSecret>,
}

fn hex_of(text: &str, lengths: std::ops::RangeInclusive<usize>) -> Option<Vec<u8>> {
    from_hex(text).filter(|bytes| lengths.contains(&bytes.len()))
}

impl Planner<'_> {
    fn id(&mut self) -> i64 {
        self.ids.next_raw(self.now)
    }

    fn tenants(&mut self) -> Vec<Tenant> {
        let manifest = self.manifest;
        let mut rows = Vec::new();
        for (at, from) in manifest.tenants.iter().enumerate() {
            let id = TenantId::from_raw(self.id());
            let context_id = match &from.context {
                None => id.raw().to_be_bytes().to_vec(),
                Some(text) => hex_of(text, 1..=8).unwrap_or_else(|| {
                    self.faults.push(format!(
                        "tenants.{at}.context: expected 1 to 8 bytes as hexadecimal digits, got `{text}`"
                    ));
                    Vec::new()
                }),
            };
            if self.tenants.insert(from.key.clone(), (id, context_id.clone())).is_some() {
                self.faults.push(format!("tenants.{at}.key: `{}` is there twice", from.key));
            }
            rows.push(Tenant {
                id,
                name: from.name.clone(),
                context_id,
                jurisdiction: from.jurisdiction.map(DivisionCode),
            });
        }
        rows
    }

    fn tenant(&mut self, place: &str, key: &str) -> TenantId {
        if let Some((id, _)) = self.tenants.get(key) {
            return *id;
        }
        self.faults.push(format!("{place}.tenant: there is no tenant `{key}` in this manifest"));
        TenantId::from_raw(0)
    }

    fn premises(&mut self) -> Vec<Premises> {
        let manifest = self.manifest;
        let mut rows = Vec::new();
        for (at, from) in manifest.premises.iter().enumerate() {
            let tenant = self.tenant(&format!("premises.{at}"), &from.tenant);
            let id = PremisesId::from_raw(self.id());
            let home = Home {
                id,
                tenant: from.tenant.clone(),
                division: from.division,
                lon: from.lon,
                lat: from.lat,
                interlock: None,
            };
            if self.premises.insert(from.key.clone(), home).is_some() {
                self.faults.push(format!("premises.{at}.key: `{}` is there twice", from.key));
            }
            rows.push(Premises {
                id,
                tenant,
                division: from.division.map(DivisionCode),
                address: from.address.clone(),
                community: from.community.clone(),
                building: from.building.clone(),
                lon: from.lon,
                lat: from.lat,
            });
        }
        rows
    }

    fn name_devices(&mut self) {
        let manifest = self.manifest;
        for (at, from) in manifest.devices.iter().enumerate() {
            let id = DeviceId::from_raw(self.id());
            if from.serial.trim().is_empty() || from.serial.contains('/') {
                self.faults.push(format!("devices.{at}.serial: expected a text without `/`, got `{}`", from.serial));
            }
            let known = Known { id, kind: from.kind, at: Some(at), interlock: None };
            match self.devices.insert((from.tenant.clone(), from.serial.clone()), known) {
                None => {}
                Some(Known { at: Some(_), .. }) => {
                    self.faults.push(format!("devices.{at}.serial: `{}` is there twice in its tenant", from.serial));
                }
                Some(Known { at: None, .. }) => {
                    self.faults.push(format!("devices.{at}.serial: `{}` has been provisioned already", from.serial));
                }
            }
        }
    }

    fn device(&self, of: &ManifestDevice, serial: &str) -> Option<Known> {
        self.devices.get(&(of.tenant.clone(), serial.to_owned())).copied()
    }

    /// One interlock for all that hangs together: by word, premises, gateway or link. What hangs together with devices that are there
    /// already joins theirs.
    fn interlocks(&mut self) -> Vec<InterlockId> {
        let manifest = self.manifest;
        let devices = &manifest.devices;
        let mut root: Vec<usize> = (0..devices.len()).collect();
        fn find(root: &mut [usize], mut at: usize) -> usize {
            while root[at] != at {
                root[at] = root[root[at]];
                at = root[at];
            }
            at
        }
        let mut first: HashMap<(&str, &str, &str), usize> = HashMap::new();
        let mut joins: Vec<(usize, InterlockId)> = Vec::new();
        for (at, from) in devices.iter().enumerate() {
            let words = [("interlock", &from.interlock), ("premises", &from.premises)];
            let named =
                words.into_iter().filter_map(|(what, word)| Some((from.tenant.as_str(), what, word.as_deref()?)));
            let mut others: Vec<usize> = named.map(|key| *first.entry(key).or_insert(at)).collect();
            let home = from.premises.as_ref().and_then(|key| self.premises.get(key)).and_then(|home| home.interlock);
            joins.extend(home.map(|interlock| (at, interlock)));
            for other in from.links.iter().chain(&from.parent).filter_map(|serial| self.device(from, serial)) {
                others.extend(other.at);
                joins.extend(other.interlock.map(|interlock| (at, interlock)));
            }
            for other in others {
                let (a, b) = (find(&mut root, at), find(&mut root, other));
                root[a.max(b)] = a.min(b);
            }
        }
        let mut ids = HashMap::new();
        for (at, interlock) in joins {
            let known = *ids.entry(find(&mut root, at)).or_insert(interlock);
            if known != interlock {
                self.faults.push(format!(
                    "devices.{at}.links: it would join devices that run in two interlocks; give it links, premises and gateway of one"
                ));
            }
        }
        (0..devices.len())
            .map(|at| {
                let root = find(&mut root, at);
                *ids.entry(root).or_insert_with(|| InterlockId::from_raw(self.ids.next_raw(self.now)))
            })
            .collect()
    }

    fn devices(&mut self, interlocks: &[InterlockId]) -> Vec<Device> {
        let manifest = self.manifest;
        let mut rows = Vec::with_capacity(interlocks.len());
        for (at, from) in manifest.devices.iter().enumerate() {
            let place = format!("devices.{at}");
            let tenant = self.tenant(&place, &from.tenant);
            let premises = from.premises.as_ref().map(|key| self.premises.get(key).cloned());
            if premises == Some(None) {
                self.faults.push(format!(
                    "{place}.premises: there is no premises `{}` in this manifest",
                    from.premises.as_deref().unwrap_or_default()
                ));
            }
            let home = premises.flatten();
            let premises = home.as_ref().map(|home| home.id);
            if home.as_ref().is_some_and(|home| home.tenant != from.tenant) {
                self.faults.push(format!("{place}.premises: it belongs to another tenant"));
            }
            let (lon, lat) = (from.lon.or(home.as_ref().map(|it| it.lon)), from.lat.or(home.as_ref().map(|it| it.lat)));
            if lon.is_none() || lat.is_none() {
                self.faults.push(format!("{place}.lon: expected `lon` and `lat` for a device without premises"));
            }
            let division = from.division.or_else(|| home.and_then(|home| home.division)).map(DivisionCode);
            let parent = from.parent.as_ref().and_then(|serial| {
                let found = self.device(from, serial);
                if found.is_none_or(|other| other.kind != davy_domain::DeviceKind::Gateway) {
                    self.faults.push(format!("{place}.parent: there is no gateway `{serial}` in this tenant"));
                }
                found.map(|other| other.id)
            });
            let mut links = Vec::new();
            for serial in &from.links {
                match self.device(from, serial) {
                    Some(other) if other.kind.has_valve() => links.push(other.id),
                    Some(_) => self.faults.push(format!("{place}.links: `{serial}` has no valve")),
                    None => self.faults.push(format!("{place}.links: there is no device `{serial}` in this tenant")),
                }
            }
            if from.report_interval_s.is_some_and(|seconds| !(1..=31_536_000).contains(&seconds)) {
                self.faults.push(format!("{place}.report_interval_s: expected 1 to 31536000"));
            }
            rows.push(Device {
                id: self.device(from, &from.serial).map_or(DeviceId::from_raw(0), |known| known.id),
                tenant,
                interlock: interlocks[at],
                premises,
                division,
                parent,
                serial: from.serial.clone(),
                kind: from.kind,
                model: from.model.clone(),
                installed_at: Some(from.installed_at.map_or(self.now, Timestamp::from_millis)),
                report_interval: from.report_interval_s.map(Span::from_secs),
                sleepy: from.sleepy,
                lon: lon.unwrap_or_default(),
                lat: lat.unwrap_or_default(),
                links,
            });
            self.check_keys(&place, from);
        }
        // A parent must be entered before its children.
        let order: Vec<_> = manifest
            .devices
            .iter()
            .enumerate()
            .filter_map(|(at, from)| {
                let parent = self.device(from, from.parent.as_deref()?)?;
                parent.at.is_some_and(|parent| parent > at).then(|| {
                    format!("devices.{at}.parent: `{}` must come before it", from.parent.as_deref().unwrap_or_default())
                })
            })
            .collect();
        self.faults.extend(order);
        rows
    }

    fn check_keys(&mut self, place: &str, from: &ManifestDevice) {
        if from.parent.is_some() && (from.key.is_some() || from.kid.is_some() || from.algorithm.is_some()) {
            self.faults
                .push(format!("{place}.key: a device behind a gateway has no `key`, `kid` or `algorithm` of its own"));
        }
        if let Some(name) = &from.algorithm
            && !ALGORITHMS.iter().any(|(known, _)| known == name)
        {
            self.faults.push(format!("{place}.algorithm: expected `A128GCM` or `AES-CCM-16-64-128`, got `{name}`"));
        }
        if from.kid.as_ref().is_some_and(|kid| hex_of(kid, 1..=6).is_none()) {
            self.faults.push(format!("{place}.kid: expected 1 to 6 bytes as hexadecimal digits"));
        }
        // With the platform's own id both sides would seal with the same key and the same nonces.
        if from.kid.as_ref().is_some_and(|kid| hex_of(kid, 1..=6).is_some_and(|kid| kid == SERVER_ID)) {
            let own = to_hex(SERVER_ID);
            self.faults.push(format!("{place}.kid: `{own}` is the platform's own id; give the device any other"));
        }
        if from.key.as_ref().is_some_and(|key| secret(key).is_none()) {
            self.faults.push(format!(
                "{place}.key: expected `master_secret` of 16 bytes and `master_salt` of 8 bytes as hexadecimal digits"
            ));
        }
    }

    /// The identity of each device that speaks for itself, in the manifest's order.
    fn keyed(&mut self) -> Vec<Option<Keyed>> {
        let manifest = self.manifest;
        // Those that are told come first: what is counted goes round them.
        for (at, from) in manifest.devices.iter().enumerate().filter(|(_, from)| from.parent.is_none()) {
            let told = from.kid.as_ref().and_then(|kid| hex_of(kid, 1..=6));
            if told.is_some_and(|kid| !self.kids.insert((from.tenant.clone(), kid))) {
                self.faults.push(format!("devices.{at}.kid: another device of the company has it"));
            }
        }
        let mut counted: HashMap<&str, u32> = HashMap::new();
        let mut keyed = Vec::with_capacity(manifest.devices.len());
        for from in &manifest.devices {
            if from.parent.is_some() {
                keyed.push(None);
                continue;
            }
            let count = counted.entry(&from.tenant).or_default();
            let told = from.kid.as_ref().and_then(|kid| hex_of(kid, 1..=6));
            let kid = told.unwrap_or_else(|| {
                loop {
                    *count += 1;
                    let kid = count.to_be_bytes().to_vec();
                    if self.kids.insert((from.tenant.clone(), kid.clone())) {
                        break kid;
                    }
                }
            });
            let name = from.algorithm.as_deref().unwrap_or(ALGORITHMS[0].0);
            keyed.push(Some(Keyed {
                kid,
                algorithm: ALGORITHMS.iter().find(|(known, _)| *known == name).map_or(1, |(_, number)| *number),
                given: from.key.as_ref().and_then(secret),
            }));
        }
        keyed
    }

    fn users(&mut self, hashes: Vec<String>) -> Vec<User> {
        let manifest = self.manifest;
        let mut rows = Vec::with_capacity(hashes.len());
        for ((at, from), password_hash) in manifest.users.iter().enumerate().zip(hashes) {
            let place = format!("users.{at}");
            if !from.email.contains('@') || from.email.len() > 254 {
                self.faults.push(format!(
                    "{place}.email: expected an e-mail address of at most 254 bytes, got `{}`",
                    from.email
                ));
            }
            self.check_password(&place, from);
            let scope = match self.scope_of(&place, from) {
                Ok(scope) => scope,
                Err(fault) => {
                    self.faults.push(fault);
                    continue;
                }
            };
            rows.push(User {
                id: UserId::from_raw(self.id()),
                email: from.email.clone(),
                name: from.name.clone(),
                phone: from.phone.clone(),
                password_hash,
                locale: from.locale.clone().unwrap_or_else(|| "zh-CN".to_owned()),
                scope,
                roles: from.roles,
                ended_at: None,
            });
        }
        rows
    }

    fn check_password(&mut self, place: &str, from: &ManifestUser) {
        match (&from.password, &from.password_hash) {
            (Some(password), None) => {
                let length = password.chars().count();
                if !(SHORTEST..=LONGEST).contains(&length) {
                    self.faults
                        .push(format!("{place}.password: expected {SHORTEST} to {LONGEST} characters, got {length}"));
                }
            }
            (None, Some(hash)) if hash.starts_with("$argon2id$") => {}
            _ => self
                .faults
                .push(format!("{place}.password: expected either `password` or a `password_hash` of argon2id")),
        }
    }

    fn scope_of(&self, place: &str, from: &ManifestUser) -> Result<PersonScope, String> {
        let tenant = from.tenant.as_ref().map(|key| {
            let found = self.tenants.get(key).map(|(id, _)| *id);
            found.ok_or_else(|| format!("{place}.tenant: there is no tenant `{key}` in this manifest"))
        });
        let premises = from.premises.as_ref().map(|key| {
            let found = self.premises.get(key).map(|home| (home.id, &home.tenant));
            found.ok_or_else(|| format!("{place}.premises: there is no premises `{key}` in this manifest"))
        });
        let (tenant, premises) = (tenant.transpose()?, premises.transpose()?);
        let kind = ScopeKind::ALL.into_iter().find(|kind| from.roles.fit(*kind));
        let kind = kind.ok_or_else(|| {
            format!("{place}.roles: expected at least one role, all of them of one scope, got `{}`", from.roles)
        })?;
        match (kind, tenant, from.division, &from.community, premises) {
            (ScopeKind::Platform, None, None, None, None) => Ok(PersonScope::Platform),
            (ScopeKind::Jurisdiction, None, Some(division), None, None) => Ok(PersonScope::Jurisdiction { division }),
            (ScopeKind::Tenant, Some(tenant), None, None, None) => Ok(PersonScope::Tenant { tenant }),
            (ScopeKind::Community, Some(tenant), _, Some(name), None) => {
                Ok(PersonScope::Community { tenant, community: self.community_of(place, from, name)? })
            }
            (ScopeKind::Premises, Some(tenant), None, None, Some((premises, of))) => {
                if Some(of) == from.tenant.as_ref() {
                    Ok(PersonScope::Premises { tenant, premises })
                } else {
                    Err(format!("{place}.premises: it belongs to another tenant"))
                }
            }
            _ => Err(format!(
                "{place}.roles: the platform's administrator has nothing else, a regulator a `division`, a company's people a `tenant`, a \
                 property manager a `tenant` and a `community`, a resident a `tenant` and a `premises`"
            )),
        }
    }

    /// A community has the number of its first premises.
    fn community_of(&self, place: &str, from: &ManifestUser, name: &str) -> Result<CommunityId, String> {
        let fits = |premises: &&super::manifest::ManifestPremises| {
            premises.community == name
                && Some(&premises.tenant) == from.tenant.as_ref()
                && (from.division.is_none() || from.division == premises.division)
        };
        let all: Vec<_> = self.manifest.premises.iter().filter(fits).collect();
        if all.iter().any(|premises| premises.division != all[0].division) {
            return Err(format!("{place}.division: there is a community `{name}` in several divisions; say in which"));
        }
        let ids = all.iter().filter_map(|premises| Some(self.premises.get(&premises.key)?.id.raw()));
        let first = ids.min().ok_or_else(|| {
            format!("{place}.community: no premises of the tenant in this manifest has the community `{name}`")
        })?;
        Ok(CommunityId::from_raw(first))
    }
}

fn secret(key: &super::manifest::ManifestKey) -> Option<DeviceSecret> {
    Some(DeviceSecret {
        master_secret: from_hex(&key.master_secret)?.try_into().ok()?,
        master_salt: from_hex(&key.master_salt)?.try_into().ok()?,
    })
}
