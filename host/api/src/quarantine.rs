//! Messages in a vendor's own form that no driver could read yet.

use davy_domain::{DeviceId, QuarantineId, Timestamp};
use serde::{Deserialize, Serialize};

/// What waits for a driver that can read it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Quarantine {
    /// How many messages wait, by model.
    pub models: Vec<QuarantinedModel>,
    /// The oldest of them, at most 100.
    pub oldest: Vec<QuarantinedMessage>,
    /// Whether they are being read again right now.
    pub reading: bool,
}

/// How many messages of a model wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuarantinedModel {
    /// The maker's name for the model.
    pub model: String,
    /// How many.
    pub waiting: u64,
    /// When the oldest arrived, milliseconds since 1970.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub oldest: Timestamp,
}

/// A message that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuarantinedMessage {
    /// Its number.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: QuarantineId,
    /// Who sent it.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub device: DeviceId,
    /// The device's serial number.
    pub serial: String,
    /// The maker's name for the device's model.
    pub model: String,
    /// When it arrived, milliseconds since 1970.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub received_at: Timestamp,
    /// The CoAP content-format that it came with.
    pub format: u16,
    /// The message, hexadecimal.
    pub payload: String,
    /// SHA-256 of the driver that was asked last.
    pub driver: String,
    /// Why it could not read it.
    pub reason: String,
    /// How many times a driver was asked.
    pub tries: u32,
}

/// Which messages to read again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuarantineRequest {
    /// Of one model only; of all unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}
