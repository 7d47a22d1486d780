//! The demo's report: what the fleet was told, beside what the database holds and what the server counted.

use super::data::Data;
use super::metrics::Metrics;
use crate::workspace::{Profile, Workspace};
use crate::{bins, process};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;

/// What the database holds; leaks and closes by premises from `since` (milliseconds since 1970) on.
pub(super) fn audit(workspace: &Workspace, data: &Data, since: i64) -> Result<Value> {
    let mut command = Command::new(bins::program(workspace, Profile::Release, "davy-bench")?);
    command.args(["audit", "--database", &data.database(), "--since", &since.to_string()]);
    serde_json::from_str(&process::output(&mut command)?).context("the audit is not JSON")
}

/// Whether a run without a leak can be good.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaks {
    /// It must have had one: it ended by itself.
    AtLeastOne,
    /// It need not: a person ended it when they liked.
    Any,
}

/// The finished report.
pub(super) struct Report {
    /// As written to the file.
    pub(super) json: Value,
}

/// The alphabet of ids in the API (Crockford's base 32).
const ALPHABET: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The number of an id such as `pre_1K3F9`.
fn number_of(id: &str) -> Option<i64> {
    id.split_once('_')?.1.chars().try_fold(0_i64, |sum, c| sum.checked_mul(32)?.checked_add(ALPHABET.find(c)? as i64))
}

impl Report {
    /// Puts the three sources together. `before` and `after` are audits around the run.
    pub(super) fn new(fleet: &str, before: &Value, after: &Value, metrics: &Metrics, wanted: Leaks) -> Result<Self> {
        let fleet: Value = serde_json::from_str(fleet).context("the fleet's report is not JSON")?;
        let count = |value: &Value, name: &str| value[name].as_i64().with_context(|| format!("no `{name}` in {value}"));
        let acked = count(&fleet, "uplinks_acked")?;
        let durable = count(after, "uplinks")? - count(before, "uplinks")?;
        let lost = count(&fleet, "lost")? + (acked - durable).max(0);
        let stored = by_premises(after);
        let (mut alarmed, mut closed) = (0, 0);
        let leaks = fleet["leaks"].as_array().cloned().unwrap_or_default();
        for leak in &leaks {
            let place = leak["premises"].as_str().and_then(number_of).and_then(|number| stored.get(&number));
            let (alarms, closes) = place.copied().unwrap_or_default();
            alarmed += i64::from(alarms > 0);
            // The database has the command as verified, and the fleet saw the valve home and told so.
            closed += i64::from(closes > 0 && leak["proven"] == true);
        }
        let micros = |quantile| metrics.quantile("davy_rule_call_seconds", quantile).map(|seconds| seconds * 1e6);
        let mut json = json!({
            "seconds": fleet["seconds"],
            "uplinks_sent": fleet["uplinks_sent"],
            "uplinks_acked": acked,
            "uplinks_durable": durable,
            "lost": lost,
            "leaks_injected": fleet["leaks_injected"],
            "leaks_alarmed": alarmed,
            "valves_closed_verified": closed,
            "leak_to_close_ms": fleet["leak_to_close_ms"],
            "leak_to_closed_ms": fleet["leak_to_closed_ms"],
            "rule_calls": metrics.counter("davy_rule_calls_total").unwrap_or(0.0) as i64,
            "rule_faults": metrics.counter("davy_rule_faults_total").unwrap_or(0.0) as i64,
            "rule_call_us": {"p50": micros(0.5), "p99": micros(0.99)},
            "stored": {"journal": after["uplinks_in_journal"], "chunks": after["uplinks_in_chunks"]},
            "fleet": fleet["totals"],
            "leaks": leaks,
        });
        json["faults"] = Self::faults(&json, wanted).into();
        Ok(Self { json })
    }

    /// Why the run was not good, a sentence each; none when nothing was lost, and every injected leak was alarmed and ended in a
    /// verified close. A run that ends by itself must have had a leak: without one it has shown nothing.
    fn faults(json: &Value, wanted: Leaks) -> Vec<String> {
        let number = |name: &str| json[name].as_i64().unwrap_or(-1);
        let (injected, alarmed, closed) =
            (number("leaks_injected"), number("leaks_alarmed"), number("valves_closed_verified"));
        let mut faults = Vec::new();
        let mut fault = |is: bool, text: String| {
            if is {
                faults.push(text);
            }
        };
        fault(number("uplinks_acked") < 1, "no uplink was acknowledged".to_owned());
        fault(number("lost") != 0, format!("{} uplink(s) were lost", number("lost")));
        fault(wanted == Leaks::AtLeastOne && injected < 1, "no leak was injected: let it run longer".to_owned());
        fault(alarmed != injected, format!("of {injected} leak(s) {alarmed} were alarmed"));
        fault(closed != injected, format!("of {injected} leak(s) {closed} ended in a verified close"));
        faults
    }

    /// Whether there is no fault.
    pub(super) fn is_good(&self) -> bool {
        self.json["faults"].as_array().is_some_and(Vec::is_empty)
    }

    /// For people.
    pub(super) fn print(&self) {
        let show = |name: &str| self.json[name].to_string();
        println!("\n── report");
        println!(
            "  uplinks     {} sent, {} acknowledged, {} durable in the database, {} lost",
            show("uplinks_sent"),
            show("uplinks_acked"),
            show("uplinks_durable"),
            show("lost")
        );
        println!(
            "  leaks       {} injected, {} alarmed, {} ended in a verified close",
            show("leaks_injected"),
            show("leaks_alarmed"),
            show("valves_closed_verified")
        );
        let figure = |name: &str, part: &str| {
            self.json[name][part].as_f64().map_or_else(|| "–".to_owned(), |f| format!("{f:.1}"))
        };
        println!(
            "  close       {} ms p50, {} ms p99, {} ms at most, from the reading to the command on the wire",
            figure("leak_to_close_ms", "p50"),
            figure("leak_to_close_ms", "p99"),
            figure("leak_to_close_ms", "max")
        );
        println!(
            "  rules       {} calls, {} µs p50, {} µs p99",
            show("rule_calls"),
            figure("rule_call_us", "p50"),
            figure("rule_call_us", "p99")
        );
        if self.is_good() {
            println!("  verdict     good: nothing lost, every leak closed and verified");
        }
        for fault in self.json["faults"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            println!("  verdict     NOT good: {fault}");
        }
    }
}

/// Leak alarms and verified closes by the premises' number.
fn by_premises(audit: &Value) -> BTreeMap<i64, (i64, i64)> {
    let rows = audit["premises"].as_array().into_iter().flatten();
    rows.filter_map(|row| {
        Some((row["premises"].as_i64()?, (row["leak_alarms"].as_i64()?, row["closes_verified"].as_i64()?)))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(acked: i64, durable: i64, proven: bool, alarms: i64) -> Report {
        with(acked, durable, &[json!({"premises": "pre_Z", "proven": proven})], alarms, Leaks::AtLeastOne)
    }

    fn with(acked: i64, durable: i64, leaks: &[Value], alarms: i64, wanted: Leaks) -> Report {
        let fleet = json!({
            "seconds": 1.0, "uplinks_sent": acked, "uplinks_acked": acked, "lost": 0, "leaks_injected": leaks.len(),
            "leak_to_close_ms": {"p50": 1.0}, "totals": {}, "leaks": leaks,
        });
        let after = json!({"uplinks": 100 + durable, "premises": [{"premises": 31, "leak_alarms": alarms, "closes_verified": 1}]});
        let metrics = Metrics::default();
        Report::new(&fleet.to_string(), &json!({"uplinks": 100}), &after, &metrics, wanted).unwrap()
    }

    fn faults(report: &Report) -> Vec<&str> {
        report.json["faults"].as_array().unwrap().iter().filter_map(Value::as_str).collect()
    }

    #[test]
    fn a_good_run_is_good() {
        assert!(report(10, 10, true, 1).is_good());
        assert!(report(10, 12, true, 1).is_good(), "stored, but its acknowledgement was lost on the radio");
    }

    #[test]
    fn an_acknowledged_uplink_that_is_not_stored_is_lost() {
        let report = report(10, 9, true, 1);
        assert_eq!(report.json["lost"], 1);
        assert!(!report.is_good());
    }

    #[test]
    fn a_leak_without_alarm_or_without_proof_is_not_good() {
        assert_eq!(faults(&report(10, 10, true, 0)), ["of 1 leak(s) 0 were alarmed"]);
        assert_eq!(faults(&report(10, 10, false, 1)), ["of 1 leak(s) 0 ended in a verified close"]);
    }

    #[test]
    fn a_run_that_ends_by_itself_without_a_leak_has_shown_nothing() {
        assert_eq!(faults(&with(10, 10, &[], 0, Leaks::AtLeastOne)), ["no leak was injected: let it run longer"]);
        assert!(with(10, 10, &[], 0, Leaks::Any).is_good(), "a person who ends it early has not done wrong");
    }

    #[test]
    fn every_fault_is_told() {
        assert_eq!(faults(&report(0, 0, false, 0)).len(), 3);
    }
}
