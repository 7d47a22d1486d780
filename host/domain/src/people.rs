//! What a person is to the platform: one scope, and the roles that they have within it.
//!
//! A scope says whose things somebody may meet at all, a role what may be done with them. What each role may do is not said here: that
//! is the permission table's.

use crate::id::{CommunityId, PremisesId, TenantId};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The five sizes of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScopeKind {
    /// The platform itself, and nothing of any gas company.
    Platform,
    /// A division and everything below, of every gas company.
    Jurisdiction,
    /// One gas company, whole.
    Tenant,
    /// The premises of one residential community of a gas company.
    Community,
    /// One premises.
    Premises,
}

impl ScopeKind {
    /// Every kind, from the largest.
    pub const ALL: [Self; 5] = [Self::Platform, Self::Jurisdiction, Self::Tenant, Self::Community, Self::Premises];

    /// The stable name, as stored and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Jurisdiction => "jurisdiction",
            Self::Tenant => "tenant",
            Self::Community => "community",
            Self::Premises => "premises",
        }
    }
}

/// Whose things a person may meet: nothing outside of it exists for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PersonScope {
    /// The platform: companies and settings, no company's data.
    Platform,
    /// What a regulator supervises.
    Jurisdiction {
        /// The top division's number (GB/T 2260).
        division: i64,
    },
    /// A gas company.
    Tenant {
        /// Which one.
        tenant: TenantId,
    },
    /// A residential community. One company supplies it, so it lies within that company.
    Community {
        /// The company.
        tenant: TenantId,
        /// Which one.
        community: CommunityId,
    },
    /// A premises.
    Premises {
        /// The company that supplies it.
        tenant: TenantId,
        /// Which one.
        premises: PremisesId,
    },
}

impl PersonScope {
    /// Its size.
    pub const fn kind(self) -> ScopeKind {
        match self {
            Self::Platform => ScopeKind::Platform,
            Self::Jurisdiction { .. } => ScopeKind::Jurisdiction,
            Self::Tenant { .. } => ScopeKind::Tenant,
            Self::Community { .. } => ScopeKind::Community,
            Self::Premises { .. } => ScopeKind::Premises,
        }
    }

    /// The gas company that it lies within, if in one.
    pub const fn tenant(self) -> Option<TenantId> {
        match self {
            Self::Platform | Self::Jurisdiction { .. } => None,
            Self::Tenant { tenant } | Self::Community { tenant, .. } | Self::Premises { tenant, .. } => Some(tenant),
        }
    }

    /// The division at its top, for a jurisdiction.
    pub const fn division(self) -> Option<i64> {
        match self {
            Self::Jurisdiction { division } => Some(division),
            Self::Platform | Self::Tenant { .. } | Self::Community { .. } | Self::Premises { .. } => None,
        }
    }

    /// The community, for one.
    pub const fn community(self) -> Option<CommunityId> {
        match self {
            Self::Community { community, .. } => Some(community),
            Self::Platform | Self::Jurisdiction { .. } | Self::Tenant { .. } | Self::Premises { .. } => None,
        }
    }

    /// The premises, for one.
    pub const fn premises(self) -> Option<PremisesId> {
        match self {
            Self::Premises { premises, .. } => Some(premises),
            Self::Platform | Self::Jurisdiction { .. } | Self::Tenant { .. } | Self::Community { .. } => None,
        }
    }
}

/// A text that is no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a role such as `dispatcher`, got `{got}`")]
pub struct RoleError {
    /// What came, cut to 40 characters.
    pub got: String,
}

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident, $code:literal, $word:literal, $scope:ident;)*) => {
        /// What somebody does on the platform. Codes and names are stable: they are stored, and they are in the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Role { $($(#[$doc])* $name,)* }

        impl Role {
            /// Every role.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable number, 0 to 15.
            pub const fn code(self) -> u8 {
                match self { $(Self::$name => $code,)* }
            }

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The scope that the role is for.
            pub const fn scope(self) -> ScopeKind {
                match self { $(Self::$name => ScopeKind::$scope,)* }
            }
        }
    };
}

roles! {
    /// Looks after the platform: companies, their first administrators, settings; sees no company's data.
    PlatformAdministrator, 0, "platform-administrator", Platform;
    /// Supervises a jurisdiction: the safety data of every company in it, and nobody's money.
    Regulator, 1, "regulator", Jurisdiction;
    /// Looks after a company's people and access.
    Administrator, 2, "administrator", Tenant;
    /// Answers for a company's safety: judges alarms, approves what is dangerous.
    SafetyOfficer, 3, "safety-officer", Tenant;
    /// On duty in a company's control room: alarms and valves.
    Dispatcher, 4, "dispatcher", Tenant;
    /// Goes to where gas has leaked, with a phone.
    Technician, 5, "technician", Tenant;
    /// Inspects premises, with a phone.
    Inspector, 6, "inspector", Tenant;
    /// Looks after accounts and bills.
    BillingClerk, 7, "billing-clerk", Tenant;
    /// Writes and tries a company's rules.
    RuleEngineer, 8, "rule-engineer", Tenant;
    /// Reads everything of a company and changes nothing.
    Auditor, 9, "auditor", Tenant;
    /// Looks after the buildings of a community: their alarms, not their bills.
    PropertyManager, 10, "property-manager", Community;
    /// Lives at, or runs, a place where gas is used.
    Resident, 11, "resident", Premises;
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        let found = Self::ALL.iter().copied().find(|role| role.name() == text);
        found.ok_or_else(|| RoleError { got: text.chars().take(40).collect() })
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A set of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roles(u16);

impl Roles {
    /// No role: somebody who may do nothing.
    pub const NONE: Self = Self(0);

    /// One role.
    pub const fn one(role: Role) -> Self {
        Self(1 << role.code())
    }

    /// Whether `role` is among them.
    pub const fn has(self, role: Role) -> bool {
        self.0 & Self::one(role).0 != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The roles, in their order.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.iter().copied().filter(move |role| self.has(*role))
    }

    /// Whether there is at least one, and every one of them is for a scope of this size.
    pub fn fit(self, scope: ScopeKind) -> bool {
        !self.is_empty() && self.iter().all(|role| role.scope() == scope)
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().fold(0, |all, role| all | Self::one(role).0))
    }
}

impl fmt::Display for Roles {
    /// The names, with a space between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, role) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(role.name())?;
        }
        Ok(())
    }
}

impl FromStr for Roles {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        text.split_ascii_whitespace().map(str::parse).collect()
    }
}

impl Serialize for Roles {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Vec::<Role>::deserialize(from).map(|roles| roles.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_roles_are_the_ones_that_are_stored() {
        let codes: Vec<_> = Role::ALL.iter().map(|role| (role.code(), role.name())).collect();
        assert_eq!(
            codes,
            [
                (0, "platform-administrator"),
                (1, "regulator"),
                (2, "administrator"),
                (3, "safety-officer"),
                (4, "dispatcher"),
                (5, "technician"),
                (6, "inspector"),
                (7, "billing-clerk"),
                (8, "rule-engineer"),
                (9, "auditor"),
                (10, "property-manager"),
                (11, "resident"),
            ]
        );
    }

    #[test]
    fn roles_are_written_and_read_back_and_a_word_that_is_none_is_refused() {
        let two: Roles = [Role::RuleEngineer, Role::Dispatcher].into_iter().collect();
        assert_eq!(two.to_string(), "dispatcher rule-engineer");
        assert_eq!("rule-engineer dispatcher".parse(), Ok(two));
        assert_eq!("".parse(), Ok(Roles::NONE));
        let refused = "dispatcher operator".parse::<Roles>().unwrap_err();
        assert_eq!(refused.to_string(), "expected a role such as `dispatcher`, got `operator`");
    }

    #[test]
    fn roles_fit_one_size_of_scope_only() {
        let mixed: Roles = [Role::Regulator, Role::Dispatcher].into_iter().collect();
        for kind in ScopeKind::ALL {
            assert!(!mixed.fit(kind) && !Roles::NONE.fit(kind), "{kind:?}");
        }
        assert!(Roles::one(Role::Auditor).fit(ScopeKind::Tenant));
        assert!(!Roles::one(Role::Auditor).fit(ScopeKind::Platform));
    }
}
