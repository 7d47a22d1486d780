//! `davyctl rule profile`: what each decision of the fixtures costs, in fuel (the same on every machine) and in time (of this one).

use super::{admission, check, engine, read};
use crate::exit::Answer;
use anyhow::{Result, ensure};
use davy_rules::cases::{self, Case};
use davy_rules::fixtures::Sandbox;
use davy_rules::world::World;
use davy_rules::{AdmissionError, Admitted, AnyAdmitted, Engine, Tier};
use davy_rules_sdk::fixtures::Fixed;
use davy_rules_sdk::harness::Evaluator;
use serde_json::json;
use std::path::Path;
use std::time::Instant;

/// How often each case is run, to time it.
const ROUNDS: usize = 50;

/// What one case costs.
struct Cost {
    name: String,
    fuel: Vec<u64>,
    /// Per decision, the best round, nanoseconds.
    nanos: u64,
}

pub(crate) fn run(file: &Path, folder: Option<&Path>, tier: Tier, as_json: bool) -> Result<Answer> {
    let bytes = read(file)?;
    let engine = engine()?;
    let admitted = match admission().load_any(&engine, &bytes, tier) {
        Ok(admitted) => admitted,
        Err(AdmissionError::Refused(refusal)) => {
            check::refused(file, &refusal, as_json);
            return Ok(Answer::No);
        }
        Err(error @ AdmissionError::Machine { .. }) => return Err(error.into()),
    };
    let own = match folder {
        Some(folder) => cases::read_folder(folder)?,
        None => cases::of(&bytes)?,
    };
    ensure!(!own.is_empty(), "there is no fixture to run: give a folder of `*.json` with --fixtures");
    let costs = match &admitted {
        AnyAdmitted::Alarm(admitted) => costs(&engine, admitted, &own),
        AnyAdmitted::Billing(admitted) => costs(&engine, admitted, &own),
        AnyAdmitted::Notification(admitted) => costs(&engine, admitted, &own),
        AnyAdmitted::Driver(admitted) => costs(&engine, admitted, &own),
    }?;
    let budget = engine.config().fuel_of(tier);
    if as_json {
        let cases: Vec<_> = costs
            .iter()
            .map(|cost| json!({"name": cost.name, "fuel": spread(&cost.fuel), "nanos-a-decision": cost.nanos}))
            .collect();
        println!("{:#}", json!({"fuel-budget": budget, "cases": cases}));
        return Ok(Answer::Yes);
    }
    println!("{:<32} {:>9} {:>9} {:>9} {:>7} {:>9}", "case", "fuel p50", "p99", "most", "budget", "µs each");
    for cost in &costs {
        let [p50, p99, most] = spread(&cost.fuel);
        let share = 100.0 * most as f64 / budget as f64;
        let micros = cost.nanos as f64 / 1_000.0;
        println!("{:<32} {p50:>9} {p99:>9} {most:>9} {share:>6.1}% {micros:>9.1}", cost.name);
    }
    Ok(Answer::Yes)
}

fn costs<W>(engine: &Engine, admitted: &Admitted<W>, own: &[Case]) -> Result<Vec<Cost>>
where
    W: World + Fixed,
    Sandbox<W>: Evaluator<World = W>,
{
    let mut costs = Vec::with_capacity(own.len());
    for case in own {
        let mut best = u64::MAX;
        let mut fuel = Vec::new();
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            let report = cases::try_one(engine, admitted, case)?;
            let each = begun.elapsed().as_nanos() / report.fuel.len().max(1) as u128;
            best = best.min(u64::try_from(each).unwrap_or(u64::MAX));
            fuel = report.fuel;
        }
        costs.push(Cost { name: case.0.clone(), fuel, nanos: best });
    }
    Ok(costs)
}

/// p50, p99 and the most.
fn spread(fuel: &[u64]) -> [u64; 3] {
    let mut sorted = fuel.to_vec();
    sorted.sort_unstable();
    let at = |share: usize| {
        sorted.get((sorted.len() * share / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0)
    };
    [at(50), at(99), sorted.last().copied().unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn a_spread_is_of_the_sorted_figures() {
        let fuel: Vec<u64> = (1..=200).rev().collect();
        assert_eq!(spread(&fuel), [101, 199, 200]);
        assert_eq!(spread(&[]), [0, 0, 0]);
        assert_eq!(spread(&[7]), [7, 7, 7]);
    }
}
