//! The contract of `wit/` as the host sees it, generated. What the worlds share is generated once, with the alarm world.

#![allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, clippy::pedantic)]

pub mod alarm {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "alarm-policy",
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

pub mod billing {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "billing-policy",
        with: { "davy:rules/types": crate::bindings::alarm::davy::rules::types },
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

pub mod notification {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "notification-policy",
        with: { "davy:rules/types": crate::bindings::alarm::davy::rules::types },
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

pub mod driver {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "device-driver",
        with: { "davy:rules/types": crate::bindings::alarm::davy::rules::types },
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

pub(crate) use alarm::davy::rules::types::{
    Description as WitDescription, DeviceContext, Fault as WitFault, Localized, Reading as WitReading,
    Timer as WitTimer,
};
pub(crate) use alarm::exports::davy::rules::alarm::{Event as WitEvent, Outcome as WitOutcome};
