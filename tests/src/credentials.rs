//! The devices' keys, as `davy provision` wrote them.

use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;

/// What one device was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credential {
    /// Serial number.
    pub serial: String,
    /// Kind, such as `detector`.
    pub kind: String,
    /// The device's id.
    pub device: String,
    /// The premises' id.
    pub premises: Option<String>,
    /// Serials of the valves that its leak closes.
    pub links: Vec<String>,
    /// The company's id.
    pub tenant: String,
    /// `A128GCM` or `AES-CCM-16-64-128`; empty behind a gateway.
    pub algorithm: String,
    /// ID Context, hexadecimal.
    pub id_context: String,
    /// Sender ID, hexadecimal; empty behind a gateway.
    pub kid: String,
    /// Master Secret, hexadecimal.
    pub secret: String,
    /// Master Salt, hexadecimal.
    pub salt: String,
}

impl Credential {
    /// Reads the whole list.
    ///
    /// # Errors
    /// When the file is not such a list.
    pub fn read(path: &Path) -> Result<Vec<Self>> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let list: Vec<Value> = serde_json::from_str(&text).context("the credentials are no JSON list")?;
        list.iter().map(Self::of).collect()
    }

    fn of(value: &Value) -> Result<Self> {
        let text = |name: &str| {
            value[name].as_str().map(str::to_owned).with_context(|| format!("no `{name}` in a credential"))
        };
        let links = value["links"].as_array().into_iter().flatten().filter_map(|link| link.as_str().map(str::to_owned));
        Ok(Self {
            serial: text("serial")?,
            kind: text("kind")?,
            device: text("device")?,
            premises: value["premises"].as_str().map(str::to_owned),
            links: links.collect(),
            tenant: text("tenant")?,
            // As the registry (RFC 9053) and aiocoap spell them.
            algorithm: value["algorithm"].as_str().unwrap_or_default().to_ascii_uppercase(),
            id_context: text("tenant_context")?,
            kid: text("kid")?,
            secret: text("master_secret")?,
            salt: text("master_salt")?,
        })
    }

    /// Bytes of a hexadecimal field.
    pub fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2).filter_map(|at| u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()).collect()
    }
}
