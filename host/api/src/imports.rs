//! Files of devices that a company adds: how far each is, and why one was refused; and how a device's key stands.

use davy_domain::{ImportId, Timestamp};
use serde::{Deserialize, Serialize};

/// Why a file was refused, at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceImportFault {
    /// The line of the file, from 1, which is the heading; 0 when it is about the file.
    pub line: u64,
    /// The column; empty when it is about the line.
    pub column: String,
    /// What was expected, and what came.
    pub fault: String,
}

/// A file of devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceImportItem {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: ImportId,
    /// The file's name.
    pub name: String,
    /// `checking`, `entering`, `entered` (all of it), `refused` or `broken-off` (none of it).
    pub state: String,
    /// Lines without the heading.
    pub lines: u64,
    /// Devices entered.
    pub devices: u64,
    /// The first faults; the report has all of them.
    pub faults: Vec<DeviceImportFault>,
    /// How many faults there are.
    pub fault_count: u64,
    /// Whether the devices' keys are still there to be taken, once.
    pub has_credentials: bool,
    /// When it was started, milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub created_at: Timestamp,
    /// When it came to stand where it stands, milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub changed_at: Timestamp,
}

impl DeviceImportItem {
    /// Whether it still goes on.
    pub fn is_under_way(&self) -> bool {
        matches!(self.state.as_str(), "checking" | "entering")
    }
}

/// The company's imports, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceImports {
    /// The newest hundred.
    pub items: Vec<DeviceImportItem>,
}

/// How things stand with a device's key; never the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceKey {
    /// Whether it has a key. Without one it cannot speak: what it measures is not heard, and its valve takes no order.
    pub has_key: bool,
    /// The OSCORE Sender ID, hexadecimal.
    pub kid: String,
    /// When the key was last revoked or replaced, milliseconds; none while it is the first one.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
    pub changed_at: Option<Timestamp>,
    /// How many valves are without this device's word while it has no key: those that its leak closes, and its own.
    pub valves: u64,
    /// When something last spoke with its identity although the key is revoked, milliseconds; nothing proves that it was the device. Noted once
    /// an hour at most.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
    #[serde(default)]
    pub spoke_at: Option<Timestamp>,
    /// How often that was noted.
    #[serde(default)]
    pub spoke_times: u64,
}
