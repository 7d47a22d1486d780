//! Where a component was refused, why, and what to do.
//!
//! Every refusal of every stage is one of these; none may be without a place and a remedy, nor without the codes by which it
//! is told in other languages.

use davy_domain::refusal::{Advice, Place, Reason};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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
    const fn part(self) -> (Place, &'static str) {
        match self {
            Self::Size | Self::Structure | Self::Validation => (Place::WholeFile, "the whole file"),
            Self::World => (Place::Interfaces, "its interfaces"),
            Self::Compile => (Place::Code, "its code"),
            Self::Describe => (Place::Description, "what `describe` returns"),
            Self::Schema => (Place::Schema, "its settings schema"),
            Self::Cases => (Place::Cases, "its cases"),
            Self::Conformance => (Place::Decisions, "its decisions"),
            Self::Settings => (Place::Settings, "its settings"),
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

/// Why a component was refused, and what its author can do: in English, and as codes with their values for whoever shows it in another
/// language.
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
    /// The reason's code.
    pub code: Reason,
    /// The code of a second reason, told with the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub also: Option<Reason>,
    /// The place's code.
    pub place_code: Place,
    /// The remedy's code.
    pub remedy_code: Advice,
    /// The values of all of these codes by name.
    pub params: BTreeMap<String, String>,
}

impl Refusal {
    pub(crate) fn new(
        stage: Stage,
        (code, reason): (Reason, impl Into<String>),
        (remedy_code, remedy): (Advice, impl Into<String>),
    ) -> Self {
        let (place_code, place) = stage.part();
        Self {
            stage,
            reason: reason.into(),
            place: place.to_owned(),
            remedy: remedy.into(),
            code,
            also: None,
            place_code,
            remedy_code,
            params: BTreeMap::new(),
        }
    }

    pub(crate) fn at(mut self, code: Place, place: impl Into<String>) -> Self {
        self.place_code = code;
        self.place = place.into();
        self
    }

    /// The check itself failed: whatever it was, the component is not let in, and it is not its author who can mend it.
    pub fn of_check(error: &dyn std::error::Error) -> Self {
        let remedy = "Upload it again; if it happens again, tell the platform's operator the version's digest";
        let reason = (Reason::CheckFailed, format!("the check itself failed: {error}"));
        Self::new(Stage::Compile, reason, (Advice::UploadAgain, remedy)).with("detail", error)
    }

    /// A value of the codes.
    pub(crate) fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.params.insert(name.to_owned(), value.to_string());
        self
    }

    /// The names of values that its codes need and that it does not have: none, of any refusal.
    pub fn lacking(&self) -> Vec<&'static str> {
        let also = self.also.map_or(&[][..], Reason::params);
        let needed = [self.code.params(), also, self.place_code.params(), self.remedy_code.params()];
        needed.into_iter().flatten().copied().filter(|name| !self.params.contains_key(*name)).collect()
    }
}
