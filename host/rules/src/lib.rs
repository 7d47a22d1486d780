//! Wasm rules: admission, the engine with its limits, packaging, and the re-execution of stored decisions.
//!
//! The way of a rule: bytes → [`Engine::admit`] (everything about them is checked before and after compiling) →
//! [`Engine::load`] → [`AlarmRule`], which folds events, each in a fresh instance with a fixed budget.
//!
//! A rule must never reach anything but its arguments, never keep anything but its returned state, and never be able to slow,
//! crash or see another rule. The statutory floor does not pass through here: it stands whatever a rule does.

pub mod admission;
mod bindings;
mod cache;
mod config;
mod convert;
mod engine;
pub mod explain;
pub mod fixtures;
mod instance;
pub mod package;
mod rule;
mod ticker;

pub use admission::{Admitted, Description, LocalizedText, Refusal, Stage};
pub use cache::CompileCache;
pub use config::EngineConfig;
pub use engine::{Engine, EngineError};
pub use rule::{
    AlarmRule, BoundRule, Decision, DigestError, Remarks, ReportedFault, RuleDigest, SettingsBytes, SettingsError,
};
