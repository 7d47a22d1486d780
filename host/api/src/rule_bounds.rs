//! The bounds of versions that are being tried: what holds, what the company has set itself, and within which limits it may.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The bounds of versions that are being tried. Beyond one of them the platform takes a version in shadow or in a cohort back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleBounds {
    /// Each of them.
    pub items: Vec<RuleBound>,
    /// Whether the viewer may set them.
    pub may_set: bool,
}

/// One bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleBound {
    /// Its name, such as `faults-percent`.
    pub name: String,
    /// What holds.
    pub value: u32,
    /// Whether the company has set it itself.
    pub own: bool,
    /// What holds for a company that has set nothing.
    pub default: u32,
    /// The least that the platform allows.
    pub least: u32,
    /// The most that the platform allows.
    pub most: u32,
}

/// Bounds that a company sets itself, by name; those that are not named are the operator's again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleBoundsRequest {
    /// Such as `{"faults-percent": 1}`.
    pub bounds: BTreeMap<String, u32>,
}
