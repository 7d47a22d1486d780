//! What a company uses of what all companies share, and where its shares end.

use davy_domain::Timestamp;
use serde::{Deserialize, Serialize};

/// What flows: counted since [`Usage::since`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Flow {
    /// So many were taken in.
    pub taken: u64,
    /// So many were turned away, to be sent again later.
    pub turned_away: u64,
    /// So many a second are taken in on average; absent where only the room of the moment counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Stock {
    /// So much there is.
    pub used: u64,
    /// So much there may be.
    pub most: u64,
}

/// A company's shares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Usage {
    /// When the server began to count flows, ms since 1970.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub since: Timestamp,
    /// Requests to the API. Closing valves and dealing with alarms is never turned away.
    pub requests: Flow,
    /// Uplinks of devices. When the platform is busy, those that change nothing but readings are turned away first from the companies that
    /// send more than an equal part; alarms never are.
    pub uplinks: Flow,
    /// Components of rules.
    pub components: Stock,
    /// Bytes that they have together.
    pub component_bytes: Stock,
    /// Versions of rules that wait for their checks.
    pub unchecked_versions: Stock,
    /// Back-tests under way.
    pub back_tests: Stock,
}
