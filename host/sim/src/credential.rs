//! Who the devices are: the list that provisioning writes, with keys, and how devices belong together.
//!
//! Must never print a key: the debug form leaves them out.

use crate::{
    device::Setup,
    world::{DeviceIndex, Spec},
};
use davy_coap::oscore::{Algorithm, OscoreError, Params, ReplayState, SecurityContext};
use davy_domain::{DeviceKind, Span};
use serde::Deserialize;
use std::{collections::HashMap, fmt};

/// The platform's Sender ID, which is a device's Recipient ID.
pub const PLATFORM_ID: &[u8] = b"s";

/// Why a list of credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// Not the expected JSON.
    #[error("expected a JSON list of device credentials as `davy provision` writes it: {0}")]
    Json(#[from] serde_json::Error),
    /// A field that is not hexadecimal.
    #[error("device {serial}: `{field}` must be an even number of hexadecimal digits, got {got} characters")]
    Hex {
        /// Of which device.
        serial: String,
        /// Which field.
        field: &'static str,
        /// How long what came is; what came may be a key.
        got: usize,
    },
    /// An algorithm that is not spoken.
    #[error("device {serial}: expected algorithm `a128gcm` or `aes-ccm-16-64-128`, got `{got}`")]
    Algorithm {
        /// Of which device.
        serial: String,
        /// What came.
        got: String,
    },
    /// The keys do not make a security context.
    #[error("device {serial}: {source}")]
    Context {
        /// Of which device.
        serial: String,
        /// Why.
        source: OscoreError,
    },
    /// A report interval that is none.
    #[error("device {serial}: `interval_ms` must be at least 100, got {got}")]
    Interval {
        /// Of which device.
        serial: String,
        /// What came.
        got: i64,
    },
    /// No device at all.
    #[error("the list of credentials is empty; provision devices first")]
    Empty,
}

/// An id as provisioning writes it, number or text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(untagged)]
enum Name {
    Text(String),
    Number(i64),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
        }
    }
}

#[derive(Deserialize)]
struct Written {
    #[serde(alias = "id_context", alias = "context")]
    tenant_context: String,
    #[serde(default)]
    kid: String,
    #[serde(default)]
    master_secret: String,
    #[serde(default)]
    master_salt: String,
    #[serde(default)]
    algorithm: Option<String>,
    /// Serials are unique within a tenant.
    #[serde(default)]
    tenant: Option<Name>,
    serial: String,
    kind: DeviceKind,
    #[serde(alias = "device_id", alias = "id")]
    device: Name,
    #[serde(default)]
    links: Vec<Name>,
    #[serde(alias = "report_interval_ms")]
    interval_ms: Option<i64>,
    #[serde(default)]
    sleepy: bool,
    #[serde(default)]
    premises: Option<Name>,
    #[serde(default)]
    parent: Option<Name>,
}

/// The credentials and the place of one device.
#[derive(Clone)]
pub struct Credential {
    /// Printed on the device.
    pub serial: String,
    /// What it is.
    pub kind: DeviceKind,
    /// The platform's id of it, as written.
    pub device: String,
    /// The gas company, as written.
    pub tenant: Option<String>,
    /// The devices whose valves its leak closes, by id or by serial, as written.
    pub links: Vec<String>,
    /// How often it reports.
    pub interval: Span,
    /// Whether its radio is off between reports.
    pub sleepy: bool,
    /// The premises, as written.
    pub premises: Option<String>,
    /// Its gateway, by id or by serial, as written.
    pub parent: Option<String>,
    /// The ID Context of its tenant.
    pub id_context: Vec<u8>,
    /// Its Sender ID; empty for a child that only speaks through its gateway.
    pub kid: Vec<u8>,
    master_secret: Vec<u8>,
    master_salt: Vec<u8>,
    algorithm: Algorithm,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { serial, kind, device, .. } = self;
        f.debug_struct("Credential")
            .field("serial", serial)
            .field("kind", kind)
            .field("device", device)
            .finish_non_exhaustive()
    }
}

impl Credential {
    /// Reads the list that provisioning writes.
    ///
    /// # Errors
    /// [`CredentialError`] names the device and the field.
    pub fn read(json: &[u8]) -> Result<Vec<Self>, CredentialError> {
        let written: Vec<Written> = serde_json::from_slice(json)?;
        if written.is_empty() {
            return Err(CredentialError::Empty);
        }
        written.into_iter().map(Self::check).collect()
    }

    fn check(written: Written) -> Result<Self, CredentialError> {
        let serial = written.serial;
        let bytes = |field, text: &str| {
            hex(text).ok_or_else(|| CredentialError::Hex { serial: serial.clone(), field, got: text.len() })
        };
        // The registry writes them in capitals (RFC 9053); a child behind a gateway has none.
        let algorithm = match written.algorithm.as_deref().unwrap_or_default().to_ascii_lowercase().as_str() {
            "" | "a128gcm" => Algorithm::A128Gcm,
            "aes-ccm-16-64-128" => Algorithm::AesCcm16_64_128,
            _ => return Err(CredentialError::Algorithm { serial, got: written.algorithm.unwrap_or_default() }),
        };
        let interval_ms = written.interval_ms.unwrap_or(60_000);
        if interval_ms < 100 {
            return Err(CredentialError::Interval { serial, got: interval_ms });
        }
        Ok(Self {
            id_context: bytes("tenant_context", &written.tenant_context)?,
            kid: bytes("kid", &written.kid)?,
            master_secret: bytes("master_secret", &written.master_secret)?,
            master_salt: bytes("master_salt", &written.master_salt)?,
            algorithm,
            kind: written.kind,
            device: written.device.to_string(),
            tenant: written.tenant.map(|name| name.to_string()),
            links: written.links.iter().map(ToString::to_string).collect(),
            interval: Span::from_millis(interval_ms),
            sleepy: written.sleepy,
            premises: written.premises.map(|name| name.to_string()),
            parent: written.parent.map(|name| name.to_string()),
            serial,
        })
    }

    /// Whether it speaks for itself; otherwise its gateway does.
    pub fn speaks(&self) -> bool {
        !self.kid.is_empty() || self.parent.is_none()
    }

    /// Its security context, whose next sequence number is `sequence`.
    ///
    /// # Errors
    /// [`CredentialError::Context`] when the keys cannot be used.
    pub fn context(&self, sequence: u64) -> Result<SecurityContext, CredentialError> {
        let params = Params {
            master_secret: &self.master_secret,
            master_salt: &self.master_salt,
            id_context: Some(&self.id_context),
            sender_id: &self.kid,
            recipient_id: PLATFORM_ID,
            algorithm: self.algorithm,
            replay: ReplayState::default(),
        };
        let mut context = SecurityContext::derive(params)
            .map_err(|source| CredentialError::Context { serial: self.serial.clone(), source })?;
        context.set_sender_sequence(sequence);
        Ok(context)
    }

    /// The devices of a world, in the order of the list.
    pub fn specs(list: &[Self]) -> Vec<Spec> {
        let by_name: HashMap<(Option<&str>, &str), usize> = list
            .iter()
            .enumerate()
            .flat_map(|(index, each)| {
                let tenant = each.tenant.as_deref();
                [((tenant, each.device.as_str()), index), ((tenant, each.serial.as_str()), index)]
            })
            .collect();
        let find = |by: &Self, name: &str| by_name.get(&(by.tenant.as_deref(), name)).copied();
        let mut premises: Vec<Option<String>> = list.iter().map(|each| each.premises.clone()).collect();
        // Where no premises is written, the links say who stands together.
        for (index, each) in list.iter().enumerate() {
            let linked: Vec<usize> = each.links.iter().filter_map(|link| find(each, link)).collect();
            let name = premises[index].clone().or_else(|| linked.iter().find_map(|at| premises[*at].clone()));
            let name = name.or_else(|| (!linked.is_empty() || each.kind.has_valve()).then(|| each.device.clone()));
            for at in linked {
                premises[at].get_or_insert_with(|| name.clone().unwrap_or_default());
            }
            premises[index] = name;
        }
        let spec = |(each, premises): (&Self, Option<String>)| {
            let parent = each.parent.as_ref().and_then(|parent| find(each, parent));
            Spec {
                setup: Setup {
                    serial: each.serial.clone(),
                    kind: each.kind,
                    interval: each.interval,
                    sleepy: each.sleepy,
                },
                premises,
                speaker: parent.filter(|_| !each.speaks()).map(|at| DeviceIndex(at as u32)),
            }
        };
        list.iter().zip(premises).map(spec).collect()
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    Some(digits?.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(serial: &str, kind: &str, extra: &str) -> String {
        format!(
            r#"{{"tenant_context":"0000000000000001","kid":"0a0b","master_secret":"{}","master_salt":"0011223344556677",
            "algorithm":"a128gcm","serial":"{serial}","kind":"{kind}","device":"dev_{serial}","interval_ms":60000{extra}}}"#,
            "5a".repeat(16)
        )
    }

    #[test]
    fn devices_of_one_premises_stand_together_by_name_or_by_link() {
        let json = format!(
            "[{},{},{},{}]",
            entry("D1", "detector", r#","links":["dev_V1"],"premises":"p1""#),
            entry("V1", "valve", r#","premises":"p1""#),
            entry("D2", "detector", r#","links":["dev_V2"]"#),
            entry("V2", "valve", ""),
        );
        let list = Credential::read(json.as_bytes()).unwrap();
        let specs = Credential::specs(&list);
        assert_eq!(specs[0].premises, specs[1].premises);
        assert_eq!(specs[2].premises, specs[3].premises);
        assert_ne!(specs[0].premises, specs[2].premises);
        assert_eq!(list[0].context(77).unwrap().sender_sequence(), 77);
    }

    #[test]
    fn a_child_without_a_key_of_its_own_speaks_through_its_gateway() {
        let child = entry("C1", "detector", r#","parent":"dev_G1","premises":"p1""#).replace("0a0b", "");
        let json = format!("[{},{child}]", entry("G1", "gateway", ""));
        let specs = Credential::specs(&Credential::read(json.as_bytes()).unwrap());
        assert_eq!(specs[1].speaker, Some(DeviceIndex(0)));
        assert_eq!(specs[0].speaker, None);
    }

    #[test]
    fn what_is_wrong_is_named_and_no_key_is_shown() {
        let bad = entry("D9", "detector", "").replace(&"5a".repeat(16), "zz5a");
        let error = Credential::read(format!("[{bad}]").as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "device D9: `master_secret` must be an even number of hexadecimal digits, got 4 characters");
        let list = Credential::read(format!("[{}]", entry("D1", "detector", "")).as_bytes()).unwrap();
        assert!(!format!("{:?}", list[0]).contains("90"));
        assert!(Credential::read(b"[]").is_err());
    }
}
