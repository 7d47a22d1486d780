//! Wasm rules: admission, the engine with its limits, packaging, and the re-execution of stored decisions.
//!
//! The way of a rule: bytes → [`Admission`] (everything about them is checked before and after compiling, in a child process) →
//! [`Engine::load`] → [`AlarmRule`], [`BillingRule`], [`NotificationRule`] or [`Driver`], each call in a fresh instance with a
//! fixed budget.
//!
//! A rule must never reach anything but its arguments, never keep anything but its returned state, and never be able to slow,
//! crash or see another rule. The statutory floor does not pass through here: it stands whatever a rule does.

pub mod admission;
pub mod alarm;
pub mod backtest;
pub mod batch;
pub mod billing;
mod bindings;
pub mod bundle;
mod cache;
pub mod cases;
mod config;
pub mod conformance;
mod digest;
pub mod driver;
mod engine;
pub mod explain;
pub mod fixtures;
mod instance;
mod limits;
pub mod notification;
pub mod package;
mod rule;
mod text;
mod ticker;
pub mod world;

pub use admission::{
    Admission, AdmissionError, Admitted, AnyAdmitted, Description, Examined, LocalizedText, ProcessLimits, Refusal,
    Stage,
};
pub use alarm::{AlarmRule, BoundRule, Decision, Remarks};
pub use batch::{Batched, KeepsState};
pub use billing::BillingRule;
pub use cache::CompileCache;
pub use config::{Caps, EngineConfig, Tier, TierError};
pub use davy_rules_sdk::schema::{Schema, SettingsRefused};
pub use digest::{DigestError, RuleDigest};
pub use driver::Driver;
pub use engine::{Engine, EngineError};
pub use notification::NotificationRule;
pub use rule::{Evaluated, ReportedFault, Rule, SettingsBytes, SettingsError};
pub use world::WorldKind;
