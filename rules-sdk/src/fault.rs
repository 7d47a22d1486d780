//! Faults in a rule's own words.

use crate::codes::fault;
use crate::contract::Fault;

impl Fault {
    /// A fault that no setting and no stored state explains; `message` says what was expected and what came.
    pub fn other(message: impl Into<String>) -> Self {
        Self { code: fault::OTHER, field: String::new(), message: message.into() }
    }

    /// Settings that the schema allows one by one but that contradict each other; `field` is the property's name.
    pub fn settings(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: fault::SETTINGS, field: field.into(), message: message.into() }
    }

    /// An event or a message that cannot be what it claims to be: cut, damaged, of another protocol.
    pub fn event(message: impl Into<String>) -> Self {
        Self { code: fault::EVENT, field: String::new(), message: message.into() }
    }
}
