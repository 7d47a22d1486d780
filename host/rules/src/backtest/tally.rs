//! What a policy's calls came to: how many, what failed, what they cost. Tallies of many threads add up to the same sum in
//! whatever order.

use davy_domain::policy::{Evaluation, PolicyFault};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// It trapped.
    Trap,
    /// It used up its fuel.
    OutOfFuel,
    /// It ran past the backstop of processor time.
    Deadline,
    /// It was not asked.
    Suspended,
    /// It went over a limit.
    Limit,
    /// Its answer breaks the contract.
    Nonsense,
    /// It reported a fault of its own.
    Reported,
}

impl FaultKind {
    /// The kind of a fault.
    pub const fn of(fault: &PolicyFault) -> Self {
        match fault {
            PolicyFault::Trap { .. } => Self::Trap,
            PolicyFault::OutOfFuel { .. } => Self::OutOfFuel,
            PolicyFault::Deadline => Self::Deadline,
            PolicyFault::Suspended => Self::Suspended,
            PolicyFault::Limit { .. } => Self::Limit,
            PolicyFault::Nonsense { .. } => Self::Nonsense,
            PolicyFault::Reported { .. } => Self::Reported,
        }
    }
}

/// A policy's calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Calls {
    /// How often it was asked. A policy at rest is not.
    pub calls: u64,
    /// How many of the calls failed, by kind.
    pub faults: BTreeMap<FaultKind, u64>,
    /// What they cost.
    pub fuel: FuelFigures,
}

/// Fuel of calls, in the engine's units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FuelFigures {
    /// Of all calls.
    pub total: u64,
    /// Half of the calls cost at most this; within 2 %.
    pub p50: u64,
    /// 99 of 100 calls cost at most this; within 2 %.
    pub p99: u64,
    /// The dearest call, exactly.
    pub max: u64,
}

/// Steps between two powers of two: a figure is off by at most 1/64.
const STEPS_LOG2: u32 = 6;

/// Calls being counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    calls: u64,
    faults: BTreeMap<FaultKind, u64>,
    total: u64,
    max: u64,
    /// Calls by the step that their fuel falls into.
    steps: BTreeMap<u32, u64>,
}

impl Tally {
    pub(crate) fn count(&mut self, evaluation: &Evaluation) {
        self.calls += 1;
        self.total += evaluation.fuel;
        self.max = self.max.max(evaluation.fuel);
        *self.steps.entry(step(evaluation.fuel)).or_default() += 1;
        if let Err(fault) = &evaluation.result {
            *self.faults.entry(FaultKind::of(fault)).or_default() += 1;
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.total += other.total;
        self.max = self.max.max(other.max);
        for (kind, count) in &other.faults {
            *self.faults.entry(*kind).or_default() += count;
        }
        for (step, count) in &other.steps {
            *self.steps.entry(*step).or_default() += count;
        }
    }

    pub(crate) fn figures(&self) -> Calls {
        let fuel = FuelFigures { total: self.total, p50: self.at(50), p99: self.at(99), max: self.max };
        Calls { calls: self.calls, faults: self.faults.clone(), fuel }
    }

    /// What `percent` of the calls cost at most.
    fn at(&self, percent: u64) -> u64 {
        let rank = (self.calls * percent).div_ceil(100);
        let mut below = 0;
        let found = self.steps.iter().find(|(_, count)| {
            below += **count;
            below >= rank
        });
        found.map_or(0, |(step, _)| highest(*step).min(self.max))
    }
}

/// Which step a figure falls into: exact up to 64, then 64 steps to each doubling.
const fn step(value: u64) -> u32 {
    let Some(bits) = value.checked_ilog2() else { return 0 };
    if bits <= STEPS_LOG2 {
        return value as u32;
    }
    let shift = bits - STEPS_LOG2;
    (shift << STEPS_LOG2) + (value >> shift) as u32
}

/// The highest figure of a step.
const fn highest(step: u32) -> u64 {
    let shift = (step >> STEPS_LOG2).saturating_sub(1);
    let leading = (step - (shift << STEPS_LOG2)) as u64;
    ((leading + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_domain::policy::PolicyOutcome;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_step_holds_its_figures_to_one_part_in_64(value in prop_oneof![0..200_u64, any::<u32>().prop_map(u64::from)]) {
            let top = highest(step(value));
            prop_assert!(top >= value && top - value <= value / 64, "{} in a step up to {}", value, top);
            prop_assert!(step(top) == step(value) && step(top + 1) == step(value) + 1);
        }

        #[test]
        fn sums_do_not_depend_on_how_the_calls_were_divided(fuels in prop::collection::vec(0..100_000_u64, 1..200), cut in any::<prop::sample::Index>()) {
            let tally = |fuels: &[u64]| {
                let mut tally = Tally::default();
                for fuel in fuels {
                    let result = if fuel % 7 == 0 { Err(PolicyFault::Deadline) } else { Ok(PolicyOutcome::default()) };
                    tally.count(&Evaluation { result, fuel: *fuel });
                }
                tally
            };
            let (left, right) = fuels.split_at(cut.index(fuels.len()));
            let mut sum = tally(right);
            sum.add(&tally(left));
            let whole = tally(&fuels);
            prop_assert_eq!(&sum, &whole);
            let mut sorted = fuels.clone();
            sorted.sort_unstable();
            let figures = whole.figures().fuel;
            let exact = sorted[(fuels.len() * 99).div_ceil(100) - 1];
            prop_assert!(figures.p99 >= exact && figures.p99 - exact <= exact / 64);
            prop_assert_eq!(figures.max, *sorted.last().unwrap());
        }
    }
}
