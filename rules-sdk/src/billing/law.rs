//! What stands between an account and a lawful shut-off for arrears.
//!
//! It is the same check that the platform makes of every request, so a rule that asks here first never asks in vain. A rule may be
//! stricter; it can never be laxer. It must never guess: what is not on file is an obstacle.

use crate::codes::{account_class, supply};
use crate::contract::billing::AccountContext;
use core::fmt;

/// Why a shut-off would be unlawful now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// There are no arrears.
    NoArrears,
    /// The valve is closed already, or the request is under way.
    NotOpen(u16),
    /// A class that must not be shut off: public, heating, or one that is not known.
    Class(u16),
    /// An exemption of this code holds.
    Exempt(u16),
    /// No statutory table is on file for the place.
    NoTable,
    /// This notice was never proven.
    NotProven(u16),
    /// This notice was proven, but fewer days ago than the law asks for.
    TooEarly {
        /// Notice kind.
        kind: u16,
        /// Days that the law asks for.
        required: u32,
        /// Days that have passed.
        passed: u32,
    },
}

/// The first obstacle, from the one that excuses the customer most.
pub fn obstacle(account: &AccountContext) -> Option<Obstacle> {
    if account.arrears_fen <= 0 {
        return Some(Obstacle::NoArrears);
    }
    if account.supply != supply::OPEN {
        return Some(Obstacle::NotOpen(account.supply));
    }
    if !matches!(account.class, account_class::HOUSEHOLD | account_class::COMMERCIAL | account_class::INDUSTRIAL) {
        return Some(Obstacle::Class(account.class));
    }
    if account.exemptions != 0 {
        return Some(Obstacle::Exempt(account.exemptions.trailing_zeros() as u16));
    }
    if account.required.is_empty() {
        return Some(Obstacle::NoTable);
    }
    account.required.iter().find_map(|required| match account.days_proven(required.kind) {
        None => Some(Obstacle::NotProven(required.kind)),
        Some(passed) if passed < required.days => {
            Some(Obstacle::TooEarly { kind: required.kind, required: required.days, passed })
        }
        Some(_) => None,
    })
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::codes::{exemption, notice};
        let notice = |kind: u16| notice::name(kind).unwrap_or("unknown");
        match *self {
            Self::NoArrears => f.write_str("there are no arrears"),
            Self::NotOpen(code) => write!(f, "the supply is {}", supply::name(code).unwrap_or("unknown")),
            Self::Class(code) => {
                write!(f, "the class {} is never shut off", account_class::name(code).unwrap_or("unknown"))
            }
            Self::Exempt(code) => write!(f, "exempt: {}", exemption::name(code).unwrap_or("unknown")),
            Self::NoTable => f.write_str("no statutory table is on file for the place"),
            Self::NotProven(kind) => write!(f, "the {} notice is not proven", notice(kind)),
            Self::TooEarly { kind, required, passed } => {
                write!(f, "the {} notice was proven {passed} days ago, the law asks for {required}", notice(kind))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::{exemption, notice};
    use crate::contract::billing::{LocalDate, NoticeProof, NoticeRequirement};

    fn in_arrears() -> AccountContext {
        let proven = |kind, days| NoticeProof {
            kind,
            sent_at_ms: 0,
            proven_at_ms: Some(0),
            days_since_sent: days,
            days_since_proven: days,
            named_fen: 5_000,
        };
        AccountContext {
            now_ms: 0,
            today: LocalDate { year: 2026, month: 6, day: 1 },
            class: account_class::HOUSEHOLD,
            persons: 3,
            balance_fen: -5_000,
            arrears_fen: 5_000,
            days_overdue: 50,
            period_start_ms: 0,
            period_litres: 0,
            tariff: Vec::new(),
            exemptions: 0,
            required: vec![
                NoticeRequirement { kind: notice::DEMAND, days: 30 },
                NoticeRequirement { kind: notice::WRITTEN, days: 3 },
            ],
            notices: vec![proven(notice::DEMAND, 33), proven(notice::WRITTEN, 3)],
            supply: supply::OPEN,
        }
    }

    #[test]
    fn an_account_with_every_notice_proven_long_enough_has_no_obstacle() {
        assert_eq!(obstacle(&in_arrears()), None);
    }

    #[test]
    fn every_single_thing_that_is_missing_is_an_obstacle() {
        let with = |change: fn(&mut AccountContext)| {
            let mut account = in_arrears();
            change(&mut account);
            obstacle(&account)
        };
        assert_eq!(with(|a| a.arrears_fen = 0), Some(Obstacle::NoArrears));
        assert_eq!(with(|a| a.supply = supply::REQUESTED), Some(Obstacle::NotOpen(supply::REQUESTED)));
        assert_eq!(with(|a| a.class = account_class::PUBLIC), Some(Obstacle::Class(account_class::PUBLIC)));
        assert_eq!(with(|a| a.class = 99), Some(Obstacle::Class(99)));
        assert_eq!(with(|a| a.exemptions = 1 << exemption::HOLIDAY), Some(Obstacle::Exempt(exemption::HOLIDAY)));
        assert_eq!(with(|a| a.exemptions = 1 << 40), Some(Obstacle::Exempt(40)), "also one that is not known yet");
        assert_eq!(with(|a| a.required.clear()), Some(Obstacle::NoTable));
        assert_eq!(with(|a| a.notices[0].proven_at_ms = None), Some(Obstacle::NotProven(notice::DEMAND)));
        assert_eq!(with(|a| a.notices.truncate(1)), Some(Obstacle::NotProven(notice::WRITTEN)));
        let early = Obstacle::TooEarly { kind: notice::WRITTEN, required: 3, passed: 2 };
        assert_eq!(with(|a| a.notices[1].days_since_proven = 2), Some(early));
    }

    #[test]
    fn of_two_proofs_the_older_one_counts() {
        let mut account = in_arrears();
        let mut again = account.notices[0];
        again.days_since_proven = 1;
        account.notices.push(again);
        assert_eq!(obstacle(&account), None);
    }
}
