//! The bounds of a version that is being tried: beyond them the platform takes it back by itself.
//!
//! Pure: figures in, a reason out. What is in force is never taken back by the platform: a person decides about it. The bounds are one
//! table, here and in `docs/rules.md`; a version in shadow and one in a cohort are held to the same.

use super::health::HealthReport;

/// So many calls before faults are judged.
const CALLS_FOR_FAULTS: u64 = 50;
/// Faults of a hundred calls, of all.
const MOST_FAULTS_PERCENT: u64 = 2;
/// Faults of a hundred calls, of the newest: what has been well for long must not fail for long.
const MOST_RECENT_FAULTS_PERCENT: u64 = 5;
/// So many calls before fuel is judged.
const CALLS_FOR_FUEL: u64 = 200;
/// Of the budget, by 99 of 100 calls.
const MOST_FUEL_PERCENT: u64 = 80;
/// So many alarms before it is judged whether they are too many.
const ALARMS_FOR_MORE: u64 = 10;
/// So many times the alarms of what is in force, about the same devices in the same time.
const MOST_ALARMS_TIMES: u64 = 3;
/// So many lost alarms before it is judged whether they are too many.
const LOST_FOR_FEWER: u64 = 3;
/// Lost of a hundred alarms of what is in force.
const MOST_LOST_PERCENT: u64 = 20;

/// Why a version must be taken back, if it must.
///
/// Alarms are those of the comparison: both versions are asked about the same events, so the bounds do not depend on how many devices the
/// version decides for.
pub fn judge(health: &HealthReport) -> Option<String> {
    let faults: u64 = health.faults.values().sum();
    if health.calls >= CALLS_FOR_FAULTS && faults * 100 > health.calls * MOST_FAULTS_PERCENT {
        return Some(format!(
            "faults: expected at most {MOST_FAULTS_PERCENT} of 100 calls, got {faults} of {}",
            health.calls
        ));
    }
    let (recent, of) = (health.recent_faults, health.recent_calls);
    if of >= CALLS_FOR_FAULTS && recent * 100 > of * MOST_RECENT_FAULTS_PERCENT {
        return Some(format!(
            "faults: expected at most {MOST_RECENT_FAULTS_PERCENT} of 100 of the newest calls, got {recent} of {of}"
        ));
    }
    if health.calls >= CALLS_FOR_FUEL && health.fuel.p99 * 100 > health.fuel_budget * MOST_FUEL_PERCENT {
        return Some(format!(
            "fuel: expected 99 of 100 calls within {MOST_FUEL_PERCENT} % of {}, got {}",
            health.fuel_budget, health.fuel.p99
        ));
    }
    let compared = health.compared;
    let both = compared.same + compared.earlier + compared.later;
    let (mine, in_force) = (both + compared.added, both + compared.lost);
    if mine >= ALARMS_FOR_MORE && mine > in_force.max(1) * MOST_ALARMS_TIMES {
        return Some(format!(
            "alarms: expected at most {MOST_ALARMS_TIMES} times the {in_force} of what is in force about the same devices, got {mine}"
        ));
    }
    if compared.lost >= LOST_FOR_FEWER && compared.lost * 100 > in_force * MOST_LOST_PERCENT {
        return Some(format!(
            "lost alarms: expected at most {MOST_LOST_PERCENT} of 100 of the {in_force} of what is in force, got {}",
            compared.lost
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::compared::Compared;
    use crate::rules::health::{Health, Spread};
    use davy_domain::Timestamp;

    fn quiet() -> HealthReport {
        let report = Health::new(Timestamp::from_millis(0)).report(2_000_000, Timestamp::from_millis(1));
        HealthReport { calls: 10_000, fuel: Spread { p50: 15_000, p99: 40_000, max: 90_000 }, ..report }
    }

    fn with(compared: Compared) -> Option<String> {
        judge(&HealthReport { compared, ..quiet() })
    }

    #[test]
    fn a_decent_version_is_left_alone() {
        assert_eq!(judge(&quiet()), None);
        assert_eq!(with(Compared { same: 100, earlier: 5, later: 1, added: 3, lost: 1, ..Compared::default() }), None);
        // However many alarms there are, and on however large a share of the devices.
        assert_eq!(judge(&HealthReport { alarms: 1_000, ..quiet() }), None);
        assert_eq!(with(Compared { same: 1_000, ..Compared::default() }), None);
    }

    #[test]
    fn faults_and_fuel_out_of_bounds_are_named() {
        let faults = |count| [("trap".to_owned(), count)].into_iter().collect();
        assert_eq!(judge(&HealthReport { faults: faults(200), ..quiet() }), None, "two of a hundred");
        assert!(judge(&HealthReport { faults: faults(201), ..quiet() }).unwrap().contains("201 of 10000"));
        assert_eq!(judge(&HealthReport { calls: 10, faults: faults(10), ..quiet() }), None, "too few to judge");
        let fuel = Spread { p50: 1, p99: 1_600_001, max: 1_600_001 };
        assert!(judge(&HealthReport { fuel, ..quiet() }).unwrap().starts_with("fuel"));
    }

    #[test]
    fn a_version_that_was_well_for_a_million_calls_may_not_fail_for_long() {
        let recent = |recent_faults| HealthReport {
            calls: 1_000_000,
            faults: [("trap".to_owned(), recent_faults)].into_iter().collect(),
            recent_calls: 512,
            recent_faults,
            ..quiet()
        };
        assert_eq!(judge(&recent(25)), None, "less than five of a hundred");
        assert!(judge(&recent(26)).unwrap().contains("26 of 512"));
    }

    #[test]
    fn too_many_alarms_and_too_many_lost_ones_are_named() {
        let added = Compared { same: 3, added: 7, ..Compared::default() };
        assert!(with(added).unwrap().contains("got 10"));
        let two = Compared { lost: 2, ..Compared::default() };
        assert_eq!(with(two), None, "too few to judge");
        let few = Compared { same: 12, lost: 3, ..Compared::default() };
        assert_eq!(with(few), None, "20 of a hundred");
        let many = Compared { same: 11, lost: 3, ..Compared::default() };
        assert!(with(many).unwrap().starts_with("lost alarms"));
    }
}
