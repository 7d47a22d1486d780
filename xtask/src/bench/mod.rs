//! `cargo xtask bench`: what the platform costs, each figure beside its ceiling from the same run on the same machine.
//!
//! A bench and never a test: nothing here passes or fails. Must never print a figure that this run did not measure.

mod machine;
mod site;
mod table;

use crate::test::machine as packages;
use crate::test::postgres::{Durability, Postgres};
use crate::workspace::{Profile, Workspace};
use crate::{bins, process, rules};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};
use site::{BUSY, Database, FEW_HOUSEHOLDS, HOUSEHOLDS, QUIET, Site, Wake};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Options of `cargo xtask bench`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How long each load is measured, seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Uplinks in the journal for the restart
    #[arg(long, default_value_t = 1_000_000)]
    restart_uplinks: u64,
    /// Write the figures as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write BENCHMARKS.md
    #[arg(long)]
    write: bool,
    /// Only SQLite
    #[arg(long)]
    sqlite_only: bool,
    /// Only these parts; `--write` needs all of them
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with = "write")]
    only: Vec<Part>,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// One rule call beside native code and bare wasmtime.
    RuleCalls,
    /// The loop that does only what physics asks.
    Ceiling,
    /// Uplinks a second with a rule call for each.
    Uplinks,
    /// Bytes per reading after compaction.
    Stored,
    /// Uplinks a second as in production.
    Resting,
    /// Leak to close.
    Leaks,
    /// Leak to close of one company beside another one's endless rule.
    Neighbour,
    /// From a kill to ready.
    Restart,
}

impl Arguments {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

/// Measures everything in turn.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    packages::prepare_builds(workspace)?;
    println!("building in release");
    bins::build_release(workspace, &["davy-server", "davy-sim", "davy-cli", "davy-bench"])?;
    rules::build(workspace, Profile::Release)?;
    let mut databases = vec![Database::Sqlite];
    let postgres = if arguments.sqlite_only { None } else { Some(Postgres::start(Durability::Full)?) };
    databases.extend(postgres.as_ref().map(|server| Database::Postgres(server.url())));
    let mut figures = json!({
        "machine": machine::facts(workspace)?,
        "commit": process::output(Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(&workspace.root))
            .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned()),
        "seconds": arguments.seconds,
    });
    if arguments.wants(Part::RuleCalls) {
        println!("── rule calls");
        figures["rule_call"] = rule_call(workspace)?;
    }
    for database in &databases {
        let name = database.name();
        let site = |purpose: &str| Site::new(workspace, database, purpose, HOUSEHOLDS);
        figures[name] = json!({});
        let mut measure = |part: Part, what: &str, run: &dyn Fn() -> Result<Value>| {
            if arguments.wants(part) {
                println!("── {name}: {what}");
                for (key, value) in run()?.as_object().into_iter().flatten() {
                    figures[name][key] = value.clone();
                }
            }
            anyhow::Ok(())
        };
        let seconds = arguments.seconds;
        measure(Part::Ceiling, "ceiling, full and at the leaks' rates", &|| {
            Ok(json!({"ceiling": site("ceiling")?.ceiling(seconds)?}))
        })?;
        measure(Part::Uplinks, "uplinks, a rule call for each", &|| {
            Ok(json!({"uplinks": site("uplinks")?.uplinks(seconds, Wake::Ignored)?}))
        })?;
        measure(Part::Stored, "bytes per stored reading", &|| {
            let mut site = Site::new(workspace, database, "stored", FEW_HOUSEHOLDS)?;
            site.uplinks(seconds, Wake::Honoured)?;
            Ok(json!({"stored": site.stored()?}))
        })?;
        measure(Part::Resting, "uplinks, rules at rest left alone", &|| {
            Ok(json!({"resting": site("resting")?.uplinks(seconds, Wake::Honoured)?}))
        })?;
        measure(Part::Leaks, "leak to close, idle and under load", &|| {
            let idle = site("idle")?.leaks(QUIET, seconds * 2)?;
            Ok(json!({"leak_to_close_idle": idle, "leak_to_close_loaded": site("loaded")?.leaks(BUSY, seconds * 2)?}))
        })?;
        measure(
            Part::Neighbour,
            "leaks of a company beside another one's rule, a good one and one that never ends",
            &|| {
                let good = site("good")?.neighbour(seconds * 2)?;
                let never_ends = endless(workspace)?;
                let endless =
                    Site::with(workspace, database, "endless", HOUSEHOLDS, &never_ends)?.neighbour(seconds * 2)?;
                Ok(json!({"leak_to_close_beside_good": good, "leak_to_close_beside_endless": endless}))
            },
        )?;
        measure(Part::Restart, "restart with a long journal", &|| {
            Ok(json!({"restart": site("restart")?.restart(arguments.restart_uplinks)?}))
        })?;
    }
    drop(postgres);
    let text = table::markdown(&figures);
    println!("\n{text}");
    if let Some(path) = &arguments.report {
        let json = serde_json::to_string_pretty(&figures).context("the figures cannot be written as JSON")?;
        std::fs::write(path, json + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    if arguments.write {
        std::fs::write(workspace.root.join("BENCHMARKS.md"), text).context("cannot write BENCHMARKS.md")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One call beside native code and bare wasmtime.
fn rule_call(workspace: &Workspace) -> Result<Value> {
    let mut command = Command::new(bins::program(workspace, Profile::Release, "davy-bench")?);
    command.arg("calls").arg(workspace.rules().join("household-leak.wasm"));
    serde_json::from_str(&process::output(&mut command)?).context("what a rule call costs is not JSON")
}

/// A rule that passes every check and never ends, as a component.
fn endless(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join("bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join("endless.wasm");
    let mut command = Command::new(bins::program(workspace, Profile::Release, "davy-bench")?);
    process::output(command.args(["hostile"]).arg(&path))?;
    Ok(path)
}

/// Waits while nothing was asked to end.
fn pause(duration: Duration) -> Result<()> {
    std::thread::sleep(duration);
    anyhow::ensure!(!process::interrupted(), "interrupted");
    Ok(())
}
