//! `davyctl rule test`.

use super::{check, engine, read};
use crate::exit::Answer;
use anyhow::Result;
use davy_rules::fixtures::Sandbox;
use davy_rules_sdk::fixtures::{self, Report};
use serde_json::json;
use std::path::Path;

pub(crate) fn run(file: &Path, folder: &Path, as_json: bool) -> Result<Answer> {
    let bytes = read(file)?;
    let engine = engine()?;
    let rule = match engine.admit(&bytes) {
        Ok(admitted) => engine.load(&admitted),
        Err(_) => return check::run(file, as_json),
    };
    let reports = fixtures::run_dir(folder, || Sandbox::new(&rule))?;
    let failed = reports.iter().filter(|report| !report.passed()).count();
    if as_json {
        println!(
            "{:#}",
            json!({ "digest": rule.digest(), "fixtures": reports.iter().map(as_value).collect::<Vec<_>>() })
        );
    } else {
        reports.iter().for_each(print);
        println!("{} passed, {failed} failed", reports.len() - failed);
    }
    Ok((failed == 0).into())
}

fn as_value(report: &Report) -> serde_json::Value {
    json!({
        "name": report.name,
        "about": report.about,
        "passed": report.passed(),
        "decisions": report.decisions.len(),
        "mismatches": report.mismatches,
    })
}

fn print(report: &Report) {
    let word = if report.passed() { "pass" } else { "FAIL" };
    println!("{word}  {}  {} ({} decisions)", report.name, report.about, report.decisions.len());
    for mismatch in &report.mismatches {
        println!("      {mismatch}");
    }
}
