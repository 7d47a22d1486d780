//! Fixture files: a sequence of events with the outcomes that a rule must give, as JSON that a person can read and review.
//!
//! ```json
//! {
//!   "about": "Gas over the high level for ten seconds closes the valve",
//!   "settings": { "gas-high-level": 20 },
//!   "device": { "kind": "detector", "installed-days-ago": 400, "valve": "open" },
//!   "steps": [
//!     { "at-s": 0, "readings": [{ "gas": 2.0 }], "expect": { "rests": true } },
//!     { "at-s": 60, "readings": [{ "gas": 30.0 }, { "gas": 31.0, "at-s": 72 }],
//!       "expect": { "raises": [{ "condition": "gas-high", "priority": "urgent" }], "close-valve": "gas-high" } },
//!     { "at-s": 80, "valve": "closed", "expect": {} }
//!   ]
//! }
//! ```
//!
//! Times are seconds after `start-ms` (2026-01-01T00:00:00Z if absent). A step has `readings`, `timer` (an id), `valve` (the
//! position it moved to) or `start: true`; with `repeat: {"times": n, "every-s": s}` it is sent `n` times. `expect` says the
//! whole outcome: what is not listed must not happen, only `notes`, `timers` and `rests` are compared when they are given. A step without
//! `expect` is not compared. Alarms raised and cleared are active in the steps after, as in the host.

use crate::codes::{condition, device_kind, fault, priority, quantity, trigger, valve_state};
use crate::contract::{Outcome, Reading};
use crate::harness::{Bench, Evaluator, Failure};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

/// 2026-01-01T00:00:00Z in ms.
const DEFAULT_START_MS: i64 = 1_767_225_600_000;
const DAY_MS: i64 = 86_400_000;
/// The most events of one fixture, repeats included.
const MAX_EVENTS: u32 = 1_000_000;

/// A fixture file's content.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Fixture {
    /// What it shows, as a sentence.
    pub about: String,
    /// Settings; absent properties take their defaults.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// When the clock of the steps begins, ms since the Unix epoch.
    #[serde(default)]
    pub start_ms: Option<i64>,
    /// The device.
    #[serde(default)]
    pub device: Device,
    /// The events in order.
    pub steps: Vec<Step>,
}

/// What the rule is told of the device.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Device {
    /// Name of the kind; `detector` if absent.
    pub kind: Option<String>,
    /// Days between its installation and the start; unknown if absent.
    pub installed_days_ago: Option<i64>,
    /// Days between its last maintenance and the start; unknown if absent.
    pub maintained_days_ago: Option<i64>,
    /// Where the linked valve is at the start; `open` if absent.
    pub valve: Option<String>,
}

/// One event.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Step {
    /// Seconds after the start.
    pub at_s: f64,
    /// New readings: one quantity by name each, optionally with `at-s` and `channel`.
    #[serde(default)]
    pub readings: Option<Vec<Map<String, Value>>>,
    /// The id of a due timer.
    #[serde(default)]
    pub timer: Option<u32>,
    /// Where the valve moved to.
    #[serde(default)]
    pub valve: Option<String>,
    /// The rule begins to work.
    #[serde(default)]
    pub start: bool,
    /// Send it several times.
    #[serde(default)]
    pub repeat: Option<Repeat>,
    /// The outcome; with `repeat`, of every one.
    #[serde(default)]
    pub expect: Option<Expect>,
}

/// Several events that differ in their time only.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Repeat {
    /// How many.
    pub times: u32,
    /// Seconds between two.
    pub every_s: f64,
}

/// An outcome.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Expect {
    /// Alarms raised, in order.
    #[serde(default)]
    pub raises: Vec<ExpectRaise>,
    /// Names of conditions cleared, in order.
    #[serde(default)]
    pub clears: Vec<String>,
    /// The name of the condition that the valve is closed for; absent when it is not closed.
    #[serde(default)]
    pub close_valve: Option<String>,
    /// Timers set, in order.
    #[serde(default)]
    pub timers: Option<Vec<ExpectTimer>>,
    /// Remarks.
    #[serde(default)]
    pub notes: Option<Vec<String>>,
    /// Whether a wake condition is given.
    #[serde(default)]
    pub rests: Option<bool>,
    /// No decision, but the rule's own fault.
    #[serde(default)]
    pub fault: Option<ExpectFault>,
}

/// An alarm raised.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExpectRaise {
    /// Name of the condition.
    pub condition: String,
    /// Name of the priority.
    pub priority: String,
    /// The rule's text; not compared when absent.
    #[serde(default)]
    pub text: Option<u16>,
}

/// A timer set.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExpectTimer {
    /// Its id.
    pub id: u32,
    /// When it is due, seconds after the start.
    pub at_s: f64,
}

/// The rule's own fault.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExpectFault {
    /// Name of the kind.
    pub kind: String,
    /// The settings property.
    #[serde(default)]
    pub field: String,
}

/// What came of one event.
pub type Decided = Result<Outcome, Failure>;

/// What came of one fixture.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The file, or the name given.
    pub name: String,
    /// What it shows.
    pub about: String,
    /// Every decision in order: two evaluators agree when these are equal.
    pub decisions: Vec<Decided>,
    /// Where it differed from what was expected; empty when it passed.
    pub mismatches: Vec<String>,
}

impl Report {
    /// Whether every expectation was met.
    pub fn passed(&self) -> bool {
        self.mismatches.is_empty()
    }
}

/// Why a fixture could not be run.
#[derive(Debug)]
pub struct FixtureError {
    /// The file.
    pub file: PathBuf,
    /// What was expected and what came.
    pub problem: String,
}

impl fmt::Display for FixtureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.problem)
    }
}

impl std::error::Error for FixtureError {}

/// Runs every `*.json` file of a folder, in the order of the names, each with a new evaluator.
///
/// # Errors
/// [`FixtureError`] when the folder has no fixture or one cannot be read. A decision that differs is no error but a mismatch
/// in its report.
pub fn run_dir<E: Evaluator>(folder: &Path, mut evaluator: impl FnMut() -> E) -> Result<Vec<Report>, FixtureError> {
    let error = |file: &Path, problem: String| FixtureError { file: file.into(), problem };
    let entries = fs::read_dir(folder).map_err(|e| error(folder, format!("expected a folder of fixtures: {e}")))?;
    let mut files = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>, io::Error>>()
        .map_err(|e| error(folder, e.to_string()))?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    if files.is_empty() {
        return Err(error(folder, "expected at least one fixture `*.json`, found none".into()));
    }
    files
        .iter()
        .map(|file| {
            let text = fs::read_to_string(file).map_err(|e| error(file, e.to_string()))?;
            let fixture = serde_json::from_str(&text).map_err(|e| error(file, format!("not a fixture: {e}")))?;
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            run(&name, &fixture, evaluator()).map_err(|problem| error(file, problem))
        })
        .collect()
}

/// Runs one fixture.
///
/// # Errors
/// A sentence when the fixture itself is wrong: an unknown name, an unusable time, settings that do not fit.
pub fn run<E: Evaluator>(name: &str, fixture: &Fixture, evaluator: E) -> Result<Report, String> {
    let start = fixture.start_ms.unwrap_or(DEFAULT_START_MS);
    let settings = Value::Object(fixture.settings.clone()).to_string();
    let mut bench = Bench::over(evaluator, &settings).map_err(|e| e.to_string())?;
    let device = &fixture.device;
    let named = |what: &str, name: Option<&String>, codes: fn(&str) -> Option<u16>, otherwise: u16| {
        name.map_or(Ok(otherwise), |name| codes(name).ok_or_else(|| format!("unknown {what} `{name}`")))
    };
    bench.context.device_kind =
        named("device kind", device.kind.as_ref(), device_kind::from_name, device_kind::DETECTOR)?;
    bench.context.valve_state = named("valve state", device.valve.as_ref(), valve_state::from_name, valve_state::OPEN)?;
    bench.context.installed_at_ms = device.installed_days_ago.map(|days| start - days * DAY_MS);
    bench.context.last_maintained_at_ms = device.maintained_days_ago.map(|days| start - days * DAY_MS);

    let mut report =
        Report { name: name.into(), about: fixture.about.clone(), decisions: Vec::new(), mismatches: Vec::new() };
    let mut events = 0;
    for (index, step) in fixture.steps.iter().enumerate() {
        let repeat = step.repeat.unwrap_or(Repeat { times: 1, every_s: 0.0 });
        events += repeat.times;
        if events > MAX_EVENTS {
            return Err(format!("more than {MAX_EVENTS} events"));
        }
        for turn in 0..repeat.times {
            let offset = f64::from(turn) * repeat.every_s;
            let decided = send(&mut bench, start, step, offset).map_err(|e| format!("step {}: {e}", index + 1))?;
            if let Some(expect) = &step.expect {
                for difference in compare(expect, &decided, start)? {
                    let turn = if repeat.times > 1 { format!(", repeat {}", turn + 1) } else { String::new() };
                    report.mismatches.push(format!(
                        "step {} at {} s{turn}: {difference}",
                        index + 1,
                        step.at_s + offset
                    ));
                }
            } else if let Err(failure) = &decided {
                report.mismatches.push(format!("step {}: no decision: {failure}", index + 1));
            }
            report.decisions.push(decided);
        }
    }
    Ok(report)
}

fn at(start: i64, seconds: f64) -> i64 {
    start + (seconds * 1_000.0).round() as i64
}

fn send<E: Evaluator>(bench: &mut Bench<E>, start: i64, step: &Step, offset: f64) -> Result<Decided, String> {
    let now = at(start, step.at_s + offset);
    match (&step.readings, step.timer, &step.valve, step.start) {
        (Some(list), None, None, false) => {
            let readings = list.iter().map(|map| reading(map, start, offset, now)).collect::<Result<Vec<_>, _>>()?;
            // A reading may be given a later time than its step for brevity: the event is then as late as the last reading.
            let now = readings.iter().map(|reading| reading.at_ms).fold(now, i64::max);
            Ok(bench.event(now, trigger::READINGS, 0, readings))
        }
        (None, Some(id), None, false) => Ok(bench.timer(now, id)),
        (None, None, Some(name), false) => {
            let state = valve_state::from_name(name).ok_or_else(|| format!("unknown valve state `{name}`"))?;
            Ok(bench.valve(now, state))
        }
        (None, None, None, true) => Ok(bench.event(now, trigger::START, 0, Vec::new())),
        _ => Err("expected exactly one of `readings`, `timer`, `valve`, `start`".into()),
    }
}

fn reading(map: &Map<String, Value>, start: i64, offset: f64, now: i64) -> Result<Reading, String> {
    let mut found = Reading { at_ms: now, value: f64::NAN, quantity: 0, channel: 0 };
    for (key, value) in map {
        let number = value.as_f64().ok_or_else(|| format!("`{key}`: expected a number, got {value}"))?;
        match key.as_str() {
            "at-s" => found.at_ms = at(start, number + offset),
            "channel" => found.channel = number as u16,
            name => {
                let code = quantity::from_name(name).ok_or_else(|| format!("unknown quantity `{name}`"))?;
                if found.quantity != 0 {
                    return Err(format!("one quantity in a reading, got a second one `{name}`"));
                }
                (found.quantity, found.value) = (code, number);
            }
        }
    }
    if found.quantity == 0 { Err("a reading without a quantity".into()) } else { Ok(found) }
}

fn compare(expect: &Expect, decided: &Decided, start: i64) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    let outcome = match (decided, &expect.fault) {
        (Err(Failure::Rule(got)), Some(wanted)) => {
            let code = fault::from_name(&wanted.kind).ok_or_else(|| format!("unknown fault `{}`", wanted.kind))?;
            if got.code != code || got.field != wanted.field {
                out.push(format!(
                    "expected the fault {} `{}`, got {}",
                    wanted.kind,
                    wanted.field,
                    Failure::Rule(got.clone())
                ));
            }
            return Ok(out);
        }
        (Ok(outcome), None) => outcome,
        (Ok(_), Some(wanted)) => return Ok(vec![format!("expected the fault {}, got a decision", wanted.kind)]),
        (Err(failure), _) => return Ok(vec![format!("expected a decision, got {failure}")]),
    };
    let mut raises = Vec::new();
    for raise in &expect.raises {
        let code =
            condition::from_name(&raise.condition).ok_or_else(|| format!("unknown condition `{}`", raise.condition))?;
        let rank =
            priority::from_name(&raise.priority).ok_or_else(|| format!("unknown priority `{}`", raise.priority))?;
        raises.push((code, rank, raise.text));
    }
    let same = raises.len() == outcome.raises.len()
        && raises.iter().zip(&outcome.raises).all(|((code, rank, text), got)| {
            *code == got.condition && *rank == got.priority && text.is_none_or(|text| text == got.text)
        });
    if !same {
        out.push(format!("raises: expected {}, got {}", shown_raises(&raises), shown_outcome_raises(outcome)));
    }
    let clears: Vec<&str> = outcome.clears.iter().map(|code| condition::name(*code).unwrap_or("?")).collect();
    if expect.clears != clears {
        out.push(format!("clears: expected {:?}, got {clears:?}", expect.clears));
    }
    let closed = outcome.close_valve.then(|| condition::name(outcome.close_reason).unwrap_or("?"));
    if expect.close_valve.as_deref() != closed {
        out.push(format!("close-valve: expected {:?}, got {closed:?}", expect.close_valve));
    }
    if let Some(timers) = &expect.timers {
        let wanted: Vec<_> = timers.iter().map(|timer| (timer.id, at(start, timer.at_s))).collect();
        let got: Vec<_> = outcome.timers.iter().map(|timer| (timer.id, timer.at_ms)).collect();
        if wanted != got {
            out.push(format!("timers: expected {wanted:?}, got {got:?} (id, ms)"));
        }
    }
    if let Some(notes) = &expect.notes
        && *notes != outcome.notes
    {
        out.push(format!("notes: expected {notes:?}, got {:?}", outcome.notes));
    }
    if let Some(rests) = expect.rests
        && rests != outcome.wake.is_some()
    {
        out.push(format!("rests: expected {rests}, got {}", outcome.wake.is_some()));
    }
    Ok(out)
}

fn shown_raises(raises: &[(u16, u16, Option<u16>)]) -> String {
    let mut out = String::from("[");
    for (code, rank, _) in raises {
        let _ = write!(out, " {} {}", condition::name(*code).unwrap_or("?"), priority::name(*rank).unwrap_or("?"));
    }
    out + " ]"
}

fn shown_outcome_raises(outcome: &Outcome) -> String {
    let raises: Vec<_> = outcome.raises.iter().map(|raise| (raise.condition, raise.priority, None)).collect();
    shown_raises(&raises)
}
