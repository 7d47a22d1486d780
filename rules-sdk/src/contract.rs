//! The contract of `wit/` as Rust types, generated; nothing here is written by hand but the shorter names.

#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::pedantic, clippy::nursery)]
mod generated {
    wit_bindgen::generate!({
        path: "../wit",
        world: "alarm-policy",
        pub_export_macro: true,
        export_macro_name: "export_alarm_policy",
        default_bindings_module: "davy_rules_sdk::contract",
        additional_derives: [PartialEq],
    });
}

pub use generated::davy::rules::types::{
    CodedText, Description, DeviceContext, Fault, Localized, Raise, Reading, Timer, Wake, WakeThreshold,
};
pub use generated::exports::davy::rules::alarm::{Event, Guest, Outcome};
#[doc(hidden)]
pub use generated::{export_alarm_policy, exports};

/// The full name of the interface that an alarm policy exports, with the version that this SDK was built for.
pub const ALARM_INTERFACE: &str = "davy:rules/alarm@0.1.0";
