//! Versions of rules on the wire: the list, one of them with everything about it, acts, back-tests.

use davy_domain::release::{Act, Stage};
use davy_domain::{AlarmId, BackTestId, Condition, DeviceId, ReleaseId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The versions of a company's rules, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleVersions {
    /// The versions.
    pub items: Vec<RuleVersion>,
}

/// A version: a component with its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleVersion {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: ReleaseId,
    /// The rule's name.
    pub name: String,
    /// The rule's own version; empty until its checks have passed.
    pub version: String,
    /// SHA-256 of the component, as `sha256:…`.
    pub digest: String,
    /// The contract that it fulfils: `alarm-policy`, `billing-policy`, `notification-policy` or `device-driver`.
    pub world: String,
    /// The limits that it was uploaded for: `standard` or `large`.
    pub tier: String,
    /// The version of the settings.
    pub settings_version: u32,
    /// How far it has come: `uploaded`, `checked`, `back-tested`, `shadow`, `cohort`, `active`, `retired` or `refused`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub stage: Stage,
    /// For which share of the devices it decides, of a thousand.
    pub permille: u16,
    /// Who wants it in force, until a second person has answered.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub proposed_by: Option<UserId>,
    /// Leaks confirmed by a person that its last back-test missed; absent before the first.
    pub missed: Option<u32>,
    /// When it was made.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub created_at: Timestamp,
    /// When it last changed.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub changed_at: Timestamp,
    /// When it last came into force.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
    pub activated_at: Option<Timestamp>,
}

/// One version with everything about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleDetail {
    /// The version.
    pub version: RuleVersion,
    /// What the rule says of itself: name, version, summary in both languages, texts; null until its checks have passed.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub about: Value,
    /// The schema of its settings (JSON Schema with units and labels); null until its checks have passed.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub settings_schema: Value,
    /// Its settings.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub settings: Value,
    /// What admission said; absent until then.
    pub checks: Option<RuleChecks>,
    /// The stages of its checks that have begun, the one under way last; empty when it is not being checked now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checking: Vec<String>,
    /// What the viewer may do with it now: names of acts.
    pub may: Vec<String>,
    /// Everything that was done with it, first to last.
    pub acts: Vec<RuleAct>,
    /// What it costs and how it fails; absent when it never ran.
    pub health: Option<RuleHealth>,
    /// What it would have done otherwise than what is in force, newest first.
    pub differences: Vec<RuleDifference>,
    /// Its back-tests, newest first.
    pub back_tests: Vec<BackTestItem>,
    /// When the bytes of its component were deleted; absent when they are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
    pub component_deleted_at: Option<Timestamp>,
    /// What it would take the place of; absent when nothing is in force, or when it is this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<RuleInForce>,
}

/// What is in force, as far as a person must know it who is to approve another version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleInForce {
    /// The version.
    pub version: RuleVersion,
    /// Its settings.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub settings: Value,
}

/// What admission said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleChecks {
    /// Whether it was let in.
    pub passed: bool,
    /// Where it was refused, such as `world` or `conformance`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// What was expected and what was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where in the component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The stable code of the reason, such as `too-many`: with `params` it can be told in any language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The code of a second reason, told with the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub also: Option<String>,
    /// The stable code of the place, such as `byte`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place_code: Option<String>,
    /// The stable code of what to do, such as `rebuild`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy_code: Option<String>,
    /// The values of these codes by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// What was checked, stage by stage.
    #[serde(default)]
    pub stages: Vec<String>,
}

/// Something that was done with a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleAct {
    /// When.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub at: Timestamp,
    /// The person's name; absent when it was the platform.
    pub by: Option<String>,
    /// What, with its particulars.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub act: Act,
    /// The stage after it.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub stage: Stage,
}

/// Figures of a distribution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleSpread {
    /// Half of all are at or below it.
    pub p50: u64,
    /// 99 of 100 are.
    pub p99: u64,
    /// All are.
    pub max: u64,
}

/// What a version costs and how it fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleHealth {
    /// Since when it is counted.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub since: Timestamp,
    /// Calls.
    pub calls: u64,
    /// Failed calls, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Fuel of a call.
    pub fuel: RuleSpread,
    /// Fuel that a call may burn.
    pub fuel_budget: u64,
    /// Time of a call, nanoseconds.
    pub nanos: RuleSpread,
    /// Alarms that it raised.
    pub alarms: u64,
    /// The last failed call: `at`, `fault` and the offending `event`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub last_fault: Option<Value>,
    /// The newest calls, at most 512.
    #[serde(default)]
    pub recent_calls: u64,
    /// How many of them failed.
    #[serde(default)]
    pub recent_faults: u64,
    /// For a version that is being tried: what it does beside what is in force does.
    #[serde(default)]
    pub compared: RuleCompared,
}

/// What a version in shadow or in a cohort does beside what is in force: alarms first, then closes and notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleCompared {
    /// At the same time.
    pub same: u64,
    /// Earlier.
    pub earlier: u64,
    /// Later.
    pub later: u64,
    /// Only by the version.
    pub added: u64,
    /// Only by what is in force.
    pub lost: u64,
    /// Closes by both.
    #[serde(default)]
    pub closes_same: u64,
    /// Closes only by the version.
    #[serde(default)]
    pub closes_added: u64,
    /// Closes only by what is in force.
    #[serde(default)]
    pub closes_lost: u64,
    /// Notices by both.
    #[serde(default)]
    pub notices_same: u64,
    /// Notices only by the version.
    #[serde(default)]
    pub notices_added: u64,
    /// Notices only by what is in force.
    #[serde(default)]
    pub notices_lost: u64,
}

/// One thing that a version does, or would do, otherwise than what is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleDifference {
    /// `alarm` or `close`; of a notification policy `message` or `first-told` (the first person who hears of an alarm).
    pub kind: String,
    /// Of which device: the one that measured, or the valve.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub device: DeviceId,
    /// Its serial.
    pub serial: String,
    /// What the alarm is about, or what the close is for; absent for a close that no alarm asked for.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub condition: Option<Condition>,
    /// Whose reading a close is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub measured_by: Option<DeviceId>,
    /// When what is in force did it; absent when it did not.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
    pub active_at: Option<Timestamp>,
    /// When the version did; absent when it did not.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
    pub version_at: Option<Timestamp>,
    /// About which alarm somebody is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub alarm: Option<AlarmId>,
    /// The role that a message is for, such as `control-room`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The channel of a message, such as `sms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// What a person asks to be done with a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleActRequest {
    /// `start-shadow`, `start-cohort`, `propose`, `approve`, `decline`, `withdraw` or `roll-back`.
    pub act: String,
    /// For `start-cohort`: for how many of a thousand devices it is to decide, 1 to 500: more needs a second person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permille: Option<u16>,
}

/// What history a version is to be folded over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackTestRequest {
    /// From, milliseconds; 90 days before `to` unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
    pub from: Option<Timestamp>,
    /// To (exclusive), milliseconds; now unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
    pub to: Option<Timestamp>,
    /// Of how many of a thousand devices, 1 to 1000; all unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permille: Option<u16>,
}

/// A back-test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackTestItem {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: BackTestId,
    /// Of which version.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub rule: ReleaseId,
    /// What it is held against; absent is the statutory floor alone.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub against: Option<ReleaseId>,
    /// `waiting`, `running`, `done`, `cancelled` or `failed`.
    pub state: String,
    /// The first moment of the history.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub from: Timestamp,
    /// The first moment after it.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub to: Timestamp,
    /// Of how many of a thousand devices.
    pub permille: u16,
    /// Whether it counts for the version's life: all devices over at least the last 90 days. Any other one is for information, except
    /// that a leak that it misses blocks.
    #[serde(default)]
    pub decisive: bool,
    /// When it was asked for.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub created_at: Timestamp,
    /// When it ended.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
    pub finished_at: Option<Timestamp>,
    /// Uplinks that were folded, while it runs.
    pub done: u64,
    /// Uplinks in all; 0 until they are counted.
    pub total: u64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it found, when it is done and was asked for by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub report: Option<Value>,
}

/// What a person says an alarm really was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlarmFinding {
    /// `leak`, `false-alarm` or `test`.
    pub finding: String,
}

/// What somebody has said that an alarm really was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlarmFound {
    /// `leak`, `false-alarm` or `test`.
    pub finding: String,
    /// The person's name, to the company and its regulator; absent for somebody from outside of the company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When it was said.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub at: Timestamp,
}

/// Keys whose signatures a company accepts. With at least one, a component without a signature by one of them is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleSigners {
    /// The keys.
    pub items: Vec<RuleSignerItem>,
}

/// A key whose signatures a company accepts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleSignerItem {
    /// The Ed25519 public key, 64 hexadecimal digits.
    pub public_key: String,
    /// Whose it is, 1 to 100 characters.
    pub name: String,
    /// Since when its signatures are accepted, milliseconds; of no meaning when a key is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
    pub added_at: Option<Timestamp>,
}
