//! People of a company, tokens of machines, households, and acts that take two people.

use davy_domain::proof::SecondFactorPolicy;
use davy_domain::{
    CommunityId, InvitationId, PremisesId, RequestId, Role, Roles, ScopeKind, TenantId, Timestamp, TokenId, UserId,
};
use serde::{Deserialize, Serialize};

/// Somebody, as an administrator or the rest of a household sees them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PersonItem {
    /// Who.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: UserId,
    /// Name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// `tenant`, `community` or `premises`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub scope: ScopeKind,
    /// What they do.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub roles: Roles,
    /// The community's name, for a property manager.
    pub community_name: Option<String>,
}

/// A residential community.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CommunityItem {
    /// Which one.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: CommunityId,
    /// Its name.
    pub name: String,
}

/// The company's people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct People {
    /// All of them.
    pub items: Vec<PersonItem>,
    /// The communities that a property manager can look after.
    pub communities: Vec<CommunityItem>,
    /// What the company's staff may not do without a second factor: `optional` (everybody decides for themself), `rules` (changing rules and
    /// people) or `commands` (those, and commanding valves).
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub second_factor: SecondFactorPolicy,
}

/// What the company's staff may not do without a second factor from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FactorDemand {
    /// `optional`, `rules` or `commands`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub policy: SecondFactorPolicy,
}

/// Somebody who is to work for the company, or to look after a community.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewPerson {
    /// Name, 1 to 100 characters.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// Password to begin with, 8 to 200 characters.
    pub password: String,
    /// What they will do: roles of the company, or `property-manager`.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub roles: Vec<Role>,
    /// The community, for a property manager.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub community: Option<CommunityId>,
}

/// Other roles for somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RolesChange {
    /// All the roles that they have from now on.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub roles: Vec<Role>,
}

/// A company of the platform, in figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TenantItem {
    /// Which one.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// The name of the division whose regulator supervises it.
    pub jurisdiction: Option<String>,
    /// How many premises it supplies.
    pub premises: u64,
    /// How many devices it has.
    pub devices: u64,
    /// Since when its people and machines are locked out, milliseconds; absent while they are not.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
    pub suspended_at: Option<Timestamp>,
    /// Its deletion, when that was asked for or approved.
    pub deletion: Option<TenantDeletion>,
}

/// A company's deletion that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TenantDeletion {
    /// `waiting` for another administrator, or `approved` and waiting for its time.
    pub stage: String,
    /// The name of who asked.
    pub asked_by: String,
    /// When, milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub asked_at: Timestamp,
    /// Until when another administrator can approve it, milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub expires_at: Timestamp,
    /// From when it is carried out, once approved, milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
    pub due_at: Option<Timestamp>,
    /// What the viewer may do about it now: `approve`, `decline`, `withdraw`.
    pub may: Vec<String>,
}

/// A company that was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeletedTenant {
    /// The id that it had.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// When, milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub at: Timestamp,
    /// Rows and digests of every table, and the end of its ledger, as JSON; the platform's ledger has this text's SHA-256.
    pub proof: String,
}

/// How a company is to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Whether its people and machines are locked out.
    pub suspended: bool,
}

/// The companies of the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tenants {
    /// All of them.
    pub items: Vec<TenantItem>,
    /// Those that were deleted, newest first.
    pub deleted: Vec<DeletedTenant>,
}

/// A machine's token, without what it proves itself with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenItem {
    /// Which one.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: TokenId,
    /// Who made it.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub by: UserId,
    /// What it is for, in its maker's words.
    pub name: String,
    /// The permissions that it was given, by their codes.
    pub deeds: Vec<String>,
    /// When it was made, milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub created_at: Timestamp,
    /// Until when it is good, milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub expires_at: Timestamp,
    /// When it was last used, to within a minute.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
    pub last_used_at: Option<Timestamp>,
    /// Whether it is still good.
    pub good: bool,
}

/// Tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tokens {
    /// Newest first: one's own, and for an administrator all of the company.
    pub items: Vec<TokenItem>,
    /// What a new one can be given, by the codes of permissions.
    pub may: Vec<String>,
}

/// A token that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for, 1 to 100 characters.
    pub name: String,
    /// Permissions by their codes, none that its maker does not have.
    pub deeds: Vec<String>,
    /// For how many days it is good, 1 to 366.
    pub days: u16,
}

/// A token that was made. The secret is told this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MadeToken {
    /// The token.
    pub token: TokenItem,
    /// What the machine sends as `Authorization: Bearer …`.
    pub secret: String,
}

/// A way into a household that nobody has gone yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvitationItem {
    /// Which one.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: InvitationId,
    /// When it was made, milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub created_at: Timestamp,
    /// Until when it is good, milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub expires_at: Timestamp,
}

/// Who lives at a premises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Household {
    /// Where.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub premises: PremisesId,
    /// Who; the first is who holds the household and can hand it over.
    pub members: Vec<PersonItem>,
    /// Invitations that are good.
    pub invitations: Vec<InvitationItem>,
}

/// An invitation that was made. The code is told this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Invited {
    /// The invitation.
    pub invitation: InvitationItem,
    /// What the invited person enters.
    pub code: String,
}

/// Somebody who was invited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Joining {
    /// The code of the invitation.
    pub code: String,
    /// Name, 1 to 100 characters.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// Password, 8 to 200 characters.
    pub password: String,
}

/// A dangerous act that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RequestItem {
    /// Which one.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: RequestId,
    /// Which act: `close-many`.
    pub act: String,
    /// `waiting`, `expired`, `approved`, `done`, `declined` or `withdrawn`.
    pub stage: String,
    /// Whether somebody else than who asked must approve.
    pub second: bool,
    /// Who asked.
    pub asked_by: String,
    /// When, milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub asked_at: Timestamp,
    /// From when on nobody can decide any more, milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub expires_at: Timestamp,
    /// Who decided.
    pub decided_by: Option<String>,
    /// How many premises were chosen.
    pub premises: u32,
    /// Addresses of the first of them.
    pub addresses: Vec<String>,
    /// Of how many premises the valves have been ordered to close.
    pub ordered: u32,
    /// At how many premises a valve could not be ordered to close.
    pub failed: u32,
    /// What the viewer can do with it now: `approve`, `decline`, `withdraw`.
    pub may: Vec<String>,
}

/// Dangerous acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Requests {
    /// Newest first.
    pub items: Vec<RequestItem>,
    /// How many premises one person may have closed at once.
    pub close_alone: u32,
    /// The communities that can be closed.
    pub communities: Vec<CommunityItem>,
}

/// Which premises are to be closed together: a community, a building of one, or a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CloseMany {
    /// The community.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub community: Option<CommunityId>,
    /// Of the community, only premises whose building begins so.
    pub building: Option<String>,
    /// A list, in place of a community.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub premises: Vec<PremisesId>,
}

/// What somebody says to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// `approve`, `decline` or `withdraw`.
    pub act: String,
}

/// How much one person may close alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ClosingLimit {
    /// So many premises at once, 0 to 1000.
    pub premises: u32,
}
