//! People: who is signed in and as what.

use davy_domain::{PremisesId, TenantId, UserId};
use serde::{Deserialize, Serialize};

/// What a person is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Supervises a jurisdiction; reads every tenant's safety data in it.
    Regulator,
    /// Dispatcher of one gas company.
    Operator,
    /// Lives at a premises; sees and closes its own devices only.
    Resident,
}

/// The signed-in person and what they may see: nothing outside of these fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: Role,
    /// The gas company, for an operator or a resident.
    pub tenant: Option<TenantId>,
    /// The division code (GB/T 2260) that a regulator supervises, with everything below it.
    pub division: Option<String>,
    /// The premises of a resident.
    pub premises: Option<PremisesId>,
    /// Name to show.
    pub name: String,
}

/// Credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignIn {
    /// E-mail address.
    pub email: String,
    /// Password, 8 to 200 characters.
    pub password: String,
}

/// The signed-in person, for the person themself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Person {
    /// Who.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: UserId,
    /// Name to show.
    pub name: String,
    /// As what.
    pub role: Role,
    /// The gas company's name, if of one.
    pub tenant_name: Option<String>,
    /// The supervised division's name, for a regulator.
    pub division_name: Option<String>,
    /// The premises, for a resident.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub premises: Option<PremisesId>,
}

/// What a successful sign-in returns; the session itself is in a cookie that scripts cannot read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignedIn {
    /// Who signed in.
    pub person: Person,
    /// To be sent back in the `x-csrf-token` header (or the form field `csrf`) with every change.
    pub csrf: String,
}
