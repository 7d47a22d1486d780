//! A component that passed: what may be loaded.
//!
//! Nothing here checks anything; nothing else may make one of these.

use crate::config::Tier;
use crate::digest::RuleDigest;
use crate::driver::AboutDriver;
use crate::world::{Alarm, Billing, DeviceDriver, Linked, Notification, World, WorldKind};
use davy_rules_sdk::schema::Schema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use wasmtime::component::Component;

/// A text in the languages of the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalizedText {
    /// Simplified Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// What a rule says of itself, checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Description {
    /// 1 to 64 lower-case letters, digits and `-`.
    pub name: String,
    /// `MAJOR.MINOR.PATCH` with an optional suffix.
    pub version: String,
    /// For the person who chooses rules.
    pub summary: LocalizedText,
    /// The settings schema as the rule gave it: JSON Schema text.
    pub settings_schema: String,
    /// Texts for alarms by their code, 1 or higher.
    pub texts: Vec<(u16, LocalizedText)>,
    /// What a driver says of itself besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<AboutDriver>,
    /// The schema as the host understands it.
    #[serde(skip)]
    pub schema: Schema,
}

/// A component that may be loaded: an alarm policy, unless another world is named.
pub struct Admitted<W: World = Alarm> {
    pub(crate) pre: W::Pre,
    pub(crate) digest: RuleDigest,
    pub(crate) description: Arc<Description>,
    pub(crate) size: usize,
    pub(crate) tier: Tier,
}

impl<W: World> Clone for Admitted<W> {
    fn clone(&self) -> Self {
        let Self { pre, digest, description, size, tier } = self;
        Self { pre: pre.clone(), digest: *digest, description: Arc::clone(description), size: *size, tier: *tier }
    }
}

impl<W: World> fmt::Debug for Admitted<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted")
            .field("world", &W::KIND)
            .field("digest", &self.digest)
            .field("size", &self.size)
            .field("tier", &self.tier)
            .finish_non_exhaustive()
    }
}

impl<W: World> Admitted<W> {
    /// SHA-256 of the component's bytes.
    pub fn digest(&self) -> RuleDigest {
        self.digest
    }

    /// What the rule says of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The component's size in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The contract that it was found to fulfil.
    pub fn world(&self) -> WorldKind {
        W::KIND
    }
}

/// A component that may be loaded, of whichever world it is.
#[derive(Clone, Debug)]
pub enum AnyAdmitted {
    /// An alarm policy.
    Alarm(Admitted<Alarm>),
    /// A billing policy.
    Billing(Admitted<Billing>),
    /// A notification policy.
    Notification(Admitted<Notification>),
    /// A device driver.
    Driver(Admitted<DeviceDriver>),
}

impl AnyAdmitted {
    /// SHA-256 of the component's bytes.
    pub fn digest(&self) -> RuleDigest {
        match self {
            Self::Alarm(admitted) => admitted.digest,
            Self::Billing(admitted) => admitted.digest,
            Self::Notification(admitted) => admitted.digest,
            Self::Driver(admitted) => admitted.digest,
        }
    }

    /// What the rule says of itself.
    pub fn description(&self) -> &Description {
        match self {
            Self::Alarm(admitted) => &admitted.description,
            Self::Billing(admitted) => &admitted.description,
            Self::Notification(admitted) => &admitted.description,
            Self::Driver(admitted) => &admitted.description,
        }
    }

    /// The component's size in bytes.
    pub fn size(&self) -> usize {
        match self {
            Self::Alarm(admitted) => admitted.size,
            Self::Billing(admitted) => admitted.size,
            Self::Notification(admitted) => admitted.size,
            Self::Driver(admitted) => admitted.size,
        }
    }

    /// The compiled component.
    pub(crate) fn component(&self) -> &Component {
        match self {
            Self::Alarm(admitted) => <Alarm as Linked>::linked(&admitted.pre).component(),
            Self::Billing(admitted) => <Billing as Linked>::linked(&admitted.pre).component(),
            Self::Notification(admitted) => <Notification as Linked>::linked(&admitted.pre).component(),
            Self::Driver(admitted) => <DeviceDriver as Linked>::linked(&admitted.pre).component(),
        }
    }

    /// The contract that it was found to fulfil.
    pub fn world(&self) -> WorldKind {
        match self {
            Self::Alarm(admitted) => admitted.world(),
            Self::Billing(admitted) => admitted.world(),
            Self::Notification(admitted) => admitted.world(),
            Self::Driver(admitted) => admitted.world(),
        }
    }
}
