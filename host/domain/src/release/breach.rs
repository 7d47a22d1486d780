//! The bounds that a version left when the platform took it back: what was expected and what came, to be told in any language.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Which bound, with its figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "bound")]
pub enum Breach {
    /// Too many of its calls failed.
    Faults {
        /// Allowed of a hundred calls.
        most: u64,
        /// How many failed.
        got: u64,
        /// Of how many.
        of: u64,
    },
    /// Too many of its newest calls failed.
    RecentFaults {
        /// Allowed of a hundred calls.
        most: u64,
        /// How many failed.
        got: u64,
        /// Of how many.
        of: u64,
    },
    /// Its dearer calls come too near to the budget.
    Fuel {
        /// Allowed percent of the budget.
        most: u64,
        /// The budget.
        budget: u64,
        /// What 99 of 100 calls stayed within.
        got: u64,
    },
    /// It raises many times the alarms of what is in force.
    Alarms {
        /// So many times are allowed.
        most: u64,
        /// Alarms of what is in force.
        in_force: u64,
        /// Its own.
        got: u64,
    },
    /// It loses alarms of what is in force.
    LostAlarms {
        /// Allowed of a hundred.
        most: u64,
        /// Alarms of what is in force.
        in_force: u64,
        /// How many it lost.
        got: u64,
    },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Faults { most, got, of } => {
                write!(f, "faults: expected at most {most} of 100 calls, got {got} of {of}")
            }
            Self::RecentFaults { most, got, of } => {
                write!(f, "faults: expected at most {most} of 100 of the newest calls, got {got} of {of}")
            }
            Self::Fuel { most, budget, got } => {
                write!(f, "fuel: expected 99 of 100 calls within {most} % of {budget}, got {got}")
            }
            Self::Alarms { most, in_force, got } => write!(
                f,
                "alarms: expected at most {most} times the {in_force} of what is in force about the same devices, got {got}"
            ),
            Self::LostAlarms { most, in_force, got } => write!(
                f,
                "lost alarms: expected at most {most} of 100 of the {in_force} of what is in force, got {got}"
            ),
        }
    }
}
