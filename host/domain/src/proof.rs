//! How surely somebody has shown who they are, and for what that is enough.
//!
//! Nothing here knows how a factor is proven, or which role may do what: it only says when a password alone is too little.

use serde::{Deserialize, Serialize};

/// What a company's staff may not do with a password alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondFactorPolicy {
    /// Everybody decides for themself.
    #[default]
    Optional,
    /// Changing the company's rules.
    Rules,
    /// Changing rules, and commanding valves.
    Commands,
}

/// What a second factor may be demanded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Danger {
    /// A change of what decides about gas.
    Rules,
    /// A command to a valve.
    Commands,
}

impl SecondFactorPolicy {
    /// Every policy, the most lenient first.
    pub const ALL: [Self; 3] = [Self::Optional, Self::Rules, Self::Commands];

    /// The stable name, as stored and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Optional => "optional",
            Self::Rules => "rules",
            Self::Commands => "commands",
        }
    }

    /// The policy of a stable name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }

    /// Whether a password alone is too little for it.
    pub const fn demands(self, danger: Danger) -> bool {
        match (self, danger) {
            (Self::Optional, _) | (Self::Rules, Danger::Commands) => false,
            (Self::Rules | Self::Commands, Danger::Rules) | (Self::Commands, Danger::Commands) => true,
        }
    }
}

impl std::str::FromStr for SecondFactorPolicy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        Self::named(text).ok_or(UnknownPolicy)
    }
}

/// A word that is no policy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `optional`, `rules` or `commands`")]
pub struct UnknownPolicy;

/// What a person's session has shown, held against what their company demands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// What the company demands of them.
    pub policy: SecondFactorPolicy,
    /// Whether a second factor was proven in this session, and lately.
    pub fresh: bool,
}

impl Proof {
    /// Whether it is enough.
    pub const fn suffices(self, danger: Danger) -> bool {
        self.fresh || !self.policy.demands(danger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stricter_policy_demands_all_that_a_more_lenient_one_does() {
        let demanded = |policy: SecondFactorPolicy| {
            [Danger::Rules, Danger::Commands].into_iter().filter(|danger| policy.demands(*danger)).count()
        };
        assert_eq!(SecondFactorPolicy::ALL.map(demanded), [0, 1, 2]);
        assert!(SecondFactorPolicy::Rules.demands(Danger::Rules));
    }

    #[test]
    fn a_fresh_second_factor_is_always_enough_and_none_is_where_nothing_is_demanded() {
        for policy in SecondFactorPolicy::ALL {
            for danger in [Danger::Rules, Danger::Commands] {
                assert!(Proof { policy, fresh: true }.suffices(danger));
                assert_eq!(Proof { policy, fresh: false }.suffices(danger), !policy.demands(danger));
            }
            assert_eq!(SecondFactorPolicy::named(policy.name()), Some(policy));
        }
        assert_eq!(SecondFactorPolicy::named("none"), None);
    }
}
