//! What must hold of a version's life, whatever is tried in whatever order.

use davy_domain::release::{self, Act, Actor, MOST_ON_TRIAL, Release, Stage, in_cohort};
use davy_domain::{ReleaseId, Timestamp, UserId};
use proptest::prelude::*;

fn tested(missed: u32, from: i64, decisive: bool) -> Act {
    Act::BackTest { missed, from: Timestamp::from_millis(from), decisive }
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        any::<bool>().prop_map(|passed| Act::Check { passed }),
        (0..2_u32, 0..3_i64, any::<bool>()).prop_map(|(missed, from, decisive)| tested(missed, from, decisive)),
        Just(Act::StartShadow),
        (0..1_100_u16).prop_map(|permille| Act::StartCohort { permille }),
        Just(Act::Propose),
        Just(Act::Approve),
        Just(Act::Decline),
        Just(Act::Supersede),
        Just(Act::Withdraw),
        Just(Act::RollBack),
        Just(Act::Restore),
        Just(Act::BreakOff { reason: "faults".into(), breach: None }),
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
            // One person alone reaches half of the devices at most.
            prop_assert!(next.stage == Stage::Active || next.permille <= MOST_ON_TRIAL);
            seen.push(next.stage);
            release = next;
        }
    }

    #[test]
    fn a_missed_leak_blocks_until_a_back_test_over_at_least_as_much_no_longer_misses_it(
        tried in prop::collection::vec((act(), actor()), 0..200),
    ) {
        let mut release = Release { stage: Stage::Checked, ..Release::uploaded(ReleaseId::from_raw(1), Timestamp::from_millis(0)) };
        // The earliest history in which it is known to miss a leak.
        let mut blocked: Option<Timestamp> = None;
        for (at, (act, actor)) in tried.into_iter().enumerate() {
            let Ok(next) = release::step(&release, &act, actor, Timestamp::from_millis(at as i64)) else { continue };
            match act {
                Act::BackTest { missed: 1.., from, .. } => blocked = Some(blocked.map_or(from, |known| known.min(from))),
                Act::BackTest { missed: 0, from, decisive: true } if blocked.is_none_or(|known| from <= known) => blocked = None,
                _ => {}
            }
            prop_assert_eq!(next.missed.is_some_and(|missed| missed > 0), blocked.is_some());
            if blocked.is_some() {
                prop_assert!(next.stage != Stage::BackTested);
                let gains = |stage: Stage| next.stage == stage && release.stage != stage && act != Act::Restore;
                prop_assert!(next.permille <= release.permille || act == Act::Restore);
                prop_assert!(!gains(Stage::Shadow) && !gains(Stage::Active) && (act != Act::Propose));
            }
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
fn only_a_back_test_of_everything_over_the_last_ninety_days_counts() {
    let day = |day: i64| Timestamp::from_millis(day * 86_400_000);
    let now = day(1_000);
    assert!(release::is_decisive(day(910), now, 1_000, now));
    assert!(release::is_decisive(day(100), now, 1_000, now), "more than that counts too");
    assert!(!release::is_decisive(day(910), now, 999, now), "a share");
    assert!(!release::is_decisive(day(911), now, 1_000, now), "89 days");
    assert!(!release::is_decisive(day(900), day(999), 1_000, now), "it leaves out the last day");
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
