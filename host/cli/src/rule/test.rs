//! `davyctl rule test`.

use super::{check, engine, read};
use crate::exit::Answer;
use anyhow::Result;
use davy_rules::fixtures::Sandbox;
use davy_rules::world::World;
use davy_rules::{Admitted, AnyAdmitted, Engine};
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

pub(crate) fn run(file: &Path, folder: &Path, as_json: bool) -> Result<Answer> {
    let bytes = read(file)?;
    let engine = engine()?;
    let (digest, cases) = match engine.admit_any(&bytes) {
        Ok(admitted) => (
            admitted.digest(),
            match &admitted {
                AnyAdmitted::Alarm(admitted) => cases(&engine, admitted, folder),
                AnyAdmitted::Billing(admitted) => cases(&engine, admitted, folder),
                AnyAdmitted::Notification(admitted) => cases(&engine, admitted, folder),
                AnyAdmitted::Driver(admitted) => cases(&engine, admitted, folder),
            }?,
        ),
        Err(_) => return check::run(file, as_json),
    };
    let failed = cases.iter().filter(|case| !case.mismatches.is_empty()).count();
    let budget = engine.config().fuel;
    if as_json {
        let cases: Vec<_> = cases.iter().map(as_value).collect();
        println!("{:#}", json!({ "digest": digest, "fuel-budget": budget, "fixtures": cases }));
    } else {
        for case in &cases {
            print(case, budget);
        }
        println!("{} passed, {failed} failed", cases.len() - failed);
    }
    Ok((failed == 0).into())
}

fn cases<W>(engine: &Engine, admitted: &Admitted<W>, folder: &Path) -> Result<Vec<Case>>
where
    W: World + Fixed,
    Sandbox<W>: Evaluator<World = W>,
{
    let rule = engine.load(admitted);
    let reports = fixtures::run_dir(folder, || Sandbox::new(&rule))?;
    Ok(reports.into_iter().map(Case::from).collect())
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
    let word = if case.mismatches.is_empty() { "pass" } else { "FAIL" };
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
