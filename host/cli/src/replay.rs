//! `davyctl replay`: makes the decisions of a bundle again, offline, and says where they come out otherwise.
//!
//! It must never ask a server, nor believe a bundle whose parts do not fit together.

use crate::colour::{Colour, paint};
use crate::exit::Answer;
use crate::rule::{engine, read};
use anyhow::{Context, Result};
use davy_rules::bundle::{Bundle, BundleError, Replayed, ReplayedNotification, ReplayedRule};
use davy_rules::explain::Difference;
use davy_rules::{Engine, EngineConfig};
use serde_json::json;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The bundle (JSON, format davy-bundle/1 or davy-bundle/2)
    bundle: PathBuf,
    /// Run the components in an interpreter instead of as this machine's code: a second witness, slower
    #[arg(long)]
    interpreter: bool,
    /// Print JSON for programs instead of text for people
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Answer> {
    let file = arguments.bundle.display();
    let made_again = open(arguments)?;
    let MadeAgain { bundle, replayed, told } = match made_again {
        Ok(made_again) => made_again,
        Err(refused) => {
            if arguments.json {
                println!("{:#}", json!({"bundle": file.to_string(), "equal": false, "refused": words(&refused)}));
            } else {
                println!("{file}: {}\n  {}", paint("REFUSED", Colour::Bad), words(&refused));
            }
            return Ok(Answer::No);
        }
    };
    let of_alarms = replayed.iter().filter(|decision| decision.rule.is_some()).map(|decision| &decision.differences);
    let differences: Vec<_> = of_alarms.chain(told.iter().map(|decision| &decision.differences)).collect();
    let equal = differences.iter().all(|differences| differences.is_empty());
    if arguments.json {
        println!(
            "{:#}",
            json!({
                "bundle": file.to_string(),
                "about": bundle.about,
                "engine": if arguments.interpreter { "interpreter" } else { "native" },
                "equal": equal,
                "decisions": replayed,
                "notifications": told,
            })
        );
    } else {
        let on_whom = if told.is_empty() { String::new() } else { format!(", {} on whom to tell,", told.len()) };
        println!("{file}: {} decision(s){on_whom} about {}", replayed.len(), bundle.about);
        replayed.iter().for_each(tell);
        for decision in &told {
            let what = format!("{}  on whom to tell  {} ms", decision.number, decision.at_ms);
            tell_rule(&what, &decision.rule, &decision.differences);
        }
        let asked = differences.len();
        if equal {
            println!(
                "{}: made again, {asked} decision(s) are the same to the byte and to the unit of fuel",
                paint("equal", Colour::Good)
            );
        } else {
            let different = differences.iter().filter(|differences| !differences.is_empty()).count();
            let word = paint("DIFFERENT", Colour::Bad);
            println!("{word}: made again, {different} of {asked} decision(s) come out otherwise");
        }
    }
    Ok(equal.into())
}

/// A bundle whose decisions were made again.
struct MadeAgain {
    bundle: Bundle,
    replayed: Vec<Replayed>,
    told: Vec<ReplayedNotification>,
}

/// The outer error: it could not be tried. The inner one: the bundle is refused.
fn open(arguments: &Arguments) -> Result<Result<MadeAgain, BundleError>> {
    let bundle = match Bundle::open(&read(&arguments.bundle)?) {
        Ok(bundle) => bundle,
        Err(BundleError::Altered(faults)) => return Ok(Err(BundleError::Altered(faults))),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be used", arguments.bundle.display())),
    };
    let engine = if arguments.interpreter {
        Engine::interpreter(&EngineConfig { pool_size: 4, ..EngineConfig::default() })?
    } else {
        engine()?
    };
    let again = bundle.replay(&engine).and_then(|replayed| Ok((replayed, bundle.replay_notifications(&engine)?)));
    Ok(again.map(|(replayed, told)| MadeAgain { bundle, replayed, told }))
}

/// An error with its causes.
fn words(error: &BundleError) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    words
}

fn tell(decision: &Replayed) {
    let Replayed { number, device, at_ms, rule, differences } = decision;
    let Some(rule) = rule else {
        println!("  {number}  {device}  {at_ms} ms  the statutory floor decided alone");
        return;
    };
    tell_rule(&format!("{number}  {device}  {at_ms} ms"), rule, differences);
}

fn tell_rule(what: &str, rule: &ReplayedRule, differences: &[Difference]) {
    let equal = differences.is_empty();
    let word = if equal { paint("equal", Colour::Good) } else { paint("DIFFERENT", Colour::Bad) };
    println!("  {what}  {} {}  fuel {}  {word}", rule.name, rule.version, rule.fuel);
    for difference in differences {
        println!("    {}\n      recorded  {}\n      got       {}", difference.part, difference.stored, difference.now);
    }
}
