//! Whether a version that is being tried is within its bounds: beyond them the platform takes it back by itself.
//!
//! Pure: figures and bounds in, a reason out. What is in force is never taken back by the platform: a person decides about it. The bounds are
//! the company's own or the operator's ([`Bounds`], `docs/rules.md`); a version in shadow and one in a cohort are held to the same.

use davy_api::RuleHealth;
use davy_domain::release::Breach;
use davy_domain::release::bounds::{Bound, Bounds};

/// Why a version must be taken back, if it must.
///
/// Alarms are those of the comparison: both versions are asked about the same events, so the bounds do not depend on how many devices the
/// version decides for.
pub fn judge(health: &RuleHealth, bounds: &Bounds) -> Option<Breach> {
    let bound = |bound| u64::from(bounds.get(bound));
    let faults: u64 = health.faults.values().sum();
    let most = bound(Bound::Faults);
    if health.calls >= bound(Bound::FaultsFrom) && faults * 100 > health.calls * most {
        return Some(Breach::Faults { most, got: faults, of: health.calls });
    }
    let (recent, of, most) = (health.recent_faults, health.recent_calls, bound(Bound::RecentFaults));
    if of >= bound(Bound::FaultsFrom) && recent * 100 > of * most {
        return Some(Breach::RecentFaults { most, got: recent, of });
    }
    let most = bound(Bound::Fuel);
    if health.calls >= bound(Bound::FuelFrom) && health.fuel.p99 * 100 > health.fuel_budget * most {
        return Some(Breach::Fuel { most, budget: health.fuel_budget, got: health.fuel.p99 });
    }
    let compared = health.compared;
    let both = compared.same + compared.earlier + compared.later;
    let (mine, in_force, most) = (both + compared.added, both + compared.lost, bound(Bound::Alarms));
    if mine >= bound(Bound::AlarmsFrom) && mine > in_force.max(1) * most {
        return Some(Breach::Alarms { most, in_force, got: mine });
    }
    let most = bound(Bound::LostAlarms);
    if compared.lost >= bound(Bound::LostFrom) && compared.lost * 100 > in_force * most {
        return Some(Breach::LostAlarms { most, in_force, got: compared.lost });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::judge as judge_within;
    use super::*;
    use crate::rules::health::Health;
    use davy_api::{RuleCompared, RuleSpread};
    use davy_domain::Timestamp;

    /// By the usual bounds.
    fn judge(health: &RuleHealth) -> Option<Breach> {
        judge_within(health, &Bounds::default())
    }

    fn quiet() -> RuleHealth {
        let report = Health::new(Timestamp::from_millis(0)).report(2_000_000, Timestamp::from_millis(1));
        RuleHealth { calls: 10_000, fuel: RuleSpread { p50: 15_000, p99: 40_000, max: 90_000 }, ..report }
    }

    fn with(compared: RuleCompared) -> Option<Breach> {
        judge(&RuleHealth { compared, ..quiet() })
    }

    #[test]
    fn a_decent_version_is_left_alone() {
        assert_eq!(judge(&quiet()), None);
        assert_eq!(
            with(RuleCompared { same: 100, earlier: 5, later: 1, added: 3, lost: 1, ..RuleCompared::default() }),
            None
        );
        // However many alarms there are, and on however large a share of the devices.
        assert_eq!(judge(&RuleHealth { alarms: 1_000, ..quiet() }), None);
        assert_eq!(with(RuleCompared { same: 1_000, ..RuleCompared::default() }), None);
    }

    #[test]
    fn faults_and_fuel_out_of_bounds_are_named() {
        let faults = |count| [("trap".to_owned(), count)].into_iter().collect();
        assert_eq!(judge(&RuleHealth { faults: faults(200), ..quiet() }), None, "two of a hundred");
        assert!(judge(&RuleHealth { faults: faults(201), ..quiet() }).unwrap().to_string().contains("201 of 10000"));
        assert_eq!(judge(&RuleHealth { calls: 10, faults: faults(10), ..quiet() }), None, "too few to judge");
        let fuel = RuleSpread { p50: 1, p99: 1_600_001, max: 1_600_001 };
        assert!(judge(&RuleHealth { fuel, ..quiet() }).unwrap().to_string().starts_with("fuel"));
    }

    #[test]
    fn a_version_that_was_well_for_a_million_calls_may_not_fail_for_long() {
        let recent = |recent_faults| RuleHealth {
            calls: 1_000_000,
            faults: [("trap".to_owned(), recent_faults)].into_iter().collect(),
            recent_calls: 512,
            recent_faults,
            ..quiet()
        };
        assert_eq!(judge(&recent(25)), None, "less than five of a hundred");
        assert!(judge(&recent(26)).unwrap().to_string().contains("26 of 512"));
    }

    #[test]
    fn too_many_alarms_and_too_many_lost_ones_are_named() {
        let added = RuleCompared { same: 3, added: 7, ..RuleCompared::default() };
        assert!(with(added).unwrap().to_string().contains("got 10"));
        let two = RuleCompared { lost: 2, ..RuleCompared::default() };
        assert_eq!(with(two), None, "too few to judge");
        let few = RuleCompared { same: 12, lost: 3, ..RuleCompared::default() };
        assert_eq!(with(few), None, "20 of a hundred");
        let many = RuleCompared { same: 11, lost: 3, ..RuleCompared::default() };
        assert!(with(many).unwrap().to_string().starts_with("lost alarms"));
    }

    #[test]
    fn each_bound_of_a_company_is_the_one_that_is_judged_by() {
        let faults = RuleHealth { faults: [("trap".to_owned(), 150)].into_iter().collect(), ..quiet() };
        let recent = RuleHealth { recent_calls: 512, recent_faults: 15, ..quiet() };
        let early = RuleHealth { calls: 30, faults: [("trap".to_owned(), 3)].into_iter().collect(), ..quiet() };
        let fuel = RuleHealth { fuel: RuleSpread { p50: 1, p99: 1_400_000, max: 1_400_000 }, ..quiet() };
        let hungry = RuleHealth { calls: 100, fuel: RuleSpread { p50: 1, p99: 1_800_000, max: 1_800_000 }, ..quiet() };
        let alarms = RuleCompared { same: 4, added: 7, ..RuleCompared::default() };
        let few = RuleCompared { same: 1, added: 7, ..RuleCompared::default() };
        let lost = RuleCompared { same: 20, lost: 3, ..RuleCompared::default() };
        let lone = RuleCompared { same: 2, lost: 2, ..RuleCompared::default() };
        let compared = |compared| RuleHealth { compared, ..quiet() };
        for (bound, tighter, health) in [
            (Bound::Faults, 1, faults),
            (Bound::RecentFaults, 2, recent),
            (Bound::FaultsFrom, 20, early),
            (Bound::Fuel, 60, fuel),
            (Bound::FuelFrom, 50, hungry),
            (Bound::Alarms, 2, compared(alarms)),
            (Bound::AlarmsFrom, 5, compared(few)),
            (Bound::LostAlarms, 10, compared(lost)),
            (Bound::LostFrom, 1, compared(lone)),
        ] {
            let mut bounds = Bounds::default();
            assert_eq!(judge_within(&health, &bounds), None, "{}", bound.name());
            bounds.set(bound, tighter).unwrap();
            assert!(judge_within(&health, &bounds).is_some(), "{}", bound.name());
        }
    }
}
