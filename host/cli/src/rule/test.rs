//! `davyctl rule test`.

use super::{admission, check, engine, read};
use crate::colour::{Colour, paint};
use crate::exit::Answer;
use anyhow::{Result, ensure};
use davy_rules::cases;
use davy_rules::fixtures::Sandbox;
use davy_rules::world::World;
use davy_rules::{AdmissionError, Admitted, AnyAdmitted, Engine, Tier};
use davy_rules_sdk::fixtures::{self, Fixed, Report};
use davy_rules_sdk::harness::Evaluator;
use serde_json::{Value, json};
use std::path::Path;

/// What came of one fixture, of whichever world.
struct Case {
    name: String,
    about: String,
    decisions: usize,
    /// What each decision cost.
    fuel: Vec<u64>,
    mismatches: Vec<fixtures::Mismatch>,
}

impl<W: World> From<Report<W>> for Case {
    fn from(report: Report<W>) -> Self {
        let decisions = report.decisions.len();
        let Report { name, about, fuel, mismatches, .. } = report;
        Self { name, about, decisions, fuel, mismatches }
    }
}

pub(crate) fn run(file: &Path, folder: Option<&Path>, tier: Tier, as_json: bool) -> Result<Answer> {
    let bytes = read(file)?;
    let engine = engine()?;
    let own = match folder {
        Some(folder) => cases::read_folder(folder)?,
        None => cases::of(&bytes)?,
    };
    ensure!(
        !own.is_empty(),
        "{} has no fixture to run: give a folder of `*.json` with --fixtures, or put them into the crate's `fixtures` and build it again",
        folder.unwrap_or(file).display()
    );
    let (digest, cases) = match admission().load_any(&engine, &bytes, tier) {
        Ok(admitted) => (
            admitted.digest(),
            match &admitted {
                AnyAdmitted::Alarm(admitted) => tried(&engine, admitted, &own),
                AnyAdmitted::Billing(admitted) => tried(&engine, admitted, &own),
                AnyAdmitted::Notification(admitted) => tried(&engine, admitted, &own),
                AnyAdmitted::Driver(admitted) => tried(&engine, admitted, &own),
            }?,
        ),
        Err(AdmissionError::Refused(refusal)) => {
            check::refused(file, &refusal, as_json);
            return Ok(Answer::No);
        }
        Err(error @ AdmissionError::Machine { .. }) => return Err(error.into()),
    };
    let failed = cases.iter().filter(|case| !case.mismatches.is_empty()).count();
    let budget = engine.config().fuel_of(tier);
    if as_json {
        let cases: Vec<_> = cases.iter().map(as_value).collect();
        println!("{:#}", json!({ "digest": digest, "fuel-budget": budget, "fixtures": cases }));
    } else {
        for case in &cases {
            print(case, budget);
        }
        let colour = if failed == 0 { Colour::Good } else { Colour::Bad };
        println!("{}", paint(&format!("{} passed, {failed} failed", cases.len() - failed), colour));
    }
    Ok((failed == 0).into())
}

fn tried<W>(engine: &Engine, admitted: &Admitted<W>, own: &[cases::Case]) -> Result<Vec<Case>>
where
    W: World + Fixed,
    Sandbox<W>: Evaluator<World = W>,
{
    own.iter().map(|case| Ok(Case::from(cases::try_one(engine, admitted, case)?))).collect()
}

fn as_value(case: &Case) -> Value {
    json!({
        "name": case.name,
        "about": case.about,
        "passed": case.mismatches.is_empty(),
        "decisions": case.decisions,
        "fuel": { "most": case.fuel.iter().max(), "total": case.fuel.iter().sum::<u64>() },
        "mismatches": case.mismatches,
    })
}

fn print(case: &Case, budget: u64) {
    let passed = case.mismatches.is_empty();
    let word = if passed { paint("pass", Colour::Good) } else { paint("FAIL", Colour::Bad) };
    let most = case.fuel.iter().max().copied().unwrap_or(0);
    let share = 100.0 * most as f64 / budget as f64;
    println!(
        "{word}  {}  {} ({} decisions, at most {most} fuel each: {share:.1} % of the budget)",
        case.name, case.about, case.decisions
    );
    for mismatch in &case.mismatches {
        for line in mismatch.to_string().lines() {
            println!("      {line}");
        }
    }
}
