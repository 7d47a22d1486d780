//! The decisions about an alarm that a server has stored, each made again with the component that decided.

use super::{as_value, print, told};
use crate::client::{Client, Refused};
use crate::exit::Answer;
use crate::remote::moment_of;
use crate::rule::engine;
use anyhow::{Context, Result};
use davy_api::{AlarmDecisions, AlarmLedger, AskedRule, DecisionItem, LedgerItem};
use davy_domain::AlarmId;
use davy_rules::bundle::{Bundle, BundledDecision, BundledNotification, FloorRecord};
use davy_rules::explain::{DecisionRecord, Exact, FORMAT, Replay};
use davy_rules::world::Alarm;
use davy_rules::{Engine, RuleDigest, Tier};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Components by the digest that was asked for.
pub(super) type Components = BTreeMap<String, Vec<u8>>;

/// One decision made again.
type Again = (DecisionRecord, Replay);

/// `at` is a server and who signs in there; without it the session of `davyctl login` is used.
pub(super) fn run(alarm: AlarmId, at: Option<(&str, &str)>, export: Option<&Path>, json: bool) -> Result<Answer> {
    let (decisions, components, ledger) = match at {
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
    let told = decisions.notifications.iter().map(|item| {
        told::replay(&engine, item, &components).with_context(|| format!("decision {} on whom to tell", item.number))
    });
    let told: Vec<_> = told.collect::<Result<_>>()?;
    if let Some(file) = export {
        write(file, &bundle(alarm, &decisions, (&again, &told), &components))?;
    }
    let identical = again.iter().flatten().all(|(_, replay)| replay.differences.is_empty())
        && told.iter().all(|(_, replay)| replay.differences.is_empty());
    if json {
        let items = decisions.items.iter().zip(&again).map(|(item, again)| {
            let again = again.as_ref().map(|(record, replay)| as_value(record, replay));
            json!({"number": item.number, "device": item.device, "at": item.at, "floor": item.floor, "again": again})
        });
        let notifications = decisions.notifications.iter().zip(&told).map(|(item, told)| told::as_value(item, told));
        println!(
            "{:#}",
            json!({
                "alarm": alarm,
                "identical": identical,
                "decisions": items.collect::<Vec<Value>>(),
                "notifications": notifications.collect::<Vec<Value>>(),
                "messages": decisions.messages,
                "ledger": ledger,
            })
        );
    } else {
        println!("{alarm}: {} stored decision(s)", decisions.items.len());
        for (item, again) in decisions.items.iter().zip(&again) {
            tell(item, again.as_ref());
        }
        tell_ledger(&ledger);
        for (item, told) in decisions.notifications.iter().zip(&told) {
            told::print(item, told);
        }
        told::print_messages(&decisions.messages);
    }
    Ok(identical.into())
}

/// The decisions as they were stored, whatever came of making them again.
fn bundle(
    alarm: AlarmId,
    decisions: &AlarmDecisions,
    (again, told): (&[Option<Again>], &[told::Again]),
    components: &Components,
) -> Bundle {
    let mut bundle = Bundle::new(alarm.to_string());
    let deciding = |asked: &AskedRule| components.get(&asked.digest);
    let asked = decisions.items.iter().filter_map(|item| item.asked.as_ref());
    let asked = asked.chain(decisions.notifications.iter().map(|item| &item.asked));
    for component in asked.filter_map(deciding) {
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
    for (item, (record, _)) in decisions.notifications.iter().zip(told) {
        let (number, at_ms) = (item.number, item.at.as_millis());
        bundle.add_notification(BundledNotification { number, at_ms, record: record.clone() });
    }
    bundle
}

fn write(file: &Path, bundle: &Bundle) -> Result<()> {
    std::fs::write(file, bundle.to_json()?).with_context(|| format!("cannot write {}", file.display()))?;
    let (decisions, told) = (bundle.decisions.len(), bundle.notifications.len());
    let components = bundle.components.len();
    eprintln!("{}: {decisions} decision(s), {told} on whom to tell, {components} component(s)", file.display());
    Ok(())
}

fn fetch(client: &Client, alarm: AlarmId) -> Result<(AlarmDecisions, Components, Vec<LedgerItem>)> {
    let decisions: AlarmDecisions = client.get(&format!("/api/v1/alarms/{alarm}/decisions"))?;
    let mut components = Components::new();
    let told = decisions.notifications.iter().map(|item| &item.asked);
    for asked in decisions.items.iter().filter_map(|item| item.asked.as_ref()).chain(told) {
        if !components.contains_key(&asked.digest) {
            let component = client.bytes(&format!("/api/v1/alarms/{alarm}/rules/{}", asked.digest))?;
            components.insert(asked.digest.clone(), component);
        }
    }
    let ledger = match client.get::<AlarmLedger>(&format!("/api/v1/alarms/{alarm}/ledger")) {
        Ok(ledger) => ledger.items,
        // Not everybody who may see an alarm may see the ledger.
        Err(error) if error.is::<Refused>() => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok((decisions, components, ledger))
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

/// Where the ledger has the alarm's transitions and its commands, and what vouches for them.
fn tell_ledger(items: &[LedgerItem]) {
    if items.is_empty() {
        return;
    }
    println!("\nledger of {}: {} entries", items[0].chain, items.len());
    for item in items {
        let change = |name: &str| item.act[name].as_str().unwrap_or_default().to_owned();
        let (before, after) = (change("before"), change("after"));
        let moved = if after.is_empty() { change("action") } else { format!("{before} → {after}") };
        println!("  entry {}  {}  {moved}  {}", item.seq, item.kind, item.hash);
        match &item.covered_by {
            Some(by) => println!("            signed for with entry {} at {}", by.seq, moment_of(by.at)),
            None => println!("            not signed for yet"),
        }
    }
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
