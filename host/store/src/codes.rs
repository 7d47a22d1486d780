//! Stored numbers back into the domain's cases. A number without a case is damage or a newer version's, never a default.

use crate::error::StoreError;
use davy_domain::alarm::{AlarmState, Origin};
use davy_domain::command::{Action, CommandState};
use davy_domain::{Condition, DeviceKind, Priority};

fn code<T>(what: &str, raw: i64, from: impl Fn(u16) -> Option<T>) -> Result<T, StoreError> {
    u16::try_from(raw)
        .ok()
        .and_then(from)
        .ok_or_else(|| StoreError::corrupt(what, format!("expected a known code, got {raw}")))
}

pub(crate) fn device_kind(raw: i64) -> Result<DeviceKind, StoreError> {
    code("device kind", raw, DeviceKind::from_code)
}

pub(crate) fn condition(raw: i64) -> Result<Condition, StoreError> {
    code("condition", raw, Condition::from_code)
}

pub(crate) fn priority(raw: i64) -> Result<Priority, StoreError> {
    code("priority", raw, Priority::from_code)
}

pub(crate) fn alarm_state(raw: i64) -> Result<AlarmState, StoreError> {
    code("alarm state", raw, AlarmState::from_code)
}

pub(crate) fn origin(raw: i64) -> Result<Origin, StoreError> {
    code("alarm origin", raw, Origin::from_code)
}

pub(crate) fn action(raw: i64) -> Result<Action, StoreError> {
    code("command action", raw, Action::from_code)
}

pub(crate) fn command_state(raw: i64) -> Result<CommandState, StoreError> {
    code("command state", raw, CommandState::from_code)
}

/// A stored JSON text back into what it was made from.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::corrupt(what, error.to_string()))
}

/// A value as the JSON text that is stored for it.
pub(crate) fn to_json<T: serde::Serialize>(what: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Invalid {
        what,
        expected: "a value that JSON can express",
        got: error.to_string(),
    })
}

/// An unsigned number that must fit the 63 bits of a stored one.
pub(crate) fn stored_u64(what: &'static str, value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Invalid {
        what,
        expected: "a number below 2^63",
        got: value.to_string(),
    })
}
