//! What a notification policy decided about an alarm, made again; and who was told of it.

use super::state;
use super::stored::Components;
use anyhow::{Context, Result};
use davy_api::{MessageItem, NotificationItem};
use davy_rules::notification::codes;
use davy_rules::notification::record::{FORMAT, NotificationRecord, Replay};
use davy_rules::world::Notification;
use davy_rules::{Engine, RuleDigest, Tier};
use serde_json::{Value, json};

/// One decision made again.
pub(super) type Again = (NotificationRecord, Replay);

pub(super) fn replay(engine: &Engine, item: &NotificationItem, components: &Components) -> Result<Again> {
    let asked = &item.asked;
    let digest: RuleDigest = asked.digest.parse()?;
    let component = components.get(&asked.digest).with_context(|| format!("the server has no component {digest}"))?;
    let tier: Tier = asked.tier.parse()?;
    let admitted =
        engine.admit_in(component, tier).context("the component is refused by this version of the platform")?;
    let settings = engine.load::<Notification>(&admitted).encode_settings(&asked.settings.to_string())?;
    let record: NotificationRecord = serde_json::from_value(json!({
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
    .with_context(|| format!("the stored decision is not one of the format {FORMAT}"))?;
    let replay = record.replay(engine, component)?;
    Ok((record, replay))
}

pub(super) fn as_value(item: &NotificationItem, (record, replay): &Again) -> Value {
    let about = replay.rule.describe();
    json!({
        "number": item.number,
        "at": item.at,
        "version": item.version,
        "identical": replay.differences.is_empty(),
        "rule": { "name": about.name, "version": about.version, "digest": replay.rule.digest() },
        "settings": replay.settings,
        "settings-version": record.settings_version,
        "event": record.event,
        "state-before": record.state_before,
        "stored": record.result,
        "differences": replay.differences,
        "fuel": { "stored": record.fuel, "now": replay.evaluated.fuel },
    })
}

pub(super) fn print(item: &NotificationItem, (record, replay): &Again) {
    let about = replay.rule.describe();
    let trigger = codes::notification_trigger::name(record.event.trigger).unwrap_or("unknown");
    println!("\ndecision {} on whom to tell, at {} ms", item.number, item.at.as_millis());
    println!("  rule      {} {}  {}", about.name, about.version, record.rule);
    let settings = replay.settings.as_ref().map_or_else(|| "unreadable".to_owned(), ToString::to_string);
    println!("  settings  version {}: {settings}", record.settings_version);
    println!(
        "  event     {trigger}, priority {}, {} can be told",
        record.event.priority,
        record.event.recipients.len()
    );
    println!("  before    {}", state(&record.state_before.0));
    match &replay.evaluated.result {
        Ok(outcome) => {
            println!("  after     {}", state(&outcome.state));
            for send in &outcome.sends {
                println!("  tells     {}", whom(send.role, send.rank, send.channel));
            }
            for timer in &outcome.timers {
                println!("  again     at {} ms", timer.at_ms);
            }
            outcome.notes.iter().for_each(|note| println!("  note      {note}"));
        }
        Err(fault) => println!("  fault     {fault}: everyone was told"),
    }
    println!("  fuel      {} then, {} now", record.fuel, replay.evaluated.fuel);
    if replay.differences.is_empty() {
        println!("  identical: made again, the decision is the same to the byte");
    } else {
        println!("  DIFFERENT: made again, the decision is another one");
        for difference in &replay.differences {
            println!("    {}\n      stored  {}\n      now     {}", difference.part, difference.stored, difference.now);
        }
    }
}

fn whom(role: u16, rank: u16, channel: u16) -> String {
    let role = codes::role::name(role).unwrap_or("unknown");
    let channel = codes::channel::name(channel).unwrap_or("unknown");
    format!("{role} {} by {channel}", u32::from(rank) + 1)
}

pub(super) fn print_messages(messages: &[MessageItem]) {
    if messages.is_empty() {
        return;
    }
    println!("\n{} message(s)", messages.len());
    for it in messages {
        let rank = u32::from(it.rank) + 1;
        println!(
            "  {} ms  {} {rank} by {}: {} ({}, {})",
            it.at.as_millis(),
            it.role,
            it.channel,
            it.about,
            it.by,
            it.state
        );
    }
}
