//! A rule's own cases: its fixtures, carried by the component itself in a custom section, and run before it is let in.
//!
//! They are part of the component's bytes and thereby of its digest: what was proven of a rule cannot be parted from it. The section holds
//! a JSON list of (name, fixture's text) in the order of the names, so the same crate always gives the same bytes.
//!
//! They are the author's word about the rule, and no more: nothing may be let in because its cases pass.

use crate::admission::{Admitted, Refusal, Stage};
use crate::engine::Engine;
use crate::fixtures::Sandbox;
use crate::world::World;
use davy_domain::refusal::{Advice, Place, Reason};
use davy_rules_sdk::fixtures::{self, Fixed, Fixture};
use davy_rules_sdk::harness::Evaluator;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::{fs, io};
use wasmparser::{Parser, Payload};

/// The custom section's name.
pub const SECTION: &str = "davy:fixtures";
/// The most that it may be, bytes.
pub const MAX_BYTES: usize = 256 << 10;
/// The most cases in it.
pub const MAX_CASES: usize = 100;

/// One case: a fixture file by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Case(pub String, pub String);

/// Why cases cannot be put into a component, or not be read from it.
#[derive(Debug, thiserror::Error)]
pub enum CasesError {
    /// A file cannot be read.
    #[error("the case {} cannot be read: {source}", .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A fixture is none.
    #[error("the case `{name}` cannot be used: {problem}")]
    Fixture {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// There are too many, or they are too long.
    #[error("expected at most {MAX_CASES} cases of {MAX_BYTES} bytes together, got {cases} of {bytes} bytes")]
    TooMuch {
        /// How many.
        cases: usize,
        /// How long together.
        bytes: usize,
    },
    /// The section is not what this module writes.
    #[error("the custom section `{SECTION}` cannot be read: {0}")]
    Section(String),
}

/// What came of one case in the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Passed {
    /// The case's name.
    pub name: String,
    /// What it shows.
    pub about: String,
    /// Decisions in it.
    pub decisions: u32,
    /// Fuel of the dearest one.
    pub most_fuel: u64,
}

/// The `*.json` files of a folder, in the order of their names. Each must be a fixture.
///
/// # Errors
/// [`CasesError`] names the file.
pub fn read_folder(folder: &Path) -> Result<Vec<Case>, CasesError> {
    let wrong = |file: &Path| {
        let file = file.to_owned();
        move |source| CasesError::File { file, source }
    };
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrong(folder))? {
        let file = entry.map_err(wrong(folder))?.path();
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = fs::read_to_string(&file).map_err(wrong(&file))?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Fixture::parse(&text).map_err(|problem| CasesError::Fixture { name: name.clone(), problem })?;
        cases.push(Case(name, text));
    }
    cases.sort();
    Ok(cases)
}

/// A component with its cases; without any it stays as it is.
///
/// # Errors
/// [`CasesError::TooMuch`].
pub fn embed(component: &[u8], cases: &[Case]) -> Result<Vec<u8>, CasesError> {
    let mut component = component.to_vec();
    if cases.is_empty() {
        return Ok(component);
    }
    let data = serde_json::to_vec(cases).map_err(|error| CasesError::Section(error.to_string()))?;
    bounded(cases.len(), data.len())?;
    let mut body = Vec::with_capacity(data.len() + 16);
    leb128(&mut body, SECTION.len());
    body.extend_from_slice(SECTION.as_bytes());
    body.extend_from_slice(&data);
    component.push(0);
    leb128(&mut component, body.len());
    component.extend_from_slice(&body);
    Ok(component)
}

fn bounded(cases: usize, bytes: usize) -> Result<(), CasesError> {
    if cases <= MAX_CASES && bytes <= MAX_BYTES { Ok(()) } else { Err(CasesError::TooMuch { cases, bytes }) }
}

fn leb128(out: &mut Vec<u8>, mut value: usize) {
    while value > 0x7f {
        out.push(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The cases that a component carries; none is no error.
///
/// # Errors
/// [`CasesError`] when there is a section and it is not what [`embed`] writes.
pub fn of(component: &[u8]) -> Result<Vec<Case>, CasesError> {
    let mut depth = 0_u32;
    let mut found: Option<Vec<Case>> = None;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|error| CasesError::Section(error.message().to_owned()))? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 1 && section.name() == SECTION => {
                if found.is_some() {
                    return Err(CasesError::Section("expected it once, got a second one".into()));
                }
                bounded(0, section.data().len())?;
                let cases: Vec<Case> = serde_json::from_slice(section.data())
                    .map_err(|error| CasesError::Section(format!("expected a list of names and fixtures: {error}")))?;
                bounded(cases.len(), section.data().len())?;
                if !cases.is_sorted_by(|one, next| one.0 < next.0) {
                    return Err(CasesError::Section("expected each name once, in order".into()));
                }
                found = Some(cases);
            }
            _ => {}
        }
    }
    Ok(found.unwrap_or_default())
}

/// A case in the sandbox.
///
/// # Errors
/// [`CasesError::Fixture`] when the case itself is wrong; a difference is in the report.
pub fn try_one<W>(engine: &Engine, admitted: &Admitted<W>, case: &Case) -> Result<fixtures::Report<W>, CasesError>
where
    W: World + Fixed,
    Sandbox<W>: Evaluator<World = W>,
{
    let Case(name, text) = case;
    let rule = engine.load(admitted);
    Fixture::parse(text)
        .and_then(|fixture| fixtures::run(name, &fixture, Sandbox::new(&rule)))
        .map_err(|problem| CasesError::Fixture { name: name.clone(), problem })
}

/// Runs what a component carries; the first one that comes out otherwise refuses it.
pub(crate) fn admit<W>(engine: &Engine, admitted: &Admitted<W>, cases: &[Case]) -> Result<Vec<Passed>, Refusal>
where
    W: World + Fixed,
    Sandbox<W>: Evaluator<World = W>,
{
    let mut passed = Vec::with_capacity(cases.len());
    for case in cases {
        let report = try_one(engine, admitted, case).map_err(|error| refuse(&error))?;
        if let Some(mismatch) = report.mismatches.first() {
            let remedy = "Mend the rule or the fixture, try it with `davyctl rule test`, and build it again";
            let reason = format!("its own case `{}` comes out otherwise: {mismatch}", report.name);
            let refusal = Refusal::new(Stage::Cases, (Reason::CaseDiffers, reason), (Advice::MendCase, remedy));
            let refusal = refusal.at(Place::Case, format!("case `{}`", report.name));
            return Err(refusal.with("case", report.name).with("detail", mismatch));
        }
        passed.push(Passed {
            name: report.name,
            about: report.about,
            decisions: report.decisions.len() as u32,
            most_fuel: report.fuel.iter().max().copied().unwrap_or(0),
        });
    }
    Ok(passed)
}

/// A refusal for cases that cannot be run at all.
pub(crate) fn refuse(error: &CasesError) -> Refusal {
    let remedy = "Build the rule with `davyctl rule build`, which packs the crate's `fixtures/*.json`";
    let refuse = |code| Refusal::new(Stage::Cases, (code, error.to_string()), (Advice::PackCases, remedy));
    match error {
        CasesError::Fixture { name, problem } => {
            refuse(Reason::CaseUnusable).with("case", name).with("detail", problem)
        }
        CasesError::TooMuch { cases, bytes } => refuse(Reason::CasesTooMuch)
            .with("most", MAX_CASES)
            .with("most_bytes", MAX_BYTES)
            .with("cases", cases)
            .with("bytes", bytes),
        CasesError::Section(detail) => refuse(Reason::CasesUnreadable).with("detail", detail),
        CasesError::File { source, .. } => refuse(Reason::CasesUnreadable).with("detail", source),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what it found by panicking")]

    use super::*;

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn case(name: &str) -> Case {
        Case(name.into(), format!("{{\"about\": \"{name}\", \"steps\": []}}"))
    }

    #[test]
    fn cases_come_out_as_they_went_in_and_always_as_the_same_bytes() {
        let cases = [case("a"), case("b")];
        let component = embed(EMPTY, &cases).unwrap();
        assert_eq!(of(&component).unwrap(), cases);
        assert_eq!(embed(EMPTY, &cases).unwrap(), component);
        assert_eq!(embed(EMPTY, &[]).unwrap(), EMPTY);
        assert_eq!(of(EMPTY).unwrap(), []);
    }

    #[test]
    fn too_many_or_too_long_cases_are_refused_on_both_ways() {
        let many: Vec<Case> = (0..=MAX_CASES).map(|index| case(&format!("{index:04}"))).collect();
        assert!(matches!(embed(EMPTY, &many), Err(CasesError::TooMuch { cases: 101, .. })));
        let long = Case("long".into(), "x".repeat(MAX_BYTES));
        assert!(matches!(embed(EMPTY, std::slice::from_ref(&long)), Err(CasesError::TooMuch { .. })));
    }

    #[test]
    fn a_section_that_was_not_made_by_this_module_is_refused() {
        let twice = embed(&embed(EMPTY, &[case("a")]).unwrap(), &[case("b")]).unwrap();
        assert!(of(&twice).unwrap_err().to_string().contains("second"));
        let unordered = embed(EMPTY, &[case("b"), case("a")]).unwrap();
        assert!(of(&unordered).unwrap_err().to_string().contains("in order"));
        let doubled = embed(EMPTY, &[case("a"), case("a")]).unwrap();
        assert!(of(&doubled).unwrap_err().to_string().contains("in order"));
        let other = [EMPTY, &[0, 15, 13], SECTION.as_bytes(), b"x"].concat();
        assert!(of(&other).unwrap_err().to_string().contains("expected a list"));
    }

    #[test]
    fn a_section_of_an_inner_component_is_not_the_rules_own() {
        let inner = embed(EMPTY, &[case("a")]).unwrap();
        let mut outer = EMPTY.to_vec();
        outer.push(4);
        leb128(&mut outer, inner.len());
        outer.extend_from_slice(&inner);
        assert_eq!(of(&outer).unwrap(), []);
    }
}
