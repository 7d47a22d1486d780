//! `davyctl replay`: makes the decisions of a bundle again, offline, and says where they come out otherwise.
//!
//! It must never ask a server, nor believe a bundle whose parts do not fit together.

use crate::exit::Answer;
use crate::rule::{engine, read};
use anyhow::{Context, Result};
use davy_rules::bundle::{Bundle, BundleError, Replayed};
use davy_rules::{Engine, EngineConfig};
use serde_json::json;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The bundle (JSON, format davy-bundle/1)
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
    let (bundle, replayed) = match made_again {
        Ok(made_again) => made_again,
        Err(refused) => {
            if arguments.json {
                println!("{:#}", json!({"bundle": file.to_string(), "equal": false, "refused": words(&refused)}));
            } else {
                println!("{file}: REFUSED\n  {}", words(&refused));
            }
            return Ok(Answer::No);
        }
    };
    let equal = replayed.iter().all(|decision| decision.differences.is_empty());
    if arguments.json {
        println!(
            "{:#}",
            json!({
                "bundle": file.to_string(),
                "about": bundle.about,
                "engine": if arguments.interpreter { "interpreter" } else { "native" },
                "equal": equal,
                "decisions": replayed,
            })
        );
    } else {
        println!("{file}: {} decision(s) about {}", replayed.len(), bundle.about);
        replayed.iter().for_each(tell);
        let asked = replayed.iter().filter(|decision| decision.rule.is_some()).count();
        if equal {
            println!("equal: made again, {asked} decision(s) are the same to the byte and to the unit of fuel");
        } else {
            let different = replayed.iter().filter(|decision| !decision.differences.is_empty()).count();
            println!("DIFFERENT: made again, {different} of {asked} decision(s) come out otherwise");
        }
    }
    Ok(equal.into())
}

/// The outer error: it could not be tried. The inner one: the bundle is refused.
fn open(arguments: &Arguments) -> Result<Result<(Bundle, Vec<Replayed>), BundleError>> {
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
    Ok(bundle.replay(&engine).map(|replayed| (bundle, replayed)))
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
    let word = if differences.is_empty() { "equal" } else { "DIFFERENT" };
    println!("  {number}  {device}  {at_ms} ms  {} {}  fuel {}  {word}", rule.name, rule.version, rule.fuel);
    for difference in differences {
        println!("    {}\n      recorded  {}\n      got       {}", difference.part, difference.stored, difference.now);
    }
}
