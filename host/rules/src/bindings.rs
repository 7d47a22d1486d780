//! The contract of `wit/` as the host sees it, generated.

#![allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "alarm-policy",
    ownership: Borrowing { duplicate_if_necessary: false },
});

pub(crate) use davy::rules::types::{DeviceContext, Fault as WitFault, Localized, Reading as WitReading};
pub(crate) use exports::davy::rules::alarm::{Description as WitDescription, Event as WitEvent, Outcome as WitOutcome};
