//! `davyctl explain`: makes a stored decision again and says where it comes out otherwise.

mod stored;
mod told;

use crate::colour::{Colour, paint};
use crate::exit::Answer;
use crate::rule::{engine, read};
use anyhow::{Context, Result, bail};
use davy_domain::AlarmId;
use davy_rules::explain::{DecisionRecord, Hex, Replay};
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
#[command(arg_required_else_help = true)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["alarm", "file"])))]
pub(crate) struct Arguments {
    /// The alarm (alm_…) whose decisions a server has stored
    alarm: Option<AlarmId>,
    /// The server, such as `https://gas.example` [default: the one of `davyctl login`]
    #[arg(long, value_name = "URL", requires_all = ["alarm", "email"])]
    server: Option<String>,
    /// Who signs in at `--server`; the password is asked for, or taken from DAVY_PASSWORD
    #[arg(long, value_name = "ADDRESS", env = "DAVY_EMAIL")]
    email: Option<String>,
    /// Write the decisions with their components to a file, for `davyctl replay`
    #[arg(long, value_name = "FILE", requires = "alarm")]
    export: Option<PathBuf>,
    /// A stored decision in a file (JSON, format davy-decision/1)
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The component that decided, when the record in the file does not hold it
    #[arg(long, value_name = "FILE", requires = "file")]
    component: Option<PathBuf>,
    /// Print JSON for programs instead of text for people
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Answer> {
    match arguments {
        Arguments { alarm: Some(alarm), server, email, export, json, .. } => {
            let at = server.as_deref().zip(email.as_deref());
            stored::run(*alarm, at, export.as_deref(), *json)
        }
        Arguments { file: Some(file), component, json, .. } => of_file(file, component.as_deref(), *json),
        // The parser lets nothing else through.
        _ => bail!("expected either an alarm or `--file`"),
    }
}

fn of_file(file: &Path, component: Option<&Path>, json: bool) -> Result<Answer> {
    let record: DecisionRecord =
        serde_json::from_slice(&read(file)?).with_context(|| format!("{} is not a stored decision", file.display()))?;
    let component = component.map(read).transpose()?;
    let replay = record.replay(&engine()?, component.as_deref())?;
    let identical = replay.differences.is_empty();
    if json {
        println!("{:#}", as_value(&record, &replay));
    } else {
        println!("{}", file.display());
        print(&record, &replay);
    }
    Ok(identical.into())
}

fn as_value(record: &DecisionRecord, replay: &Replay) -> serde_json::Value {
    let about = replay.rule.describe();
    json!({
        "identical": replay.differences.is_empty(),
        "rule": { "name": about.name, "version": about.version, "digest": replay.rule.digest() },
        "settings": replay.settings,
        "settings-version": record.settings_version,
        "event": record.event,
        "state-before": record.state_before,
        "stored": record.result,
        "differences": replay.differences,
        "fuel": { "stored": record.fuel, "now": replay.evaluation.fuel },
        "remarks": replay.remarks,
    })
}

/// The rule's own bytes; only the rule knows what they mean.
fn state(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "no state".to_owned();
    }
    format!("{} bytes of state: {}", bytes.len(), Hex(bytes.to_vec()))
}

fn print(record: &DecisionRecord, replay: &Replay) {
    let about = replay.rule.describe();
    println!("  rule      {} {}  {}", about.name, about.version, record.rule);
    let settings = replay.settings.as_ref().map_or_else(|| "unreadable".to_owned(), ToString::to_string);
    println!("  settings  version {}: {settings}", record.settings_version);
    let event = &record.event;
    println!(
        "  event     {:?} of a {} at {} ms, valve {}",
        event.trigger, event.device_kind, event.now_ms, event.valve
    );
    for reading in &event.readings {
        let (name, unit) = (reading.quantity.senml_name(), reading.quantity.unit());
        println!("            {name} {} {unit} at {} ms", reading.value.0, reading.at_ms);
    }
    println!("  before    {}", state(&record.state_before.0));
    match &replay.evaluation.result {
        Ok(outcome) => {
            println!("  after     {}", state(&outcome.state));
            for raise in &outcome.raise {
                println!("  raised    {} ({})", raise.condition, raise.priority);
            }
            for condition in &outcome.clear {
                println!("  cleared   {condition}");
            }
            if outcome.close_valve {
                let reason =
                    replay.remarks.close_reason.map_or_else(String::new, |reason| format!(" because of {reason}"));
                println!("  closed    the linked valves{reason}");
            }
            if outcome.raise.is_empty() && outcome.clear.is_empty() && !outcome.close_valve {
                println!("  decided   nothing to do");
            }
        }
        Err(fault) => println!("  fault     {fault}"),
    }
    for note in &replay.remarks.notes {
        println!("  note      {note}");
    }
    println!("  fuel      {} then, {} now", record.fuel, replay.evaluation.fuel);
    if replay.differences.is_empty() {
        println!("  {}: made again, the decision is the same to the byte", paint("identical", Colour::Good));
    } else {
        println!("  {}: made again, the decision is another one", paint("DIFFERENT", Colour::Bad));
        for difference in &replay.differences {
            println!("    {}\n      stored  {}\n      now     {}", difference.part, difference.stored, difference.now);
        }
    }
}
