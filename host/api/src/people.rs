//! People: who is signed in and as what.

use davy_domain::proof::Proof;
use davy_domain::{PersonScope, PremisesId, Role, Roles, ScopeKind, SessionId, TenantId, UserId};
use serde::{Deserialize, Serialize};

/// The signed-in person and what they may see: nothing outside of these fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    /// Who.
    pub user: UserId,
    /// Whose things they may meet.
    pub scope: PersonScope,
    /// What they do there.
    pub roles: Roles,
    /// For a token: the only permissions that it was given, by their codes.
    pub only: Option<Vec<String>>,
    /// Name to show.
    pub name: String,
    /// The session that asks.
    pub session: Option<SessionId>,
    /// What the session has proven, held against what the company demands.
    pub proof: Proof,
}

impl Viewer {
    /// The gas company that the viewer's scope lies within.
    pub const fn tenant(&self) -> Option<TenantId> {
        self.scope.tenant()
    }

    /// Whether the viewer lives at, or runs, a premises, and sees nothing else.
    pub const fn is_resident(&self) -> bool {
        matches!(self.scope, PersonScope::Premises { .. })
    }
}

/// Credentials.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// E-mail address, or a telephone number that is one person's alone.
    pub email: String,
    /// Password, 8 to 200 characters.
    pub password: String,
}

impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignIn(…)")
    }
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
    /// The size of what they may meet: `platform`, `jurisdiction`, `tenant`, `community` or `premises`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub scope: ScopeKind,
    /// What they do there.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub roles: Roles,
    /// What they may do, by the codes of the permission table.
    pub may: Vec<String>,
    /// The gas company's name, if of one.
    pub tenant_name: Option<String>,
    /// The supervised division's name, for a regulator.
    pub division_name: Option<String>,
    /// The community's name, for a property manager.
    pub community_name: Option<String>,
    /// The premises, for a resident.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub premises: Option<PremisesId>,
}

impl Person {
    /// Whether the permission of this code is theirs.
    pub fn can(&self, code: &str) -> bool {
        self.may.iter().any(|may| may == code)
    }

    /// Whether they have the role.
    pub const fn is(&self, role: Role) -> bool {
        self.roles.has(role)
    }
}

/// What a successful sign-in returns; the session itself is in a cookie that scripts cannot read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignedIn {
    /// Who signed in.
    pub person: Person,
    /// To be sent back in the `x-csrf-token` header (or the form field `csrf`) with every change.
    pub csrf: String,
    /// Whether the session may do nothing yet but prove a second factor: POST /api/v1/session/second-factor.
    #[serde(default)]
    pub second_factor_needed: bool,
}
