//! `cargo xtask demo`: the whole platform on one machine, with a city of devices that speak the real protocol to it.
//!
//! Must never invent a figure of its report: each is counted by the fleet, by the server's metrics or by the database.

mod data;
pub(crate) mod metrics;
mod report;

use crate::process::{self, Running};
use crate::test::machine;
use crate::workspace::{Profile, Workspace};
use crate::{bins, rules, web};
use anyhow::{Context, Result, bail};
use clap::Args;
use data::Data;
use nix::sys::signal::Signal;
use report::Leaks;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Options of `cargo xtask demo`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// End by itself after so many seconds, at least 30; without it, run until Ctrl-C
    #[arg(long, value_parser = clap::value_parser!(u64).range(30..))]
    seconds: Option<u64>,
    /// Write a report as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Where the database, the key and the sign-ins are kept
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// The port of the web pages
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The port that the devices send to (UDP)
    #[arg(long, default_value_t = 5683)]
    coap_port: u16,
    /// Decides what the city and its people do
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Run what was built before
    #[arg(long)]
    no_build: bool,
    /// A leak begins somewhere so often, seconds
    #[arg(long, default_value_t = 8)]
    leak_every: u64,
}

/// The packages whose programs the demo runs.
const PACKAGES: [&str; 4] = ["davy-server", "davy-sim", "davy-cli", "davy-bench"];

/// Builds, starts, watches and reports.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    if !arguments.no_build {
        build(workspace)?;
    }
    step("4 of 5", "preparing the city");
    let listen = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let data = Data::open(workspace, &arguments.data, arguments.seed)?;
    let before = report::audit(workspace, &data, 0)?;
    step("5 of 5", "starting");
    let mut server = start_server(
        workspace,
        &data,
        listen(arguments.port),
        listen(arguments.coap_port),
        arguments.seconds.is_some(),
    )?;
    let begun =
        SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?.as_millis() as i64;
    let fleet_report = data.folder.join("fleet-report.json");
    let mut fleet = start_fleet(workspace, &data, arguments, &fleet_report)?;
    println!("\n  web pages   http://localhost:{}", arguments.port);
    println!("  REST        http://localhost:{0}/openapi.json   metrics http://localhost:{0}/metrics", arguments.port);
    println!("  devices     coap://127.0.0.1:{} (UDP, OSCORE)", arguments.coap_port);
    println!("  logs        {}\n", data.folder.join("davy.log").display());
    data.print_sign_ins();
    match arguments.seconds {
        Some(seconds) => println!("\n  ends by itself after {seconds} s\n"),
        None => println!("\n  Ctrl-C ends it\n"),
    }
    watch(&mut server, &mut fleet, arguments.seconds)?;
    let scraped = metrics::scrape(listen(arguments.port)).context("the server's metrics cannot be read")?;
    let stopped = server.end(Signal::SIGTERM);
    if !stopped.is_some_and(|status| status.success()) {
        bail!("the server did not stop in order: see {}", data.folder.join("davy.log").display());
    }
    let after = report::audit(workspace, &data, begun)?;
    let fleet = std::fs::read_to_string(&fleet_report).context("the fleet left no report")?;
    let wanted = if arguments.seconds.is_some() { Leaks::AtLeastOne } else { Leaks::Any };
    let report = report::Report::new(&fleet, &before, &after, &scraped, wanted)?;
    report.print();
    if let Some(path) = &arguments.report {
        let text = serde_json::to_string_pretty(&report.json).context("the report cannot be written as JSON")?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
        println!("  report      {}", path.display());
    }
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn build(workspace: &Workspace) -> Result<()> {
    machine::prepare_builds(workspace)?;
    step("1 of 5", "building the server, the fleet and the tools (release; the first time takes some minutes)");
    bins::build_release(workspace, &PACKAGES)?;
    step("2 of 5", "building the rules");
    rules::build(workspace, Profile::Release)?;
    step("3 of 5", "building the web pages");
    web::build(workspace)
}

fn step(at: &str, what: &str) {
    println!("\n── {at} ── {what}");
}

fn start_server(
    workspace: &Workspace,
    data: &Data,
    http: SocketAddr,
    coap: SocketAddr,
    counted: bool,
) -> Result<Running> {
    let mut command = Command::new(bins::program(workspace, Profile::Release, "davy")?);
    data.settings(&mut command, workspace);
    if counted {
        // What is still in the journal can be counted one by one; chunks hold other entries too.
        command.env("DAVY_INGEST_COMPACT_EVERY", "24 h");
    }
    command.arg("serve").env("DAVY_HTTP_LISTEN", http.to_string()).env("DAVY_COAP_LISTEN", coap.to_string());
    let log = data.folder.join("davy.log");
    let mut server = Running::start(&mut command, &log, true)?;
    let begun = Instant::now();
    while !metrics::is_ready(http) {
        if let Some(status) = server.poll()? {
            bail!("the server ended with {status}: {}", server.transcript().tail().join("\n  "));
        }
        if process::interrupted() || begun.elapsed() > Duration::from_mins(2) {
            bail!("the server is not ready: see {}", log.display());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("  the server was ready after {:.1} s", begun.elapsed().as_secs_f64());
    Ok(server)
}

/// When the first leak begins, seconds: every device has been heard of by then.
const FIRST_LEAK: u64 = 5;

/// How often a leak begins, and how long before the end none does any more, seconds. A run that ends by itself has several, and time
/// for the last one to be felt, closed and proven.
fn leaks(seconds: Option<u64>, every: u64) -> (u64, u64) {
    const SETTLE: u64 = 25;
    let Some(seconds) = seconds else { return (every, SETTLE) };
    let settle = SETTLE.min(seconds * 2 / 3);
    let room = seconds.saturating_sub(settle + FIRST_LEAK);
    (every.min(room / 3).max(1), settle)
}

fn start_fleet(workspace: &Workspace, data: &Data, arguments: &Arguments, report: &std::path::Path) -> Result<Running> {
    let mut command = Command::new(bins::program(workspace, Profile::Release, "davy-fleet")?);
    command.arg("run").arg("--credentials").arg(data.credentials());
    command.arg("--server").arg(format!("127.0.0.1:{}", arguments.coap_port));
    let (every, settle) = leaks(arguments.seconds, arguments.leak_every);
    command.args(["--seed", &arguments.seed.to_string(), "--leak-every", &every.to_string()]);
    command.args(["--first-leak-after", &FIRST_LEAK.to_string(), "--settle", &settle.to_string()]);
    // A hose that slips off reaches the alarm level in seconds, and a day at home passes in an hour: a visitor has no more time.
    command.args(["--gas-pace", "10", "--life-scale", "24", "--repair-after", "45"]);
    command.arg("--report").arg(report);
    if let Some(seconds) = arguments.seconds {
        command.args(["--seconds", &seconds.to_string()]);
    }
    Running::start(&mut command, &data.folder.join("fleet.log"), false)
}

/// Waits for the end: the fleet's own, or Ctrl-C, after which the fleet is asked to end and write its report.
fn watch(server: &mut Running, fleet: &mut Running, seconds: Option<u64>) -> Result<()> {
    let begun = Instant::now();
    loop {
        if let Some(status) = server.poll()? {
            bail!("the server ended by itself with {status}: {}", server.transcript().tail().join("\n  "));
        }
        if let Some(status) = fleet.poll()? {
            if status.success() {
                return Ok(());
            }
            bail!("the fleet ended with {status}: {}", fleet.transcript().tail().join("\n  "));
        }
        if process::interrupted() {
            println!("\nending");
            fleet.end(Signal::SIGINT);
            return Ok(());
        }
        if seconds.is_some_and(|seconds| begun.elapsed() > Duration::from_secs(seconds) + Duration::from_mins(1)) {
            bail!("the fleet did not end in time");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_ends_by_itself_has_several_leaks_and_time_to_close_the_last() {
        for seconds in [30, 45, 60, 600] {
            let (every, settle) = leaks(Some(seconds), 8);
            let count = (seconds - settle - FIRST_LEAK) / every;
            assert!(
                count >= 3 && settle >= 20,
                "{seconds} s: one every {every} s, {count} in all, {settle} s to settle"
            );
        }
        assert_eq!(leaks(Some(60), 8), (8, 25));
        assert_eq!(leaks(None, 8), (8, 25));
    }
}
