//! The `davy` binary: reads the command line, gives the library the real clock and randomness, and turns its end into an
//! exit code (0 done, 1 failed, 2 wrong usage or settings).

mod key_acts;
mod tenant_acts;

use anyhow::Context;
use clap::{Parser, Subcommand};
use davy_domain::Timestamp;
use davy_domain::ledger::Actor;
use davy_domain::proof::SecondFactorPolicy;
use davy_rules::admission::run_child;
use davy_rules::{Admission, Engine, EngineConfig, ProcessLimits};
use davy_server::clock::{Clock, SharedRandom, SystemClock, SystemRandom};
use davy_server::config::{LogFormat, Settings};
use davy_server::http::openapi;
use davy_server::http::passwords::Passwords;
use davy_server::keys::{KeyRing, KeySource};
use davy_server::provision::{Manifest, Tools, provision, write_credentials};
use davy_server::serve::{ADMIT_RULE, PROVISIONED, World, open_store, serve};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Shards allocate and free across threads: what one decides the committer stores and another one frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A gas-safety platform: devices in over CoAP, valves closed, alarms and pages out.
#[derive(Parser)]
#[command(name = "davy", version, arg_required_else_help = true)]
struct Cli {
    /// Settings file (TOML); `davy config` prints one with every setting.
    #[arg(long, global = true, env = "DAVY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGINT or SIGTERM, then stop without losing anything.
    Serve,
    /// Bring the database's tables to this version.
    Migrate,
    /// Enter gas companies, premises, devices, people and rules from a JSON manifest: all of it or nothing.
    Provision {
        /// The manifest.
        file: PathBuf,
        /// Where the devices' credentials are written (mode 0600; never over a file that is there).
        #[arg(long, value_name = "OUT")]
        credentials: Option<PathBuf>,
    },
    /// Set what a company's staff may not do without a second factor; holds from their next request on.
    SecondFactor {
        /// The company's id, `ten_…`, or its name.
        tenant: String,
        /// `optional`, `rules` (changing rules) or `commands` (changing rules and commanding valves).
        policy: String,
    },
    /// Create the key file of the settings with a new key-encryption key (mode 0600; never over one that is there).
    Keygen,
    /// The key-encryption keys: list them, add one, seal everything anew under it, drop an old one.
    Keys {
        #[command(subcommand)]
        act: key_acts::KeyAct,
    },
    /// Companies: list them, lock them out, take one along as a file, bring one in.
    Tenant {
        #[command(subcommand)]
        act: tenant_acts::TenantAct,
    },
    /// Print every setting with its documentation, default and present value, as a settings file.
    Config,
    /// Print the OpenAPI document of the REST API.
    Openapi,
    /// What this program starts itself with to admit a rule within limits; for nobody else.
    #[command(hide = true, name = ADMIT_RULE)]
    AdmitRule {
        /// Memory in MiB, processor time and time in seconds.
        limits: ProcessLimits,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Before there are settings, files or threads: it handles hostile bytes.
    if let Command::AdmitRule { limits } = cli.command {
        return run_child(limits);
    }
    let settings = match Settings::load(cli.config.as_deref(), std::env::vars()) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("davy: {error}");
            return ExitCode::from(2);
        }
    };
    match run(cli.command, settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("davy: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, settings: Settings) -> anyhow::Result<()> {
    match command {
        Command::AdmitRule { limits } => anyhow::bail!("no settings are for {ADMIT_RULE} {limits}"),
        Command::Config => print(&settings.document()),
        Command::Openapi => print(&openapi::text()?),
        Command::Keygen => keygen(&settings),
        Command::Keys { act } => print(&runtime()?.block_on(key_acts::act(&settings, act))?),
        Command::Tenant { act } => print(&runtime()?.block_on(tenant_acts::act(&settings, act))?),
        Command::Migrate => runtime()?.block_on(migrate(&settings)),
        Command::SecondFactor { tenant, policy } => runtime()?.block_on(demand(&settings, &tenant, &policy)),
        Command::Provision { file, credentials } => {
            runtime()?.block_on(enter(&settings, &file, credentials.as_deref()))
        }
        Command::Serve => {
            log(&settings)?;
            let metrics = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
                .and_then(|builder| {
                    builder
                        .set_buckets_for_metric(Matcher::Full("davy_rule_call_seconds".to_owned()), &RULE_CALL_SECONDS)
                })
                .and_then(PrometheusBuilder::install_recorder)
                .context("metrics")?;
            let world = World {
                clock: Arc::new(SystemClock),
                now: || SystemClock.now(),
                random: Arc::new(SystemRandom),
                metrics,
            };
            runtime()?.block_on(async {
                let stop = stopped()?;
                serve(settings, world, stop).await
            })
        }
    }
}

/// Buckets of the one histogram whose values are microseconds.
const RULE_CALL_SECONDS: [f64; 14] =
    [2e-6, 5e-6, 8e-6, 1e-5, 1.25e-5, 1.5e-5, 2e-5, 3e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 1e-2, 1e-1];

/// Buckets of histograms in seconds.
const SECONDS: [f64; 14] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the async runtime cannot start")
}

fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever reads through `head` has what they wanted.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output"),
    }
}

fn log(settings: &Settings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.log_filter)
        .with_context(|| format!("setting `log.filter`: `{}` is no tracing filter", settings.log_filter))?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let logs = logs.with_ansi(std::io::stderr().is_terminal());
    let set = match settings.log_format {
        LogFormat::Pretty => logs.try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    set.map_err(|error| anyhow::anyhow!("logs cannot be set up: {error}"))
}

/// Completes at the first SIGINT or SIGTERM.
fn stopped() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("signals")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn keygen(settings: &Settings) -> anyhow::Result<()> {
    let source = KeySource::of(settings);
    let path = source.file()?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    KeyRing::create(path, &SystemRandom)?;
    print(&format!(
        "created {} with a new key; keep a copy in a safe place: without it no device key can be read\n",
        path.display()
    ))
}

async fn migrate(settings: &Settings) -> anyhow::Result<()> {
    let store = open_store(settings).await?;
    store.migrate().await?;
    store.close().await;
    print(&format!("the {} database has this version's tables\n", store.kind().name()))
}

async fn demand(settings: &Settings, tenant: &str, policy: &str) -> anyhow::Result<()> {
    let all = SecondFactorPolicy::ALL.map(SecondFactorPolicy::name).join(", ");
    let policy = SecondFactorPolicy::named(policy).with_context(|| format!("expected one of {all}, got `{policy}`"))?;
    let store = open_store(settings).await?;
    let tenants = store.tenants().await?;
    let mut named = tenants.iter().filter(|known| known.name == tenant || known.id.to_string() == tenant);
    let found = match (named.next(), named.next()) {
        (Some(found), None) => found,
        (Some(_), Some(_)) => anyhow::bail!("several companies are called `{tenant}`: give the id, `ten_…`"),
        (None, _) => anyhow::bail!("no company is called `{tenant}` or has that id"),
    };
    let rows = store.tenant(found.id);
    rows.set_second_factor_policy(policy, Actor::CommandLine, SystemClock.now()).await?;
    let told = format!("{} ({}) demands a second factor: {}\n", found.name, found.id, policy.name());
    store.close().await;
    print(&told)
}

async fn enter(settings: &Settings, file: &Path, credentials: Option<&Path>) -> anyhow::Result<()> {
    if let Some(path) = credentials.filter(|path| path.exists()) {
        anyhow::bail!("{} is there already: move it away or choose another `--credentials`", path.display());
    }
    let manifest = Manifest::open(file)?;
    let keys = KeyRing::read(KeySource::of(settings))?;
    let random: SharedRandom = Arc::new(SystemRandom);
    let (memory, passes) = (settings.password_memory_kib, settings.password_passes);
    let passwords = Passwords::new(memory, passes, settings.password_at_once, Arc::clone(&random))?;
    let engine = Engine::new(&EngineConfig { pool_size: 2, ..EngineConfig::default() })?;
    let store = open_store(settings).await?;
    store.migrate().await?;
    let now: Timestamp = SystemClock.now();
    let admission = Admission::by_this_program(&[ADMIT_RULE]);
    let (engine, admission) = (&engine, &admission);
    let tools = Tools { store: &store, engine, admission, keys: &keys, passwords: &passwords, random: &random, now };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let done = provision(&manifest, folder, &tools).await?;
    store.set_meta(PROVISIONED, &now.as_millis().to_string()).await?;
    store.close().await;
    if let Some(path) = credentials {
        write_credentials(path, &done.credentials)?;
    }
    print(&format!(
        "entered {} tenant(s), {} premises, {} device(s), {} user(s)\n",
        done.tenants, done.premises, done.devices, done.users
    ))
}
