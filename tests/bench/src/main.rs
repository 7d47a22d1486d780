//! `davy-bench`: what `cargo xtask bench` and `cargo xtask demo` start to measure.

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use davy_bench::audit::{self, AtPremises, Stored};
use davy_bench::lean::{self, Append, Counters, Identity, Peer};
use davy_bench::ledger::Ledger;
use davy_bench::requests::Measurement;
use davy_rules::Tier;
use std::io::Read;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug, Parser)]
#[command(name = "davy-bench", about = "Measures beside the product", version)]
struct Arguments {
    #[command(subcommand)]
    command: Commands,
}

#[derive(Debug, Subcommand)]
enum Commands {
    /// Prints what a database holds, as JSON
    Audit {
        /// `sqlite:PATH` or `postgres://…`
        #[arg(long)]
        database: String,
        /// Leaks and closes by premises since this time, milliseconds since 1970
        #[arg(long, default_value_t = 0)]
        since: i64,
    },
    /// Compacts a database that no server has open, down to the last uplink
    Compact {
        /// `sqlite:PATH` or `postgres://…`
        #[arg(long)]
        database: String,
    },
    /// Writes a rule that passes every check and never ends, to measure what its neighbours feel of it
    Hostile {
        /// Where the component goes
        component: PathBuf,
    },
    /// Prints what one call of the household's leak rule costs, beside native code and bare wasmtime, as JSON
    Calls {
        /// The component
        component: PathBuf,
        /// Rounds of 2,000 calls each; the best counts
        #[arg(long, default_value_t = 15)]
        rounds: u32,
    },
    /// Compiles a component for so many tenants, each with a digest of its own, into a cache
    FillTenants {
        /// The component
        component: PathBuf,
        /// The cache's folder
        folder: PathBuf,
        /// How many
        #[arg(long, default_value_t = 1_000)]
        tenants: usize,
    },
    /// Prints what so many tenants' components of a cache cost to load, to keep and to call in turn, as JSON
    Tenants {
        /// The component
        component: PathBuf,
        /// The cache's folder, as `fill-tenants` left it
        folder: PathBuf,
        /// How many
        #[arg(long, default_value_t = 1_000)]
        tenants: usize,
        /// Rounds of one call of each; the best counts
        #[arg(long, default_value_t = 15)]
        rounds: u32,
    },
    /// Prints how long the whole examination of a component takes in a process of its own, as JSON
    Admission {
        /// The component
        component: PathBuf,
        /// The program whose child examines
        #[arg(long)]
        davyctl: PathBuf,
        /// `standard` or `large`
        #[arg(long, default_value = "standard")]
        tier: Tier,
        /// How often
        #[arg(long, default_value_t = 5)]
        rounds: u32,
    },
    /// Prints how many readings a second a back-test folds under an alarm policy against itself, beside the native fold alone, as JSON
    Backtest {
        /// The component
        component: PathBuf,
        /// Households in the history
        #[arg(long, default_value_t = 40)]
        households: usize,
        /// How long they report
        #[arg(long, default_value_t = 7)]
        days: i64,
        /// Interlocks folded at once
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
    /// Prints how long a file of devices takes to be entered, as JSON
    Import {
        /// The server
        server: SocketAddr,
        /// Who adds devices there
        email: String,
        /// Their password
        password: String,
        /// Devices in the file
        #[arg(long, default_value_t = 10_000)]
        devices: u32,
    },
    /// Prints what the ledger costs, as JSON: an act, its share of the group commit, the verification of a long chain
    Chain {
        /// An empty folder for SQLite's files
        folder: PathBuf,
        /// An empty PostgreSQL database instead
        #[arg(long, value_name = "URL")]
        postgres: Option<String>,
        /// Entries that are verified
        #[arg(long, default_value_t = 1_000_000)]
        entries: u64,
    },
    /// Prints what a request costs a signed-in person beside one that asks nobody, and sign-ins a second, as JSON
    Requests {
        /// `http://HOST:PORT`
        #[arg(long)]
        server: String,
        /// Somebody who can sign in with a password alone
        #[arg(long)]
        email: String,
        /// Their password
        #[arg(long)]
        password: String,
        /// Requests of each kind
        #[arg(long, default_value_t = 5_000)]
        requests: usize,
        /// Sign-ins
        #[arg(long, default_value_t = 100)]
        sign_ins: usize,
    },
    /// Receives, decrypts, appends, commits and acknowledges, and nothing else, until standard input ends
    Ceiling {
        /// Where the rows go: `sqlite:PATH` or `postgres://…`
        #[arg(long)]
        database: String,
        /// Where to listen
        #[arg(long)]
        listen: SocketAddr,
        /// The devices' keys, as `davy provision` writes them
        #[arg(long)]
        credentials: PathBuf,
        /// Committers; more than one helps PostgreSQL only
        #[arg(long, default_value_t = 1)]
        committers: usize,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Commands::Audit { database, since } => {
            let mut all = serde_json::to_value(Stored::read(&database)?)?;
            all["premises"] = serde_json::to_value(AtPremises::read(&database, since)?)?;
            println!("{}", serde_json::to_string_pretty(&all)?);
            Ok(())
        }
        Commands::Requests { server, email, password, requests, sign_ins } => {
            let measured = Measurement { server, email, password, requests, sign_ins }.run()?;
            println!("{}", serde_json::to_string_pretty(&measured)?);
            Ok(())
        }
        Commands::Compact { database } => audit::compact(&database),
        Commands::Hostile { component } => {
            let bytes = davy_tests::hostile::component(davy_tests::hostile::LOOPS)?;
            std::fs::write(&component, bytes).with_context(|| format!("cannot write {}", component.display()))
        }
        Commands::Calls { component, rounds } => {
            let bytes = read(&component)?;
            println!("{}", davy_bench::calls::measure(&bytes, rounds));
            Ok(())
        }
        Commands::FillTenants { component, folder, tenants } => {
            println!("{}", davy_bench::tenants::fill(&read(&component)?, &folder, tenants)?);
            Ok(())
        }
        Commands::Tenants { component, folder, tenants, rounds } => {
            println!("{}", davy_bench::tenants::measure(&read(&component)?, &folder, tenants, rounds)?);
            Ok(())
        }
        Commands::Import { server, email, password, devices } => {
            println!("{}", davy_bench::import::measure(server, &email, &password, devices)?);
            Ok(())
        }
        Commands::Admission { component, davyctl, tier, rounds } => {
            println!("{}", davy_bench::admission::measure(&read(&component)?, davyctl, tier, rounds)?);
            Ok(())
        }
        Commands::Backtest { component, households, days, threads } => {
            let bytes = read(&component)?;
            println!("{:#}", davy_bench::backtest::measure(&bytes, households, days, threads)?);
            Ok(())
        }
        Commands::Chain { folder, postgres, entries } => {
            println!("{:#}", davy_bench::chain::measure(&folder, postgres.as_deref(), entries)?);
            Ok(())
        }
        Commands::Ceiling { database, listen, credentials, committers } => {
            ceiling(&database, listen, &credentials, committers)
        }
    }
}

fn read(component: &Path) -> Result<Vec<u8>> {
    std::fs::read(component).with_context(|| format!("cannot read {}", component.display()))
}

fn ceiling(database: &str, listen: SocketAddr, credentials: &PathBuf, committers: usize) -> Result<()> {
    let text = std::fs::read_to_string(credentials)
        .with_context(|| format!("cannot read the devices' keys in {}", credentials.display()))?;
    let identities =
        Identity::list(&text).with_context(|| format!("{} holds no devices' keys", credentials.display()))?;
    let peers = identities.iter().map(Peer::new).collect::<Result<Vec<_>>>()?;
    let appenders = (0..committers.max(1))
        .map(|_| Ledger::connect(database).map(|ledger| Box::new(ledger) as Box<dyn Append>))
        .collect::<Result<Vec<_>>>()?;
    let socket = UdpSocket::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    println!("ready on {}", socket.local_addr()?);
    let stop = Arc::new(AtomicBool::new(false));
    let counters = Arc::new(Counters::default());
    let (asked, end) = (Arc::clone(&stop), Arc::clone(&stop));
    ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed)).context("cannot install the handler of Ctrl-C")?;
    std::thread::spawn(move || {
        // Whoever started this closes our standard input when it has seen enough.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        end.store(true, Ordering::Relaxed);
    });
    lean::run(socket, peers, appenders, &counters, &stop)?;
    println!(
        "{}",
        serde_json::json!({
            "durable": counters.durable.load(Ordering::Relaxed),
            "refused": counters.refused.load(Ordering::Relaxed),
            "commits": counters.commits.load(Ordering::Relaxed),
        })
    );
    Ok(())
}
