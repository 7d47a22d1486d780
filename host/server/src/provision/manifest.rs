//! The manifest of `davy provision`: a JSON object of five lists that refer to each other by keys of the author's choice.
//!
//! Unknown fields are refused, so that a typing mistake does not pass in silence.

use super::ProvisionError;
use davy_domain::DeviceKind;
use davy_domain::proof::SecondFactorPolicy;
use serde::Deserialize;
use std::path::Path;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Everything to be entered.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Manifest {
    /// Administrative divisions, parents before their children; those that are there already keep their names.
    pub divisions: Vec<ManifestDivision>,
    /// Gas companies.
    pub tenants: Vec<ManifestTenant>,
    /// Places where gas is used.
    pub premises: Vec<ManifestPremises>,
    /// Devices.
    pub devices: Vec<ManifestDevice>,
    /// People who can sign in.
    pub users: Vec<ManifestUser>,
}

/// An administrative division.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestDivision {
    /// Its number (GB/T 2260), such as 330106.
    pub code: i64,
    /// The division that it is a part of.
    pub parent: Option<i64>,
    /// 1 province, 2 city, 3 district or county, 4 street.
    pub level: u8,
    /// Chinese name.
    pub name_zh: String,
    /// English name.
    pub name_en: String,
}

/// A gas company.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestTenant {
    /// Its key in this manifest.
    pub key: String,
    /// Its name.
    pub name: String,
    /// The OSCORE ID Context of its devices, 1 to 8 bytes as hexadecimal digits; made from its id when absent.
    pub context: Option<String>,
    /// The division whose regulator supervises it.
    pub jurisdiction: Option<i64>,
    /// What its staff may not do without a second factor: `optional` (unless told), `rules` or `commands`.
    pub second_factor: Option<SecondFactorPolicy>,
    /// Its alarm rule; without one the statutory floor stands alone.
    pub rule: Option<ManifestRule>,
}

/// A rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestRule {
    /// The component's file, relative to the manifest's folder.
    pub component: String,
    /// Its settings; what is left out has the rule's default.
    pub settings: Option<serde_json::Value>,
    /// Its name; the component's own unless told.
    pub name: Option<String>,
}

/// A place where gas is used.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestPremises {
    /// Its key in this manifest.
    pub key: String,
    /// The key of its gas company.
    pub tenant: String,
    /// The division that supervises it.
    pub division: Option<i64>,
    /// Its postal address.
    pub address: String,
    /// The residential community.
    #[serde(default)]
    pub community: String,
    /// Building, unit and room.
    #[serde(default)]
    pub building: String,
    /// Degrees east, in the datum of the base map.
    pub lon: f64,
    /// Degrees north, in the datum of the base map.
    pub lat: f64,
}

/// A device.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestDevice {
    /// The maker's serial number, unique within the company: its key in this manifest.
    pub serial: String,
    /// The key of its gas company.
    pub tenant: String,
    /// What it is.
    pub kind: DeviceKind,
    /// The maker's name for its model.
    pub model: String,
    /// The key of its premises; none for what stands by itself.
    pub premises: Option<String>,
    /// Serial of the gateway that it speaks through.
    pub parent: Option<String>,
    /// Serials of the valves that its leak closes.
    #[serde(default)]
    pub links: Vec<String>,
    /// Devices with the same word form one interlock; otherwise premises, parents and links decide.
    pub interlock: Option<String>,
    /// The division that supervises it; its premises' unless told.
    pub division: Option<i64>,
    /// Degrees east, in the datum of the base map; its premises' unless told.
    pub lon: Option<f64>,
    /// Degrees north, in the datum of the base map; its premises' unless told.
    pub lat: Option<f64>,
    /// How often it must report, seconds.
    pub report_interval_s: Option<i64>,
    /// Whether it listens only just after its own uplinks.
    #[serde(default)]
    pub sleepy: bool,
    /// When it was installed, milliseconds; now unless told.
    pub installed_at: Option<i64>,
    /// `A128GCM` (unless told) or `AES-CCM-16-64-128`.
    pub algorithm: Option<String>,
    /// Its OSCORE Sender ID, 1 to 6 bytes as hexadecimal digits; counted up within the company unless told.
    pub kid: Option<String>,
    /// Its keys; generated unless told. Never for a device behind a gateway.
    pub key: Option<ManifestKey>,
}

/// A device's keys. Wiped when dropped.
#[derive(Clone, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct ManifestKey {
    /// Master Secret, 16 bytes as hexadecimal digits.
    pub master_secret: String,
    /// Master Salt, 8 bytes as hexadecimal digits.
    pub master_salt: String,
}

impl std::fmt::Debug for ManifestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ManifestKey(…)")
    }
}

/// A person who can sign in.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestUser {
    /// E-mail address.
    pub email: String,
    /// Name to show.
    pub name: String,
    /// Telephone number.
    pub phone: Option<String>,
    /// Language, `zh-CN` unless told.
    pub locale: Option<String>,
    /// What they do, such as `["dispatcher"]`: roles of one scope.
    pub roles: davy_domain::Roles,
    /// The key of the gas company, for its people, a property manager or a resident.
    pub tenant: Option<String>,
    /// The division, for a regulator; for a property manager only when the company has several communities of that name.
    pub division: Option<i64>,
    /// The residential community, for a property manager: as some of the manifest's premises name it.
    pub community: Option<String>,
    /// The key of the premises, for a resident.
    pub premises: Option<String>,
    /// Password, 8 to 200 characters; either this or the hash.
    pub password: Option<String>,
    /// Its argon2id hash in PHC form.
    pub password_hash: Option<String>,
}

impl std::fmt::Debug for ManifestUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ManifestUser({})", self.email)
    }
}

impl Manifest {
    /// Reads a manifest's text.
    ///
    /// # Errors
    /// [`ProvisionError::Shape`] with the place and the reason.
    pub fn read(text: &str) -> Result<Self, ProvisionError> {
        let mut json = serde_json::Deserializer::from_str(text);
        let manifest = serde_path_to_error::deserialize(&mut json).map_err(|error| ProvisionError::Shape {
            field: error.path().to_string(),
            reason: error.inner().to_string(),
        })?;
        let shape =
            |error: serde_json::Error| ProvisionError::Shape { field: ".".to_owned(), reason: error.to_string() };
        json.end().map_err(shape)?;
        Ok(manifest)
    }

    /// Reads a manifest file.
    ///
    /// # Errors
    /// [`ProvisionError::File`] or [`ProvisionError::Shape`].
    pub fn open(path: &Path) -> Result<Self, ProvisionError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ProvisionError::File { path: path.to_owned(), source })?;
        Self::read(&text)
    }
}
