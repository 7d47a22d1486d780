//! The life of a device driver's version: *uploaded → checked → active → retired.*
//!
//! A driver decides nothing about gas: it reads what a device has sent, and what it read is judged by floor and rule. A message is read by one
//! driver, once, so there is nothing that a second one could do beside it without effects, and no share of the devices that
//! could wait for a better reading. What protects here is the check, the second person, the quarantine, and the roll-back in one act.

use super::{Act, Actor, Refused, Release, Stage, WHOLE, step as policy_step};
use crate::time::Timestamp;

/// One act happens to one version of a driver.
///
/// # Errors
/// [`Refused`] says what is missing; the version then stays as it is.
pub fn step(release: &Release, act: &Act, actor: Actor, now: Timestamp) -> Result<Release, Refused> {
    let other = |hint| Err(Refused::OtherWorld { act: act.name(), hint });
    match (act, release.stage, actor) {
        (Act::StartShadow | Act::StartCohort { .. }, ..) => other("once it is checked, propose it"),
        (Act::BackTest { .. }, ..) => other("decode what is set aside once it is in force"),
        (Act::Propose, Stage::Checked, Actor::Person { by }) => {
            Ok(Release { proposed_by: Some(by), changed_at: now, ..release.clone() })
        }
        (Act::Decline, Stage::Checked, Actor::Person { .. }) => match release.proposed_by {
            None => Err(Refused::NotProposed),
            Some(_) => Ok(Release { proposed_by: None, changed_at: now, ..release.clone() }),
        },
        (Act::Approve, Stage::Checked, Actor::Person { by }) => match release.proposed_by {
            None => Err(Refused::NotProposed),
            Some(first) if first == by => Err(Refused::SecondPerson),
            Some(_) => Ok(Release {
                stage: Stage::Active,
                permille: WHOLE,
                proposed_by: None,
                changed_at: now,
                ..release.clone()
            }),
        },
        _ => policy_step(release, act, actor, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ReleaseId, UserId};

    const NOW: Timestamp = Timestamp::from_millis(1_000);
    const ANNA: Actor = Actor::Person { by: UserId::from_raw(1) };
    const BEN: Actor = Actor::Person { by: UserId::from_raw(2) };

    fn checked() -> Release {
        let uploaded = Release::uploaded(ReleaseId::from_raw(1), NOW);
        step(&uploaded, &Act::Check { passed: true }, Actor::Platform, NOW).unwrap()
    }

    #[test]
    fn a_driver_comes_into_force_by_two_people_and_is_taken_back_by_one() {
        assert_eq!(step(&checked(), &Act::Approve, ANNA, NOW), Err(Refused::NotProposed));
        let proposed = step(&checked(), &Act::Propose, ANNA, NOW).unwrap();
        assert_eq!(step(&proposed, &Act::Approve, ANNA, NOW), Err(Refused::SecondPerson));
        let active = step(&proposed, &Act::Approve, BEN, NOW).unwrap();
        assert_eq!((active.stage, active.permille), (Stage::Active, WHOLE));
        let retired = step(&active, &Act::RollBack, ANNA, NOW).unwrap();
        assert_eq!(retired.stage, Stage::Retired);
        assert_eq!(step(&retired, &Act::Restore, Actor::Platform, NOW).unwrap().stage, Stage::Active);
        let declined = step(&proposed, &Act::Decline, BEN, NOW).unwrap();
        assert_eq!(step(&declined, &Act::Approve, BEN, NOW), Err(Refused::NotProposed));
    }

    #[test]
    fn stages_that_mean_nothing_for_a_driver_are_refused_as_such() {
        for act in [Act::StartShadow, Act::StartCohort { permille: 10 }] {
            let refused = step(&checked(), &act, ANNA, NOW).unwrap_err();
            assert_eq!(refused.code(), "other-world");
            assert!(refused.to_string().contains("propose it"), "{refused}");
        }
    }

    #[test]
    fn what_has_not_been_checked_comes_into_force_by_nobody() {
        let uploaded = Release::uploaded(ReleaseId::from_raw(1), NOW);
        for act in [Act::Propose, Act::Approve, Act::RollBack] {
            assert_eq!(step(&uploaded, &act, ANNA, NOW).unwrap_err().code(), "not-now");
        }
        let platform = step(&checked(), &Act::Approve, Actor::Platform, NOW).unwrap_err();
        assert_eq!(platform.code(), "not-yours");
    }
}
