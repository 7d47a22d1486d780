//! The bounds of a version that is being tried: beyond them the platform takes it back by itself.
//!
//! Pure: figures in, a reason out. What is in force is never taken back by the platform: a person decides about it.

use super::health::HealthReport;

/// So many calls before faults are judged.
const CALLS_FOR_FAULTS: u64 = 50;
/// Faults of a hundred calls.
const MOST_FAULTS_PERCENT: u64 = 2;
/// So many calls before fuel is judged.
const CALLS_FOR_FUEL: u64 = 200;
/// Of the budget, by 99 of 100 calls.
const MOST_FUEL_PERCENT: u64 = 80;
/// So many alarms before their rate is judged.
const ALARMS_FOR_RATE: u64 = 10;
/// So many times the alarms of what is in force, on the same number of devices.
const MOST_ALARMS_TIMES: u64 = 3;

/// What a version is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// Beside what is in force, on all devices.
    Shadow,
    /// Instead of it, on a share of them.
    Cohort {
        /// The share, of a thousand.
        permille: u16,
        /// Alarms that what is in force has raised on the others, in the same time.
        others: u64,
    },
}

/// Why a version must be taken back, if it must.
pub fn judge(health: &HealthReport, tried: Tried) -> Option<String> {
    let faults: u64 = health.faults.values().sum();
    if health.calls >= CALLS_FOR_FAULTS && faults * 100 > health.calls * MOST_FAULTS_PERCENT {
        return Some(format!(
            "faults: expected at most {MOST_FAULTS_PERCENT} of 100 calls, got {faults} of {}",
            health.calls
        ));
    }
    if health.calls >= CALLS_FOR_FUEL && health.fuel.p99 * 100 > health.fuel_budget * MOST_FUEL_PERCENT {
        return Some(format!(
            "fuel: expected 99 of 100 calls within {MOST_FUEL_PERCENT} % of {}, got {}",
            health.fuel_budget, health.fuel.p99
        ));
    }
    let (mine, others) = match tried {
        Tried::Shadow => {
            let compared = health.compared;
            let both = compared.same + compared.earlier + compared.later;
            (both + compared.added, both + compared.lost)
        }
        Tried::Cohort { permille, others } => {
            let share = u64::from(permille).max(1);
            // Each per thousand devices.
            (health.alarms * 1_000 / share, others * 1_000 / (1_000 - share.min(999)))
        }
    };
    let raised = match tried {
        Tried::Shadow => mine,
        Tried::Cohort { .. } => health.alarms,
    };
    if raised >= ALARMS_FOR_RATE && mine > others.max(1) * MOST_ALARMS_TIMES {
        return Some(format!(
            "alarms: expected at most {MOST_ALARMS_TIMES} times those of what is in force ({others} on as many devices), got {mine}"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::health::{Compared, Health, Spread};
    use davy_domain::Timestamp;

    fn quiet() -> HealthReport {
        let report = Health::new(Timestamp::from_millis(0)).report(2_000_000, Timestamp::from_millis(1));
        HealthReport { calls: 10_000, fuel: Spread { p50: 15_000, p99: 40_000, max: 90_000 }, ..report }
    }

    const COHORT: Tried = Tried::Cohort { permille: 100, others: 9 };

    #[test]
    fn a_decent_version_is_left_alone() {
        assert_eq!(judge(&quiet(), Tried::Shadow), None);
        assert_eq!(judge(&HealthReport { alarms: 2, ..quiet() }, COHORT), None);
        let compared = Compared { same: 100, earlier: 5, later: 1, added: 3, lost: 1 };
        assert_eq!(judge(&HealthReport { compared, ..quiet() }, Tried::Shadow), None);
    }

    #[test]
    fn faults_fuel_and_alarms_out_of_bounds_are_named() {
        let faults = |count| [("trap".to_owned(), count)].into_iter().collect();
        assert_eq!(judge(&HealthReport { faults: faults(200), ..quiet() }, COHORT), None, "two of a hundred");
        assert!(judge(&HealthReport { faults: faults(201), ..quiet() }, COHORT).unwrap().contains("201 of 10000"));
        assert_eq!(judge(&HealthReport { calls: 10, faults: faults(10), ..quiet() }, COHORT), None, "too few to judge");
        let fuel = Spread { p50: 1, p99: 1_600_001, max: 1_600_001 };
        assert!(judge(&HealthReport { fuel, ..quiet() }, Tried::Shadow).unwrap().starts_with("fuel"));
        // 10 on a tenth of the devices are 100 on all; 9 on the others are 10.
        assert!(judge(&HealthReport { alarms: 10, ..quiet() }, COHORT).unwrap().contains("got 100"));
        let compared = Compared { same: 3, added: 7, ..Compared::default() };
        assert!(judge(&HealthReport { compared, ..quiet() }, Tried::Shadow).unwrap().contains("got 10"));
    }
}
