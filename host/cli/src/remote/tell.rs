//! Versions, their histories and reports as text for people.

use crate::colour::{Colour, paint};
use davy_api::{Quarantine, RuleDetail, RuleVersion, RuleVersions};
use davy_domain::Timestamp;
use davy_domain::release::Stage;
use davy_rules::notification::codes;
use serde_json::Value;
use time::OffsetDateTime;
use time::macros::format_description;

/// A time as `2026-11-23 14:05:00 UTC`.
pub(crate) fn time(at: Timestamp) -> String {
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
        Stage::Active => Colour::Good,
        Stage::Refused => Colour::Bad,
        Stage::Shadow | Stage::Cohort => Colour::Attention,
        _ => Colour::Plain,
    };
    paint(&words, colour)
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
                paint("passed", Colour::Good),
                checks.took_ms,
                checks.stages.join(", ")
            );
        } else {
            let stage = checks.stage.as_deref().unwrap_or("unknown");
            println!(
                "  checks    {} at {stage}: {}",
                paint("refused", Colour::Bad),
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

/// What waits for a driver that can read it.
pub(super) fn quarantine(waiting: &Quarantine) {
    if waiting.models.is_empty() {
        println!("{}", paint("no message waits for a driver", Colour::Good));
    }
    for model in &waiting.models {
        println!(
            "{}: {} wait, since {}",
            model.model,
            paint(&model.waiting.to_string(), Colour::Attention),
            time(model.oldest)
        );
        if let Some(oldest) = waiting.oldest.iter().find(|message| message.model == model.model) {
            println!("  {}: {}", oldest.serial, oldest.reason);
        }
    }
}

/// A back-test's report in short.
pub(super) fn report(report: &Value) {
    match report["world"].as_str() {
        Some("notification-policy") => told(report),
        // It blocks nothing, so nothing is said about leaks.
        Some("billing-policy") => return billed(report),
        _ => of_alarms(report),
    }
    let blocking = count(&report["blocking"]);
    if blocking > 0 {
        println!(
            "{}",
            paint(&format!("{blocking} confirmed leak(s) would have been missed: it cannot go further"), Colour::Bad)
        );
    } else {
        println!("{}", paint("no confirmed leak would have been missed", Colour::Good));
    }
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

fn of_alarms(report: &Value) {
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
    println!(
        "closes   {} added, {} lost, {} later",
        count(&difference["closes-added"]),
        count(&difference["closes-lost"]),
        count(&difference["closes-later"])
    );
    println!("notices  {} added, {} lost", count(&difference["notices-added"]), count(&difference["notices-lost"]));
    for row in report["rows"].as_array().into_iter().flatten().take(20) {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        println!("  {}  {}  {}", text("kind"), text("device"), text("condition"));
    }
}

/// How two sides stand to each other.
fn stand(counts: &Value) -> String {
    let of = |name: &str| count(&counts[name]);
    format!("{} added, {} lost, {} earlier, {} later", of("added"), of("lost"), of("earlier"), of("later"))
}

/// Of a notification policy.
fn told(report: &Value) {
    let (active, candidate) = (&report["active"], &report["candidate"]);
    println!("{} alarms, {} of them told of otherwise", count(&report["alarms"]), count(&report["alarms-changed"]));
    println!("first    heard of: {}", stand(&report["first"]));
    println!(
        "messages in force {}, this version {}: {}",
        count(&active["messages"]),
        count(&candidate["messages"]),
        stand(&report["messages"])
    );
    let nobody = count(&candidate["nobody"]);
    let line =
        format!("nobody   was told of {} alarms in force, {nobody} under this version", count(&active["nobody"]));
    println!("{}", paint(&line, if nobody > 0 { Colour::Bad } else { Colour::Plain }));
    let name = |code: &Value, of: fn(u16) -> Option<&'static str>| {
        u16::try_from(count(code)).ok().and_then(of).unwrap_or("unknown")
    };
    for group in items(report, "groups") {
        let (role, channel) = (name(&group["role"], codes::role::name), name(&group["channel"], codes::channel::name));
        println!("  {role} by {channel}: {} → {}; {}", group["active"], group["candidate"], stand(group));
    }
    for row in items(report, "rows").take(20) {
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        println!("  {}  {}  {}  {}", text("kind"), text("alarm"), text("device"), text("condition"));
    }
}

/// Fen as yuan.
fn yuan(fen: &Value) -> String {
    let fen = fen.as_i64().unwrap_or(0);
    format!("{}{}.{:02}", if fen < 0 { "-" } else { "" }, fen.unsigned_abs() / 100, fen.unsigned_abs() % 100)
}

/// Of a billing policy.
fn billed(report: &Value) {
    println!(
        "{} meters, {} account-days, {} m³; {} meters without an index, {} breaks of an index",
        count(&report["accounts"]),
        count(&report["days"]),
        count(&report["litres"]) / 1_000,
        count(&report["without-index"]),
        count(&report["index-breaks"])
    );
    for (name, side) in [("before", &report["active"]), ("this", &report["candidate"])] {
        if side.is_null() {
            println!("{name:8} no other version to hold it against");
            continue;
        }
        let notices: u64 = side["notices"].as_object().into_iter().flatten().map(|(_, sum)| count(sum)).sum();
        let faults: u64 = side["calls"]["faults"].as_object().into_iter().flatten().map(|(_, sum)| count(sum)).sum();
        println!(
            "{name:8} {} yuan on {} lines; {notices} notices, {} shut-offs asked for; {faults} faults",
            yuan(&side["fen"]),
            count(&side["lines"]),
            count(&side["shut-offs"])
        );
    }
    if !report["active"].is_null() {
        println!("differs  by {} yuan in all", yuan(&report["difference-fen"]));
    }
    for row in items(report, "rows").take(20) {
        let device = row["device"].as_str().unwrap_or_default();
        println!("  {device}  {} → {} yuan", yuan(&row["active-fen"]), yuan(&row["candidate-fen"]));
    }
    println!("assumed: nothing is paid and no notice is proven, so nothing may be shut off");
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
