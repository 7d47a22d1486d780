//! Why an alarm moved: stored decisions, complete enough to be made again by whoever has the component.

use crate::rules::AlarmFound;
use davy_domain::{AlarmId, CommandId, Condition, DeviceId, Priority, Quantity, ReleaseId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The decisions that moved an alarm, first to last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlarmDecisions {
    /// The alarm.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub alarm: AlarmId,
    /// What it really was, once somebody has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<AlarmFound>,
    /// The decisions.
    pub items: Vec<DecisionItem>,
    /// What the company's notification policies decided about it, first to last.
    #[serde(default)]
    pub notifications: Vec<NotificationItem>,
    /// Who was told of it, or will be, first to last.
    #[serde(default)]
    pub messages: Vec<MessageItem>,
}

/// One decision of a notification policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NotificationItem {
    /// Its number; later decisions have higher ones.
    pub number: i64,
    /// When (the platform's clock).
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub at: Timestamp,
    /// Which version decided.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub version: ReleaseId,
    /// What it was asked, in the form of a record of `davy-notification/1`.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub event: Value,
    /// The policy and its answer; the result is in the form of a record of `davy-notification/1`.
    pub asked: AskedRule,
}

/// One message to somebody about an alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessageItem {
    /// When it was written.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub at: Timestamp,
    /// What it is about: `raised`, `escalated`, `acknowledged`, `gone`, `closed`, `again` or `valve-closed`.
    pub about: String,
    /// Who wants it: `policy`, `default-list` (no policy decided) or `duty` (the platform's own).
    pub by: String,
    /// The recipient's role, such as `control-room`.
    pub role: String,
    /// Which of several of the role, 0 for the first.
    pub rank: u16,
    /// The channel, such as `sms`.
    pub channel: String,
    /// The policy's text in Chinese and English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<(String, String)>,
    /// Whether it breaks the recipient's quiet hours.
    pub break_quiet: bool,
    /// How many times somebody was told of this alarm.
    pub attempt: u16,
    /// `waiting`, `sent` or `failed`.
    pub state: String,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DecisionItem {
    /// Its number; later decisions about a device have higher ones.
    pub number: i64,
    /// About which device.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub device: DeviceId,
    /// When (the platform's clock).
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub at: Timestamp,
    /// What the statutory floor found, before any rule was asked and whatever it answered.
    pub floor: Vec<FloorFinding>,
    /// What was known, in the form of a record of `davy-decision/1`.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub event: Value,
    /// The rule that was asked and its answer; absent when the floor decided alone.
    pub asked: Option<AskedRule>,
    /// The alarms that changed by it.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub alarms: Vec<AlarmId>,
    /// The commands that changed by it.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub commands: Vec<CommandId>,
}

/// What the statutory floor found in a reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FloorFinding {
    /// Which rule of the floor.
    pub rule: String,
    /// The alarm that it raises.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub condition: Condition,
    /// How urgent.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub priority: Priority,
    /// Whether it closes every linked valve.
    pub close: bool,
    /// What was measured.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub quantity: Quantity,
    /// The value in the quantity's unit.
    pub value: f64,
    /// When measured.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub at: Timestamp,
}

/// What a rule was asked with, and what it answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AskedRule {
    /// SHA-256 of its component, as `sha256:…`; `GET /api/v1/alarms/{alarm}/rules/{digest}` gives the component.
    pub digest: String,
    /// The tier that it was admitted in, `standard` or `large`: it says what the call could cost.
    #[serde(default = "standard")]
    pub tier: String,
    /// The version of the gas company's settings.
    pub settings_version: u32,
    /// Those settings.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub settings: Value,
    /// Its memory before, hexadecimal.
    pub state_before: String,
    /// Its answer or its fault, in the form of a record of `davy-decision/1`.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub result: Value,
    /// What the call cost, in units of fuel.
    pub fuel: u64,
}

/// The tier of servers that knew no other.
fn standard() -> String {
    "standard".to_owned()
}
