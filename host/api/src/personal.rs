//! Personal data: contacts of the people at a device, who met whose data, and what is held of oneself.

use davy_domain::personal::{Category, Met};
use davy_domain::{AlarmId, DeviceId, Roles, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// How somebody is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Contact {
    /// Who.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: UserId,
    /// Name: its first character, unless the contacts are whole.
    pub name: String,
    /// Telephone number: its ends, unless the contacts are whole.
    pub phone: Option<String>,
    /// E-mail address: its first character and the domain, unless the contacts are whole.
    pub email: String,
}

/// How the people at a device's premises are reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Contacts {
    /// Whether they are told whole.
    pub whole: bool,
    /// Whether the viewer may have them told whole, which is entered in the log of personal data.
    pub may_show: bool,
    /// The people; who holds the household comes first.
    pub people: Vec<Contact>,
}

/// Why contacts are to be told whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ContactLook {
    /// Because of this alarm of the device.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub alarm: Option<AlarmId>,
}

/// Something that was done with somebody's personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DataAct {
    /// When, milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub at: Timestamp,
    /// `seen` or `exported`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub what: Met,
    /// Which kinds of data: `name`, `contact`, `place`, `sign-in`, `readings`, `messages`, `part`.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub categories: Vec<Category>,
    /// Of whom.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub person: UserId,
    /// The first character of their name.
    pub person_name: String,
    /// By whom.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub by: UserId,
    /// Their name.
    pub by_name: String,
    /// What they are now.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub by_roles: Roles,
    /// On the page of which device.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub device: Option<DeviceId>,
    /// Because of which alarm.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub alarm: Option<AlarmId>,
}

/// What was done with personal data, newest first, at most 500.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DataActs {
    /// The acts.
    pub items: Vec<DataAct>,
}

/// What is held of the viewer, and who has met it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OwnData {
    /// Name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// Telephone number.
    pub phone: Option<String>,
    /// Address of the premises, for a resident.
    pub address: Option<String>,
    /// Which kinds of data are held of them at this moment.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub categories: Vec<Category>,
    /// Who has met it.
    pub acts: Vec<DataAct>,
}
