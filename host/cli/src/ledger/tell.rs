//! What came of verifying, for people and for programs.

use super::Verified;
use crate::remote::moment_of;
use davy_api::{CheckpointItem, LedgerCheckpoints};
use serde_json::{Value, json};

/// `keys_given`: whether the caller has said whose signatures count.
pub(super) fn one(verified: &Verified, keys_given: bool) {
    let report = &verified.report;
    let name = if verified.company.is_empty() { String::new() } else { format!(" ({})", verified.company) };
    println!("{}{name}: {} entries", report.chain, report.entries);
    if let Some((line, why)) = &verified.line {
        let place = if *line == 0 { String::new() } else { format!(" in line {line}") };
        println!("  NOT AS IT WAS WRITTEN{place}: {why}");
    }
    if let Some(fault) = &report.fault {
        println!("  NOT AS IT WAS WRITTEN: {fault}");
        println!("  right up to entry {}", report.head.seq);
    }
    if verified.is_sound() {
        println!("  whole: every entry is as it was written, none is missing");
        println!("  ends with entry {}, hash {}", report.head.seq, report.head.hash);
    }
    match &report.covered {
        Some(signed) => {
            let (checkpoint, key) = (signed.checkpoint, signed.key);
            println!("  signed up to entry {} at {} by {key}", checkpoint.seq, moment_of(checkpoint.at));
            if !keys_given {
                println!("  whether that key is the platform's you must know: give the one you were told with `--key`");
            }
        }
        None if report.entries > 0 => {
            println!("  no checkpoint covers it: who could write all of it anew would not be found");
        }
        None => {}
    }
}

pub(super) fn as_value(verified: &[Verified]) -> Value {
    let one = |verified: &Verified| {
        let report = &verified.report;
        let fault = report
            .fault
            .as_ref()
            .map(|fault| json!({"kind": fault.name(), "entry": fault.seq(), "text": fault.to_string()}));
        let line = verified.line.as_ref().map(|(line, text)| json!({"kind": "line", "line": line, "text": text}));
        json!({
            "chain": report.chain.to_string(),
            "company": verified.company,
            "entries": report.entries,
            "sound": verified.is_sound(),
            "head": {"seq": report.head.seq, "hash": report.head.hash},
            "covered": report.covered.as_ref().map(CheckpointItem::from),
            "fault": fault.or(line),
        })
    };
    let sound = verified.iter().all(Verified::is_sound);
    json!({"sound": sound, "chains": verified.iter().map(one).collect::<Vec<_>>()})
}

pub(super) fn checkpoints(found: &LedgerCheckpoints) {
    for key in &found.keys {
        println!("key   {key}");
    }
    if found.items.is_empty() {
        println!("no checkpoint yet: one is signed every `ledger.checkpoint-every`");
    }
    for item in &found.items {
        println!("{}  entry {}  {}  {}", item.chain, item.seq, moment_of(item.at), item.hash);
    }
}
