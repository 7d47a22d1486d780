//! The contract's worlds as the engine runs them: how each is linked, entered and asked what it is.
//!
//! Everything that is the same for all (limits, fuel, faults, settings) is not here but in [`Rule`](crate::Rule); a world only says which
//! generated functions to call.

use crate::admission::{Admitted, AnyAdmitted};
use crate::bindings::{WitDescription, WitFault, alarm, billing, driver, notification};
use crate::instance::Limits;
use serde::{Deserialize, Serialize};
use std::fmt;
use wasmtime::Store;
use wasmtime::component::InstancePre;

pub use davy_rules_sdk::alarm::Alarm;
pub use davy_rules_sdk::billing::Billing;
pub use davy_rules_sdk::driver::DeviceDriver;
pub use davy_rules_sdk::notification::Notification;

/// Which world a component is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorldKind {
    /// Per device: readings to alarms.
    AlarmPolicy,
    /// Per account: volume to charges, arrears to notices.
    BillingPolicy,
    /// Per alarm: whom to tell.
    NotificationPolicy,
    /// Per device model: bytes to readings.
    DeviceDriver,
}

impl WorldKind {
    /// Every one, in the order of `wit/`.
    pub const ALL: &[Self] = &[Self::AlarmPolicy, Self::BillingPolicy, Self::NotificationPolicy, Self::DeviceDriver];

    /// Its full name with the version that this host runs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AlarmPolicy => "davy:rules/alarm-policy@0.1.0",
            Self::BillingPolicy => "davy:rules/billing-policy@0.1.0",
            Self::NotificationPolicy => "davy:rules/notification-policy@0.1.0",
            Self::DeviceDriver => "davy:rules/device-driver@0.1.0",
        }
    }

    /// The same without package and version, as the API names it.
    pub const fn short_name(self) -> &'static str {
        match self {
            Self::AlarmPolicy => "alarm-policy",
            Self::BillingPolicy => "billing-policy",
            Self::NotificationPolicy => "notification-policy",
            Self::DeviceDriver => "device-driver",
        }
    }

    /// The interface that a component of it exports, with its version.
    pub const fn interface(self) -> &'static str {
        match self {
            Self::AlarmPolicy => "davy:rules/alarm@0.1.0",
            Self::BillingPolicy => "davy:rules/billing@0.1.0",
            Self::NotificationPolicy => "davy:rules/notification@0.1.0",
            Self::DeviceDriver => "davy:rules/driver@0.1.0",
        }
    }

    /// The functions of that interface.
    pub const fn functions(self) -> &'static [&'static str] {
        match self {
            Self::AlarmPolicy | Self::BillingPolicy | Self::NotificationPolicy => &["describe", "evaluate"],
            Self::DeviceDriver => &["describe", "decode", "encode"],
        }
    }

    /// What a person calls it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::AlarmPolicy => "an alarm policy",
            Self::BillingPolicy => "a billing policy",
            Self::NotificationPolicy => "a notification policy",
            Self::DeviceDriver => "a device driver",
        }
    }
}

impl fmt::Display for WorldKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

mod sealed {
    use super::{Answered, InstancePre, Limits, Store, WitFault};
    use crate::admission::{Admitted, AnyAdmitted};

    /// How the engine links and enters a component of a world.
    pub trait Linked: Sized {
        type Pre: Clone + Send + Sync;
        type Instance;

        fn link(pre: InstancePre<Limits>) -> wasmtime::Result<Self::Pre>;
        fn linked(pre: &Self::Pre) -> &InstancePre<Limits>;
        fn instantiate(pre: &Self::Pre, store: &mut Store<Limits>) -> wasmtime::Result<Self::Instance>;
        fn describe(instance: &Self::Instance, store: &mut Store<Limits>) -> wasmtime::Result<Answered>;

        /// What was admitted, if it is of this world.
        fn of(any: AnyAdmitted) -> Option<Admitted<Self>>
        where
            Self: super::World;

        /// A call that decides nothing, to see whether the rule takes the settings.
        fn try_settings(
            instance: &Self::Instance,
            store: &mut Store<Limits>,
            settings: &[u8],
        ) -> wasmtime::Result<Result<(), WitFault>>;
    }
}
pub(crate) use sealed::Linked;

/// What `describe` answered.
pub struct Answered {
    pub(crate) about: WitDescription,
    pub(crate) driver: Option<driver::exports::davy::rules::driver::DriverDescription>,
}

/// One of the contract's worlds; implemented for [`Alarm`], [`Billing`], [`Notification`] and [`DeviceDriver`] only.
pub trait World: davy_rules_sdk::policy::World + Linked {
    /// Which one.
    const KIND: WorldKind;
}

macro_rules! linked {
    ($world:ident, $variant:ident, $kind:ident, $bindings:ident, $pre:ident, $instance:ident, $exports:ident, $describe:expr, $try:expr) => {
        impl Linked for $world {
            type Pre = $bindings::$pre<Limits>;
            type Instance = $bindings::$instance;

            fn link(pre: InstancePre<Limits>) -> wasmtime::Result<Self::Pre> {
                $bindings::$pre::new(pre)
            }
            fn linked(pre: &Self::Pre) -> &InstancePre<Limits> {
                pre.instance_pre()
            }
            fn instantiate(pre: &Self::Pre, store: &mut Store<Limits>) -> wasmtime::Result<Self::Instance> {
                pre.instantiate(store)
            }
            fn describe(instance: &Self::Instance, store: &mut Store<Limits>) -> wasmtime::Result<Answered> {
                instance.$exports().call_describe(store).map($describe)
            }
            fn of(any: AnyAdmitted) -> Option<Admitted<Self>> {
                if let AnyAdmitted::$variant(admitted) = any { Some(admitted) } else { None }
            }
            fn try_settings(
                instance: &Self::Instance,
                store: &mut Store<Limits>,
                settings: &[u8],
            ) -> wasmtime::Result<Result<(), WitFault>> {
                $try(instance, store, settings)
            }
        }
        impl World for $world {
            const KIND: WorldKind = WorldKind::$kind;
        }
    };
}

const fn plain(about: WitDescription) -> Answered {
    Answered { about, driver: None }
}

fn of_driver(mut answer: driver::exports::davy::rules::driver::DriverDescription) -> Answered {
    let nothing = || crate::bindings::Localized { zh: String::new(), en: String::new() };
    let empty = WitDescription {
        name: String::new(),
        version: String::new(),
        summary: nothing(),
        settings_schema: String::new(),
        texts: Vec::new(),
    };
    Answered { about: std::mem::replace(&mut answer.about, empty), driver: Some(answer) }
}

linked!(
    Alarm,
    Alarm,
    AlarmPolicy,
    alarm,
    AlarmPolicyPre,
    AlarmPolicy,
    davy_rules_alarm,
    plain,
    |instance: &alarm::AlarmPolicy, store: &mut Store<Limits>, settings: &[u8]| {
        let called = instance.davy_rules_alarm().call_evaluate(store, settings, &[], crate::alarm::trial());
        called.map(|result| result.map(drop))
    }
);
linked!(
    Billing,
    Billing,
    BillingPolicy,
    billing,
    BillingPolicyPre,
    BillingPolicy,
    davy_rules_billing,
    plain,
    |instance: &billing::BillingPolicy, store: &mut Store<Limits>, settings: &[u8]| {
        let called = instance.davy_rules_billing().call_evaluate(store, settings, &[], crate::billing::trial());
        called.map(|result| result.map(drop))
    }
);
linked!(
    Notification,
    Notification,
    NotificationPolicy,
    notification,
    NotificationPolicyPre,
    NotificationPolicy,
    davy_rules_notification,
    plain,
    |instance: &notification::NotificationPolicy, store: &mut Store<Limits>, settings: &[u8]| {
        let called =
            instance.davy_rules_notification().call_evaluate(store, settings, &[], crate::notification::trial());
        called.map(|result| result.map(drop))
    }
);
linked!(
    DeviceDriver,
    Driver,
    DeviceDriver,
    driver,
    DeviceDriverPre,
    DeviceDriver,
    davy_rules_driver,
    of_driver,
    |instance: &driver::DeviceDriver, store: &mut Store<Limits>, settings: &[u8]| {
        let called = instance.davy_rules_driver().call_decode(store, settings, crate::driver::trial());
        called.map(|result| match result {
            // An empty message is none of any model: only a fault about the settings says something about them.
            Err(fault) if fault.code == davy_rules_sdk::codes::fault::SETTINGS => Err(fault),
            Ok(_) | Err(_) => Ok(()),
        })
    }
);
