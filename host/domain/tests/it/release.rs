//! What must hold of a version's life, whatever is tried in whatever order.

use davy_domain::release::{self, Act, Actor, Release, Stage, in_cohort};
use davy_domain::{ReleaseId, Timestamp, UserId};
use proptest::prelude::*;

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        any::<bool>().prop_map(|passed| Act::Check { passed }),
        (0..2_u32).prop_map(|missed| Act::BackTest { missed }),
        Just(Act::StartShadow),
        (0..1_100_u16).prop_map(|permille| Act::StartCohort { permille }),
        Just(Act::Propose),
        Just(Act::Approve),
        Just(Act::Decline),
        Just(Act::Supersede),
        Just(Act::Withdraw),
        Just(Act::RollBack),
        Just(Act::Restore),
        Just(Act::BreakOff { reason: "faults".into() }),
    ]
}

fn actor() -> impl Strategy<Value = Actor> {
    prop_oneof![Just(Actor::Platform), (1..4_i64).prop_map(|by| Actor::Person { by: UserId::from_raw(by) })]
}

proptest! {
    #[test]
    fn what_comes_into_force_was_checked_back_tested_shown_in_shadow_and_in_a_cohort_and_wanted_by_two(
        tried in prop::collection::vec((act(), actor()), 0..200),
    ) {
        let mut release = Release::uploaded(ReleaseId::from_raw(1), Timestamp::from_millis(0));
        let (mut seen, mut proposer) = (vec![Stage::Uploaded], None);
        for (at, (act, actor)) in tried.into_iter().enumerate() {
            let Ok(next) = release::step(&release, &act, actor, Timestamp::from_millis(at as i64)) else { continue };
            if act == Act::Propose {
                proposer = Some(actor);
            }
            if next.stage == Stage::Active && release.stage != Stage::Active && act != Act::Restore {
                prop_assert_eq!(&act, &Act::Approve);
                for stage in [Stage::Checked, Stage::BackTested, Stage::Shadow, Stage::Cohort] {
                    prop_assert!(seen.contains(&stage), "{:?}", seen);
                }
                prop_assert!(proposer.is_some_and(|proposer| proposer != actor));
                prop_assert_eq!(next.missed, Some(0));
            }
            prop_assert!((next.permille > 0) == matches!(next.stage, Stage::Cohort | Stage::Active));
            seen.push(next.stage);
            release = next;
        }
    }

    #[test]
    fn a_wider_cohort_contains_the_narrower_one(release in 1..i64::MAX, interlock in 1..i64::MAX, share in 0..=1000_u16, more in 0..=1000_u16) {
        let release = ReleaseId::from_raw(release);
        if in_cohort(release, interlock, share.min(more)) {
            prop_assert!(in_cohort(release, interlock, share.max(more)));
        }
        prop_assert!(in_cohort(release, interlock, 1000));
        prop_assert!(!in_cohort(release, interlock, 0));
    }
}

#[test]
fn a_cohort_is_about_as_large_as_asked_and_another_one_for_each_version() {
    let members = |release: i64| -> Vec<i64> {
        (1..=10_000).filter(|id| in_cohort(ReleaseId::from_raw(release), *id, 100)).collect()
    };
    let (first, second) = (members(7), members(8));
    assert!((850..1150).contains(&first.len()), "{}", first.len());
    assert_ne!(first, second);
}
