//! Versions, their histories and reports as text for people; coloured on a terminal.

use davy_api::{RuleDetail, RuleVersion, RuleVersions};
use davy_domain::Timestamp;
use davy_domain::release::Stage;
use serde_json::Value;
use std::io::IsTerminal;
use time::OffsetDateTime;
use time::macros::format_description;

/// A text in a colour (an SGR code), on a terminal that wants colours.
fn coloured(text: &str, colour: u8) -> String {
    let wanted = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if wanted { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
}

const GREEN: u8 = 32;
const RED: u8 = 31;
const YELLOW: u8 = 33;

/// A time as `2026-11-23 14:05:00 UTC`.
fn time(at: Timestamp) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    OffsetDateTime::from_unix_timestamp(at.as_millis().div_euclid(1_000))
        .ok()
        .and_then(|at| at.format(format).ok())
        .unwrap_or_else(|| format!("{} ms since 1970", at.as_millis()))
}

/// The stage in words.
pub(super) fn where_it_is(version: &RuleVersion) -> String {
    let words = match version.stage {
        Stage::Cohort if version.proposed_by.is_some() => {
            format!("cohort, {} ‰, waits for a second person", version.permille)
        }
        Stage::Cohort => format!("cohort, {} ‰", version.permille),
        stage => stage.to_string(),
    };
    let colour = match version.stage {
        Stage::Active => GREEN,
        Stage::Refused => RED,
        Stage::Shadow | Stage::Cohort => YELLOW,
        _ => 0,
    };
    coloured(&words, colour)
}

pub(super) fn list(versions: &RuleVersions) {
    if versions.items.is_empty() {
        println!("no version yet: upload one with `davyctl rule publish FILE`");
    }
    for version in &versions.items {
        println!(
            "{}  {} {}  settings {}  {}  since {}",
            version.id,
            version.name,
            version.version,
            version.settings_version,
            where_it_is(version),
            time(version.changed_at)
        );
    }
}

pub(super) fn one(rule: &RuleDetail) {
    let version = &rule.version;
    println!("{}  {} {}", version.id, version.name, version.version);
    println!("  stage     {}", where_it_is(version));
    println!("  component {}", version.digest);
    println!("  settings  version {}: {}", version.settings_version, rule.settings);
    if let Some(checks) = &rule.checks {
        if checks.passed {
            println!(
                "  checks    {} in {} ms: {}",
                coloured("passed", GREEN),
                checks.took_ms,
                checks.stages.join(", ")
            );
        } else {
            let stage = checks.stage.as_deref().unwrap_or("unknown");
            println!(
                "  checks    {} at {stage}: {}",
                coloured("refused", RED),
                checks.reason.as_deref().unwrap_or_default()
            );
            if let Some(place) = &checks.place {
                println!("            where: {place}");
            }
            println!("            do:    {}", checks.remedy.as_deref().unwrap_or_default());
        }
    }
    if let Some(health) = &rule.health {
        let faults: u64 = health.faults.values().sum();
        println!(
            "  health    {} calls, {faults} faults, {} alarms since {}",
            health.calls,
            health.alarms,
            time(health.since)
        );
        for (kind, count) in &health.faults {
            println!("            {kind}: {count}");
        }
        let fuel = health.fuel;
        println!("            fuel p50 {} p99 {} most {} of {}", fuel.p50, fuel.p99, fuel.max, health.fuel_budget);
        let micros = |nanos: u64| nanos as f64 / 1_000.0;
        let nanos = health.nanos;
        println!(
            "            time p50 {:.1} p99 {:.1} most {:.1} µs",
            micros(nanos.p50),
            micros(nanos.p99),
            micros(nanos.max)
        );
        let compared = health.compared;
        if version.stage == Stage::Shadow {
            println!(
                "  shadow    same {}, earlier {}, later {}, added {}, lost {}",
                compared.same, compared.earlier, compared.later, compared.added, compared.lost
            );
        }
        if let Some(fault) = &health.last_fault {
            println!("            last fault: {}", fault["fault"].as_str().unwrap_or_default());
        }
    }
    for act in &rule.acts {
        println!(
            "  {}  {} by {} → {}",
            time(act.at),
            act.act.name(),
            act.by.as_deref().unwrap_or("the platform"),
            act.stage
        );
    }
    if !rule.may.is_empty() {
        println!("  you may   {}", rule.may.join(", "));
    }
}

/// A back-test's report in short.
pub(super) fn report(report: &Value) {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    println!(
        "{} readings in {} uplinks of {} interlocks",
        report["readings"], report["arrivals"], report["interlocks"]
    );
    let difference = &report["difference"];
    println!(
        "alarms   in force {}, this version {}: {} added, {} lost, {} earlier, {} later",
        count(&report["active"]["alarms"]),
        count(&report["candidate"]["alarms"]),
        count(&difference["added"]),
        count(&difference["lost"]),
        count(&difference["earlier"]),
        count(&difference["later"])
    );
    println!("closes   {} added, {} lost", count(&difference["closes-added"]), count(&difference["closes-lost"]));
    println!("notices  {} added, {} lost", count(&difference["notices-added"]), count(&difference["notices-lost"]));
    for row in report["rows"].as_array().into_iter().flatten().take(20) {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        println!("  {}  {}  {}", text("kind"), text("device"), text("condition"));
    }
    let blocking = count(&report["blocking"]);
    if blocking > 0 {
        println!(
            "{}",
            coloured(&format!("{blocking} confirmed leak(s) would have been missed: it cannot go further"), RED)
        );
    } else {
        println!("{}", coloured("no confirmed leak would have been missed", GREEN));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_utc() {
        assert_eq!(time(Timestamp::from_millis(0)), "1970-01-01 00:00:00 UTC");
        assert_eq!(time(Timestamp::from_millis(951_782_400_000)), "2000-02-29 00:00:00 UTC");
        assert_eq!(time(Timestamp::from_millis(1_795_442_700_999)), "2026-11-23 14:05:00 UTC");
    }
}
