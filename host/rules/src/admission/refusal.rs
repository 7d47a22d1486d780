//! Where a component was refused, why, and what to do.
//!
//! Every refusal of every stage is one of these; none may be without a place and a remedy.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a component was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Its size.
    Size,
    /// Its form and its counts: not a component, too many or too large parts.
    Structure,
    /// It is not valid WebAssembly of the features that are allowed.
    Validation,
    /// It imports something, or does not export one world of a known version.
    World,
    /// It could not be compiled.
    Compile,
    /// It failed when asked to describe itself, or the description breaks the contract.
    Describe,
    /// Its settings schema is not one that the host understands.
    Schema,
    /// One of its own cases does not come out as it says.
    Cases,
    /// It is weaker than the statutory floor on one of the suite's curves.
    Conformance,
    /// The settings that it comes with do not fit it, or make it weaker than the floor.
    Settings,
}

impl Stage {
    /// Every one, in the order in which they are passed.
    pub const ALL: &'static [Self] = &[
        Self::Size,
        Self::Structure,
        Self::Validation,
        Self::World,
        Self::Compile,
        Self::Describe,
        Self::Schema,
        Self::Cases,
        Self::Conformance,
        Self::Settings,
    ];
}

impl Stage {
    /// What it looks at: the place of what cannot be said more closely.
    const fn part(self) -> &'static str {
        match self {
            Self::Size | Self::Structure | Self::Validation => "the whole file",
            Self::World => "its interfaces",
            Self::Compile => "its code",
            Self::Describe => "what `describe` returns",
            Self::Schema => "its settings schema",
            Self::Cases => "its cases",
            Self::Conformance => "its decisions",
            Self::Settings => "its settings",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size => "size",
            Self::Structure => "structure",
            Self::Validation => "validation",
            Self::World => "world",
            Self::Compile => "compile",
            Self::Describe => "describe",
            Self::Schema => "schema",
            Self::Cases => "cases",
            Self::Conformance => "conformance",
            Self::Settings => "settings",
        })
    }
}

/// Why a component was refused, and what its author can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("refused at {stage} ({place}): {reason}. {remedy}")]
pub struct Refusal {
    /// How far it came.
    pub stage: Stage,
    /// What was expected and what was found.
    pub reason: String,
    /// Where in the component or its schema, as closely as is known.
    pub place: String,
    /// What to do.
    pub remedy: String,
}

impl Refusal {
    pub(crate) fn new(stage: Stage, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { stage, reason: reason.into(), place: stage.part().to_owned(), remedy: remedy.into() }
    }

    pub(crate) fn at(mut self, place: impl Into<String>) -> Self {
        self.place = place.into();
        self
    }
}
