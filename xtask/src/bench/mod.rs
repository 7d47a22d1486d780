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
use site::{BUSY, Database, QUIET, Site, Wake};
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
    println!("── rule calls");
    figures["rule_call"] = rule_call(workspace)?;
    let endless = endless(workspace)?;
    for database in &databases {
        let name = database.name();
        println!("── {name}: ceiling, full and at the leaks' rates");
        let ceiling = Site::new(workspace, database, "ceiling")?.ceiling(arguments.seconds)?;
        println!("── {name}: uplinks, a rule call for each");
        let mut site = Site::new(workspace, database, "uplinks")?;
        let uplinks = site.uplinks(arguments.seconds, Wake::Ignored)?;
        println!("── {name}: bytes per stored reading");
        let stored = site.stored()?;
        drop(site);
        println!("── {name}: uplinks, rules at rest left alone");
        let resting = Site::new(workspace, database, "resting")?.uplinks(arguments.seconds, Wake::Honoured)?;
        println!("── {name}: leak to close, idle and under load");
        let idle = Site::new(workspace, database, "idle")?.leaks(QUIET, arguments.seconds * 2)?;
        let loaded = Site::new(workspace, database, "loaded")?.leaks(BUSY, arguments.seconds * 2)?;
        println!("── {name}: leaks of a company beside another one's rule, a good one and one that never ends");
        let beside_good = Site::new(workspace, database, "good")?.neighbour(arguments.seconds * 2)?;
        let beside_endless = Site::with(workspace, database, "endless", &endless)?.neighbour(arguments.seconds * 2)?;
        figures[name] = json!({
            "leak_to_close_beside_good": beside_good, "leak_to_close_beside_endless": beside_endless,
            "ceiling": ceiling, "uplinks": uplinks, "resting": resting,
            "leak_to_close_idle": idle, "leak_to_close_loaded": loaded, "stored": stored,
        });
        println!("── {name}: restart with {} uncompacted uplinks", arguments.restart_uplinks);
        figures[name]["restart"] = Site::new(workspace, database, "restart")?.restart(arguments.restart_uplinks)?;
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
