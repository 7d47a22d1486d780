//! The statutory conformance suite: whether an alarm policy is weaker than the law on any of the published curves.
//!
//! The floor stands natively whatever a rule does, so a weak rule cannot let a leak through; but a rule that clears an alarm while
//! there is gas, sleeps over it or fails on it is none to let in. What counts as weaker stands in `docs/conformance.md`, to the letter.
//!
//! The suite runs in the examining child, in `davyctl rule check` and wherever settings are bound to a rule: one function over the domain's
//! fold and a policy. It must never have a clock, or a way to tell a rule that it is being examined.

mod curve;
mod run;

pub use curve::{Curve, Position, Ramp, Step, parse, statutory};

use crate::admission::{Refusal, Stage};
use crate::alarm::AlarmRule;
use crate::rule::SettingsBytes;
use davy_domain::floor::{Floor, LocalFloor};
use davy_domain::policy::AlarmPolicy;
use davy_domain::refusal::{Advice, Place, Reason};
use davy_domain::{DeviceKind, Quantity, Timestamp};
use run::{Counts, Trace};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// The jurisdiction whose law every rule must keep.
const JURISDICTION: &str = "CN";
/// Curves that a rule may fail on before the rest is left out: a failing call can cost as much as a call may.
const FAILURES: u32 = 3;
/// Weaknesses that a report lists; the rest is counted.
const LISTED: usize = 40;
/// Settings that are tried one by one when settings are refused, so that the refusal can name one.
const MOST_SUSPECTS: usize = 8;

/// In which way a rule is weaker than the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Breach {
    /// It fails.
    Faults,
    /// It clears a condition while the floor's level is reached.
    Clears,
    /// It has promised to rest over a reading that reaches the floor.
    Sleeps,
    /// It does not hold the condition that the floor raises.
    Silent,
    /// It orders no close where the floor closes.
    StaysOpen,
    /// It has raised nothing by the time that a standard gives.
    Late,
}

impl Breach {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Faults => "faults",
            Self::Clears => "clears",
            Self::Sleeps => "sleeps",
            Self::Silent => "silent",
            Self::StaysOpen => "stays-open",
            Self::Late => "late",
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One weakness: on which curve, when, in which way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Weakness {
    /// The curve's name.
    pub curve: String,
    /// The device that it was run for.
    pub kind: DeviceKind,
    /// Seconds from the curve's start.
    pub at_s: i64,
    /// In which way.
    pub breach: Breach,
    /// What happened, as a sentence.
    pub what: String,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "curve `{}` for a {} at {} s: {} ({})", self.curve, self.kind, self.at_s, self.what, self.breach)
    }
}

/// What a rule takes upon itself for one kind of device, by what it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Claim {
    /// The kind.
    pub kind: DeviceKind,
    /// Quantities that it raises alarms about.
    pub alarms: Vec<Quantity>,
    /// Quantities for which it orders closes.
    pub closes: Vec<Quantity>,
}

/// What the suite found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Curves times kinds.
    pub runs: u32,
    /// Calls of the rule.
    pub calls: u32,
    /// Fuel of the dearest call.
    pub most_fuel: u64,
    /// Fuel of all calls.
    pub fuel: u64,
    /// What the rule is for. What it is not for is the floor's alone.
    pub claims: Vec<Claim>,
    /// Where it is weaker than the floor; empty when it conforms.
    pub weaknesses: Vec<Weakness>,
    /// Weaknesses that are not listed.
    pub more: u32,
}

impl Report {
    /// Whether it conforms.
    pub fn conforms(&self) -> bool {
        self.weaknesses.is_empty()
    }
}

/// Runs curves for every kind of device that they are about.
///
/// `digest` is the rule's: the fold keeps a rule's memory by it.
pub fn examine(
    policy: &dyn AlarmPolicy,
    digest: [u8; 32],
    floor: &LocalFloor,
    curves: &[Curve],
    begun: Timestamp,
) -> Report {
    let mut report = Report::default();
    let mut failures = 0;
    for &kind in DeviceKind::ALL {
        let mut traces: Vec<(Quantity, Trace)> = Vec::new();
        for curve in curves.iter().filter(|curve| is_for(curve, kind, floor, begun)) {
            let Some(trace) = run::run(curve, kind, floor, policy, digest, begun) else { continue };
            report.runs += 1;
            report.calls += trace.calls;
            report.most_fuel = report.most_fuel.max(trace.most_fuel);
            report.fuel = report.fuel.saturating_add(trace.fuel);
            failures += u32::from(trace.findings.iter().any(|finding| finding.weakness.breach == Breach::Faults));
            traces.push((curve.quantity, trace));
            if failures >= FAILURES {
                break;
            }
        }
        let claim = claim(kind, &traces);
        for (quantity, trace) in traces {
            for finding in trace.findings {
                let counts = match finding.counts {
                    Counts::Always => true,
                    Counts::WhenItAlarms => claim.alarms.contains(&quantity),
                    Counts::WhenItCloses => claim.closes.contains(&quantity),
                };
                if counts && report.weaknesses.len() < LISTED {
                    report.weaknesses.push(finding.weakness);
                } else if counts {
                    report.more += 1;
                }
            }
        }
        if !claim.alarms.is_empty() || !claim.closes.is_empty() {
            report.claims.push(claim);
        }
        if failures >= FAILURES {
            break;
        }
    }
    report
}

fn claim(kind: DeviceKind, traces: &[(Quantity, Trace)]) -> Claim {
    let mut claim = Claim { kind, alarms: Vec::new(), closes: Vec::new() };
    let mut insert = |list: fn(&mut Claim) -> &mut Vec<Quantity>, quantity: Quantity| {
        let list = list(&mut claim);
        if !list.contains(&quantity) {
            list.push(quantity);
        }
    };
    for (quantity, trace) in traces {
        trace.raised.iter().for_each(|raised| insert(|claim| &mut claim.alarms, *raised));
        if trace.closed {
            insert(|claim| &mut claim.closes, *quantity);
        }
    }
    claim
}

fn is_for(curve: &Curve, kind: DeviceKind, floor: &LocalFloor, now: Timestamp) -> bool {
    match &curve.kinds {
        Some(kinds) => kinds.contains(&kind),
        None => floor.for_kind(kind, now).any(|rule| rule.quantity == curve.quantity),
    }
}

/// The day from which the whole table is in force: the curves begin there, so that the time tells a rule nothing.
fn begin(floor: &Floor) -> Timestamp {
    floor.rules.iter().map(|rule| rule.effective_from).max().unwrap_or(Timestamp::from_millis(0))
}

/// The suite for a component that is to be admitted, with the settings that it has by itself.
pub(crate) fn admit(rule: &AlarmRule, floor: &Floor) -> Result<Report, Refusal> {
    let settings = rule.encode_settings("{}").map_err(|error| {
        let reason = format!("it cannot be tried with its default settings: {error}");
        let remedy = (Advice::EveryDefault, "Give every setting a default with which the rule works");
        Refusal::new(Stage::Conformance, (Reason::Defaults, reason), remedy).with("detail", error)
    })?;
    let report = run_suite(rule, floor, settings)?;
    let Some(first) = report.weaknesses.first() else { return Ok(report) };
    let curves = curves(&report);
    let others: Vec<&str> = curves.iter().copied().filter(|curve| *curve != first.curve).collect();
    let more = if others.is_empty() { String::new() } else { format!("; also on {}", others.join(", ")) };
    let place = format!("curve `{}`, {}, {} s", first.curve, first.kind, first.at_s);
    let reason = (weaker(first.breach), format!("weaker than the statutory floor: {first}{more}"));
    let refusal = Refusal::new(Stage::Conformance, reason, remedy(first.breach)).at(Place::Curve, place);
    Err(tell(refusal, &report, first).with("curve", &first.curve))
}

/// The curves on which a rule is weak, each once, in the suite's order.
fn curves(report: &Report) -> Vec<&str> {
    let mut curves: Vec<&str> = Vec::new();
    for weakness in &report.weaknesses {
        if !curves.contains(&weakness.curve.as_str()) {
            curves.push(&weakness.curve);
        }
    }
    curves
}

/// A refusal with the values of a weakness.
fn tell(refusal: Refusal, report: &Report, first: &Weakness) -> Refusal {
    let refusal = refusal.with("curves", curves(report).join(", "));
    refusal.with("kind", first.kind).with("at_s", first.at_s)
}

const fn weaker(breach: Breach) -> Reason {
    match breach {
        Breach::Faults => Reason::WeakerFaults,
        Breach::Clears => Reason::WeakerClears,
        Breach::Sleeps => Reason::WeakerSleeps,
        Breach::Silent => Reason::WeakerSilent,
        Breach::StaysOpen => Reason::WeakerStaysOpen,
        Breach::Late => Reason::WeakerLate,
    }
}

/// The whole suite for a rule with settings.
fn run_suite(rule: &AlarmRule, floor: &Floor, settings: SettingsBytes) -> Result<Report, Refusal> {
    let table = |what: &dyn fmt::Display| {
        let reason = format!("the statutory table cannot be used: {what}");
        let remedy = (Advice::MendTable, "Mend the platform's table; the rule is not at fault");
        Refusal::new(Stage::Conformance, (Reason::FloorTable, reason), remedy).with("detail", what)
    };
    let local = floor.for_jurisdiction(JURISDICTION).map_err(|error| table(&error))?;
    let curves = statutory().map_err(|error| table(&error))?;
    Ok(examine(&rule.bind(settings), *rule.digest().as_bytes(), &local, curves, begin(floor)))
}

/// The suite for a rule that conforms by itself, with the settings that it is to run with.
///
/// # Errors
/// A [`Refusal`] that names the setting whose default would mend it, if there is one such.
pub(crate) fn with_settings(
    rule: &AlarmRule,
    floor: &Floor,
    json: &str,
    encoded: SettingsBytes,
) -> Result<(), Refusal> {
    if rule.encode_settings("{}").is_ok_and(|defaults| defaults == encoded) {
        return Ok(());
    }
    let report = run_suite(rule, floor, encoded)?;
    let Some(first) = report.weaknesses.first() else { return Ok(()) };
    let set: Map<String, Value> = serde_json::from_str(json).unwrap_or_default();
    let without = |name: &str| {
        let mut rest = set.clone();
        rest.remove(name);
        Value::Object(rest).to_string()
    };
    let mends = |name: &str| {
        let tried = rule.encode_settings(&without(name)).ok().and_then(|tried| run_suite(rule, floor, tried).ok());
        tried.is_some_and(|report| report.conforms())
    };
    let name = set.keys().take(MOST_SUSPECTS).find(|name| mends(name));
    let shown = |name: &String| format!("`{name}` = {}", set[name]);
    let reason = format!("with these settings it is weaker than the statutory floor: {first}");
    let refuse = |remedy| tell(Refusal::new(Stage::Settings, (weaker(first.breach), reason), remedy), &report, first);
    let Some(name) = name else {
        let values = set.keys().map(shown).collect::<Vec<_>>().join(", ");
        let remedy = "Set them stricter, or leave them at their defaults: no single one of them mends it".to_owned();
        let refusal = refuse((Advice::StricterSettings, remedy));
        return Err(refusal.at(Place::SettingValues, format!("settings {values}")).with("values", values));
    };
    let remedy = format!("Set `{name}` stricter, or leave it at its default; then look at docs/conformance.md");
    let refusal = refuse((Advice::StricterSetting, remedy)).with("setting", name).with("value", &set[name]);
    Err(refusal.at(Place::SettingValue, format!("setting {}", shown(name))))
}

const fn remedy(breach: Breach) -> (Advice, &'static str) {
    match breach {
        Breach::Faults => (
            Advice::DecideEverywhere,
            "The rule must decide on every curve of docs/conformance.md: run them with `davyctl rule check`",
        ),
        Breach::Clears => (
            Advice::ClearBelow,
            "Clear a condition only when the newest reading is below its level; a late reading says nothing about now",
        ),
        Breach::Sleeps => (
            Advice::WakeAtLevel,
            "Give the wake condition a threshold for the quantity at or below the statutory level",
        ),
        Breach::Silent => {
            (Advice::RaiseAtLevel, "Raise at the statutory level at the latest, by the first reading that reaches it")
        }
        Breach::StaysOpen => {
            (Advice::CloseWithAlarm, "Order the close with the alarm, on every way in which it can begin")
        }
        Breach::Late => {
            (Advice::TimerForTime, "Use a timer for the statutory time, so that it ends without a further reading")
        }
    }
}
