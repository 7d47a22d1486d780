//! `cargo xtask bench`: what the platform costs, each figure beside its ceiling from the same run on the same machine.
//!
//! A bench and never a test: nothing here passes or fails. Must never print a figure that this run did not measure.

mod machine;
mod peers;
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
use std::ffi::OsStr;
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
    /// Where the figures go as JSON [default: bench/bench.json in the target folder]
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
    /// Instead of all that: one policy in Davy's sandbox and in other engines for embedding
    #[arg(long, conflicts_with_all = ["only", "sqlite_only"])]
    peers: bool,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// One rule call beside native code and bare wasmtime.
    RuleCalls,
    /// A thousand tenants' rules in one process.
    Tenants,
    /// From a component's upload to its admission.
    Admission,
    /// Readings a second that a back-test folds.
    BackTest,
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
    /// What the ledger costs.
    Ledger,
    /// What authorisation adds to a request, and sign-ins a second.
    Requests,
    /// A file of ten thousand devices, until it is entered.
    Import,
}

impl Arguments {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

/// Measures everything in turn.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    packages::prepare_builds(workspace)?;
    if arguments.peers {
        return run_peers(workspace, arguments);
    }
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
        figures["rule_call"] = measured(workspace, SHIPPED, &["calls"], &[])?;
    }
    if arguments.wants(Part::Tenants) {
        println!("── a thousand tenants");
        figures["tenants"] = tenants(workspace)?;
    }
    if arguments.wants(Part::Admission) {
        println!("── admission");
        figures["admission"] = admission(workspace)?;
    }
    if arguments.wants(Part::BackTest) {
        println!("── back-test");
        for rule in BACK_TESTED {
            figures["back_test"][rule] = measured(workspace, rule, &["backtest"], &[])?;
        }
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
            "leaks of a company beside another one: a good rule, one that never ends, a device that floods",
            &|| {
                let good = site("good")?.neighbour(seconds * 2, false)?;
                let flood = site("flood")?.neighbour(seconds * 2, true)?;
                let never_ends = endless(workspace)?;
                let endless = Site::with(workspace, database, "endless", HOUSEHOLDS, &never_ends)?
                    .neighbour(seconds * 2, false)?;
                Ok(
                    json!({"leak_to_close_beside_good": good, "leak_to_close_beside_flood": flood, "leak_to_close_beside_endless": endless}),
                )
            },
        )?;
        measure(Part::Ledger, "the ledger", &|| {
            let folder = tempfile::tempdir_in(bench_folder(workspace)?).context("no temporary folder")?;
            let mut bench = Command::new(bins::program(workspace, Profile::Release, "davy-bench")?);
            bench.arg("chain").arg(folder.path());
            if let Database::Postgres(url) = database {
                bench.args(["--postgres", url]);
            }
            let printed = process::output(&mut bench)?;
            Ok(json!({"ledger": serde_json::from_str::<Value>(&printed).context("`davy-bench chain` prints no JSON")?}))
        })?;
        measure(Part::Requests, "requests and sign-ins", &|| {
            Ok(json!({"requests": Site::new(workspace, database, "requests", FEW_HOUSEHOLDS)?.requests()?}))
        })?;
        measure(Part::Import, "a file of ten thousand devices", &|| {
            Ok(json!({"import": Site::new(workspace, database, "import", FEW_HOUSEHOLDS)?.import()?}))
        })?;
        measure(Part::Restart, "restart with a long journal", &|| {
            Ok(json!({"restart": site("restart")?.restart(arguments.restart_uplinks)?}))
        })?;
    }
    drop(postgres);
    let text = table::markdown(&figures);
    println!("\n{text}");
    write_report(workspace, arguments, &figures)?;
    if arguments.write {
        let page = workspace.root.join("BENCHMARKS.md");
        let kept = peers::kept(&std::fs::read_to_string(&page).unwrap_or_default());
        std::fs::write(&page, text + &kept).context("cannot write BENCHMARKS.md")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The peers by themselves.
fn run_peers(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let machine = machine::facts(workspace)?;
    let figures = peers::measure(workspace)?;
    let section = peers::section(&machine, &figures);
    println!("{section}");
    write_report(workspace, arguments, &peers::report(&machine, &figures))?;
    if arguments.write {
        let page = workspace.root.join("BENCHMARKS.md");
        let text = std::fs::read_to_string(&page).context("cannot read BENCHMARKS.md")?;
        std::fs::write(&page, peers::replaced(&text, &section)).context("cannot write BENCHMARKS.md")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write_report(workspace: &Workspace, arguments: &Arguments, figures: &Value) -> Result<()> {
    let report =
        arguments.report.clone().map_or_else(|| bench_folder(workspace).map(|at| at.join("bench.json")), Ok)?;
    let json = serde_json::to_string_pretty(figures).context("the figures cannot be written as JSON")?;
    std::fs::write(&report, json + "\n").with_context(|| format!("cannot write {}", report.display()))?;
    println!("as JSON: {}", report.display());
    Ok(())
}

/// The rule that most figures are about.
const SHIPPED: &str = "household-leak";
/// Alarm policies whose back-test is measured: one that rests when nothing happens, and one that looks at every reading.
const BACK_TESTED: &[&str] = &["household-leak", "well-methane"];

/// What `davy-bench` says of a shipped rule.
fn measured(workspace: &Workspace, rule: &str, command: &[&str], arguments: &[&OsStr]) -> Result<Value> {
    let component = workspace.rules().join(format!("{rule}.wasm"));
    let mut bench = Command::new(bins::program(workspace, Profile::Release, "davy-bench")?);
    bench.args(command).arg(component).args(arguments);
    serde_json::from_str(&process::output(&mut bench)?).with_context(|| format!("what {command:?} prints is not JSON"))
}

/// A process for each step: what compiling leaves in memory is none of the tenants'.
fn tenants(workspace: &Workspace) -> Result<Value> {
    let folder = tempfile::tempdir_in(bench_folder(workspace)?).context("no temporary folder")?;
    let cache = folder.path().join("compiled");
    let mut filled = measured(workspace, SHIPPED, &["fill-tenants"], &[cache.as_os_str()])?;
    filled["loaded"] = measured(workspace, SHIPPED, &["tenants"], &[cache.as_os_str()])?;
    Ok(filled)
}

fn admission(workspace: &Workspace) -> Result<Value> {
    let davyctl = bins::program(workspace, Profile::Release, "davyctl")?;
    measured(workspace, SHIPPED, &["admission"], &["--davyctl".as_ref(), davyctl.as_os_str()])
}

/// Where what is measured keeps its files: beside what is built and not in /tmp, which may be in memory.
fn bench_folder(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join("bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// A rule that passes every check and never ends, as a component.
fn endless(workspace: &Workspace) -> Result<PathBuf> {
    let path = bench_folder(workspace)?.join("endless.wasm");
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
