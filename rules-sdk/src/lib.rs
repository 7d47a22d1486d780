//! What the author of a rule depends on: a rule is a settings struct, a state struct and one function.
//!
//! An alarm policy:
//!
//! ```
//! use davy_rules_sdk::prelude::*;
//!
//! /// What the gas company can set.
//! #[derive(Settings)]
//! pub struct Limits {
//!     /// Gas at or above this raises the alarm.
//!     #[setting(default = 10.0, min = 5.0, max = 25.0, unit = "%LEL", zh = "报警浓度", en = "Alarm level")]
//!     level: f64,
//! }
//!
//! /// What the rule remembers between two calls.
//! #[derive(State, Default)]
//! pub struct Memory {
//!     over: Hysteresis,
//! }
//!
//! /// One decision: nothing but the arguments may be used.
//! #[alarm_policy(name = "plain", version = "1.0.0", zh = "单级报警", en = "One level")]
//! pub fn decide(settings: &Limits, memory: &mut Memory, event: &Event) -> Decision {
//!     let mut decision = Decision::new();
//!     for reading in event.readings_of(quantity::GAS) {
//!         match memory.over.update(reading.value, settings.level, settings.level - 2.0) {
//!             Edge::Rose => decision.raise(condition::GAS_LOW, priority::HIGH).close_valve(condition::GAS_LOW),
//!             Edge::Fell => decision.clear(condition::GAS_LOW),
//!             Edge::None => &mut decision,
//!         };
//!     }
//!     decision
//! }
//! # fn main() {}
//! ```
//!
//! [`billing`], [`notification`] and [`driver`] show the smallest rule of the other worlds in the same way.
//!
//! The same crate compiles natively (for its tests) and for `wasm32-unknown-unknown`, where [`macro@alarm_policy`] exports the
//! world `davy:rules/alarm-policy`; `davyctl rule build` makes the component. Contract, units, codes and limits are in `wit/`.
//!
//! The SDK must never give a rule a clock, a random source or any other input than its arguments: a decision has to be
//! repeatable years later.

// The macros name the SDK by its crate name, also inside of its own tests and documentation.
extern crate self as davy_rules_sdk;

pub mod alarm;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod alloc;
pub mod billing;
pub mod blocks;
pub mod cbor;
pub mod codes;
pub mod contract;
pub mod driver;
mod fault;
#[cfg(feature = "testing")]
pub mod fixtures;
#[cfg(feature = "testing")]
pub mod harness;
pub mod notification;
pub mod policy;
#[cfg(feature = "schema")]
pub mod schema;
pub mod settings;
pub mod state;
mod timers;

pub use davy_rules_sdk_macros::{Settings, State, alarm_policy, billing_policy, device_driver, notification_policy};

/// Everything that an alarm rule usually needs. The other worlds have a `prelude` in their own modules.
pub mod prelude {
    pub use crate::alarm::{Decision, Trigger};
    pub use crate::blocks::{Edge, Hysteresis, Level, Persistence, Silence, Trend};
    pub use crate::codes::{condition, device_kind, priority, quantity, valve_state};
    pub use crate::contract::{Event, Fault, Reading, Wake, WakeThreshold};
    pub use crate::policy::Rule;
    pub use davy_rules_sdk_macros::{Settings, State, alarm_policy};
}

/// The tutorial's code is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/rules-tutorial.md")]
mod tutorial {}
