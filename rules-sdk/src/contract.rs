//! The contract of `wit/` as Rust types, generated; nothing here is written by hand but the shorter names.
//!
//! What all worlds share and the alarm world's own types stand here; the other worlds have a module each.

#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::pedantic, clippy::nursery)]
mod generated {
    wit_bindgen::generate!({
        path: "wit",
        world: "alarm-policy",
        pub_export_macro: true,
        export_macro_name: "export_alarm_policy",
        default_bindings_module: "davy_rules_sdk::contract",
        additional_derives: [PartialEq],
    });
}

pub use generated::davy::rules::types::{
    CodedText, Description, DeviceContext, Extension, Fault, Localized, Raise, Reading, Timer, Wake, WakeThreshold,
};
pub use generated::exports::davy::rules::alarm::{Event, Guest, Outcome};
#[doc(hidden)]
pub use generated::{export_alarm_policy, exports};

/// The billing world.
pub mod billing {
    #[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::pedantic, clippy::nursery)]
    mod generated {
        wit_bindgen::generate!({
            path: "wit",
            world: "billing-policy",
            with: { "davy:rules/types@0.1.0": crate::contract::generated::davy::rules::types },
            pub_export_macro: true,
            export_macro_name: "export_billing_policy",
            default_bindings_module: "davy_rules_sdk::contract::billing",
            additional_derives: [PartialEq],
        });
    }

    pub use generated::exports::davy::rules::billing::{
        AccountContext, Charge, Event, Guest, LocalDate, NoticeProof, NoticeRequest, NoticeRequirement, Outcome,
        ShutOffRequest, TariffStep, Usage,
    };
    #[doc(hidden)]
    pub use generated::{export_billing_policy, exports};
}

/// The notification world.
pub mod notification {
    #[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::pedantic, clippy::nursery)]
    mod generated {
        wit_bindgen::generate!({
            path: "wit",
            world: "notification-policy",
            with: { "davy:rules/types@0.1.0": crate::contract::generated::davy::rules::types },
            pub_export_macro: true,
            export_macro_name: "export_notification_policy",
            default_bindings_module: "davy_rules_sdk::contract::notification",
            additional_derives: [PartialEq],
        });
    }

    pub use generated::exports::davy::rules::notification::{AlarmContext, Event, Guest, Outcome, Recipient, Send};
    #[doc(hidden)]
    pub use generated::{export_notification_policy, exports};
}

/// The driver world.
pub mod driver {
    #[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::pedantic, clippy::nursery)]
    mod generated {
        wit_bindgen::generate!({
            path: "wit",
            world: "device-driver",
            with: { "davy:rules/types@0.1.0": crate::contract::generated::davy::rules::types },
            pub_export_macro: true,
            export_macro_name: "export_device_driver",
            default_bindings_module: "davy_rules_sdk::contract::driver",
            additional_derives: [PartialEq],
        });
    }

    pub use generated::exports::davy::rules::driver::{
        Decoded, DriverDescription, DriverReading, Encoded, Guest, Order, Report, Tag, Uplink,
    };
    #[doc(hidden)]
    pub use generated::{export_device_driver, exports};
}
