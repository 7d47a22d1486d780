//! The decisions about an alarm that a server has stored, each made again with the component that decided.

use super::{as_value, print};
use crate::client::Client;
use crate::exit::Answer;
use crate::rule::engine;
use anyhow::{Context, Result};
use davy_api::{AlarmDecisions, AskedRule, DecisionItem};
use davy_domain::AlarmId;
use davy_rules::bundle::{Bundle, BundledDecision, FloorRecord};
use davy_rules::explain::{DecisionRecord, Exact, FORMAT, Replay};
use davy_rules::world::Alarm;
use davy_rules::{Engine, RuleDigest, Tier};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Components by the digest that was asked for.
type Components = BTreeMap<String, Vec<u8>>;

/// `at` is a server and who signs in there; without it the session of `davyctl login` is used.
pub(super) fn run(alarm: AlarmId, at: Option<(&str, &str)>, export: Option<&Path>, json: bool) -> Result<Answer> {
    let (decisions, components) = match at {
        None => fetch(&Client::resume()?, alarm)?,
        Some((server, email)) => {
            let client = Client::sign_in(server, email)?;
            let fetched = fetch(&client, alarm);
            // Whatever came of it, no session stays behind.
            let signed_out = client.sign_out();
            let fetched = fetched?;
            signed_out?;
            fetched
        }
    };
    let engine = engine()?;
    let mut again = Vec::with_capacity(decisions.items.len());
    for item in &decisions.items {
        let replayed = item.asked.as_ref().map(|asked| replay(&engine, item, asked, &components));
        again.push(replayed.transpose().with_context(|| format!("decision {}", item.number))?);
    }
    if let Some(file) = export {
        write(file, &bundle(alarm, &decisions, &again, &components))?;
    }
    let identical = again.iter().flatten().all(|(_, replay)| replay.differences.is_empty());
    if json {
        let items = decisions.items.iter().zip(&again).map(|(item, again)| {
            let again = again.as_ref().map(|(record, replay)| as_value(record, replay));
            json!({"number": item.number, "device": item.device, "at": item.at, "floor": item.floor, "again": again})
        });
        println!("{:#}", json!({"alarm": alarm, "identical": identical, "decisions": items.collect::<Vec<Value>>()}));
    } else {
        println!("{alarm}: {} stored decision(s)", decisions.items.len());
        for (item, again) in decisions.items.iter().zip(&again) {
            tell(item, again.as_ref());
        }
    }
    Ok(identical.into())
}

/// The decisions as they were stored, whatever came of making them again.
fn bundle(
    alarm: AlarmId,
    decisions: &AlarmDecisions,
    again: &[Option<(DecisionRecord, Replay)>],
    components: &Components,
) -> Bundle {
    let mut bundle = Bundle::new(alarm.to_string());
    for component in components.values() {
        bundle.add_component(component);
    }
    for (item, again) in decisions.items.iter().zip(again) {
        let floor = item.floor.iter().map(|found| FloorRecord {
            rule: found.rule.clone(),
            condition: found.condition,
            priority: found.priority,
            close: found.close,
            quantity: found.quantity,
            value: Exact(found.value),
            at_ms: found.at.as_millis(),
        });
        bundle.add(BundledDecision {
            number: item.number,
            device: item.device,
            at_ms: item.at.as_millis(),
            floor: floor.collect(),
            record: again.as_ref().map(|(record, _)| record.clone()),
        });
    }
    bundle
}

fn write(file: &Path, bundle: &Bundle) -> Result<()> {
    std::fs::write(file, bundle.to_json()?).with_context(|| format!("cannot write {}", file.display()))?;
    let (decisions, components) = (bundle.decisions.len(), bundle.components.len());
    eprintln!("{}: {decisions} decision(s), {components} component(s)", file.display());
    Ok(())
}

fn fetch(client: &Client, alarm: AlarmId) -> Result<(AlarmDecisions, Components)> {
    let decisions: AlarmDecisions = client.get(&format!("/api/v1/alarms/{alarm}/decisions"))?;
    let mut components = Components::new();
    for asked in decisions.items.iter().filter_map(|item| item.asked.as_ref()) {
        if !components.contains_key(&asked.digest) {
            let component = client.bytes(&format!("/api/v1/alarms/{alarm}/rules/{}", asked.digest))?;
            components.insert(asked.digest.clone(), component);
        }
    }
    Ok((decisions, components))
}

fn replay(
    engine: &Engine,
    item: &DecisionItem,
    asked: &AskedRule,
    components: &Components,
) -> Result<(DecisionRecord, Replay)> {
    let digest: RuleDigest = asked.digest.parse()?;
    let component = components.get(&asked.digest).with_context(|| format!("the server has no component {digest}"))?;
    let tier: Tier = asked.tier.parse()?;
    let admitted =
        engine.admit_in(component, tier).context("the component is refused by this version of the platform")?;
    let settings = engine.load::<Alarm>(&admitted).encode_settings(&asked.settings.to_string())?;
    let record: DecisionRecord = serde_json::from_value(json!({
        "format": FORMAT,
        "rule": digest,
        "tier": tier,
        "settings-version": asked.settings_version,
        "settings": davy_rules::explain::Hex(settings.to_vec()),
        "state-before": asked.state_before,
        "event": item.event,
        "result": asked.result,
        "fuel": asked.fuel,
    }))
    .context("the stored decision is not one of the format davy-decision/1")?;
    let replay = record.replay(engine, Some(component))?;
    Ok((record, replay))
}

fn tell(item: &DecisionItem, again: Option<&(DecisionRecord, Replay)>) {
    println!("\ndecision {} about {} at {} ms", item.number, item.device, item.at.as_millis());
    for found in &item.floor {
        let (name, unit) = (found.quantity.senml_name(), found.quantity.unit());
        let close = if found.close { ", closing the linked valves" } else { "" };
        println!(
            "  floor     {}: {name} {} {unit} raises {} ({}){close}",
            found.rule, found.value, found.condition, found.priority
        );
    }
    match again {
        Some((record, replay)) => print(record, replay),
        None => println!("  rule      none was asked: the statutory floor decided alone"),
    }
}
