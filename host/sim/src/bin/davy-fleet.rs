//! `davy-fleet`: a city of devices for a platform to serve, and a load for it to bear.

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use davy_domain::{Span, Timestamp};
use davy_sim::{
    credential::Credential,
    fleet::{Control, Fleet, FleetConfig, ToldLog},
};
use std::{
    io::BufRead,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lives the life of the devices: homes, wells, gateways; with leaks when asked for. Takes interventions on standard input:
    /// `leak [PREMISES] [slow|sudden] [before-meter]`, `co [PREMISES]`, `jam SERIAL`, `reboot SERIAL`, `repair PREMISES`, `quit`.
    Run(Box<Run>),
    /// Sends as many uplinks as it can, or at a rate, and measures how fast they are acknowledged as stored.
    Load(Box<LoadArguments>),
    /// One device that has gone wrong: the first of the list sends uplinks at a rate and waits for no answer.
    Flood(FloodArguments),
}

#[derive(clap::Args)]
struct Run {
    /// The list of device credentials that `davy provision` wrote.
    #[arg(long)]
    credentials: PathBuf,
    /// Where the platform listens for CoAP.
    #[arg(long, default_value = "127.0.0.1:5683")]
    server: SocketAddr,
    /// Ends after so many seconds; otherwise at Ctrl-C or `quit`.
    #[arg(long)]
    seconds: Option<f64>,
    /// Of all chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A leak at a random premises every so many seconds.
    #[arg(long)]
    leak_every: Option<f64>,
    /// When the first of these begins, in seconds after the start.
    #[arg(long, default_value_t = 5.0)]
    first_leak_after: f64,
    /// No more of these in the last so many seconds.
    #[arg(long, default_value_t = 25.0)]
    settle: f64,
    /// Share of these that are slow, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    slow_share: f64,
    /// Share of datagrams that the radio loses each way, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    radio_loss: f64,
    /// Share of closes that jam, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    jam: f64,
    /// Share of meals whose vapour reaches a detector, 0 to 1.
    #[arg(long, default_value_t = 0.06)]
    nuisance: f64,
    /// One reboot of each device in so many hours, on average; 0 never.
    #[arg(long, default_value_t = 720.0)]
    reboot_hours: f64,
    /// How many times faster people live than devices: 1440 lets a day at home pass in a minute.
    #[arg(long, default_value_t = 1.0)]
    life_scale: f64,
    /// How many times faster gas spreads than in life: at 10 a hose that slips off reaches the alarm level in a few seconds.
    #[arg(long, default_value_t = 1.0)]
    gas_pace: f64,
    /// A person mends each leak after so many seconds.
    #[arg(long)]
    repair_after: Option<f64>,
    /// Detectors close the valve by wire themselves at 25 %LEL.
    #[arg(long)]
    local_close: bool,
    /// Writes the report here, as JSON.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Logs every acknowledged uplink here: `context kid serial sent_ms sha256 bytes`.
    #[arg(long)]
    acked_log: Option<PathBuf>,
    /// No line a second.
    #[arg(long)]
    quiet: bool,
}

#[derive(clap::Args)]
struct LoadArguments {
    /// The list of device credentials that `davy provision` wrote.
    #[arg(long)]
    credentials: PathBuf,
    /// Where the platform listens for CoAP.
    #[arg(long, default_value = "127.0.0.1:5683")]
    server: SocketAddr,
    /// Uplinks a second, or `max`.
    #[arg(long, default_value = "max")]
    rate: davy_sim::load::Rate,
    /// How long to measure, in seconds.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// How long to send before measuring, in seconds.
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// How many uplinks may be without an answer.
    #[arg(long, default_value_t = 256)]
    window: usize,
    /// Readings in each uplink, 1 to 16.
    #[arg(long, default_value_t = 4)]
    readings: usize,
    /// Sockets, and so source ports, to send from.
    #[arg(long, default_value_t = 32)]
    sockets: usize,
    /// Sets so many premises aside and lets one leak at a time in them, while the load runs.
    #[arg(long, default_value_t = 0)]
    probe_leaks: usize,
    /// Writes the report here, as JSON.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Logs every acknowledged uplink here: `context kid serial sent_ms sha256 bytes`.
    #[arg(long)]
    acked_log: Option<PathBuf>,
}

#[derive(clap::Args)]
struct FloodArguments {
    /// The list of device credentials that `davy provision` wrote.
    #[arg(long)]
    credentials: PathBuf,
    /// Where the platform listens for CoAP.
    #[arg(long, default_value = "127.0.0.1:5683")]
    server: SocketAddr,
    /// Uplinks a second.
    #[arg(long, default_value_t = 20_000.0)]
    rate: f64,
    /// How long, in seconds.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Writes the report here, as JSON.
    #[arg(long)]
    report: Option<PathBuf>,
}

static STOP: AtomicBool = AtomicBool::new(false);

extern "C" fn on_signal(_: nix::libc::c_int) {
    STOP.store(true, Ordering::Relaxed);
}

/// Ends the run at Ctrl-C or SIGTERM; a second one ends the process.
fn stop_at_signals() -> Result<()> {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
    static ONCE: OnceLock<()> = OnceLock::new();
    if ONCE.set(()).is_err() {
        return Ok(());
    }
    let action = SigAction::new(SigHandler::Handler(on_signal), SaFlags::SA_RESETHAND, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // The handler only stores to an atomic, which is safe in a signal handler.
        #[allow(unsafe_code)]
        unsafe { sigaction(signal, &action) }.context("no handler for signals")?;
    }
    Ok(())
}

fn main() -> Result<()> {
    stop_at_signals()?;
    match Arguments::parse().command {
        Command::Run(arguments) => run(&arguments),
        Command::Load(arguments) => load(&arguments),
        Command::Flood(arguments) => flood(&arguments),
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(since.as_millis() as i64)
}

fn credentials(path: &PathBuf) -> Result<Vec<Credential>> {
    let json = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Credential::read(&json).with_context(|| format!("cannot use {}", path.display()))
}

fn told(path: Option<&PathBuf>) -> Result<Option<ToldLog>> {
    path.map(|path| ToldLog::create(path).with_context(|| format!("cannot write {}", path.display()))).transpose()
}

fn write_report(path: Option<&PathBuf>, report: &impl serde::Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(report)?;
    if let Some(path) = path {
        return std::fs::write(path, json + "\n").with_context(|| format!("cannot write {}", path.display()));
    }
    println!("{json}");
    Ok(())
}

fn run(arguments: &Run) -> Result<()> {
    let credentials = credentials(&arguments.credentials)?;
    let mut config = FleetConfig::new(arguments.server, now());
    config.runs_for = arguments.seconds.map(Duration::from_secs_f64);
    config.leak_every = arguments.leak_every.map(Duration::from_secs_f64);
    config.first_leak_after = Duration::from_secs_f64(arguments.first_leak_after);
    config.settle = Duration::from_secs_f64(arguments.settle);
    config.slow_share = arguments.slow_share;
    config.radio_loss = arguments.radio_loss;
    config.world.seed = arguments.seed;
    config.world.life_scale = arguments.life_scale;
    config.world.nuisance_per_meal = arguments.nuisance;
    config.world.jam_chance = arguments.jam;
    config.world.repair_after = arguments.repair_after.map(seconds);
    let firmware = &mut config.world.firmware;
    firmware.pace = arguments.gas_pace;
    firmware.local_close_lel = arguments.local_close.then_some(25.0);
    firmware.reboots_every = (arguments.reboot_hours > 0.0).then(|| seconds(arguments.reboot_hours * 3600.0));
    let fleet = Fleet::open(config, &credentials, told(arguments.acked_log.as_ref())?)?;
    let quiet = arguments.quiet;
    let report = fleet.run(&listen_on_stdin(), &STOP, |report| {
        if !quiet {
            eprintln!("{}", report.line());
        }
    })?;
    eprintln!("{}", report.line());
    write_report(arguments.report.as_ref(), &report)
}

fn seconds(seconds: f64) -> Span {
    Span::from_millis((seconds * 1000.0) as i64)
}

/// Interventions, a line each. The end of the input ends nothing.
fn listen_on_stdin() -> mpsc::Receiver<Control> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok).filter(|line| !line.trim().is_empty()) {
            match line.parse() {
                Ok(control) => {
                    if sender.send(control).is_err() {
                        return;
                    }
                }
                Err(error) => eprintln!("{error}"),
            }
        }
    });
    receiver
}

fn load(arguments: &LoadArguments) -> Result<()> {
    let credentials = credentials(&arguments.credentials)?;
    let config = davy_sim::load::LoadConfig {
        server: arguments.server,
        rate: arguments.rate,
        warm_up: Duration::from_secs_f64(arguments.warm_up),
        measures_for: Duration::from_secs_f64(arguments.seconds),
        window: arguments.window,
        readings: arguments.readings,
        sockets: arguments.sockets,
        start: now(),
        probe_leaks: arguments.probe_leaks,
    };
    let report = davy_sim::load::run(&config, &credentials, told(arguments.acked_log.as_ref())?, &STOP)?;
    eprintln!("{}", report.line());
    write_report(arguments.report.as_ref(), &report)
}

fn flood(arguments: &FloodArguments) -> Result<()> {
    let credentials = credentials(&arguments.credentials)?;
    let device = credentials.first().context("the list of credentials is empty")?;
    let lasts = Duration::from_secs_f64(arguments.seconds);
    let report = davy_sim::flood::run(arguments.server, device, arguments.rate, lasts, now(), &STOP)?;
    eprintln!("{} datagrams sent, {} not taken by the system", report.sent, report.refused);
    write_report(arguments.report.as_ref(), &report)
}
