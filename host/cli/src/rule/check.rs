//! `davyctl rule check`.

use super::{admission, engine, read};
use crate::colour::{Colour, paint};
use crate::exit::Answer;
use anyhow::{Context, Result};
use davy_rules::admission::Report;
use davy_rules::driver::AboutDriver;
use davy_rules::{AdmissionError, AnyAdmitted, Examined, Refusal, Tier, conformance};
use davy_rules_sdk::schema::{Kind, Property};
use serde_json::json;
use std::path::Path;

pub(crate) fn run(file: &Path, tier: Tier, settings: Option<&Path>, as_json: bool) -> Result<Answer> {
    let bytes = read(file)?;
    let settings = settings.map(|file| {
        std::fs::read_to_string(file).with_context(|| format!("cannot read the settings in {}", file.display()))
    });
    match admission().examine_with(&engine()?, &bytes, tier, settings.transpose()?.as_deref(), None, &mut |_| {}) {
        Ok(Examined { admitted, report }) => {
            if as_json {
                println!("{:#}", accepted_json(&admitted, &report));
            } else {
                accepted(file, &admitted, &report);
            }
            Ok(Answer::Yes)
        }
        Err(AdmissionError::Refused(refusal)) => {
            refused(file, &refusal, as_json);
            Ok(Answer::No)
        }
        Err(error @ AdmissionError::Machine { .. }) => Err(error.into()),
    }
}

fn accepted_json(admitted: &AnyAdmitted, report: &Report) -> serde_json::Value {
    json!({
        "admitted": true,
        "world": admitted.world().name(),
        "digest": admitted.digest(),
        "size": admitted.size(),
        "description": admitted.description(),
        "cases": report.cases,
        "conformance": report.conformance,
    })
}

fn accepted(file: &Path, admitted: &AnyAdmitted, report: &Report) {
    let about = admitted.description();
    println!("{}: {}", file.display(), paint("admitted", Colour::Good));
    println!("  rule     {} {}", about.name, about.version);
    for summary in [&about.summary.zh, &about.summary.en].into_iter().filter(|text| !text.is_empty()) {
        println!("           {summary}");
    }
    println!("  world    {}", admitted.world());
    println!("  digest   {}", admitted.digest());
    println!("  size     {} bytes", admitted.size());
    println!("  imports  none");
    match report.cases.len() {
        0 => println!("  cases    none of its own: put fixtures into the crate's `fixtures`"),
        count => println!("  cases    {count} of its own, all as they say"),
    }
    if let Some(conformance) = &report.conformance {
        conforms(conformance);
    }
    if let Some(driver) = &about.driver {
        devices(driver);
    }
    println!("  settings {}", if about.schema.properties.is_empty() { "none" } else { "" });
    properties(&about.schema.properties, 2);
}

/// What the statutory suite found.
fn conforms(report: &conformance::Report) {
    let of = |quantities: &[davy_domain::Quantity]| {
        let names: Vec<_> = quantities.iter().map(|quantity| quantity.senml_name()).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    println!(
        "  law      not weaker than the statutory floor on any of {} curves ({} calls, at most {} fuel each)",
        report.runs, report.calls, report.most_fuel
    );
    for claim in &report.claims {
        println!("    {}: alarms about {}; closes for {}", claim.kind, of(&claim.alarms), of(&claim.closes));
    }
    if report.claims.is_empty() {
        println!("    it alarms about nothing that the law is about: there the floor stands alone");
    }
}

fn devices(driver: &AboutDriver) {
    let or_none = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    println!("  vendor   {} / {}", driver.vendor.zh, driver.vendor.en);
    println!("  models   {}", driver.models.join(", "));
    println!("  kinds    {}", or_none(&driver.device_kinds));
    println!("  orders   {}", or_none(&driver.actions));
    println!("  tags");
    for tag in &driver.tags {
        let every = if tag.period_s == 0 { "by event".to_owned() } else { format!("every {} s", tag.period_s) };
        let of = if tag.of_child { " of children" } else { "" };
        let (name, unit, channel) = (tag.quantity.senml_name(), tag.quantity.unit(), tag.channel);
        println!("    {name} [{channel}] {unit}{of}, {every}  ({} / {})", tag.label.zh, tag.label.en);
    }
}

fn properties(list: &[Property], depth: usize) {
    let width = list.iter().map(|property| property.name.len()).max().unwrap_or(0);
    for property in list {
        let indent = "  ".repeat(depth);
        let unit = property.unit.as_deref().unwrap_or("");
        let default = match (&property.default, property.required) {
            (Some(default), _) => format!("default {default}"),
            (None, true) => "must be given".to_owned(),
            (None, false) => "may be left out".to_owned(),
        };
        let labels: Vec<_> =
            [&property.label_zh, &property.label_en].into_iter().flatten().map(String::as_str).collect();
        println!(
            "{indent}{:width$}  {} {unit}, {default}  ({})",
            property.name,
            kind(&property.kind),
            labels.join(" / ")
        );
        if let Kind::Group(inner) = &property.kind {
            properties(inner, depth + 1);
        }
    }
}

fn kind(kind: &Kind) -> String {
    fn range<T: std::fmt::Display>(low: Option<T>, high: Option<T>) -> String {
        match (low, high) {
            (Some(low), Some(high)) => format!("{low} … {high}"),
            (Some(low), None) => format!("≥ {low}"),
            (None, Some(high)) => format!("≤ {high}"),
            (None, None) => "any".into(),
        }
    }
    match kind {
        Kind::Number { minimum, maximum } => format!("number {}", range(*minimum, *maximum)),
        Kind::Integer { minimum, maximum } => format!("integer {}", range(*minimum, *maximum)),
        Kind::Boolean => "yes/no".into(),
        Kind::Text { choices, .. } if !choices.is_empty() => format!("one of {}", choices.join(", ")),
        Kind::Text { max_length, .. } => format!("text of at most {max_length} characters"),
        Kind::List { items, max_items } => format!("list of at most {max_items}: {}", self::kind(items)),
        Kind::Group(_) => "group".into(),
    }
}

pub(super) fn refused(file: &Path, refusal: &Refusal, as_json: bool) {
    if as_json {
        println!("{:#}", json!({ "admitted": false, "refusal": refusal }));
        return;
    }
    println!("{}: {}", file.display(), paint("refused", Colour::Bad));
    println!("  stage   {}", refusal.stage);
    println!("  reason  {}", refusal.reason);
    println!("  place   {}", refusal.place);
    println!("  to do   {}", refusal.remedy);
}
